"""The largest diagonal that can be taken out of a covariance: H = F'F = L'L + D, D = diag(d) ≥ 0.

For whole k the part Σ dᵢ(kᵢ − τᵢ)² of ‖F(k − τ)‖² has a convex hull that is known in closed form; what is left is a
norm. The more of H is in D, the tighter the relaxation. In units in which F's columns have length one, with F = USV'
(of rank r) and A = D^½VS⁻¹,

    H − D ⪰ 0    ⟺    A'A = Σ dᵢ aᵢaᵢ' ⪯ I    and    dᵢ = 0 where the unit vector eᵢ is not in the row space of F,

where aᵢ is row i of VS⁻¹. So exact duplicates (two sizes of one contract) have d = 0. With A = PσQ' the rest is
L = diag(sqrt(1 − σ²))Q'SV': no difference of squares is formed, and ‖L(k − τ)‖² + Σ dᵢ(kᵢ − τᵢ)² is ‖F(k − τ)‖² to
round-off relative to itself, which H − D would not give.

Source: diagonal extraction for perspective reformulations, A. Frangioni, C. Gentile (2007), X. Zheng, X. Sun, D. Li
(2014); the barrier and its Newton step are the textbook's, S. Boyd, L. Vandenberghe, *Convex Optimization* (2004),
section 11.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations.arrays import FloatArray
from formulations.program import ProgramError

# Smaller singular values of unit columns count as zero here: they are wrong by about 1e-16, and 1 − σ² with them. The
# norm keeps them.
SINGULAR = 1e-6
# ‖eᵢ − VV'eᵢ‖² is 1e-32 where eᵢ is in the row space, and at least 1/n for the smallest part of n duplicates.
INSIDE = 1e-20
# The largest σ² of what is extracted: below one by more than round-off, and by less than shows in a bound.
MOST = 1 - 1e-10
# How far above one σ² of a given diagonal may be: what round-off in H − D ⪰ 0 can be, of entries of about one.
DIAGONAL_ROUND_OFF = 1e-9
# The barrier stops within this part of the largest Σwᵢdᵢ; a sharper one moves no bound by more.
BARRIER_GAP = 0.01
BARRIER_FALL = 0.2  # per centre: about ten Newton steps in all for 40 columns
MOST_STEPS = 60
SHORTEST = 1e-6  # of a Newton step; what needs shorter ones is finished to round-off
ALMOST = 0.95  # of the way to where a diagonal entry becomes zero


def extract_diagonal(factor: ArrayLike, weight: ArrayLike) -> FloatArray:
    """A valid d with Σ wᵢdᵢ close to the largest possible.

    Parameters
    ----------
    factor : array_like, shape (m, n)
        F.
    weight : array_like, shape (n,)
        wᵢ ≥ 0, what a unit of dᵢ is worth; where it is zero, so is dᵢ.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ProgramError
        If ``weight`` has another shape, is negative or not finite.
    """
    columns = np.asarray(factor, dtype=np.float64)
    pays = np.asarray(weight, dtype=np.float64)
    if pays.shape != (columns.shape[1],):
        raise ProgramError("weight", f"expected shape ({columns.shape[1]},), found {pays.shape}")
    bad = ~(np.isfinite(pays) & (pays >= 0))
    if bad.any():
        raise ProgramError("weight", "is negative or not finite", int(np.argmax(bad)))
    split = _Split(columns)
    some = split.inside & (pays > 0)
    diagonal = np.zeros(len(pays))
    if some.any():
        worth = pays[some] * split.lengths[some] ** 2
        diagonal[some] = _largest(split.rows[some], worth / worth.max())
        diagonal *= MOST / _square(diagonal, split.rows)  # the barrier stays inside; as far as it goes is more
    return np.asarray(diagonal * split.lengths**2)


def remainder(factor: ArrayLike, diagonal: ArrayLike) -> FloatArray:
    """L with F'F = L'L + D, shape (r, n).

    Parameters
    ----------
    factor : array_like, shape (m, n)
        F.
    diagonal : array_like, shape (n,)
        d.

    Raises
    ------
    ProgramError
        If d has another shape, a negative entry or one that is not finite, or F'F − D is indefinite.
    """
    columns = np.asarray(factor, dtype=np.float64)
    d = np.asarray(diagonal, dtype=np.float64)
    if d.shape != (columns.shape[1],):
        raise ProgramError("diagonal", f"expected shape ({columns.shape[1]},), found {d.shape}")
    bad = ~(np.isfinite(d) & (d >= 0))
    if bad.any():
        raise ProgramError("diagonal", "is negative or not finite", int(np.argmax(bad)))
    split = _Split(columns)
    outside = (d > 0) & ~split.inside
    if outside.any():
        raise ProgramError(
            "diagonal", "expected 0 where other columns of the factor make up the same risk", int(np.argmax(outside))
        )
    _, sigma, basis = np.linalg.svd((np.sqrt(d) / split.lengths)[:, None] * split.rows)
    square = np.zeros(len(basis))
    square[: len(sigma)] = sigma**2
    if square.max(initial=0.0) > 1 + DIAGONAL_ROUND_OFF:
        raise ProgramError("diagonal", f"is too large: F'F − D is indefinite; {1 / square.max():.6g} of it would do")
    left = np.sqrt(np.maximum(1 - square, 0.0))[:, None] * (basis @ split.risk)
    return np.asarray(np.vstack([left[square < 1], split.faint]) * split.lengths)


class _Split:
    """F with unit columns, F = USV': what of it has full rank, and what is almost or exactly singular.

    Attributes
    ----------
    lengths : ndarray, shape (n,)
        Of F's columns; 1 where they are zero.
    rows : ndarray, shape (n, r)
        VS⁻¹.
    risk : ndarray, shape (r, n)
        SV'.
    faint : ndarray
        The rows of SV' that ``rows`` has left out.
    inside : ndarray of bool, shape (n,)
        Which unit vectors lie in the row space.
    """

    def __init__(self, factor: FloatArray) -> None:
        lengths = np.linalg.norm(factor, axis=0)
        self.lengths: FloatArray = np.where(lengths > 0, lengths, 1.0)
        _, sizes, right = np.linalg.svd(factor / self.lengths, full_matrices=False)
        strong: NDArray[np.bool_] = sizes > SINGULAR
        self.rows: FloatArray = right[strong].T / sizes[strong]
        self.risk: FloatArray = sizes[strong, None] * right[strong]
        self.faint: FloatArray = (sizes[:, None] * right)[~strong]
        missing = np.eye(len(lengths)) - right[strong].T @ right[strong]
        self.inside: NDArray[np.bool_] = (missing**2).sum(axis=1) < INSIDE


def _largest(rows: FloatArray, pays: FloatArray) -> FloatArray:
    """Newton's method for max Σ paysᵢdᵢ + μ(log det(I − Σ dᵢaᵢaᵢ') + Σ log dᵢ), μ falling from centre to centre."""
    size, rank = rows.shape
    d = 1 / (rows**2).sum(axis=1)
    d *= 0.5 / _square(d, rows)  # half-way to where it binds
    barrier = float(pays @ d) / size
    for _ in range(MOST_STEPS):
        inverse = np.linalg.inv(np.eye(rank) - (rows * d[:, None]).T @ rows)
        link = rows @ inverse @ rows.T
        gradient = pays - barrier * link.diagonal() + barrier / d
        try:
            step = np.linalg.solve(barrier * (link**2 + np.diag(1 / d**2)), gradient)
        except np.linalg.LinAlgError:  # so near to singular that no step is better than this d
            break
        length = min(1.0, ALMOST / max(float((-step / d).max()), ALMOST))
        while length > SHORTEST and not _definite(np.eye(rank) - (rows * (d + length * step)[:, None]).T @ rows):
            length /= 2
        if length <= SHORTEST:
            break
        d = d + (1.0 if length == 1.0 else 0.9) * length * step
        if gradient @ step < barrier:  # Newton's decrement squared, in units of the barrier: near the centre
            if 2 * size * barrier < BARRIER_GAP * float(pays @ d):
                break
            barrier *= BARRIER_FALL
    return np.asarray(d)


def _square(d: FloatArray, rows: FloatArray) -> float:
    """The largest σ² of a diagonal."""
    return float(np.linalg.norm(np.sqrt(d)[:, None] * rows, 2) ** 2)


def _definite(matrix: FloatArray) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
