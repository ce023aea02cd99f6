"""All points of a small box: the oracle of the tests, and an exact method for a handful of contracts.

The points are looked at in the order of instruments, in blocks. The first pass finds the smallest value, which is the
lower bound; the second measures ties from it, and looks only at blocks that have some.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.incumbent import first_incumbent
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray

SOLVER = "enumeration"
MOST_POINTS = 10_000_000
BLOCK = 100_000
# Portfolios whose values are this close to the smallest are tied, or closer where the gap to prove is smaller; the
# least trade wins, then the order of names decides.
TIE = 1e-12


def solve_enumerate(task: Task) -> Answer:
    """Look at every point of the box.

    Of portfolios whose values are within 1e-12 of the smallest (within the task's gap, where that is less), the one
    that trades the fewest contracts is taken, then the one that is smallest at the first instrument in which they
    differ.

    Raises
    ------
    UnsupportedError
        If the box has more than ten million points, or constraints bring variables of their own.
    UnboundedError
        If the box is not finite and no argument makes it so.
    """
    if not (check := ConstraintCheck(task.constraints, task.formulation.program.size)).decidable:
        raise UnsupportedError(
            "enumeration cannot decide constraints that bring variables of their own; use exact", field="constraints"
        )
    program = task.formulation.program
    lower, upper = program.lower, program.upper
    if not np.isfinite(lower).all() or not np.isfinite(upper).all():
        incumbent = first_incumbent(task, check)
        value = np.inf if incumbent is None else task.formulation.value(incumbent)
        lower, upper = finite_box(task, value)
        if incumbent is not None and ((incumbent < lower) | (incumbent > upper)).any():
            return Answer(incumbent, 0.0, StoppedBy.PRECISION, SOLVER)  # round-off has cut off what is known
    widths = np.maximum(upper - lower + 1, 0)
    points = float(np.prod(widths))
    if points > MOST_POINTS:
        raise UnsupportedError(
            f"enumeration would look at {points:.1g} portfolios, {MOST_POINTS:,} are the most; use exact, or limits",
            field="optimizer",
        )
    best: FloatArray | None = None
    bound, seen = np.inf, 0
    least: list[float] = []  # the smallest value of each block
    for portfolios in _blocks(lower, widths):
        values = task.formulation.values(portfolios)
        least.append(float(values.min()))
        for place in np.argsort(values, kind="stable"):
            if not values[place] < bound:
                break
            if task.seconds_left() == 0:
                return Answer(best, 0.0, StoppedBy.TIME, SOLVER, seen)
            if check.admits(portfolios[place]):
                best, bound = portfolios[place], float(values[place])
                task.report(best)
                break
        seen += len(portfolios)
        if task.seconds_left() == 0:
            return Answer(best, 0.0, StoppedBy.TIME, SOLVER, seen)
    if best is None:
        return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER, seen)
    task.report(best, bound)

    tied = bound * (1 + min(TIE, task.gap))
    fewest = np.inf
    for portfolios in _blocks(lower, widths, np.array(least) <= tied):
        places = np.flatnonzero(task.formulation.values(portfolios) <= tied)
        traded = np.abs(portfolios[places] - program.previous).sum(axis=1)
        for order in np.argsort(traded, kind="stable"):
            if not traded[order] < fewest:
                break
            if task.seconds_left() == 0:
                return Answer(best, bound, StoppedBy.TIME, SOLVER, seen)
            if check.admits(portfolios[places[order]]):
                best, fewest = portfolios[places[order]], float(traded[order])
                break
    value = task.formulation.value(best)
    bound = min(bound, value)  # many at once are priced to the last digit or two of one alone
    closed = relative_gap(value, bound) <= task.gap
    return Answer(best, bound, StoppedBy.GAP if closed else StoppedBy.PRECISION, SOLVER, seen)


def _blocks(lower: FloatArray, widths: FloatArray, wanted: NDArray[np.bool_] | None = None) -> Iterator[FloatArray]:
    """The points of a box a block at a time, a row each, in the order of instruments; of ``wanted`` blocks alone."""
    points = int(np.prod(widths))
    for number, start in enumerate(range(0, points, BLOCK)):
        if wanted is None or wanted[number]:
            places = np.arange(start, min(start + BLOCK, points))
            portfolios = np.tile(lower, (len(places), 1))
            for instrument in np.flatnonzero(widths > 1)[::-1]:
                places, digit = np.divmod(places, int(widths[instrument]))
                portfolios[:, instrument] += digit
            yield portfolios
