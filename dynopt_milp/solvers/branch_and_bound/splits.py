"""The cheapest split of a merged variable among its contracts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.kernels.costs import cost_of, is_listed
from formulations import FloatArray, IntegerArray
from formulations.separable_cost import FURTHER, HELD, ORIGIN, UNIT, Costs

LARGEST_EXACT = 2.0**50  # contracts; quotients of smaller numbers are not rounded to another whole number


class Groups(NamedTuple):
    """Two or more contracts each, with parallel columns.

    Attributes
    ----------
    variable : ndarray of int, shape (groups,)
        The variable of the lattice.
    start : ndarray of int, shape (groups + 1,)
        Where the contracts of each begin in the next two.
    member : ndarray of int
        Places in the program; the first of a group has ratio 1.
    ratio : ndarray
        Whole numbers, negative for columns the other way round.
    one_side : ndarray of bool, shape (groups,)
        Whether no two contracts of it may be held with opposite signs.
    """

    variable: IntegerArray
    start: IntegerArray
    member: IntegerArray
    ratio: FloatArray
    one_side: NDArray[np.bool_]


@part
def cheapest_two(
    total: float, ratio: float, costs: Costs, i: int, j: int, low: np.ndarray, high: np.ndarray
) -> tuple[float, float, float]:
    """The cheapest total = a + r b of contracts i and j in their limits: its cost, a and b."""
    lines = costs.lines
    one, other = (total - high[i]) / ratio, (total - low[i]) / ratio
    least = max(low[j], np.ceil(min(one, other)))
    most = min(high[j], np.floor(max(one, other)))
    if lines[FURTHER, i] + lines[FURTHER, j] > 0:
        return cheapest_further_pair(total, ratio, costs, i, j, least, most)
    return cheapest_pair(total, ratio, lines[HELD, i], lines[UNIT, i], lines[HELD, j], lines[UNIT, j], least, most)


@part
def cheapest_pair(
    total: float, ratio: float, held: float, unit: float, held_large: float, unit_large: float, least: float,
    most: float,
) -> tuple[float, float, float]:  # fmt: skip
    """The cheapest total = a + r b with b from ``least`` to ``most``: its cost, a and b; +inf where there is none.

    γₐ|total − r b − pₐ| + γ_b|b − p_b| is convex in b, kinked at p_b and (total − pₐ)/r. So the best whole b is one of
    the whole numbers beside a kink, or the end of its range. Of those that tie, the one nearest to p_b is taken.
    """
    best, small_best, large_best = np.inf, total - ratio * held_large, held_large
    if least > most:
        return best, small_best, large_best
    kink = (total - held) / ratio
    choices = 3 if abs(kink * ratio) < LARGEST_EXACT else 5  # beyond, the kink is rounded to a neighbour at most
    for choice in range(choices):
        large = min(max(beside(choice, held_large, kink), least), most)
        small = total - ratio * large
        paid = unit * abs(small - held) + unit_large * abs(large - held_large)
        if paid < best:
            best, small_best, large_best = paid, small, large
    return best, small_best, large_best


@part
def beside(choice: int, at: float, kink: float) -> float:
    """One of ``at`` and the whole numbers beside a kink."""
    if choice == 1:
        return float(np.floor(kink))
    if choice == 2:
        return float(np.ceil(kink))
    if choice == 3:
        return float(np.floor(kink)) - 1
    if choice == 4:
        return float(np.ceil(kink)) + 1
    return at


@part
def cheapest_further_pair(
    total: float, ratio: float, costs: Costs, i: int, j: int, least: float, most: float
) -> tuple[float, float, float]:
    """The same of contracts i and j where more than trades costs.

    With a cost of holding there are kinks at o_b and (total − oₐ)/r, too. With a table all of the range is looked at.
    """
    best, small_best, large_best = np.inf, total - ratio * costs.lines[HELD, j], costs.lines[HELD, j]
    if least > most:
        return best, small_best, large_best
    tabled = is_listed(costs, i) or is_listed(costs, j)
    choices = int(most - least) + 1 if tabled else 10
    kinks = ((total - costs.lines[HELD, i]) / ratio, (total - costs.lines[ORIGIN, i]) / ratio)
    for choice in range(choices):
        if tabled:
            large = nearest_first(costs.lines[HELD, j], least, most, choice)
        else:
            at = costs.lines[HELD, j] if choice < 5 else costs.lines[ORIGIN, j]
            large = min(max(beside(choice % 5, at, kinks[choice // 5]), least), most)
        small = total - ratio * large
        paid = cost_of(costs, i, small) + cost_of(costs, j, large)
        if paid < best:
            best, small_best, large_best = paid, small, large
    return best, small_best, large_best


@part
def cheapest(
    total: float, groups: Groups, group: int, costs: Costs, low: np.ndarray, high: np.ndarray, split: np.ndarray
) -> float:  # fmt: skip
    """The least cost of a sum of two or more contracts; ``split`` is filled with the positions that have it.

    Further sizes are tried at all their positions, the last slowest, each from the one nearest to what is held on.
    """
    member, ratio, begin = groups.member, groups.ratio, groups.start[group]
    best = np.inf
    more = groups.start[group + 1] - begin - 2
    if more == 0:
        best, split[0], split[1] = cheapest_two(
            total, ratio[begin + 1], costs, member[begin], member[begin + 1], low, high
        )  # fmt: skip
        return best
    begin += 2
    at = np.zeros(more, dtype=np.int64)  # how far from the nearest
    trial = np.empty(more)
    while True:
        left, paid = total, 0.0
        for k in range(more):
            m = member[begin + k]
            trial[k] = nearest_first(costs.lines[HELD, m], low[m], high[m], at[k])
            left -= ratio[begin + k] * trial[k]
            paid += cost_of(costs, m, trial[k])
        cost, small, large = cheapest_two(
            left, ratio[begin - 1], costs, member[begin - 2], member[begin - 1], low, high
        )
        if paid + cost < best or best == np.inf:
            best = paid + cost
            split[0], split[1] = small, large
            for k in range(more):
                split[2 + k] = trial[k]
        k = 0
        while k < more:
            m = member[begin + k]
            at[k] += 1
            if at[k] <= high[m] - low[m]:
                break
            at[k] = 0
            k += 1
        if k == more:
            return best


@part
def sided_limits(groups: Groups, costs: Costs, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower limits of what is to be long, and the upper limits of what is to be short, shape (n,) each.

    Without a group that is to be on one side they are not needed, and the limits are returned as they are.
    """
    some = False
    for group in range(groups.one_side.size):
        some = some or groups.one_side[group]
    if not some:
        return low, high
    long, short = np.empty(low.size), np.empty(low.size)
    for i in range(low.size):
        long[i], short[i] = max(low[i], costs.lines[ORIGIN, i]), min(high[i], costs.lines[ORIGIN, i])
    return long, short


