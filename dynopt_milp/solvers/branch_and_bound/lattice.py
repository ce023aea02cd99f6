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

from dynopt_milp.solvers.branch_and_bound.compiled import compiled
from formulations import FloatArray, IntegerArray, TrackingProgram

# A ratio of column lengths counts as whole within this, relative; prices and covariances carry 1e-14.
WHOLE = 1e-12
LARGEST_RATIO = 10_000.0
FARTHEST = 1e6  # contracts
ROUND_OFF = 1e-15  # of the sum of targets, relative
# Further sizes of a contract are put in by trying all their positions together; beyond so many they stay on their own.
MOST_TRIED = 2_000
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
    """Contracts with parallel columns.

    Attributes
    ----------
    members : list of int
        Places in the program; the first has ratio 1.
    ratios : list of int
    """

    members: list[int]
    ratios: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A tracking program with parallel columns merged.

    Attributes
    ----------
    program : TrackingProgram
        What was merged.
    limits : tuple of ndarray, shape (n of the program,)
        The box of its positions that was looked at.
    groups : list of Group
        One for each variable of the lattice.
    factor : ndarray, shape (m, n)
        G.
    target : ndarray, shape (n,)
        σ.
    lower, upper : ndarray, shape (n,)
        What the limits leave of each y; ±inf where they leave everything.
    """

    program: TrackingProgram
    limits: Limits
    groups: list[Group]
    factor: FloatArray
    target: FloatArray
    lower: FloatArray
    upper: FloatArray

    def merged(self, positions: FloatArray) -> FloatArray:
        """Y of a portfolio k, shape (n,)."""
        if len(self.groups) == self.program.size:
            return positions.copy()
        return np.array(
            [
                sum(ratio * positions[member] for member, ratio in zip(group.members, group.ratios, strict=True))
                for group in self.groups
            ]
        )

    def split(self, sums: FloatArray) -> FloatArray:
        """The cheapest portfolio k with these y, shape of the program; splits that tie: see `split_two`."""
        positions = np.empty(self.program.size)
        positions[[group.members[0] for group in self.groups]] = sums
        for group, total in zip(self.groups, sums, strict=True):
            if len(group.members) > 1:
                _, split = _cheapest(self.program, self.limits, group, np.array([total]))
                positions[group.members] = split[:, 0]
        return positions

    def lattice(self, lower: FloatArray, upper: FloatArray) -> Lattice:
        """The tables over a finite box of y, shape (n,) each."""
        widths = (upper - lower + 1).astype(np.int64)
        start = np.concatenate([[0], np.cumsum(widths)])
        program = self.program
        members = np.array([group.members[0] for group in self.groups])
        which = np.repeat(np.arange(len(widths)), widths)
        position = np.arange(start[-1]) - start[which] + lower[which]
        cost = program.cost[members[which]] * np.abs(position - program.previous[members[which]])
        for place, group in enumerate(self.groups):
            if len(group.members) > 1:
                table = slice(start[place], start[place + 1])
                cost[table], _ = _cheapest(program, self.limits, group, position[table])
        gram = self.factor.T @ self.factor
        return Lattice(np.ascontiguousarray(self.factor), np.ascontiguousarray(gram), self.target, lower, start, cost)

    @property
    def slip(self) -> float:
        """How much smaller than in the lattice a tracking error can be in the program, anywhere in the box.

        Where neither limits nor costs bound a position, it is taken to stay within a million contracts of its target.
        """
        total = 0.0
        for place, group in enumerate(self.groups):
            for member, ratio in zip(group.members[1:], group.ratios[1:], strict=True):
                unit = self.factor[:, place]
                off = self.program.factor[:, member] - ratio * unit
                target = self.program.target[member]
                ends = abs(self.limits[0][member] - target), abs(self.limits[1][member] - target)
                distance = max(min(end, FARTHEST) if np.isinf(end) else end for end in ends)
                rounded = ROUND_OFF * abs(ratio * target) * math.sqrt(float(unit @ unit))
                total += math.sqrt(float(off @ off)) * float(distance) + rounded
        return total


def merge(program: TrackingProgram, limits: Limits) -> Merged:
    """Find parallel columns with whole ratios and merge them.

    ``limits`` is a box inside the program's, shape (n,) each.
    """
    groups = _groups(program, limits)
    members = [group.members[0] for group in groups]
    factor, target = program.factor[:, members], program.target[members].copy()
    lower, upper = limits[0][members], limits[1][members]
    for place, group in enumerate(groups):
        if len(group.members) == 1:
            continue
        ratios = np.array(group.ratios, dtype=np.float64)
        target[place] = ratios @ program.target[group.members]
        ends = ratios * limits[0][group.members], ratios * limits[1][group.members]
        lower[place], upper[place] = np.minimum(*ends).sum(), np.maximum(*ends).sum()
    return Merged(program, limits, groups, factor, target, lower, upper)


def _groups(program: TrackingProgram, limits: Limits) -> list[Group]:
    lengths, parallel = _parallel(program)
    if not parallel.any():
        return [Group([place], [1]) for place in range(program.size)]
    taken = np.zeros(program.size, dtype=bool)
    groups = []
    for place in range(program.size):
        if taken[place]:
            continue
        group = Group([place], [1])
        if parallel[place].any():
            parallel[place, place] = True
            together = np.flatnonzero(parallel[place] & ~taken)
            base = int(together[np.argmin(lengths[together])])
            found = _group(program, limits, base, [int(other) for other in together if other != base], lengths)
            if place in found.members:  # else its ratio to the smallest is not whole
                group = found
        taken[group.members] = True
        groups.append(group)
    return groups


def _parallel(program: TrackingProgram) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The lengths of the columns, and which pairs may be parallel."""
    gram = program.factor.T @ program.factor
    lengths = np.sqrt(np.diag(gram))
    parallel = np.abs(gram) > (1 - np.sqrt(WHOLE)) * np.outer(lengths, lengths)
    np.fill_diagonal(parallel, False)
    parallel[lengths == 0] = False
    return lengths, parallel


