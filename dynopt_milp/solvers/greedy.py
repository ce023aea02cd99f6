"""The book's greedy search: the baseline that the exact optimum is measured against.

From zero, or from the limit nearest to zero where zero is not allowed, it adds one contract at a time, each the one
that lowers the objective most, always in the direction of the target, until none lowers it. It goes one way only and
never looks back. Kept as the book has it: one evaluation of the whole objective for each candidate.

Source: R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray, TrackingProgram

GoesOn = Callable[[FloatArray], bool]
"""From the portfolio so far, shape (n,), to whether the search may go on."""


def always(_: FloatArray) -> bool:
    """Let the search go on to its end."""
    return True


def solve_greedy(task: Task) -> Answer:
    """Run the greedy search.

    Raises
    ------
    UnsupportedError
        With a formulation other than ``penalty``, with user constraints, or with rules.
    """
    if not task.formulation.is_sum:
        raise UnsupportedError(
            f"the greedy search is defined for 'penalty', not {task.formulation.name!r}; use exact", field="formulation"
        )
    if task.constraints is not None:
        raise UnsupportedError("the greedy search knows limits only, no constraints; use exact", field="constraints")
    if task.formulation.program.rules:
        raise UnsupportedError("the greedy search knows limits only, no rules; use exact", field="rules")

    def goes_on(positions: FloatArray) -> bool:
        task.report(positions)
        return task.seconds_left() > 0

    positions, finished = greedy_positions(task.formulation.program, goes_on)
    stopped_by = StoppedBy.HEURISTIC if finished else StoppedBy.TIME
    return Answer(positions=positions, lower_bound=0.0, stopped_by=stopped_by, solver="greedy (book)")


def greedy_positions(program: TrackingProgram, goes_on: GoesOn = always) -> tuple[FloatArray, bool]:
    """The portfolio where the greedy search ends, and whether it got there before ``goes_on`` stopped it.

    Ties, to the last bit of float64, go to the first instrument.
    """
    start, direction = start_and_direction(program.lower, program.upper, program.target)
    value = on_one_side_only(program, program.objective)
    return greedy_search(value, start, direction, program.lower, program.upper, goes_on)


def on_one_side_only(
    program: TrackingProgram, value: Callable[[FloatArray], float]
) -> Callable[[FloatArray], float]:  # fmt: skip
    """A value function that is +inf where the program's underlyings would be held with opposite signs."""
    if not program.underlyings():
        return value
    return lambda positions: value(positions) if program.one_sided(positions) else np.inf


def start_and_direction(lower: FloatArray, upper: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where the search starts, contracts, and which way (−1, 0 or 1) it goes with each instrument, shape (n,) each.

    Beyond a binding limit there is one way only; elsewhere it is the target's.
    """
    start = np.clip(0.0, lower, upper)
    return start, np.where(start != 0, np.sign(start), np.sign(target))


def greedy_search(
    value: Callable[[FloatArray], float],
    start: FloatArray,
    direction: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    goes_on: GoesOn = always,
) -> tuple[FloatArray, bool]:
    """The greedy search on any value function, from any portfolio, with a direction (−1, 0 or 1) for each instrument.

    ``goes_on`` is asked before each step, with the portfolio there. Returns the last portfolio, shape (n,), and whether
    the search ended by itself.
    """
    positions = start.copy()
    best = value(positions)
    while goes_on(positions):
        after = positions + direction
        candidates = np.flatnonzero((direction != 0) & (lower <= after) & (after <= upper))
        values = np.full(positions.size, np.inf)
        for instrument in candidates:
            step = positions.copy()
            step[instrument] += direction[instrument]
            values[instrument] = value(step)
        chosen = int(np.argmin(values))
        if not values[chosen] < best:
            return positions, True
        positions[chosen] += direction[chosen]
        best = float(values[chosen])
    return positions, False
