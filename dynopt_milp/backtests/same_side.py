"""What the greedy search could reach: its sign rule as limits.

From zero it goes one way only, that of the target, so no position is ever opposite to its target, and one with a target
of zero stays at zero. The exact optimum under that rule splits the greedy gap in two: what the search misses of what it
could reach, and what its rule puts out of reach.
"""

from __future__ import annotations

import numpy as np

from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.problem import Problem

SAME_SIDE = "same_side"
"""The name of the comparison: exact, under greedy's sign rule."""


def reachable(problem: Problem) -> Problem:
    """The problem with greedy's sign rule.

    Where zero is outside an instrument's limits, greedy starts from the limit nearest to it and goes on from there; the
    limits stay as they are.
    """
    target = problem.optimal_positions
    lower, upper = problem.lower, problem.upper
    around_zero = (lower <= 0) & (upper >= 0)
    lower = np.where(around_zero & (target >= 0), 0.0, lower)
    upper = np.where(around_zero & (target <= 0), 0.0, upper)
    return problem.replace(limits=Limits(lower=lower, upper=upper, one_side=problem.limits.one_side))
