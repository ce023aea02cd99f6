"""Good portfolios, found quickly: greedy and a local search over the tables of a lattice.

Values are those of all formulations here: with tracking error t and trading cost c, max(t − B, 0) + c (`penalty` has
B = 0), or c if t ≤ B and +inf otherwise (`buffer_edge`; ``edge`` is true).
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.pricing import priced, value_of
from dynopt_milp.solvers.exchange import GAIN
from dynopt_milp.solvers.kernels.costs import is_one_sided, nearest_allowed
from dynopt_milp.solvers.kernels.greedy_steps import Aims, greedy_steps
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.rule_arrays import CapArrays, RowArrays
from formulations.separable_cost import FURTHER, HELD, ORIGIN, Costs

# How far one variable jumps in one move: tables of merged contracts have their cheap positions that far apart.
JUMP = 12


@compiled
def improve(
    lattice: Lattice,
    lower: np.ndarray,
    upper: np.ndarray,
    index: np.ndarray,
    buffer: float,
    edge: bool,
    rounds: int,
) -> float:
    """Move one variable, or two by one contract each, as long as the value falls; ``index`` is changed in place.

    Returns the value, by way of the Gram matrix.
    """
    lattice_cost = lattice.cost
    first = lattice.first
    lattice_gram = lattice.gram
    lattice_start = lattice.start
    target = lattice.target
    size = index.size
    gram, cost, start = lattice_gram, lattice_cost, lattice_start
    pull = np.zeros(size)
    for other in range(size):
        distance = first[other] + index[other] - target[other]
        for place in range(size):
            pull[place] += gram[other, place] * distance
    square, paid = 0.0, 0.0
    for place in range(size):
        square += pull[place] * (first[place] + index[place] - target[place])
        paid += cost[start[place] + index[place]]
    value = value_of(math.sqrt(max(square, 0.0)), paid, buffer, edge)
    for _ in range(rounds):
        best = value * (1 - GAIN)
        one, other_one, step, other_step = -1, -1, 0, 0
        for i in range(size):
            here = cost[start[i] + index[i]]
            for si in range(max(lower[i] - index[i], -JUMP), min(upper[i] - index[i], JUMP) + 1):
                if si == 0:
                    continue
                paid_i = paid + cost[start[i] + index[i] + si] - here
                square_i = square + 2 * si * pull[i] + gram[i, i] * si * si
                if paid_i < best:
                    after = value_of(math.sqrt(max(square_i, 0.0)), paid_i, buffer, edge)
                    if after < best:
                        best, one, other_one, step, other_step = after, i, -1, si, 0
                if si > 1 or si < -1:
                    continue
                for j in range(i + 1, size):
                    for sj in (-1, 1):
                        to = index[j] + sj
                        if to < lower[j] or to > upper[j]:
                            continue
                        paid_j = paid_i + cost[start[j] + to] - cost[start[j] + index[j]]
                        if paid_j >= best:
                            continue
                        square_j = square_i + 2 * sj * pull[j] + gram[j, j] + 2 * si * sj * gram[i, j]
                        room = buffer * (1 + EDGE_ROUND_OFF) if edge else best - paid_j + buffer
                        if square_j < room * room:
                            after = value_of(math.sqrt(max(square_j, 0.0)), paid_j, buffer, edge)
                            if after < best:
                                best, one, other_one, step, other_step = after, i, j, si, sj
        if one < 0:
            break
        for leg in range(2):
            place, by = (one, step) if leg == 0 else (other_one, other_step)
            if place < 0:
                continue
            square += 2 * by * pull[place] + gram[place, place] * by * by
            paid += cost[start[place] + index[place] + by] - cost[start[place] + index[place]]
            index[place] += by
            for i in range(size):
                pull[i] += gram[place, i] * by
        value = value_of(math.sqrt(max(square, 0.0)), paid, buffer, edge)
    return value


@compiled
def simple_start(
    factor: np.ndarray, gram: np.ndarray, target: np.ndarray, costs: Costs, lower: np.ndarray, upper: np.ndarray,
    underlying: np.ndarray, residual: float, starts: np.ndarray, most_steps: int,
) -> tuple[np.ndarray, float, float]:  # fmt: skip
    """The best of ``starts`` (a row each), held, rounded target, nothing and greedy, with its price (see `priced`).

    What holds an underlying with opposite signs is worth +inf.
    """
    size = target.size
    best, best_value, best_doubt = np.empty(size), np.inf, 0.0
    for choice in range(len(starts) + 4):
        simple = choice - len(starts)
        if simple == 3:
            positions = greedy_start(gram, target, costs, lower, upper, underlying, most_steps)
        else:
            positions = np.zeros(size)
            for i in range(size):
                if simple < 0:
                    positions[i] = starts[choice, i]
                    continue
                if simple == 0:
                    positions[i] = costs.lines[HELD, i]
                elif simple == 1:
                    positions[i] = np.rint(target[i])
                else:
                    positions[i] = costs.lines[ORIGIN, i]
                positions[i] = min(max(positions[i], lower[i]), upper[i])
                if costs.lines[FURTHER, i] != 0:
                    positions[i] = nearest_allowed(costs, i, positions[i], lower[i], upper[i])
        value, doubt = np.inf, 0.0
        if is_one_sided(underlying, costs, positions):
            value, doubt = priced(factor, gram, target, costs, residual, positions)
        if not choice or value < best_value:
            best, best_value, best_doubt = positions, value, doubt
    return best, best_value, best_doubt


@part
def greedy_start(
    gram: np.ndarray, target: np.ndarray, costs: Costs, lower: np.ndarray, upper: np.ndarray, underlying: np.ndarray,
    most_steps: int,
) -> np.ndarray:  # fmt: skip
    """Where the book's greedy search ends (`solvers/greedy.py`), to round-off; rules for several positions apart."""
    size = target.size
    positions, direction = np.empty(size), np.empty(size)
    for i in range(size):
        positions[i] = min(max(costs.lines[ORIGIN, i], lower[i]), upper[i])
        if costs.lines[FURTHER, i] != 0:
            positions[i] = nearest_allowed(costs, i, positions[i], lower[i], upper[i])
        away = positions[i] - costs.lines[ORIGIN, i]
        direction[i] = np.sign(away) if away != 0 else np.sign(target[i] - costs.lines[ORIGIN, i])
    line, table, places = np.zeros(0), np.zeros((0, size)), np.zeros((0, size + 1), dtype=np.int64)
    rows = RowArrays(np.zeros((0, 5, size)), line, table, places, line)
    caps = CapArrays(table, np.zeros(1, dtype=np.int64), table, line, line)
    aims = Aims(gram, np.ones(size), target, costs, lower, upper, underlying, rows, caps, size, 0.0)
    greedy_steps(aims, positions, direction, most_steps, np.empty(size, dtype=np.bool_), False)
    return positions
