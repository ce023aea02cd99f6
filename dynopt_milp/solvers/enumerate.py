"""All points of a small box: the oracle of the tests, and an exact method for a handful of contracts."""

from __future__ import annotations

import itertools

import numpy as np

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.incumbent import first_incumbent
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray

MOST_POINTS = 10_000_000
BLOCK = 100_000
# Portfolios whose values differ by less are tied; the least trade wins, then the order of names decides.
TIE = 1e-12


def solve_enumerate(task: Task) -> Answer:
    """Look at every point of the box.

    Of portfolios whose values tie to 1e-12, the one that trades the fewest contracts is taken, then the one that
    is smallest at the first instrument in which they differ.

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
    widths = np.maximum(upper - lower + 1, 0)
    points = float(np.prod(widths))
    if points > MOST_POINTS:
        raise UnsupportedError(
            f"enumeration would look at {points:.1g} portfolios, {MOST_POINTS:,} are the most; use exact, or limits",
            field="optimizer",
        )
    best: FloatArray | None = None
    best_value, best_key = np.inf, (np.inf, ())
    seen = 0
    ranges = [np.arange(low, high + 1) for low, high in zip(lower, upper, strict=True)]
    everything = itertools.product(*ranges)
    while block := list(itertools.islice(everything, BLOCK)):
        if task.seconds_left() == 0:
            return Answer(best, 0.0, StoppedBy.TIME, "enumeration", seen)
        portfolios = np.array(block)
        values = task.formulation.values(portfolios)
        traded = np.abs(portfolios - program.previous).sum(axis=1)
        for place in np.argsort(values, kind="stable"):
            value = float(values[place])
            if value > best_value * (1 + TIE) or not np.isfinite(value):
                break
            if task.constraints is not None and task.seconds_left() == 0:
                return Answer(best, 0.0, StoppedBy.TIME, "enumeration", seen)
            key = (float(traded[place]), tuple(portfolios[place]))
            if (value < best_value * (1 - TIE) or key < best_key) and check.admits(portfolios[place]):
                best, best_value, best_key = portfolios[place], value, key
        seen += len(block)
    if best is None:
        return Answer(None, np.inf, StoppedBy.INFEASIBILITY, "enumeration", seen)
    return Answer(best, task.formulation.value(best), StoppedBy.GAP, "enumeration", seen)
