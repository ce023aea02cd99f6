"""Contracts of one market, full-size, mini and micro, made one variable of the search.

They have parallel columns Fⱼ = rⱼG with whole ratios rⱼ. Only their sum y = Σ rⱼkⱼ matters to the tracking error, and
its cost is the least that any split costs,

    c(y) = min { Σ cⱼ(kⱼ) : Σ rⱼkⱼ = y, lower ≤ k ≤ upper }

over k of one sign where they are sizes of an underlying that is to be held on one side. It is neither convex nor kinked
in one place only: hence the tables of a lattice. The covariance of what is left is regular where such contracts were
all that made it singular. Ratios are whole to 1e-12 at least, and what is lost by taking them for whole comes off the
lower bound (its slip).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.goal import Claim, Drift, new_claim
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice, tables
from dynopt_milp.solvers.branch_and_bound.splits import Groups, cheapest_split, fill_tables, sided_limits
from dynopt_milp.solvers.kernels.costs import is_listed
from formulations import FloatArray, IntegerArray
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.separable_cost import HELD, Costs

# A ratio of column lengths counts as whole within this, relative; prices and covariances carry 1e-14.
WHOLE_RATIO = 1e-12
# Where nothing bounds positions, only what is round-off of the factor itself (some 1e-14 with 42 futures): with a real
# difference they could be held against each other a million times over.
WHOLE_RATIO_UNBOUNDED = 1e-13
PARALLEL = 1 - math.sqrt(WHOLE_RATIO)  # of their lengths: what the product of parallel columns is at least
LARGEST_RATIO = 10_000.0
LARGEST_SUM = 2.0**49  # contracts of the smallest size: sums of ten sizes and their differences are exact
FARTHEST = 1e6  # contracts; see `held_against`
# All positions of third and further sizes of a contract are tried, for every sum that all sizes can have. Beyond so
# many positions, or positions times sums of all groups, they stay on their own.
MOST_TRIED = 500
MOST_TRIALS = 4_000_000


class Merged(NamedTuple):
    """A tracking program with parallel columns merged.

    Attributes
    ----------
    least, most : ndarray, shape (n of the program,)
        The box of its positions that was looked at.
    lead : ndarray of int, shape (n,)
        The place in the program of each variable of the lattice, or of the first contract of its group.
    variable : ndarray of int, shape (n of the program,)
        Which variable of the lattice each contract is part of.
    ratio : ndarray, shape (n of the program,)
        How many of the first contract of its group each is.
    groups : Groups
        The variables that stand for several contracts.
    gram : ndarray, shape (n, n)
        G'G.
    target : ndarray, shape (n,)
        σ.
    lower, upper : ndarray, shape (n,)
        The box of y; ±inf where nothing bounds it.
    drift : Drift
        How far the lattice is from the covariance of the program, anywhere in the box.
    """

    least: FloatArray
    most: FloatArray
    lead: IntegerArray
    variable: IntegerArray
    ratio: FloatArray
    groups: Groups
    gram: FloatArray
    target: FloatArray
    lower: FloatArray
    upper: FloatArray
    drift: Drift


@compiled
def sums_of(variable: np.ndarray, ratio: np.ndarray, size: int, positions: np.ndarray) -> np.ndarray:
    """The sums y of a portfolio k, shape (size,)."""
    sums = np.zeros(size)
    for i in range(positions.size):
        sums[variable[i]] += ratio[i] * positions[i]
    return sums


@compiled
def split_sums(
    sums: np.ndarray, lead: np.ndarray, groups: Groups, costs: Costs, least: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """The cheapest portfolio k with these y, shape of the program; of those that tie, the one nearest to p."""
    positions = np.empty(costs.lines.shape[1])
    for a in range(sums.size):
        positions[lead[a]] = sums[a]
    long, short = sided_limits(groups, costs, least, most)
    for group in range(groups.variable.size):
        begin, end = groups.start[group], groups.start[group + 1]
        split = np.empty(end - begin)
        cheapest_split(sums[groups.variable[group]], groups, group, costs, least, most, long, short, split)
        for k in range(begin, end):
            positions[groups.member[k]] = split[k - begin]
    return positions


@compiled
def new_lattice(
    factor: np.ndarray, merged: Merged, costs: Costs, buffer: float, edge: bool
) -> tuple[Lattice, Claim]:  # fmt: skip
    """The lattice over the box of y, which is finite, and what is claimed in it of a value with this buffer."""
    lead, first = merged.lead, merged.lower
    start, cost = tables(first, merged.upper, costs, lead)
    fill_tables(first, start, cost, merged.groups, costs, merged.least, merged.most)
    columns = np.empty((len(factor), lead.size))
    for a in range(lead.size):
        for row in range(len(factor)):
            columns[row, a] = factor[row, lead[a]]
    lattice = Lattice(columns, merged.gram, merged.target, first, start, cost)
    return lattice, new_claim(lattice, buffer, edge, merged.drift, costs.lines.shape[1])


@part
def parallels(
    factor: np.ndarray, gram: np.ndarray, target: np.ndarray, costs: Costs, low: np.ndarray, high: np.ndarray,
    unlike: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """For each column the one it is a whole multiple of, the multiple, and the length of what is left over.

    Most are multiples of themselves alone. Of several, the shortest is the base. Contracts are left on their own if
    sums of them could be larger than float64 counts, or if rules tell them apart (``unlike``, see `merged_box`).
    """
    size, held = len(gram), costs.lines[HELD]
    base, ratio, apart, length = np.arange(size), np.ones(size), np.zeros(size), np.empty(size)
    for i in range(size):
        length[i] = math.sqrt(gram[i, i])
    parallel = np.zeros((size, size), dtype=np.bool_)
    some, count = np.empty(size, dtype=np.int64), 0
    for i in range(size):
        others = 0
        for j in range(size):
            parallel[i, j] = abs(gram[i, j]) > PARALLEL * length[i] * length[j] and gram[i, j] != 0
            if unlike.size > 0 and unlike[i, j]:
                parallel[i, j] = False
            if parallel[i, j] and i != j:
                others += 1
        parallel[i, i] = True  # whatever underflows
        if others > 0:
            some[count] = i
            count += 1
    left = np.empty(count, dtype=np.int64)
    for a in range(count):
        left[a] = some[a]
    while left.size > 1:
        nearest, whole = np.zeros(left.size, dtype=np.int64), np.zeros(left.size, dtype=np.bool_)
        times, over, sharing = np.zeros(left.size), np.zeros(left.size), np.zeros(left.size, dtype=np.int64)
        listed = np.zeros(left.size, dtype=np.bool_)
        for a in range(left.size):
            shortest = np.inf
            for c in range(left.size):
                if parallel[left[a], left[c]] and length[left[c]] < shortest:
                    shortest, nearest[a] = length[left[c]], c
        for a in range(left.size):
            i, found = left[a], left[nearest[a]]
            times[a] = np.rint(gram[i, found] / gram[found, found])
            square = 0.0
            for row in range(len(factor)):
                square += (factor[row, i] - times[a] * factor[row, found]) ** 2
            over[a] = math.sqrt(square)
            unbounded = np.isinf(low[i]) or np.isinf(high[i])
            listed[a] = unlike.size > 0 or is_listed(costs, i) or is_listed(costs, found)  # position by position
            tolerance = WHOLE_RATIO_UNBOUNDED if unbounded else WHOLE_RATIO
            whole[a] = (
                1 <= abs(times[a]) <= LARGEST_RATIO
                and not ((unbounded or np.isinf(low[found]) or np.isinf(high[found])) and listed[a])
                and over[a] <= tolerance * length[i]
                and nearest[nearest[a]] == nearest[a]
                and abs(times[a]) * farthest_from_zero(i, target, held, low, high) <= LARGEST_SUM
                and farthest_from_zero(found, target, held, low, high) <= LARGEST_SUM
            )
            sharing[nearest[a]] += whole[a]
        # Where one of them has no formula all are tried, else all but two.
        tried_from, members, sizes = np.full(left.size, 2), np.empty(left.size, dtype=np.int64), np.empty(left.size)
        several, settled = 0, 0
        for a in range(left.size):
            if whole[a] and listed[a]:
                tried_from[nearest[a]] = 1
        for c in range(left.size):
            if sharing[c] > tried_from[c]:
                several += 1
        for c in range(left.size):
            if sharing[c] <= tried_from[c]:
                continue
            # Those are left out that have too many positions to be tried together; the base is first, as below.
            count, tried, sums = 0, 1.0, 0.0
            for a in range(left.size):
                if whole[a] and nearest[a] == c:
                    count = put_in_order(members, sizes, count, a, 0.0 if a == c else abs(times[a]))
            for rank in range(count):
                a = members[rank]
                width = high[left[a]] - low[left[a]] + 1
                sums += abs(times[a]) * width
                if rank >= tried_from[c]:
                    tried *= width
                    whole[a] = tried <= MOST_TRIED and tried * sums * several <= MOST_TRIALS
        before = left.size
        for a in range(before):
            if whole[a]:
                base[left[a]], ratio[left[a]], apart[left[a]] = left[nearest[a]], times[a], over[a]
            if not whole[a] and nearest[a] != a:
                members[settled] = left[a]
                settled += 1
        left = np.empty(settled, dtype=np.int64)
        for a in range(settled):
            left[a] = members[a]
        if settled == before:
            break
    return base, ratio, apart


@part
def put_in_order(members: np.ndarray, keys: np.ndarray, count: int, member: int, key: float) -> int:
    """Insert a member by its key, behind those with the same one; the new count."""
    at = count
    while at > 0 and keys[at - 1] > key:
        members[at], keys[at] = members[at - 1], keys[at - 1]
        at -= 1
    members[at], keys[at] = member, key
    return count + 1


@part
def farthest_from_zero(i: int, target: np.ndarray, held: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The largest number that says something of a position, limits that are none apart."""
    most: float = max(abs(target[i]), abs(held[i]))
    for limit in (low[i], high[i]):
        if abs(limit) < np.inf:
            most = max(most, abs(limit))
    return most


