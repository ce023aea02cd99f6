"""Rules in the objective: multipliers for rows and caps make of a ruled lattice one that is free, with other tables.

For any μ ≥ 0 and κ ≥ 0, every portfolio that keeps the rules has

    value ≥ t + Σᵢ dᵢ(yᵢ) + Σ_s κ_s‖G_s(y − t_s)‖² − μ'b − Σ_s κ_sρ_s²,    dᵢ(y) = least over options of c + μ'a

With d in the place of c, the constant among what is paid already and the caps as a second quadratic (`bounds`), all
bounds of a free lattice bound the ruled one. A bound on the tracking error by what costs leave of the value holds as
well with d less the constant, which is no more than c.

At the minimiser x̂ of the relaxation the bound rises with μᵣ by aᵣ(x̂) − bᵣ and with κ_s by ‖G_s(x̂ − t_s)‖² − ρ_s². As
multipliers change x̂ moves by −K⁻¹V, with K the curvature of the relaxation and V the slopes of rows and squared norms
over the variables that lie between vertices of their envelopes: so VK⁻¹V' is what that rise falls by, and Newton's step
for all multipliers is its solution. A multiple of the identity is added, so that no step is longer than the
supergradient's that would close the gap; where x̂ lies at vertices alone, that one is what is left.

Source: Lagrangian relaxation, A. Geoffrion (1974); the step to a known value, B. Polyak (1969); the damping, K.
Levenberg (1944).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import cone_bound, hull_bound
from dynopt_milp.solvers.branch_and_bound.by_address import CONE, HULL, call
from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, solve_factored
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.coupling import Coupling
from dynopt_milp.solvers.branch_and_bound.descent import find_piece
from dynopt_milp.solvers.branch_and_bound.goal import Goal
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import Node, build_envelopes, refresh
from formulations.exact_norm import UNIT_ROUND_OFF

RIDGE = 1e-10  # of K's diagonal
DAMPING = 1.0  # of the supergradient's step, at first
LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e4
EASIER = 0.3  # what damping is multiplied by after a step that raised the bound
HARDER = 6.0  # and after one that did not
MOST_MULTIPLIER = 1e9  # times what is missing, in units of a rule: larger ones are round-off
WORTH = 0.03  # of what is missing: a step that promises less is not taken


class Dual(NamedTuple):
    """The lattice that multipliers make of a ruled one, and scratch; n variables, m rows, q caps.

    Attributes
    ----------
    lattice : Lattice
        With d as its costs.
    chosen : ndarray of int, shape (entries,)
        The option that has the minimum of each entry.
    multiplier, best : ndarray, shape (m + q,)
        μ and κ; those with the best bound of a node.
    x : ndarray, shape (n,)
        x̂ of the whole lattice.
    free : ndarray of bool, shape (n,)
        Which variables the node was loaded with; dropping may have fixed some of them since.
    square : ndarray, shape (q,)
        ‖G_s(x̂ − t_s)‖².
    pulls : ndarray, shape (q, n)
        G_s'G_s(x̂ − t_s).
    held : ndarray of int, shape (n,)
        The options of the incumbent.
    """

    lattice: Lattice
    chosen: np.ndarray
    multiplier: np.ndarray
    best: np.ndarray
    x: np.ndarray
    free: np.ndarray
    square: np.ndarray
    pulls: np.ndarray
    held: np.ndarray


@compiled
def new_dual(lattice: Lattice, coupling: Coupling) -> Dual:
    """Scratch for a lattice with these rules; next to nothing where there are none."""
    m, q = coupling.wide.size, coupling.cap.size
    if m + q == 0:
        none, line = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Dual(lattice, none, line, line, line, np.zeros(0, dtype=np.bool_), line, np.zeros((0, 0)), none)
    n, entries = lattice.target.size, lattice.cost.size
    multipliers = np.zeros((2, m + q))
    own = Lattice(
        lattice.factor, lattice.gram, lattice.target, lattice.first, lattice.start, np.full(entries, np.inf)
    )  # fmt: skip
    return Dual(
        own, np.zeros(entries, dtype=np.int64), multipliers[0], multipliers[1], np.zeros(n),
        np.zeros(n, dtype=np.bool_), np.zeros(q),
        np.zeros((q, n)), np.zeros(n, dtype=np.int64),
    )  # fmt: skip


@part
def price_rules(
    lattice: Lattice, coupling: Coupling, dual: Dual, low: np.ndarray, high: np.ndarray
) -> tuple[float, float]:  # fmt: skip
    """Fill the dual costs of a box for the multipliers; the constant, and what dual costs and it can be wrong by."""
    n, m, q = low.size, coupling.wide.size, coupling.cap.size
    multiplier, activity, options, paid = dual.multiplier, coupling.activity, coupling.option, coupling.cost
    cost, chosen = dual.lattice.cost, dual.chosen
    constant, absolute = 0.0, 0.0
    for r in range(m + q):
        limit = coupling.wide[r] if r < m else coupling.cap[r - m]
        constant -= multiplier[r] * limit
        absolute += multiplier[r] * abs(limit)
    for i in range(n):
        largest = 0.0
        for entry in range(lattice.start[i] + low[i], lattice.start[i] + high[i] + 1):
            best, which = np.inf, options[entry]
            for o in range(options[entry], options[entry + 1]):
                now = paid[o]
                for r in range(m):
                    now += multiplier[r] * activity[o, r]
                if now < best:
                    best, which = now, o
            cost[entry], chosen[entry] = best, which
            if best < np.inf:
                largest = max(largest, abs(best))
        absolute += largest
    doubt = 16 * (n + m + q + 8) * UNIT_ROUND_OFF * absolute
    for s in range(q):
        doubt += multiplier[m + s] * coupling.error[s]
    return constant, doubt


@part
def enter_dual(
    lattice: Lattice, coupling: Coupling, dual: Dual, multipliers: np.ndarray, top: int, node: Node, goal: Goal
) -> tuple[float, Goal]:  # fmt: skip
    """Dual costs of a node's box for the multipliers in row ``top``: the constant, and the goal for them."""
    for r in range(dual.multiplier.size):
        dual.multiplier[r] = multipliers[top, r]
    constant, doubt = price_rules(lattice, coupling, dual, node.low, node.high)
    return constant, Goal(goal.buffer, goal.edge, goal.error, goal.cost_error + doubt, goal.loss)


