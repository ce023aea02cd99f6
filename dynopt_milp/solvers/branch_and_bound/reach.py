"""How far a tracking error lets positions go, whatever the condition of the covariance.

With G of unit columns, d the distances from the target in units of risk, t = ‖Gd‖ and any Y,

    dᵢ = YᵢGd + (eᵢ − YᵢG)d,   so   |dᵢ| ≤ ‖Yᵢ‖t + Σⱼ Mᵢⱼ|dⱼ|   with Mᵢⱼ ≥ |(I − YG)ᵢⱼ|

Nothing rests on where Y comes from: with yᵢ ≥ ‖Yᵢ‖ and θ = max Σⱼ Mᵢⱼyⱼ/yᵢ, every |dᵢ| ≤ yᵢt ÷ (1 − θ) as soon as
θ < 1. The product YG and its round-off are part of M.

Cholesky's method needs C = G'G alone and no product. What it leaves, |C − U'U| ≤ γ an entry (Higham, theorem 10.3),
makes ‖Ud‖ ≤ t + √γ Σ|dⱼ|; and rows of V = U⁻¹ by substitution have |I − VU| ≤ γ|V||U| ≤ γ‖Vᵢ‖ (section 8.1; columns of
U have length one). With yᵢ = ‖Vᵢ‖ in the place of ‖Yᵢ‖, Mᵢⱼ is (√γ + 2γ)yᵢ and θ = (√γ + 2γ)Σyⱼ: 1e-5 or so for a
portfolio, and below 0.1 up to a condition of C of about 1e10. Beyond, G is brought to triangular form by Gram and
Schmidt's method, done twice, and the residual depends on the condition of G, the root of that.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, invert_triangular
from dynopt_milp.solvers.branch_and_bound.compiled import part
from formulations.exact_norm import UNIT_ROUND_OFF

MOST_THETA = 0.1  # with more, Y is not an inverse


@part
def reaches(factor: np.ndarray, lead: np.ndarray, gram: np.ndarray) -> tuple[np.ndarray, float]:
    """How far each position can be from its target for each unit of tracking error, in contracts, and Σ in risk.

    G's columns are those of ``factor`` at the places ``lead``; ``gram`` is G'G, computed in float64. All are infinite
    where nothing is proved, and a position without risk is left out.

    Returns
    -------
    reach : ndarray, shape (n,)
        |yᵢ − σᵢ| ≤ reachᵢ·t.
    total : float
        Σ ‖Gᵢ‖|yᵢ − σᵢ| ≤ total·t.
    """
    reach = np.full(len(gram), np.inf)
    risky, size = np.empty(len(gram), dtype=np.int64), 0
    for i in range(len(gram)):
        if gram[i, i] > 0:
            risky[size] = i
            size += 1
    scale = np.empty(size)
    for a in range(size):
        scale[a] = math.sqrt(gram[risky[a], risky[a]])
    y = np.zeros(size)
    theta = by_cholesky(gram, risky, scale, len(factor), y) if size else np.inf
    if not theta < MOST_THETA and 0 < size <= len(factor):
        theta = by_orthogonal(factor, lead, risky, scale, y)
    if not theta < MOST_THETA:  # not a number where something overflowed
        return reach, np.inf
    wider, total = (1 + size * UNIT_ROUND_OFF) / (1 - theta), 0.0
    for a in range(size):
        reach[risky[a]] = y[a] * wider / scale[a]
        total += y[a] * wider
    return reach, total


@part
def by_cholesky(gram: np.ndarray, risky: np.ndarray, scale: np.ndarray, rows: int, y: np.ndarray) -> float:
    """Fill y with what the Gram matrix gives; the result is θ, infinite if a pivot is not positive."""
    size = y.size
    matrix, upper = np.empty((size, size)), np.empty((size, size))
    for a in range(size):
        for c in range(size):
            matrix[a, c] = gram[risky[a], risky[c]] / (scale[a] * scale[c])
    if not cholesky(size, matrix, upper):
        return np.inf
    half = invert_triangular(size, upper)
    # γ: of C itself, sums of ``rows`` terms that add up to one at most, and of the factor.
    unit = (rows + size + 16) * UNIT_ROUND_OFF
    total = 0.0
    for a in range(size):
        square = 0.0
        for k in range(a, size):
            square += half[k, a] * half[k, a]
        y[a] = math.sqrt(square) * (1 + unit)
        total += y[a]
    return (math.sqrt(unit) + 2 * unit) * total * (1 + unit)


@part
def by_orthogonal(
    factor: np.ndarray, lead: np.ndarray, risky: np.ndarray, scale: np.ndarray, y: np.ndarray
) -> float:  # fmt: skip
    """Fill y for Y = R⁻¹Q' of G = QR; θ, infinite if a column depends on those before it to the last digit."""
    rows, size = len(factor), y.size
    unit = (rows + 12) * UNIT_ROUND_OFF
    basis, upper = np.empty((size, rows)), np.zeros((size, size))
    for a in range(size):
        for row in range(rows):
            basis[a, row] = factor[row, lead[risky[a]]] / scale[a]
        for _ in range(2):
            for k in range(a):
                along = 0.0
                for row in range(rows):
                    along += basis[k, row] * basis[a, row]
                upper[k, a] += along
                for row in range(rows):
                    basis[a, row] -= along * basis[k, row]
        square = 0.0
        for row in range(rows):
            square += basis[a, row] * basis[a, row]
        upper[a, a] = math.sqrt(square)
        if not upper[a, a] > UNIT_ROUND_OFF:
            return np.inf
        for row in range(rows):
            basis[a, row] /= upper[a, a]
    for done in range(size):  # Q' becomes R⁻¹Q', from the last row on
        a = size - 1 - done
        square = 0.0
        for row in range(rows):
            entry = basis[a, row]
            for k in range(a + 1, size):
                entry -= upper[a, k] * basis[k, row]
            basis[a, row] = entry / upper[a, a]
            square += basis[a, row] * basis[a, row]
        y[a] = math.sqrt(square) * (1 + unit)
    theta = 0.0
    for a in range(size):
        left = 0.0
        for c in range(size):
            entry = 0.0
            for row in range(rows):
                entry += basis[a, row] * (factor[row, lead[risky[c]]] / scale[c])
            left += (abs(entry - (1.0 if a == c else 0.0)) + unit * y[a]) * y[c]
        theta = max(theta, left / y[a]) if y[a] > 0 else np.inf
    return theta
