"""What is taken for an input at most, and whether the units of a covariance look right."""

from __future__ import annotations

import numpy as np

from formulations import FloatArray

# No account, rule or contract comes near these. What is larger is a slip of the keyboard or of units, and ends in
# numbers that float64 does not hold.
MOST_CAPITAL = 1e15
"""Capital, in any currency; that of the world is a few times 1e14 US dollars."""
MOST_RISK = 100.0
"""An annual standard deviation that is aimed at, share of capital: 10,000 %."""
MOST_MULTIPLIER = 1e9
"""A cost multiplier λ (at 1e9 nothing trades), a diversification multiplier, or currency units per price point (that of
a Korean bond is 1e6)."""
MOST_FRACTION = 1000.0
"""A buffer as a share of the risk target, a commission as a share of the value, a cost as a share of annual risk."""
MOST_ROLL_TRADES = 100.0
"""Trades that a roll costs; there are one or two."""

MOST_VARIANCE = 3.0**2
"""A year; half of the futures of a portfolio are less volatile than 300 %, unless something is in per cent."""


def implausible(covariance: FloatArray) -> str:
    """What looks wrong with the units of a covariance, in words; empty if nothing does."""
    variance = covariance.diagonal()
    large = 2 * np.count_nonzero(variance > MOST_VARIANCE) >= variance.size > 0  # else the median is not, either
    if not large or not np.median(variance) > MOST_VARIANCE:
        return ""
    return (
        f"the median volatility is {np.sqrt(np.median(variance)):.0%} a year: the covariance should be of returns as "
        "shares, not in per cent, and annual"
    )
