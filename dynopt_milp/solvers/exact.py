"""Exact, by whatever proves it soonest: the package's own branch and bound, and SCIP where constraints are added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dynopt_milp.errors import SolverError, UnboundedError, UnsupportedError
from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.best_known import BestKnown
from dynopt_milp.solvers.branch_and_bound import solve_branch_and_bound
from dynopt_milp.solvers.enumerate import solve_enumerate
from dynopt_milp.solvers.task import Answer, Task

FEW_POINTS = 100_000  # portfolios: a tenth of a second

ROUGH_GAP = 0.5  # of a portfolio that the branch and bound begins with

SHARE = 0.25  # of the time, for the problem without constraints: SCIP's answer is what counts


def solve_exact(task: Task) -> Answer:
    """Branch and bound if limits and rules are all there is, SCIP with constraints of the user's own.

    With constraints the branch and bound solves the problem without them first: that bounds the other, and its optimum,
    scaled down until it is admitted, is something to begin with.

    What was used is the answer's ``solver``. What the branch and bound leaves open because of round-off is enumerated
    where the box is small: portfolios that float64 cannot tell from the best are then priced in whole numbers. SCIP
    takes what has too many positions for the branch and bound's tables, and what is still open, unless that is less
    than what SCIP's own tolerances leave open; where SCIP gets no further, the answer before it stands. It also finds
    a first portfolio where rules have none that is simple and nothing bounds positions without one.

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If a solver fails before there is any answer.
    """
    own: Answer | None = None
    if task.constraints is not None:
        return _with_constraints(task)
    try:
        own = solve_branch_and_bound(task)
    except UnsupportedError:
        pass
    except UnboundedError:
        first = None if task.starts else _near_the_target(task)
        if first is None:
            raise
        return first if first.positions is None else solve_exact(replace(task, starts=(first.positions,)))
    else:
        if own.stopped_by is not StoppedBy.PRECISION:
            return own
        if own.positions is not None:
            task.report(own.positions, own.lower_bound)
    if own is not None:
        try:
            counted = solve_enumerate(task, FEW_POINTS)
        except (UnboundedError, UnsupportedError):
            pass
        else:
            if counted.stopped_by is not StoppedBy.PRECISION or _gap(task, counted) < _gap(task, own):
                own = replace(counted, solver=f"{own.solver}, {counted.solver}")
            if not own.stopped_by.is_limit:
                return own
    from dynopt_milp.solvers.scip.solver import LEAST_GAP, solve_scip

    if own is not None and _gap(task, own) <= LEAST_GAP:
        return own
    try:
        other = solve_scip(task)
    except (UnboundedError, UnsupportedError, SolverError):  # where nothing but round-off bounds positions, say
        if own is None or own.positions is None:
            raise
        return own
    if other.stopped_by.is_limit and own is not None and _gap(task, own) < _gap(task, other):
        return replace(own, stopped_by=other.stopped_by)
    return other


def _near_the_target(task: Task) -> Answer | None:
    """A portfolio that keeps the rules, by SCIP, or its word that there is none; None where there are no rules."""
    if not task.formulation.program.rules:
        return None
    from dynopt_milp.solvers.scip.solver import solve_scip

    return solve_scip(replace(task, gap=ROUGH_GAP, known=BestKnown()))


def _with_constraints(task: Task) -> Answer:
    """SCIP, after the branch and bound has solved the problem without the user's constraints."""
    from dynopt_milp.solvers.scip.solver import solve_scip

    deadline = None if task.deadline is None else task.deadline - (1 - SHARE) * task.seconds_left()
    try:
        free = solve_branch_and_bound(replace(task, constraints=None, deadline=deadline, known=BestKnown()))
    except (UnboundedError, UnsupportedError):  # constraints may bound what nothing else does
        return solve_scip(task)
    if free.stopped_by is StoppedBy.INFEASIBILITY:
        return free
    task.known.add(np.inf, np.zeros(0), free.lower_bound)
    if free.stopped_by is StoppedBy.INTERRUPT:
        return replace(free, positions=None)
    if free.positions is None:
        return solve_scip(task)
    found = solve_scip(replace(task, starts=(*task.starts, free.positions)))
    if found.lower_bound > free.lower_bound:
        return found
    return replace(found, solver=f"{free.solver}, {found.solver}")


def _gap(task: Task, answer: Answer) -> float:
    value = np.inf if answer.positions is None else task.formulation.priced(answer.positions).high
    return relative_gap(value, answer.lower_bound)
