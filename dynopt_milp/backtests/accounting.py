"""What positions earn, what trades cost and what rolls cost, day by day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.strategy.order_costs import DailyOrderCosts
from formulations import FloatArray


class Accounts:
    """The money that contracts earn and cost, by day.

    Parameters
    ----------
    market : Market
    costs : DataFrame, days × instruments
        Of trading one contract, base currency.
    roll_trades : float
        Trades that a roll costs.
    orders : DailyOrderCosts, optional
        What orders cost beside their contracts, those of rolls, too. Default: nothing.
    """

    def __init__(
        self, market: Market, costs: pd.DataFrame, roll_trades: float = ROLL_TRADES,
        orders: DailyOrderCosts | None = None,
    ) -> None:  # fmt: skip
        self._change = market.adjusted.ffill().diff().to_numpy()
        self._unit = market.rates().to_numpy()
        self._multiplier = market.specifications["multiplier"].to_numpy()
        self._rolled = market.rolls().to_numpy()
        self._cost = costs[list(market.instruments)].to_numpy()
        self._roll_trades, self._orders = roll_trades, orders

    def by_instrument(self, positions: FloatArray, row: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Profit before costs, cost of trades and cost of rolls, base currency, days × n each.

        Parameters
        ----------
        positions : ndarray, shape (1 + days, n)
            Contracts held at the close of the day before, and of each day.
        row : int
            The row of the market's days that ``positions[1]`` is of.
        """
        days = slice(row, row + len(positions) - 1)
        before, traded = positions[:-1], np.abs(np.diff(positions, axis=0))
        rolled = np.abs(before) * self._rolled[days]
        # Where nothing is held or traded there may be no number yet.
        change = np.where(before != 0, self._change[days], 0.0)
        earned = np.nan_to_num(before * change * self._unit[days] * self._multiplier)
        paid = traded * np.where(traded != 0, self._cost[days], 0.0)
        roll = rolled * self._roll_trades * np.where(rolled != 0, self._cost[days], 0.0)
        if self._orders is not None:
            paid += self._orders.paid(traded, days)
            roll += self._roll_trades * self._orders.paid(rolled, days)
        return earned, paid, roll

    def money(self, positions: FloatArray, row: int) -> FloatArray:
        """The same of all instruments together, shape (days, 3)."""
        return np.column_stack([added(part, axis=1) for part in self.by_instrument(positions, row)])


def added(money: FloatArray, axis: int) -> FloatArray:
    """The sum along an axis, one number after the other: the same to the last bit, whatever the layout of the array."""
    return np.asarray(np.cumsum(money, axis=axis).take(-1, axis=axis))


def profits(market: Market, positions: pd.DataFrame) -> pd.DataFrame:
    """Profit of every instrument on every day, base currency, days × instruments.

    Contracts held at the close of the day before × change of the back-adjusted price × multiplier × fx of the day. On a
    day without a price nothing changes; the next price brings the whole change.

    Parameters
    ----------
    market : Market
    positions : DataFrame, days × instruments
        Contracts held at the close; its days are consecutive days of the market, before which nothing is held.
    """
    every = list(market.instruments)
    held = positions.reindex(columns=every, fill_value=0.0).to_numpy(dtype=np.float64)
    accounts, row = Accounts(market, 0.0 * market.adjusted), int(market.days.searchsorted(positions.index[0]))
    earned, _, _ = accounts.by_instrument(np.vstack([np.zeros((1, len(every))), held]), row)
    return pd.DataFrame(earned, positions.index, every)[list(positions.columns)]


def contracts_traded(positions: pd.DataFrame) -> pd.DataFrame:
    """Contracts traded on every day, not negative, days × instruments; before the first day nothing is held."""
    traded = positions.diff().abs()
    traded.iloc[0] = np.abs(positions.iloc[0])
    return traded


def trading_costs(costs: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
    """Cost of the trades of every instrument on every day, base currency, days × instruments.

    Contracts traded × cost of one contract on the day of the trade, without what orders cost beside their contracts.

    Parameters
    ----------
    costs : DataFrame, days × instruments
        Of one contract, base currency.
    positions : DataFrame, days × instruments
        As in :func:`profits`.
    """
    return _paid(contracts_traded(positions), costs)


def contracts_rolled(market: Market, positions: pd.DataFrame) -> pd.DataFrame:
    """Contracts rolled on every day, not negative, days × instruments.

    On the first priced day with another contract month: what was held at the close of the day before.

    Parameters
    ----------
    market : Market
    positions : DataFrame, days × instruments
        As in :func:`profits`.
    """
    rolled = market.rolls().loc[positions.index, list(positions.columns)]
    return positions.shift(fill_value=0.0).abs() * rolled


def roll_costs(
    market: Market, costs: pd.DataFrame, positions: pd.DataFrame, roll_trades: float = ROLL_TRADES
) -> pd.DataFrame:  # fmt: skip
    """Cost of the rolls of every instrument on every day, base currency, days × instruments.

    Contracts rolled × trades a roll × cost of trading one contract on that day, without what orders cost beside them.

    Parameters
    ----------
    market : Market
    costs : DataFrame, days × instruments
        Of trading one contract, base currency.
    positions : DataFrame, days × instruments
        As in :func:`profits`.
    roll_trades : float
        1 for a spread, 2 for two legs.
    """
    return _paid(contracts_rolled(market, positions) * roll_trades, costs)


def _paid(contracts: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """What contracts cost; where there are none there may be no cost yet."""
    return contracts * costs.loc[contracts.index, list(contracts.columns)].where(contracts != 0, 0.0)
