"""A plain tree, grown depth first, whose leaves can be written down.

Each node has a box. Over the convex hulls of what positions cost, of rules too with multipliers μ (rows) and ν (caps),
coordinate descent finds a point x̂, and from it come ψ = F(τ − x̂) ÷ ‖F(τ − x̂)‖ and χ = G(x̂ − t) ÷ ‖G(x̂ − t)‖. They
are rounded towards zero to D binary digits, so that their lengths stay at most 1, and the bound of a leaf (`bound` of
proof_checker) is evaluated for the rounded ones. Where it reaches the cut the node is a leaf; else it is split at the
fraction that carries most risk. Nothing else is done that would have to be written down.

Source: the dual of the square-root lasso, A. Belloni, V. Chernozhukov, L. Wang (2011); Lagrangean multipliers by
supergradients, A. Geoffrion (1974), with the step of B. Polyak (1969).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.compiled import compiled, part
from formulations import FloatArray, IntegerArray

INNER, LEAF, REFUTED, EMPTY = 0, 1, 2, 3
"""Kinds of nodes: two halves; a bound that reaches the cut; rules that no portfolio keeps; no allowed position."""
OPEN, NODES, LEAVES = 0, 1, 2
"""Places in ``counts``."""
DONE, PAUSED, FULL = 0, 1, 2
HUGE = 1e300
SWEEPS = 300
EVERY = 3  # sweeps between two evaluations of the bound
CONVERGED = 1e-4  # of the value
CLOSE = 0.1  # of what lacks to the cut: with a bound as near to what can be reached no more is tried
FIRST_ROUNDS, ROUNDS = 60, 12  # of multipliers, at the root and at other nodes
LITTLE = 1e-3  # of what lacks: a round that gains less is the last
MANTISSA = 2.0**24  # of a multiplier that is written down
TINY = 1e-14
REFUTES = 1e-9  # of what a rule adds up: by how much it has to be broken
LOST = 1e-12  # of what is added up over a box, by float64


class Search(NamedTuple):
    """What is searched: a program over a finite box. Positions are counted from whole numbers next to the targets.

    Where targets are whole but for round-off, what is left of them would be lost among contracts.

    Attributes
    ----------
    factor : ndarray, shape (r, n)
        F.
    gram : ndarray, shape (n, n)
        F'F.
    target : ndarray, shape (n,)
        τ.
    first : ndarray of int, shape (n,)
        The position of the first entry of each table.
    zero : ndarray of int, shape (n,)
        The index at which nothing is held, in a table or not.
    start : ndarray of int, shape (n + 1,)
        Where each table begins.
    cost : ndarray
        What positions cost, infinite where one is not allowed.
    rows : ndarray, shape (m, entries)
        What positions add to each row.
    limits : ndarray, shape (m,)
        b.
    caps, cap_grams : ndarray, shape (q, s, n) and (q, n, n)
        G, with rows of zeros, and G'G.
    centres : ndarray, shape (q, n)
        t.
    radii : ndarray, shape (q,)
        ρ.
    side : ndarray of int, shape (n,)
        The number of the group that may not have opposite signs, −1 if none.
    alone : ndarray, shape (n,)
        How much a fraction of a contract counts where a box is split.
    """

    factor: FloatArray
    gram: FloatArray
    target: FloatArray
    first: IntegerArray
    zero: IntegerArray
    start: IntegerArray
    cost: FloatArray
    rows: FloatArray
    limits: FloatArray
    caps: FloatArray
    cap_grams: FloatArray
    centres: FloatArray
    radii: FloatArray
    side: IntegerArray
    alone: FloatArray


class Tree(NamedTuple):
    """Open boxes, and what has been written down.

    Attributes
    ----------
    low, high : ndarray of int, shape (capacity, n)
        Indices in the tables.
    x : ndarray, shape (capacity, n)
    mu, nu : ndarray, shape (capacity, m) and (capacity, q)
        Of the parent.
    nodes : ndarray of int, shape (capacity, 3)
        Kind, then instrument and index, or the number of the leaf.
    psi : ndarray of int, shape (capacity, r)
        Of leaves, in units of 2⁻ᴰ.
    leaf_mu, leaf_nu : ndarray, shape (capacity, m) and (capacity, q)
    chi : ndarray of int, shape (capacity, q, s)
    counts : ndarray of int, shape (3,)
        Open boxes, nodes and leaves.
    """

    low: IntegerArray
    high: IntegerArray
    x: FloatArray
    mu: FloatArray
    nu: FloatArray
    nodes: IntegerArray
    psi: IntegerArray
    leaf_mu: FloatArray
    leaf_nu: FloatArray
    chi: IntegerArray
    counts: IntegerArray


class Work(NamedTuple):
    """Room for one node: vertices of hulls (position, height, how many), slopes, squared norms and half their
    gradients, vectors in units of 2⁻ᴰ.
    """

    at: FloatArray
    height: FloatArray
    vertices: IntegerArray
    slope: FloatArray
    norm: FloatArray
    pull: FloatArray
    psi: FloatArray
    chi: FloatArray


@part
def hulls(search: Search, low: IntegerArray, high: IntegerArray, mu: FloatArray, weight: float, work: Work) -> None:
    """The lower convex hull of each variable's term over its range; ``weight`` of the cost is 1, or 0."""
    for i in range(low.size):
        begin, k = search.start[i], 0
        for z in range(low[i], high[i] + 1):
            value = search.cost[begin + z]
            if value >= HUGE:
                continue
            value *= weight
            for r in range(mu.size):
                value += mu[r] * search.rows[r, begin + z]
            at = float(search.first[i] + z)
            while k >= 2:
                back, last = begin + k - 2, begin + k - 1
                rise = (work.height[last] - work.height[back]) * (at - work.at[last])
                if rise < (value - work.height[last]) * (work.at[last] - work.at[back]):
                    break
                k -= 1
            work.at[begin + k], work.height[begin + k] = at, value
            k += 1
        work.vertices[i] = k


