"""A last day that hardly any instrument has: of a mistyped date, perhaps."""

from __future__ import annotations

from dynopt_milp.data.market import Market
from dynopt_milp.strategy.inputs import CLOSED_AFTER


def names_of_last_day(market: Market) -> list[str]:
    """The instruments with a price, or one that was set aside, on the last day of a market."""
    last = market.days[-1]
    there = market.prices.columns[market.prices.iloc[-1].notna()]
    aside = {suspect.instrument for suspect in market.suspects if suspect.date == last}
    return sorted({*map(str, there), *(aside & set(market.instruments))})


def is_apart(market: Market) -> bool:
    """Whether most instruments have their last price more than ten calendar days before the last day."""
    ages = (market.days[-1] - market.last_priced()).dt.days
    return bool((ages > CLOSED_AFTER).mean() > 0.5)


def alone_on_last_day(market: Market) -> str:
    """The names of the few that have the last day, where most are long past theirs or one of several has it; or ""."""
    names = names_of_last_day(market)
    return ", ".join(names) if is_apart(market) or len(names) == 1 < len(market.instruments) else ""
