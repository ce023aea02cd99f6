"""What is left of a solve that Ctrl-C ends: the best portfolio and the lower bound that it knew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formulations import FloatArray


@dataclass(slots=True, eq=False)
class BestKnown:
    """The best of what a method has reported so far.

    Attributes
    ----------
    portfolio : tuple of float and (ndarray, shape (n,), or None)
        Value and positions, one assignment for both: Ctrl-C may come between any two.
    lower_bound : float
        Proved: no portfolio has a smaller value.
    """

    portfolio: tuple[float, FloatArray | None] = (np.inf, None)
    lower_bound: float = 0.0

    def add(self, value: float, positions: FloatArray, lower_bound: float) -> None:
        """Keep the portfolio if it is better, and the bound if it is higher."""
        if value < self.portfolio[0]:
            self.portfolio = (value, positions.copy())
        if lower_bound > self.lower_bound:
            self.lower_bound = lower_bound
