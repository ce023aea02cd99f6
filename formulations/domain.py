"""Which whole numbers a position may be, beside its limits: lots, least positions and least orders.

    k − oᵢ a multiple of ℓᵢ,    k = oᵢ or |k − oᵢ| ≥ mᵢ,    k = pᵢ or k = oᵢ or |k − pᵢ| ≥ sᵢ,    |k − pᵢ| ≤ Sᵢ

o is the position that counts as none: it may always be closed, unless that is too large an order. Any other set is a
table of costs that are infinite outside of it (`separable_cost`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state

MOST_STEPS = 12  # from one gap to the next


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What positions may be.

    Parameters
    ----------
    lot : ndarray, shape (n,)
        ℓ, whole, at least 1.
    least : ndarray, shape (n,)
        m ≥ 0.
    least_order, most_order : ndarray, shape (n,)
        s ≥ 0 and S ≥ 0; S is infinite where there is none.
    """

    lot: FloatArray
    least: FloatArray
    least_order: FloatArray
    most_order: FloatArray

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for array in (self.lot, self.least, self.least_order, self.most_order):
            array.setflags(write=False)

    @classmethod
    def of(
        cls, size: int, *, lot: ArrayLike = 1.0, least: ArrayLike = 0.0, least_order: ArrayLike = 0.0,
        most_order: ArrayLike = np.inf,
    ) -> Domain:  # fmt: skip
        """The domain of n instruments; each is a number for all, or an array of shape (n,)."""
        return cls(*(np.zeros(size) + np.asarray(given, float) for given in (lot, least, least_order, most_order)))

    @property
    def some(self) -> np.ndarray:
        """Which instruments may not be every whole number, shape (n,)."""
        return (self.lot > 1) | (self.least > 1) | (self.least_order > 1) | np.isfinite(self.most_order)

    def allows(self, portfolios: FloatArray, previous: FloatArray, origin: FloatArray) -> Any:
        """Whether each position of one portfolio, or of each of many, shape (..., n), is allowed."""
        away, traded = portfolios - origin, np.abs(portfolios - previous)
        none = away == 0
        allowed = (np.fmod(away, self.lot) == 0) & (none | (np.abs(away) >= self.least))
        return allowed & ((traded == 0) | none | (traded >= self.least_order)) & (traded <= self.most_order)

    def last_allowed(self, previous: FloatArray, origin: FloatArray, most: FloatArray) -> FloatArray:
        """The last allowed position of each instrument up to ``most``, shape (n,), or one above it; −∞ if none is.

        Each step leaves out positions that are not allowed, those of one gap at a time.
        """
        last = np.minimum(most, np.floor(previous + self.most_order))
        for _ in range(MOST_STEPS):
            away, traded = last - origin, last - previous
            with np.errstate(invalid="ignore"):
                beside = np.fmod(away, self.lot)
            beside = np.where(np.isfinite(beside), beside, 0.0)
            none = away == 0
            # The lot beneath; else the next that could be: none, what is held, or the other side of the gap.
            down = np.where(beside > 0, last - beside, np.where(beside < 0, last - beside - self.lot, last))
            gap = np.where(away > 0, origin, np.floor(origin - self.least))
            to_least = np.where(~none & (np.abs(away) < self.least), np.minimum(gap, last), last)
            gap = np.where(traded > 0, previous, np.floor(previous - self.least_order))
            gap = np.where((origin < last) & (origin > gap), origin, gap)
            small = ~none & (traded != 0) & (np.abs(traded) < self.least_order)
            step = np.minimum(np.minimum(down, to_least), np.where(small, np.minimum(gap, last), last))
            step = np.where(step < previous - self.most_order, -np.inf, step)
            if (step == last).all():
                break
            last = step
        return np.asarray(last)

    def neighbours(
        self, previous: FloatArray, origin: FloatArray, positions: FloatArray
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        """The next allowed position above each of ``positions``, shape (n,), and the next below; ±∞ if none is."""

        def below(previous: FloatArray, origin: FloatArray, most: FloatArray) -> FloatArray:
            last = self.last_allowed(previous, origin, most)
            while True:
                some = np.isfinite(last)
                wrong = some & ~self.allows(np.where(some, last, origin), previous, origin)
                if not wrong.any():
                    return last
                last = np.where(wrong, self.last_allowed(previous, origin, last - 1), last)

        return -below(-previous, -origin, -positions - 1), below(previous, origin, positions - 1)

    def permuted(self, places: IntegerArray) -> Domain:
        """The same with instruments in another order, or some of them: place i holds what stood at places[i]."""
        return Domain(self.lot[places], self.least[places], self.least_order[places], self.most_order[places])

    def with_one_more(self, most_order: float = np.inf) -> Domain:
        """The same, and an instrument behind the others that is free but for its largest order."""
        more = ((self.lot, 1.0), (self.least, 0.0), (self.least_order, 0.0), (self.most_order, most_order))
        return Domain(*(np.append(part, free) for part, free in more))
