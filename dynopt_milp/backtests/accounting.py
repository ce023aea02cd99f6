"""What positions earn and what trades cost, day by day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market


def profits(market: Market, positions: pd.DataFrame) -> pd.DataFrame:
    """Profit of every instrument on every day, base currency, days × instruments.

    Contracts held at the close of the day before × change of the back-adjusted price × multiplier × fx of the day. On a
    day without a price nothing changes; the next price brings the whole change.

    Parameters
    ----------
    market : Market
    positions : DataFrame, days × instruments
        Contracts held at the close; its days are consecutive days of the market.
    """
    change = market.adjusted.ffill().diff().reindex(positions.index)[list(positions.columns)]
    unit = market.rates().reindex(positions.index)[list(positions.columns)]
    multipliers = market.specifications["multiplier"][list(positions.columns)].to_numpy()
    held = positions.shift(fill_value=0.0)
    # An instrument without a first price is never held: 0 × NaN is 0 here.
    return (held * change.where(held != 0, 0.0) * unit * multipliers).fillna(0.0)


def contracts_traded(positions: pd.DataFrame) -> pd.DataFrame:
    """Contracts traded on every day, not negative, days × instruments; before the first day nothing is held."""
    traded = positions.diff().abs()
    traded.iloc[0] = np.abs(positions.iloc[0])
    return traded


def trading_costs(costs: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
    """Cost of the trades of every instrument on every day, base currency, days × instruments.

    Contracts traded × cost of one contract on the day of the trade.

    Parameters
    ----------
    costs : DataFrame, days × instruments
        Of one contract, base currency.
    positions : DataFrame, days × instruments
        Contracts held at the close; before the first day nothing is held.
    """
    traded = contracts_traded(positions)
    unit = costs.reindex(positions.index)[list(positions.columns)]
    return traded * unit.where(traded != 0, 0.0)
