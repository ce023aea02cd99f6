"""The program as the search sees it: one integer and a table of costs for each direction of risk.

    minimise over y    ‖G(y − σ)‖₂ + Σᵢ cᵢ(yᵢ)      yᵢ in a range of whole numbers, cᵢ a table over it

A variable is a contract, or the sizes of a contract that have been merged (see `merge.Merged`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.kernels.costs import cost_of
from formulations import FloatArray, IntegerArray
from formulations.separable_cost import FURTHER, HELD, UNIT, Costs

# Beyond this many entries the tables would not fit the processor's memory any more.
MOST_ENTRIES = 5_000_000


class Lattice(NamedTuple):
    """Arrays of the search; a position is ``first[i] + index``, 0 ≤ index < entries of i.

    Attributes
    ----------
    factor : ndarray, shape (m, n)
        G.
    gram : ndarray, shape (n, n)
        G'G.
    target : ndarray, shape (n,)
        σ.
    first : ndarray, shape (n,)
        Smallest position.
    start : ndarray of int, shape (n + 1,)
        Where the table of each variable begins in ``cost``.
    cost : ndarray, shape (start[-1],)
        cᵢ; +inf where no split exists.
    """

    factor: FloatArray
    gram: FloatArray
    target: FloatArray
    first: FloatArray
    start: IntegerArray
    cost: FloatArray


@part
def tables(lower: np.ndarray, upper: np.ndarray, costs: Costs, lead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``start`` and ``cost`` of a lattice whose variables are contracts: those at the places ``lead`` of a program."""
    size = lower.size
    start = np.zeros(size + 1, dtype=np.int64)
    for i in range(size):
        start[i + 1] = start[i] + np.int64(upper[i] - lower[i] + 1)
    cost = np.empty(start[size])
    for i in range(size):
        place = lead[i]
        held, unit, further = costs.lines[HELD, place], costs.lines[UNIT, place], costs.lines[FURTHER, place] != 0
        for entry in range(start[i], start[i + 1]):
            position = lower[i] + (entry - start[i])
            cost[entry] = cost_of(costs, place, position) if further else unit * abs(position - held)
    return start, cost
