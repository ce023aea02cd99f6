"""Universes of made-up futures of any size, with the rebalance of one day."""

from __future__ import annotations

import numpy as np

from dynopt_milp import Problem, solve
from dynopt_milp.problem.book import BOOK_MULTIPLIER_CAP, BOOK_RISK_TARGET

HELD_TIME_LIMIT = 10.0
SECTOR_SIZE = 8
PERSISTENCE = 0.9
"""Correlation of today's forecasts with yesterday's."""


def synthetic_problem(size: int, capital: float, cost_multiplier: float, seed: int) -> Problem:
    """The rebalance of one day in a universe of sectors.

    Returns come from one factor of all, with a loading that differs by sector, one factor for each sector of about
    eight, and noise of each instrument. Forecasts come from the same factors, ten on average as the book's, and are
    cut at twenty. Volatility (15 % a year), contract value (60,000) and cost (0.16 % of volatility for a contract) are
    medians of log-normal draws. Held is what branch and bound finds for yesterday's forecasts from nothing, within ten
    seconds.

    Parameters
    ----------
    size : int
        Instruments.
    capital : float
        In the currency of the contract values.
    cost_multiplier : float
        λ.
    seed : int

    Returns
    -------
    Problem
        The same for the same arguments, as long as the held positions are found in time.
    """
    draw = np.random.default_rng(seed)
    sectors = np.arange(size) % max(1, round(size / SECTOR_SIZE))
    count = sectors.max() + 1
    loadings = np.zeros((size, 1 + count + size))
    loadings[:, 0] = draw.uniform(-0.2, 0.6, count)[sectors] + draw.normal(0, 0.1, size)
    loadings[np.arange(size), 1 + sectors] = draw.uniform(0.5, 0.8, size)
    loadings[np.arange(size), 1 + count + np.arange(size)] = draw.uniform(0.3, 0.7, size)
    loadings /= np.linalg.norm(loadings, axis=1)[:, None]
    volatility = 0.15 * np.exp(draw.normal(0, 0.6, size))
    value = 60e3 * np.exp(draw.normal(0, 0.9, size))
    cost = 0.0016 * np.exp(draw.normal(0, 0.7, size)) * volatility
    yesterday = 10 * loadings @ draw.normal(size=loadings.shape[1])
    news = 10 * loadings @ draw.normal(size=loadings.shape[1])
    today = PERSISTENCE * yesterday + np.sqrt(1 - PERSISTENCE**2) * news
    per_forecast = capital * BOOK_MULTIPLIER_CAP / size * BOOK_RISK_TARGET / (value * volatility) / 10
    first = Problem(
        covariance=(loadings @ loadings.T) * np.outer(volatility, volatility),
        optimal_positions=np.clip(yesterday, -20, 20) * per_forecast,
        weight_per_contract=value / capital,
        cost_in_weight_terms=cost,
        cost_multiplier=cost_multiplier,
        instruments=tuple(f"S{place:03d}" for place in range(size)),
    )
    held = solve(first, "branch_and_bound", time_limit=HELD_TIME_LIMIT).positions.to_numpy()
    return first.replace(optimal_positions=np.clip(today, -20, 20) * per_forecast, previous_positions=held)
