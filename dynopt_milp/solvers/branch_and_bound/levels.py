"""The levels of the sphere search."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, invert_factored
from dynopt_milp.solvers.branch_and_bound.compiled import compiled
from dynopt_milp.solvers.branch_and_bound.extraction import DIAGONAL_GAP, climb, is_valid

# Nodes of one search. A search that ends doubles the next one's budget, one that does not quarters it; the fewest take
# about as long as a node of the tree.
FEWEST_NODES, MOST_NODES = 200, 20_000
NEXT, MOST = 0, 1  # places in the budget of a plan


class SpherePlan(NamedTuple):
    """In which order variables are fixed, and a diagonal for each level.

    Attributes
    ----------
    active : bool
    rank : ndarray of int, shape (n,)
        Variables of the highest rank are fixed first.
    levels : ndarray, shape (n + 1, n)
        ``levels[j]`` is a valid D for the variables of rank below j together.
    budget : ndarray of int, shape (2,)
        Nodes of the next search at most, and what that number may grow to.
    """

    active: bool
    rank: np.ndarray
    levels: np.ndarray
    budget: np.ndarray


def no_plan(size: int) -> SpherePlan:
    """A plan without sphere search."""
    budget = np.array([0, MOST_NODES])
    return SpherePlan(False, np.zeros(size, dtype=np.int64), np.zeros((size + 1, size)), budget)


@compiled
def make_levels(
    gram: np.ndarray, diagonal: np.ndarray, weight: np.ndarray, free: np.ndarray, steps: int, stride: int,
    rank: np.ndarray, levels: np.ndarray,
) -> None:  # fmt: skip
    """Fill ``rank`` and ``levels`` for the free variables (places, in any order), from a valid D of all of them.

    The variable with the largest conditional variance, 1/(H⁻¹)ᵢᵢ, is fixed first, and so on: as the free set shrinks, D
    is stretched to what is left.
    """
    size = free.size
    block, upper, inverse = np.empty((size, size)), np.empty((size, size)), np.empty((size, size))
    for a in range(size):
        for c in range(size):
            block[a, c] = gram[free[a], free[c]]
        block[a, a] *= 1 + 1e-9
    if not cholesky(size, block, upper):
        return
    invert_factored(size, upper, inverse)
    left = np.ones(size, dtype=np.bool_)
    order = np.empty(size, dtype=np.int64)
    for position in range(size - 1, -1, -1):
        chosen = -1
        for a in range(size):
            if left[a] and (chosen < 0 or inverse[a, a] < inverse[chosen, chosen]):
                chosen = a
        order[position] = chosen
        left[chosen] = False
        rank[free[chosen]] = position
        for a in range(size):
            if left[a]:
                by = inverse[a, chosen] / inverse[chosen, chosen]
                for c in range(size):
                    if left[c]:
                        inverse[a, c] -= by * inverse[chosen, c]
    d, larger, pays, scale = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    correlation = np.empty((size, size))
    for a in range(size):
        scale[a] = gram[free[order[a]], free[order[a]]]
        pays[a] = weight[free[order[a]]] * scale[a]
        d[a] = max(diagonal[free[order[a]]] / scale[a], 1e-9)
        for c in range(size):
            block[a, c] = gram[free[order[a]], free[order[c]]]
    for a in range(size):
        for c in range(size):
            correlation[a, c] = block[a, c] / math.sqrt(scale[a] * scale[c])
        correlation[a, a] += 1e-9
    for a in range(size):
        levels[size, free[order[a]]] = diagonal[free[order[a]]]
    for level in range(size - 1, 0, -1):
        worth = 0.0
        for a in range(level):
            worth += pays[a] * d[a]
        if level % stride == 0 or level < 4 * stride:
            climb(level, correlation, pays, d, DIAGONAL_GAP * worth / (2 * level), steps)
        for a in range(level):
            larger[a] = max(d[a] * (1 - 1e-9) - 2e-9, 0.0) * scale[a]
        if level == 1:
            larger[0] = block[0, 0]
        elif not is_valid(level, block, larger):
            for a in range(level):
                larger[a] = levels[level + 1, free[order[a]]]
        for a in range(level):
            levels[level, free[order[a]]] = larger[a]
