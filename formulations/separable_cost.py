"""What positions cost, one instrument at a time.

    c(k) = Σᵢ cᵢ(kᵢ),      cᵢ(k) = γᵢ|k − pᵢ| + ηᵢ|k − oᵢ| + oᵢ(|k − pᵢ|) + ρᵢoᵢ(|k − oᵢ|) + Tᵢ(k)

γ is the penalty for trading one contract from the held position p, η that for holding one until the next rebalance
(o = 0, unless positions are counted from elsewhere). oᵢ(q) is what an order of q contracts costs beside them
(`order_cost`): a fee, a least commission, an impact that grows faster than the order; ρ is how many orders rolls take.
T is any other function that is not negative, given as a table over a range of whole numbers. It is +∞ where a position
is not allowed (lots, least sizes), and so outside its range. Nothing here asks cᵢ to be convex.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state

HELD, UNIT, ORIGIN, HOLDING, FIRST, FURTHER, LOT, LEAST, LEAST_ORDER, MOST_ORDER = range(10)
ORDER_FEE, ORDER_LEAST, COMMISSION, IMPACT, ROLLS = range(10, 15)
LINES = 15
"""Rows of :class:`Costs`."""


class Costs(NamedTuple):
    """All of the above as few arrays, for compiled code.

    Attributes
    ----------
    lines : ndarray, shape (15, n)
        p, γ, o, η, the smallest position of each table, whether there is more than γ (0 or 1), the domain (`domain`):
        ℓ, m, s and S, and the cost of orders (`order_cost`): φ, m, κ, ι and ρ.
    start : ndarray of int, shape (n + 1,)
        Where each table begins in ``table``; the next begins where it ends.
    table : ndarray
        T.
    """

    lines: FloatArray
    start: IntegerArray
    table: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CostTables:
    """T: a table for some of the instruments.

    Attributes
    ----------
    first : ndarray, shape (n,)
        The smallest position of each table.
    start : ndarray of int, shape (n + 1,)
        Where each begins in ``table``; the next begins where it ends.
    table : ndarray
        Not negative; +inf where a position is not allowed.
    """

    first: FloatArray
    start: IntegerArray
    table: FloatArray

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for array in (self.first, self.start, self.table):
            array.setflags(write=False)

    @classmethod
    def of(cls, size: int, tables: Mapping[int, tuple[float, ArrayLike]]) -> CostTables:
        """The tables of some of n instruments.

        Parameters
        ----------
        size : int
            n.
        tables : mapping
            By place: the smallest position, and what it and each of those after it cost.
        """
        first, width = np.zeros(size), np.zeros(size, dtype=np.int64)
        parts: list[FloatArray] = []
        for place in sorted(tables):
            least, values = tables[place]
            part = np.array(values, dtype=np.float64)
            first[place], width[place] = least, part.size
            parts.append(part)
        start = np.concatenate([[0], np.cumsum(width)])
        return cls(first, start, np.concatenate(parts) if parts else np.empty(0))

    @property
    def width(self) -> IntegerArray:
        """How many positions each table has, shape (n,); 0 where there is none."""
        return np.diff(self.start)

    def of_place(self, place: int) -> tuple[float, FloatArray]:
        """The smallest position of one table, and its entries."""
        return float(self.first[place]), self.table[self.start[place] : self.start[place + 1]]

    def at(self, positions: FloatArray) -> Any:
        """T of every position, shape (..., n); 0 where there is no table, +inf outside of one."""
        entry = positions - self.first
        width = self.width
        inside = (entry >= 0) & (entry < width)
        place = self.start[:-1] + np.where(inside, entry, 0.0).astype(np.int64)
        found = self.table[np.minimum(place, max(self.table.size - 1, 0))] if self.table.size else np.zeros(entry.shape)
        return np.where(width == 0, 0.0, np.where(inside, found, np.inf))

    def scaled(self, by: float) -> CostTables:
        """The same, multiplied."""
        return replace(self, table=self.table * by)

    def shifted(self, offset: FloatArray) -> CostTables:
        """The same in k' = k − offset."""
        return replace(self, first=self.first - offset)

    def with_one_more(self) -> CostTables:
        """The same, and an instrument without a table behind the others."""
        return CostTables(np.append(self.first, 0.0), np.append(self.start, self.start[-1]), self.table)

    def permuted(self, places: IntegerArray) -> CostTables:
        """The same with instruments in another order, or some of them: place i holds what stood at places[i]."""
        return CostTables.of(len(places), {new: self.of_place(old) for new, old in enumerate(places)})


@lru_cache(maxsize=64)
def no_tables(size: int) -> CostTables:
    """Tables of n instruments, none of which has one."""
    return CostTables.of(size, {})
