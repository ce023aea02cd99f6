"""One rebalance: from a problem to a checked solution."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import CertificationError, InputError, SolveInterrupted, UnknownNameError
from dynopt_milp.labelled import to_number, to_whole
from dynopt_milp.problem import Problem
from dynopt_milp.solution import Solution, Status, StoppedBy, relative_gap
from dynopt_milp.solvers import find_method
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.own import Optimizer, method_name, own_method
from dynopt_milp.solvers.task import Answer, Constraints, Task
from formulations import (
    BufferEdge,
    Deadband,
    FloatArray,
    Formulation,
    IntegerHull,
    Penalty,
    ProgramError,
    TrackingProgram,
)

DEFAULT_GAP = 1e-6
DEFAULT_BUFFER = 0.01  # 0.05 × 0.2: buffer fraction × annual risk target, both the book's
# A lower bound above the objective by less than this part of it is round-off in the pricing.
ROUND_OFF = 1e-9

Formulate = Callable[[TrackingProgram, float], Formulation]
FORMULATIONS: dict[str, Formulate] = {
    "penalty": lambda program, buffer: Penalty(program),
    "deadband": Deadband,
    "buffer_edge": BufferEdge,
    "integer_hull": lambda program, buffer: IntegerHull(program),
}


def solve(
    problem: Problem,
    method: str | Optimizer = "exact",
    *,
    formulation: str = "penalty",
    buffer: float = DEFAULT_BUFFER,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    start: Any = None,
    constraints: Constraints | None = None,
) -> Solution:
    """Which whole contracts to hold.

    Parameters
    ----------
    problem : Problem
        The rebalance.
    method : str or callable
        ``"exact"`` (proven optimum, by branch and bound, or by SCIP with constraints), ``"branch_and_bound"``,
        ``"scip"``, ``"scip_plain"`` (for comparison), ``"greedy"`` (the book's search), ``"enumerate"``
        (all points of a small box), ``"cvxpy:NAME"`` (another mixed-integer solver, as a referee). Or an optimizer of
        your own, from a Problem to whole contracts (Series, dict or array in the order of its instruments); its answer
        is checked and priced like any other, and claims nothing.
    formulation : str
        ``"penalty"`` (the book's objective), ``"deadband"`` (tracking error beyond a buffer plus cost),
        ``"buffer_edge"`` (the cheapest trade to within the buffer around the target) or ``"integer_hull"``
        (``"penalty"`` with a tighter relaxation, for solvers that are given the model).
    buffer : float
        Annual standard deviation, share of capital; for ``"deadband"`` and ``"buffer_edge"``.
    gap : float
        Relative gap to prove, between 0 and 1.
    time_limit : float, optional
        Seconds; the best answer by then is returned.
    start : Series, dict or array_like, optional
        A portfolio to begin with.
    constraints : callable, optional
        From a cvxpy expression of the positions (contracts, shape (n,), in the order of ``problem.instruments``)
        to a list of convex cvxpy constraints: a margin budget, a risk cap, a limit on a group.

    Returns
    -------
    Solution
        With its status, a recomputed objective and a proved lower bound. Instruments are put in the order of their
        names before anything is computed, so the answer does not depend on the order they come in.

    Raises
    ------
    InputError
        If an argument makes no sense; subclasses say which.
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If a solver fails.
    CertificationError
        If an answer fails the check; nothing is claimed then.
    SolveInterrupted
        On Ctrl-C; it carries the solution so far.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"wants a Problem, found {type(problem).__name__}", field="problem")
    if constraints is not None and not callable(constraints):
        raise InputError("wants a function from positions to cvxpy constraints", field="constraints")
    run = own_method(method, problem) if callable(method) else find_method(method)
    began = time.monotonic()  # the time limit is for solving, not for loading a solver
    order = problem.order()
    task = Task(
        formulation=_formulate(problem, order, formulation, buffer),
        instruments=tuple(problem.instruments[place] for place in order),
        gap=check_gap(gap),
        deadline=None if time_limit is None else began + check_time_limit(time_limit),
        starts=() if start is None else (_start(start, problem)[order],),
        constraints=None if constraints is None else lambda positions: constraints(positions[np.argsort(order)]),
    )
    answer = run(task)
    objective, status = certify(task, answer)
    contracts = None
    if answer.positions is not None:
        contracts = np.empty(order.size, dtype=np.int64)
        contracts[order] = answer.positions
        contracts.setflags(write=False)
    solution = Solution(
        problem=problem,
        contracts=contracts,
        objective=objective,
        lower_bound=min(answer.lower_bound, objective),
        status=status,
        stopped_by=answer.stopped_by,
        method=method_name(method),
        formulation=formulation,
        solver=answer.solver,
        seconds=time.monotonic() - began,
        nodes=answer.nodes,
    )
    if answer.stopped_by is StoppedBy.INTERRUPT:
        raise SolveInterrupted(solution)
    return solution


def certify(task: Task, answer: Answer) -> tuple[float, Status]:
    """Check an answer and say what it is worth.

    Returns
    -------
    objective : float
        Recomputed in float64; +inf without positions.
    status : Status
        OPTIMAL only if the gap between the recomputed objective and the lower bound is within the one asked for.

    Raises
    ------
    CertificationError
        If positions are not whole or break a limit or constraint, or the lower bound lies above the objective.
    """
    if answer.positions is None:
        none_exists = answer.stopped_by is StoppedBy.INFEASIBILITY
        return np.inf, Status.INFEASIBLE if none_exists else Status.NO_SOLUTION
    if not task.formulation.program.contains(answer.positions):
        raise CertificationError(f"{answer.solver} returned positions that are not whole or break a limit")
    check = ConstraintCheck(task.constraints, task.formulation.program.size)
    objective = task.formulation.value(answer.positions)
    if not math.isfinite(objective) or (check.decidable and not check.admits(answer.positions)):
        raise CertificationError(f"{answer.solver} returned positions that break a constraint")
    if answer.lower_bound > objective * (1 + ROUND_OFF):
        raise CertificationError(
            f"{answer.solver} claims the lower bound {answer.lower_bound:.9g} and found a portfolio of {objective:.9g}"
        )
    proved = relative_gap(objective, min(answer.lower_bound, objective)) <= task.gap
    return objective, Status.OPTIMAL if proved else Status.FEASIBLE


def _formulate(problem: Problem, order: NDArray[np.intp], name: str, buffer: float) -> Formulation:
    if not isinstance(name, str) or name not in FORMULATIONS:
        raise UnknownNameError(f"there is no {name!r}; there are {', '.join(FORMULATIONS)}", field="formulation")
    try:
        return FORMULATIONS[name](problem.program().permuted(order), to_number(buffer, "buffer"))
    except ProgramError as error:
        raise InputError(str(error).split(": ", 1)[-1], field=error.field) from None


def check_settings(method: Any, gap: float, time_limit: float | None) -> None:
    """Refuse a method that does not exist, and a gap or time limit that makes no sense, before there is a problem.

    Raises
    ------
    UnknownNameError, InputError
    """
    check_gap(gap)
    check_time_limit(time_limit)
    if not callable(method):
        find_method(method)


def check_gap(gap: float) -> float:
    """The gap as a number between 0 and 1.

    Raises
    ------
    InputError
        If it is none.
    """
    return _between(gap, "gap", 0.0, 1.0)


@overload
def check_time_limit(time_limit: None) -> None: ...
@overload
def check_time_limit(time_limit: float) -> float: ...
@overload
def check_time_limit(time_limit: float | None) -> float | None: ...
def check_time_limit(time_limit: float | None) -> float | None:
    """The time limit as a number of seconds that is not negative, or None.

    Raises
    ------
    InputError
        If it is neither.
    """
    return None if time_limit is None else _between(time_limit, "time_limit", 0.0, np.inf)


def _between(value: float, field: str, least: float, most: float) -> float:
    number = to_number(value, field, infinite=True)
    if not least <= number <= most:
        raise InputError(f"wants a number between {least:g} and {most:g}, found {value!r}", field=field)
    return number


def _start(start: Any, problem: Problem) -> FloatArray:
    return np.clip(to_whole(start, problem.instruments, "start"), problem.lower, problem.upper)
