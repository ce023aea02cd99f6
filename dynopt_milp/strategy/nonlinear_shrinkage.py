"""Analytical nonlinear shrinkage of a sample covariance: its eigenvectors stay, each eigenvalue is shrunk by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dynopt_milp.errors import InputError
from formulations import FloatArray

LEAST_SHARE = 1e-10
"""Of the largest eigenvalue: one below is taken for so much, as where two columns are the same."""
ROOT_5 = np.sqrt(5.0)
FAR = 100.0  # bandwidths


class NonlinearShrinkage:
    """A covariance estimator with ``fit`` and ``covariance_``, as those of scikit-learn.

    The sample covariance S = UΛU' of T observations of n instruments becomes U·diag(d)·U', with dᵢ from λᵢ and a kernel
    estimate (Epanechnikov's, of bandwidth T^{-1/3}λⱼ at λⱼ) of the density of the sample's eigenvalues and of its
    Hilbert transform: what minimises the expected squared distance from the truth as n and T grow together. There is
    nothing to choose.

    Attributes
    ----------
    covariance_ : ndarray, shape (n, n)
        After ``fit``.

    Notes
    -----
    Source: O. Ledoit and M. Wolf, *Analytical nonlinear shrinkage of large-dimensional covariance matrices*, Annals of
    Statistics 48 (2020); one degree of freedom is that of the mean.
    """

    covariance_: FloatArray

    def __repr__(self) -> str:
        return "NonlinearShrinkage()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NonlinearShrinkage)

    __hash__ = object.__hash__

    def fit(self, X: ArrayLike, y: object = None) -> NonlinearShrinkage:  # noqa: N803  # as scikit-learn has it
        """Estimate the covariance of the columns of X, shape (T, n), T at least 2; ``y`` is not looked at.

        Raises
        ------
        InputError
            If X is something else.
        """
        values = np.array(X, dtype=np.float64)
        if values.ndim != 2 or len(values) < 2 or not values.shape[1] or not np.isfinite(values).all():
            raise InputError(f"expected two rows of finite numbers or more, found shape {values.shape}", field="X")
        centred = values - values.mean(axis=0)
        observed = len(values) - 1
        eigenvalues, vectors = np.linalg.eigh(centred.T @ centred / observed)
        shrunk = shrunk_eigenvalues(np.maximum(eigenvalues, 0.0), observed)
        self.covariance_ = (vectors * shrunk) @ vectors.T
        return self


def shrunk_eigenvalues(eigenvalues: FloatArray, observed: int) -> FloatArray:
    """The eigenvalues that take the place of a sample's.

    Parameters
    ----------
    eigenvalues : ndarray, shape (n,)
        Of the sample covariance, ascending, not negative.
    observed : int
        T, degrees of freedom.

    Returns
    -------
    ndarray, shape (n,)
        Positive, unless all of the sample's are zero.
    """
    size = eigenvalues.size
    largest = eigenvalues[-1]
    if not largest > 0:
        return eigenvalues
    null = max(size - observed, 0)
    known = np.maximum(eigenvalues[null:], LEAST_SHARE * largest)
    bandwidth = observed ** (-1 / 3)
    away = (known[:, None] - known) / (bandwidth * known)
    edge = np.maximum(1 - away**2 / 5, 0.0)
    density = (3 / (4 * ROOT_5) * edge / (bandwidth * known)).mean(axis=1)
    hilbert = (_transform(away) / (bandwidth * known)).mean(axis=1)
    if not null:
        ratio = size / observed
        beside = 1 - ratio - np.pi * ratio * known * hilbert
        return np.asarray(known / ((np.pi * ratio * known * density) ** 2 + beside**2))
    wide = ROOT_5 * bandwidth
    inverse = (1 / known).mean()
    at_zero = (
        3 / (10 * bandwidth**2) + 3 / (4 * wide) * (1 - 1 / wide**2) * np.log((1 + wide) / abs(1 - wide))
    ) / np.pi
    of_null = 1 / (np.pi * null / observed * at_zero * inverse)
    return np.concatenate([np.full(null, of_null), 1 / (np.pi**2 * known * (density**2 + hilbert**2))])


def _transform(away: FloatArray) -> FloatArray:
    """The Hilbert transform of Epanechnikov's kernel.

    Far away, as from eigenvalues of next to nothing where columns are the same, two terms of the closed form cancel but
    for round-off; there it is the series in the moments of the kernel, 1, 15/7 and 125/21.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(np.abs((ROOT_5 - away) / (ROOT_5 + away)))
        near = -3 / (10 * np.pi) * away + 3 / (4 * ROOT_5 * np.pi) * (1 - away**2 / 5) * logarithm
        square = 1 / away**2
        far = -(1 + square * (1 + square * (15 / 7 + square * 125 / 21))) / (np.pi * away)
    near = np.where(np.abs(away) == ROOT_5, -3 / (10 * np.pi) * away, near)
    return np.where(np.abs(away) > FAR, far, near)
