"""Exact, by whatever proves it soonest: the package's own branch and bound, or SCIP where constraints are added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dynopt_milp.errors import SolverError, UnboundedError, UnsupportedError
from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.branch_and_bound import solve_branch_and_bound
from dynopt_milp.solvers.task import Answer, Task


def solve_exact(task: Task) -> Answer:
    """Branch and bound if limits are all there is, SCIP with constraints of the user's own.

    What was used is the answer's ``solver``. SCIP also takes what has too many positions for the branch and bound's
    tables, and what it leaves open because of round-off (portfolios on the very edge of a buffer, say), unless that is
    less than what SCIP's own tolerances leave open; where SCIP gets no further, the branch and bound's answer stands.

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If a solver fails before there is any answer.
    """
    own: Answer | None = None
    if task.constraints is None:
        try:
            own = solve_branch_and_bound(task)
        except UnsupportedError:
            pass
        else:
            if own.stopped_by is not StoppedBy.PRECISION:
                return own
            if own.positions is not None:
                task.report(own.positions, own.lower_bound)
    from dynopt_milp.solvers.scip.solver import LEAST_GAP, solve_scip

    if own is not None and _gap(task, own) <= LEAST_GAP:
        return own
    try:
        other = solve_scip(task)
    except (UnboundedError, SolverError):  # where nothing but round-off bounds positions, say
        if own is None or own.positions is None:
            raise
        return own
    if other.stopped_by.is_limit and own is not None and _gap(task, own) < _gap(task, other):
        return replace(own, stopped_by=other.stopped_by)
    return other


def _gap(task: Task, answer: Answer) -> float:
    value = np.inf if answer.positions is None else task.formulation.value(answer.positions)
    return relative_gap(value, answer.lower_bound)
