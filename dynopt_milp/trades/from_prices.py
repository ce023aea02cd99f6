"""The rebalance of one day, from raw prices: what is traded live."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dynopt_milp.data.days import day_within
from dynopt_milp.data.market import Market
from dynopt_milp.errors import HistoryError, InputError
from dynopt_milp.io.labelled import to_whole
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.problem.limits import LimitsLike, limits_of
from dynopt_milp.problem.problem import Problem
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import RECOMMENDED
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.last_day import alone_on_last_day
from dynopt_milp.trades.left_out import cannot_be_held, not_in_data


def known_day(market: Market, date: Any = None) -> pd.Timestamp:
    """The last day of the market up to a day; without one, the last of all.

    Raises
    ------
    InputError
        If the day cannot be read as one.
    HistoryError
        If it lies outside the market.
    """
    given = market.days[-1] if date is None else day_within(market.days, date, "date")
    return market.days[int(market.days.searchsorted(given, side="right")) - 1]


def problem_of_day(
    market: Market,
    strategy: Strategy,
    capital: float,
    date: Any = None,
    held: Any = 0.0,
    *,
    cost_multiplier: float = RECOMMENDED.cost_multiplier,
    limits: LimitsLike | None = None,
    holding: str | None = None,
    roll_trades: float = ROLL_TRADES,
) -> Problem:
    """The rebalance of one day, from raw prices.

    Parameters
    ----------
    market, strategy, capital
        The arguments of :class:`~dynopt_milp.Inputs`.
    date : date, optional
        Its close is known, and nothing later is looked at. Default: the last day of the market. On a day without
        prices, the last one before it counts.
    held : Series, dict or number
        Whole contracts by instrument; what is not named is not held.
    cost_multiplier : float
        λ. Default: that of the preset ``recommended``, as correlations of a strategy without any are its.
    limits : Limits or callable, optional
        What positions may be, or a function from the instruments of the day to that. Names are of instruments that can
        be held on that day.
    holding : {"daily", "weekly", "monthly"}, optional
        How often is rebalanced, for the cost of holding until then (see ``Inputs.problem``). Default: none.
    roll_trades : float
        Trades that a roll costs.

    Raises
    ------
    HistoryError
        If the day lies outside the market, or there is too little history.
    InputError
        If :class:`~dynopt_milp.Problem` refuses a number, or something is held that cannot be valued on that day.
    """
    known = market.between(end=known_day(market, date))
    contracts = held
    if isinstance(held, (pd.Series, dict)):
        series = pd.Series(held, dtype=object)
        labels = tuple(str(name) for name in series.index)
        contracts = pd.Series(to_whole(list(series), labels, "held"), index=labels) if labels else 0.0
    inputs = Inputs(known, strategy, capital)
    last = known.days[-1]
    alive = inputs.alive(last)
    if not alive and (alone := alone_on_last_day(known)):
        raise HistoryError(
            f"no instrument can be held on {last.date()}, the last day of {alone} alone; is the date mistyped?",
            field="date",
        )
    if isinstance(contracts, pd.Series):
        for name in contracts.index[contracts != 0]:
            if name not in market.instruments:
                raise InputError(f"is held and {not_in_data(market, str(name))}", field="held", instrument=str(name))
            if name not in alive:
                raise InputError(
                    f"is held and has {cannot_be_held(known, strategy, str(name))}; close it by hand, or leave it out",
                    field="held", instrument=str(name),
                )  # fmt: skip
        contracts = contracts[contracts != 0]
    return inputs.problem(
        last, contracts, cost_multiplier=cost_multiplier, limits=lambda names: limits_of(limits, names),
        holding=holding, roll_trades=roll_trades,
    )  # fmt: skip
