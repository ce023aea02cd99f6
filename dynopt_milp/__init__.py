"""Which whole contracts to hold: dynamic portfolio optimisation solved to proven optimality.

>>> from dynopt_milp import Problem, solve
>>> solution = solve(Problem.from_json("problem.json"))  # doctest: +SKIP
>>> solution.positions, solution.status, solution.gap  # doctest: +SKIP
"""

from dynopt_milp.errors import (
    CertificationError,
    CovarianceError,
    DynoptError,
    FormatError,
    InputError,
    LimitsError,
    NoPortfolioError,
    SolveInterrupted,
    SolverError,
    UnboundedError,
    UnknownNameError,
    UnsupportedError,
)
from dynopt_milp.limits import Limits
from dynopt_milp.problem import Problem
from dynopt_milp.rebalance import Rebalance, rebalance
from dynopt_milp.solution import Solution, Status, StoppedBy
from dynopt_milp.solve import solve

__version__ = "0.1.0"

__all__ = [
    "CertificationError",
    "CovarianceError",
    "DynoptError",
    "FormatError",
    "InputError",
    "Limits",
    "LimitsError",
    "NoPortfolioError",
    "Problem",
    "Rebalance",
    "Solution",
    "SolveInterrupted",
    "SolverError",
    "Status",
    "StoppedBy",
    "UnboundedError",
    "UnknownNameError",
    "UnsupportedError",
    "rebalance",
    "solve",
]