@part
def cheapest_split(
    total: float, groups: Groups, group: int, costs: Costs, low: np.ndarray, high: np.ndarray, long: np.ndarray,
    short: np.ndarray, split: np.ndarray,
) -> float:  # fmt: skip
    """The least cost of a sum of a group, see `cheapest`; one that is to be on one side is all long, or all short.

    ``long`` and ``short`` are its `sided_limits`.
    """
    if not groups.one_side[group]:
        return cheapest(total, groups, group, costs, low, high, split)
    best, trial = np.inf, np.empty(split.size)
    for side in range(2):
        least, most, some = (low, short, True) if side else (long, high, True)
        for k in range(groups.start[group], groups.start[group + 1]):
            i = groups.member[k]
            some = some and least[i] <= most[i]
        if not some:
            continue
        found = cheapest(total, groups, group, costs, least, most, trial)
        if found < best:
            best = found
            for k in range(split.size):
                split[k] = trial[k]
    return best


@part
def nearest_first(held: float, low: float, high: float, rank: int) -> float:
    """The whole numbers from ``low`` to ``high`` in the order of their distance from ``held``, the lower one first."""
    middle = min(max(held, low), high)
    both = min(middle - low, high - middle)
    if rank <= 2 * both:
        step = (rank + 1) // 2
        return middle - step if rank % 2 else middle + step
    beyond = rank - both
    return middle - beyond if middle - low > both else middle + beyond


@part
def fill_tables(
    lower: np.ndarray, start: np.ndarray, cost: np.ndarray, groups: Groups, costs: Costs, low: np.ndarray,
    high: np.ndarray,
) -> None:  # fmt: skip
    """Put the least cost of every sum of a group into the table of its variable."""
    long, short = sided_limits(groups, costs, low, high)
    for group in range(groups.variable.size):
        a, split = groups.variable[group], np.empty(groups.start[group + 1] - groups.start[group])
        for entry in range(start[a], start[a + 1]):
            total = lower[a] + (entry - start[a])
            cost[entry] = cheapest_split(total, groups, group, costs, low, high, long, short, split)
