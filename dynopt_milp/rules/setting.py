"""What rules have to know of a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from formulations import FloatArray, IntegerArray, OrderCost, Residual


class Factored(Protocol):
    """A covariance, round-off repaired, and a factor of it; see `covariance_factor`."""

    @property
    def covariance(self) -> FloatArray:
        """Σ, shape (m, m)."""

    @property
    def factor(self) -> FloatArray:
        """R with Σ = R'R, any number of rows."""

    @property
    def residual(self) -> float:
        """κ: entries of Σ − R'R are at most κ·sqrt(ΣᵢᵢΣⱼⱼ)."""

    @property
    def twin(self) -> IntegerArray:
        """For each instrument one that has the same row of Σ, shape (m,)."""

    @property
    def twins(self) -> bool:
        """Whether two have the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """The arrays of a problem, in the order of its instruments.

    Parameters
    ----------
    instruments : tuple of str
        Names, n of them.
    weight, cost, previous, target : ndarray, shape (n,)
        u, c, p and τ.
    orders : OrderCost or None
        What orders cost beside their contracts, in the unit of c u.
    margin : ndarray, shape (n,), or None
        Of a contract, share of capital; NaN where it is not known.
    lower, upper : ndarray, shape (n,)
        The limits; infinite where there is none.
    factor, residual
        Those of the program, F = R U.
    factored : callable
        From a covariance, shape (m, m), of m names and weights to a factor; raises CovarianceError.
    """

    instruments: tuple[str, ...]
    weight: FloatArray
    cost: FloatArray
    previous: FloatArray
    target: FloatArray
    orders: OrderCost | None
    margin: FloatArray | None
    lower: FloatArray
    upper: FloatArray
    factor: FloatArray
    residual: Residual
    factored: Callable[[FloatArray, tuple[str, ...], FloatArray], Factored]

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """Which instruments have one position left, shape (n,)."""
        return np.asarray(self.lower == self.upper)

    @property
    def size(self) -> int:
        """N."""
        return len(self.instruments)
