"""What rows leave of a box: positions go whose activity is more than the others' least ones leave of the limit."""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.coupling import Coupling
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import Node
from formulations.exact_norm import UNIT_ROUND_OFF

PASSES = 3


@part
def propagate(lattice: Lattice, coupling: Coupling, node: Node) -> bool:
    """Narrow the box of a node at its ends; False if a row, or a variable, has nothing left."""
    low, high, start, least, cost = node.low, node.high, lattice.start, coupling.least, lattice.cost
    n, m = low.size, coupling.wide.size
    smallest = np.empty(n)
    for _ in range(PASSES):
        changed = False
        for r in range(m):
            total, absolute = 0.0, 0.0
            for i in range(n):
                smallest[i] = np.inf
                for entry in range(start[i] + low[i], start[i] + high[i] + 1):
                    smallest[i] = min(smallest[i], least[entry, r])
                total += smallest[i]
                absolute += abs(smallest[i])
            if not absolute < np.inf:
                return False
            room = coupling.wide[r] + 4 * (n + 4) * UNIT_ROUND_OFF * (absolute + abs(coupling.wide[r]))
            if total > room:
                return False
            for i in range(n):
                most = room - (total - smallest[i]) + 4 * UNIT_ROUND_OFF * absolute
                while low[i] < high[i] and not least[start[i] + low[i], r] <= most:
                    low[i] += 1
                    changed = True
                while high[i] > low[i] and not least[start[i] + high[i], r] <= most:
                    high[i] -= 1
                    changed = True
                if not least[start[i] + low[i], r] <= most or cost[start[i] + low[i]] == np.inf:
                    return False
        if not changed:
            break
    return True
