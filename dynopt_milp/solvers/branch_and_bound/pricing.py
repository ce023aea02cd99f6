"""What a portfolio costs, how far it is from the target, and what it is worth at least."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.goal import Claim
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.kernels.costs import cost_of
from formulations.exact_norm import UNDERFLOW, UNIT_ROUND_OFF
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.separable_cost import FURTHER, HELD, UNIT, Costs


@part
def value_of(error: float, cost: float, buffer: float, edge: bool) -> float:
    """The value of a portfolio with this tracking error and trading cost."""
    if edge:
        return cost if error <= buffer * (1 + EDGE_ROUND_OFF) else np.inf
    return max(error - buffer, 0.0) + cost


@part
def tracking_error(lattice: Lattice, index: np.ndarray) -> tuple[float, float]:
    """‖G(y − σ)‖ from the factor itself, and Σ ‖Gᵢ‖|yᵢ − σᵢ|, of which its round-off is a part."""
    factor = lattice.factor
    first = lattice.first
    target = lattice.target
    rows, size = factor.shape
    square, spread = 0.0, 0.0
    for row in range(rows):
        part = 0.0
        for place in range(size):
            part += factor[row, place] * (first[place] + index[place] - target[place])
        square += part * part
    for place in range(size):
        spread += math.sqrt(lattice.gram[place, place]) * abs(first[place] + index[place] - target[place])
    return math.sqrt(square), spread


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
def least_value(lattice: Lattice, error: float, spread: float, cost: float, claim: Claim) -> float:
    """What a portfolio of the program is worth at least, if the lattice prices it so (see `formulations.pricing`)."""
    goal = claim.goal
    doubt = (lattice.factor.shape[0] + lattice.factor.shape[1] + 8) * UNIT_ROUND_OFF * spread + UNDERFLOW
    least = max(error - doubt - claim.slip, 0.0)
    left_out = claim.drift.residual * (spread + claim.drift.aside) * (spread + claim.drift.aside)
    least = math.sqrt(max(least * least - left_out, 0.0))
    if goal.edge:
        return cost - goal.cost_error if least <= claim.inner * (1 + EDGE_ROUND_OFF) else np.inf
    return max(least - goal.buffer, 0.0) + cost - goal.cost_error


@part
def priced(
    factor: np.ndarray, gram: np.ndarray, target: np.ndarray, costs: Costs, residual: float, positions: np.ndarray
) -> tuple[float, float]:
    """‖F(k − τ)‖ + Σ cᵢ(kᵢ) from the factor itself, and how far from the exact value that can be.

    As `formulations.pricing.price`, without its class sums: twins that are held against each other make the second
    larger than it has to be.
    """
    lines = costs.lines
    square, paid, spread = 0.0, 0.0, 0.0
    for row in range(len(factor)):
        along = 0.0
        for i in range(target.size):
            along += factor[row, i] * (positions[i] - target[i])
        square += along * along
    for i in range(target.size):
        if lines[FURTHER, i] == 0:  # a call takes ten times as long
            paid += lines[UNIT, i] * abs(positions[i] - lines[HELD, i])
        else:
            paid += cost_of(costs, i, positions[i])
        spread += math.sqrt(gram[i, i]) * abs(positions[i] - target[i])
    error = math.sqrt(square)
    doubt = (target.size + len(factor) + 16) * UNIT_ROUND_OFF * (spread + paid)
    if spread > 0:
        doubt += UNDERFLOW
    if residual > 0:
        left_out = residual * spread * spread
        surely = error - doubt
        doubt += left_out / surely if surely * surely > left_out else math.sqrt(left_out)
    return error + paid, doubt