def _group(program: TrackingProgram, limits: Limits, base: int, others: list[int], lengths: FloatArray) -> Group:
    members, ratios = [base], [1]
    tried = 1.0
    unit = program.factor[:, base]
    for other in sorted(others, key=lambda place: (lengths[place], place)):
        ratio = float(np.round(program.factor[:, other] @ unit / lengths[base] ** 2))
        apart = program.factor[:, other] - ratio * unit
        if not 1 <= abs(ratio) <= LARGEST_RATIO or math.sqrt(apart @ apart) > WHOLE * lengths[other]:
            continue
        if len(members) >= 2:
            tried *= limits[1][other] - limits[0][other] + 1
            if not tried <= MOST_TRIED:
                break
        members.append(other)
        ratios.append(int(ratio))
    return Group(members, ratios)


def _cheapest(
    program: TrackingProgram, limits: Limits, group: Group, sums: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The least cost of each sum of two or more contracts, and the split that has it, shape (members, sums)."""
    if len(group.members) == 2:
        return _split_two(program, limits, group.members, group.ratios[1], sums)
    *rest, last = group.members
    *ratios, ratio = group.ratios
    tried = np.arange(limits[0][last], limits[1][last] + 1)
    tried = tried[np.argsort(np.abs(tried - program.previous[last]), kind="stable")]
    best, split = np.full(sums.size, np.inf), np.zeros((len(group.members), sums.size))
    for position in tried:
        cost, others = _cheapest(program, limits, Group(rest, ratios), sums - ratio * position)
        cost = cost + program.cost[last] * abs(position - program.previous[last])
        better = cost < best
        best[better] = cost[better]
        split[:-1, better], split[-1, better] = others[:, better], position
    return best, split


def _split_two(
    program: TrackingProgram, limits: Limits, members: list[int], ratio: int, sums: FloatArray
) -> tuple[FloatArray, FloatArray]:
    small, large = members
    cost, split = np.empty(sums.size), np.empty((2, sums.size))
    split_two(
        sums, float(ratio), program.previous[small], program.cost[small], limits[0][small], limits[1][small],
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
