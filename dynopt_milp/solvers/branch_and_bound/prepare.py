"""From a task to a lattice over a box that holds every portfolio at least as good as one that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.solvers.branch_and_bound.bounds import UNIT_ROUND_OFF, Goal, round_off
from dynopt_milp.solvers.branch_and_bound.compiled import compiled
from dynopt_milp.solvers.branch_and_bound.extraction import SHIFT
from dynopt_milp.solvers.branch_and_bound.lattice import MOST_ENTRIES, Lattice, tables
from dynopt_milp.solvers.branch_and_bound.merge import Merged, merge, some_are_parallel, unmerged
from dynopt_milp.solvers.branch_and_bound.reach import reach, within_costs, within_risk
from dynopt_milp.solvers.search_box import search_box
from dynopt_milp.solvers.task import Task
from formulations import BufferEdge, FloatArray

EDGE = 4e-12  # relative: what norms summed in another order differ by, and what `buffer_edge` allows itself
EMPTY, INVOLVED, READY = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A task as a lattice."""

    merged: Merged
    lattice: Lattice
    goal: Goal


def prepare(task: Task, gram: FloatArray, value: float) -> Prepared | None:
    """The lattice of a task; None if no portfolio is as good as ``value``. ``gram`` is F'F.

    Raises
    ------
    UnsupportedError
        If positions have millions of possible values.
    UnboundedError
        If nothing bounds some of the positions.
    """
    formulation, program = task.formulation, task.formulation.program
    radius, budget = formulation.tracking_radius(value), formulation.cost_budget(value)
    outcome, least, most, first, start, cost, error = plain_lattice(
        gram, program.target, program.previous, program.cost, program.lower, program.upper, radius, budget,
        len(program.factor),
    )  # fmt: skip
    if outcome == EMPTY:
        return None
    if outcome == READY:
        merged = unmerged(program, gram, least, most)
        lattice = Lattice(np.array(program.factor), gram, merged.target, first, start, cost)
    else:
        box = _involved(task, gram, value)
        if box is None:
            return None
        merged, lower, upper = box
        widest = float((upper - lower).max()) + 1
        if not upper.size * widest <= MOST_ENTRIES:
            raise UnsupportedError(
                f"a position has {widest:.1g} possible values, more than the branch and bound looks at; give limits, "
                "or use scip",
                field="limits",
            )
        lattice = merged.lattice(lower, upper)
        error = lattice_round_off(lattice)
    largest = float(lattice.cost.max())
    if not math.isfinite(largest):  # sums that no split has
        largest = float(lattice.cost[np.isfinite(lattice.cost)].max(initial=0.0))
    edge, buffer = isinstance(formulation, BufferEdge), formulation.free_tracking_error
    goal = Goal(
        # A portfolio on the edge to round-off is inside; whether it is, the formulation decides afterwards.
        buffer=buffer * (1 + EDGE) + merged.slip if edge else buffer,
        edge=edge,
        error=error,
        cost_error=16 * UNIT_ROUND_OFF * program.size * program.size * largest,
    )
    return Prepared(merged, lattice, goal)


def lattice_round_off(lattice: Lattice) -> float:
    """`round_off` of a lattice."""
    return round_off(len(lattice.factor), lattice.gram, lattice.target, lattice.first, lattice.start, SHIFT)


def _involved(task: Task, gram: FloatArray, value: float) -> tuple[Merged, FloatArray, FloatArray] | None:
    """Contracts merged, and the box of what they are merged to; None if it is empty."""
    formulation = task.formulation
    found = reach(formulation.program, gram, formulation.tracking_radius(value), formulation.cost_budget(value))
    if found is None:
        return None
    merged, lower, upper = found
    if not (np.isfinite(lower) & np.isfinite(upper)).all():
        # Nothing is merged that would help: closed-form arguments on the program itself, or an error that says why.
        low, high = search_box(task, value)
        if (low > high).any():
            return None
        merged = merge(formulation.program, gram, low, high)
        lower, upper = merged.lower, merged.upper
    return None if (lower > upper).any() else (merged, lower, upper)


@compiled
def plain_lattice(
    gram: np.ndarray, target: np.ndarray, held: np.ndarray, unit: np.ndarray, lower: np.ndarray, upper: np.ndarray,
    radius: float, budget: float, rows: int,
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:  # fmt: skip
    """`reach`, tables and round-off in one call where nothing is merged and all positions are bounded.

    Returns EMPTY, INVOLVED (something else is the case) or READY, what costs leave of the box, the first position,
    start and cost of the lattice, and its round-off.
    """
    least, most = within_costs(held, unit, lower, upper, budget)
    first, last = least.copy(), most.copy()
    outcome = INVOLVED if some_are_parallel(gram) else READY
    for i in range(target.size):
        if least[i] > most[i]:
            outcome = EMPTY
    if outcome == READY:
        for i in range(target.size):
            if not gram[i, i] > 0:  # without risk there is no better place than where it is held
                first[i] = last[i] = min(max(held[i], least[i]), most[i])
        if radius < np.inf:
            within_risk(gram, target, radius, first, last)
        widest = 0.0
        for i in range(target.size):
            width = last[i] - first[i] + 1
            widest = max(widest, width)
            if width < 1:
                outcome = EMPTY
        if outcome == READY and not widest * target.size <= MOST_ENTRIES:
            outcome = INVOLVED
    if outcome != READY:
        first, last = np.zeros(0), np.zeros(0)
    start, cost = tables(first, last, held, unit)
    error = round_off(rows, gram, target, first, start, SHIFT) if outcome == READY else 0.0
    return outcome, least, most, first, start, cost, error
