"""How far a tracking error lets positions go, whatever the condition of the covariance.

With C the Gram matrix of unit columns, d the distances from the target in units of risk, t = sqrt(d'Cd) and any W,

    dᵢ = WᵢCd + (eᵢ − WᵢC)d,   so   |dᵢ| ≤ sqrt(WᵢCWᵢ')·t + Σⱼ Mᵢⱼ|dⱼ|   with Mᵢⱼ ≥ |(I − WC)ᵢⱼ|

W is what Cholesky's method makes of C⁻¹. Nothing rests on that: with yᵢ ≥ sqrt(WᵢCWᵢ') and θ = max Σⱼ Mᵢⱼyⱼ/yᵢ, every
|dᵢ| ≤ yᵢt ÷ (1 − θ) as soon as θ < 1. The product WC, its round-off and that of C are part of M and of y.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, invert_factored
from dynopt_milp.solvers.branch_and_bound.compiled import part
from formulations.pricing import UNIT_ROUND_OFF

MOST_THETA = 0.1  # with more, W is not an inverse, and other arguments do better


@part
def reaches(gram: np.ndarray, rows: int) -> tuple[np.ndarray, float]:
    """How far each position can be from its target for each unit of tracking error, in contracts, and Σ in risk.

    ``gram`` is G'G, of ``rows`` rows, computed in float64. All are infinite where nothing is proved, and a position
    without risk is left out.

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
    matrix, upper, inverse = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    scale = np.empty(size)
    for a in range(size):
        scale[a] = math.sqrt(gram[risky[a], risky[a]])
    for a in range(size):
        for c in range(size):
            matrix[a, c] = gram[risky[a], risky[c]] / (scale[a] * scale[c])
    if size == 0 or not cholesky(size, matrix, upper):
        return reach, np.inf
    invert_factored(size, upper, inverse)
    # Of an entry of WC: the sum of its terms, and C itself, a sum of ``rows`` terms that add up to one at most.
    unit = (rows + size + 12) * UNIT_ROUND_OFF
    y, product, missing = np.empty(size), np.empty(size), np.empty((size, size))
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
    theta, total = 0.0, 0.0
    for a in range(size):
        row = 0.0
        for c in range(size):
            row += missing[a, c] * y[c]
        theta = max(theta, row / y[a]) if y[a] > 0 else np.inf
        total += y[a]
    if not theta < MOST_THETA:  # not a number where something overflowed
        return reach, np.inf
    wider = 1 / (1 - theta) * (1 + unit)
    for a in range(size):
        reach[risky[a]] = y[a] * wider / scale[a]
    return reach, total * wider
