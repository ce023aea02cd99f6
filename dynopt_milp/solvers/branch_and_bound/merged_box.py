"""How far from the target a position can be, after contracts of one market are merged."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.goal import Drift, widened
from dynopt_milp.solvers.branch_and_bound.merge import Merged, group_drift, merged_columns, parallels
from dynopt_milp.solvers.branch_and_bound.reach import reaches
from dynopt_milp.solvers.kernels.costs import cheapest_place, least_cost, within_costs
from formulations.bounding_box import OUTWARD
from formulations.separable_cost import Costs

GUESSES = 4  # of the largest tracking error: 1.001, 2, 1,001 and a million times what the one before came to


@compiled
def merged_box(
    factor: np.ndarray, gram: np.ndarray, target: np.ndarray, costs: Costs, lower: np.ndarray, upper: np.ndarray,
    underlying: np.ndarray, twin: np.ndarray, residual: float, radius: float, budget: float, unlike: np.ndarray,
) -> tuple[bool, Merged]:  # fmt: skip
    """The program merged in the box that costs leave, over the box that costs and risk leave of the merged one.

    The arrays are those of a `TrackingProgram`; ``gram`` is F'F, shape (n, n). ``radius`` and ``budget`` are those of
    `formulations.bounding_box`: costs of at most budget, and a tracking error of at most radius. ``unlike``, shape
    (n, n), says which pairs rules tell apart, so that more than their sum counts; it is empty if there are no rules but
    domains. The first result is whether a portfolio can be left; ends are infinite where nothing bounds them.
    """
    least, most = within_costs(costs, lower, upper, budget, least_cost(costs, lower, upper))
    base, ratio, apart = parallels(factor, gram, target, costs, least, most, unlike)
    merged = merged_columns(base, ratio, gram, target, least, most, underlying)
    first, last, lead, merged_gram = merged.lower, merged.upper, merged.lead, merged.gram
    for a in range(first.size):
        if not merged_gram[a, a] > 0 and first[a] <= last[a] and unlike.size == 0:  # without risk the cheapest is best
            first[a] = last[a] = cheapest_place(costs, lead[a], first[a], last[a])
    reach, total = reaches(factor, lead, merged_gram)
    spread = 0.0
    for a in range(first.size):
        if merged_gram[a, a] > 0:
            farthest = max(abs(first[a] - merged.target[a]), abs(last[a] - merged.target[a]))
            spread += math.sqrt(merged_gram[a, a]) * farthest
    # The drift grows with the tracking error T along a straight line: a T that holds what follows from it is a bound.
    drift, farthest, guess = Drift(residual, total, np.inf, np.inf, np.inf), radius, radius
    for attempt in range(GUESSES):
        guess = max(guess, farthest) * (1 + 1e-3 * 1e3**attempt)
        slip, aside = group_drift(merged, apart, gram, target, twin, reach, guess)
        drift = Drift(residual, total, aside, slip, guess)
        farthest = widened(drift, spread, radius)
        if farthest <= guess or farthest == np.inf:
            break
    if farthest <= drift.radius:
        drift = Drift(residual, total, drift.aside, drift.slip, farthest)
        if total < np.inf:
            within_reach(merged.target, reach, farthest, first, last)
    else:  # what is left are the limits and costs
        drift = Drift(residual, np.inf, drift.aside, drift.slip, widened(drift, spread, radius))
    some = True
    for i in range(least.size):
        some &= least[i] <= most[i]
    for a in range(first.size):
        some &= first[a] <= last[a]
    return some, Merged(
        merged.least, merged.most, lead, merged.variable, merged.ratio, merged.groups, merged_gram, merged.target,
        first, last, drift,
    )  # fmt: skip


@part
def within_reach(
    target: np.ndarray, reach: np.ndarray, error: float, lower: np.ndarray, upper: np.ndarray
) -> None:  # fmt: skip
    """Narrow the box, in place, to what a tracking error of at most ``error`` leaves of it."""
    for i in range(target.size):
        if reach[i] < np.inf:
            width = error * reach[i] + OUTWARD * (1 + abs(target[i]))
            lower[i] = max(lower[i], np.ceil(target[i] - width))
            upper[i] = min(upper[i], np.floor(target[i] + width))
