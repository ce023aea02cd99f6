"""From a task to a lattice over a box that holds every portfolio at least as good as one that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.solvers.branch_and_bound.goal import Claim
from dynopt_milp.solvers.branch_and_bound.lattice import MOST_ENTRIES, Lattice
from dynopt_milp.solvers.branch_and_bound.merge import Merged, new_lattice
from dynopt_milp.solvers.branch_and_bound.merged_box import merged_box
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.task import Task
from formulations import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A task as a lattice."""

    merged: Merged
    lattice: Lattice
    claim: Claim


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
    form = formulation.search_form
    assert form is not None  # `solver` refuses what has none
    merged = _merged(task, gram, value)
    if merged is None:
        return None
    widest = float((merged.upper - merged.lower).max()) + 1
    if not merged.lead.size * widest <= MOST_ENTRIES:
        raise UnsupportedError(
            f"a position has {widest:.1g} possible values, more than the branch and bound looks at; give limits, "
            "or use scip",
            field="limits",
        )
    lattice, claim = new_lattice(program.factor, merged, program.costs(), float(form.buffer), form.edge)
    return Prepared(merged, lattice, claim)


def _merged(task: Task, gram: FloatArray, value: float) -> Merged | None:
    """Contracts merged over a finite box; None if it is empty."""
    formulation, program = task.formulation, task.formulation.program
    radius = float(formulation.tracking_radius(value))
    costs, (underlying, twin, residual) = program.costs(), program.arrays()[-3:]

    def merged_in(lower: FloatArray, upper: FloatArray, budget: float) -> tuple[bool, Merged]:
        return merged_box(
            program.factor, gram, program.target, costs, lower, upper, underlying, twin, residual, radius, budget
        )

    some, merged = merged_in(program.lower, program.upper, float(formulation.cost_budget(value)))
    if some and not (np.isfinite(merged.lower) & np.isfinite(merged.upper)).all():
        # Nothing is merged that would help: closed-form arguments on the program itself, or an error that says why.
        low, high = finite_box(task, value)
        if (low > high).any():
            return None
        for end in (low, high):
            end.setflags(write=False)  # as those of a TrackingProgram: for others all would be compiled once more
        some, merged = merged_in(low, high, np.inf)
    return merged if some else None
