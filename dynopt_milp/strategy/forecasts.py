"""What each instrument is expected to do: forecasts, on average 10 in size, capped at ±20.

A forecast is any function from a :class:`~dynopt_milp.data.Market` to a frame of days × instruments. The value of a
day may use that day's close and nothing later; :func:`dynopt_milp.check_no_look_ahead` tests one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.strategy.volatility import EwmaVolatility

Forecasts = Callable[[Market], pd.DataFrame]
"""From a market to forecasts, days × instruments."""

AVERAGE_FORECAST = 10.0
FORECAST_CAP = 20.0
# Advanced Futures Trading Strategies, strategy nine: scalars that make the average size 10, by fast span; the slow span
# is four times as long.
EWMAC_SCALARS = {2: 12.1, 4: 8.53, 8: 5.95, 16: 4.10, 32: 2.79, 64: 1.91}
# The same place: forecast diversification multipliers by number of neighbouring filters, the slowest always included.
DIVERSIFICATION_MULTIPLIERS = {1: 1.0, 2: 1.03, 3: 1.08, 4: 1.13, 5: 1.19, 6: 1.26}


def capped(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Forecasts between −20 and 20."""
    return forecasts.clip(-FORECAST_CAP, FORECAST_CAP)


def ewmac(market: Market, fast: int, *, volatility: Callable[[Market], pd.DataFrame] | None = None) -> pd.DataFrame:
    """One moving-average crossover, scaled and capped: days × instruments.

    (EWMA of span ``fast`` − EWMA of span 4 × ``fast``) of the back-adjusted price, over the daily standard deviation in
    price points, times the book's scalar.

    Parameters
    ----------
    market : Market
    fast : {2, 4, 8, 16, 32, 64}
        Days.
    volatility : callable, optional
        Annual standard deviation from a market. Default: :class:`~dynopt_milp.strategy.EwmaVolatility`.

    Raises
    ------
    InputError
        If the book has no scalar for the span.
    """
    if fast not in EWMAC_SCALARS:
        known = ", ".join(map(str, EWMAC_SCALARS))
        raise InputError(f"there is no scalar for the span {fast!r}; there are {known}", field="fast")
    return _crossover(market, _points(market, volatility or EwmaVolatility()), fast)


def _points(market: Market, volatility: Callable[[Market], pd.DataFrame]) -> pd.DataFrame:
    """Daily standard deviation in price points."""
    points: pd.DataFrame = volatility(market) * market.reference_prices().ffill() / np.sqrt(DAYS_A_YEAR)
    return points


def _crossover(market: Market, points: pd.DataFrame, fast: int) -> pd.DataFrame:
    columns = {}
    for name, adjusted in market.adjusted.items():
        own = adjusted.dropna()
        columns[name] = own.ewm(span=fast).mean() - own.ewm(span=4 * fast).mean()
    crossover = pd.DataFrame(columns, index=market.days)[list(market.instruments)].ffill()
    return capped(EWMAC_SCALARS[fast] * crossover / points.where(points > 0))


@dataclass(frozen=True, slots=True)
class TrendFollowing:
    """The average of several crossovers times the forecast diversification multiplier, capped.

    Parameters
    ----------
    spans : tuple of int
        Fast spans, neighbours in 2, 4, ..., 64. Default: 16, 32, 64.
    volatility : callable
        Annual standard deviation from a market.

    Notes
    -----
    Source: *Advanced Futures Trading Strategies*, strategy nine.
    """

    spans: tuple[int, ...] = (16, 32, 64)
    volatility: Callable[[Market], pd.DataFrame] = field(default_factory=EwmaVolatility)

    def __call__(self, market: Market) -> pd.DataFrame:
        """Forecasts, days × instruments; NaN before there is a volatility."""
        unknown = [span for span in self.spans if span not in EWMAC_SCALARS]
        if unknown or not self.spans:
            known = ", ".join(map(str, EWMAC_SCALARS))
            raise InputError(f"expected some of the spans {known}, found {self.spans!r}", field="spans")
        points = _points(market, self.volatility)
        total = sum((_crossover(market, points, span) for span in self.spans), start=0.0 * points)
        return capped(total / len(self.spans) * DIVERSIFICATION_MULTIPLIERS[len(self.spans)])


def long_only(market: Market) -> pd.DataFrame:
    """The constant forecast of 10: hold every instrument, always (the static portfolios)."""
    return pd.DataFrame(AVERAGE_FORECAST, index=market.days, columns=market.prices.columns)
