"""Returns by calendar month and year."""

from __future__ import annotations

import pandas as pd

from dynopt_milp.backtests.result import Backtest


def returns_by_month(run: Backtest) -> pd.DataFrame:
    """Net returns by year and month, shares of the capital, or of the account at the start of each if it compounds.

    Returns
    -------
    DataFrame, years × (1 to 12, ``"year"``)
        Sums of daily returns, or what they compound to; NaN for months without a day, and after an account was lost.
    """
    net = run.returns["net"].loc[: run.performance["account_lost"]]
    days = pd.DatetimeIndex(net.index)
    by_month = [days.year, days.month]
    months, years = (_together(net, keys, compound=run.settings["compound"]) for keys in (by_month, by_month[:1]))
    table = months.unstack().reindex(columns=range(1, 13))
    table["year"] = years
    return table.rename_axis(index="year", columns=None)


def costs_by_year(run: Backtest) -> pd.DataFrame:
    """Costs of trades and of rolls and their sum by year, shares as :attr:`Backtest.returns` has them, added up."""
    returns = run.returns.loc[: run.performance["account_lost"]]
    years = pd.DatetimeIndex(returns.index).year
    return returns[["trading_cost", "roll_cost", "cost"]].groupby(years).sum().rename_axis("year")


def _together(net: pd.Series, keys: list[pd.Index], *, compound: bool) -> pd.Series:
    return (1.0 + net).groupby(keys).prod() - 1.0 if compound else net.groupby(keys).sum()
