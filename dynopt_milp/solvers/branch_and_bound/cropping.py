"""What open nodes leave of the box: tables of that alone take less time, and smaller numbers round less."""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import CONE_ROUNDS, cone_bound, drop
from dynopt_milp.solvers.branch_and_bound.by_address import CONE, call
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.goal import Claim, claim_in
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import build_envelopes, load, new_node

PASSES = 4
WORTH_AGAIN = 4  # another pass follows if one variable of so many has lost positions


@compiled
def open_box(lows: np.ndarray, highs: np.ndarray, opened: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest box, as indices, that holds those of the first nodes of a stack, one at least."""
    size = lows.shape[1]
    low, high = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    for i in range(size):
        low[i], high[i] = lows[0, i], highs[0, i]
        for k in range(opened):
            low[i], high[i] = min(low[i], lows[k, i]), max(high[i], highs[k, i])
    return low, high


@compiled
def crop(
    lattice: Lattice, claim: Claim, lows: np.ndarray, highs: np.ndarray, opened: int, best: np.ndarray, low: np.ndarray,
    high: np.ndarray,
) -> tuple[Lattice, Claim]:  # fmt: skip
    """The lattice over that box, and the claim for it; ``lows``, ``highs`` and ``best`` count from its low end.

    The incumbent ``best`` is moved into the box: who needs it has taken it before.
    """
    cropped, inside = cropped_to(lattice, claim, low, high)
    for i in range(low.size):
        for k in range(opened):
            lows[k, i] -= low[i]
            highs[k, i] -= low[i]
        best[i] = min(max(best[i] - low[i], 0), high[i] - low[i])
    return cropped, inside


@part
def cropped_lattice(lattice: Lattice, low: np.ndarray, high: np.ndarray) -> Lattice:
    """The lattice over the part low ≤ index ≤ high of its box, shape (n,) each; index 0 becomes ``low``."""
    size = low.size
    start, first = np.empty(size + 1, dtype=np.int64), np.empty(size)
    start[0] = 0
    for i in range(size):
        start[i + 1] = start[i] + high[i] - low[i] + 1
        first[i] = lattice.first[i] + low[i]
    cost = np.empty(start[size])
    for i in range(size):
        begin = lattice.start[i] + low[i]
        for k in range(start[i + 1] - start[i]):
            cost[start[i] + k] = lattice.cost[begin + k]
    return Lattice(lattice.factor, lattice.gram, lattice.target, first, start, cost)


@compiled
def cropped_to(lattice: Lattice, claim: Claim, low: np.ndarray, high: np.ndarray) -> tuple[Lattice, Claim]:
    """The lattice over the part low ≤ index ≤ high of its box, shape (n,) each, and the claim for it."""
    cropped = cropped_lattice(lattice, low, high)
    return cropped, claim_in(cropped, claim.inner, claim.goal.edge, claim.drift, claim.goal.cost_error)


@compiled
def tightened(lattice: Lattice, claim: Claim, cut: float, kernels: np.ndarray) -> tuple[Lattice, Claim]:
    """The lattice without positions at its ends that only portfolios of at least ``cut`` have, by the cone bound."""
    size, width = lattice.target.size, 0
    for i in range(size):
        width = max(width, lattice.start[i + 1] - lattice.start[i])
    node, none = new_node(size, width, cut < 0), size * 0
    first, start, target, rounds = lattice.first, lattice.start, lattice.target, none + CONE_ROUNDS
    x, nowhere, omega = np.empty(size), np.zeros(size), 1.0
    for i in range(size):
        node.high[i] = start[i + 1] - start[i] - 1
        x[i] = target[i]
    for _ in range(PASSES):
        for i in range(size):
            while node.low[i] < node.high[i] and lattice.cost[start[i] + node.low[i]] == np.inf:
                node.low[i] += 1
            while node.low[i] < node.high[i] and lattice.cost[start[i] + node.high[i]] == np.inf:
                node.high[i] -= 1
            x[i] = min(max(x[i], first[i] + node.low[i]), first[i] + node.high[i])
        count, kappa, paid = load(lattice, node, x, nowhere)
        if count == 0 or not paid < np.inf:
            break
        build_envelopes(lattice, node, none, count, 0.0)
        bound, omega, _ = call(
            kernels[CONE], cone_bound,
            lattice, node, count, kappa, paid, cut, claim.goal, omega, rounds, cut < 0, 0.0,
        )  # fmt: skip
        for a in range(count):
            x[node.place[a]] = node.x[a]
        if drop(lattice, node, count, cut - bound, 0.0) * WORTH_AGAIN < count:
            break
    return cropped_to(lattice, claim, node.low, node.high)
