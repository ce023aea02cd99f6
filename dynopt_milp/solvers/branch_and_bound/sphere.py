"""Joint sphere search: every point of a small box, by its distance from a centre and its cost together.

In the triangular coordinates of H the tracking error is q(k) = q₀ + Σⱼ sⱼ(kⱼ − cⱼ)², where cⱼ is the conditional
centre: where the risk of j would be least given what the variables before it in the order are. Variables are fixed in
that order, positions nearest to the centre first, and a position is left out when a bound on all its completions
reaches the cut. With P the partial sum, paid what the fixed ones cost, and D a diagonal of the block still free,

    [P + t₀t₁]/w + paid + Σ over the free of min over z of { dᵢ(z − cᵢ)²/w + cᵢ(z) }

is one, with t₀ = √P, t₁ = cut − paid − the least the free can cost, and w = t₀ + t₁: around the target. The other is
around a point x* near the optimum of the relaxation, where costs hold most variables already,

    [q(x*) + P* + t₀t₁]/w + paid + (w₀/w) Σ over the fixed g(k − x*)
        + Σ over the free of min over z of { dᵢ(z − c*ᵢ)²/w + (w₀/w)gᵢ(z − x*ᵢ) + cᵢ(z) }

with g = (2/w₀)(b + H(x* − σ)), w = max(w₀, t₀ + t₁) and t₁ = w − t₀, since q(k) = q(x*) + w₀g'(k − x*) + ‖F(k − x*)‖².
The two centres differ by a vector that depends on the level alone.

Source: C. Schnorr, M. Euchner (1994); boxes, X. Chang, Q. Han (2008); a diagonal for the levels, and two centres, are
this project's.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, solve_factored
from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.descent import descend
from dynopt_milp.solvers.branch_and_bound.goal import Claim
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.levels import FEWEST_NODES, MOST, NEXT, SpherePlan
from dynopt_milp.solvers.branch_and_bound.node import Node, build_envelopes, enter_box, refresh
from dynopt_milp.solvers.branch_and_bound.pricing import least_value, tracking_error, trading_cost, value_of
from formulations.exact_norm import UNIT_ROUND_OFF

# Where round-off could be this part of the square of the cut, the search is left to the tree.
MOST_ERROR = 1e-5
SETTLE_SWEEPS = 20


@part
def least_near(
    cost: np.ndarray, begin: int, first: float, low: int, high: int, curve: float, centre: float, tilt: float,
    point: float, least: np.ndarray, j: int, share: float, floor: float,
) -> float:  # fmt: skip
    """Min over z of curve(z − centre)² + tilt(z − point) + cost(z).

    The table of the variable begins at ``cost[begin]``. The search goes outwards from the centre and ends where
    share × ``least`` + ``floor``, which is no more than the last two terms of what follows, leaves no hope; see
    `fill_least` for ``least``.
    """
    middle = min(max(math.floor(centre - first + 0.5), low), high)
    best = np.inf
    for index in range(middle, high + 1):
        z = first + index
        far = curve * (z - centre) * (z - centre)
        if z >= centre and far + share * least[2 * j, index - low] + floor >= best:
            break
        best = min(best, far + tilt * (z - point) + cost[begin + index])
    for index in range(middle - 1, low - 1, -1):
        z = first + index
        far = curve * (z - centre) * (z - centre)
        if z <= centre and far + share * least[2 * j + 1, index - low] + floor >= best:
            break
        best = min(best, far + tilt * (z - point) + cost[begin + index])
    return best


@part
def fill_least(
    cost: np.ndarray, begin: int, first: float, low: int, high: int, tilt: float, point: float, least: np.ndarray,
    j: int,
) -> float:  # fmt: skip
    """The minima of tilt(z − point) + cost(z) over the positions from each on (row 2j), and up to each (row 2j + 1)."""
    best = np.inf
    for index in range(low, high + 1):
        best = min(best, tilt * (first + index - point) + cost[begin + index])
        least[2 * j + 1, index - low] = best
    best = np.inf
    for index in range(high, low - 1, -1):
        best = min(best, tilt * (first + index - point) + cost[begin + index])
        least[2 * j, index - low] = best
    return best


@part
def settle(lattice: Lattice, node: Node, size: int, weight: float) -> None:
    """Move x̂ to where weight·q + c is least, without the diagonal: there costs hold what they can."""
    build_envelopes(lattice, node, size * 0, size, 0.0)
    none = np.zeros(size)
    enter_box(lattice, node, size)
    refresh(node, size, node.gram, node.link, node.pull)
    for _ in range(SETTLE_SWEEPS):
        descend(size, node.gram, none, node.target, weight, node.points, node.slopes, node.vertices, node.x, node.pull)


@part
def search_sphere(
    lattice: Lattice, node: Node, count: int, kappa_in: float, paid_in: float, value: np.ndarray, best: np.ndarray,
    claim: Claim, slack: float, plan: SpherePlan, least: float, most_error: float,
) -> bool:  # fmt: skip
    """Search the node's box for tracking errors from ``least`` to ``most_error``.

    Better portfolios go to ``value`` and ``best``. False if the budget ran out before.
    """
    goal = claim.goal
    node_gram = node.gram
    node_high = node.high
    node_link = node.link
    node_low = node.low
    place = node.place
    node_target = node.target
    node_x = node.x
    lattice_cost = lattice.cost
    lattice_first = lattice.first
    start = lattice.start
    lattice_target = lattice.target
    settle(lattice, node, count, 1 / (least + most_error))
    # The free variables in their order, and what the box of the node has fixed since it was loaded.
    free = np.empty(count, dtype=np.int64)
    size = 0
    for a in range(count):
        i = place[a]
        if node_low[i] < node_high[i]:
            at = size
            while at > 0 and plan.rank[place[free[at - 1]]] > plan.rank[i]:
                free[at] = free[at - 1]
                at -= 1
            free[at] = a
            size += 1
    kappa, paid = kappa_in, paid_in
    link, gram, x = np.empty(size), np.empty((size, size)), np.empty(size)
    for j in range(size):
        link[j] = node_link[free[j]]
        for i in range(size):
            gram[j, i] = node_gram[free[j], free[i]]
    for a in range(count):
        i = place[a]
        if node_low[i] < node_high[i]:
            continue
        distance = lattice_first[i] + node_low[i] - node_target[a]
        part = 2 * node_link[a]
        for c in range(count):
            j = place[c]
            if node_low[j] == node_high[j]:
                part += node_gram[a, c] * (lattice_first[j] + node_low[j] - node_target[c])
        kappa += part * distance
        paid += lattice_cost[start[i] + node_low[i]]
        for j in range(size):
            link[j] += node_gram[a, free[j]] * distance
    # Triangular coordinates: the first to be fixed is the last index.
    upper = np.empty((size, size))
    if size == 0 or not cholesky(size, gram, upper):
        return False
    spread, follow, centre = np.empty(size), np.zeros((size, size)), np.empty(size)
    for j in range(size):
        spread[j] = upper[j, j] * upper[j, j]
        for i in range(j - 1, -1, -1):
            part = upper[i, j]
            for k in range(i + 1, j):
                part -= upper[i, k] * follow[j, k]
            follow[j, i] = part / upper[i, i]
        centre[j] = -link[j]
    solve_factored(size, upper, centre)
    base = kappa
    for j in range(size):
        base += link[j] * centre[j]
    places, target, first = np.empty(size, dtype=np.int64), np.empty(size), np.empty(size)
    low, high = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    tilt, cheapest, cheapest_sum = np.empty(size), np.empty(size), np.zeros(size + 1)
    width = 0
    cut = value[0] * (1 - slack) + goal.buffer + goal.cost_error
    wide = least + most_error
    square = kappa
    for j in range(size):
        i = place[free[j]]
        places[j], target[j], first[j] = i, lattice_target[i], lattice_first[i]
        low[j], high[j] = node_low[i], node_high[i]
        width = max(width, high[j] - low[j] + 1)
        centre[j] += target[j]
        x[j] = min(max(node_x[free[j]], first[j] + low[j]), first[j] + high[j])
    for j in range(size):
        tilt[j] = link[j]
        for i in range(size):
            tilt[j] += gram[j, i] * (x[i] - target[i])
        square += (x[j] - target[j]) * (tilt[j] + link[j])
    # What costs, and costs with the tilt, are at least from a position on, and up to it.
    least_cost, least_tilted = np.empty((2 * size, width)), np.empty((2 * size, width))
    spent, nought, one = False, 0.0 * wide, 1.0
    for j in range(size):
        tilt[j] *= 2 / wide
        begin = start[places[j]]
        cheapest[j] = fill_least(lattice_cost, begin, first[j], low[j], high[j], nought, nought, least_cost, j)
        fill_least(lattice_cost, begin, first[j], low[j], high[j], tilt[j], x[j], least_tilted, j)
        for index in range(low[j], high[j] + 1):
            spent = spent or (lattice_cost[begin + index] > 0)
        cheapest_sum[j + 1] = cheapest_sum[j] + cheapest[j]
    # Round-off: residuals of the triangular systems, times how far a position can lie from its centre.
    reach, far, residual, absolute = 0.0, 0.0, 0.0, 0.0
    for j in range(size):
        risk = math.sqrt(gram[j, j])
        row = risk
        for i in range(j):
            row += math.sqrt(gram[i, i]) * abs(follow[j, i])
        residual += row * cut / math.sqrt(spread[j])
        reach += risk * max(abs(first[j] + low[j] - centre[j]), abs(first[j] + high[j] - centre[j]))
        far += risk * (abs(centre[j] - target[j]) + abs(x[j] - target[j]))
        absolute += risk * (abs(centre[j]) + abs(target[j]) + abs(x[j]))  # centres are positions, and rounded as such
    unit = 8 * (size + 5) * UNIT_ROUND_OFF
    error = goal.error + 4 * unit * cut * residual + size * unit * (far + reach) * (far + reach)
    error += unit * absolute * (2 * cut + unit * absolute)
    if not error < MOST_ERROR * cut * cut:
        return False
    base -= error  # below zero where all is free: partial sums have round-off, too
    square -= error

    # c(target) − c(x*) by level.
    apart = np.empty((size + 1, size))
    for j in range(size):
        apart[size, j] = centre[j] - x[j]
    for level in range(size, 0, -1):
        j = level - 1
        for i in range(j):
            apart[j, i] = apart[level, i] + follow[j, i] * apart[level, j]
    centres = np.empty((size + 1, size))  # around x*
    for i in range(size):
        centres[size, i] = x[i]
    partial, partial_x, cost, along = np.zeros(size + 1), np.zeros(size + 1), np.zeros(size + 1), np.zeros(size + 1)
    partial[size], cost[size] = base, paid
    kept = np.empty((size, width), dtype=np.int64)
    kept_bound = np.empty((size, width))
    kept_count, kept_next = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    chosen, index_of = np.empty(size, dtype=np.int64), np.empty(best.size, dtype=np.int64)
    level, nodes, fresh = size, 0, True
    while True:
        j = level - 1
        if fresh:
            fresh = False
            kept_count[j], kept_next[j] = 0, 0
            begin = start[places[j]]
            middle = centres[level, j] + apart[level, j]
            for index in range(low[j], high[j] + 1):
                z = first[j] + index
                # Below zero it is round-off that has been taken off: only the root may forget that.
                least_square = partial[level] + spread[j] * (z - middle) * (z - middle)
                now = max(least_square, 0.0)
                pays = cost[level] + lattice_cost[begin + index]
                most = min(cut - pays - cheapest_sum[j], most_error)
                if most <= 0 or now >= most * most:
                    continue
                nodes += 1
                root = max(math.sqrt(now), least)
                if root >= most:
                    continue
                if j == 0:
                    bound = math.sqrt(now) + pays
                else:
                    step = z - centres[level, j]
                    share = 1 / (root + most)
                    # Around the target: everything still free costs at least what the cheapest do.
                    bound = (least_square + root * most) * share + pays + cheapest_sum[j]
                    for i in range(j - 1, -1, -1):
                        k = places[i]
                        move = z - middle
                        c = centres[level, i] + apart[level, i] - follow[j, i] * move
                        bound += (
                            least_near(
                                lattice_cost, start[k],
                                first[i], low[i], high[i], plan.levels[plan.rank[places[j]], k] * share, c, nought,
                                nought, least_cost, i, one, nought,
                            )
                            - cheapest[i]
                        )  # fmt: skip
                        if bound >= cut:
                            break
                    if bound < cut and spent:
                        w = max(wide, root + most)
                        share, tilted = 1 / w, wide / w
                        second = (square + partial_x[level] + spread[j] * step * step + root * (w - root)) * share
                        second += pays + tilted * (along[level] + tilt[j] * (z - x[j]))
                        for i in range(j - 1, -1, -1):
                            k = places[i]
                            c = centres[level, i] - follow[j, i] * step
                            second += least_near(
                                lattice_cost, start[k],
                                first[i], low[i], high[i], plan.levels[plan.rank[places[j]], k] * share, c,
                                tilted * tilt[i], x[i], least_tilted, i, tilted, (1 - tilted) * cheapest[i],
                            )  # fmt: skip
                        bound = max(bound, second)
                if bound >= cut:
                    continue
                at = kept_count[j]
                while at > 0 and kept_bound[j, at - 1] > bound:
                    kept[j, at], kept_bound[j, at] = kept[j, at - 1], kept_bound[j, at - 1]
                    at -= 1
                kept[j, at], kept_bound[j, at] = index, bound
                kept_count[j] += 1
        if kept_next[j] >= kept_count[j] or kept_bound[j, kept_next[j]] >= cut:
            level += 1
            if level > size:
                plan.budget[NEXT] = min(2 * plan.budget[NEXT], plan.budget[MOST])
                return True
            continue
        if nodes > plan.budget[NEXT]:
            plan.budget[NEXT] = max(plan.budget[NEXT] // 4, FEWEST_NODES)
            return False
        chosen[j] = kept[j, kept_next[j]]
        kept_next[j] += 1
        if j == 0:
            for i in range(best.size):
                index_of[i] = node_low[i]
            for i in range(size):
                index_of[places[i]] = chosen[i]
            found, distance = tracking_error(lattice, index_of)
            pays = trading_cost(lattice, index_of)
            value[1] = min(value[1], least_value(lattice, found, distance, pays, claim))
            worth = value_of(found, pays, claim.inner, goal.edge)
            if worth < value[0]:
                value[0] = worth
                for i in range(best.size):
                    best[i] = index_of[i]
                cut = value[0] * (1 - slack) + goal.buffer + goal.cost_error
            continue
        z = first[j] + chosen[j]
        step = z - centres[level, j]
        middle = step - apart[level, j]
        for i in range(j):
            centres[j, i] = centres[level, i] - follow[j, i] * step
        partial[j] = partial[level] + spread[j] * middle * middle
        partial_x[j] = partial_x[level] + spread[j] * step * step
        cost[j] = cost[level] + lattice_cost[start[places[j]] + chosen[j]]
        along[j] = along[level] + tilt[j] * (z - x[j])
        level, fresh = j, True
