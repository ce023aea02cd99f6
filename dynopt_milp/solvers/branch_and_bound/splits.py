"""The cheapest split of a merged variable among its contracts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from formulations import FloatArray, IntegerArray

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
    """

    variable: IntegerArray
    start: IntegerArray
    member: IntegerArray
    ratio: FloatArray


@part
def cheapest_pair(
    total: float, ratio: float, held: float, unit: float, low: float, high: float, held_large: float,
    unit_large: float, low_large: float, high_large: float,
) -> tuple[float, float, float]:  # fmt: skip
    """The cheapest total = a + r b, its cost, a and b: γₐ|total − r b − pₐ| + γ_b|b − p_b| is convex in b, kinked at
    p_b and (total − pₐ)/r.

    So the best whole b is one of the whole numbers beside a kink, or the end of its range. Of those that tie, the one
    nearest to p_b is taken. The cost is +inf where there is none.
    """
    one, other = (total - high) / ratio, (total - low) / ratio
    least = max(low_large, np.ceil(min(one, other)))
    most = min(high_large, np.floor(max(one, other)))
    best, small_best, large_best = np.inf, total - ratio * held_large, held_large
    if least > most:
        return best, small_best, large_best
    kink = (total - held) / ratio
    choices = 3 if abs(kink * ratio) < LARGEST_EXACT else 5  # beyond, the kink is rounded to a neighbour at most
    for choice in range(choices):
        large = held_large
        if choice == 1:
            large = np.floor(kink)
        elif choice == 2:
            large = np.ceil(kink)
        elif choice == 3:
            large = np.floor(kink) - 1
        elif choice == 4:
            large = np.ceil(kink) + 1
        large = min(max(large, least), most)
        small = total - ratio * large
        paid = unit * abs(small - held) + unit_large * abs(large - held_large)
        if paid < best:
            best, small_best, large_best = paid, small, large
    return best, small_best, large_best


@part
def cheapest(
    total: float, member: np.ndarray, ratio: np.ndarray, held: np.ndarray, unit: np.ndarray, low: np.ndarray,
    high: np.ndarray, split: np.ndarray,
) -> float:  # fmt: skip
    """The least cost of a sum of two or more contracts; ``split`` is filled with the positions that have it.

    Further sizes are tried at all their positions, the last slowest, each from the one nearest to what is held on.
    """
    i, j = member[0], member[1]
    best = np.inf
    more = member.size - 2
    at = np.zeros(more, dtype=np.int64)  # how far from the nearest
    trial = np.empty(more)
    while True:
        left, paid = total, 0.0
        for k in range(more):
            m = member[2 + k]
            trial[k] = nearest_first(held[m], low[m], high[m], at[k])
            left -= ratio[2 + k] * trial[k]
            paid += unit[m] * abs(trial[k] - held[m])
        cost, small, large = cheapest_pair(
            left, ratio[1], held[i], unit[i], low[i], high[i], held[j], unit[j], low[j], high[j]
        )
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
    lower: np.ndarray, start: np.ndarray, cost: np.ndarray, groups: Groups, held: np.ndarray, unit: np.ndarray,
    low: np.ndarray, high: np.ndarray,
) -> None:  # fmt: skip
    """Put the least cost of every sum of a group into the table of its variable."""
    for group in range(groups.variable.size):
        a, begin, end = groups.variable[group], groups.start[group], groups.start[group + 1]
        member, ratio, split = groups.member[begin:end], groups.ratio[begin:end], np.empty(end - begin)
        for entry in range(start[a], start[a + 1]):
            total = lower[a] + (entry - start[a])
            cost[entry] = cheapest(total, member, ratio, held, unit, low, high, split)
