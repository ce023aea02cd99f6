"""From a task to a lattice over a box that holds every portfolio at least as good as one that is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.solvers.branch_and_bound.addresses import addresses
from dynopt_milp.solvers.branch_and_bound.coupling import Coupling, new_coupling, no_coupling
from dynopt_milp.solvers.branch_and_bound.cropping import cropped_to, tightened
from dynopt_milp.solvers.branch_and_bound.goal import Claim
from dynopt_milp.solvers.branch_and_bound.lattice import MOST_ENTRIES, Lattice
from dynopt_milp.solvers.branch_and_bound.merge import WHOLE_RATIO, Merged, new_lattice, sums_of
from dynopt_milp.solvers.branch_and_bound.merged_box import merged_box
from dynopt_milp.solvers.branch_and_bound.multipliers import Dual, new_dual
from dynopt_milp.solvers.branch_and_bound.told_apart import told_apart
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.task import Task
from formulations import FloatArray, rule_box
from formulations.rule_arrays import RowArrays, cap_arrays, row_arrays

FARTHER = 1 + 1e-9  # than what a box allows, as far as float64 can tell
WIDE = 20_000  # positions of all variables; with more, what rules leave of them is looked at first
FEW = 800  # positions of all variables; with no more, listing options takes less than preparing twice
AROUND = 3  # contracts of the smallest size, on both sides of portfolios
TIGHTENED = 1e-6  # of the value: the portfolio that it is of stays in the box


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A task as a lattice."""

    merged: Merged
    lattice: Lattice
    claim: Claim
    coupling: Coupling
    dual: Dual
    rows: RowArrays | None = None
    """Those of rules for more than one position; None without."""
    whole: bool = True
    """Whether it is all of the box, and not a neighbourhood."""


def prepare(
    task: Task, gram: FloatArray, value: float, near: FloatArray | None = None
) -> Prepared | None:  # fmt: skip
    """The lattice of a task; None if no portfolio is as good as ``value``. ``gram`` is F'F.

    With portfolios ``near``, shape (any, n), it is that of their neighbourhood alone, for a local search, if the whole
    has many positions.

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
    unlike = told_apart(program, gram)
    while True:
        merged = _merged(task, gram, value, unlike)
        if merged is None:
            return None
        widest = float((merged.upper - merged.lower).max()) + 1
        if not merged.lead.size * widest <= MOST_ENTRIES:
            raise UnsupportedError(
                f"a position has {widest:.1g} possible values, more than the branch and bound looks at; give limits, "
                "or use scip",
                field="limits",
            )
        costs = program.costs()
        lattice, claim = new_lattice(program.factor, merged, costs, float(form.buffer), form.edge)
        if not unlike.size:
            return Prepared(merged, lattice, claim, *_without_rules(lattice))
        if value < np.inf:  # without rules first: there are fewer positions then to list the splits of
            lattice, claim = tightened(lattice, claim, value * (1 + TIGHTENED), addresses())
        whole = near is None or lattice.cost.size <= FEW
        if near is not None and not whole:
            lattice, claim = _neighbourhood(merged, lattice, claim, near)
        rows = row_arrays(program)
        few, coupling = new_coupling(lattice, merged, costs, rows, cap_arrays(program), WHOLE_RATIO)
        if few or unlike.all():
            return Prepared(merged, lattice, claim, coupling, new_dual(lattice, coupling), rows, whole)
        unlike[:] = True  # too many splits to list: every size on its own


def _without_rules(lattice: Lattice) -> tuple[Coupling, Dual]:
    """What rules would need, empty; the arrays are made once, as each takes a while to come out of a kernel."""
    coupling, dual = _empty()
    return coupling, dual._replace(lattice=lattice)


@cache
def _empty() -> tuple[Coupling, Dual]:
    coupling, table, line = no_coupling(), np.zeros((0, 0)), np.zeros(0)
    return coupling, new_dual(Lattice(table, table, line, line, np.zeros(0, dtype=np.int64), line), coupling)


def _neighbourhood(
    merged: Merged, lattice: Lattice, claim: Claim, near: FloatArray
) -> tuple[Lattice, Claim]:  # fmt: skip
    """The lattice within a few contracts of these portfolios."""
    size = lattice.target.size
    sums = np.array([sums_of(merged.variable, merged.ratio, size, np.array(portfolio)) for portfolio in near])
    last = np.diff(lattice.start) - 1
    low = np.clip(sums.min(axis=0) - AROUND - lattice.first, 0, last).astype(np.int64)
    high = np.clip(sums.max(axis=0) + AROUND - lattice.first, 0, last).astype(np.int64)
    return cropped_to(lattice, claim, low, high)


def _merged(task: Task, gram: FloatArray, value: float, unlike: NDArray[np.bool_]) -> Merged | None:
    """Contracts merged over a finite box; None if it is empty."""
    formulation, program = task.formulation, task.formulation.program
    most, costs, (underlying, twin, residual) = (
        formulation.tracking_radius(value),
        program.costs(),
        program.arrays()[-3:],
    )

    def merged_in(lower: FloatArray, upper: FloatArray, budget: float) -> tuple[bool, Merged]:
        radius = float(min(most, FARTHER * program.spread(lower, upper)))
        for end in (lower, upper):
            end.setflags(write=False)  # as those of a TrackingProgram: for others all would be compiled once more
        return merged_box(
            program.factor, gram, program.target, costs, lower, upper, underlying, twin, residual, radius, budget,
            unlike,
        )  # fmt: skip

    lower, upper = program.lower, program.upper
    if unlike.size and not value < np.inf:  # nothing else bounds what is looked for
        lower, upper = rule_box(program, lower, upper)
        if (lower > upper).any():
            return None
    some, merged = merged_in(lower, upper, float(formulation.cost_budget(value)))
    if some and unlike.size and value < np.inf and not (merged.upper - merged.lower).sum() <= WIDE:
        lower, upper = rule_box(program, lower, upper)
        if (lower > upper).any():
            return None
        some, merged = merged_in(lower, upper, float(formulation.cost_budget(value)))
    if some and not (np.isfinite(merged.lower) & np.isfinite(merged.upper)).all():
        # Nothing is merged that would help: closed-form arguments on the program itself, or an error that says why.
        lower, upper = finite_box(task, value)
        if (lower > upper).any():
            return None
        some, merged = merged_in(lower, upper, np.inf)
    return merged if some else None
