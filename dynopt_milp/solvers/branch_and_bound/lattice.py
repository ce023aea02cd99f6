"""The program as the search sees it: one integer and a table of costs for each direction of risk.

    minimise over y    ‖G(y − σ)‖₂ + Σᵢ cᵢ(yᵢ)      yᵢ in a range of whole numbers, cᵢ a table over it

Full-size, mini and micro contracts of one market have parallel columns Fⱼ = rⱼG with whole ratios rⱼ. Only their sum
y = Σ rⱼkⱼ matters to the tracking error, so they are one variable, and its cost is the least that any split costs,

    c(y) = min { Σ γⱼ|kⱼ − pⱼ| : Σ rⱼkⱼ = y, lower ≤ k ≤ upper }

which is neither convex nor kinked in one place only: hence tables. The covariance of what is left is regular where
such contracts were all that made it singular. Ratios are whole to 1e-12 at least, and what is lost by taking them for
whole comes off the lower bound (``slip``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from formulations import FloatArray, IntegerArray, TrackingProgram

# A ratio of column lengths counts as whole within this, relative; prices and covariances carry 1e-14.
WHOLE = 1e-12
# Where nothing bounds positions, only what is round-off of the factor itself (some 1e-14 with 42 futures): with a real
# difference they could be held against each other a million times over.
WHOLE_UNBOUNDED = 1e-13
PARALLEL = 1 - math.sqrt(WHOLE)  # of their lengths: what the product of parallel columns is at least
LARGEST_RATIO = 10_000.0
FARTHEST = 1e6  # contracts
ROUND_OFF = 1e-15  # of the sum of targets, relative
# Third and further sizes of a contract are put in by trying all their positions together, for every sum that all sizes
# can have, some 20 ns each. Beyond so many positions, or positions times sums of all groups, they stay on their own.
MOST_TRIED = 500
MOST_TRIALS = 4_000_000
# Beyond this many entries the tables would not fit the processor's memory any more.
MOST_ENTRIES = 5_000_000


Limits = tuple[FloatArray, FloatArray]


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


def cropped(lattice: Lattice, low: IntegerArray, high: IntegerArray) -> Lattice:
    """The lattice over the part low ≤ index ≤ high of its box, shape (n,) each; index 0 becomes ``low``."""
    widths = high - low + 1
    start = np.concatenate([[0], np.cumsum(widths)])
    which = np.repeat(np.arange(widths.size), widths)
    entries = np.arange(start[-1]) - start[which] + lattice.start[which] + low[which]
    return lattice._replace(first=lattice.first + low, start=start, cost=lattice.cost[entries])


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Two or more contracts with parallel columns.

    Attributes
    ----------
    members : ndarray of int, shape (contracts,)
        Places in the program; the first has ratio 1.
    ratios : ndarray, shape (contracts,)
        Whole numbers.
    """

    members: IntegerArray
    ratios: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A tracking program with parallel columns merged.

    Attributes
    ----------
    program : TrackingProgram
        What was merged.
    limits : tuple of ndarray, shape (n of the program,)
        The box of its positions that was looked at.
    lead : ndarray of int, shape (n,)
        The place in the program of each variable of the lattice, or of the first contract of its group.
    variable : ndarray of int, shape (n of the program,)
        Which variable of the lattice each contract is part of.
    ratio : ndarray, shape (n of the program,)
        How many of the first contract of its group each is.
    groups : dict of int to Group
        The variables that stand for several contracts.
    gram : ndarray, shape (n, n)
        G'G.
    target : ndarray, shape (n,)
        σ.
    lower, upper : ndarray, shape (n,)
        What the limits leave of each y; ±inf where they leave everything.
    slip : float
        How much smaller than in the lattice a tracking error can be in the program, anywhere in the box.
    """

    program: TrackingProgram
    limits: Limits
    lead: IntegerArray
    variable: IntegerArray
    ratio: FloatArray
    groups: dict[int, Group]
    gram: FloatArray
    target: FloatArray
    lower: FloatArray
    upper: FloatArray
    slip: float

    def merged(self, positions: FloatArray) -> FloatArray:
        """Y of a portfolio k, shape (n,)."""
        return _sums(self.variable, self.ratio * positions)

    def split(self, sums: FloatArray) -> FloatArray:
        """The cheapest portfolio k with these y, shape of the program; splits that tie: see `split_two`."""
        positions = np.empty(self.program.size)
        positions[self.lead] = sums
        for place, group in self.groups.items():
            _, split = _cheapest(self.program, self.limits, group, sums[place : place + 1])
            positions[group.members] = split[:, 0]
        return positions

    def lattice(self, lower: FloatArray, upper: FloatArray) -> Lattice:
        """The tables over a finite box of y, shape (n,) each."""
        program = self.program
        start, cost = tables(lower, upper, program.previous[self.lead], program.cost[self.lead])
        for place, group in self.groups.items():
            position = np.arange(lower[place], upper[place] + 1)
            cost[start[place] : start[place + 1]], _ = _cheapest(program, self.limits, group, position)
        factor = np.ascontiguousarray(program.factor[:, self.lead])
        return Lattice(factor, self.gram, self.target, lower, start, cost)


def merge(program: TrackingProgram, gram: FloatArray, limits: Limits) -> Merged:
    """Find parallel columns with whole ratios and merge them.

    ``gram`` is F'F, shape (n, n), and ``limits`` a box inside the program's, shape (n,) each.
    """
    base, ratio, apart = _parallels(program, gram, limits)
    leads = base == np.arange(program.size)
    if leads.all():
        return unmerged(program, gram, limits)
    lead = np.flatnonzero(leads)
    variable = (np.cumsum(leads) - 1)[base]
    low, high = limits
    groups = {}
    for place in dict.fromkeys(base[~leads].tolist()):
        members = np.flatnonzero(base == place)
        members = members[np.lexsort((members, np.abs(ratio[members]), members != place))]
        groups[int(variable[place])] = Group(members, ratio[members])
    one, other = ratio * low, ratio * high
    return Merged(
        program, limits, lead, variable, ratio, groups, gram[lead[:, None], lead],
        target=_sums(variable, ratio * program.target),
        lower=_sums(variable, np.minimum(one, other)),
        upper=_sums(variable, np.maximum(one, other)),
        slip=_slip(program, limits, ratio, apart, np.sqrt(gram.diagonal())[base], ~leads),
    )  # fmt: skip


def unmerged(program: TrackingProgram, gram: FloatArray, limits: Limits) -> Merged:
    """A program whose variables are its contracts; arguments as in `merge`."""
    everything, low, high = np.arange(program.size), *limits
    one = np.ones(program.size)
    return Merged(
        program, limits, everything, everything, one, {}, gram, program.target.copy(), low.copy(), high.copy(), 0.0
    )


@part
def some_are_parallel(gram: np.ndarray) -> bool:
    """Whether any two columns are, by their Gram matrix."""
    length = np.sqrt(np.diag(gram))
    for i in range(len(gram)):
        for j in range(i):
            if abs(gram[i, j]) > PARALLEL * length[i] * length[j] and gram[i, j] != 0:
                return True
    return False


@compiled
def tables(lower: np.ndarray, upper: np.ndarray, held: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``start`` and ``cost`` of a lattice whose variables are contracts, each a position held and a cost of trading."""
    size = lower.size
    start = np.zeros(size + 1, dtype=np.int64)
    for i in range(size):
        start[i + 1] = start[i] + np.int64(upper[i] - lower[i] + 1)
    cost = np.empty(start[size])
    for i in range(size):
        for entry in range(start[i], start[i + 1]):
            cost[entry] = unit[i] * abs(lower[i] + (entry - start[i]) - held[i])
    return start, cost


