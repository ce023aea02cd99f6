"""The options that say which market, which strategy and how it is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from dynopt_milp.backtests.frequency import FREQUENCIES
from dynopt_milp.commands.app import comma_separated
from dynopt_milp.commands.panels import of_buffer, of_market, of_output, of_problem, of_strategy
from dynopt_milp.data import Market, read_market, simulated_market
from dynopt_milp.data.days import to_day
from dynopt_milp.data.suspects import ON_SUSPECT, refuse_suspects
from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import one_of
from dynopt_milp.strategy.correlation import ExponentialCorrelation
from dynopt_milp.strategy.forecasts import Forecasts, TrendFollowing, long_only
from dynopt_milp.strategy.presets import BOOK, BUFFER_RULES, DEFAULT, PRESETS, Preset, preset_of
from dynopt_milp.strategy.static_portfolios import STATIC_PORTFOLIOS, Weights
from dynopt_milp.strategy.strategy import Strategy

FORECASTS: dict[str, Forecasts] = {"trend": TrendFollowing(), "long-only": long_only}
WEIGHTS: dict[str, Weights] = {name.lower().replace(" ", "-"): rule for name, rule in STATIC_PORTFOLIOS.items()}

A_FOLDER = "Price folder, of pysystemtrade (CSV or Parquet) or of the guide."
InstrumentsTable = Annotated[
    Path | None,
    of_market("--instruments-table", metavar="FILE", help="The table of instruments.", show_default="in the folder"),
]
DataFolder = Annotated[
    Path | None, of_market("--data", metavar="DIR", help=A_FOLDER, show_default="a simulated market")
]
Instruments = Annotated[str | None, of_market(metavar="A,B,...", help="Names.", show_default="all")]
BaseCurrency = Annotated[str, of_market(help="The currency of the account.")]
Start = Annotated[str | None, of_market(metavar="DATE", help="First day of the run; earlier data are used.")]
End = Annotated[str | None, of_market(metavar="DATE", help="Last day of the run.")]
OnSuspect = Annotated[
    str,
    of_market(
        "--on-suspect",
        help="Prices that moved by more than 15 standard deviations or 50 %: freeze (they count as missing, and the "
        "position is kept), refuse or use.",
    ),
]
Seed = Annotated[int, of_market("--seed", help="Of the simulation: the same seed, the same numbers.")]

IN_BASE_CURRENCY = "In the base currency."
COST_MULTIPLIER = "How much a cost weighs against tracking error."
FREQUENCY = f"Of rebalances: {', '.join(FREQUENCIES)}."
Capital = Annotated[float, of_problem("--capital", help=IN_BASE_CURRENCY)]
Capitals = Annotated[str, of_problem("--capital", metavar="X,Y,...", help=IN_BASE_CURRENCY)]
OF_PRESET = "of the preset"
PRESET = f"Sets λ, correlations, the cost of holding and the buffer where they are not given: {', '.join(PRESETS)}."
PresetName = Annotated[
    str | None,
    of_problem("--preset", help=PRESET, show_default=f"{DEFAULT}; of gap, and rebalance without --data, {BOOK.name}"),
]
MULTIPLIER_OF = f"{OF_PRESET}; of an example {BOOK.cost_multiplier:g}"
CostMultiplier = Annotated[
    float | None, of_problem("--cost-multiplier", help=COST_MULTIPLIER, show_default=MULTIPLIER_OF)
]
CostMultipliers = Annotated[
    str | None,
    of_problem("--cost-multiplier", metavar="X,Y,...", help=COST_MULTIPLIER, show_default=MULTIPLIER_OF),
]
Frequency = Annotated[str, of_problem("--frequency", help=FREQUENCY)]
SeveralFrequencies = Annotated[str, of_problem("--frequency", metavar="A,B,...", help=FREQUENCY)]
RollTrades = Annotated[float, of_problem(help="Trades that a roll costs: 1, a spread; 2, two legs.")]
HoldingCost = Annotated[
    bool | None,
    of_problem(
        "--holding-cost/--no-holding-cost",
        help="Count the rolls until the next rebalance in the objective.",
        show_default=OF_PRESET,
    ),
]
Compound = Annotated[bool, of_problem("--compound", help="Size positions by the account, not by a fixed capital.")]

ForecastName = Annotated[str, of_strategy("--forecasts", help=f"{', '.join(FORECASTS)}.")]
WeightName = Annotated[str, of_strategy("--weights", help=f"{', '.join(WEIGHTS)}.")]
RiskTarget = Annotated[float, of_strategy(help="Annual, share of capital.")]
CorrelationSpan = Annotated[
    float | None, of_strategy(help="Of the optimisation's exponential correlation, weeks.", show_default=OF_PRESET)
]
Shrinkage = Annotated[
    float | None,
    of_strategy(help="Of the optimisation's correlations towards zero, 0 to 1.", show_default=OF_PRESET),
]

RULES = f"{', '.join(BUFFER_RULES)} or none; in a gap study book or none."
BufferRule = Annotated[str | None, of_buffer("--buffer-rule", help=RULES, show_default=OF_PRESET)]
SeveralBufferRules = Annotated[
    str | None, of_buffer("--buffer-rule", metavar="A,B,...", help=RULES, show_default=OF_PRESET)
]
BufferFraction = Annotated[
    float | None,
    of_buffer("--buffer-fraction", help="Buffer as a share of the risk target.", show_default=OF_PRESET),
]

Notes = Annotated[bool, of_output("--notes", help="List what was dropped from the data, and why.")]

DEFAULT_CAPITAL = 250_000.0


def chosen_market(
    folder: Path | None,
    instruments: str | None,
    base_currency: str,
    seed: int = 1,
    table: Path | None = None,
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
        if table is not None:
            raise InputError("is of a price folder; give --data", field="--instruments-table")
        return simulated_market(seed, instruments=names)
    done = "use" if on_suspect == "use" else "freeze"
    market = read_market(folder, table, instruments=names, base_currency=base_currency, on_suspect=done)
    if on_suspect == "refuse":
        last = market.days[-1] if end is None else to_day(end, "end")
        refuse_suspects([suspect for suspect in market.suspects if suspect.date <= last], str(folder))
    return market


def chosen_preset(
    name: str | None, otherwise: str, cost_multiplier: float | None = None, span: float | None = None,
    shrinkage: float | None = None, holding_cost: bool | None = None, buffer_rule: str | None = None,
    buffer_fraction: float | None = None,
) -> Preset:  # fmt: skip
    """The preset of the name, or the other if none is given, with what is given instead.

    A span or a shrinkage alone keeps the other of an exponential correlation; else the span is the book's, and nothing
    is shrunk.
    """
    preset = preset_of(otherwise if name is None else name)
    given = {"cost_multiplier": cost_multiplier, "holding_cost": holding_cost, "buffer_fraction": buffer_fraction}
    changes: dict[str, Any] = {what: value for what, value in given.items() if value is not None}
    if buffer_rule is not None:
        known = one_of(buffer_rule, (*BUFFER_RULES, "none"), "buffer_rule")
        changes["buffer_rule"] = None if known == "none" else known
    if span is not None or shrinkage is not None:
        own = preset.correlation if isinstance(preset.correlation, ExponentialCorrelation) else ExponentialCorrelation()
        weeks = own.span if span is None else int(span) if float(span).is_integer() else span  # 25 and not 25.0
        changes["correlation"] = ExponentialCorrelation(weeks, own.shrinkage if shrinkage is None else shrinkage)
    return replace(preset, **changes)


def chosen_strategy(forecasts: str, weights: str, risk_target: float, preset: Preset) -> Strategy:
    """The strategy of the options, with the correlations of the preset."""
    return Strategy(
        forecasts=FORECASTS[one_of(forecasts, FORECASTS, "forecasts")],
        weights=WEIGHTS[one_of(weights, WEIGHTS, "weights")],
        correlation=preset.correlation,
        risk_target=risk_target,
    )
