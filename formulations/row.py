"""A rule for the whole portfolio that is a sum over positions.

    Σᵢ aᵢ(kᵢ) ≤ b,    aᵢ(k) = αᵢ(k − oᵢ) + βᵢ|k − oᵢ| + γᵢ|k − pᵢ| + δᵢ·1[k ≠ oᵢ] + εᵢ·1[k ≠ pᵢ] + Tᵢ(k)

p is what is held and o the position that counts as none (zero, unless positions are counted from elsewhere). α makes a
net exposure, β a margin or a gross notional, γ what is traded, δ counts holdings and ε orders. T is any function, given
as a table over the box. Nothing here asks aᵢ to be convex, or b to be positive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state
from formulations.separable_cost import CostTables

NET, GROSS, TURNOVER, HOLDINGS, ORDERS = range(5)
"""Rows of the coefficients of a :class:`Row`: α, β, γ, δ, ε."""
ROW_ROUND_OFF = 1e-12
"""Of |b| + Σ|aᵢ|: what a sum may exceed its limit by and still keep it, as float64 adds the terms in some order."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Σᵢ aᵢ(kᵢ) ≤ b.

    Parameters
    ----------
    coefficients : ndarray, shape (5, n)
        α, β, γ, δ, ε: see :meth:`of`.
    limit : float
        b.
    tables : CostTables, optional
        T, of any sign; where there is one the box is inside its range. None: nothing.
    """

    coefficients: FloatArray
    limit: float
    tables: CostTables | None = None

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        self.coefficients.setflags(write=False)

    @classmethod
    def of(
        cls, size: int, limit: float, *, net: ArrayLike = 0.0, gross: ArrayLike = 0.0, turnover: ArrayLike = 0.0,
        holdings: ArrayLike = 0.0, orders: ArrayLike = 0.0, tables: CostTables | None = None,
    ) -> Row:  # fmt: skip
        """A row of n instruments; each coefficient is a number for all, or an array of shape (n,)."""
        coefficients = np.empty((5, size))
        for place, given in enumerate((net, gross, turnover, holdings, orders)):
            coefficients[place] = given
        return cls(coefficients, float(limit), tables)

    def terms(self, portfolios: FloatArray, previous: FloatArray, origin: FloatArray) -> Any:
        """aᵢ(kᵢ) of every position of one portfolio, or of each of many, shape (..., n)."""
        away, traded, by = portfolios - origin, portfolios - previous, self.coefficients
        parts = ((NET, away), (GROSS, np.abs(away)), (TURNOVER, np.abs(traded)), (HOLDINGS, away != 0),
                 (ORDERS, traded != 0))  # fmt: skip
        terms = np.zeros(np.shape(away))
        for line, part in parts:
            if by[line].any():
                terms = terms + by[line] * part
        return terms if self.tables is None else terms + self.tables.at(portfolios)

    def violations(self, portfolios: FloatArray, previous: FloatArray, origin: FloatArray) -> FloatArray:
        """By how much each of ``portfolios``, shape (N, n), exceeds b: 0 where it does not, to round-off."""
        terms = self.terms(portfolios, previous, origin)
        with np.errstate(invalid="ignore"):
            total = terms.sum(axis=1)
            most = self.limit + ROW_ROUND_OFF * (abs(self.limit) + np.abs(terms).sum(axis=1))
            by = total - self.limit
            return np.where(total <= most, 0.0, np.where(np.isnan(by), np.inf, by))

    def permuted(self, places: IntegerArray) -> Row:
        """The same with instruments in another order, or some of them: place i holds what stood at places[i]."""
        tables = None if self.tables is None else self.tables.permuted(places)
        return replace(self, coefficients=np.ascontiguousarray(self.coefficients[:, places]), tables=tables)

    def shifted(self, offset: FloatArray) -> Row:
        """The same in k' = k − offset; all but the table is counted from o and p."""
        return self if self.tables is None else replace(self, tables=self.tables.shifted(offset))
