"""What a factor leaves of the covariance that it was made of.

A float64 factor R of a covariance Σ is never exact. With F = RU, H = UΣU and the length ‖Fᵢ‖ of column i,

    |(H − F'F)ᵢⱼ| ≤ κ‖Fᵢ‖‖Fⱼ‖   so that   |d'Hd − ‖Fd‖²| ≤ κ(Σ‖Fᵢ‖|dᵢ|)²

κ is about 1e-15. What that is worth depends on how much of the risks of positions cancels: next to nothing in a
portfolio, everything where millions of contracts are held against each other. Contracts whose covariances are the same
(*twins*: two sizes of one contract) have the same columns of R and the same rows of Σ − R'R, so that only their sum
counts: with Σ over the classes of twins,

    |d'Hd − ‖Fd‖²| ≤ κ(Σ |Σ over a class of ‖Fᵢ‖dᵢ|)²

Rounding of the product RU comes on top, and is linear: see `pricing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """The covariance in contract units, H = UΣU, and how far F'F is from it.

    Attributes
    ----------
    covariance : ndarray, shape (n, n)
        Σ, symmetric.
    weight : ndarray, shape (n,)
        u > 0.
    size : float
        κ.
    twin : ndarray of int, shape (n,)
        For each instrument the first place in which a row of Σ that is the same to the last bit stands.
    twins : bool
        Whether two instruments have the same.
    """

    covariance: FloatArray
    weight: FloatArray
    size: float
    twin: IntegerArray
    twins: bool

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for array in (self.covariance, self.weight, self.twin):
            array.setflags(write=False)

    def class_spread(self, risk: FloatArray) -> Any:
        """Σ |Σ over a class of twins of riskᵢ|, of one row of risks, shape (n,), or of each of many, (N, n)."""
        if risk.ndim == 1:
            return float(np.abs(np.bincount(self.twin, weights=risk)).sum())
        sums = np.array(risk)
        for place in np.flatnonzero(self.twin != np.arange(self.twin.size)):
            sums[:, self.twin[place]] += risk[:, place]
            sums[:, place] = 0.0
        return np.abs(sums).sum(axis=1)

    def lengths(self) -> FloatArray:
        """sqrt(Hᵢᵢ), shape (n,): ‖Fᵢ‖ but for κ."""
        return np.sqrt(self.covariance.diagonal()) * self.weight

    def permuted(self, places: IntegerArray) -> Residual:
        """The same with instruments in another order: place i holds what stood at places[i]."""
        matrix, weight = self.covariance[places[:, None], places], self.weight[places]
        if not self.twins:
            return Residual(matrix, weight, self.size, self.twin, twins=False)
        twin = self.twin[places]
        first = {number: place for place, number in reversed(list(enumerate(twin)))}
        return replace(self, covariance=matrix, weight=weight, twin=np.array([first[number] for number in twin]))

    def scaled(self, tracking: float) -> Residual:
        """The same with tracking errors multiplied by a positive number."""
        return replace(self, weight=self.weight * tracking)
