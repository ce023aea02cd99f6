"""What open nodes leave of the box: tables of that alone take less time, and smaller numbers round less."""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.goal import Claim, claim_in
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice


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
    cropped = cropped_lattice(lattice, low, high)
    for i in range(low.size):
        for k in range(opened):
            lows[k, i] -= low[i]
            highs[k, i] -= low[i]
        best[i] = min(max(best[i] - low[i], 0), high[i] - low[i])
    return cropped, claim_in(cropped, claim.inner, claim.goal.edge, claim.drift, claim.goal.cost_error)


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
