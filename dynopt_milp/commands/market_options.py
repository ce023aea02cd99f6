"""The options that say which market, which strategy and how it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynopt_milp.backtests.frequency import FREQUENCIES
from dynopt_milp.commands.app import comma_separated
from dynopt_milp.data import Market, read_market, simulated_market
from dynopt_milp.data.days import to_day
from dynopt_milp.data.suspects import ON_SUSPECT, refuse_suspects
from dynopt_milp.errors import InputError
from dynopt_milp.problem.book import BOOK_CORRELATION_SPAN
from dynopt_milp.problem.labelled import one_of
from dynopt_milp.strategy.correlation import ExponentialCorrelation
from dynopt_milp.strategy.forecasts import Forecasts, TrendFollowing, long_only
from dynopt_milp.strategy.static_portfolios import STATIC_PORTFOLIOS, Weights
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.rebalancing import BUFFER_RULES

FORECASTS: dict[str, Forecasts] = {"trend": TrendFollowing(), "long-only": long_only}
WEIGHTS: dict[str, Weights] = {name.lower().replace(" ", "-"): rule for name, rule in STATIC_PORTFOLIOS.items()}

DataFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Price folder, of pysystemtrade or of the guide. Default: simulated."),
]
Instruments = Annotated[str | None, typer.Option(metavar="A,B,...", help="Default: all.")]
Start = Annotated[str | None, typer.Option(metavar="DATE", help="First day of the run; earlier data are used.")]
End = Annotated[str | None, typer.Option(metavar="DATE", help="Last day of the run.")]
Capital = Annotated[float, typer.Option(help="In the base currency.")]
BaseCurrency = Annotated[str, typer.Option(help="The currency of the account.")]
ForecastName = Annotated[str, typer.Option("--forecasts", help=f"{', '.join(FORECASTS)}.")]
WeightName = Annotated[str, typer.Option("--weights", help=f"{', '.join(WEIGHTS)}.")]
RiskTarget = Annotated[float, typer.Option(help="Annual, share of capital.")]
CostMultiplier = Annotated[float, typer.Option(help="50 in the book.")]
Frequency = Annotated[str, typer.Option("--frequency", help=f"{', '.join(FREQUENCIES)}.")]
RollTrades = Annotated[float, typer.Option(help="Trades that a roll costs: 1, a spread; 2, two legs.")]
HoldingCost = Annotated[
    bool, typer.Option("--holding-cost", help="Count the rolls until the next rebalance in the objective.")
]
CorrelationSpan = Annotated[float, typer.Option(help="Of the optimisation's exponential correlation, weeks.")]
Shrinkage = Annotated[float, typer.Option(help="Of the optimisation's correlations towards zero, 0 to 1.")]
Seed = Annotated[int, typer.Option(help="Of the simulated market.")]

OnSuspect = Annotated[
    str,
    typer.Option(
        "--on-suspect",
        help="Prices that moved by more than 15 standard deviations or 50 %: freeze (they count as missing, and the "
        "position is kept), refuse or use.",
    ),
]
Notes = Annotated[bool, typer.Option("--notes", help="List what was dropped from the data, and why.")]

DEFAULT_SPAN = float(BOOK_CORRELATION_SPAN)


def chosen_market(
    folder: Path | None,
    instruments: str | None,
    base_currency: str,
    seed: int = 1,
    *,
    on_suspect: str = "freeze",
    end: str | None = None,
) -> Market:
    """The market of the options; suspect prices after the end are no reason to refuse it."""
    one_of(on_suspect, ON_SUSPECT, "on_suspect")
    names = None if instruments is None else comma_separated(instruments)
    if folder is None:
        if base_currency != "USD":
            raise InputError("the simulated market is in USD; give --data for another", field="--base-currency")
        return simulated_market(seed, instruments=names)
    done = "use" if on_suspect == "use" else "freeze"
    market = read_market(folder, instruments=names, base_currency=base_currency, on_suspect=done)
    if on_suspect == "refuse":
        last = market.days[-1] if end is None else to_day(end, "end")
        refuse_suspects([suspect for suspect in market.suspects if suspect.date <= last], str(folder))
    return market


def chosen_strategy(forecasts: str, weights: str, risk_target: float, span: float, shrinkage: float) -> Strategy:
    """The strategy of the options."""
    return Strategy(
        forecasts=FORECASTS[one_of(forecasts, FORECASTS, "forecasts")],
        weights=WEIGHTS[one_of(weights, WEIGHTS, "weights")],
        correlation=ExponentialCorrelation(span, shrinkage),
        risk_target=risk_target,
    )


def chosen_buffer(buffer_rule: str) -> str | None:
    """The rule, or None for ``none``."""
    known = one_of(buffer_rule, (*BUFFER_RULES, "none"), "buffer_rule")
    return None if known == "none" else known
