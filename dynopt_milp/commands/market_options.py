"""The options that say which market, which strategy and how it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynopt_milp.backtests.frequency import FREQUENCIES
from dynopt_milp.commands.app import comma_separated
from dynopt_milp.data import Market, read_market, simulated_market
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

PRICE_FOLDER = "Price folder, of pysystemtrade (CSV or Parquet) or of the guide."
DataFolder = Annotated[Path | None, typer.Option(metavar="DIR", help=f"{PRICE_FOLDER} Default: simulated.")]
InstrumentsTable = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The table of instruments. Default: that in the price folder.")
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

Notes = Annotated[bool, typer.Option("--notes", help="List what was dropped from the data, and why.")]

DEFAULT_SPAN = float(BOOK_CORRELATION_SPAN)


def chosen_market(
    folder: Path | None, instruments: str | None, base_currency: str, seed: int = 1, table: Path | None = None
) -> Market:
    """The market of the options."""
    names = None if instruments is None else comma_separated(instruments)
    if folder is None:
        if base_currency != "USD":
            raise InputError("the simulated market is in USD; give --data for another", field="--base-currency")
        if table is not None:
            raise InputError("is of a price folder; give --data", field="--instruments-table")
        return simulated_market(seed, instruments=names)
    return read_market(folder, table, instruments=names, base_currency=base_currency)


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
