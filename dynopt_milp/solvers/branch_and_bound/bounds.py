"""Lower bounds for a node that hold whatever they are computed from.

Both bounds use e = y − σ over the free variables, q(e) = κ + 2b'e + e'He (see `relaxation`), and any point x̂ that
descent and Newton's method happened to reach; neither needs them to have converged. The separate minima over whole
numbers that they sum up also say which positions of a variable can be dropped.

**Cone.** For ψ = ωF(x̂ − τ) with length μ ≤ 1, a value max(t − B, 0) + c is at least ψ'F(y − τ) − μB + c, that is

    ω(κ + b'ê) − μB + Σ min over z of { ω(b + Hê)ᵢ(z − σᵢ) + cᵢ(z) }

and with the multiplier μ unrestricted it bounds c over ‖F(y − τ)‖ ≤ B (`buffer_edge`).

**Hull.** With H = M + D, M ⪰ 0, D ≥ 0 diagonal, h = b + Mê and any ν ≥ 0,

    ν q(y) ≥ ν(κ − ê'(h − b)) + Σ min over z of { 2νhᵢ(z − σᵢ) + νdᵢ(z − σᵢ)² }

and where the tracking error t lies in [t₀, t₁], t ≥ (q + t₀t₁)/(t₀ + t₁), as the chord lies below the root: ν is
1/(t₀ + t₁). It charges for fractions where the cone bound charges nothing.

**A second quadratic** q_E(y) that is added to the value (`multipliers`) is bounded by its tangent at x̂ in the first,
which adds 2(b_E + Eê) to the slopes, and is taken together with q in the second.

Both are lowered by what the numbers they are made of can be wrong by (`goal`).

Source: dual of the square-root lasso, A. Belloni, V. Chernozhukov, L. Wang (2011); gap-safe rules, E. Ndiaye et al.
(2017); hull of an extracted diagonal, A. Frangioni, C. Gentile (2007), and the chord of the root.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.descent import (
    descend,
    interpolate,
    least_term,
    newton,
)
from dynopt_milp.solvers.branch_and_bound.goal import Goal
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import Node, refresh

SWEEPS = 2  # of coordinate descent between two evaluations of a bound
CONE_ROUNDS = 30
HULL_ROUNDS = 12
# Descent ends when the bound is as good as this part of what it lacks to prune: more sweeps would change nothing.
CLOSE = 0.1
CONVERGED = 1e-6  # relative to the value
LEAST_ERROR = 1e-3  # of the value: the root is not smooth at zero, and no tracking error below it needs resolving


@part
def cone_bound(
    lattice: Lattice, node: Node, size: int, kappa: float, paid: float, cut: float, goal: Goal, omega: float,
    rounds: int, second: bool, kappa_extra: float,
) -> tuple[float, float, float]:  # fmt: skip
    """The cone bound, the ω it is for, and the tracking error at x̂; stops as soon as it reaches ``cut``.

    ``second`` is whether there is a second quadratic, and ``kappa_extra`` its κ.
    """
    best = node.best
    count = node.vertices
    gram = node.gram
    heights = node.heights
    link = node.link
    place = node.place
    points = node.points
    pull = node.pull
    slopes = node.slopes
    target = node.target
    term = node.term
    tilts = node.tilt
    x = node.x
    first = lattice.first
    none = np.zeros(size)
    mixed, mixed_pull = node.whole, node.whole_link  # of both quadratics, for this ω; the hull bound fills them anew
    floor = LEAST_ERROR * (goal.buffer if goal.edge else cut)
    if not floor < np.inf:  # nothing is known yet
        floor = LEAST_ERROR * goal.buffer
    bound, root, lasso = -np.inf, 0.0, False
    taken_off = goal.cost_error + (0.0 if goal.edge else goal.loss)
    change, last, fresh = 0.0, rounds, True
    for turn in range(rounds + 2):
        if turn >= last:  # sweeps let round-off accumulate in b + Hê; what is claimed is computed afresh
            refresh(node, size, gram, link, pull)
            fresh = True
        elif turn > 0 and second:
            for a in range(size):
                for c in range(size):
                    mixed[a, c] = gram[a, c] + 2 / omega * node.extra[a, c]
                mixed_pull[a] = pull[a] + 2 / omega * node.extra_pull[a]
            for _ in range(SWEEPS):
                change = descend(
                    size, mixed, none, target, omega / 2, points, slopes, count, x,
                    mixed_pull,
                )  # fmt: skip
            newton(size, mixed, none, target, root, omega, -1.0, points, slopes, count, x, mixed_pull)
            refresh(node, size, gram, link, pull)
        elif turn > 0:
            fresh = False
            for _ in range(SWEEPS):
                change = descend(
                    size, gram, none, target, omega / 2, points, slopes, count, x,
                    pull,
                )  # fmt: skip
            square = kappa
            for a in range(size):
                square += (x[a] - target[a]) * (pull[a] + link[a])
            least = max(floor, goal.buffer) if lasso else -1.0
            newton(size, gram, none, target, square, omega, least, points, slopes, count, x, pull)
        square, along = kappa, kappa
        for a in range(size):
            distance = x[a] - target[a]
            square += distance * (pull[a] + link[a])
            along += distance * link[a]
        flat, curved = 0.0, 0.0  # the second quadratic's tangent at the target, and its value
        if second:
            refresh(node, size, node.extra, node.extra_link, node.extra_pull)
            flat = curved = kappa_extra
            for a in range(size):
                distance = x[a] - target[a]
                flat += distance * (node.extra_link[a] - node.extra_pull[a])
                curved += distance * (node.extra_link[a] + node.extra_pull[a])
        root = math.sqrt(max(square, 0.0) + goal.error)
        steep = max(root, floor)
        lasso = not goal.edge and (root > goal.buffer or goal.buffer == 0)
        if goal.edge:
            omega *= min(max((root / goal.buffer) ** 2, 0.25), 4.0)
        elif lasso:
            omega = 1 / steep
        else:
            omega = min(omega * min(max(root / goal.buffer, 0.5), 2.0), 1 / steep)
        relaxed = paid + curved + (0.0 if goal.edge else max(root - goal.buffer, 0.0))
        now = paid + flat + omega * (along - goal.error) - omega * root * goal.buffer - taken_off
        for a in range(size):
            tilts[a] = omega * pull[a] + (2 * node.extra_pull[a] if second else 0.0)
            term[a], vertex = least_term(points, heights, a, count[a], tilts[a], target[a])
            best[a] = int(points[a, vertex] - first[place[a]])
            now += term[a]
            relaxed += interpolate(points, heights, slopes, a, count[a], x[a])
        bound = now
        if fresh and (turn >= last or bound >= cut):
            break
        lacks = relaxed - bound
        if turn > 0 and (
            bound >= cut or lacks < CLOSE * (cut - relaxed) or lacks < CONVERGED * cut or change < 1e-12 * cut
        ):
            last = turn + 1
    return bound, omega, root


@part
def hull_bound(
    lattice: Lattice, node: Node, size: int, kappa: float, paid: float, cut: float, goal: Goal, weight: float,
    constant: float, rounds: int,
) -> float:  # fmt: skip
    """The hull bound ``constant`` + ν q + c with ν = ``weight``; stops as soon as it reaches ``cut``."""
    best = node.best
    count = node.vertices
    diagonal = node.diagonal
    gram = node.whole
    heights = node.heights
    link = node.whole_link
    place = node.place
    points = node.points
    pull = node.pull
    slopes = node.slopes
    target = node.target
    term = node.term
    tilts = node.tilt
    x = node.x
    first = lattice.first
    bound = -np.inf
    change, last = 0.0, rounds
    for turn in range(rounds + 2):
        if turn >= last:
            refresh(node, size, gram, link, pull)
        else:
            for _ in range(SWEEPS):
                change = descend(
                    size, gram, diagonal, target, weight, points, slopes, count, x,
                    pull,
                )  # fmt: skip
            newton(size, gram, diagonal, target, kappa, 2 * weight, -1.0, points, slopes, count, x, pull)
        now = paid + constant + weight * (kappa - goal.error) - goal.cost_error
        relaxed = paid + constant + weight * kappa
        for a in range(size):
            distance = x[a] - target[a]
            tilt = pull[a] - diagonal[a] * distance
            now -= weight * distance * (tilt - link[a])
            relaxed += weight * distance * (tilt + link[a])
            tilts[a] = 2 * weight * tilt
            term[a], vertex = least_term(points, heights, a, count[a], tilts[a], target[a])
            best[a] = int(points[a, vertex] - first[place[a]])
            now += term[a]
            relaxed += interpolate(points, heights, slopes, a, count[a], x[a])
        bound = now
        if turn >= last:
            break
        lacks = relaxed - bound
        if bound >= cut or lacks < CLOSE * abs(cut - relaxed) or lacks < CONVERGED * cut or change < 1e-12 * cut:
            last = turn + 1
    return bound


@part
def drop(lattice: Lattice, node: Node, size: int, spare: float, weight: float) -> int:
    """Drop positions whose term exceeds the least one by ``spare`` or more; how many variables were cut.

    With ``weight`` = 0 the terms are those of the cone bound, else those of the hull bound.
    """
    best = node.best
    diagonal = node.diagonal
    node_high = node.high
    node_low = node.low
    place = node.place
    target = node.target
    term = node.term
    cost = lattice.cost
    first = lattice.first
    start = lattice.start
    cut = 0
    if not spare >= 0:  # not a number: nothing is known
        return cut
    for a in range(size):
        i = place[a]
        slope, curve = node.tilt[a], weight * diagonal[a]
        most = term[a] + spare
        low, high = node_low[i], node_high[i]
        while low < best[a]:
            distance = first[i] + low - target[a]
            if (slope + curve * distance) * distance + cost[start[i] + low] < most:
                break
            low += 1
        while high > best[a]:
            distance = first[i] + high - target[a]
            if (slope + curve * distance) * distance + cost[start[i] + high] < most:
                break
            high -= 1
        if low > node_low[i] or high < node_high[i]:
            cut += 1
            node_low[i], node_high[i] = low, high
    return cut
