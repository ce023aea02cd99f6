"""Realistic problems, drawn from a seed: real contract specifications, simulated correlations and forecasts.

Correlations come from factors: one for all risky assets, one for each asset class, one for each sector. Targets are
sized as in the book from random forecasts; the positions held are what the greedy search held for the forecasts of
the day before, so that there is something to trade, and a reason not to.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dynopt_milp.data.contracts import contracts
from dynopt_milp.data.simulation.factors import factor_loadings
from dynopt_milp.io.labelled import whole_number
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER, BOOK_MULTIPLIER_CAP, BOOK_RISK_TARGET
from dynopt_milp.problem.problem import Problem
from dynopt_milp.solvers.solving import solve
from dynopt_milp.strategy.forecasts import AVERAGE_FORECAST, FORECAST_CAP
from formulations import FloatArray

__all__ = ["EXAMPLE_CAPITALS", "contracts", "example_problem"]

EXAMPLE_CAPITALS = (50_000.0, 250_000.0, 1_000_000.0)
"""The capitals of the examples, US dollars."""
EXAMPLE_CONTRACTS = 32
"""The number of instruments: the first rows of the table of contracts, for which figures are published."""
ONE_DAY = 0.96  # autocorrelation of a forecast from one day to the next


def example_problem(
    capital: float = 250_000.0, *, seed: int = 1, cost_multiplier: float = BOOK_COST_MULTIPLIER
) -> Problem:
    """One rebalance of 32 well-known futures.

    Parameters
    ----------
    capital : float
        US dollars, positive.
    seed : int
        Same seed, same correlations and forecasts.
    cost_multiplier : float
        λ.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    random = np.random.default_rng(whole_number(seed, "seed"))
    table = contracts().iloc[:EXAMPLE_CONTRACTS]
    covariance, loadings = _covariance(table, random)
    # Forecasts follow trends, and trends follow the factors.
    yesterday = _forecasts(loadings, random)
    today = ONE_DAY * yesterday + np.sqrt(1 - ONE_DAY**2) * _forecasts(loadings, random)
    value = table["multiplier"] * table["price"] * table["fx"]
    weight = 1 / len(table)

    def problem(forecast: FloatArray, held: pd.Series | float) -> Problem:
        capped = pd.Series(np.clip(forecast, -FORECAST_CAP, FORECAST_CAP), index=table.index)
        risk = capital * BOOK_MULTIPLIER_CAP * weight * BOOK_RISK_TARGET
        return Problem.from_market(
            capital=capital,
            prices=table["price"],
            multipliers=table["multiplier"],
            fx=table["fx"],
            covariance=covariance,
            optimal_positions=capped * risk / (AVERAGE_FORECAST * value * table["volatility"]),
            cost_per_contract=(table["multiplier"] * table["spread"] / 2 + table["commission"]) * table["fx"],
            previous_positions=held,
            cost_multiplier=cost_multiplier,
        )

    held = solve(problem(yesterday, 0.0), "greedy").positions
    return problem(today, held)


def _covariance(table: pd.DataFrame, random: np.random.Generator) -> tuple[pd.DataFrame, FloatArray]:
    """A covariance from factors, and the loadings of the instruments on them, scaled to unit variance."""
    loadings = factor_loadings(table, random)
    volatility = table["volatility"].to_numpy(dtype=np.float64) * np.exp(random.normal(0, 0.15, len(table)))
    covariance = (loadings @ loadings.T) * np.outer(volatility, volatility)
    return pd.DataFrame(covariance, index=table.index, columns=table.index), loadings


def _forecasts(loadings: FloatArray, random: np.random.Generator) -> FloatArray:
    return AVERAGE_FORECAST * loadings @ random.normal(size=loadings.shape[1])
