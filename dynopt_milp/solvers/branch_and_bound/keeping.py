"""Portfolios that keep rules: one that is priced, and the cheapest options of a leaf, whose sums are fixed."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.coupling import Coupling
from dynopt_milp.solvers.branch_and_bound.goal import Claim
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.pricing import least_value, tracking_error, value_of
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.row import ROW_ROUND_OFF


@part
def rows_kept(coupling: Coupling, held: np.ndarray) -> tuple[bool, bool]:
    """Whether these options, shape (n,), keep the rows as given, and whether they keep the wide ones."""
    inner, wide = True, True
    for r in range(coupling.wide.size):
        total, absolute = 0.0, abs(coupling.inner[r])
        for i in range(held.size):
            total += coupling.activity[held[i], r]
            absolute += coupling.size[held[i], r]
        inner = inner and total <= coupling.inner[r] + ROW_ROUND_OFF * absolute
        wide = wide and total <= coupling.wide[r] + ROW_ROUND_OFF * absolute
    return inner, wide


@part
def caps_kept(lattice: Lattice, coupling: Coupling, index: np.ndarray) -> tuple[bool, bool]:
    """Whether the sums at these indices keep the caps as given, and whether they keep the wide ones."""
    inner, wide = True, True
    for s in range(coupling.cap.size):
        square = 0.0
        for row in range(coupling.begin[s], coupling.begin[s + 1]):
            along = 0.0
            for i in range(index.size):
                along += coupling.factor[row, i] * (lattice.first[i] + index[i] - coupling.centre[s, i])
            square += along * along
        norm = math.sqrt(square)
        inner = inner and norm <= coupling.inner_cap[s] * (1 + EDGE_ROUND_OFF)
        wide = wide and norm <= coupling.wide_cap[s]
    return inner, wide


@part
def consider_ruled(
    lattice: Lattice, coupling: Coupling, value: np.ndarray, best: np.ndarray, best_held: np.ndarray, index: np.ndarray,
    held: np.ndarray, claim: Claim,
) -> bool:  # fmt: skip
    """Price options, and keep them if they are the best that keep the rules; whether they might keep them at all.

    ``value`` and ``best`` are a stack's, ``best_held`` the options of its incumbent.
    """
    inner, wide = rows_kept(coupling, held)
    inner_cap, wide_cap = caps_kept(lattice, coupling, index)
    if not (wide and wide_cap):
        return False
    error, spread = tracking_error(lattice, index)
    cost = 0.0
    for i in range(held.size):
        cost += coupling.cost[held[i]]
    if cost == np.inf:
        return False
    value[1] = min(value[1], least_value(lattice, error, spread, cost, claim))
    worth = value_of(error, cost, claim.inner, claim.goal.edge)
    if inner and inner_cap and worth < value[0]:
        value[0] = worth
        for i in range(index.size):
            best[i], best_held[i] = index[i], held[i]
    return True


@part
def close_leaf(
    lattice: Lattice, coupling: Coupling, value: np.ndarray, best: np.ndarray, best_held: np.ndarray, index: np.ndarray,
    held: np.ndarray, claim: Claim, cut: float,
) -> None:  # fmt: skip
    """Consider all options of a portfolio of sums that could be worth less than ``cut``; ``held`` is scratch.

    Variables with more than one option are decided one after the other; what the cheapest of the others cost, and their
    least activities, say where to turn back.
    """
    n, m = index.size, coupling.wide.size
    _, wide = caps_kept(lattice, coupling, index)
    if not wide:
        return
    open_one, several, count = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), 0
    paid = 0.0
    activity = np.zeros(m)
    for i in range(n):
        entry = lattice.start[i] + index[i]
        held[i] = coupling.option[entry]
        if coupling.option[entry + 1] - held[i] > 1:
            several[count] = i
            count += 1
        else:
            paid += coupling.cost[held[i]]
            for r in range(m):
                activity[r] += coupling.activity[held[i], r]
    error, spread = tracking_error(lattice, index)
    least = least_value(lattice, error, spread, 0.0, claim)
    if not least < np.inf or paid == np.inf:
        return
    # What the variables from each on cost and use at least.
    cheapest, smallest = np.zeros(count + 1), np.zeros((count + 1, m))
    for k in range(count - 1, -1, -1):
        entry = lattice.start[several[k]] + index[several[k]]
        cheapest[k] = lattice.cost[entry] + cheapest[k + 1]
        for r in range(m):
            smallest[k, r] = coupling.least[entry, r] + smallest[k + 1, r]
    if count == 0:
        consider_ruled(lattice, coupling, value, best, best_held, index, held, claim)
        return
    depth = 0
    spent, used = np.zeros(count + 1), np.zeros((count + 1, m))
    spent[0] = paid
    for r in range(m):
        used[0, r] = activity[r]
    open_one[0] = coupling.option[lattice.start[several[0]] + index[several[0]]]
    while depth >= 0:
        i = several[depth]
        o = open_one[depth]
        if o >= coupling.option[lattice.start[i] + index[i] + 1]:
            depth -= 1
            continue
        open_one[depth] = o + 1
        after = spent[depth] + coupling.cost[o]
        if least + (after + cheapest[depth + 1]) * (1 - 1e-12) >= min(cut, value[0]):
            continue
        fits = True
        for r in range(m):
            used[depth + 1, r] = used[depth, r] + coupling.activity[o, r]
            fits = fits and used[depth + 1, r] + smallest[depth + 1, r] <= coupling.wide[r] + 1e-9
        if not fits:
            continue
        held[i] = o
        spent[depth + 1] = after
        if depth + 1 == count:
            consider_ruled(lattice, coupling, value, best, best_held, index, held, claim)
            continue
        depth += 1
        open_one[depth] = coupling.option[lattice.start[several[depth]] + index[several[depth]]]
