"""The book's buffer: trade part of the way to the optimised portfolio, in whole contracts.

With T the tracking error between what is held and the optimised portfolio and B the buffer,

    α = max((T − B) ÷ T, 0)      trades = round(α(k° − p))

Source: R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five.
"""

from __future__ import annotations

import numpy as np

from formulations import FloatArray, IntegerArray


def adjustment_factor(distance: float, buffer: float) -> float:
    """α, the part of the way to go; 0 where T is 0.

    Parameters
    ----------
    distance, buffer : float
        T and B, not negative, in the same unit.
    """
    return max((distance - buffer) / distance, 0.0) if distance > 0 else 0.0


def buffered_trades(
    held: FloatArray | float, optimised: FloatArray | IntegerArray | float, factor: float
) -> FloatArray:  # fmt: skip
    """Round(α(k° − p)), contracts to trade; halves go to the even number."""
    return np.rint(factor * (optimised - held))
