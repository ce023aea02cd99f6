"""From a problem to a checked solution: the optimizers, and the check that every answer goes through."""

from dynopt_milp.solvers.methods import METHODS, find_method
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.solvers.proved import prove
from dynopt_milp.solvers.solving import FORMULATIONS, solve
from dynopt_milp.solvers.task import Answer, Task

__all__ = ["FORMULATIONS", "METHODS", "Answer", "Optimizer", "Task", "find_method", "prove", "solve"]
