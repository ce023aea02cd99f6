"""The book's buffer: trade part of the way to the optimised portfolio, in whole contracts.

With T the tracking error between what is held and the optimised portfolio and B the buffer,

    α = max((T − B) ÷ T, 0)      trades = round(α(k° − p))

Source: R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from formulations import FloatArray, IntegerArray

JUST_ABOVE = 1e-12
"""Relative; by so much more than a factor at which half a contract is traded, all of it is."""


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


def later_factors(held: FloatArray, optimised: FloatArray | IntegerArray, factor: float) -> Iterator[float]:
    """Factors above α, ascending, one for each other portfolio that :func:`buffered_trades` makes; the last is 1.

    Those between two of them make no other, so that the first portfolio that keeps a rule is among theirs.

    Parameters
    ----------
    held, optimised : ndarray, shape (n,)
        p and k°, whole contracts.
    factor : float
        α.
    """
    away = np.abs(np.asarray(optimised, dtype=np.float64) - held)
    jumps = np.unique(np.concatenate([(np.arange(int(far)) + 0.5) / far for far in away if far > 0] or [np.empty(0)]))
    trades = buffered_trades(0.0, away, factor)
    for jump in jumps[jumps >= factor]:
        for tried in (float(jump), float(jump) * (1 + JUST_ABOVE)):  # half a contract goes to the even number
            after = buffered_trades(0.0, away, tried)
            if tried < 1 and (after != trades).any():
                trades = after
                yield tried
    yield 1.0
