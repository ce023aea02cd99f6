"""The same program over a smaller box, without the variables that the box has fixed.

Where lower = upper a variable is a constant, and all constants together are one: with r = Σ Fⱼ(kⱼ − τⱼ) and
c = Σ cⱼ(kⱼ) over the fixed, the program over the free variables and one more, fixed at 0, whose column is r,
whose target is −1, whose cost is c and which is held at −1, has the same value at every portfolio of the box. What the
constants use of the rules is its own, too: Σ aⱼ(kⱼ) of a row as an order, Σ Gⱼ(kⱼ − oⱼ − tⱼ) of a cap as its column. A
rotation of the residual changes no norm, so the columns are brought to triangular form by QR, with as many rows as
variables at most. The longest column comes first: deciding on it leaves the shortest rows (searches are a quarter
shorter than in the order of names).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations.arrays import FloatArray
from formulations.formulation import Formulation
from formulations.norm_cap import NormCap
from formulations.program import NONE, TrackingProgram
from formulations.row import ORDERS
from formulations.rules import Rules


@dataclass(frozen=True, slots=True, eq=False)
class Restriction:
    """A formulation over a box.

    Parameters
    ----------
    formulation : Formulation
        Over the free variables, in their order, and a last one for all that are fixed.
    free : ndarray of bool, shape (n,)
        Which variables of the whole are free.
    fixed : ndarray, shape (n,)
        The positions of the others.
    """

    formulation: Formulation
    free: NDArray[np.bool_]
    fixed: FloatArray

    def whole(self, positions: ArrayLike) -> FloatArray:
        """The portfolio of the whole program, shape (n,)."""
        portfolio = self.fixed.copy()
        portfolio[self.free] = np.asarray(positions, dtype=np.float64)[:-1]
        return portfolio


def restrict(formulation: Formulation, lower: FloatArray, upper: FloatArray) -> Restriction:
    """The formulation over the box lower ≤ k ≤ upper, shape (n,) each, which lies inside its own.

    Where a fixed position gives its underlying a side, the box of the others has it (`TrackingProgram.on_side`).
    """
    program = formulation.program
    free = lower < upper
    distance = np.where(free, 0.0, lower - program.target)
    free_of_rules = program if program.rules is None else replace(program, rules=None)
    paid = np.where(free, 0.0, free_of_rules.cost_by_instrument(np.where(free, program.previous, lower)))
    columns = np.column_stack([program.factor[:, free], program.factor @ distance])
    order = np.append(np.argsort(-np.linalg.norm(columns[:, :-1], axis=0), kind="stable"), free.sum())
    factor = np.empty((min(columns.shape), columns.shape[1]))
    factor[:, order] = np.linalg.qr(columns[:, order], mode="r")
    small = TrackingProgram(
        factor=factor,
        target=np.append(program.target[free], -1.0),
        previous=np.append(program.previous[free], -1.0),
        cost=np.append(program.cost[free], paid.sum()),
        lower=np.append(lower[free], 0.0),
        upper=np.append(upper[free], 0.0),
        holding=None if program.holding is None else np.append(program.holding[free], 0.0),
        tables=None if program.tables is None else program.tables.permuted(np.flatnonzero(free)).with_one_more(),
        orders=None if program.orders is None else program.orders.permuted(np.flatnonzero(free)).with_one_more(),
        underlying=None if program.underlying is None else np.append(program.underlying[free], NONE),
        origin=None if program.origin is None else np.append(program.origin[free], 0.0),
        rules=None if program.rules is None else _restricted(program, program.rules, free, lower),
    )
    return Restriction(replace(formulation, program=small), free, np.where(free, 0.0, lower))


def _restricted(program: TrackingProgram, rules: Rules, free: NDArray[np.bool_], fixed: FloatArray) -> Rules:
    """The rules of the free variables, and of one more, held at −1 and fixed at 0, for what the others use of them."""
    places = np.flatnonzero(free)
    position = np.where(free, program.zero, fixed)  # a place where every function is finite
    rows = []
    for row in rules.rows:
        used = np.zeros((5, 1))
        used[ORDERS] = row.terms(position, program.previous, program.zero)[~free].sum()
        some = row.permuted(places)
        tables = None if some.tables is None else some.tables.with_one_more()
        rows.append(replace(some, coefficients=np.hstack([some.coefficients, used]), tables=tables))
    caps = []
    for cap in rules.caps:
        column = cap.factor @ np.where(free, 0.0, fixed - program.zero - cap.centre)
        factor, centre = np.column_stack([cap.factor[:, free], column]), np.append(cap.centre[free], -1.0)
        caps.append(NormCap(factor, centre, cap.limit))
    if rules.domain is None:
        return Rules(tuple(rows), tuple(caps))
    allowed = bool(program.allows(position)[~free].all())  # else the move from −1 to 0 is too large an order
    domain = rules.domain.permuted(places).with_one_more(most_order=np.inf if allowed else 0.0)
    return Rules(tuple(rows), tuple(caps), domain)
