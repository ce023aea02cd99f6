"""What a portfolio costs, and how far it is from the target."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from formulations.buffer_edge import EDGE_ROUND_OFF


@part
def value_of(error: float, cost: float, buffer: float, edge: bool) -> float:
    """The value of a portfolio with this tracking error and trading cost."""
    if edge:
        return cost if error <= buffer * (1 + EDGE_ROUND_OFF) else np.inf
    return max(error - buffer, 0.0) + cost


@part
def tracking_error(lattice: Lattice, index: np.ndarray) -> float:
    """‖G(y − σ)‖ from the factor itself."""
    factor = lattice.factor
    first = lattice.first
    target = lattice.target
    rows, size = factor.shape
    square = 0.0
    for row in range(rows):
        part = 0.0
        for place in range(size):
            part += factor[row, place] * (first[place] + index[place] - target[place])
        square += part * part
    return math.sqrt(square)


@part
def trading_cost(lattice: Lattice, index: np.ndarray) -> float:
    """Σ cᵢ."""
    cost = lattice.cost
    start = lattice.start
    total = 0.0
    for place in range(index.size):
        total += cost[start[place] + index[place]]
    return total


@part
def priced(
    factor: np.ndarray, target: np.ndarray, previous: np.ndarray, cost: np.ndarray, positions: np.ndarray
) -> float:
    """‖F(k − τ)‖ + Σ γᵢ|kᵢ − pᵢ| from the factor itself."""
    square, paid = 0.0, 0.0
    for row in range(len(factor)):
        along = 0.0
        for i in range(target.size):
            along += factor[row, i] * (positions[i] - target[i])
        square += along * along
    for i in range(target.size):
        paid += cost[i] * abs(positions[i] - previous[i])
    return math.sqrt(square) + paid
