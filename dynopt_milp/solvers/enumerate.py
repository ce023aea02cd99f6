"""All points of a small box: the oracle of the tests, and an exact method for a handful of contracts.

The points are looked at in the order of instruments, in blocks. The first pass finds the smallest value, and the least
that any can be worth in exact arithmetic, which is the lower bound; the second measures ties from the smallest value,
and looks only at blocks that have some. Where round-off leaves open which is best, as with millions of contracts held
against each other, those in question are priced in whole numbers.
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
from formulations import FloatArray, Priced, rule_box

SOLVER = "enumeration"
MOST_POINTS = 10_000_000
BLOCK = 100_000
# Portfolios whose values are this close to the smallest are tied, or closer where the gap to prove is smaller; the
# least trade wins, then the order of names decides.
TIE = 1e-12
MOST_IN_QUESTION = 500  # portfolios, of a millisecond each


def solve_enumerate(task: Task, most_points: int = MOST_POINTS) -> Answer:
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
    if not (check := ConstraintCheck(task.constraints, task.formulation.program)).decidable:
        raise UnsupportedError(
            "enumeration cannot decide constraints that bring variables of their own; use exact", field="constraints"
        )
    program = task.formulation.program
    lower, upper = program.lower, program.upper
    if program.rules:
        lower, upper = rule_box(program, lower, upper)
        if (lower > upper).any():
            return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER)
    if not np.isfinite(lower).all() or not np.isfinite(upper).all():
        incumbent = first_incumbent(task, check)
        value = np.inf if incumbent is None else task.formulation.priced(incumbent).high
        lower, upper = finite_box(task, value)
        if incumbent is not None and ((incumbent < lower) | (incumbent > upper)).any():
            return Answer(incumbent, 0.0, StoppedBy.PRECISION, SOLVER)  # round-off has cut off what is known
    widths = np.maximum(upper - lower + 1, 0)
    points = float(np.prod(widths))
    if points > most_points:
        raise UnsupportedError(
            f"enumeration would look at {points:.1g} portfolios, {most_points:,} are the most; use exact, or limits",
            field="optimizer",
        )
    best: FloatArray | None = None
    smallest, bound, seen = np.inf, np.inf, 0
    least: list[float] = []  # what a point of each block is worth at least
    for portfolios in _blocks(lower, widths):
        values, low = _bounds(task, portfolios)
        least.append(float(low.min()))
        for ranked in (low, values):  # the first that is admitted has the least of the block
            for place in np.argsort(ranked, kind="stable"):
                if not ranked[place] < (bound if ranked is low else smallest):
                    break
                if task.seconds_left() == 0:
                    return Answer(best, 0.0, StoppedBy.TIME, SOLVER, seen)
                if not check.admits(portfolios[place]):
                    continue
                if ranked is low:
                    bound = float(low[place])
                else:
                    best, smallest = portfolios[place], float(values[place])
                    task.report(best)
                break
        seen += len(portfolios)
        if task.seconds_left() == 0:
            return Answer(best, 0.0, StoppedBy.TIME, SOLVER, seen)
    if not np.isfinite(bound):
        return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER, seen)
    if best is not None:
        task.report(best, bound)
        best = _least_traded(task, check, lower, widths, least, smallest, best)
    worth = Priced(np.inf, np.inf, np.inf) if best is None else task.formulation.priced(best)
    if relative_gap(worth.high, bound) > task.gap:
        best, bound = _in_question(task, check, lower, widths, least, worth, best, bound)
    if best is None:
        ended = StoppedBy.PRECISION if np.isfinite(bound) else StoppedBy.INFEASIBILITY
        return Answer(None, bound, ended, SOLVER, seen)
    closed = relative_gap(task.formulation.priced(best).high, bound) <= task.gap
    return Answer(best, bound, StoppedBy.GAP if closed else StoppedBy.PRECISION, SOLVER, seen)


def _bounds(task: Task, portfolios: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values of portfolios, and the least that each can be; +inf where sides or rules are not kept."""
    values, low, _ = task.formulation.bounds(portfolios)
    program = task.formulation.program
    kept = program.one_sided(portfolios) & program.keeps_rules(portfolios)
    return np.where(kept, values, np.inf), np.where(kept, low, np.inf)


def _least_traded(
    task: Task, check: ConstraintCheck, lower: FloatArray, widths: FloatArray, least: list[float], smallest: float,
    best: FloatArray,
) -> FloatArray:  # fmt: skip
    """Of the admitted portfolios that tie with the smallest value the one that trades least, or ``best``."""
    tied, fewest = smallest * (1 + min(TIE, task.gap)), np.inf
    for portfolios in _blocks(lower, widths, np.array(least) <= tied):
        places = np.flatnonzero(task.formulation.values(portfolios) <= tied)  # sides are looked at by `check`
        places = places[task.formulation.program.keeps_rules(portfolios[places])]
        traded = np.abs(portfolios[places] - task.formulation.program.previous).sum(axis=1)
        for order in np.argsort(traded, kind="stable"):
            if not traded[order] < fewest or task.seconds_left() == 0:
                break
            if check.admits(portfolios[places[order]]):
                best, fewest = portfolios[places[order]], float(traded[order])
                break
    return best


def _in_question(
    task: Task, check: ConstraintCheck, lower: FloatArray, widths: FloatArray, least: list[float], worth: Priced,
    best: FloatArray | None, bound: float,
) -> tuple[FloatArray | None, float]:  # fmt: skip
    """The best of all that round-off does not tell from it, and the bound, if they are few; else what is known."""
    found: list[FloatArray] = []
    for portfolios in _blocks(lower, widths, np.array(least) <= worth.high):
        _, low = _bounds(task, portfolios)
        found.extend(portfolios[np.isfinite(low) & (low <= worth.high)])
        if len(found) > MOST_IN_QUESTION or task.seconds_left() == 0:
            return best, bound
    settled = np.inf
    for portfolio in found:
        if task.seconds_left() == 0:
            return best, bound
        if check.admits(portfolio):
            priced = task.formulation.priced(portfolio)
            settled = min(settled, priced.low)
            if priced.high < worth.high:
                best, worth = portfolio, priced
    return best, settled


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
