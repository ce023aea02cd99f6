"""The continuous relaxation of a node, by coordinate descent and Newton's method in turn.

At a node some variables are free and the others fixed. With e = x − σ over the free ones, the tracking error is

    q(e) = κ + 2b'e + e'He,      b = H_free,fixed e_fixed,   κ = e_fixed'H e_fixed

and the relaxation minimises ν(q(e) − Σdᵢeᵢ²) + Σ hᵢ(xᵢ), where hᵢ is the lower convex envelope, over the whole numbers
left to xᵢ, of νdᵢ(z − σᵢ)² + cᵢ(z). With d = 0 and ν = 1/(2t) at the tracking error t of its own minimiser this is the
square-root lasso; with d > 0 it is the hull of an integer diagonal (see `extraction`).

Descent finds which variables rest at a kink of their costs. It is slow where instruments are much alike, and hundreds
of sweeps away from the answer where costs are low: there Newton's method, on those between kinks, takes a few steps.

Source: coordinate descent for the square-root lasso, A. Belloni, V. Chernozhukov, L. Wang (2011); for convex quadratic
integer programs,
C. Buchheim, A. Caprara, A. Lodi (2012); active sets on pieces, as in M. Osborne, B. Presnell, B. Turlach (2000).
"""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.cholesky import cholesky, solve_factored
from dynopt_milp.solvers.branch_and_bound.compiled import part

NEWTON_STEPS = 10
HALVINGS = 4  # of one step
NEWTON_RIDGE = 1e-11  # of H's diagonal: where H is singular, Newton's method goes far, and is stopped


@part
def envelope(
    first: float,
    low: int,
    high: int,
    target: float,
    curvature: float,
    cost: np.ndarray,
    begin: int,
    points: np.ndarray,
    heights: np.ndarray,
    slopes: np.ndarray,
    a: int,
) -> int:
    """The vertices of the lower convex envelope of curvature·(z − target)² + cost(z); how many there are.

    The table of the variable begins at ``cost[begin]``; row ``a`` of the others is filled, and ``slopes[a, v]`` belongs
    to the piece from vertex v to v + 1.
    """
    count = 0
    for index in range(low, high + 1):
        paid = cost[begin + index]
        if paid == np.inf:
            continue
        point = first + index
        height = curvature * (point - target) * (point - target) + paid
        while count >= 2 and (height - heights[a, count - 1]) * (points[a, count - 1] - points[a, count - 2]) <= (
            heights[a, count - 1] - heights[a, count - 2]
        ) * (point - points[a, count - 1]):
            count -= 1
        points[a, count] = point
        heights[a, count] = height
        count += 1
    for vertex in range(count - 1):
        slopes[a, vertex] = (heights[a, vertex + 1] - heights[a, vertex]) / (points[a, vertex + 1] - points[a, vertex])
    return count


@part
def find_piece(points: np.ndarray, a: int, count: int, x: float) -> int:
    """The last vertex of envelope a not right of x, of those with a piece to their right; 0 if there is none."""
    low, high = 0, count - 2
    while low < high:
        middle = (low + high + 1) // 2
        if points[a, middle] <= x:
            low = middle
        else:
            high = middle - 1
    return low


@part
def descend(
    size: int,
    gram: np.ndarray,
    diagonal: np.ndarray,
    target: np.ndarray,
    weight: float,
    points: np.ndarray,
    slopes: np.ndarray,
    count: np.ndarray,
    x: np.ndarray,
    pull: np.ndarray,
) -> float:
    """One sweep over the free variables; ``x`` and ``pull`` = b + He are changed in place.

    Returns the largest change, as the fall of the quadratic term it stands for.
    """
    largest = 0.0
    for i in range(size):
        steep = gram[i, i] - diagonal[i]
        here = x[i]
        curve = 2 * weight * steep
        tilt = 2 * weight * (pull[i] - diagonal[i] * (here - target[i]))
        # The first vertex with a right derivative that is not negative; the minimum is there or on the piece before.
        low, high = 0, count[i] - 1
        while low < high:
            middle = (low + high) // 2
            if curve * (points[i, middle] - here) + tilt + slopes[i, middle] >= 0:
                high = middle
            else:
                low = middle + 1
        there = points[i, low]
        if low > 0:
            end = curve * (there - here) + tilt + slopes[i, low - 1]
            if end > 0:
                there -= end / curve if curve > 0 else 0.0
                there = max(there, points[i, low - 1])
        step = there - here
        if step != 0.0:
            x[i] = there
            for j in range(size):
                pull[j] += gram[i, j] * step
            change = weight * gram[i, i] * step * step
            if change > largest:
                largest = change
    return largest


