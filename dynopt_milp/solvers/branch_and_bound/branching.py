"""Where a node is split: both sides of every candidate are bounded, and the pair that gains most is taken.

A side that cannot hold anything better is cut off there and then, whichever variable is split in the end, so looking
ahead also tightens the box. That is worth its time because bounds of children are cheap and accurate: they start from
the relaxation of the node, and Newton's method takes them to their own in a few rounds.

Source: strong branching, D. Applegate, R. Bixby, V. Chvátal, W. Cook (1995); the product of the gains, T. Achterberg,
*Constraint Integer Programming* (2007), section 5.7.
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import cone_bound, hull_bound
from dynopt_milp.solvers.branch_and_bound.compiled import part
from dynopt_milp.solvers.branch_and_bound.descent import find_piece
from dynopt_milp.solvers.branch_and_bound.goal import Goal
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.node import Node, build_envelopes, refresh

ROUNDS = 6  # of descent for one side: bounds that have not converged choose badly
WORK = 60_000  # candidates × free variables squared: with hundreds of variables looking ahead saves less than it takes
AGAIN = 2  # a node is bounded again if looking ahead tightened one candidate of so many
LEAST_GAIN = 1e-6  # of the cut, so that a side that gains nothing does not hide what the other gains
AT_VERTEX = 1e-7  # x̂ counts as a vertex within this
# What to do with the node.
CLOSED, TIGHTER, LEFT_FIRST, RIGHT_FIRST = 0, 1, 2, 3


@part
def find_candidates(node: Node, size: int, candidates: np.ndarray, scores: np.ndarray) -> int:
    """Fill ``candidates`` with free variables (places in the node), best first; return how many there are.

    Those furthest from whole numbers in units of risk; if x̂ is at vertices only, those with the most risk in their
    ranges.
    """
    count = node.vertices
    gram = node.gram
    high = node.high
    low = node.low
    place = node.place
    points = node.points
    x = node.x
    found = 0
    for whole in range(2):
        for a in range(size):
            i = place[a]
            if low[i] >= high[i]:
                continue
            score = float((high[i] - low[i]) ** 2)
            if whole == 0:
                vertex = find_piece(points, a, count[a], x[a])
                before = x[a] - points[a, vertex]
                after = points[a, min(vertex + 1, count[a] - 1)] - x[a]
                if before < AT_VERTEX or after < AT_VERTEX:
                    continue
                fraction = x[a] - math.floor(x[a])
                score = max(fraction * (1 - fraction), min(before, after) * 0.25)
            score *= gram[a, a]
            if found < candidates.size:
                found += 1
            elif scores[found - 1] >= score:
                continue
            at = found - 1
            while at > 0 and scores[at - 1] < score:
                candidates[at], scores[at] = candidates[at - 1], scores[at - 1]
                at -= 1
            candidates[at], scores[at] = a, score
        if found > 0:
            break
    return found


@part
def move_inside(lattice: Lattice, node: Node, size: int, a: int, gram: np.ndarray) -> None:
    """Move x̂ of one variable into its range, and update b + Hê."""
    pull = node.pull
    x = node.x
    i = node.place[a]
    inside = min(max(x[a], lattice.first[i] + node.low[i]), lattice.first[i] + node.high[i])
    step = inside - x[a]
    x[a] = inside
    for c in range(size):
        pull[c] += gram[a, c] * step


@part
def trim_ends(lattice: Lattice, node: Node, i: int) -> None:
    """Drop positions of infinite cost from the ends of one range; the last one stays."""
    cost, begin = lattice.cost, lattice.start[i]
    while node.low[i] < node.high[i] and cost[begin + node.low[i]] == np.inf:
        node.low[i] += 1
    while node.high[i] > node.low[i] and cost[begin + node.high[i]] == np.inf:
        node.high[i] -= 1


@part
def choose(
    lattice: Lattice, node: Node, size: int, kappa: float, paid: float, cut: float, goal: Goal, omega: float,
    bound: float, weight: float, constant: float, candidates: np.ndarray, scores: np.ndarray, second: bool,
    kappa_extra: float,
) -> tuple[int, int, int]:  # fmt: skip
    """Decide what to do with the node; return that, the variable to split and the last index of its left side.

    ``bound`` is that of the node: the hull bound with ``weight`` and ``constant``, for which κ is of all that it
    bounds, or if there is no weight the cone bound with ω. As many variables are looked at as ``candidates`` has room
    for. The node is CLOSED if nothing better is left, TIGHTER if its box became smaller (bound it again), else it is
    split, with the side of x̂ to be searched first.
    """
    found = find_candidates(node, size, candidates, scores)
    if found == 0:
        return TIGHTER, -1, 0
    found = min(found, 1 + WORK // (size * size))
    high = node.high
    low = node.low
    place = node.place
    node_pull = node.pull
    node_x = node.x
    x, pull = np.empty(size), np.empty(size)
    rounds, none = size * 0 + ROUNDS, size * 0  # not literals, see `tree.search`
    if found > 1:
        build_envelopes(lattice, node, none, size, weight)
    gram = node.whole if weight > 0 else node.gram
    refresh(node, size, gram, node.whole_link if weight > 0 else node.link, node_pull)
    for c in range(size):
        x[c], pull[c] = node_x[c], node_pull[c]
    chosen, split, best, first, tightened = -1, 0, -1.0, LEFT_FIRST, 0
    for number in range(found):
        a = candidates[number]
        i = place[a]
        lowest, highest = low[i], high[i]
        offset = x[a] - lattice.first[i]
        at = min(max(math.floor(offset), lowest), highest - 1)
        side = LEFT_FIRST if offset - at <= 0.5 else RIGHT_FIRST
        if found == 1:
            return side, i, at
        gain, left, right = 1.0, True, True
        for half in range(2):
            low[i] = at + 1 if half else lowest
            high[i] = highest if half else at
            trim_ends(lattice, node, i)
            build_envelopes(lattice, node, a, a + 1, weight)
            move_inside(lattice, node, size, a, gram)
            if weight > 0:
                reached = hull_bound(lattice, node, size, kappa, paid, cut, goal, weight, constant, rounds)
            else:
                reached, _, _ = cone_bound(
                    lattice, node, size, kappa, paid, cut, goal, omega, rounds, second, kappa_extra
                )
            if reached >= cut and half:
                right = False
            elif reached >= cut:
                left = False
            gain *= max(min(reached, cut) - bound, LEAST_GAIN * cut)
            for c in range(size):
                node_x[c], node_pull[c] = x[c], pull[c]
        if not left and not right:
            return CLOSED, -1, 0
        low[i] = lowest if left else at + 1
        high[i] = highest if right else at
        trim_ends(lattice, node, i)
        build_envelopes(lattice, node, a, a + 1, weight)
        if left and right:
            if gain > best:
                chosen, split, best, first = i, at, gain, side
            continue
        tightened += 1
        move_inside(lattice, node, size, a, gram)
        x[a] = node_x[a]
        for c in range(size):
            pull[c] = node_pull[c]
    again = chosen < 0 or tightened * AGAIN >= found
    return TIGHTER if again else first, chosen, split