@part
def measure_caps(coupling: Coupling, dual: Dual) -> None:
    """Fill ``square`` and ``pulls`` at ``x``."""
    gram, centre, pulls, x = coupling.gram, coupling.centre, dual.pulls, dual.x
    n = x.size
    for s in range(coupling.cap.size):
        square = 0.0
        for i in range(n):
            pulls[s, i] = 0.0
        for j in range(n):
            distance = x[j] - centre[s, j]
            if distance != 0:
                for i in range(n):
                    pulls[s, i] += gram[s, j, i] * distance
        for i in range(n):
            square += pulls[s, i] * (x[i] - centre[s, i])
        dual.square[s] = max(square, 0.0)


@part
def load_extra(lattice: Lattice, coupling: Coupling, dual: Dual, node: Node, size: int) -> float:
    """Note which variables are free, and collect the second quadratic for them; its κ."""
    m, n, place = coupling.wide.size, dual.x.size, node.place
    for i in range(n):
        dual.free[i] = False
    for a in range(size):
        dual.free[place[a]] = True
    if coupling.cap.size == 0:
        return 0.0
    for i in range(n):
        dual.x[i] = lattice.target[i] if dual.free[i] else lattice.first[i] + node.low[i]
    measure_caps(coupling, dual)
    kappa = 0.0
    for a in range(size):
        node.extra_link[a] = 0.0
        for c in range(size):
            node.extra[a, c] = 0.0
    for s in range(coupling.cap.size):
        by = dual.multiplier[m + s]
        if by == 0:
            continue
        kappa += by * dual.square[s]
        for a in range(size):
            node.extra_link[a] += by * dual.pulls[s, place[a]]
            for c in range(size):
                node.extra[a, c] += by * coupling.gram[s, place[a], place[c]]
    return kappa


