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

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations import FloatArray, IntegerArray, TrackingProgram

# A ratio of column lengths counts as whole within this, relative; prices and covariances carry 1e-14.
WHOLE = 1e-12
LARGEST_RATIO = 10_000.0
# A third size of a contract is put in by trying all of its positions; beyond so many it stays on its own.
MOST_TRIED = 2_000
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
    groups: list[Group]
    factor: FloatArray
    target: FloatArray
    lower: FloatArray
    upper: FloatArray

    def merged(self, positions: FloatArray) -> FloatArray:
        """y of a portfolio k, shape (n,)."""
        if len(self.groups) == self.program.size:
            return positions.copy()
        return np.array(
            [
                sum(ratio * positions[member] for member, ratio in zip(group.members, group.ratios, strict=True))
                for group in self.groups
            ]
        )

    def split(self, sums: FloatArray) -> FloatArray:
        """The cheapest portfolio k with these y, shape of the program; splits that tie: see `_split_two`."""
        positions = np.empty(self.program.size)
        for group, total in zip(self.groups, sums, strict=True):
            _, split = _cheapest(self.program, group, np.array([total]))
            positions[group.members] = split[:, 0]
        return positions

    def lattice(self, lower: FloatArray, upper: FloatArray) -> tuple[Lattice, float]:
        """The tables over a finite box of y, shape (n,) each, and the slip.

        The slip is how much smaller than in the lattice a tracking error can be in the program.
        """
        widths = (upper - lower + 1).astype(np.int64)
        start = np.concatenate([[0], np.cumsum(widths)])
        cost = np.empty(start[-1])
        slip = 0.0
        program = self.program
        single = np.array([len(group.members) == 1 for group in self.groups])
        members = np.array([group.members[0] for group in self.groups])
        which = np.repeat(np.arange(len(widths)), widths)
        position = np.arange(start[-1]) - start[which] + lower[which]
        cost[:] = program.cost[members[which]] * np.abs(position - program.previous[members[which]])
        for place in np.flatnonzero(~single):
            group = self.groups[place]
            table = slice(start[place], start[place + 1])
            cost[table], split = _cheapest(program, group, position[table])
            slip += self._slip(place, split[:, np.isfinite(cost[table])])
        gram = self.factor.T @ self.factor
        return Lattice(
            np.ascontiguousarray(self.factor), np.ascontiguousarray(gram), self.target, lower, start, cost
        ), slip

    def _slip(self, place: int, split: FloatArray) -> float:
        group = self.groups[place]
        total = 0.0
        for row, (member, ratio) in enumerate(zip(group.members, group.ratios, strict=True)):
            off = self.program.factor[:, member] - ratio * self.factor[:, place]
            distance = np.abs(split[row] - self.program.target[member]).max(initial=0.0)
            total += float(np.linalg.norm(off)) * float(distance) * 2
        return total


def merge(program: TrackingProgram) -> Merged:
    """Find parallel columns with whole ratios and merge them."""
    groups = _groups(program)
    members = [group.members[0] for group in groups]
    factor, target = program.factor[:, members], program.target[members].copy()
    lower, upper = program.lower[members].copy(), program.upper[members].copy()
    for place, group in enumerate(groups):
        if len(group.members) == 1:
            continue
        ratios = np.array(group.ratios, dtype=np.float64)
        target[place] = ratios @ program.target[group.members]
        ends = ratios * program.lower[group.members], ratios * program.upper[group.members]
        lower[place], upper[place] = np.minimum(*ends).sum(), np.maximum(*ends).sum()
    return Merged(program, groups, factor, target, lower, upper)


