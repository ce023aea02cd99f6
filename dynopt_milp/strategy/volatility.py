"""How much each instrument moves: annual standard deviation of percentage returns, day by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.io.labelled import at_least
from dynopt_milp.problem.book import BOOK_VOLATILITY_SPAN, DAYS_A_YEAR

BOOK_LONG_RUN_WEIGHT = 0.3  # the same place: 0.3 × ten-year average + 0.7 × current estimate
MINIMUM_HISTORY = 50  # returns before there is an estimate; below that the covariance is guesswork


@dataclass(frozen=True, slots=True)
class EwmaVolatility:
    """Exponentially weighted standard deviation of daily returns, optionally blended with its long-run average.

    Each instrument is measured on its own trading days; on a day without a price the last estimate stays.

    Parameters
    ----------
    span : float
        Days; 32 in the book.
    long_run_weight : float
        Share of the long-run average, between 0 (default) and 1; the book blends in 0.3.
    long_run_years : float
        How long the long run is; 10 in the book.
    minimum_history : int
        Returns an instrument must have before it has an estimate.

    Notes
    -----
    Source: *Advanced Futures Trading Strategies*, strategy three.
    """

    span: float = BOOK_VOLATILITY_SPAN
    long_run_weight: float = 0.0
    long_run_years: float = 10.0
    minimum_history: int = MINIMUM_HISTORY

    def __call__(self, market: Market) -> pd.DataFrame:
        """Annual standard deviation, days × instruments; NaN before there is enough history.

        Raises
        ------
        InputError
            If a setting is out of range.
        """
        least = {"span": 1.0, "long_run_weight": 0.0, "long_run_years": 0.0, "minimum_history": 2.0}
        for setting, limit in least.items():
            at_least(limit, getattr(self, setting), setting)
        columns = {}
        for name, daily in market.returns().items():
            own = daily.dropna()
            current = own.ewm(span=self.span, min_periods=self.minimum_history).std() * np.sqrt(DAYS_A_YEAR)
            if self.long_run_weight > 0:
                long_run = current.rolling(int(self.long_run_years * DAYS_A_YEAR), min_periods=1).mean()
                current = self.long_run_weight * long_run + (1 - self.long_run_weight) * current
            columns[name] = current
        frame = pd.DataFrame(columns, index=market.days)[list(market.instruments)]
        return frame.ffill()
