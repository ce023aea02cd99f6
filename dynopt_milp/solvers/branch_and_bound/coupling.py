"""The rules of a program as the search sees them: options for each position of a variable, and caps over variables.

An *option* is one way to hold a position y of a variable: the position itself, or for sizes that are merged a split of
their sum. It has a cost and an activity aᵣ in every row. Of the splits of a sum those are kept that no other one beats
in the cost and in every activity: for any μ ≥ 0 the least of c + μ'a over all splits is among them, and so is, whatever
the other variables leave of the rows, the cheapest that keeps them. Norm caps see sums alone: sizes that a cap tells
apart are not merged.

Rows are in units of their limit, or of the least that a single option has where the limit is smaller. A *wide*
limit admits whatever `formulations.rules` can; bounds are for it. The *inner* limit is the one that was given.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.merge import Merged
from dynopt_milp.solvers.branch_and_bound.splits import nearest_first
from dynopt_milp.solvers.kernels.costs import cost_of
from dynopt_milp.solvers.kernels.rows import term_of
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.row import ROW_ROUND_OFF
from formulations.rule_arrays import CapArrays, RowArrays
from formulations.separable_cost import HELD, ORIGIN, Costs

MOST_FURTHER = 200_000  # options beside one for each position; with more, sizes are not merged


class Coupling(NamedTuple):
    """Options of a lattice, and caps in its variables; n variables, m rows, q caps.

    Attributes
    ----------
    option : ndarray of int, shape (entries + 1,)
        Where the options of each entry of the lattice begin; there is one at least.
    cost : ndarray, shape (options,)
    activity, size : ndarray, shape (options, m)
        aᵣ, and Σ|aᵣ| over the contracts of the option, in units of the row.
    split : ndarray, shape (options, most contracts of a variable)
        Positions of the contracts: of the group's members in their order.
    least : ndarray, shape (entries, m)
        The least activity of an entry; +inf where the entry has no portfolio.
    unit, wide, inner : ndarray, shape (m,)
        The unit of each row, and b in it.
    gram : ndarray, shape (q, n, n)
        G'G, in units of the square of each cap.
    centre : ndarray, shape (q, n)
        t.
    factor : ndarray, shape (rows, n)
        G.
    begin : ndarray of int, shape (q + 1,)
        Where each G begins in ``factor``.
    cap : ndarray, shape (q,)
        ρ², wide, in its unit.
    wide_cap, inner_cap : ndarray, shape (q,)
        ρ, wide and as given, in no unit.
    error : ndarray, shape (q,)
        What a computed ‖G(y − t)‖² can be wrong by, in its unit.
    """

    option: np.ndarray
    cost: np.ndarray
    activity: np.ndarray
    size: np.ndarray
    split: np.ndarray
    least: np.ndarray
    unit: np.ndarray
    wide: np.ndarray
    inner: np.ndarray
    gram: np.ndarray
    centre: np.ndarray
    factor: np.ndarray
    begin: np.ndarray
    cap: np.ndarray
    wide_cap: np.ndarray
    inner_cap: np.ndarray
    error: np.ndarray


@compiled
def no_coupling() -> Coupling:
    """No rules at all."""
    none, line, table = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros((0, 0))
    return Coupling(
        none, line, table, table, table, table, line, line, line, np.zeros((0, 0, 0)), table, table, none, line, line,
        line, line,
    )  # fmt: skip


@part
def put_option(
    rows: RowArrays, costs: Costs, members: np.ndarray, begin: int, held: int, trial: np.ndarray, first: int,
    count: int, cost: np.ndarray, activity: np.ndarray, size: np.ndarray, split: np.ndarray,
) -> int:  # fmt: skip
    """Add a split to the options ``first`` to ``count`` of an entry unless one of them beats it; the new count.

    Those that it beats go. ``held`` contracts from ``begin`` on in ``members`` have the positions in ``trial``.
    """
    m = rows.limit.size
    paid = 0.0
    for k in range(held):
        paid += cost_of(costs, members[begin + k], trial[k])
    if paid == np.inf or count >= cost.size:
        return count
    for r in range(m):
        total, absolute = 0.0, 0.0
        for k in range(held):
            term = term_of(rows, costs, r, members[begin + k], trial[k])
            total += term
            absolute += abs(term)
        activity[count, r], size[count, r] = total, absolute
    kept = first
    for o in range(first, count):
        better, worse = cost[o] <= paid, paid <= cost[o]
        for r in range(m):
            better = better and activity[o, r] <= activity[count, r]
            worse = worse and activity[count, r] <= activity[o, r]
        if better:
            return count
        if not worse:
            if kept < o:
                cost[kept] = cost[o]
                for r in range(m):
                    activity[kept, r], size[kept, r] = activity[o, r], size[o, r]
                for k in range(held):
                    split[kept, k] = split[o, k]
            kept += 1
    for r in range(m):
        activity[kept, r], size[kept, r] = activity[count, r], size[count, r]
    cost[kept] = paid
    for k in range(held):
        split[kept, k] = trial[k]
    return kept + 1


@part
def list_splits(
    total: float, merged: Merged, group: int, rows: RowArrays, costs: Costs, count: int, cost: np.ndarray,
    activity: np.ndarray, size: np.ndarray, split: np.ndarray,
) -> int:  # fmt: skip
    """Add the options of one sum of a group; the new count."""
    groups, low, high = merged.groups, merged.least, merged.most
    begin, end = groups.start[group], groups.start[group + 1]
    held, members, ratio = end - begin, groups.member, groups.ratio
    first = count
    at, trial = np.zeros(held, dtype=np.int64), np.empty(held)
    while True:
        left = total
        for k in range(2, held):
            i = members[begin + k]
            trial[k] = nearest_first(costs.lines[HELD, i], low[i], high[i], at[k])
            left -= ratio[begin + k] * trial[k]
        small, large, times = members[begin], members[begin + 1], ratio[begin + 1]
        one, other = (left - high[small]) / times, (left - low[small]) / times
        least = max(low[large], np.ceil(min(one, other) - 1e-9))
        most = min(high[large], np.floor(max(one, other) + 1e-9))
        for rank in range(np.int64(max(most - least + 1, 0.0))):
            trial[1] = nearest_first(costs.lines[HELD, large], least, most, rank)
            trial[0] = left - times * trial[1]
            if trial[0] < low[small] or trial[0] > high[small]:
                continue
            long, short = False, False
            if groups.one_side[group]:
                for k in range(held):
                    away = trial[k] - costs.lines[ORIGIN, members[begin + k]]
                    long, short = long or away > 0, short or away < 0
            if not (long and short):
                count = put_option(
                    rows, costs, members, begin, held, trial, first, count, cost, activity, size, split
                )  # fmt: skip
        k = 2
        while k < held:
            i = members[begin + k]
            at[k] += 1
            if at[k] <= high[i] - low[i]:
                break
            at[k] = 0
            k += 1
        if k >= held:
            return count


@compiled
def new_coupling(
    lattice: Lattice, merged: Merged, costs: Costs, rows: RowArrays, caps: CapArrays, error_of_ratios: float
) -> tuple[bool, Coupling]:
    """The rules in a lattice, whose cost becomes the least that an option of each entry has.

    ``error_of_ratios`` is by what part of its length a merged column can differ from the whole multiple it stands for.
    The first result is False if there are too many options.
    """
    n, m, q, entries = lattice.target.size, rows.limit.size, caps.limit.size, lattice.cost.size
    most = 1
    group_of = np.full(n, -1)
    for group in range(merged.groups.variable.size):
        group_of[merged.groups.variable[group]] = group
        most = max(most, merged.groups.start[group + 1] - merged.groups.start[group])
    room = entries + (MOST_FURTHER if most > 1 else 0) + 1
    cost, activity, size = np.empty(room), np.empty((room, m)), np.empty((room, m))
    split, option, least = np.empty((room, most)), np.zeros(entries + 1, dtype=np.int64), np.full((entries, m), np.inf)
    alone, trial, count = np.empty(1, dtype=np.int64), np.empty(1), 0
    for a in range(n):
        alone[0] = merged.lead[a]
        for entry in range(lattice.start[a], lattice.start[a + 1]):
            position = lattice.first[a] + (entry - lattice.start[a])
            before = count
            if group_of[a] < 0:
                trial[0] = position
                count = put_option(rows, costs, alone, 0, 1, trial, count, count, cost, activity, size, split)
            else:
                count = list_splits(position, merged, group_of[a], rows, costs, count, cost, activity, size, split)
            lattice.cost[entry] = np.inf
            if count == before and count < room:  # no such position: one option, which costs infinity
                cost[count] = np.inf
                for k in range(most):
                    split[count, k] = 0.0
                for r in range(m):
                    activity[count, r] = size[count, r] = 0.0
                count += 1
            elif count < room:
                for o in range(before, count):
                    lattice.cost[entry] = min(lattice.cost[entry], cost[o])
                    for r in range(m):
                        least[entry, r] = min(least[entry, r], activity[o, r])
            option[entry + 1] = count
    units, wide, inner = np.empty(m), np.empty(m), np.empty(m)
    for r in range(m):
        largest, smallest = 0.0, np.inf
        for a in range(n):
            farthest = 0.0
            for o in range(option[lattice.start[a]], option[lattice.start[a + 1]]):
                farthest = max(farthest, size[o, r])
                if size[o, r] > 0:
                    smallest = min(smallest, size[o, r])
            largest += farthest
        limit = rows.limit[r]
        unit = max(abs(limit), smallest if smallest < np.inf else 0.0)
        unit = unit if unit > 0 else 1.0
        for o in range(count):
            activity[o, r] /= unit
            size[o, r] /= unit
        for entry in range(entries):
            least[entry, r] /= unit
        units[r], inner[r] = unit, limit / unit
        wide[r] = inner[r] + 2 * ROW_ROUND_OFF * (abs(inner[r]) + largest / unit)
    gram, centre = np.zeros((q, n, n)), np.zeros((q, n))
    factor = np.empty((caps.factor.shape[0], n))
    cap, wide_cap, inner_cap, error = np.empty(q), np.empty(q), np.empty(q), np.empty(q)
    for row in range(caps.factor.shape[0]):
        for a in range(n):
            factor[row, a] = caps.factor[row, merged.lead[a]]
    for s in range(q):
        for i in range(merged.variable.size):
            centre[s, merged.variable[i]] += merged.ratio[i] * caps.centre[s, i]
        for row in range(caps.begin[s], caps.begin[s + 1]):
            for a in range(n):
                for c in range(n):
                    gram[s, a, c] += factor[row, a] * factor[row, c]
        spread, against, away = 0.0, 0.0, 0.0
        for a in range(n):
            last = lattice.first[a] + (lattice.start[a + 1] - lattice.start[a] - 1)
            farthest = max(abs(lattice.first[a] - centre[s, a]), abs(last - centre[s, a]))
            spread += math.sqrt(gram[s, a, a]) * farthest
            away += math.sqrt(gram[s, a, a]) * abs(lattice.target[a] - centre[s, a])
        for i in range(merged.variable.size):  # of contracts that are held against each other in a group
            a = merged.variable[i]
            farthest = max(abs(merged.least[i] - caps.centre[s, i]), abs(merged.most[i] - caps.centre[s, i]))
            if merged.lead[a] != i:
                against += math.sqrt(gram[s, a, a]) * abs(merged.ratio[i]) * farthest
        rounding = (caps.begin[s + 1] - caps.begin[s] + 3 * n + 12) * UNIT_ROUND_OFF
        limit, whole = caps.limit[s], spread + 2 * against
        # What is kept, exactly, is ρ(1 + ε) at most; what the factor and merged columns leave of that comes on top.
        farthest = limit * (1 + 2 * EDGE_ROUND_OFF) + (error_of_ratios + 4 * rounding) * whole
        wide_cap[s] = math.sqrt(farthest * farthest + caps.residual[s] * whole * whole) * (1 + 4 * UNIT_ROUND_OFF)
        inner_cap[s] = limit
        smallest = np.inf
        for a in range(n):
            if gram[s, a, a] > 0:
                smallest = min(smallest, gram[s, a, a])
        unit = max(limit * limit, smallest if smallest < np.inf else 0.0)
        unit = unit if unit > 0 else 1.0
        cap[s] = wide_cap[s] * wide_cap[s] / unit
        error[s] = 8 * rounding * (spread + away) * (spread + away) / unit
        for a in range(n):
            for c in range(n):
                gram[s, a, c] /= unit
    return count < room, Coupling(
        option, cost, activity, size, split, least, units, wide, inner, gram, centre, factor, caps.begin, cap, wide_cap,
        inner_cap, error,
    )  # fmt: skip


@compiled
def options_of(
    coupling: Coupling, lattice: Lattice, merged: Merged, costs: Costs, rows: RowArrays, portfolio: np.ndarray,
    index: np.ndarray, held: np.ndarray,
) -> None:  # fmt: skip
    """Fill ``held``, shape (n,), with options no worse than what a portfolio of the program holds.

    Its sums are at ``index``. Where it is outside of the lattice, and they have been moved, the cheapest are taken.
    """
    n, m = index.size, coupling.wide.size
    activity = np.zeros((n, m))
    for i in range(portfolio.size):
        for r in range(m):
            activity[merged.variable[i], r] += term_of(rows, costs, r, i, portfolio[i]) / coupling.unit[r]
    for a in range(n):
        entry = lattice.start[a] + index[a]
        cheapest, cheaper = np.inf, np.inf
        held[a] = coupling.option[entry]
        for o in range(coupling.option[entry], coupling.option[entry + 1]):
            fits = True
            for r in range(m):
                fits = fits and coupling.activity[o, r] <= activity[a, r] + 1e-9
            if fits and coupling.cost[o] < cheapest:
                cheapest, held[a] = coupling.cost[o], o
            elif cheapest == np.inf and coupling.cost[o] < cheaper:
                cheaper, held[a] = coupling.cost[o], o


@compiled
def portfolio_of(coupling: Coupling, merged: Merged, held: np.ndarray, size: int) -> np.ndarray:
    """The portfolio of the program, shape (size,), that has these options."""
    positions, groups = np.empty(size), merged.groups
    for a in range(held.size):
        positions[merged.lead[a]] = coupling.split[held[a], 0]
    for group in range(groups.variable.size):
        o = held[groups.variable[group]]
        for k in range(groups.start[group], groups.start[group + 1]):
            positions[groups.member[k]] = coupling.split[o, k - groups.start[group]]
    return positions
