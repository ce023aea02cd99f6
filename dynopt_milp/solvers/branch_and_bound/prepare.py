"""From a task to a lattice over a box that holds every portfolio at least as good as one that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.solvers.branch_and_bound.bounds import UNIT_ROUND_OFF, Goal, round_off
from dynopt_milp.solvers.branch_and_bound.extraction import SHIFT
from dynopt_milp.solvers.branch_and_bound.lattice import MOST_ENTRIES, Lattice
from dynopt_milp.solvers.branch_and_bound.merge import Merged, merge
from dynopt_milp.solvers.branch_and_bound.reach import reach
from dynopt_milp.solvers.search_box import search_box
from dynopt_milp.solvers.task import Task
from formulations import FloatArray

EDGE = 4e-12  # relative: what norms summed in another order differ by, and what `buffer_edge` allows itself


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
    box = _box(task, gram, value)
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
    largest = float(lattice.cost.max())
    if not math.isfinite(largest):  # sums that no split has
        largest = float(lattice.cost[np.isfinite(lattice.cost)].max(initial=0.0))
    form = formulation.search_form
    assert form is not None
    goal = Goal(
        # A portfolio on the edge to round-off is inside; whether it is, the formulation decides afterwards.
        buffer=form.buffer * (1 + EDGE) + merged.slip if form.edge else form.buffer,
        edge=form.edge,
        error=lattice_round_off(lattice),
        cost_error=16 * UNIT_ROUND_OFF * program.size * program.size * largest,
    )
    return Prepared(merged, lattice, goal)


def lattice_round_off(lattice: Lattice) -> float:
    """`round_off` of a lattice."""
    return round_off(len(lattice.factor), lattice.gram, lattice.target, lattice.first, lattice.start, SHIFT)


def _box(task: Task, gram: FloatArray, value: float) -> tuple[Merged, FloatArray, FloatArray] | None:
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