@part
def least_vertex(search: Search, work: Work, i: int, slope: float) -> float:
    """The minimum of a variable's term plus slope × position."""
    least = np.inf
    for k in range(search.start[i], search.start[i] + work.vertices[i]):
        least = min(least, work.height[k] + slope * work.at[k])
    return least


@part
def between(search: Search, position: float, i: int, work: Work) -> tuple[int, int, float]:
    """The vertices of a hull below and above a position, and the share of the way; the only one twice, and 0."""
    k, last = search.start[i], search.start[i] + work.vertices[i] - 1
    if k == last:
        return k, k, 0.0
    while k < last - 1 and position > work.at[k + 1]:
        k += 1
    return k, k + 1, (position - work.at[k]) / (work.at[k + 1] - work.at[k])


@part
def norms(search: Search, x: FloatArray, work: Work) -> None:
    """‖F(x − τ)‖ and ‖G(x − t)‖, and half the gradients of their squares, afresh."""
    n, caps = x.size, search.radii.size
    for j in range(caps + 1):
        square = 0.0
        for a in range(n):
            total = 0.0
            for b in range(n):
                if j == 0:
                    total += search.gram[a, b] * (x[b] - search.target[b])
                else:
                    total += search.cap_grams[j - 1, a, b] * (x[b] - search.centres[j - 1, b])
            work.pull[j, a] = total
            square += total * (x[a] - (search.target[a] if j == 0 else search.centres[j - 1, a]))
        work.norm[j] = max(square, 0.0)


@part
def written_bound(
    search: Search, x: FloatArray, mu: FloatArray, nu: FloatArray, unit: float, weight: float, work: Work
) -> float:  # fmt: skip
    """The bound of a leaf with ψ and χ of x, rounded; they are left in ``work``."""
    n, caps = x.size, search.radii.size
    bound = 0.0
    for i in range(n):
        work.slope[i] = 0.0
    for r in range(mu.size):
        bound -= mu[r] * search.limits[r]
    for j in range(caps + 1):
        scale = weight if j == 0 else nu[j - 1]
        rows = search.factor.shape[0] if j == 0 else search.caps.shape[1]
        vector = work.psi if j == 0 else work.chi[j - 1]
        length = 0.0
        for r in range(rows):
            total = 0.0
            for i in range(n):
                if j == 0:
                    total += search.factor[r, i] * (search.target[i] - x[i])
                else:
                    total += search.caps[j - 1, r, i] * (x[i] - search.centres[j - 1, i])
            vector[r] = total
            length += total * total
        length = math.sqrt(length)
        for r in range(rows):
            vector[r] = np.trunc(vector[r] / length * (1 - TINY) * unit) if length > 0 and scale > 0 else 0.0
        if j > 0:
            bound -= scale * search.radii[j - 1]
        if scale == 0:
            continue
        for i in range(n):
            total = 0.0
            for r in range(rows):
                if vector[r] != 0:
                    total += vector[r] * (search.factor[r, i] if j == 0 else search.caps[j - 1, r, i])
            total *= scale / unit
            if j == 0:
                work.slope[i] -= total
                bound += total * search.target[i]
            else:
                work.slope[i] += total
                bound -= total * search.centres[j - 1, i]
    for i in range(n):
        bound += least_vertex(search, work, i, work.slope[i])
    return bound


