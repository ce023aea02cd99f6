"""A dive: solve the relaxation, round the riskiest variable left, and again until all are whole.

What comes after a rounding makes up for it, so the variables with the most risk go first and small ones fill the gaps.
"""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import cone_bound
from dynopt_milp.solvers.branch_and_bound.by_address import CONE, call
from dynopt_milp.solvers.branch_and_bound.compiled import compiled
from dynopt_milp.solvers.branch_and_bound.goal import Goal
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import Node, build_envelopes, load, nearest

ALREADY_WHOLE = 1e-9  # contracts: so near to one x̂ is taken and not rounded


@compiled
def dive(
    lattice: Lattice, node: Node, goal: Goal, x: np.ndarray, cut: float, rounds: int, index: np.ndarray,
    kernels: np.ndarray,
) -> None:  # fmt: skip
    """Dive; ``index``, shape (n,), becomes the portfolio it ends at, and ``x``, shape (n,), is where descent begins.

    ``rounds`` of descent follow each rounding; ``cut`` is the value of the incumbent.
    """
    n = index.size
    omega = 1.0
    nowhere = np.zeros(n)
    for i in range(n):
        node.low[i], node.high[i] = 0, lattice.start[i + 1] - lattice.start[i] - 1
    size, kappa, paid = load(lattice, node, x, nowhere)
    while size > 0:
        build_envelopes(lattice, node, size * 0, size, 0.0)
        _, omega, _ = call(
            kernels[CONE], cone_bound,
            lattice, node, size, kappa, paid, cut, goal, omega, rounds, rounds < 0, 0.0,
        )  # fmt: skip
        riskiest = -1
        for a in range(size):
            i = node.place[a]
            x[i] = node.x[a]
            near = nearest(lattice, node, a)
            if abs(x[i] - lattice.first[i] - near) < ALREADY_WHOLE:
                node.low[i], node.high[i] = near, near
            elif riskiest < 0 or node.gram[a, a] > node.gram[riskiest, riskiest]:
                riskiest = a
        if riskiest >= 0:
            i = node.place[riskiest]
            near = nearest(lattice, node, riskiest)
            node.low[i], node.high[i] = near, near
        size, kappa, paid = load(lattice, node, x, nowhere)
    for i in range(n):
        index[i] = node.low[i]
