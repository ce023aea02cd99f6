"""The search that is replaced: greedy in weights, as the book describes it, without a line more than it needs.

It is what the adapters' greedy would be without checks, labels and limits, so that the comparison favours it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.solvers.solving import DEFAULT_BUFFER
from formulations import FloatArray

COST_MULTIPLIER, BUFFER = BOOK_COST_MULTIPLIER, DEFAULT_BUFFER


def greedy_weights(day: Any) -> FloatArray:
    """Weights to hold, shape (n,): the search with costs, then the book's buffer.

    Parameters
    ----------
    day : Day
        As in :mod:`dynopt_milp.adapters.book`.
    """
    sigma, wanted = day.covariance_matrix, day.unrounded_optimal_position_weights
    held, unit, cost = day.previous_position_weights, day.weight_per_contract, day.cost_in_weight_terms_as_np

    def objective(weights: FloatArray) -> float:
        gap = weights - wanted
        penalty = COST_MULTIPLIER * np.abs((weights - held) * cost).sum()
        return float((gap @ sigma @ gap) ** 0.5 + penalty)

    weights, best = day.starting_weights, objective(day.starting_weights)
    while True:
        found = None
        for place, step in enumerate(unit * day.direction_as_np):
            candidate = weights.copy()
            candidate[place] += step
            value = objective(candidate)
            if value < best:
                found, best = candidate, value
        if found is None:
            break
        weights = found
    away = weights - held
    distance = float(away @ sigma @ away) ** 0.5
    share = max((distance - BUFFER) / distance, 0.0) if distance > 0 else 0.0
    return np.asarray(held + np.round(share * away / unit) * unit)