@part
def relax(
    search: Search, x: FloatArray, mu: FloatArray, nu: FloatArray, cut: float, unit: float, weight: float, floor: float,
    work: Work,
) -> float:  # fmt: skip
    """Coordinate descent from x; the best bound on the way, until it reaches ``cut`` or cannot."""
    n, caps, best = x.size, search.radii.size, -np.inf
    for i in range(n):
        first, last = work.at[search.start[i]], work.at[search.start[i] + work.vertices[i] - 1]
        x[i] = min(max(x[i], first), last)
    for sweep in range(SWEEPS):
        if sweep % EVERY == 0:
            norms(search, x, work)
            bound = written_bound(search, x, mu, nu, unit, weight, work)
            if bound > best:
                best = bound
            primal = weight * math.sqrt(work.norm[0])
            for j in range(caps):
                primal += nu[j] * (math.sqrt(work.norm[j + 1]) - search.radii[j])
            for r in range(mu.size):
                primal -= mu[r] * search.limits[r]
            for i in range(n):
                below, above, share = between(search, x[i], i, work)
                primal += work.height[below] + share * (work.height[above] - work.height[below])
            if (
                bound >= cut
                or primal - best <= CONVERGED * abs(cut)
                or (primal < cut and primal - best < CLOSE * (cut - primal))
            ):
                break
        for i in range(n):
            if work.vertices[i] == 1:
                continue
            curve = slope = 0.0
            for j in range(caps + 1):
                scale = weight if j == 0 else nu[j - 1]
                if scale > 0:
                    root = max(math.sqrt(max(work.norm[j], 0.0)), floor)
                    gram = search.gram[i, i] if j == 0 else search.cap_grams[j - 1, i, i]
                    curve += scale * gram / root
                    slope += scale * work.pull[j, i] / root
            begin, last = search.start[i], work.vertices[i] - 1
            if curve <= 0:
                best_k, least = 0, np.inf
                for k in range(last + 1):
                    value = work.height[begin + k] + slope * work.at[begin + k]
                    if value < least:
                        best_k, least = k, value
                new = work.at[begin + best_k]
            else:
                free, new = x[i] - slope / curve, work.at[begin + last]
                for k in range(last):
                    rise = (work.height[begin + k + 1] - work.height[begin + k]) / (
                        work.at[begin + k + 1] - work.at[begin + k]
                    )
                    if curve * (work.at[begin + k + 1] - free) + rise >= 0:
                        new = max(work.at[begin + k], free - rise / curve)
                        break
            step = new - x[i]
            if step != 0:
                for j in range(caps + 1):
                    gram = search.gram[i] if j == 0 else search.cap_grams[j - 1, i]
                    work.norm[j] += step * (2 * work.pull[j, i] + step * gram[i])
                    for a in range(n):
                        work.pull[j, a] += step * gram[a]
                x[i] = new
    return best


@part
def mixed_row(search: Search, x: FloatArray, r: int, work: Work) -> float:
    """What a row adds up at x, between the vertices of the hulls."""
    total = 0.0
    for i in range(x.size):
        below, above, share = between(search, x[i], i, work)
        zero = search.start[i] - search.first[i]
        one, other = search.rows[r, zero + int(work.at[below])], search.rows[r, zero + int(work.at[above])]
        total += one + share * (other - one)
    return total


@part
def short(number: float) -> float:
    """A number with few binary digits, not above it."""
    if number <= 0:
        return 0.0
    mantissa, exponent = math.frexp(number)
    return math.ldexp(np.floor(mantissa * MANTISSA), exponent) / MANTISSA


@part
def write(tree: Tree, kind: int, one: int, two: int) -> None:
    """Write a node down."""
    number = tree.counts[NODES]
    tree.nodes[number, 0], tree.nodes[number, 1], tree.nodes[number, 2] = kind, one, two
    tree.counts[NODES] = number + 1


@part
def write_leaf(tree: Tree, kind: int, mu: FloatArray, nu: FloatArray, work: Work) -> None:
    """Write a leaf down, with ψ and χ of ``work``."""
    leaf = tree.counts[LEAVES]
    for r in range(tree.psi.shape[1]):
        tree.psi[leaf, r] = int(work.psi[r])
    for r in range(mu.size):
        tree.leaf_mu[leaf, r] = mu[r]
    for j in range(nu.size):
        tree.leaf_nu[leaf, j] = nu[j]
        for r in range(tree.chi.shape[2]):
            tree.chi[leaf, j, r] = int(work.chi[j, r])
    tree.counts[LEAVES] = leaf + 1
    write(tree, kind, leaf, 0)


