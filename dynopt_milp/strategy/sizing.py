"""Fractional positions: how many contracts a strategy holds before rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.problem.book import BOOK_MULTIPLIER_CAP
from dynopt_milp.strategy.forecasts import AVERAGE_FORECAST, FORECAST_CAP
from formulations import FloatArray

POSITION_BUFFER = 0.1
"""Of an average position: by how much what is held may be off before it is traded."""


def diversification_multiplier(
    weights: FloatArray, correlation: FloatArray, *, cap: float = BOOK_MULTIPLIER_CAP, floor: bool = True
) -> float:
    """The instrument diversification multiplier (IDM): 1 ÷ sqrt(w'ρw), at most ``cap``.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Share of risk of each instrument, summing to 1.
    correlation : ndarray, shape (n, n)
        ρ, of returns.
    cap : float
        2.5 in the book.
    floor : bool
        Take negative correlations for zero, as the book does: they do not last.

    Notes
    -----
    Source: *Advanced Futures Trading Strategies*, strategy four.
    """
    rho = np.maximum(correlation, 0.0) if floor else correlation
    variance = float(weights @ rho @ weights)
    if not variance > 0:
        raise InputError(f"expected w'ρw to be positive, found {variance:g}; check the weights", field="weights")
    return min(1.0 / float(np.sqrt(variance)), cap)


def optimal_positions(
    forecasts: pd.Series | FloatArray,
    *,
    capital: float,
    multiplier: float,
    weights: pd.Series | FloatArray,
    risk_target: float,
    contract_values: pd.Series | FloatArray,
    volatility: pd.Series | FloatArray,
) -> FloatArray:
    """Unrounded contracts τ = capped forecast × capital × IDM × w × risk target ÷ (10 × contract value × σ).

    Parameters
    ----------
    forecasts : shape (n,)
        Capped at ±20 here.
    capital : float
        Base currency.
    multiplier : float
        The diversification multiplier (IDM).
    weights : shape (n,)
        Share of risk, summing to 1.
    risk_target : float
        Annual, share of capital.
    contract_values : shape (n,)
        Multiplier × price × fx, base currency.
    volatility : shape (n,)
        σ, annual, of percentage returns.

    Notes
    -----
    Source: *Advanced Futures Trading Strategies*, strategies four and seven.
    """
    forecast = np.clip(np.asarray(forecasts, dtype=np.float64), -FORECAST_CAP, FORECAST_CAP)
    risk = capital * multiplier * np.asarray(weights, dtype=np.float64) * risk_target
    sigma, value = np.asarray(volatility, dtype=np.float64), np.asarray(contract_values, dtype=np.float64)
    return forecast * risk / (AVERAGE_FORECAST * value * sigma)


def buffered(
    positions: FloatArray, average: FloatArray, share: float = POSITION_BUFFER
) -> tuple[FloatArray, FloatArray]:
    """Between which whole contracts a held position stays as it is; what is outside is traded to the nearer end.

    Parameters
    ----------
    positions : ndarray, shape (n,)
        Unrounded contracts.
    average : ndarray, shape (n,)
        Those of an average forecast, +10.
    share : float
        Of the average position, on either side; 0.1 in the book.

    Returns
    -------
    least, most : ndarray, shape (n,)

    Notes
    -----
    Source: *Advanced Futures Trading Strategies*, strategy eight.
    """
    width = share * np.abs(average)
    return np.round(positions - width), np.round(positions + width)
