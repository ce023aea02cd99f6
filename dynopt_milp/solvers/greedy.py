"""The book's greedy search: the baseline that the exact optimum is measured against.

From zero, or from the allowed position nearest to zero where zero is not allowed, it moves one instrument at a time to
its next allowed position, each time the one that lowers the objective most, always in the direction of the target,
until none lowers it. It goes one way only and never looks back.

The book evaluates the whole objective for each candidate. Here that settles ties and what is nearly one; every other
step is told from what the kernel carries along (`carried_steps`), and is the same one.

The book has no rules for whole portfolios. With them a step is a candidate if it breaks no rule by more than the
portfolio before it did; a rule that is broken at the start can so be kept at the end, and one that is kept stays so. If
one is still broken at the end there is no answer.

Source: R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.carried_steps import CarriedSteps
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray, IntegerArray, TrackingProgram

GoesOn = Callable[[FloatArray], bool]
"""From the portfolio so far, shape (n,), to whether the search may go on."""
GROWTH = 1e-12
"""Of a violation: what it may seem to grow by as float64 adds the terms of another portfolio."""


def always(_: FloatArray) -> bool:
    """Let the search go on to its end."""
    return True


def solve_greedy(task: Task) -> Answer:
    """Run the greedy search; there is no answer where it ends at a portfolio that breaks a rule.

    Raises
    ------
    UnsupportedError
        With a formulation other than ``penalty``, or with user constraints.
    """
    if not task.formulation.is_sum:
        raise UnsupportedError(
            f"the greedy search is defined for 'penalty', not {task.formulation.name!r}; use exact", field="formulation"
        )
    if task.constraints is not None:
        raise UnsupportedError(
            "the greedy search knows limits and rules only, no constraints; use exact", field="constraints"
        )
    program = task.formulation.program

    def goes_on(positions: FloatArray) -> bool:
        if program.contains(positions):
            task.report(positions)
        return task.seconds_left() > 0

    positions, finished = greedy_search(program, goes_on=goes_on)
    stopped_by = StoppedBy.HEURISTIC if finished else StoppedBy.TIME
    kept = positions if program.contains(positions) else None  # sides that cannot be left are no answer, either
    return Answer(positions=kept, lower_bound=0.0, stopped_by=stopped_by, solver="greedy (book)")


def greedy_search(
    program: TrackingProgram, value: Callable[[FloatArray], float] | None = None, *, start: FloatArray | None = None,
    direction: FloatArray | None = None, goes_on: GoesOn = always, most_steps: int | None = None,
) -> tuple[FloatArray, bool]:  # fmt: skip
    """The portfolio where the greedy search ends, and whether it got there before it was stopped.

    Within the box, the domain, the sides and the rules of the program. Ties, to the last bit of float64, go to the
    first instrument.

    Parameters
    ----------
    program : TrackingProgram
    value : callable, optional
        From a portfolio, shape (n,), to what is to be small, in full for each candidate; the objective of the program
        if not given.
    start : ndarray, shape (n,), optional
        Where to begin: at the allowed positions nearest to it. Zero if not given.
    direction : ndarray, shape (n,), optional
        Which way to go, −1, 0 or 1. If not given: towards the target, and where zero is not allowed away from it.
    goes_on : callable
        Asked before each step, or some of them, with the portfolio there.
    most_steps : int, optional
        After which it is stopped.

    Returns
    -------
    positions : ndarray, shape (n,)
        Whole contracts; they may break rules that were broken at the start, and domains that leave no position.
    finished : bool
        Whether the search ended by itself.
    """
    positions = nearest_allowed(program, np.zeros(program.size) if start is None else start)
    if direction is None:
        direction = direction_from(positions, program.target)
    if not program.allows(positions).all():  # an instrument has no allowed position
        return positions, True
    steps = CarriedSteps(program, direction) if value is None else None
    value, best = program.objective if value is None else value, None
    taken = 0
    while (most_steps is None or taken < most_steps) and goes_on(positions):
        candidates = None
        if steps is not None and steps.begins_at(positions):
            more = steps.take(positions, None if most_steps is None else most_steps - taken)
            if more.done:
                return more.positions, True
            positions, candidates, best = more.positions, more.contenders, None
            taken += more.steps
            if candidates is None:
                continue
        if best is None:
            best = value(positions) if program.one_sided(positions) else np.inf
        after, worth = full_step(program, value, positions, direction, candidates)
        if not worth < best:
            return positions, True
        positions, best, taken = after, worth, taken + 1
    return positions, False


def full_step(
    program: TrackingProgram, value: Callable[[FloatArray], float], positions: FloatArray, direction: FloatArray,
    candidates: IntegerArray | None = None,
) -> tuple[FloatArray, float]:  # fmt: skip
    """The best portfolio one step away, each candidate (default: all) evaluated in full, and its value, or +inf."""
    above, below = program.neighbours(positions)
    after = np.where(direction > 0, above, below)
    inside = np.isfinite(after) & (program.lower <= after) & (after <= program.upper) & (direction != 0)
    candidates = np.flatnonzero(inside) if candidates is None else candidates[inside[candidates]]
    if not candidates.size:
        return positions, np.inf
    steps = np.tile(positions, (candidates.size, 1))
    steps[np.arange(candidates.size), candidates] = after[candidates]
    values = np.full(candidates.size, np.inf)
    for place in np.flatnonzero(no_worse(program, positions, steps)):
        values[place] = value(steps[place])
    chosen = int(np.argmin(values))
    return steps[chosen], float(values[chosen])


def direction_from(start: FloatArray, target: FloatArray) -> FloatArray:
    """Which way (−1, 0 or 1) the search goes with each instrument, shape (n,).

    Where zero is not allowed there is one way only; elsewhere it is the target's.
    """
    return np.where(start != 0, np.sign(start), np.sign(target))


def nearest_allowed(program: TrackingProgram, wanted: FloatArray) -> FloatArray:
    """The allowed position nearest to each of ``wanted``, shape (n,), on the side of the target if two are.

    Where an instrument has none, it is the nearest within its limits.
    """
    point = np.clip(wanted, program.lower, program.upper)
    allowed = program.allows(point)
    if allowed.all():
        return point
    above, below = program.neighbours(point)
    up = np.where(above <= program.upper, above - point, np.inf)
    down = np.where(below >= program.lower, point - below, np.inf)
    other = np.where((up < down) | ((up == down) & (program.target > point)), above, below)
    return np.where(allowed | ~np.isfinite(np.minimum(up, down)), point, other)


def no_worse(program: TrackingProgram, positions: FloatArray, steps: FloatArray) -> NDArray[np.bool_]:
    """Which of ``steps``, shape (N, n), break no rule by more than ``positions``, and hold no opposite sides."""
    fine: NDArray[np.bool_] = program.one_sided(steps)
    rules = program.rules
    if rules is None or not rules.coupled:
        return fine
    before = rules.violations(positions[None], program.previous, program.zero)
    after = rules.violations(steps, program.previous, program.zero)
    return fine & (after <= before * (1 + GROWTH)).all(axis=1)