@part
def newton(
    size: int, gram: np.ndarray, diagonal: np.ndarray, target: np.ndarray, square: float, omega: float, least: float,
    points: np.ndarray, slopes: np.ndarray, count: np.ndarray, x: np.ndarray, pull: np.ndarray,
) -> None:  # fmt: skip
    """Newton's method on the pieces of the envelopes that x̂ lies inside of; ``x`` and ``pull`` are changed in place.

    On them the relaxation is a quadratic, and its minimiser is x̂ + u + v/ω with u = −M⁻¹(b + Mê), v = −M⁻¹s, s the
    slopes and M = H − D. With ``least`` ≥ 0 it is the root t of q that is minimised: then ω = 1/t, and at the
    minimiser t² = q(x̂ + u)/(1 − s'M⁻¹s), of which no less than ``least`` is taken. ``square`` is q(x̂).

    A variable stops at the end of its piece, where descent takes it on, while the others move: the full step is tried,
    then halves of it, and at last what no variable is stopped in.
    """
    active, piece = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    matrix, upper = np.empty((size, size)), np.empty((size, size))
    step, along, move = np.empty(size), np.empty(size), np.empty(size)
    root = 1 / omega
    for _ in range(NEWTON_STEPS):
        inside = 0
        for a in range(size):
            vertex = find_piece(points, a, count[a], x[a])
            if count[a] > 1 and points[a, vertex] < x[a] < points[a, vertex + 1]:
                active[inside], piece[inside] = a, vertex
                inside += 1
        for i in range(inside):
            a = active[i]
            for j in range(i, inside):
                matrix[i, j] = gram[a, active[j]]
            matrix[i, i] = matrix[i, i] * (1 + NEWTON_RIDGE) - diagonal[a]
            step[i] = diagonal[a] * (x[a] - target[a]) - pull[a]
            along[i] = -slopes[a, piece[i]]
        if inside == 0 or not cholesky(inside, matrix, upper):
            return
        solve_factored(inside, upper, step)
        solve_factored(inside, upper, along)
        steep, nearest = 0.0, square
        for i in range(inside):
            steep -= along[i] * slopes[active[i], piece[i]]
            nearest += step[i] * pull[active[i]]
        if least >= 0:
            root = max(math.sqrt(max(nearest, 0.0) / (1 - steep)) if steep < 1 else 4 * root, least)
        free = 1.0  # what no variable is stopped in
        total = 0.0
        for i in range(inside):
            a = active[i]
            step[i] += root * along[i]
            total += abs(step[i])
            ahead = points[a, piece[i] + 1] if step[i] > 0 else points[a, piece[i]]
            if abs(ahead - x[a]) < free * abs(step[i]):
                free = (ahead - x[a]) / step[i]
        if not total < np.inf:
            return
        share = 1.0
        for _ in range(HALVINGS):
            fall = 0.0
            for i in range(inside):
                a = active[i]
                move[i] = min(max(share * step[i], points[a, piece[i]] - x[a]), points[a, piece[i] + 1] - x[a])
                tilt = pull[a] - diagonal[a] * (x[a] - target[a]) + root * slopes[a, piece[i]]
                tilt += 0.5 * (gram[a, a] - diagonal[a]) * move[i]
                for j in range(i):
                    tilt += gram[a, active[j]] * move[j]
                fall += tilt * move[i]
            if fall < 0 or share <= free:
                break
            share *= 0.5
        else:
            share = free
        for i in range(inside):
            a = active[i]
            there = min(max(x[a] + share * step[i], points[a, piece[i]]), points[a, piece[i] + 1])
            by = there - x[a]
            square += by * (2 * pull[a] + gram[a, a] * by)
            x[a] = there
            for c in range(size):
                pull[c] += gram[a, c] * by
        if free >= 1:
            return


@part
def interpolate(points: np.ndarray, heights: np.ndarray, slopes: np.ndarray, a: int, count: int, x: float) -> float:
    """The value of envelope a at x."""
    vertex = find_piece(points, a, count, x)
    height: float = heights[a, vertex]
    return height + (slopes[a, vertex] * (x - points[a, vertex]) if count > 1 else 0.0)


@part
def least_term(
    points: np.ndarray, heights: np.ndarray, a: int, count: int, slope: float, target: float
) -> tuple[float, int]:
    """The minimum over the vertices of envelope a of slope·(z − target) + height, and the vertex that has it."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if slope * (points[a, middle + 1] - points[a, middle]) + heights[a, middle + 1] - heights[a, middle] >= 0:
            high = middle
        else:
            low = middle + 1
    return slope * (points[a, low] - target) + heights[a, low], low
