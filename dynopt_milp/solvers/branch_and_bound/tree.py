"""Depth-first branch and bound over the boxes of a lattice.

A node is a box and an interval of tracking errors. It is bounded by the cone first and, once a diagonal is known, by
the hull; both drop positions from the box. The hull also narrows the interval: with φ the bound on q/w + c, a portfolio
of tracking error t is worth at least t − B + φ − t²/w, which rules out the t between two roots. What is ruled out at an
end narrows the interval, a hole in the middle makes two nodes. Else the node is split (see `branching`).

The search stops and goes on at any node: all its state is in the arrays of a :class:`Stack`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import (
    CONE_ROUNDS,
    HULL_ROUNDS,
    cone_bound,
    drop,
    hull_bound,
)
from dynopt_milp.solvers.branch_and_bound.branching import CLOSED, LEFT_FIRST, RIGHT_FIRST, TIGHTER, choose, trim_ends
from dynopt_milp.solvers.branch_and_bound.by_address import (
    CHOOSE,
    CONE,
    HULL,
    IMPROVE,
    IMPROVE_RULED,
    LEAF,
    RAISE,
    ROUNDED,
    SPHERE,
    call,
    call_later,
)
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.coupling import Coupling
from dynopt_milp.solvers.branch_and_bound.extraction import is_valid, stretched
from dynopt_milp.solvers.branch_and_bound.goal import Claim, Goal
from dynopt_milp.solvers.branch_and_bound.keeping import close_leaf, consider_ruled
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.levels import SpherePlan
from dynopt_milp.solvers.branch_and_bound.local_search import improve
from dynopt_milp.solvers.branch_and_bound.multipliers import (
    Dual,
    enter_dual,
    forget_envelopes,
    join_quadratics,
    load_extra,
    raise_bound,
)
from dynopt_milp.solvers.branch_and_bound.node import Node, build_envelopes, enter_box, load, nearest
from dynopt_milp.solvers.branch_and_bound.pricing import least_value, tracking_error, trading_cost, value_of
from dynopt_milp.solvers.branch_and_bound.propagation import propagate
from dynopt_milp.solvers.branch_and_bound.ruled_local_search import improve_ruled
from dynopt_milp.solvers.branch_and_bound.sphere import search_sphere
from formulations.exact_norm import UNIT_ROUND_OFF

DONE, PAUSED, FULL = 0, 1, 2
# Nodes; at every 20th a local search starts from x̂ rounded. And its rounds.
TRY_EVERY = 20
TRY_ROUNDS = 30
# A node is bounded again if a quarter of its variables lost positions, or a fifth of its interval.
AGAIN_VARIABLES, AGAIN_INTERVAL = 4, 0.2
HOLE = 0.15  # share of the interval; a larger hole in its middle makes two nodes
# The hull is tried where it pruned one node of three lately, the sphere one of two, and each on every sixteenth node.
HULL_PAYS, SPHERE_PAYS = 3, 2
FIRST_TRIES, PROBE = 24, 16
# Places in the state of a stack.
OPEN, NODES, HULLS_TRIED, HULLS_PRUNED, SPHERES_TRIED, SPHERES_ENDED = range(6)
FLOOR, SPENT = 1, 2  # places in the value of a stack
# Rounds of better multipliers, at the first node and at others.
ROOT_TURNS, NODE_TURNS = 30, 2
TIP = 0.01  # of the cut: a tracking error of less is at the tip of the cone
PENALTY = 10.0  # of the value of the incumbent; what breaking a rule by its limit costs in a local search
SPHERE_SIZE = 2  # free variables; with fewer the sphere search is not tried


class Stack(NamedTuple):
    """Open nodes and what is known; arrays of shape (capacity, n) and (capacity,).

    Attributes
    ----------
    low, high : ndarray of int
        Boxes, as indices.
    x, diagonal : ndarray
        Where descent begins, and a valid D.
    least, most : ndarray
        The interval of tracking errors.
    bound, omega : ndarray
        A lower bound of the node, and its ω.
    multiplier : ndarray, shape (capacity, rules)
        Those of rows and caps.
    best : ndarray of int, shape (n,)
        The incumbent.
    value : ndarray, shape (3,)
        Its value, the least that a portfolio that has been priced at a leaf can be worth in exact arithmetic, and what
        every portfolio pays.
    state : ndarray of int, shape (6,)
        Counts: open nodes, nodes so far, hulls tried, hulls that pruned, spheres tried, spheres that ended.
    """

    low: np.ndarray
    high: np.ndarray
    x: np.ndarray
    diagonal: np.ndarray
    least: np.ndarray
    most: np.ndarray
    bound: np.ndarray
    omega: np.ndarray
    multiplier: np.ndarray
    best: np.ndarray
    value: np.ndarray
    state: np.ndarray


@compiled
def new_stack(size: int, capacity: int, rules: int) -> Stack:
    """An empty stack; of so many rows and caps, together."""
    box, real = np.zeros((2, capacity, size), dtype=np.int64), np.zeros((2, capacity, size))
    line = np.zeros((4, capacity))
    return Stack(
        box[0], box[1], real[0], real[1], line[0], line[1], line[2], line[3], np.zeros((capacity, rules)),
        np.zeros(size, dtype=np.int64), np.array([np.inf, np.inf, 0.0]), np.zeros(6, dtype=np.int64),
    )  # fmt: skip


def grown(stack: Stack) -> Stack:
    """A copy of the stack with twice the capacity."""
    larger = new_stack(stack.best.size, 2 * len(stack.bound), stack.multiplier.shape[1])
    for old, new in zip(stack[:9], larger[:9], strict=True):
        new[: len(old)] = old
    return larger._replace(best=stack.best, value=stack.value, state=stack.state)


@compiled
def begin(stack: Stack, lattice: Lattice, goal: Goal, spent: float) -> None:
    """Open the first node, the whole box of the lattice; the value of the incumbent is known.

    No portfolio costs less than ``spent``.
    """
    first, start, target, high, x = lattice.first, lattice.start, lattice.target, stack.high, stack.x
    for i in range(target.size):
        high[0, i] = start[i + 1] - start[i] - 1
        x[0, i] = min(max(target[i], first[i]), first[i] + high[0, i])
    stack.value[SPENT] = max(spent - goal.cost_error, 0.0)
    stack.most[0], stack.omega[0] = stack.value[0] + goal.buffer - stack.value[SPENT], 1.0
    if goal.edge:
        stack.most[0], stack.omega[0] = goal.buffer, stack.value[0] / goal.buffer / goal.buffer
    stack.state[OPEN] = 1


@compiled
def claimed_bound(stack: Stack, value: float, slack: float) -> float:
    """What is proved: no portfolio of the program, whose best known value is ``value``, is worth less.

    Boxes that were pruned hold nothing below (1 − slack) × the value, leaves nothing below what they can be worth, and
    open nodes nothing below their bounds.
    """
    bound: float = min(value * (1 - slack), stack.value[FLOOR])
    for k in range(stack.state[OPEN]):
        bound = min(bound, stack.bound[k])
    if abs(bound) < np.inf:
        bound -= 8 * UNIT_ROUND_OFF * stack.best.size * abs(bound)
    return bound


@part
def consider(lattice: Lattice, stack: Stack, index: np.ndarray, claim: Claim) -> None:
    """Price a portfolio and keep it if it is the best."""
    error, spread = tracking_error(lattice, index)
    cost = trading_cost(lattice, index)
    value = value_of(error, cost, claim.inner, claim.goal.edge)
    stack.value[FLOOR] = min(stack.value[FLOOR], least_value(lattice, error, spread, cost, claim))
    if value < stack.value[0]:
        stack.value[0] = value
        for i in range(index.size):
            stack.best[i] = index[i]


@part
def push(
    stack: Stack, node: Node, multiplier: np.ndarray, size: int, least: float, most: float, bound: float, omega: float,
    split: int, at: int, left: bool,
) -> None:  # fmt: skip
    """Put the node back, or with ``split`` ≥ 0 one side of it: positions up to index ``at``, or from the next on."""
    diagonal = node.diagonal
    high = node.high
    low = node.low
    place = node.place
    x = node.x
    top = stack.state[OPEN]
    for i in range(low.size):
        stack.low[top, i], stack.high[top, i] = low[i], high[i]
    for a in range(size):
        stack.x[top, place[a]] = x[a]
        stack.diagonal[top, place[a]] = diagonal[a]
    for r in range(multiplier.size):
        stack.multiplier[top, r] = multiplier[r]
    if split >= 0:
        if left:
            stack.high[top, split] = at
        else:
            stack.low[top, split] = at + 1
    stack.least[top], stack.most[top], stack.bound[top], stack.omega[top] = least, most, bound, omega
    stack.state[OPEN] = top + 1


@part
def worth_trying(stack: Stack, what: int, pays: int) -> bool:
    """Whether a bound that does not always prune is tried on this node: if it does once in ``pays`` times.

    ``what`` is where its tries are counted; its successes are next to them.
    """
    tried, won = stack.state[what], stack.state[what + 1]
    often: bool = tried < FIRST_TRIES or won * pays >= tried
    return often or stack.state[NODES] % PROBE == 0


@part
def record(stack: Stack, what: int, pruned: bool) -> None:
    """Count a try and whether it pruned; older tries lose weight."""
    stack.state[what] += 1
    if pruned:
        stack.state[what + 1] += 1
    if stack.state[what] >= 4 * FIRST_TRIES:
        stack.state[what] //= 2
        stack.state[what + 1] //= 2


@part
def trim(lattice: Lattice, node: Node) -> bool:
    """Drop positions of infinite cost from the ends of the box; False if a variable has none left."""
    for i in range(node.low.size):
        trim_ends(lattice, node, i)
        if node.low[i] > node.high[i] or lattice.cost[lattice.start[i] + node.low[i]] == np.inf:
            return False
    return True


@part
def stretch(node: Node, size: int) -> None:
    """Enlarge D for the block of free variables, if a larger one is found and proved valid."""
    if size < 2:
        return
    factor = stretched(size, node.gram, node.diagonal)
    if factor > 1:
        larger = np.empty(size)
        for a in range(size):
            larger[a] = node.diagonal[a] * factor
        if is_valid(size, node.gram, larger):
            for a in range(size):
                node.diagonal[a] = larger[a]


@part
def hole(cut: float, phi: float, weight: float, buffer: float) -> tuple[float, float]:
    """The tracking errors between which t − B + φ − t²/w ≥ cut, w = 1/weight; equal if there are none."""
    width = 1 / weight
    room = 1 - 4 * (cut + buffer - phi) / width
    if room <= 0:
        return width / 2, width / 2
    root = math.sqrt(room)
    return width / 2 * (1 - root), width / 2 * (1 + root)


@part
def round_point(
    lattice: Lattice, node: Node, size: int, index: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:  # fmt: skip
    """Fill ``index`` with x̂ rounded, and ``low`` and ``high`` with the whole box of the lattice."""
    for i in range(index.size):
        low[i], high[i] = 0, lattice.start[i + 1] - lattice.start[i] - 1
        index[i] = node.low[i]
    for a in range(size):
        index[node.place[a]] = nearest(lattice, node, a)


@part
def try_ruled(
    lattice: Lattice, coupling: Coupling, dual: Dual, stack: Stack, index: np.ndarray, low: np.ndarray,
    high: np.ndarray, claim: Claim, rounds: int, kernels: np.ndarray,
) -> None:  # fmt: skip
    """Local search in a box from indices, with the options that multipliers choose for them."""
    held = np.empty(index.size, dtype=np.int64)
    for i in range(index.size):
        held[i] = dual.chosen[lattice.start[i] + index[i]]
    wrong = call(
        kernels[IMPROVE_RULED], improve_ruled,
        lattice, coupling, low, high, index, held, claim.inner, claim.goal.edge, PENALTY * stack.value[0], rounds,
    )  # fmt: skip
    if wrong == 0:
        consider_ruled(lattice, coupling, stack.value, stack.best, dual.held, index, held, claim)


@compiled
def search(
    lattice: Lattice, coupling: Coupling, dual: Dual, stack: Stack, node: Node, claim: Claim, slack: float,
    use_hull: bool, plan: SpherePlan, ahead: int, nodes: int, kernels: np.ndarray,
) -> int:  # fmt: skip
    """Search until no node is open (DONE), ``nodes`` more are done (PAUSED) or the stack is full (FULL).

    ``ahead`` candidates are looked at before a node is split; with one, the first is taken unseen.
    Everything of at least (1 − slack) × the best value counts as pruned. With rules, what is bounded is the lattice
    that their multipliers make (`multipliers`).
    """
    n, goal = stack.best.size, claim.goal
    ruled, second = stack.multiplier.shape[1] > 0, coupling.cap.size > 0
    priced = lattice
    index, scratch = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    low, high = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    # Not literals: numba would compile what is called once more for each.
    rounds, nothing, yes = nodes * 0 + TRY_ROUNDS, nodes * 0 - 1, nodes > 0
    cone_rounds, hull_rounds, none = nodes * 0 + CONE_ROUNDS, nodes * 0 + HULL_ROUNDS, nodes * 0
    candidates, scores = np.empty(ahead, dtype=np.int64), np.empty(ahead)
    last = stack.state[NODES] + nodes
    while stack.state[OPEN] > 0:
        if stack.state[OPEN] + 3 > stack.bound.size:
            return FULL
        if stack.state[NODES] >= last:
            return PAUSED
        stack.state[OPEN] -= 1
        stack.state[NODES] += 1
        top = stack.state[OPEN]
        cut = stack.value[0] * (1 - slack)
        bound, omega, least = stack.bound[top], stack.omega[top], stack.least[top]
        most = stack.most[top]
        if not goal.edge:
            most = min(most, cut + goal.buffer - stack.value[SPENT])
        if bound >= cut or least >= most:
            continue
        for i in range(n):
            node.low[i], node.high[i] = stack.low[top, i], stack.high[top, i]
        if not trim(lattice, node):
            continue
        constant = 0.0
        if ruled:
            if not propagate(lattice, coupling, node):
                continue
            constant, goal = enter_dual(lattice, coupling, dual, stack.multiplier, top, node, claim.goal)
            priced = dual.lattice
        size, kappa, paid = load(priced, node, stack.x[top], stack.diagonal[top])
        paid += constant
        if size == 0:
            if ruled:
                call_later(
                    kernels[LEAF], close_leaf, None,
                    lattice, coupling, stack.value, stack.best, dual.held, node.low, scratch, claim, cut,
                )  # fmt: skip
            else:
                consider(lattice, stack, node.low, claim)
            continue

        kappa_extra = 0.0
        if ruled:
            forget_envelopes(node, size)
            kappa_extra = load_extra(lattice, coupling, dual, node, size)
        build_envelopes(priced, node, none, size, 0.0)
        cone, omega, root = call(
            kernels[CONE], cone_bound,
            priced, node, size, kappa, paid, cut, goal, omega, cone_rounds, second, kappa_extra,
        )  # fmt: skip
        if ruled and cone < cut:
            turns = ROOT_TURNS if stack.state[NODES] == 1 else NODE_TURNS
            raised = (cone, omega, root, paid, kappa_extra, goal)
            cone, omega, root, paid, kappa_extra, goal = call_later(
                kernels[RAISE], raise_bound, raised,
                lattice, coupling, dual, node, size, kappa, kappa_extra, paid, cut, goal, claim.goal, omega, cone,
                root, 0.0, 0.0, turns, cone_rounds, kernels,
            )  # fmt: skip
        if cone >= cut:
            continue
        if cone > bound:
            bound = cone
        cuts = drop(priced, node, size, cut - cone, 0.0)

        # A cone at its tip says nothing of where to go: rules leave the target there, as in a problem without costs.
        kinked = ruled and not goal.edge and root - goal.buffer < TIP * cut
        hulled = (
            (use_hull or kinked)
            and (goal.edge or root > goal.buffer or goal.buffer == 0 or kinked)
            and (kinked or worth_trying(stack, HULLS_TRIED, HULL_PAYS))
        )
        hull, weight, constant, kappa_whole = -np.inf, 0.0, 0.0, kappa
        if hulled:
            enter_box(priced, node, size)
            stretch(node, size)
            weight = omega / 2 if goal.edge else 1 / (least + most)
            constant = -weight * goal.buffer * goal.buffer if goal.edge else least * most * weight - goal.buffer
            kappa_whole = join_quadratics(node, size, weight, kappa, kappa_extra, second)
            build_envelopes(priced, node, none, size, weight)
            hull = call(
                kernels[HULL], hull_bound,
                priced, node, size, kappa_whole, paid, cut, goal, weight, constant, hull_rounds,
            )  # fmt: skip
            if ruled and hull < cut:
                turns = ROOT_TURNS if stack.state[NODES] == 1 else NODE_TURNS
                raised = (hull, omega, root, paid, kappa_extra, goal)
                hull, omega, root, paid, kappa_extra, goal = call_later(
                    kernels[RAISE], raise_bound, raised,
                    lattice, coupling, dual, node, size, kappa, kappa_extra, paid, cut, goal, claim.goal, omega, hull,
                    root, weight, constant, turns, hull_rounds, kernels,
                )  # fmt: skip
                kappa_whole = kappa + kappa_extra / weight
            record(stack, HULLS_TRIED, hull >= cut)
            if hull >= cut:
                continue
            if hull > bound:
                bound = hull
            cuts += drop(priced, node, size, cut - hull, weight)

        if stack.state[NODES] % TRY_EVERY == 1:
            round_point(lattice, node, size, index, low, high)
            if ruled:
                call_later(
                    kernels[ROUNDED], try_ruled, None,
                    lattice, coupling, dual, stack, index, low, high, claim, rounds, kernels,
                )  # fmt: skip
            else:
                call(kernels[IMPROVE], improve, lattice, low, high, index, claim.inner, goal.edge, rounds)
                consider(lattice, stack, index, claim)
            cut = stack.value[0] * (1 - slack)

        if hulled and not goal.edge:
            phi = hull - least * most * weight + goal.buffer
            start, end = hole(cut, phi, weight, goal.buffer)
            width = most - least
            if start <= least:
                least = max(least, end)
            elif end >= most:
                most = min(most, start)
            elif end - start > HOLE * width:
                push(stack, node, dual.multiplier, size, least, start, bound, omega, nothing, nothing, yes)
                push(stack, node, dual.multiplier, size, end, most, bound, omega, nothing, nothing, yes)
                continue
            if least >= most:
                continue
            if most - least < (1 - AGAIN_INTERVAL) * width:
                cuts = size
        if cuts * AGAIN_VARIABLES >= size and cuts > 0:
            push(stack, node, dual.multiplier, size, least, most, bound, omega, nothing, nothing, yes)
            continue
        if not ruled and plan.active and size >= SPHERE_SIZE and worth_trying(stack, SPHERES_TRIED, SPHERE_PAYS):
            ended = call(
                kernels[SPHERE], search_sphere,
                lattice, node, size, kappa, paid, stack.value, stack.best, claim, slack, plan, least, most,
            )  # fmt: skip
            record(stack, SPHERES_TRIED, ended)
            if ended:
                continue
            cut = stack.value[0] * (1 - slack)
        if hull <= cone:
            weight = 0.0
        outcome, split, at = call(
            kernels[CHOOSE], choose,
            priced, node, size, kappa_whole if weight > 0 else kappa, paid, cut, goal, omega, max(cone, hull), weight,
            constant, candidates, scores, second, kappa_extra,
        )  # fmt: skip
        if outcome == TIGHTER:
            push(stack, node, dual.multiplier, size, least, most, bound, omega, nothing, nothing, yes)
        elif outcome != CLOSED:
            push(stack, node, dual.multiplier, size, least, most, bound, omega, split, at, outcome == RIGHT_FIRST)
            push(stack, node, dual.multiplier, size, least, most, bound, omega, split, at, outcome == LEFT_FIRST)
    return DONE
