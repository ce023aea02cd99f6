"""An indefinite covariance, as estimates from unequal histories can be, made one that is not, and said."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd

from dynopt_milp.errors import CovarianceError
from dynopt_milp.io.labelled import refuse_masked_or_complex
from dynopt_milp.problem.covariance_factor import NEGATIVE_EIGENVALUE
from formulations import FloatArray

Covariance = TypeVar("Covariance", FloatArray, pd.DataFrame)


def clip_eigenvalues(covariance: Covariance) -> tuple[Covariance, str]:
    """The covariance with the negative eigenvalues of its correlations set to zero; variances stay.

    Correlations from different dates for each pair, or shrunk and stitched, need not be those of any random variables:
    some portfolio then has a negative variance, and no tracking error. Source: spectral decomposition, Rebonato and
    Jäckel (1999), *The most general methodology to create a valid correlation matrix*.

    Parameters
    ----------
    covariance : ndarray or DataFrame, shape (n, n)
        Symmetric, finite, no negative variance; rows and columns of a frame have the same names in the same order.

    Returns
    -------
    covariance : ndarray or DataFrame, shape (n, n)
        What was given, if nothing had to be changed beyond round-off.
    note : str
        What was changed, in words; empty if nothing was.
    """
    refuse_masked_or_complex(covariance, "covariance", kind=CovarianceError)
    if isinstance(covariance, pd.DataFrame):
        repaired, note = _clipped(covariance.to_numpy(dtype=np.float64))
        return (pd.DataFrame(repaired, covariance.index, covariance.columns) if note else covariance), note
    return _clipped(covariance)


def _clipped(covariance: FloatArray) -> tuple[FloatArray, str]:
    variance = np.diag(covariance)
    if not (covariance.size and np.isfinite(covariance).all() and (variance >= 0).all()):
        return covariance, ""  # whoever makes a problem of it says what is wrong
    risky = np.flatnonzero(variance > 0)
    block = np.ix_(risky, risky)
    deviation = np.sqrt(variance[risky])
    correlation = covariance[block] / deviation / deviation[:, None]
    if not len(risky) or not np.allclose(correlation, correlation.T, rtol=0.0, atol=NEGATIVE_EIGENVALUE):
        return covariance, ""
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    if values[0] >= -NEGATIVE_EIGENVALUE * max(float(values[-1]), 1.0):
        return covariance, ""
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    unit = np.sqrt(np.diag(clipped))  # at least 1: clipping adds to the diagonal
    valid = clipped / unit / unit[:, None]
    np.fill_diagonal(valid, 1.0)
    repaired = covariance.copy()
    repaired[block] = valid * deviation * deviation[:, None]
    note = (
        "the covariance is not positive semi-definite (least eigenvalue of its correlations "
        f"{values[0]:.3g}); negative eigenvalues were set to zero, which moved correlations by up to "
        f"{np.abs(valid - correlation).max():.2g}"
    )
    return repaired, note
