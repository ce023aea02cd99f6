"""What is minimised, and how far from the truth a number of the search can be.

The *lattice* prices a portfolio at t = ‖G(y − σ)‖, in float64. The program's own tracking error, that of its covariance
in exact arithmetic, can be smaller, by three things:

- *rounding*: q = t² is computed from a Gram matrix. Every quantity of the search is a sum of products, of a few times
  rows + 3n terms, whose sizes add up to at most S², S = Σ ‖Gᵢ‖ maxᵢ|y − σ|: it is wrong by less than that number × u ×
  S², whatever the order of summation (Higham, section 3.1). M = H − D may have eigenvalues as low as −SHIFT on the
  scale of H's diagonal, and its factorisation proves that up to (n + 2)u S².
- *slip*: merged columns are parallel to 1e-12 and F = RU is rounded. A tracking error is smaller by at most the slip.
- *left out*: what R'R leaves of the covariance (`formulations.residual`), D² = κ(S + A)² off q, with A what positions
  in one group, which are no twins, can have against each other. S ≤ ζt where the covariance is regular (`reach`).

What a bound on q loses is their sum, with 2·slip·T for the slip, T the largest tracking error that matters. What a
linear bound on t loses is the slip and min(D, 2κζ²T + √(2κ)A), because sqrt(t² − D²) ≥ t − D, and because D² is at most
2κζ²t² + 2κA².
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.extraction import SHIFT
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.norm_cap import EDGE_ROUND_OFF

EDGE = 4 * EDGE_ROUND_OFF  # relative: what `buffer_edge` allows itself, and norms summed in another order


class Drift(NamedTuple):
    """How far a lattice is from the covariance of its program.

    Attributes
    ----------
    residual : float
        κ.
    total : float
        ζ: Σ ‖Gᵢ‖|yᵢ − σᵢ| ≤ ζt; infinite where the covariance is singular.
    aside : float
        A, in the unit of the tracking error.
    slip : float
        Of merged columns alone.
    radius : float
        T: no portfolio that matters has a larger t.
    """

    residual: float
    total: float
    aside: float
    slip: float
    radius: float


class Goal(NamedTuple):
    """What is minimised, and what is taken off a bound.

    Attributes
    ----------
    buffer : float
        B; for `buffer_edge` with what keeps every portfolio inside that can be.
    edge : bool
        Whether the tracking error is a constraint (`buffer_edge`).
    error : float
        By how much a computed q can exceed the true one.
    cost_error : float
        The same for sums of costs.
    loss : float
        By how much a linear bound on the tracking error can exceed the true one, rounding apart.
    """

    buffer: float
    edge: bool
    error: float
    cost_error: float
    loss: float


class Claim(NamedTuple):
    """The goal in a box, and what a portfolio that is priced there is worth at least.

    Attributes
    ----------
    goal : Goal
    inner : float
        B as it was given.
    slip : float
        By how much t can exceed that of the factor.
    drift : Drift
    """

    goal: Goal
    inner: float
    slip: float
    drift: Drift


@part
def new_claim(lattice: Lattice, buffer: float, edge: bool, drift: Drift, contracts: int) -> Claim:
    """The claim in a lattice of so many contracts."""
    cost, largest = lattice.cost, 0.0  # sums that no split has are infinite
    for entry in range(cost.size):
        if largest < cost[entry] < np.inf:
            largest = cost[entry]
    return claim_in(lattice, buffer, edge, drift, 16 * UNIT_ROUND_OFF * contracts * contracts * largest)


@part
def claim_in(lattice: Lattice, buffer: float, edge: bool, drift: Drift, cost_error: float) -> Claim:
    """The claim for the box of this lattice."""
    first, gram, start, target = lattice.first, lattice.gram, lattice.start, lattice.target
    size, rows = target.size, len(lattice.factor)
    spread, squares = 0.0, 0.0
    for i in range(size):
        last = first[i] + start[i + 1] - start[i] - 1
        farthest = max(abs(first[i] - target[i]), abs(last - target[i]))
        risk = math.sqrt(gram[i, i]) * farthest
        spread += risk
        squares += risk * risk
    rounding = 4 * UNIT_ROUND_OFF * (rows + 3 * size + 10) * spread * spread + 4 * SHIFT * squares
    slip = drift.slip + 4 * UNIT_ROUND_OFF * spread
    against = left_out(drift, spread)
    inside = buffer
    if edge:  # a portfolio on the edge to round-off is inside; whether it is, the formulation decides afterwards
        inside = buffer * (1 + EDGE) + slip + least_loss(drift, spread)
    error = rounding + against + 2 * slip * drift.radius
    goal = Goal(inside, edge, error, cost_error, slip + least_loss(drift, spread))
    return Claim(goal, buffer, slip, drift)


@part
def left_out(drift: Drift, spread: float) -> float:
    """D² in a box of this S."""
    if drift.total < np.inf:
        spread = min(spread, drift.total * drift.radius)
    return drift.residual * (spread + drift.aside) * (spread + drift.aside)


@part
def least_loss(drift: Drift, spread: float) -> float:
    """The largest t − sqrt(t² − D²) in a box of this S."""
    loss = math.sqrt(left_out(drift, spread))
    square = 2 * drift.residual * drift.total * drift.total
    if square < 1:
        loss = min(loss, square * drift.radius + math.sqrt(2 * drift.residual) * drift.aside)
    return loss


@part
def widened(drift: Drift, spread: float, error: float) -> float:
    """The largest t in the lattice of a portfolio whose true tracking error is at most ``error``."""
    most = error + math.sqrt(drift.residual) * (spread + drift.aside) + drift.slip + 4 * UNIT_ROUND_OFF * spread
    square = 2 * drift.residual * drift.total * drift.total + 8 * UNIT_ROUND_OFF * drift.total
    if square < 0.5:
        most = min(most, (error + math.sqrt(2 * drift.residual) * drift.aside + 2 * drift.slip) / (1 - square))
    return most