def _sums(variable: IntegerArray, values: FloatArray) -> FloatArray:
    """What the contracts of each variable add up to."""
    return np.bincount(variable, values).astype(np.float64)


def _slip(
    program: TrackingProgram, limits: Limits, ratio: FloatArray, apart: FloatArray, unit: FloatArray,
    merged: NDArray[np.bool_],
) -> float:  # fmt: skip
    """By how far columns that count as parallel are not, times how far positions can be from their targets.

    Where neither limits nor costs bound a position, it is taken to stay within a million contracts of its target.
    """
    target = program.target[merged]
    ends = np.abs(np.array(limits)[:, merged] - target)
    distance = np.where(np.isinf(ends), FARTHEST, ends).max(axis=0)
    rounded = ROUND_OFF * np.abs(ratio[merged] * target) * unit[merged]
    return float((apart[merged] * distance + rounded).sum())


def _parallels(
    program: TrackingProgram, gram: FloatArray, limits: Limits
) -> tuple[IntegerArray, FloatArray, FloatArray]:
    """For each column the one it is a whole multiple of, the multiple, and the length of what is left over.

    Most are multiples of themselves alone. Of several, the shortest is the base.
    """
    base, ratio, apart = np.arange(program.size), np.ones(program.size), np.zeros(program.size)
    lengths = np.sqrt(gram.diagonal())
    parallel = np.abs(gram) > PARALLEL * lengths * lengths[:, None]
    parallel &= lengths > 0
    tolerance = np.where(np.isinf(limits[0]) | np.isinf(limits[1]), WHOLE_UNBOUNDED, WHOLE)
    left = np.flatnonzero(parallel.sum(axis=1) > 1)
    while left.size > 1:
        nearest = np.where(parallel[left[:, None], left], lengths[left], np.inf).argmin(axis=1)
        found = left[nearest]
        times = np.round(gram[left, found] / gram[found, found])
        over = np.sqrt(((program.factor[:, left] - times * program.factor[:, found]) ** 2).sum(axis=0))
        whole = (np.abs(times) >= 1) & (np.abs(times) <= LARGEST_RATIO) & (over <= tolerance[left] * lengths[left])
        whole &= nearest == nearest[nearest]
        several = np.flatnonzero(np.bincount(found[whole]) > 2)
        for place in several:
            # Of three sizes and more, those are left out that have too many positions to be tried together.
            members = np.flatnonzero(whole & (found == place))
            members = members[np.argsort(np.abs(times[members]), kind="stable")]
            widths = limits[1][left[members]] - limits[0][left[members]] + 1
            tried = np.cumprod(widths[2:])
            sums = np.cumsum(np.abs(times[members]) * widths)[2:]
            whole[members[2:][~((tried <= MOST_TRIED) & (tried * sums * several.size <= MOST_TRIALS))]] = False
        base[left[whole]], ratio[left[whole]], apart[left[whole]] = found[whole], times[whole], over[whole]
        settled = whole | (found == left)
        left = left[~settled]
    return base, ratio, apart


