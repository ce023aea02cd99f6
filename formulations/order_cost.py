"""What an order costs beside what each of its contracts does: a fee, a least commission, an impact.

    o(q) = φ + max(m − κq, 0) + ιq^{3/2}   for q > 0 contracts,   o(0) = 0

φ is a fee for the order and m the least commission: κ is what of γ is commission, so that κq of it is paid already. The
impact is that of a price which an order moves with the square root of its size, on average over the order.

A position k pays o(|k − p|) for the order to it, and, until the next rebalance, ρ·o(|k − o|) for its rolls, ρ ≥ 0 of
them. With κ ≤ γ an order of more contracts never costs less; nothing else is asked for, and o is not convex.

Source of the square root: R. Almgren et al., *Direct estimation of equity market impact* (2005); B. Tóth et al.,
*Anomalous price impact and the critical nature of liquidity in financial markets* (2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state

PARTS = ("fee", "least", "commission", "impact", "rolls")


@dataclass(frozen=True, slots=True, eq=False)
class OrderCost:
    """φ, m, κ, ι and ρ of n instruments.

    Parameters
    ----------
    fee, least, commission, impact : ndarray, shape (n,)
        φ, m, κ and ι, not negative, in the unit of γ (κ a contract, ι a contract to the power of 3/2).
    rolls : ndarray, shape (n,)
        ρ, not negative.
    """

    fee: FloatArray
    least: FloatArray
    commission: FloatArray
    impact: FloatArray
    rolls: FloatArray

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for name in PARTS:
            getattr(self, name).setflags(write=False)

    @classmethod
    def of(
        cls, size: int, *, fee: ArrayLike = 0.0, least: ArrayLike = 0.0, commission: ArrayLike = 0.0,
        impact: ArrayLike = 0.0, rolls: ArrayLike = 0.0,
    ) -> OrderCost:  # fmt: skip
        """Those of n instruments; each is a number for all, or an array of shape (n,)."""
        return cls(*(np.zeros(size) + np.asarray(part, float) for part in (fee, least, commission, impact, rolls)))

    @property
    def some(self) -> np.ndarray:
        """Which instruments' orders cost more than their contracts, shape (n,)."""
        return np.asarray((self.fee > 0) | (self.least > 0) | (self.impact > 0))

    def of_orders(self, contracts: FloatArray, places: Any = slice(None)) -> FloatArray:
        """What orders of so many contracts cost, shape (..., n): of every instrument, or of those at ``places``."""
        short = np.maximum(self.least[places] - self.commission[places] * contracts, 0.0)
        impact = self.impact[places] * (contracts * np.sqrt(contracts))
        return np.asarray(np.where(contracts > 0, (self.fee[places] + short) + impact, 0.0))

    def scaled(self, by: float) -> OrderCost:
        """The same, multiplied."""
        return OrderCost(self.fee * by, self.least * by, self.commission * by, self.impact * by, self.rolls)

    def permuted(self, places: IntegerArray) -> OrderCost:
        """The same with instruments in another order, or some of them: place i holds what stood at places[i]."""
        return OrderCost(*(getattr(self, name)[places] for name in PARTS))

    def with_one_more(self) -> OrderCost:
        """The same, and an instrument without such costs behind the others."""
        return OrderCost(*(np.append(getattr(self, name), 0.0) for name in PARTS))
