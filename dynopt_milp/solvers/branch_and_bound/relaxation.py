"""The continuous relaxation of a node, by coordinate descent.

At a node some variables are free and the others fixed. With e = x − σ over the free ones, the tracking error is

    q(e) = κ + 2b'e + e'He,      b = H_free,fixed e_fixed,   κ = e_fixed'H e_fixed

and the relaxation minimises ν(q(e) − Σdᵢeᵢ²) + Σ hᵢ(xᵢ), where hᵢ is the lower convex envelope, over the whole numbers
left to xᵢ, of νdᵢ(z − σᵢ)² + cᵢ(z). With d = 0 and ν = 1/(2t) at the tracking error t of its own minimiser this is the
square-root lasso; with d > 0 it is the hull of an integer diagonal (see `extraction`).

Source: coordinate descent for the square-root lasso, A. Belloni, V. Chernozhukov, L. Wang (2011); SOLVERS of CQIPs,
C. Buchheim, A. Caprara, A. Lodi (2012).
"""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part


@part
def envelope(
    first: float,
    low: int,
    high: int,
    target: float,
    curvature: float,
    cost: np.ndarray,
    points: np.ndarray,
    heights: np.ndarray,
    slopes: np.ndarray,
) -> int:
    """The vertices of the lower convex envelope of curvature·(z − target)² + cost(z); how many there are.

    ``cost`` is the table of the variable; ``slopes[v]`` belongs to the piece from vertex v to v + 1.
    """
    count = 0
    for index in range(low, high + 1):
        paid = cost[index]
        if paid == np.inf:
            continue
        point = first + index
        height = curvature * (point - target) * (point - target) + paid
        while count >= 2 and (height - heights[count - 1]) * (points[count - 1] - points[count - 2]) <= (
            heights[count - 1] - heights[count - 2]
        ) * (point - points[count - 1]):
            count -= 1
        points[count] = point
        heights[count] = height
        count += 1
    for vertex in range(count - 1):
        slopes[vertex] = (heights[vertex + 1] - heights[vertex]) / (points[vertex + 1] - points[vertex])
    return count


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
def interpolate(points: np.ndarray, heights: np.ndarray, slopes: np.ndarray, count: int, x: float) -> float:
    """The envelope at x."""
    vertex = 0
    while vertex < count - 2 and points[vertex + 1] < x:
        vertex += 1
    height: float = heights[vertex]
    return height + (slopes[vertex] * (x - points[vertex]) if count > 1 else 0.0)


@part
def least_term(points: np.ndarray, heights: np.ndarray, count: int, slope: float, target: float) -> tuple[float, int]:
    """The minimum over the vertices of slope·(z − target) + height, and the vertex that has it."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if slope * (points[middle + 1] - points[middle]) + heights[middle + 1] - heights[middle] >= 0:
            high = middle
        else:
            low = middle + 1
    return slope * (points[low] - target) + heights[low], low