@part
def trim(search: Search, low: IntegerArray, high: IntegerArray) -> bool:
    """Take what a side forbids, and positions that are not allowed, off the ends; False if a variable has none left."""
    n = low.size
    for i in range(n):
        if search.side[i] >= 0:
            for j in range(n):
                if search.side[j] == search.side[i]:
                    if low[j] > search.zero[j]:
                        low[i] = max(low[i], search.zero[i])
                    if high[j] < search.zero[j]:
                        high[i] = min(high[i], search.zero[i])
    for i in range(n):
        begin = search.start[i]
        while low[i] <= high[i] and search.cost[begin + low[i]] >= HUGE:
            low[i] += 1
        while low[i] <= high[i] and search.cost[begin + high[i]] >= HUGE:
            high[i] -= 1
        if low[i] > high[i]:
            return False
    return True


@part
def broken_row(search: Search, low: IntegerArray, high: IntegerArray) -> int:
    """A row that no portfolio of the box keeps, −1 if none is found."""
    for r in range(search.limits.size):
        least, size = 0.0, abs(search.limits[r])
        for i in range(low.size):
            smallest = np.inf
            for z in range(search.start[i] + low[i], search.start[i] + high[i] + 1):
                if search.cost[z] < HUGE:
                    smallest = min(smallest, search.rows[r, z])
            least += smallest
            size += abs(smallest)
        if least > search.limits[r] + LOST * size:
            return r
    return -1


@part
def broken_cap(
    search: Search, low: IntegerArray, high: IntegerArray, x: FloatArray, mu: FloatArray, nu: FloatArray, unit: float,
    floor: float, work: Work,
) -> bool:  # fmt: skip
    """Whether no portfolio of the box keeps one of the caps; its multipliers are left in the last arguments."""
    for j in range(nu.size):
        mu[:], nu[:] = 0.0, 0.0
        nu[j] = 1.0
        hulls(search, low, high, mu, 0.0, work)
        margin = REFUTES * max(search.radii[j], TINY)
        for i in range(low.size):
            origin = search.first[i] - search.centres[j, i]
            margin += LOST * math.sqrt(search.cap_grams[j, i, i]) * max(abs(origin + low[i]), abs(origin + high[i]))
        if relax(search, x, mu, nu, margin, unit, 0.0, floor, work) > margin:
            return True
    return False


@part
def choose(search: Search, low: IntegerArray, high: IntegerArray, x: FloatArray, work: Work) -> tuple[int, int]:
    """Which variable to split, and the last index of the lower half."""
    n, split, most = x.size, -1, 0.0
    for i in range(n):  # sides that are in conflict come first
        long = x[i] - (search.first[i] + search.zero[i])
        if search.side[i] >= 0 and long > 0 and low[i] <= search.zero[i]:
            for j in range(n):
                short_by = search.first[j] + search.zero[j] - x[j]
                if search.side[j] == search.side[i] and short_by > 0:
                    score = min(long * math.sqrt(search.gram[i, i]), short_by * math.sqrt(search.gram[j, j]))
                    if score > most:
                        split, most = i, score
    if split >= 0 and most > 0:
        return split, search.zero[split]
    for i in range(n):
        if low[i] == high[i]:
            continue
        away, begin = np.inf, search.start[i]
        for k in range(work.vertices[i]):
            away = min(away, abs(x[i] - work.at[begin + k]))
        fraction = x[i] - np.floor(x[i])
        fraction = max(min(fraction, 1 - fraction), min(away, 1.0))
        score = fraction * search.alone[i]
        if fraction > 1e-7 and score > most:
            split, most = i, score
    if split < 0:
        widest = 0
        for i in range(n):
            if high[i] - low[i] > widest:
                split, widest = i, high[i] - low[i]
    if split < 0:
        return -1, 0
    at = int(np.floor(x[split])) - search.first[split]
    return split, min(max(at, low[split]), high[split] - 1)