def _cheapest(
    program: TrackingProgram, limits: Limits, group: Group, sums: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The least cost of each sum of two or more contracts, and the split that has it, shape (members, sums)."""
    if group.members.size == 2:
        return _split_two(program, limits, group, sums)
    last, ratio = group.members[-1], group.ratios[-1]
    tried = np.arange(limits[0][last], limits[1][last] + 1)
    tried = tried[np.argsort(np.abs(tried - program.previous[last]), kind="stable")]
    # All sums that can be left to the others, and what they cost.
    least, most = sums.min() - (ratio * tried).max(), sums.max() - (ratio * tried).min()
    others, split_others = _cheapest(
        program, limits, Group(group.members[:-1], group.ratios[:-1]), np.arange(least, most + 1)
    )
    best, chosen = np.full(sums.size, np.inf), np.full(sums.size, tried[0])
    for position in tried:
        cost = others[(sums - ratio * position - least).astype(np.int64)]
        cost = cost + program.cost[last] * abs(position - program.previous[last])
        better = cost < best
        best[better], chosen[better] = cost[better], position
    left = (sums - ratio * chosen - least).astype(np.int64)
    return best, np.vstack([split_others[:, left], chosen])


def _split_two(
    program: TrackingProgram, limits: Limits, group: Group, sums: FloatArray
) -> tuple[FloatArray, FloatArray]:
    small, large = group.members
    cost, split = np.empty(sums.size), np.empty((2, sums.size))
    split_two(
        sums, group.ratios[1], program.previous[small], program.cost[small], limits[0][small], limits[1][small],
        program.previous[large], program.cost[large], limits[0][large], limits[1][large], cost, split,
    )  # fmt: skip
    return cost, split


@compiled
def split_two(
    sums: np.ndarray, ratio: float, held: float, unit: float, low: float, high: float, held_large: float,
    unit_large: float, low_large: float, high_large: float, cost: np.ndarray, split: np.ndarray,
) -> None:  # fmt: skip
    """The cheapest y = a + r b for each y: γₐ|y − r b − pₐ| + γ_b|b − p_b|, convex in b, kinked at p_b and (y − pₐ)/r.

    So the best whole b is one of the whole numbers beside a kink, or the end of its range. Of those that tie, the one
    nearest to p_b is taken. ``cost`` and ``split``, shape (2, sums), are filled; +inf where there is none.
    """
    for place in range(sums.size):
        total = sums[place]
        one, other = (total - high) / ratio, (total - low) / ratio
        least = max(low_large, np.ceil(min(one, other)))
        most = min(high_large, np.floor(max(one, other)))
        cost[place] = np.inf
        split[0, place], split[1, place] = total - ratio * held_large, held_large
        if least > most:
            continue
        kink = (total - held) / ratio
        for choice in range(3):
            large = held_large
            if choice == 1:
                large = np.floor(kink)
            elif choice == 2:
                large = np.ceil(kink)
            large = min(max(large, least), most)
            small = total - ratio * large
            paid = unit * abs(small - held) + unit_large * abs(large - held_large)
            if paid < cost[place]:
                cost[place] = paid
                split[0, place], split[1, place] = small, large
