"""The difference of two Sharpe ratios, and its standard error."""

from __future__ import annotations

import math

import pandas as pd

from dynopt_milp.backtests import sharpe_ratio
from dynopt_milp.problem.book import DAYS_A_YEAR


def sharpe_difference(one: pd.Series, other: pd.Series) -> tuple[float, float]:
    """How much higher the one's annual Sharpe ratio is, and the standard error of that, from paired daily returns.

    Parameters
    ----------
    one, other : Series by day
        Of the same days.

    Notes
    -----
    J. D. Jobson and B. M. Korkie (1981), as corrected by C. Memmel (2003): with daily ratios s and t and returns of
    correlation ρ, T times the variance is 2 − 2ρ + (s² + t² − 2stρ²)/2; days are independent and normal.
    """
    root = math.sqrt(DAYS_A_YEAR)
    s, t, rho = sharpe_ratio(one) / root, sharpe_ratio(other) / root, float(one.corr(other))
    variance = (2 - 2 * rho + (s**2 + t**2 - 2 * s * t * rho**2) / 2) / len(one)
    return (s - t) * root, math.sqrt(max(variance, 0.0)) * root
