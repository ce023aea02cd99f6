"""Every portfolio below a cut, by depth-first search; compiled.

A portfolio is *wanted* if q(k) ≤ (U − C(k))², with q = ‖F(k − τ)‖², C its cost and U the cut. A node is a box, and an
interval [a, b] in which the costs of the wanted ones are. For any c₀ in it

    (U − C)² = U² − c₀² + (C − c₀)² − 2(U − c₀)C

so that q + 2(U − c₀)C ≥ L in the box says: a wanted one has |C − c₀| ≥ R, R² = L − U² + c₀². If that is beyond both
ends of the interval, the box holds none; if it is beyond one, the interval becomes shorter. L is that of a quadratic
relaxation: with a diagonal D, H − D ⪰ 0, the part Σ Dᵢ(zᵢ − τᵢ)² goes into the table of each variable, together with
what its positions cost and, with multipliers μ, add to rows; caps come in with multipliers ν. Coordinate descent over
the lower convex hulls of the tables finds x̂, and the tangent there a bound that is the sum of one term for each
variable: a position whose term is above the least by more than what lacks is taken off the ends of the box.

A box is split between two positions of a variable; or its interval of costs is, where the width of that makes much of
what lacks: c₀ in the middle is too far from costs at the ends then. Where few variables are left free, a larger
diagonal is extracted for them.

What float64 loses on the way is taken off each L (`solvers.branch_and_bound.goal` has the reasons).

Source: hull of an extracted diagonal, A. Frangioni, C. Gentile (2007); multipliers by supergradients, A. Geoffrion
(1974), with the step of B. Polyak (1969); the interval of costs is this project's.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynopt_milp.compiled import compiled, forget_stale, part
from dynopt_milp.proof import plain_tree
from dynopt_milp.proof.plain_tree import HUGE
from dynopt_milp.proof.plain_tree import trim as trim_ends
from dynopt_milp.solvers.branch_and_bound import cholesky, extraction
from dynopt_milp.solvers.branch_and_bound.extraction import SHIFT, largest_diagonal
from formulations import FloatArray, IntegerArray

forget_stale(Path(__file__).parent, (Path(str(module.__file__)) for module in (cholesky, extraction, plain_tree)))
DONE, PAUSED, FULL, CROWDED = 0, 1, 2, 3
"""No box is open; enough nodes for now; no room for boxes; no room for portfolios."""
OPEN, NODES, FOUND, SURE = 0, 1, 2, 3
"""Places in ``counts``: open boxes, nodes, portfolios written down, values in the heap."""
UNIT = 2.0**-53
ROW_EDGE = 1e-12  # of what a row adds up: what it may be exceeded by (`formulations.row`, `formulations.norm_cap`)
SWEEPS = 100
EVERY = 2  # sweeps between two evaluations of the bound
CLOSE = 0.05  # of what lacks: with a bound as near to what can be reached no more is tried
CONVERGED = 1e-5  # of the square of the cut
AGAIN = 0.7  # a box that has shrunk to this part of its positions is bounded once more
PASSES = 4  # at most, of a node
ROOT_PASSES = 24
FIRST_ROUNDS = 60  # of multipliers, at the root
PEELS = 0.5, 0.12, 0.88  # where c₀ is in the interval, one after the other, at the root
TINY = 1e-14
TIES = 4e-12  # above the cut: what ties with it is found, too
FEWER, FEWEST = 0.8, 3  # variables: a diagonal is extracted again where so many of those of the last are free
LEVELS = 16  # of diagonals
WIDE = 0.25  # of what lacks to be done with a box: if the width of the interval makes as much, that is split
NARROW = 1e-6  # of the cut: no narrower interval is
KNOWN = 7
STEPS = 6  # of Newton's method, for one
FLOOR = 0.02  # added to f(1 − f), what a unit of D is worth
WHOLE = 1e-7  # so near to a vertex a variable is at it


class Space(NamedTuple):
    """What is searched: tables over a finite box. Positions are counted from whole numbers next to the targets.

    Attributes
    ----------
    factor : ndarray, shape (r, n)
        F.
    gram : ndarray, shape (n, n)
        H = F'F.
    target : ndarray, shape (n,)
        τ.
    length : ndarray, shape (n,)
        ‖Fᵢ‖.
    alone : ndarray, shape (n,)
        How much a fraction of a contract counts where a box is split.
    first, zero : ndarray of int, shape (n,)
        The position of the first entry of each table; the index at which nothing is held, in a table or not.
    start : ndarray of int, shape (n + 1,)
        Where each table begins.
    cost : ndarray
        What positions cost, infinite where one is not allowed.
    rows : ndarray, shape (m, entries)
        What positions add to each row.
    limits : ndarray, shape (m,)
    caps, cap_grams, cap_lengths : ndarray, shape (q, s, n), (q, n, n) and (q, n)
        G, G'G and ‖Gᵢ‖.
    centres : ndarray, shape (q, n)
    radii : ndarray, shape (q,)
    side : ndarray of int, shape (n,)
        The number of the group that may not have opposite signs, −1 if none.
    losses : ndarray, shape (1 + q,)
        κ, of the covariance and of caps.
    """

    factor: FloatArray
    gram: FloatArray
    target: FloatArray
    length: FloatArray
    alone: FloatArray
    first: IntegerArray
    zero: IntegerArray
    start: IntegerArray
    cost: FloatArray
    rows: FloatArray
    limits: FloatArray
    caps: FloatArray
    cap_grams: FloatArray
    cap_lengths: FloatArray
    centres: FloatArray
    radii: FloatArray
    side: IntegerArray
    losses: FloatArray


class Form(NamedTuple):
    """The quadratic part of the relaxation: x'Mx − 2h'x + ``constant``, M = H − D + Σ νG'G; changed in place.

    Attributes
    ----------
    diagonal : ndarray, shape (n,)
        D.
    matrix : ndarray, shape (n, n)
    linear : ndarray, shape (n,)
    constant : ndarray, shape (1,)
    mu, nu : ndarray, shape (m,) and (q,)
    """

    diagonal: FloatArray
    matrix: FloatArray
    linear: FloatArray
    constant: FloatArray
    mu: FloatArray
    nu: FloatArray


class Stack(NamedTuple):
    """Open boxes: indices in the tables, points, what is known, shape (capacity, KNOWN), and which diagonal they have.

    Known are the interval of costs, the least that a portfolio is worth, the interval that the search was split into,
    to which portfolios belong that cost at least A and less than B, and what was lacking to be done with the box, and
    how much of it the width of the interval made.
    """

    low: IntegerArray
    high: IntegerArray
    x: FloatArray
    known: FloatArray
    level: IntegerArray


class Levels(NamedTuple):
    """Diagonals of boxes in boxes, shape (LEVELS, n), and how many variables were free in each."""

    diagonal: FloatArray
    free: IntegerArray


class Pool(NamedTuple):
    """What has been found.

    Attributes
    ----------
    positions : ndarray of int, shape (capacity, n)
    values : ndarray, shape (capacity,)
    heap : ndarray, shape (most + 1,)
        The smallest values of those that surely keep the rules, the largest first.
    counts : ndarray of int, shape (4,)
    cut : ndarray, shape (1,)
        U.
    """

    positions: IntegerArray
    values: FloatArray
    heap: FloatArray
    counts: IntegerArray
    cut: FloatArray


class Room(NamedTuple):
    """Room for one node: vertices of hulls (position, height), how many, at which each variable is; tables, slopes."""

    at: FloatArray
    height: FloatArray
    term: FloatArray
    vertices: IntegerArray
    segment: IntegerArray
    pull: FloatArray
    least: FloatArray


def new_form(space: Space) -> Form:
    """A form without diagonal and multipliers, not yet put together."""
    n, m, q = space.target.size, space.limits.size, space.radii.size
    return Form(np.zeros(n), np.empty((n, n)), np.empty(n), np.empty(1), np.zeros(m), np.zeros(q))


def new_room(space: Space) -> Room:
    """Room for one node of a space."""
    n, entries = space.target.size, int(space.start[-1])
    whole = np.zeros((2, n), dtype=np.int64)
    return Room(np.empty(entries), np.empty(entries), np.empty(entries), whole[0], whole[1], np.empty(n), np.empty(n))


def new_stack(capacity: int, n: int) -> Stack:
    """Room for so many open boxes."""
    return Stack(
        np.empty((capacity, n), dtype=np.int64), np.empty((capacity, n), dtype=np.int64), np.empty((capacity, n)),
        np.empty((capacity, KNOWN)), np.zeros(capacity, dtype=np.int64),
    )  # fmt: skip


def new_levels(diagonal: FloatArray, free: int) -> Levels:
    """Levels of which there is the first."""
    levels = Levels(np.zeros((LEVELS, diagonal.size)), np.zeros(LEVELS, dtype=np.int64))
    levels.diagonal[0], levels.free[0] = diagonal, free
    return levels


def larger_stack(stack: Stack) -> Stack:
    """The same with twice the room."""
    larger = new_stack(2 * len(stack.low), stack.low.shape[1])
    for old, new in zip(stack, larger, strict=True):
        new[: len(old)] = old
    return larger


def new_pool(capacity: int, n: int, most: int, cut: float) -> Pool:
    """Room for so many portfolios, below a cut that falls when ``most`` are known."""
    whole = np.empty((capacity, n), dtype=np.int64)
    return Pool(whole, np.empty(capacity), np.empty(most), np.zeros(SURE + 1, dtype=np.int64), np.array([cut]))


def larger_pool(pool: Pool) -> Pool:
    """The same with twice the room for portfolios."""
    larger = new_pool(2 * len(pool.values), pool.positions.shape[1], 0, 0.0)
    larger.positions[: len(pool.values)], larger.values[: len(pool.values)] = pool.positions, pool.values
    return pool._replace(positions=larger.positions, values=larger.values)


def forget(pool: Pool) -> None:
    """Leave out what is above the cut by now."""
    found = int(pool.counts[FOUND])
    kept = np.flatnonzero(pool.values[:found] <= pool.cut[0])
    pool.positions[: kept.size], pool.values[: kept.size] = pool.positions[kept], pool.values[kept]
    pool.counts[FOUND] = kept.size


@part
def assemble(space: Space, form: Form) -> None:
    """Put the quadratic part together, of D and ν."""
    n = space.target.size
    constant = 0.0
    for i in range(n):
        form.linear[i] = 0.0
        for j in range(n):
            form.matrix[i, j] = space.gram[i, j] - (form.diagonal[i] if i == j else 0.0)
            form.linear[i] += form.matrix[i, j] * space.target[j]
        constant += form.linear[i] * space.target[i]
    for c in range(form.nu.size):
        nu = form.nu[c]
        if nu > 0:
            constant -= nu * space.radii[c] * space.radii[c]
            for i in range(n):
                total = 0.0
                for j in range(n):
                    form.matrix[i, j] += nu * space.cap_grams[c, i, j]
                    total += nu * space.cap_grams[c, i, j] * space.centres[c, j]
                form.linear[i] += total
                constant += total * space.centres[c, i]
    for r in range(form.mu.size):
        constant -= form.mu[r] * space.limits[r]
    form.constant[0] = constant


@part
def trim(space: Space, low: IntegerArray, high: IntegerArray) -> bool:
    """Take what a side or a row forbids, and positions that are not allowed, off the ends; False if none is left."""
    if not trim_ends(space, low, high):  # type: ignore[arg-type]  # it has the same fields
        return False
    n = low.size
    for r in range(space.limits.size):
        least, size = 0.0, abs(space.limits[r])
        for i in range(n):
            smallest = least_of(space, r, i, low[i], high[i])
            least += smallest
            size += abs(smallest)
        room = space.limits[r] + 3 * ROW_EDGE * size - least
        if room < 0:
            return False
        for i in range(n):
            if low[i] == high[i]:
                continue
            begin = space.start[i]
            smallest = least_of(space, r, i, low[i], high[i])
            while low[i] <= high[i]:
                z = begin + low[i]
                if space.cost[z] < HUGE and not beyond(space.rows[r, z], smallest, room):
                    break
                low[i] += 1
            while low[i] <= high[i]:
                z = begin + high[i]
                if space.cost[z] < HUGE and not beyond(space.rows[r, z], smallest, room):
                    break
                high[i] -= 1
            if low[i] > high[i]:
                return False
    return True


@part
def beyond(entry: float, smallest: float, room: float) -> bool:
    """Whether an entry of a row is more than the others leave room for."""
    return entry - smallest > room + 4 * ROW_EDGE * (abs(entry) + abs(smallest))


@part
def least_of(space: Space, r: int, i: int, low: int, high: int) -> float:
    """The least that a variable adds to a row."""
    smallest = np.inf
    for z in range(space.start[i] + low, space.start[i] + high + 1):
        if space.cost[z] < HUGE:
            smallest = min(smallest, space.rows[r, z])
    return smallest


@part
def hull(space: Space, form: Form, i: int, low: int, high: int, scale: float, room: Room) -> None:
    """The terms of a variable, ``scale`` times its cost among them, and their lower convex hull."""
    begin, k = space.start[i], 0
    for z in range(low, high + 1):
        value = space.cost[begin + z]
        if value >= HUGE:
            room.term[begin + z] = np.inf
            continue
        at = float(space.first[i] + z)
        away = at - space.target[i]
        value = value * scale + form.diagonal[i] * away * away
        for r in range(form.mu.size):
            value += form.mu[r] * space.rows[r, begin + z]
        room.term[begin + z] = value
        while k >= 2:
            back, last = begin + k - 2, begin + k - 1
            rise = (room.height[last] - room.height[back]) * (at - room.at[last])
            if rise < (value - room.height[last]) * (room.at[last] - room.at[back]):
                break
            k -= 1
        room.at[begin + k], room.height[begin + k] = at, value
        k += 1
    room.vertices[i] = k


@part
def relax(space: Space, form: Form, x: FloatArray, need: float, small: float, room: Room) -> float:
    """The bound L at x, which descends until it reaches ``need`` or cannot.

    The slopes that belong to it are left in ``room.pull``, and the least term of each variable in ``room.least``.
    """
    n = x.size
    fixed = 0.0
    for i in range(n):
        begin, last = space.start[i], space.start[i] + room.vertices[i] - 1
        x[i] = min(max(x[i], room.at[begin]), room.at[last])
        if room.vertices[i] == 1:
            fixed += room.height[begin]
            room.least[i] = room.height[begin]
        else:
            k = begin
            while k < last - 1 and x[i] > room.at[k + 1]:
                k += 1
            room.segment[i] = k
    value = form.constant[0]
    for i in range(n):
        total, row = 0.0, form.matrix[i]
        for j in range(n):
            total += row[j] * x[j]
        room.pull[i] = total - form.linear[i]
        value += x[i] * (room.pull[i] - form.linear[i])
    bound = -np.inf
    for sweep in range(SWEEPS):
        moved = 0.0
        for i in range(n):
            if room.vertices[i] == 1:
                continue
            begin, last = space.start[i], space.start[i] + room.vertices[i] - 1
            curve, slope, k, old = form.matrix[i, i], room.pull[i], room.segment[i], x[i]
            new = old
            # Of the segment, where the gradient would vanish; else the next one, down or up.
            while True:
                rise = (room.height[k + 1] - room.height[k]) / (room.at[k + 1] - room.at[k])
                down = 2 * (slope + curve * (room.at[k] - old)) + rise
                if down > 0:
                    if k == begin:
                        new = room.at[k]
                        break
                    before = (room.height[k] - room.height[k - 1]) / (room.at[k] - room.at[k - 1])
                    if 2 * (slope + curve * (room.at[k] - old)) + before <= 0:
                        new = room.at[k]
                        break
                    k -= 1
                    continue
                up = 2 * (slope + curve * (room.at[k + 1] - old)) + rise
                if up < 0:
                    if k + 1 == last:
                        new = room.at[k + 1]
                        break
                    after = (room.height[k + 2] - room.height[k + 1]) / (room.at[k + 2] - room.at[k + 1])
                    if 2 * (slope + curve * (room.at[k + 1] - old)) + after >= 0:
                        new = room.at[k + 1]
                        break
                    k += 1
                    continue
                new = old - (slope + 0.5 * rise) / curve if curve > 0 else old
                new = min(max(new, room.at[k]), room.at[k + 1])
                break
            room.segment[i] = k
            step = new - old
            if step != 0:
                change = step * (2 * slope + curve * step)
                value += change
                moved += curve * step * step
                row = form.matrix[i]
                for j in range(n):
                    room.pull[j] += step * row[j]
                x[i] = new
        if sweep % EVERY == 0 or moved <= 1e-3 * small:
            bound, primal = value + fixed, value + fixed
            for i in range(n):
                if room.vertices[i] == 1:
                    continue
                begin, slope, least = space.start[i], 2 * room.pull[i], np.inf
                for k in range(begin, begin + room.vertices[i]):
                    least = min(least, room.height[k] + slope * room.at[k])
                room.least[i] = least
                bound += least - slope * x[i]
                k = room.segment[i]
                rise = (room.height[k + 1] - room.height[k]) / (room.at[k + 1] - room.at[k])
                primal += room.height[k] + rise * (x[i] - room.at[k])
            gap = primal - bound
            if bound > need or gap <= small or (primal < need and gap < CLOSE * (need - primal)):
                break
    return bound


@part
def tolerance(space: Space, form: Form, low: IntegerArray, high: IntegerArray, cut: float) -> float:
    """What float64, D and the factor can make of q in a box."""
    n, rows = space.target.size, len(space.factor)
    spread, squares, sizes = 0.0, 0.0, 0.0
    for i in range(n):
        origin = space.first[i] - space.target[i]
        risk = space.length[i] * max(abs(origin + low[i]), abs(origin + high[i]))
        spread += risk
        squares += risk * risk
    for c in range(form.nu.size):
        if form.nu[c] > 0:
            total = space.radii[c]
            for i in range(n):
                origin = space.first[i] - space.centres[c, i]
                total += space.cap_lengths[c, i] * max(abs(origin + low[i]), abs(origin + high[i]))
            lost = (space.losses[1 + c] + 8 * (3 * n + rows + 10) * UNIT) * total * total
            sizes += form.nu[c] * (lost + 4 * ROW_EDGE * space.radii[c] * space.radii[c])
    for r in range(form.mu.size):
        if form.mu[r] > 0:
            total = abs(space.limits[r])
            for i in range(n):
                begin, largest = space.start[i], 0.0
                for z in range(begin + low[i], begin + high[i] + 1):
                    if space.cost[z] < HUGE:
                        largest = max(largest, abs(space.rows[r, z]))
                total += largest
            sizes += 4 * ROW_EDGE * form.mu[r] * total
    sizes += 8 * UNIT * (rows + 3 * n + 10) * (spread * spread + 2 * cut * cut)
    return sizes + 4 * SHIFT * squares + space.losses[0] * spread * spread  # type: ignore[no-any-return]


@part
def choose(space: Space, low: IntegerArray, high: IntegerArray, x: FloatArray, room: Room) -> tuple[int, int]:
    """Which variable to split, and the last index of the lower half; −1 if the box is a point."""
    n, split, most = x.size, -1, 0.0
    for i in range(n):  # sides that are in conflict come first
        long = x[i] - (space.first[i] + space.zero[i])
        if space.side[i] >= 0 and long > 0 and low[i] <= space.zero[i] and high[i] > space.zero[i]:
            for j in range(n):
                short = space.first[j] + space.zero[j] - x[j]
                if space.side[j] == space.side[i] and short > 0:
                    score = min(long * space.length[i], short * space.length[j])
                    if score > most:
                        split, most = i, score
    if split >= 0:
        return split, space.zero[split]
    other, widest = -1, 0.0
    for i in range(n):
        if low[i] == high[i]:
            continue
        away, begin = np.inf, space.start[i]
        for k in range(begin, begin + room.vertices[i]):
            away = min(away, abs(x[i] - room.at[k]))
        away = min(away, 1.0)
        score = away * space.alone[i]
        if away > WHOLE and score > most:
            split, most = i, score
        if space.length[i] >= widest:
            other, widest = i, space.length[i]
    if split >= 0:
        at = math.floor(x[split]) - space.first[split]
        return split, min(max(at, low[split]), high[split] - 1)
    if other < 0:
        return -1, 0
    at = round(x[other]) - space.first[other]  # the point itself stays with what is beside it on one side
    if at >= high[other]:
        at = high[other] - 1
    return other, max(at, low[other])


@part
def supergradient(
    space: Space, form: Form, low: IntegerArray, high: IntegerArray, x: FloatArray, scale: float, need: float,
    small: float, room: Room,
) -> None:  # fmt: skip
    """Look for good multipliers, from those that ``form`` has; the best are left there."""
    n, m, q = x.size, form.mu.size, form.nu.size
    mu, nu, rise = form.mu.copy(), form.nu.copy(), np.empty(m + q)
    best, length = -np.inf, 1.0
    for turn in range(FIRST_ROUNDS):
        assemble(space, form)
        for i in range(n):
            hull(space, form, i, low[i], high[i], scale, room)
        bound = relax(space, form, x, need, small, room)
        if bound > best:
            best = bound
            mu[:], nu[:] = form.mu, form.nu
        else:
            length *= 0.6
        if bound > need or turn == FIRST_ROUNDS - 1 or length < 1e-3:
            break
        steep = 0.0
        for r in range(m):
            total = -space.limits[r]
            for i in range(n):
                begin = space.start[i]
                if room.vertices[i] == 1:
                    total += space.rows[r, begin - space.first[i] + int(room.at[begin])]
                    continue
                k = room.segment[i]
                one = space.rows[r, begin - space.first[i] + int(room.at[k])]
                other = space.rows[r, begin - space.first[i] + int(room.at[k + 1])]
                total += one + (other - one) * (x[i] - room.at[k]) / (room.at[k + 1] - room.at[k])
            unit = max(abs(space.limits[r]), TINY)
            rise[r] = total / unit
            if form.mu[r] <= 0 and rise[r] < 0:
                rise[r] = 0.0
            steep += rise[r] * rise[r]
        for c in range(q):
            square = 0.0
            for i in range(n):
                total = 0.0
                for j in range(n):
                    total += space.cap_grams[c, i, j] * (x[j] - space.centres[c, j])
                square += total * (x[i] - space.centres[c, i])
            unit = max(space.radii[c] * space.radii[c], TINY)
            rise[m + c] = square / unit - 1
            if form.nu[c] <= 0 and rise[m + c] < 0:
                rise[m + c] = 0.0
            steep += rise[m + c] * rise[m + c]
        if steep <= 1e-20:
            break
        step = length * max(need - bound, 0.05 * abs(need)) / steep
        for r in range(m):
            form.mu[r] = max(0.0, form.mu[r] + step * rise[r] / max(abs(space.limits[r]), TINY))
        for c in range(q):
            unit = max(space.radii[c] * space.radii[c], TINY)
            form.nu[c] = max(0.0, form.nu[c] + step * rise[m + c] / unit)
    form.mu[:], form.nu[:] = mu, nu
    assemble(space, form)


@part
def bounded(
    space: Space, form: Form, low: IntegerArray, high: IntegerArray, x: FloatArray, known: FloatArray, cut: float,
    root: bool, room: Room,
) -> bool:  # fmt: skip
    """Make a box, and its interval of costs, smaller; False if it holds no wanted portfolio.

    ``known`` is what a :class:`Stack` has.
    """
    n = x.size
    small = CONVERGED * cut * cut
    for turn in range(ROOT_PASSES if root else PASSES):
        if not trim(space, low, high):
            return False
        least, largest, width = 0.0, 0.0, 0
        for i in range(n):
            smallest, most = np.inf, 0.0
            for z in range(space.start[i] + low[i], space.start[i] + high[i] + 1):
                if space.cost[z] < HUGE:
                    smallest, most = min(smallest, space.cost[z]), max(most, space.cost[z])
            least += smallest
            largest += most
            width += high[i] - low[i]
        a = max(known[0], least * (1 - 1e-13))
        b = min(known[1], largest * (1 + 1e-13), cut)
        if a > b:
            return False
        known[0], known[1] = a, b
        share = PEELS[turn % 3] if root else 0.5
        middle = a + share * (b - a)
        half = max(middle - a, b - middle)
        scale = 2 * (cut - middle)
        error = tolerance(space, form, low, high, cut)
        need = cut * cut - middle * middle + half * half + error  # the box is done with if L is above
        for i in range(n):
            hull(space, form, i, low[i], high[i], scale, room)
        if root and turn == 0 and form.mu.size + form.nu.size > 0:
            supergradient(space, form, low, high, x, scale, need, small, room)
            error = tolerance(space, form, low, high, cut)
            need = cut * cut - middle * middle + half * half + error
            for i in range(n):
                hull(space, form, i, low[i], high[i], scale, room)
        bound = relax(space, form, x, need, small, room)
        if bound > need:
            return False
        least = bound - error  # of q + scale × cost: the value is concave in the cost, up to where q would be negative
        last = b if scale <= 0 or least > scale * b else max(least / scale, a)
        value_a = math.sqrt(max(least - scale * a, 0.0)) + a
        value_b = math.sqrt(max(least - scale * last, 0.0)) + last
        known[2] = max(known[2], min(value_a, value_b) * (1 - 1e-13))
        square = least - cut * cut + middle * middle
        if square > 0:  # costs between are out of the question
            away = math.sqrt(square) * (1 - 1e-12)
            if middle - away < a:
                known[0] = max(a, min(middle + away, b))
            if middle + away > b:
                known[1] = min(b, max(middle - away, a))
        slack, left = need - bound, 0
        known[5], known[6] = slack, half * half
        for i in range(n):
            if low[i] < high[i]:
                begin, slope = space.start[i], 2 * room.pull[i]
                origin, most = space.first[i], room.least[i] + slack
                while low[i] < high[i] and room.term[begin + low[i]] + slope * (origin + low[i]) > most:
                    low[i] += 1
                while low[i] < high[i] and room.term[begin + high[i]] + slope * (origin + high[i]) > most:
                    high[i] -= 1
                left += high[i] - low[i]
        if root:
            if turn % 3 == 2 and left > 0.95 * width and known[1] - known[0] > 0.95 * (b - a):
                break
        elif left == 0 or left > AGAIN * width:
            break
    return True


@part
def keeps(space: Space, point: IntegerArray) -> int:
    """Whether a portfolio keeps rows and caps: 0 if not, 1 if float64 cannot tell, 2 if it does."""
    n, sure = point.size, 2
    for r in range(space.limits.size):
        total, size = 0.0, abs(space.limits[r])
        for i in range(n):
            entry = space.rows[r, space.start[i] + point[i]]
            total += entry
            size += abs(entry)
        if total > space.limits[r] + 1.5 * ROW_EDGE * size:
            return 0
        if total > space.limits[r] + 0.5 * ROW_EDGE * size:
            sure = 1
    for c in range(space.radii.size):
        square, spread = 0.0, 0.0
        for s in range(space.caps.shape[1]):
            total = 0.0
            for i in range(n):
                total += space.caps[c, s, i] * (space.first[i] + point[i] - space.centres[c, i])
            square += total * total
        for i in range(n):
            spread += space.cap_lengths[c, i] * abs(space.first[i] + point[i] - space.centres[c, i])
        doubt = 2 * (n + space.caps.shape[1] + 8) * UNIT * spread + math.sqrt(space.losses[1 + c]) * spread
        norm = math.sqrt(square)
        if norm - doubt > space.radii[c] * (1 + 2 * ROW_EDGE):
            return 0
        if norm + doubt > space.radii[c]:
            sure = 1
    return sure


@part
def worth(space: Space, point: IntegerArray) -> tuple[float, float]:
    """Tracking error plus cost of a portfolio, as float64 has them, and how far that can be from the exact one."""
    n, rows = point.size, len(space.factor)
    square, cost, spread = 0.0, 0.0, 0.0
    for r in range(rows):
        total = 0.0
        for i in range(n):
            total += space.factor[r, i] * (space.first[i] + point[i] - space.target[i])
        square += total * total
    for i in range(n):
        cost += space.cost[space.start[i] + point[i]]
        spread += space.length[i] * abs(space.first[i] + point[i] - space.target[i])
    error = math.sqrt(square)
    doubt = 4 * (n + rows + 8) * UNIT * spread
    left = math.sqrt(space.losses[0]) * spread
    if left > 0:
        doubt += left * (left / max(error - doubt, left))
    return error + cost, doubt + 4 * (n + 16) * UNIT * (error + cost)


@part
def put(heap: FloatArray, filled: int, value: float) -> int:
    """Put a value into the heap of the smallest ones, the largest of which is at its top; how many there are."""
    if filled < heap.size:
        k = filled
        while k > 0 and heap[(k - 1) // 2] < value:
            heap[k] = heap[(k - 1) // 2]
            k = (k - 1) // 2
        heap[k] = value
        return filled + 1
    if value < heap[0]:
        k = 0
        while True:
            child = 2 * k + 1
            if child >= filled:
                break
            if child + 1 < filled and heap[child + 1] > heap[child]:
                child += 1
            if heap[child] <= value:
                break
            heap[k] = heap[child]
            k = child
        heap[k] = value
    return filled


@part
def one_sided(space: Space, point: IntegerArray) -> bool:
    """Whether no group is held with opposite signs."""
    for i in range(point.size):
        if space.side[i] >= 0 and point[i] > space.zero[i]:
            for j in range(point.size):
                if space.side[j] == space.side[i] and point[j] < space.zero[j]:
                    return False
    return True


@compiled
def enough_below(
    space: Space, low: IntegerArray, high: IntegerArray, best: IntegerArray, keys: IntegerArray, heap: FloatArray,
    points: IntegerArray, steps: int,
) -> float:  # fmt: skip
    """A value that as many portfolios as ``heap`` has room for are not above, for sure; +∞ if none is found.

    They are looked for around the best: of the best one whose neighbours were not looked at yet, one or two positions
    are changed by a contract, ``steps`` times. ``keys`` are random numbers, by which portfolios are told apart: what
    is mistaken for another counts once, which loses a value and nothing else.
    """
    n, capacity, filled, known = best.size, len(points), 0, 1
    size = 1
    while size < 4 * capacity:
        size *= 2
    table, codes = np.full(size, -1), np.empty(capacity, np.int64)
    values, looked = np.empty(capacity), np.zeros(capacity, np.bool_)
    pull, change, moves, by = np.empty(n), np.empty(2 * n), np.empty(2 * n, np.int64), np.empty(2 * n)
    point = np.empty(n, np.int64)
    points[0] = best
    value, doubt = worth(space, best)
    values[0], codes[0] = value, 0
    if keeps(space, best) == 2:
        filled = put(heap, filled, value + doubt)
    table[0] = 0
    for _ in range(steps):
        chosen, least = -1, heap[0] if filled == heap.size else np.inf
        for k in range(known):
            if not looked[k] and values[k] < least:
                chosen, least = k, values[k]
        if chosen < 0:
            break
        looked[chosen] = True
        square, cost, count = 0.0, 0.0, 0
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += space.gram[i, j] * (space.first[j] + points[chosen, j] - space.target[j])
            pull[i] = total
            square += total * (space.first[i] + points[chosen, i] - space.target[i])
            cost += space.cost[space.start[i] + points[chosen, i]]
        for i in range(n):
            at = points[chosen, i]
            for sign in range(-1, 2, 2):
                to = at + sign
                while low[i] <= to <= high[i] and space.cost[space.start[i] + to] >= HUGE:
                    to += sign
                if low[i] <= to <= high[i]:
                    moves[count], by[count] = i, to - at
                    change[count] = space.cost[space.start[i] + to] - space.cost[space.start[i] + at]
                    count += 1
        for one in range(count):
            i = moves[one]
            alone = square + by[one] * (2 * pull[i] + by[one] * space.gram[i, i])
            for other in range(one, count):
                j = moves[other]
                if i == j and other != one:
                    continue
                moved, paid = alone, cost + change[one]
                if other != one:
                    both = 2 * pull[j] + by[other] * space.gram[j, j] + 2 * by[one] * space.gram[i, j]
                    moved += by[other] * both
                    paid += change[other]
                top = heap[0] if filled == heap.size else np.inf
                if paid >= top or moved >= (top - paid) * (top - paid):
                    continue
                code = codes[chosen] + keys[i] * int(by[one])
                if other != one:
                    code += keys[j] * int(by[other])
                slot = code & (size - 1)
                while table[slot] >= 0 and codes[table[slot]] != code:
                    slot = (slot + 1) & (size - 1)
                if table[slot] >= 0 or known == capacity:
                    continue
                point[:] = points[chosen]
                point[i] += int(by[one])
                if other != one:
                    point[j] += int(by[other])
                if keeps(space, point) < 2 or not one_sided(space, point):
                    continue
                value, doubt = worth(space, point)
                table[slot] = known
                points[known], values[known], codes[known] = point, value, code
                known += 1
                filled = put(heap, filled, value + doubt)
    return heap[0] if filled == heap.size else np.inf


@compiled
def shrink(
    space: Space, form: Form, low: IntegerArray, high: IntegerArray, x: FloatArray, known: FloatArray, cut: float,
    room: Room,
) -> bool:  # fmt: skip
    """Make the first box smaller, with multipliers that are looked for; False if it holds no wanted portfolio."""
    assemble(space, form)
    return bounded(space, form, low, high, x, known, cut, True, room)


@part
def extract(space: Space, low: IntegerArray, high: IntegerArray, x: FloatArray, free: int, into: FloatArray) -> None:
    """A diagonal for the free variables of a box."""
    places, weight, gram = np.empty(free, np.int64), np.empty(free), np.empty((free, free))
    k = 0
    for i in range(x.size):
        into[i] = 0.0
        if low[i] < high[i]:
            places[k] = i
            fraction = x[i] - math.floor(x[i])
            weight[k] = fraction * (1 - fraction) + FLOOR
            k += 1
    for a in range(free):
        for b in range(free):
            gram[a, b] = space.gram[places[a], places[b]]
    found = largest_diagonal(gram, weight, STEPS)
    for a in range(free):
        into[places[a]] = found[a]


@compiled
def collect(
    space: Space, form: Form, stack: Stack, levels: Levels, pool: Pool, room: Room, most: int
) -> int:  # fmt: skip
    """Go on until no box is open, ``most`` more nodes were looked at, or there is no room."""
    n, counts = space.target.size, pool.counts
    low, high, x, known = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n), np.empty(KNOWN)
    last, loaded = counts[NODES] + most, -1
    while counts[OPEN] > 0:
        if counts[NODES] >= last:
            return PAUSED
        if counts[OPEN] + 2 > len(stack.low):
            return FULL
        if counts[FOUND] >= len(pool.values):
            return CROWDED
        top = counts[OPEN] - 1
        counts[OPEN] = top
        cut = pool.cut[0]
        if stack.known[top, 2] > cut:
            continue
        low[:], high[:], x[:], known[:] = stack.low[top], stack.high[top], stack.x[top], stack.known[top]
        level = stack.level[top]
        counts[NODES] += 1
        if level != loaded:
            form.diagonal[:] = levels.diagonal[level]
            assemble(space, form)
            loaded = level
        if not bounded(space, form, low, high, x, known, cut, False, room):
            continue
        free = 0
        for i in range(n):
            free += low[i] < high[i]
        if FEWEST <= free <= FEWER * levels.free[level] and level + 1 < LEVELS:
            level += 1  # boxes of this level that were open are done with: the last one in is the first one out
            extract(space, low, high, x, free, levels.diagonal[level])
            levels.free[level] = free
            form.diagonal[:] = levels.diagonal[level]
            assemble(space, form)
            loaded = level
            if not bounded(space, form, low, high, x, known, cut, False, room):
                continue
        split, at = choose(space, low, high, x, room)
        if split < 0:
            sure = keeps(space, low)
            value, doubt = worth(space, low)
            paid = 0.0  # added up as it is for boxes
            for i in range(n):
                paid += space.cost[space.start[i] + low[i]]
            if sure == 0 or value - doubt > cut or not known[3] <= paid < known[4]:
                continue
            found = counts[FOUND]
            pool.positions[found] = low
            pool.values[found] = value - doubt
            counts[FOUND] = found + 1
            if sure == 2 and pool.heap.size > 0:
                counts[SURE] = put(pool.heap, counts[SURE], value + doubt)
                if counts[SURE] == pool.heap.size:
                    pool.cut[0] = min(cut, pool.heap[0] * (1 + TIES))
            continue
        if known[6] > WIDE * known[5] and known[1] - known[0] > NARROW * cut:
            middle = 0.5 * (known[0] + known[1])
            for turn in range(2):
                stack.low[top], stack.high[top], stack.x[top], stack.known[top] = low, high, x, known
                stack.level[top] = level
                if turn == 0:
                    stack.known[top, 1], stack.known[top, 4] = middle, min(middle, known[4])
                else:
                    stack.known[top, 0], stack.known[top, 3] = middle, max(middle, known[3])
                top += 1
            counts[OPEN] = top
            continue
        lower_first = x[split] - space.first[split] <= at + 0.5
        for turn in range(2):  # the last is the first to be taken up
            stack.low[top], stack.high[top], stack.x[top], stack.known[top] = low, high, x, known
            stack.level[top] = level
            if (turn == 1) == lower_first:
                stack.high[top, split] = at
            else:
                stack.low[top, split] = at + 1
            top += 1
        counts[OPEN] = top
    return DONE
