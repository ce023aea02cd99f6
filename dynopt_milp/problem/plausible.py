"""Whether the units of a covariance look right."""

from __future__ import annotations

import numpy as np

from formulations import FloatArray

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