@part
def join_quadratics(
    node: Node, size: int, weight: float, kappa: float, kappa_extra: float, second: bool
) -> float:  # fmt: skip
    """Fill ``whole``, ``whole_link`` and b + Hê for the hull bound with ν = ``weight``; κ of both quadratics."""
    if second:
        kappa += kappa_extra / weight
        for a in range(size):
            node.whole_link[a] = node.link[a] + node.extra_link[a] / weight
            for c in range(size):
                node.whole[a, c] = node.gram[a, c] + node.extra[a, c] / weight
    refresh(node, size, node.whole, node.whole_link, node.pull)
    return kappa


@part
def forget_envelopes(node: Node, size: int) -> None:
    """Have all envelopes drawn again: their costs have changed."""
    for a in range(size):
        node.drawn[a, 0] = -1


@part
def step(
    lattice: Lattice, coupling: Coupling, dual: Dual, node: Node, size: int, omega: float, weight: float,
    missing: float, damping: float,
) -> bool:  # fmt: skip
    """Take a step with the multipliers from x̂ of the node; False if none is worth it.

    x̂ is that of the hull bound with ν = ``weight``, or if there is none that of the cone bound with this ω.
    """
    m, q = coupling.wide.size, coupling.cap.size
    count = m + q
    place, points, vertices, first = node.place, node.points, node.vertices, lattice.first
    start, chosen, multiplier = lattice.start, dual.chosen, dual.multiplier
    for i in range(node.low.size):
        dual.x[i] = first[i] + node.low[i]
    for a in range(size):
        dual.x[place[a]] = node.x[a]
    measure_caps(coupling, dual)
    rise, slopes = np.zeros(count), np.zeros((count, size))
    inside, active = 0, np.empty(size, dtype=np.int64)
    for r in range(m):
        rise[r] = -coupling.wide[r]
    for s in range(q):
        rise[m + s] = dual.square[s] - coupling.cap[s]
    for i in range(node.low.size):
        if not dual.free[i]:
            for r in range(m):
                rise[r] += coupling.activity[chosen[start[i] + node.low[i]], r]
    for a in range(size):
        i = place[a]
        vertex = find_piece(points, a, vertices[a], node.x[a])
        one = chosen[start[i] + np.int64(points[a, vertex] - first[i])]
        if vertices[a] < 2:
            for r in range(m):
                rise[r] += coupling.activity[one, r]
            continue
        length = points[a, vertex + 1] - points[a, vertex]
        other = chosen[start[i] + np.int64(points[a, vertex + 1] - first[i])]
        share = min(max((node.x[a] - points[a, vertex]) / length, 0.0), 1.0)
        between = 0 < share < 1
        for r in range(m):
            difference = coupling.activity[other, r] - coupling.activity[one, r]
            rise[r] += coupling.activity[one, r] + share * difference
            slopes[r, inside] = difference / length
        for s in range(q):
            slopes[m + s, inside] = 2 * dual.pulls[s, i]
        if between:
            active[inside] = a
            inside += 1
    square, used, some = 0.0, np.empty(count, dtype=np.int64), 0
    for r in range(count):
        if multiplier[r] > 0 or rise[r] > 0:
            used[some] = r
            some += 1
            square += rise[r] * rise[r]
    if some == 0 or not square > 0:
        return False
    curvature, upper = np.empty((inside, inside)), np.empty((inside, inside))
    for k in range(inside):
        for h in range(inside):
            curvature[k, h] = (2 * weight if weight > 0 else omega) * node.gram[active[k], active[h]]
            for s in range(q):
                curvature[k, h] += 2 * multiplier[m + s] * coupling.gram[s, place[active[k]], place[active[h]]]
        curvature[k, k] *= 1 + RIDGE
        if weight > 0:
            curvature[k, k] -= 2 * weight * node.diagonal[active[k]]
    matrix, half, by, solved = np.zeros((some, some)), np.empty((some, some)), np.empty(some), np.empty(inside)
    if inside > 0 and cholesky(inside, curvature, upper):
        for k in range(some):
            for c in range(inside):
                solved[c] = slopes[used[k], c]
            solve_factored(inside, upper, solved)
            for h in range(some):
                for c in range(inside):
                    matrix[k, h] += slopes[used[h], c] * solved[c]
    for k in range(some):
        matrix[k, k] += damping * square / missing
        by[k] = rise[used[k]]
    if not cholesky(some, matrix, half):
        return False
    solve_factored(some, half, by)
    gain = 0.0
    for k in range(some):
        r = used[k]
        gain += 0.5 * rise[r] * (max(multiplier[r] + by[k], 0.0) - multiplier[r])
    if not gain > WORTH * missing:
        return False
    for k in range(some):
        if not multiplier[used[k]] + by[k] < MOST_MULTIPLIER * missing:
            return False
    for k in range(some):
        multiplier[used[k]] = max(multiplier[used[k]] + by[k], 0.0)
    return True


