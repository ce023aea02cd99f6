"""A diagonal D ≥ 0 with H − D ⪰ 0: the part of the risk in which integrality counts.

For whole k, dᵢ(kᵢ − σᵢ)² is at least its chord between neighbouring whole numbers: at xᵢ = σᵢ with the fraction f that
is dᵢf(1 − f) > 0, where the relaxation pays nothing. The best D for weights w maximises Σwᵢdᵢ; a log-det barrier and
Newton's method in n variables find it. What is found need not be the best: it is checked to be valid, by a Cholesky
factorisation of H − D + ε diag(H) with an ε that covers its round-off.

Source: diagonal extraction, A. Frangioni, C. Gentile (2007), X. Zheng, X. Sun, D. Li (2014); when a floating-point
Cholesky factorisation proves positive semi-definiteness, N. Higham, *Accuracy and Stability* (2002), section 10.1.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, invert_factored, solve_factored
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from formulations.diagonal import BARRIER_FALL

# H − D may be indefinite by this part of H's diagonal; `round_off` takes it off every bound.
SHIFT = 1e-13
# Of the optimum Σwᵢdᵢ, how much the barrier may leave; a sharper D saves no nodes.
DIAGONAL_GAP = 0.02
DIAGONAL_RIDGE = 1e-9  # added to the correlations and taken off D again, so that singular ones have an interior
POWER_STEPS = 8


@part
def is_valid(size: int, gram: np.ndarray, diagonal: np.ndarray) -> bool:
    """Whether H − D ⪰ −SHIFT·diag(H), proved."""
    shifted, upper = np.empty((size, size)), np.empty((size, size))
    for i in range(size):
        if diagonal[i] < 0:
            return False
        for j in range(size):
            shifted[i, j] = gram[i, j]
        shifted[i, i] += SHIFT * gram[i, i] - diagonal[i]
        if gram[i, i] == 0:
            if diagonal[i] > 0:
                return False
            shifted[i, i] = 1.0  # a column without risk: its row is zero
    return cholesky(size, shifted, upper)


@part
def stretched(size: int, gram: np.ndarray, diagonal: np.ndarray) -> float:
    """The largest factor found by which a valid D can be multiplied for this block; 1 if none is.

    The factor is 1/λ with λ the largest eigenvalue of D^½H⁻¹D^½, by the power method; it is checked afterwards.
    """
    upper, vector = np.empty((size, size)), np.ones(size)
    shifted = np.empty((size, size))
    for i in range(size):
        vector[i] = math.cos(1 + 2.3 * i)  # of no pattern that an eigenvector has
        for j in range(size):
            shifted[i, j] = gram[i, j]
        shifted[i, i] += SHIFT * gram[i, i]
    if not cholesky(size, shifted, upper):
        return 1.0
    largest = 0.0
    for _ in range(POWER_STEPS):
        for i in range(size):
            vector[i] *= math.sqrt(diagonal[i])
        solve_factored(size, upper, vector)
        square = 0.0
        for i in range(size):
            vector[i] *= math.sqrt(diagonal[i])
            square += vector[i] * vector[i]
        largest = math.sqrt(square)
        if not 0 < largest < np.inf:
            return 1.0
        for i in range(size):
            vector[i] /= largest
    return 1 / (1.02 * largest)


@part
def climb(size: int, correlation: np.ndarray, pays: np.ndarray, d: np.ndarray, barrier: float, steps: int) -> None:
    """Newton's method for max Σ paysᵢdᵢ + barrier·(log det(C − D) + Σ log dᵢ), the barrier falling as it converges.

    ``d`` begins strictly inside and stays there; it is changed in place.
    """
    matrix, upper, inverse = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    newton, step, gradient = np.empty((size, size)), np.empty(size), np.empty(size)
    for i in range(size):
        for j in range(size):
            matrix[i, j] = correlation[i, j]
    for _ in range(steps):
        for i in range(size):
            matrix[i, i] = correlation[i, i] - d[i]
        if not cholesky(size, matrix, upper):
            return
        invert_factored(size, upper, inverse)
        fall = 0.0
        for i in range(size):
            for j in range(size):
                newton[i, j] = barrier * inverse[i, j] * inverse[i, j]
            newton[i, i] += barrier / (d[i] * d[i])
            gradient[i] = pays[i] - barrier * inverse[i, i] + barrier / d[i]
            step[i] = gradient[i]
        if not cholesky(size, newton, upper):
            return
        solve_factored(size, upper, step)
        length = 1.0
        for i in range(size):
            fall += gradient[i] * step[i]
            if step[i] < 0:
                length = min(length, -0.9 * d[i] / step[i])
        while length > 1e-8:
            for i in range(size):
                matrix[i, i] = correlation[i, i] - d[i] - length * step[i]
            if cholesky(size, matrix, upper):
                break
            length *= 0.6
        if length < 1:
            length *= 0.9
        worth = 0.0
        for i in range(size):
            d[i] += length * step[i]
            worth += pays[i] * d[i]
        if fall < 0.5 * barrier:
            if 2 * size * barrier < DIAGONAL_GAP * worth:
                return
            barrier *= BARRIER_FALL


@compiled
def largest_diagonal(gram: np.ndarray, weight: np.ndarray, steps: int) -> np.ndarray:
    """A valid D with Σwᵢdᵢ close to the largest possible; zero where nothing better is proved.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
    weight : ndarray, shape (n,)
        wᵢ > 0, in the unit of ``target`` squared; here f(1 − f) and a little.
    steps : int
        Newton steps at most.
    """
    size = weight.size
    zero = np.zeros(size)
    scale, pays = np.empty(size), np.empty(size)
    for i in range(size):
        if not gram[i, i] > 0:
            return zero
        scale[i] = math.sqrt(gram[i, i])
        pays[i] = weight[i] * gram[i, i]
    correlation, upper, inverse = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    d = np.empty(size)
    total = pays.sum()
    for i in range(size):
        pays[i] /= total
        for j in range(size):
            correlation[i, j] = gram[i, j] / (scale[i] * scale[j])
        correlation[i, i] = 1 + DIAGONAL_RIDGE
    if not cholesky(size, correlation, upper):
        return zero
    invert_factored(size, upper, inverse)
    for i in range(size):
        d[i] = 1 / inverse[i, i]
    factor = stretched(size, correlation, d) * 0.6
    for i in range(size):
        d[i] *= factor
    while not is_valid(size, correlation, d):
        for i in range(size):
            d[i] *= 0.5
    worth = 0.0
    for i in range(size):
        worth += pays[i] * d[i]
    climb(size, correlation, pays, d, 0.5 * worth / size, steps)
    for i in range(size):
        d[i] = max(d[i] * (1 - DIAGONAL_RIDGE) - 2 * DIAGONAL_RIDGE, 0.0) * gram[i, i]
    return d if is_valid(size, gram, d) else zero
