"""The strategy whose rebalances are raced: its problems stay what they were when their results were stored."""

from __future__ import annotations

import pandas as pd

from dynopt_milp.strategy import BOOK, Strategy
from dynopt_milp.strategy.static_portfolios import Universe, risk_parity


def every_size_counts(universe: Universe) -> pd.Series:
    """Risk parity of contracts: an underlying gets a share for each of its sizes."""
    return risk_parity(Universe(universe.asset_classes, universe.sr_costs))


RACED = BOOK.of(Strategy(weights=every_size_counts))
"""Trend following with a share of risk for every size of a contract; all else by default."""
