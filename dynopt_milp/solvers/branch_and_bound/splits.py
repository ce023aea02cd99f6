"""The cheapest split of a merged variable among its contracts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.costs import cost_of, has_table
from formulations import FloatArray, IntegerArray
from formulations.separable_cost import Costs

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
def cheapest_pair(
    total: float, ratio: float, costs: Costs, i: int, j: int, low: np.ndarray, high: np.ndarray
) -> tuple[float, float, float]:
    """The cheapest total = a + r b of contracts i and j: its cost, a and b.

    Without tables the cost is convex in b, kinked at p_b and (total − pₐ)/r, and with a cost of holding at o_b and
    (total − oₐ)/r. So the best whole b is one of the whole numbers beside a kink, or the end of its range; with a table
    all of its range is looked at. Of those that tie, the one nearest to p_b is taken. The cost is +inf where there is
    none.
    """
    held, held_large = costs.held[i], costs.held[j]
    one, other = (total - high[i]) / ratio, (total - low[i]) / ratio
    least = max(low[j], np.ceil(min(one, other)))
    most = min(high[j], np.floor(max(one, other)))
    best, small_best, large_best = np.inf, total - ratio * held_large, held_large
    if least > most:
        return best, small_best, large_best
    tabled = has_table(costs, i) or has_table(costs, j)
    kink, at = (total - held) / ratio, held_large
    beside = 3 if abs(kink * ratio) < LARGEST_EXACT else 5  # beyond, the kink is rounded to a neighbour at most
    choices = 2 * beside if costs.holding[i] > 0 or costs.holding[j] > 0 else beside
    if tabled:
        choices = int(most - least) + 1
    for choice in range(choices):
        if tabled:
            large = nearest_first(held_large, least, most, choice)
        else:
            if choice == beside:
                kink, at = (total - costs.origin[i]) / ratio, costs.origin[j]
            rank, large = choice % beside, at
            if rank == 1:
                large = np.floor(kink)
            elif rank == 2:
                large = np.ceil(kink)
            elif rank == 3:
                large = np.floor(kink) - 1
            elif rank == 4:
                large = np.ceil(kink) + 1
            large = min(max(large, least), most)
        small = total - ratio * large
        paid = cost_of(costs, i, small) + cost_of(costs, j, large)
        if paid < best:
            best, small_best, large_best = paid, small, large
    return best, small_best, large_best


@part
def cheapest(
    total: float, member: np.ndarray, ratio: np.ndarray, costs: Costs, low: np.ndarray, high: np.ndarray,
    split: np.ndarray,
) -> float:  # fmt: skip
    """The least cost of a sum of two or more contracts; ``split`` is filled with the positions that have it.

    Further sizes are tried at all their positions, the last slowest, each from the one nearest to what is held on.
    """
    best = np.inf
    more = member.size - 2
    at = np.zeros(more, dtype=np.int64)  # how far from the nearest
    trial = np.empty(more)
    for k in range(member.size):
        if low[member[k]] > high[member[k]]:
            return best
    while True:
        left, paid = total, 0.0
        for k in range(more):
            m = member[2 + k]
            trial[k] = nearest_first(costs.held[m], low[m], high[m], at[k])
            left -= ratio[2 + k] * trial[k]
            paid += cost_of(costs, m, trial[k])
        cost, small, large = cheapest_pair(left, ratio[1], costs, member[0], member[1], low, high)
        if paid + cost < best or best == np.inf:
            best = paid + cost
            split[0], split[1] = small, large
            for k in range(more):
                split[2 + k] = trial[k]
        k = 0
        while k < more:
            m = member[2 + k]
            at[k] += 1
            if at[k] <= high[m] - low[m]:
                break
            at[k] = 0
            k += 1
        if k == more:
            return best


@part
def cheapest_on_sides(
    total: float, member: np.ndarray, ratio: np.ndarray, costs: Costs, low: np.ndarray, high: np.ndarray,
    split: np.ndarray,
) -> float:  # fmt: skip
    """The same of contracts of which no two may be held with opposite signs: all long, or all short."""
    sided_low, sided_high, best = low.copy(), high.copy(), np.inf
    trial = np.empty(split.size)
    for short in range(2):
        for k in range(member.size):
            m = member[k]
            sided_low[m] = low[m] if short else max(low[m], costs.origin[m])
            sided_high[m] = min(high[m], costs.origin[m]) if short else high[m]
        found = cheapest(total, member, ratio, costs, sided_low, sided_high, trial)
        if found < best:
            best = found
            split[:] = trial
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
    for group in range(groups.variable.size):
        a, begin, end = groups.variable[group], groups.start[group], groups.start[group + 1]
        member, ratio, split = groups.member[begin:end], groups.ratio[begin:end], np.empty(end - begin)
        for entry in range(start[a], start[a + 1]):
            total = lower[a] + (entry - start[a])
            if groups.one_side[group]:
                cost[entry] = cheapest_on_sides(total, member, ratio, costs, low, high, split)
            else:
                cost[entry] = cheapest(total, member, ratio, costs, low, high, split)
