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

LEAST_VOLATILITY, LEAST_OF_A_FEW, LEAST_OF_MANY = 0.01, 0.03, 0.15
"""A year, for each instrument, and the least and the most that they come to: the more there are, the more volatile is
the most volatile of them. Of all 42 futures, 2002 to 2019, it never had less than 26 %; of three bonds it had 0.5 %."""
LITTLE_RISK = 0.04
"""A year, share of capital: less than portfolios are made for. That of all 42 futures, of a target of 20 %, was never
below 4.7 %; that of two or three bonds was on one day in a hundred, when forecasts were weak."""


def not_annual(volatility: FloatArray, wanted_risk: float) -> str:
    """Why a covariance can hardly be an annual one, in words; empty if it can.

    The covariance alone does not say: the annual one of short bonds looks like the daily one of shares. But targets are
    sized by volatility, so that what they risk is a share of capital that somebody aims at. Both have to be small.

    Parameters
    ----------
    volatility : ndarray, shape (n,)
        Of the instruments, by the covariance.
    wanted_risk : float
        Of the unrounded portfolio, share of capital, by the covariance; at zero nothing can be said.
    """
    if not volatility.size:
        return ""
    if np.allclose(volatility, 1.0, rtol=0.0, atol=1e-9):
        return "is a correlation matrix, with ones on its diagonal; give covariances"
    largest = float(volatility.max())
    usual = min(max(LEAST_VOLATILITY * volatility.size, LEAST_OF_A_FEW), LEAST_OF_MANY)
    if not (0 < wanted_risk < LITTLE_RISK and largest < usual):
        return ""
    return (
        f"is hardly an annual one: the most volatile instrument has {largest:.2%}, and the targets risk "
        f"{wanted_risk:.2%} of capital; say of which period it is, daily, weekly or annual"
    )


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
