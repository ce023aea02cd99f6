"""A node: its box, its point and what descent keeps of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.descent import (
    envelope,
)
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice


class Node(NamedTuple):
    """Scratch arrays of the current node; the first ``size`` entries belong to its free variables.

    Attributes
    ----------
    place : ndarray of int, shape (n,)
        Which variable of the lattice.
    gram, target, link, x, pull, diagonal : ndarray
        H, σ, b, x̂, b + Hê and d.
    points, heights, slopes, vertices
        Envelopes, and how many vertices each has.
    drawn, curvature : ndarray of int, shape (n, 3), and ndarray, shape (n,)
        What each envelope is of: variable, first and last index, and νd. Valid for one lattice: another needs a new
        node.
    term, best, tilt : ndarray, shape (n,)
        Each variable's minimum in the last bound, the index that has it, and the slope that was added to its costs.
    extra, extra_link, extra_pull : ndarray
        E, b_E and b_E + Eê of a second quadratic that is added to the value (`multipliers`), if there is one.
    whole, whole_link : ndarray
        H + E/ν and b + b_E/ν: of both quadratics together. Without a second one they are ``gram`` and ``link``.
    low, high : ndarray of int, shape (n,)
        The box of all variables, as indices.
    """

    place: np.ndarray
    gram: np.ndarray
    target: np.ndarray
    link: np.ndarray
    x: np.ndarray
    pull: np.ndarray
    diagonal: np.ndarray
    points: np.ndarray
    heights: np.ndarray
    slopes: np.ndarray
    vertices: np.ndarray
    drawn: np.ndarray
    curvature: np.ndarray
    term: np.ndarray
    best: np.ndarray
    tilt: np.ndarray
    extra: np.ndarray
    extra_link: np.ndarray
    extra_pull: np.ndarray
    whole: np.ndarray
    whole_link: np.ndarray
    low: np.ndarray
    high: np.ndarray


@compiled
def new_node(size: int, width: int, second: bool) -> Node:
    """Scratch for n variables with at most ``width`` positions each, with or without a second quadratic."""
    whole, real, table = np.zeros((5, size), dtype=np.int64), np.zeros((11, size)), np.zeros((3, size, width))
    gram = np.zeros((3 if second else 1, size, size))
    # Without a second quadratic the arrays of both are those of the first.
    both, extra = (2, 1) if second else (0, 0)
    both_link = 10 if second else 1
    return Node(
        whole[0], gram[0], real[0], real[1], real[2], real[3], real[4], table[0], table[1], table[2], whole[1],
        np.full((size, 3), -1), real[5], real[6], whole[2], real[7], gram[extra], real[8], real[9], gram[both],
        real[both_link], whole[3], whole[4],
    )  # fmt: skip


@part
def load(lattice: Lattice, node: Node, start: np.ndarray, diagonal: np.ndarray) -> tuple[int, float, float]:
    """Collect the free variables of the box ``node.low`` to ``node.high``.

    Returns their number, κ and the cost of the fixed ones.
    """
    node_diagonal = node.diagonal
    gram = node.gram
    high = node.high
    link = node.link
    low = node.low
    place = node.place
    target = node.target
    x = node.x
    cost = lattice.cost
    first = lattice.first
    lattice_gram = lattice.gram
    lattice_start = lattice.start
    lattice_target = lattice.target
    n = start.size
    size, kappa, paid = 0, 0.0, 0.0
    for i in range(n):
        if low[i] < high[i]:
            place[size] = i
            size += 1
        else:
            paid += cost[lattice_start[i] + low[i]]
    for a in range(size):
        i = place[a]
        link[a] = 0.0
        target[a] = lattice_target[i]
        node_diagonal[a] = diagonal[i]
        x[a] = min(max(start[i], first[i] + low[i]), first[i] + high[i])
        for c in range(size):
            gram[a, c] = lattice_gram[i, place[c]]
    for i in range(n):
        if low[i] < high[i]:
            continue
        distance = first[i] + low[i] - lattice_target[i]
        part = 0.0
        for j in range(n):
            if low[j] == high[j]:
                part += lattice_gram[i, j] * (first[j] + low[j] - lattice_target[j])
        kappa += part * distance
        for a in range(size):
            link[a] += lattice_gram[i, place[a]] * distance
    if size == 1:
        node_diagonal[0] = gram[0, 0]
    refresh(node, size, node.gram, node.link, node.pull)
    return size, kappa, paid


@part
def refresh(node: Node, size: int, gram: np.ndarray, link: np.ndarray, pull: np.ndarray) -> None:
    """Recompute ``pull`` = b + Hê from x̂."""
    target = node.target
    x = node.x
    for a in range(size):
        pull[a] = link[a]
    for c in range(size):
        distance = x[c] - target[c]
        for a in range(size):
            pull[a] += gram[c, a] * distance


@part
def enter_box(lattice: Lattice, node: Node, size: int) -> None:
    """Move x̂ into the box, which has become smaller; who needs b + Hê recomputes it."""
    first = lattice.first
    high = node.high
    low = node.low
    place = node.place
    x = node.x
    for a in range(size):
        i = place[a]
        x[a] = min(max(x[a], first[i] + low[i]), first[i] + high[i])


@part
def nearest(lattice: Lattice, node: Node, a: int) -> int:
    """The index in the range of the free variable ``a`` that is nearest to x̂."""
    i = node.place[a]
    near: int = min(max(math.floor(node.x[a] - lattice.first[i] + 0.5), node.low[i]), node.high[i])
    return near


@part
def build_envelopes(lattice: Lattice, node: Node, begin: int, end: int, weight: float) -> None:
    """Build the envelopes of ν d (z − σ)² + c(z) for the variables ``begin`` to ``end``; ν is ``weight``.

    Envelopes that are still valid are kept: from one node to the next few boxes change.
    """
    count = node.vertices
    curvature = node.curvature
    diagonal = node.diagonal
    drawn = node.drawn
    heights = node.heights
    high = node.high
    low = node.low
    place = node.place
    points = node.points
    slopes = node.slopes
    target = node.target
    cost = lattice.cost
    first = lattice.first
    start = lattice.start
    for a in range(begin, end):
        i = place[a]
        curve = weight * diagonal[a]
        if drawn[a, 0] == i and drawn[a, 1] == low[i] and drawn[a, 2] == high[i] and curvature[a] == curve:
            continue
        drawn[a, 0], drawn[a, 1], drawn[a, 2], curvature[a] = i, low[i], high[i], curve
        count[a] = envelope(
            first[i],
            low[i],
            high[i],
            target[a],
            curve,
            cost,
            start[i],
            points,
            heights,
            slopes,
            a,
        )
