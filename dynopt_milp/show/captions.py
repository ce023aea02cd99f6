"""One line on what a table or a picture shows: strategy, capital, currency, dates, and whether prices are simulated."""

from __future__ import annotations

from collections.abc import Iterable

from dynopt_milp.backtests.costs_counted import costs_counted
from dynopt_milp.backtests.diagnostics import UNOPTIMISED
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.strategy.presets import BOOK, preset_words


def caption(runs: Iterable[Backtest]) -> str:
    """What runs have in common: ``"TrendFollowing, risk_parity: 250,000 USD, weekly, 2005-01-07 to ..., simulated"``.

    Parameters
    ----------
    runs : iterable of Backtest
        Of one market; of capitals and frequencies all are listed, strategies that differ are left out.
    """
    every = list(runs)
    settings = [run.settings for run in every]
    rules: list[str] = []
    for part in ("forecasts", "weights"):
        names = {_short(str(one["strategy"][part])) for one in settings}
        rules += names if len(names) == 1 else []
    first, last = (min(run.returns.index[0] for run in every), max(run.returns.index[-1] for run in every))
    accounts = [
        f"{one['capital']:,.0f} {one['base_currency']}{', compounding' if one['compound'] else ''}" for one in settings
    ]
    words = [*dict.fromkeys(accounts), *dict.fromkeys(str(one["frequency"]) for one in settings)]
    words.append(f"{first:%Y-%m-%d} to {last:%Y-%m-%d}")
    trades = dict.fromkeys(one["roll_trades"] for one in settings)
    words += [f"{number:g} trades a roll" for number in trades if number != ROLL_TRADES]
    if any(one["simulated"] for one in settings):
        words.append("simulated prices")
    return (f"{', '.join(rules)}: " if rules else "") + ", ".join(words)


def preset_line(runs: Iterable[Backtest]) -> str:
    """What runs minimise and how they trade, as far as they have it in common, and of which preset; or nothing."""
    said = [
        {name: run.settings.get(name) for name in ("preset", *BOOK.settings())}
        | {"correlation": run.settings["strategy"]["correlation"]}
        for run in runs if run.settings["optimizer"] not in UNOPTIMISED
    ]  # fmt: skip
    if not said:
        return "targets are held as they are: of no preset anything counts"
    common = {name: value for name, value in said[0].items() if all(one[name] == value for one in said)}
    return preset_words(common) if common.keys() - {"preset"} else ""


def costs_of(runs: Iterable[Backtest]) -> str:
    """Which costs runs count, all of them together."""
    every = list(runs)
    return costs_counted(
        {name for run in every for name in run.positions.columns[(run.positions != 0).any()]},
        {name for run in every for name in run.performance["without_rolls"]},
        rolls_known=any(run.performance["annual_contracts_rolled"] is not None for run in every),
    )


def capital_words(runs: Iterable[Backtest]) -> str:
    """What returns and costs are shares of: the fixed capital, or the account of the day before."""
    return "the account" if any(run.settings["compound"] for run in runs) else "capital"


def _short(described: str) -> str:
    """The name of a function or class, of what it prints as."""
    return described.split("(")[0].split(" ")[0].rsplit(".", 1)[-1]
