"""Correlations shrunk towards zero: a share less of what a covariance says of pairs; variances stay."""

from __future__ import annotations

import numpy as np

from dynopt_milp.io.labelled import to_share
from formulations import FloatArray


def check_shrinkage(shrinkage: float) -> float:
    """A shrinkage, checked.

    Raises
    ------
    InputError
        If it is not a number from 0 to 1.
    """
    return to_share(shrinkage, "shrinkage")


def shrunk(covariance: FloatArray, shrinkage: float) -> FloatArray:
    """The covariance, or correlations, with a share taken off what is beside the diagonal.

    Two sizes of one contract are shrunk like any other pair: their correlation is 1 − shrinkage then.

    Parameters
    ----------
    covariance : ndarray, shape (..., n, n)
        What is not finite stays as it is: whoever makes a problem of it says what is wrong.
    shrinkage : float
        Share of the way towards zero correlation, from 0 to 1; variances stay.

    Returns
    -------
    ndarray, shape (..., n, n)
        What was given, not a copy of it, where the share is 0.

    Raises
    ------
    InputError
        If the shrinkage is not a number from 0 to 1.
    """
    share = check_shrinkage(shrinkage)
    if share == 0:
        return covariance
    made = np.multiply(covariance, 1 - share, out=covariance.copy(), where=np.isfinite(covariance))
    diagonal = np.arange(covariance.shape[-1])
    made[..., diagonal, diagonal] = covariance[..., diagonal, diagonal]
    return made