@part
def merged_columns(
    base: np.ndarray, ratio: np.ndarray, gram: np.ndarray, target: np.ndarray, low: np.ndarray, high: np.ndarray,
    underlying: np.ndarray,
) -> Merged:  # fmt: skip
    """The program merged as `parallels` found; nothing is known of its drift yet."""
    size = base.size
    number, sharing, variable = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64), np.empty(size, np.int64)
    leads = 0
    for i in range(size):
        if base[i] == i:
            number[i] = leads
            leads += 1
    lead = np.empty(leads, dtype=np.int64)
    for i in range(size):
        variable[i] = number[base[i]]
        if base[i] == i:
            lead[number[i]] = i
    sums, lower, upper = np.zeros(lead.size), np.zeros(lead.size), np.zeros(lead.size)
    for i in range(size):
        a, one, other = variable[i], ratio[i] * low[i], ratio[i] * high[i]
        sums[a] += ratio[i] * target[i]
        lower[a] += min(one, other)
        upper[a] += max(one, other)
        sharing[base[i]] += 1
    merged_gram = np.empty((lead.size, lead.size))
    for a in range(lead.size):
        for c in range(lead.size):
            merged_gram[a, c] = gram[lead[a], lead[c]]
    several, inside = 0, 0
    for i in range(size):
        if sharing[i] > 1:
            several += 1
            inside += sharing[i]
    start, grouped = np.zeros(several + 1, dtype=np.int64), np.empty(several, dtype=np.int64)
    member, one_side, times = np.empty(inside, dtype=np.int64), np.ones(several, dtype=np.bool_), np.empty(inside)
    members, keys, group = np.empty(size, dtype=np.int64), np.empty(size), 0
    for b in range(size):
        if sharing[b] <= 1:
            continue
        count = 0
        for i in range(size):
            if base[i] == b:  # the base is first, whatever else has its length
                count = put_in_order(members, keys, count, i, 0.0 if i == b else abs(ratio[i]))
        for k in range(count):
            i = members[k]
            member[start[group] + k], times[start[group] + k] = i, ratio[i]
            if underlying[i] < 0 or underlying[i] != underlying[b]:
                one_side[group] = False
        start[group + 1], grouped[group] = start[group] + count, variable[b]
        group += 1
    groups = Groups(grouped, start, member, times, one_side)
    drift = Drift(0.0, np.inf, 0.0, 0.0, np.inf)
    return Merged(low, high, lead, variable, ratio, groups, merged_gram, sums, lower, upper, drift)


