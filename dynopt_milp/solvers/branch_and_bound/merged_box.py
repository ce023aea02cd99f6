"""How far from the target a position can be, after contracts of one market are merged."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import inverse_diagonal
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.merge import Merged, merged_columns, parallels
from formulations.bounding_box import OUTWARD

# The inverse of a correlation matrix is accurate to size × 1e-16 times its condition number, which is below
# size ÷ smallest pivot; below this pivot the slower arguments of `bounding_box` are asked.
LEAST_PIVOT = 1e-7
INVERSE_ERROR = 1e-5


@compiled
def merged_box(
    factor: np.ndarray, gram: np.ndarray, target: np.ndarray, held: np.ndarray, unit: np.ndarray, lower: np.ndarray,
    upper: np.ndarray, radius: float, budget: float,
) -> tuple[bool, Merged]:  # fmt: skip
    """The program merged in the box that costs leave, over the box that costs and risk leave of the merged one.

    The arrays are those of a `TrackingProgram`; ``gram`` is F'F, shape (n, n). ``radius`` and ``budget`` are those of
    `formulations.bounding_box`: γᵢ|kᵢ − pᵢ| ≤ budget, and |yᵢ − σᵢ| ≤ radius·sqrt((H⁻¹)ᵢᵢ). The first result is whether
    a portfolio can be left; ends are infinite where nothing bounds them.
    """
    least, most = within_costs(held, unit, lower, upper, budget)
    base, ratio, apart = parallels(factor, gram, least, most)
    merged = merged_columns(base, ratio, apart, gram, target, least, most)
    first, last, lead, merged_gram = merged.lower, merged.upper, merged.lead, merged.gram
    for a in range(first.size):
        if not merged_gram[a, a] > 0:  # without risk there is no better place than where it is held
            first[a] = last[a] = min(max(held[lead[a]], first[a]), last[a])
    if radius < np.inf:
        within_risk(merged_gram, merged.target, radius + merged.slip, first, last)
    some = True
    for i in range(least.size):
        some &= least[i] <= most[i]
    for a in range(first.size):
        some &= first[a] <= last[a]
    return some, merged


@part
def within_costs(
    held: np.ndarray, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray, budget: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a box that a budget for trading admits."""
    size = held.size
    least, most = np.empty(size), np.empty(size)
    for i in range(size):
        paid = budget * (1 + OUTWARD) / cost[i] if cost[i] > 0 else np.inf
        paid += OUTWARD * (1 + abs(held[i]))
        least[i] = max(lower[i], np.ceil(held[i] - paid))
        most[i] = min(upper[i], np.floor(held[i] + paid))
    return least, most


@part
def within_risk(gram: np.ndarray, target: np.ndarray, radius: float, lower: np.ndarray, upper: np.ndarray) -> None:
    """Narrow the box, in place, to what a tracking error of at most ``radius`` leaves of it."""
    risky, count = np.empty(target.size, dtype=np.int64), 0
    for i in range(target.size):
        if gram[i, i] > 0:
            risky[count] = i
            count += 1
    block = np.empty((count, count))
    for a in range(count):
        for c in range(count):
            block[a, c] = gram[risky[a], risky[c]]
    variance = inverse_diagonal(block, LEAST_PIVOT)
    for a in range(count):
        i = risky[a]
        width = radius * (1 + INVERSE_ERROR) * math.sqrt(variance[a]) + OUTWARD * (1 + abs(target[i]))
        lower[i] = max(lower[i], np.ceil(target[i] - width))
        upper[i] = min(upper[i], np.floor(target[i] + width))
