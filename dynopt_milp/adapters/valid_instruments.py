"""Which instruments can be optimised on a day, and whole contracts out of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import InputError
from formulations import FloatArray

WHOLE, ROUND_OFF = 1e-6, 1e-12
"""Weights divided by weights per contract are whole to within this, and this part of them."""


def with_valid_data(covariance: FloatArray, target: FloatArray, per_contract: FloatArray) -> NDArray[np.bool_]:
    """Which instruments have a target, a positive weight per contract, a variance and covariances with each other.

    Of instruments whose covariance is missing though both have a variance, the one with the most such gaps goes first,
    then the last in order, until there are no gaps.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
    target, per_contract : ndarray, shape (n,)
        NaN where something is missing.
    """
    missing = np.isnan(covariance)
    valid: NDArray[np.bool_] = ~np.isnan(target) & (per_contract > 0) & ~missing.diagonal()
    missing |= missing.T
    while True:
        if not missing.any():
            return valid
        gaps = np.where(valid, (missing & valid).sum(axis=1), 0)
        if not gaps.any():
            return valid
        valid[len(gaps) - 1 - int(np.argmax(gaps[::-1]))] = False


def contracts(weights: FloatArray, per_contract: FloatArray, names: tuple[str, ...], field: str) -> FloatArray:
    """Whole contracts, shape (n,), of weights that are whole multiples of the weights per contract; NaN is none.

    Raises
    ------
    InputError
        If a weight is no whole multiple.
    """
    number = np.where(np.isnan(weights), 0.0, weights) / per_contract
    whole = np.rint(number)
    good = np.abs(number - whole) <= WHOLE + ROUND_OFF * np.abs(number)
    if not good.all():
        place = int(np.argmin(good))
        raise InputError(f"expected whole contracts, found {number[place]:.9g}", field=field, instrument=names[place])
    return whole + 0.0