@part
def raise_bound(
    lattice: Lattice, coupling: Coupling, dual: Dual, node: Node, size: int, kappa: float, kappa_extra: float,
    paid: float, cut: float, goal: Goal, plain: Goal, omega: float, bound: float, root: float, weight: float,
    constant: float, rounds: int, descents: int, kernels: np.ndarray,
) -> tuple[float, float, float, float, float, Goal]:  # fmt: skip
    """Better multipliers for a node whose bound with those it has is ``bound``: as many rounds at most.

    It is the hull bound with ``weight`` and ``constant``, or if there is no weight the cone's. ``goal`` is the one with
    the error of the multipliers, ``plain`` the one without. Returns the bound, ω and the tracking error at x̂ of the
    cone's, what is paid, κ of the second quadratic and the goal, all for the multipliers that are best, which dual and
    node are left with.
    """
    count, second = dual.multiplier.size, coupling.cap.size > 0
    best, damping, now, again = bound, DAMPING, goal, False
    for r in range(count):
        dual.best[r] = dual.multiplier[r]
    for turn in range(rounds + 1):
        if turn == rounds or bound >= cut:
            again = bound < best
        elif not step(
            lattice, coupling, dual, node, size, omega, weight, max(cut - best, 1e-12 * abs(cut)), damping
        ):  # fmt: skip
            again = bound < best
            rounds = turn
        if turn >= rounds or bound >= cut:
            if not again:
                break
            for r in range(count):
                dual.multiplier[r] = dual.best[r]
        paid, doubt = price_rules(lattice, coupling, dual, node.low, node.high)
        for i in range(node.low.size):
            if not dual.free[i]:
                paid += dual.lattice.cost[lattice.start[i] + node.low[i]]
        forget_envelopes(node, size)
        build_envelopes(dual.lattice, node, size * 0, size, weight)
        kappa_extra = load_extra(lattice, coupling, dual, node, size)
        now = Goal(goal.buffer, goal.edge, goal.error, plain.cost_error + doubt, goal.loss)
        if weight > 0:
            kappa_whole = join_quadratics(node, size, weight, kappa, kappa_extra, second)
            bound = call(
                kernels[HULL], hull_bound,
                dual.lattice, node, size, kappa_whole, paid, cut, now, weight, constant, descents,
            )  # fmt: skip
        else:
            bound, omega, root = call(
                kernels[CONE], cone_bound,
                dual.lattice, node, size, kappa, paid, cut, now, omega, descents, second, kappa_extra,
            )  # fmt: skip
        if turn >= rounds:
            break
        if bound > best:
            damping, best = max(damping * EASIER, LEAST_DAMPING), bound
            for r in range(count):
                dual.best[r] = dual.multiplier[r]
        else:
            damping = min(damping * HARDER, MOST_DAMPING)
    return bound, omega, root, paid, kappa_extra, now
