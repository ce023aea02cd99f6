"""An optimizer of the user's own, run like the optimizers of this package and checked like them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dynopt_milp.errors import DynoptError, InputError, SolverError, UnsupportedError
from dynopt_milp.io.labelled import to_whole
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, SolveInterrupted, Status, StoppedBy
from dynopt_milp.solvers.broken_rule import broken_rule
from dynopt_milp.solvers.task import Answer, Method, Task

Optimizer = Callable[[Problem], Any]
"""From a problem to whole contracts: a Series, a dict, or an array in the order of the problem's instruments.

Or to a :class:`~dynopt_milp.Solution`: where it is one of that very problem, its lower bound and status count as well.
"""


def optimizer_name(optimizer: str | Optimizer) -> str:
    """What an optimizer is called in results."""
    return optimizer if isinstance(optimizer, str) else str(getattr(optimizer, "__name__", type(optimizer).__name__))


def distinct_names(optimizers: Iterable[str | Optimizer], field: str) -> list[str]:
    """What optimizers are called in results.

    Raises
    ------
    InputError
        If two have the same name.
    """
    names = [optimizer_name(optimizer) for optimizer in optimizers]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name!r} appears more than once; give every optimizer a name of its own", field=field)
    return names


def _within(name: str) -> str:
    """What a claim of an optimizer of the user's own leaves out."""
    return f"proved as far as {name} says, within constraints of its own if it has any"


def own_method(optimizer: Optimizer, problem: Problem) -> Method:
    """A method that calls the optimizer on the problem as the user gave it.

    Raises
    ------
    UnsupportedError
        When it runs, with a formulation other than ``penalty``, or with constraints: the optimizer would not know of
        them.
    SolverError
        If the optimizer raises, or what it returns is not one whole number per instrument, or breaks a limit or a rule.
    """
    name = optimizer_name(optimizer)

    def run(task: Task) -> Answer:
        if not task.formulation.is_sum or task.constraints is not None:
            raise UnsupportedError(
                "an optimizer of your own is given the problem alone, without formulation or constraints; use exact",
                field="optimizer",
            )
        try:
            returned = optimizer(problem)
        except SolveInterrupted as stop:  # of a solve of its own
            if stop.solution.problem is problem and stop.solution.contracts is not None:
                task.report(stop.solution.contracts[problem.order()].astype(np.float64))
            raise
        except DynoptError:
            raise
        except Exception as error:
            raise SolverError(f"{name} raised {type(error).__name__}: {error}") from error
        solution = returned if isinstance(returned, Solution) else None
        if solution is not None:
            if solution.contracts is None:
                none_exists = solution.status is Status.INFEASIBLE and solution.problem is problem
                stopped_by = StoppedBy.INFEASIBILITY if none_exists else solution.stopped_by
                return Answer(None, solution.lower_bound, stopped_by, f"{name} (own)", solution.nodes, _within(name))
            returned = solution.positions
        try:
            positions = problem.labelled(to_whole(returned, problem.instruments, "positions"))
        except InputError as error:
            raise SolverError(f"{name} returned something that is not a portfolio: {error}") from None
        ordered = positions[list(task.instruments)].to_numpy()
        outside = (ordered < task.formulation.program.lower) | (ordered > task.formulation.program.upper)
        if outside.any():
            place = int(outside.argmax())
            raise SolverError(
                f"{name} returned {ordered[place]:g} contracts of {task.instruments[place]}, outside its limits "
                f"({task.formulation.program.lower[place]:g} to {task.formulation.program.upper[place]:g})"
            )
        for members in task.formulation.program.opposite(ordered):
            sizes = ", ".join(f"{ordered[place]:g} of {task.instruments[place]}" for place in members)
            raise SolverError(f"{name} returned opposite positions of one underlying: {sizes}")
        broken = broken_rule(task.formulation.program, task.instruments, ordered)
        if broken is not None:
            raise SolverError(f"{name} returned a portfolio that breaks a rule: {broken}")
        if solution is None or solution.problem is not problem or solution.formulation != task.formulation.name:
            return Answer(positions=ordered, lower_bound=0.0, stopped_by=StoppedBy.HEURISTIC, solver=f"{name} (own)")
        return Answer(
            ordered, solution.lower_bound, solution.stopped_by, f"{name} (own)", solution.nodes, _within(name)
        )

    return run