@part
def group_drift(
    merged: Merged, apart: np.ndarray, gram: np.ndarray, target: np.ndarray, twin: np.ndarray, reach: np.ndarray,
    error: float,
) -> tuple[float, float]:  # fmt: skip
    """The slip and A of the groups, for portfolios whose tracking error in the lattice is at most ``error``.

    The slip: by how far columns that count as parallel are not, and the rounding of RU, times how far positions can be
    from their targets: as far as limits and costs say or, on a side where they do not, as far as the sum of the group
    leaves it when the others go the other way. Where one of those is not bounded either, both are looked at within a
    million contracts of their targets (`held_against` says so).
    """
    slip, aside, groups = 0.0, 0.0, merged.groups
    for group in range(groups.variable.size):
        a, begin, end = groups.variable[group], groups.start[group], groups.start[group + 1]
        base = groups.member[begin]
        for k in range(begin, end):
            i, far = groups.member[k], 0.0
            for side in range(2):
                limit = merged.most[i] if side else merged.least[i]
                if abs(limit) < np.inf:
                    far = max(far, abs(limit - target[i]))
                    continue
                up = (groups.ratio[k] > 0) == (side == 1)  # whether the sum grows that way
                room = error * reach[a]
                for other in range(begin, end):
                    j = groups.member[other]
                    if other != k:
                        most = (groups.ratio[other] > 0) != up  # whether the other one grows when the sum falls
                        opposite = merged.most[j] if most else merged.least[j]
                        room += abs(groups.ratio[other]) * abs(opposite - target[j])
                far = max(far, room / abs(groups.ratio[k]) if room < np.inf else FARTHEST)
            risk = math.sqrt(gram[i, i]) * far * (1 + 1e-12)
            rounded = (end - begin + 3) * UNIT_ROUND_OFF * abs(groups.ratio[k] * target[i])
            slip += apart[i] * far * (1 + 1e-12) + rounded * math.sqrt(gram[base, base]) + 4 * UNIT_ROUND_OFF * risk
            if twin[i] != twin[base]:
                aside += 2 * risk
    return slip, aside
