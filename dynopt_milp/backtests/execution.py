"""When orders are done: each at the next close of its own market."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.data.market import Market
from formulations import FloatArray


class Execution:
    """From decisions to positions, day by day.

    An order decided after the close of a day waits for the instrument's next price: on a holiday nothing trades. A new
    decision replaces orders that are still waiting.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        there = market.prices.notna().to_numpy()
        rows, size = there.shape
        following = np.full((rows + 1, size), rows)
        for row in range(rows - 1, -1, -1):
            following[row] = np.where(there[row], row, following[row + 1])
        self._following = following

    def positions(
        self, held: FloatArray, wanted: FloatArray, decided: int, until: int, *, at_once: NDArray[np.bool_]
    ) -> FloatArray:
        """Contracts held at the close of the days after a decision, shape (until − decided, n).

        Parameters
        ----------
        held, wanted : ndarray, shape (n,)
            Contracts at the close of the day of the decision, and decided upon.
        decided, until : int
            The rows of the market's days of the decision, and of the last day asked for.
        at_once : ndarray of bool, shape (n,)
            Orders done on the next day in any case, at the last price: those in markets that are gone.
        """
        done = np.where(at_once, decided + 1, self._following[decided + 1])
        days = np.arange(decided + 1, until + 1)
        return np.where(days[:, None] >= done, wanted, held)