@compiled
def grow(search: Search, tree: Tree, work: Work, cut: float, unit: float, weight: float, most: int) -> int:
    """Go on until no box is open (DONE), ``most`` more nodes are written (PAUSED), or there is no room (FULL).

    ``weight`` is 1; 0 asks for a proof that no portfolio keeps the rules, and ``cut`` is next to nothing then.
    """
    n, m, q = search.target.size, search.limits.size, search.radii.size
    low, high, x, saved = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n), np.empty(n)
    lowest, highest = np.empty(n, np.int64), np.empty(n, np.int64)  # as the checker has the box
    mu, nu, best_mu, best_nu = np.empty(m), np.empty(q), np.empty(m), np.empty(q)
    rise, cap_rise = np.empty(m), np.empty(q)
    floor = 1e-9 * cut
    last = tree.counts[NODES] + most
    while tree.counts[OPEN] > 0:
        if tree.counts[NODES] >= last:
            return PAUSED
        if tree.counts[NODES] + 1 > len(tree.nodes) or tree.counts[LEAVES] + 1 > len(tree.psi):
            return FULL
        if tree.counts[OPEN] + 2 > len(tree.low):
            return FULL
        top = tree.counts[OPEN] - 1
        tree.counts[OPEN] = top
        lowest[:], highest[:], x[:] = tree.low[top], tree.high[top], tree.x[top]
        low[:], high[:] = lowest, highest
        mu[:], nu[:] = tree.mu[top], tree.nu[top]
        if not trim(search, low, high):
            write(tree, EMPTY, 0, 0)
            continue
        row = broken_row(search, low, high)
        if row >= 0:
            mu[:], nu[:], work.psi[:], work.chi[:] = 0.0, 0.0, 0.0, 0.0
            mu[row] = 1.0
            write_leaf(tree, REFUTED, mu, nu, work)
            continue
        rounds = 0 if m + q == 0 else (FIRST_ROUNDS if tree.counts[NODES] == 0 else ROUNDS)
        best, length, closed, violated = -np.inf, 1.0, False, q > 0
        best_mu[:], best_nu[:], saved[:] = mu, nu, x
        for turn in range(rounds + 1):
            for r in range(m):
                mu[r] = short(mu[r])
            for j in range(q):
                nu[j] = short(nu[j])
            hulls(search, low, high, mu, weight, work)
            bound = relax(search, x, mu, nu, cut, unit, weight, floor, work)
            if bound >= cut:
                closed = True
                break
            if bound > best:
                gain = bound - best
                best, saved[:], best_mu[:], best_nu[:] = bound, x, mu, nu
                if turn > 0 and tree.counts[NODES] > 0 and gain < LITTLE * (cut - bound):
                    break
            else:
                length *= 0.5
            if turn == rounds:
                break
            steep = 0.0
            for r in range(m):
                scale = max(abs(search.limits[r]), TINY)
                rise[r] = (mixed_row(search, x, r, work) - search.limits[r]) / scale
                if mu[r] <= 0 and rise[r] < 0:
                    rise[r] = 0.0
                steep += rise[r] * rise[r]
            violated = False
            for j in range(q):
                cap_rise[j] = math.sqrt(max(work.norm[j + 1], 0.0)) / max(search.radii[j], TINY) - 1
                if cap_rise[j] > REFUTES:
                    violated = True
                if nu[j] <= 0 and cap_rise[j] < 0:
                    cap_rise[j] = 0.0
                steep += cap_rise[j] * cap_rise[j]
            if steep <= 1e-20:
                break
            step = length * (cut - bound) / steep
            for r in range(m):
                mu[r] = max(0.0, mu[r] + step * rise[r] / max(abs(search.limits[r]), TINY))
            for j in range(q):
                nu[j] = max(0.0, nu[j] + step * cap_rise[j] / max(search.radii[j], TINY))
        if closed:
            write_leaf(tree, LEAF if weight > 0 else REFUTED, mu, nu, work)
            continue
        if q > 0 and violated:
            x[:] = saved
            if broken_cap(search, low, high, x, mu, nu, unit, floor, work):
                write_leaf(tree, REFUTED, mu, nu, work)
                continue
        if m + q > 0:
            hulls(search, low, high, best_mu, weight, work)
        split, at = choose(search, low, high, saved, work)
        if split < 0:
            return -1  # one portfolio, whose bound does not reach the cut
        write(tree, INNER, split, at)
        for lower_half in range(2):  # which is taken up first, from the top
            tree.low[top], tree.high[top], tree.x[top] = lowest, highest, saved
            tree.mu[top], tree.nu[top] = best_mu, best_nu
            if lower_half:
                tree.high[top, split] = at
            else:
                tree.low[top, split] = at + 1
            top += 1
        tree.counts[OPEN] = top
    return DONE
