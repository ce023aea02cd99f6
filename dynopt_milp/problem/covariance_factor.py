"""From a covariance to a factor of it, with round-off repaired and everything worse refused."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.linalg.lapack import dpstrf

from dynopt_milp.errors import CovarianceError
from formulations import FloatArray

# What counts as round-off, on the scale of correlations. Matrices that went through a text file carry about ten
# digits, a product of three float64 matrices fourteen.
ASYMMETRY = 1e-9
NEGATIVE_EIGENVALUE = 1e-9
# Negative eigenvalues below this are what eigenvalue routines return for zero; not worth a note.
ROUTINE = 1e-13
DIVISION = 4e-16  # what dividing by standard deviations leaves of a correlation of one


@np.errstate(over="ignore", invalid="ignore")
def covariance_factor(covariance: FloatArray, instruments: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...]]:
    """A factor R of the covariance, Σ = R'R.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Σ; a singular one is ordinary (two sizes of one contract).
    instruments : tuple of str
        Names, for errors.

    Returns
    -------
    factor : ndarray, shape (m, n)
        R, with m ≤ n rows; the order of its columns apart, upper triangular.
    notes : tuple of str
        What was repaired, in words.

    Raises
    ------
    CovarianceError
        If an entry is not finite, or the matrix is asymmetric or indefinite beyond round-off.
    """
    if not math.isfinite(covariance.sum()) and not np.isfinite(covariance).all():
        row, column = np.argwhere(~np.isfinite(covariance))[0]
        raise CovarianceError(
            f"expected finite numbers, found {covariance[row, column]} with {instruments[column]}",
            field="covariance",
            instrument=instruments[row],
        )
    variance = covariance.diagonal()
    least = float(variance.min())
    if least < 0:
        place = int(np.argmax(variance < 0))
        raise CovarianceError(
            f"variance is negative: {variance[place]:g}", field="covariance", instrument=instruments[place]
        )
    deviation = np.sqrt(variance if least > 0 else np.where(variance > 0, variance, variance.max() or 1.0))

    correlation = covariance / deviation / deviation[:, None]
    difference = np.abs(correlation - correlation.T)
    asymmetry = difference.max()
    if not math.isfinite(asymmetry):
        row, column = np.argwhere(~np.isfinite(difference))[0]
        raise CovarianceError(
            f"is {covariance[row, column]:g} with {instruments[column]}, which their variances do not allow",
            field="covariance",
            instrument=instruments[row],
        )
    if asymmetry > ASYMMETRY:
        row, column = np.unravel_index(int(np.argmax(difference)), difference.shape)
        raise CovarianceError(
            f"is not symmetric: {covariance[row, column]:g} with {instruments[column]}, "
            f"{covariance[column, row]:g} the other way round",
            field="covariance",
            instrument=instruments[row],
        )
    if asymmetry > 0:
        correlation = (correlation + correlation.T) / 2
    if least == 0:
        for row, column in np.argwhere((variance == 0)[:, None] & (np.abs(correlation) > NEGATIVE_EIGENVALUE)):
            raise CovarianceError(
                f"has no variance but a covariance with {instruments[column]}",
                field="covariance",
                instrument=instruments[row],
            )
        deviation = np.sqrt(variance)

    # Without a square root of anything that is mostly round-off: what is left over says that it was.
    factor = _pivoted_cholesky(correlation)
    if len(factor) < len(variance):
        one = np.abs(np.abs(correlation) - 1) <= DIVISION  # and it should be: two sizes of a contract
        correlation = np.where(one, np.sign(correlation), correlation)
        factor = _pivoted_cholesky(correlation)
    if len(factor) == len(variance) or np.abs(correlation - factor.T @ factor).max() <= ROUTINE * len(variance):
        return factor * deviation, ()

    values, vectors = np.linalg.eigh(correlation)
    least = float(values[0])
    if least < -NEGATIVE_EIGENVALUE * max(float(values[-1]), 1.0):
        worst = int(np.argmax(np.abs(vectors[:, 0])))
        raise CovarianceError(
            f"is not positive semi-definite: its correlations have the eigenvalue {least:.3g}, mostly along this "
            "instrument; estimate all correlations from the same dates, or see dynopt_milp.problem.eigenvalues",
            field="covariance",
            instrument=instruments[worst],
        )
    repaired = f"covariance: a negative eigenvalue of {least:.1e} (round-off, in correlations) was set to zero"
    kept = values > ROUTINE * len(values)
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T * deviation
    triangle = np.asarray(np.linalg.qr(root, mode="r")) if kept.any() else np.zeros((0, len(values)))
    return triangle, (repaired,) if least < -ROUTINE * len(values) else ()


def _pivoted_cholesky(correlation: FloatArray) -> FloatArray:
    size = len(correlation)
    packed, pivot, rank, _ = dpstrf(correlation, tol=ROUTINE * size)
    factor = np.empty((rank, size))
    factor[:, pivot - 1] = packed[:rank] * _upper(size)[:rank]
    return factor


@cache
def _upper(size: int) -> FloatArray:
    return np.triu(np.ones((size, size)))
