"""What open nodes leave of the box: tables of that alone take less time, and smaller numbers round less."""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import Goal, round_off
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import Node, new_node
from dynopt_milp.solvers.branch_and_bound.tree import OPEN, Stack


@compiled
def open_box(stack: Stack) -> tuple[np.ndarray, np.ndarray]:
    """The smallest box, as indices, that holds those of all open nodes; there is one at least."""
    lows, highs = stack.low, stack.high
    low, high = lows[0].copy(), highs[0].copy()
    for k in range(stack.state[OPEN]):
        for i in range(low.size):
            low[i], high[i] = min(low[i], lows[k, i]), max(high[i], highs[k, i])
    return low, high


@compiled
def crop(
    lattice: Lattice, stack: Stack, goal: Goal, low: np.ndarray, high: np.ndarray
) -> tuple[Lattice, Node, Goal]:  # fmt: skip
    """The lattice over that box, scratch and goal for it; the nodes of the stack count from its low end.

    The incumbent's indices are moved into the box: who needs it has taken it before.
    """
    cropped = cropped_lattice(lattice, low, high)
    lows, highs, best = stack.low, stack.high, stack.best
    for i in range(low.size):
        for k in range(stack.state[OPEN]):
            lows[k, i] -= low[i]
            highs[k, i] -= low[i]
        best[i] = min(max(best[i] - low[i], 0), high[i] - low[i])
    error = round_off(cropped)
    return cropped, new_node(low.size, (high - low).max() + 1), Goal(goal.buffer, goal.edge, error, goal.cost_error)


@part
def cropped_lattice(lattice: Lattice, low: np.ndarray, high: np.ndarray) -> Lattice:
    """The lattice over the part low ≤ index ≤ high of its box, shape (n,) each; index 0 becomes ``low``."""
    start = np.zeros(low.size + 1, dtype=np.int64)
    for i in range(low.size):
        start[i + 1] = start[i] + high[i] - low[i] + 1
    cost = np.empty(start[-1])
    for i in range(low.size):
        begin = lattice.start[i] + low[i]
        cost[start[i] : start[i + 1]] = lattice.cost[begin : begin + start[i + 1] - start[i]]
    return Lattice(lattice.factor, lattice.gram, lattice.target, lattice.first + low, start, cost)