def _groups(program: TrackingProgram) -> list[Group]:
    factor = program.factor
    lengths = np.sqrt(np.einsum("ij,ij->j", factor, factor))
    directions = factor / np.where(lengths > 0, lengths, 1.0)
    parallel = np.abs(np.abs(directions.T @ directions) - 1.0) < np.sqrt(WHOLE)
    np.fill_diagonal(parallel, False)
    taken = np.zeros(program.size, dtype=bool)
    groups = []
    for place in range(program.size):
        if taken[place]:
            continue
        group = Group([place], [1])
        if parallel[place].any():
            together = np.flatnonzero((parallel[place] & ~taken) | (np.arange(program.size) == place))
            base = int(together[np.argmin(lengths[together])])
            if base == place or not taken[base]:
                group = _group(program, base, [int(other) for other in together if other != base], lengths)
                if place not in group.members:  # its ratio to the smallest is not whole
                    group = Group([place], [1])
        for member in group.members:
            taken[member] = True
        groups.append(group)
    return groups


def _group(program: TrackingProgram, base: int, others: list[int], lengths: FloatArray) -> Group:
    members, ratios = [base], [1]
    unit = program.factor[:, base]
    for other in sorted(others, key=lambda place: (lengths[place], place)):
        ratio = float(np.round(program.factor[:, other] @ unit / lengths[base] ** 2))
        off = float(np.linalg.norm(program.factor[:, other] - ratio * unit))
        if not 1 <= abs(ratio) <= LARGEST_RATIO or off > WHOLE * lengths[other]:
            continue
        if len(members) >= 2 and not _few(program, other):
            continue
        members.append(other)
        ratios.append(int(ratio))
    return Group(members, ratios)


def _few(program: TrackingProgram, member: int) -> bool:
    return bool(program.upper[member] - program.lower[member] <= MOST_TRIED)


def _cheapest(program: TrackingProgram, group: Group, sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The least cost of each sum, and the split that has it, shape (members, sums)."""
    if len(group.members) == 1:
        member = group.members[0]
        inside = (program.lower[member] <= sums) & (sums <= program.upper[member])
        cost = program.cost[member] * np.abs(sums - program.previous[member])
        return np.where(inside, cost, np.inf), sums[None].copy()
    if len(group.members) == 2:
        return _split_two(program, group.members, group.ratios[1], sums)
    *rest, last = group.members
    *ratios, ratio = group.ratios
    tried = np.arange(program.lower[last], program.upper[last] + 1)
    tried = tried[np.argsort(np.abs(tried - program.previous[last]), kind="stable")]
    best, split = np.full(sums.size, np.inf), np.zeros((len(group.members), sums.size))
    for position in tried:
        cost, others = _cheapest(program, Group(rest, ratios), sums - ratio * position)
        cost = cost + program.cost[last] * abs(position - program.previous[last])
        better = cost < best
        best[better] = cost[better]
        split[:-1, better], split[-1, better] = others[:, better], position
    return best, split


def _split_two(
    program: TrackingProgram, members: list[int], ratio: int, sums: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """y = a + r b: γₐ|y − r b − pₐ| + γ_b|b − p_b| is convex in b, with kinks at p_b and (y − pₐ)/r.

    So the best whole b is one of the whole numbers beside a kink, or the end of its range. Of those that tie, the one
    nearest to p_b is taken.
    """
    small, large = members
    edges = (sums - program.upper[small]) / ratio, (sums - program.lower[small]) / ratio
    least = np.maximum(program.lower[large], np.ceil(np.minimum(*edges)))
    most = np.minimum(program.upper[large], np.floor(np.maximum(*edges)))
    kink = (sums - program.previous[small]) / ratio
    held = np.full(sums.size, program.previous[large])
    candidates = np.clip(np.stack([held, np.floor(kink), np.ceil(kink)]), least, np.maximum(least, most))
    others = sums - ratio * candidates
    with np.errstate(invalid="ignore"):
        cost = program.cost[small] * np.abs(others - program.previous[small]) + program.cost[large] * np.abs(
            candidates - program.previous[large]
        )
    cost = np.where(least <= most, cost, np.inf)
    chosen = np.argmin(cost, axis=0)
    every = np.arange(sums.size)
    return cost[chosen, every], np.stack([others[chosen, every], candidates[chosen, every]])
