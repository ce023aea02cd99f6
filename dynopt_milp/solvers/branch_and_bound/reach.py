"""How far a tracking error lets positions go, whatever the condition of the covariance.

With G of unit columns, d the distances from the target in units of risk, t = ‖Gd‖ and any Y,

    dᵢ = YᵢGd + (eᵢ − YᵢG)d,   so   |dᵢ| ≤ ‖Yᵢ‖t + Σⱼ Mᵢⱼ|dⱼ|   with Mᵢⱼ ≥ |(I − YG)ᵢⱼ|

Nothing rests on where Y comes from: with yᵢ ≥ ‖Yᵢ‖ and θ = max Σⱼ Mᵢⱼyⱼ/yᵢ, every |dᵢ| ≤ yᵢt ÷ (1 − θ) as soon as
θ < 1. The product YG and its round-off are part of M.

Y = WG', with W what Cholesky's method makes of C⁻¹, C = G'G, needs C alone: ‖Yᵢ‖² = WᵢCWᵢ' and YG = WC. It does up to a
condition of C of about 1e9. Beyond, G is brought to triangular form by Gram and Schmidt's method, done twice, and the
residual depends on the condition of G, the root of that.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, invert_factored
from dynopt_milp.solvers.branch_and_bound.compiled import part
from formulations.pricing import UNIT_ROUND_OFF

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
    y, missing = np.zeros(size), np.zeros((size, size))
    found = size > 0 and by_cholesky(gram, risky, scale, len(factor), y, missing)
    theta = most_missing(y, missing) if found else np.inf
    if not theta < MOST_THETA and 0 < size <= len(factor):
        found = by_orthogonal(factor, lead, risky, scale, y, missing)
        theta = most_missing(y, missing) if found else np.inf
    if not theta < MOST_THETA:  # not a number where something overflowed
        return reach, np.inf
    wider, total = (1 + size * UNIT_ROUND_OFF) / (1 - theta), 0.0
    for a in range(size):
        reach[risky[a]] = y[a] * wider / scale[a]
        total += y[a] * wider
    return reach, total


@part
def most_missing(y: np.ndarray, missing: np.ndarray) -> float:
    """θ."""
    theta = 0.0
    for a in range(y.size):
        row = 0.0
        for c in range(y.size):
            row += missing[a, c] * y[c]
        theta = max(theta, row / y[a]) if y[a] > 0 else np.inf
    return theta


@part
def by_cholesky(
    gram: np.ndarray, risky: np.ndarray, scale: np.ndarray, rows: int, y: np.ndarray, missing: np.ndarray
) -> bool:
    """Fill y and M for the Y that the Gram matrix gives; False if a pivot is not positive."""
    size = y.size
    matrix, upper, inverse = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    for a in range(size):
        for c in range(size):
            matrix[a, c] = gram[risky[a], risky[c]] / (scale[a] * scale[c])
    if not cholesky(size, matrix, upper):
        return False
    invert_factored(size, upper, inverse)
    # Of an entry of WC: the sum of its terms, and C itself, a sum of ``rows`` terms that add up to one at most.
    unit = (rows + size + 12) * UNIT_ROUND_OFF
    product = np.empty(size)
    for a in range(size):
        for c in range(size):
            product[c] = 0.0
        absolute = 0.0
        for k in range(size):
            by = inverse[a, k]
            absolute += abs(by)
            for c in range(size):
                product[c] += by * matrix[k, c]
        square = 2 * unit * absolute * absolute
        for c in range(size):
            square += product[c] * inverse[a, c]
            missing[a, c] = abs(product[c] - (1.0 if a == c else 0.0)) + unit * absolute
        y[a] = math.sqrt(max(square, 0.0))
    return True


@part
def by_orthogonal(
    factor: np.ndarray, lead: np.ndarray, risky: np.ndarray, scale: np.ndarray, y: np.ndarray, missing: np.ndarray
) -> bool:
    """Fill y and M for Y = R⁻¹Q' of G = QR; False if a column depends on those before it to the last digit."""
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
            return False
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
    for a in range(size):
        for c in range(size):
            entry = 0.0
            for row in range(rows):
                entry += basis[a, row] * (factor[row, lead[risky[c]]] / scale[c])
            missing[a, c] = abs(entry - (1.0 if a == c else 0.0)) + unit * y[a]
    return True
