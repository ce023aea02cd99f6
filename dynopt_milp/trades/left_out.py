"""Why an instrument cannot be held on the last day of a market."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.strategy.checked_frame import checked_frame
from dynopt_milp.strategy.inputs import GONE_AFTER
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.last_day import alone_on_last_day

OLD_PRICE = f"no price for more than {GONE_AFTER} days"
NO_PRICE = "no price yet"


def missing_inputs(known: Market, strategy: Strategy, names: Iterable[str]) -> dict[str, str]:
    """What instruments lack to be held on the last day of a market, by instrument; those that lack nothing are not in.

    Parameters
    ----------
    known : Market
        Up to that day.
    strategy : Strategy
    names : iterable of str
        An instrument that is not in the market has had no price.
    """
    wanted = list(names)
    if not wanted:
        return {}
    volatility = checked_frame(strategy.volatility(known), known, "volatility", least=0.0).ffill().iloc[-1]
    forecasts = checked_frame(strategy.forecasts(known), known, "forecasts").ffill().iloc[-1]
    costs = checked_frame(strategy.costs(known), known, "costs", least=0.0).ffill().iloc[-1]
    found, priced = {}, known.last_priced()
    for name in wanted:
        if name not in known.instruments:
            found[name] = NO_PRICE
            continue
        lacks = {
            OLD_PRICE: (known.days[-1] - priced[name]).days > GONE_AFTER,
            "no volatility": pd.isna(volatility[name]),
            "a volatility of zero": volatility[name] == 0,
            "no forecast": pd.isna(forecasts[name]),
            "no cost": pd.isna(costs[name]),
        }
        if any(lacks.values()):
            found[name] = " and ".join(what for what, is_so in lacks.items() if is_so)
    return found


def cannot_be_held(known: Market, strategy: Strategy, name: str) -> str:
    """What an instrument lacks, and since when, for an error; of an old price also whose the last day is."""
    last = known.days[-1]
    lacks = missing_inputs(known, strategy, [name]).get(name, "no input")
    if lacks == NO_PRICE:
        return f"{lacks} on {last:%Y-%m-%d}"
    days = known.days[known.prices[name].notna()]
    text = f"{lacks} on {last:%Y-%m-%d}"
    if OLD_PRICE not in lacks:
        count = f"{len(days)} price{'s' if len(days) > 1 else ''}"
        return f"{text}, with {count} from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"
    text += f" (the last is of {days[-1]:%Y-%m-%d})"
    alone = alone_on_last_day(known)
    return f"{text}, the last day of {alone} alone" if alone else text


def not_in_data(market: Market, name: str) -> str:
    """Why an instrument is not in a market, for an error."""
    why = [note.reason for note in market.notes if note.instrument == name and note.rule == "excluded"]
    return f"is left out of the data: {'; '.join(why)}" if why else "is not in the data"
