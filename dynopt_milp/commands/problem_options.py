"""The options that say which rebalance is meant: the same of every command that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from dynopt_milp.commands.limit_options import Close, LongOnly, NoTrade, OneSide, ReduceOnly, SameSide, chosen_limits
from dynopt_milp.commands.market_options import (
    A_FOLDER,
    IN_BASE_CURRENCY,
    BaseCurrency,
    CorrelationSpan,
    CostMultiplier,
    ForecastName,
    Frequency,
    HoldingCost,
    Instruments,
    InstrumentsTable,
    Notes,
    OnSuspect,
    PresetName,
    RiskTarget,
    RollTrades,
    Shrinkage,
    WeightName,
    chosen_preset,
    chosen_strategy,
)
from dynopt_milp.commands.panels import OUTPUT, of_market, of_problem
from dynopt_milp.commands.problem_source import ProblemSource
from dynopt_milp.commands.rule_options import MarginBudget, MaxHoldings, MaxRisk, MinOrder, RulesFile, chosen_rules
from dynopt_milp.problem.book import BOOK_RISK_TARGET
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.strategy.presets import BOOK, DEFAULT
from dynopt_milp.trades.from_targets import PERIODS


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of a command say of the rebalance; they are judged when it is read.

    Attributes
    ----------
    options : dict
        By the names of the parameters.
    given : frozenset of str
        The names of all of the command's that were given.
    """

    options: dict[str, Any]
    given: frozenset[str]

    @property
    def files(self) -> tuple[Path | None, ...]:
        """The files that are read, None where there is none."""
        names = ("problem", "targets", "held", "covariance", "instruments_table", "rules")
        return tuple(self.options[name] for name in names)

    def source(
        self, buffer_rule: str | None = None, buffer_fraction: float | None = None, *, of_runs: bool = False
    ) -> ProblemSource:  # fmt: skip
        """Where the problem comes from, with a buffer where the command has one, and of a run if it may be of one.

        Raises
        ------
        InputError
            If an option makes no sense.
        """
        said, data = self.options, self.options["data"]
        aims = chosen_preset(
            said["preset"], BOOK.name if data is None else DEFAULT, said["cost_multiplier"], said["correlation_span"],
            said["shrinkage"], said["holding_cost"], buffer_rule, buffer_fraction,
        )  # fmt: skip
        as_they_are = (
            "problem", "targets", "covariance", "period", "data", "capital", "date", "held", "instruments",
            "instruments_table", "base_currency", "risk_target", "frequency", "roll_trades", "notes", "on_suspect",
        )  # fmt: skip
        sides = ("long_only", "no_trade", "reduce_only", "same_side", "close")
        house = ("margin", "max_risk", "max_holdings", "min_order")
        one_side = said["one_side"]
        return ProblemSource(
            **{name: said[name] for name in as_they_are},
            strategy=partial(chosen_strategy, said["forecasts"], said["weights"], said["risk_target"]),
            preset=aims,
            shrinkage=0.0 if said["shrinkage"] is None else said["shrinkage"],
            limits=chosen_limits(
                one_side=one_side or (one_side is None and data is not None), **{name: said[name] for name in sides}
            ),
            rules=chosen_rules(said["rules"], **{name: said[name] for name in house}),
            given=self.given, of_runs=of_runs,
        )  # fmt: skip


def takes_a_rebalance(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of a rebalance before its own: its first argument is what they say, :class:`Asked`."""
    shared, own = _parameters(_options), _parameters(command)[1:]

    @wraps(command)
    def with_options(**given: Any) -> None:
        context: typer.Context = given.pop("context")
        sources = {name: context.get_parameter_source(name) for name in context.params}
        asked = Asked(
            {parameter.name: given.pop(parameter.name) for parameter in shared[1:]},
            frozenset(name for name, of in sources.items() if of is not None and of.name == "COMMANDLINE"),
        )
        command(asked, **given)

    parameters = sorted([*shared, *own], key=_is_of_output)  # those come last, as in every command
    signature = inspect.Signature(parameters, return_annotation=None)
    with_options.__signature__ = signature  # type: ignore[attr-defined]  # typer makes options of it
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del with_options.__wrapped__  # whose signature is another
    return with_options


def _is_of_output(parameter: inspect.Parameter) -> bool:
    """Whether an option is about what is printed and written."""
    said = getattr(parameter.annotation, "__metadata__", ())
    return any(getattr(option, "rich_help_panel", None) == OUTPUT for option in said)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function by name, with their types."""
    types = get_type_hints(function, include_extras=True)
    return [
        parameter.replace(annotation=types[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
    ]


def _options(
    context: typer.Context,
    problem: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PROBLEM.json]",
            help="A problem file, or a file of trades (to make them again); or see --targets and --data.",
        ),
    ] = None,
    targets: Annotated[
        Path | None,
        of_problem(metavar="FILE", help="CSV with instrument and position (fractions); needs --covariance or --data."),
    ] = None,
    covariance: Annotated[
        Path | None,
        of_problem(
            metavar="FILE",
            help="CSV, annual, or see --period; the targets then have weights, or prices (reference_price where one "
            "is not positive).",
        ),
    ] = None,
    period: Annotated[
        str | None,
        of_problem(help=f"Of the covariance: {', '.join(PERIODS)}.", show_default="annual, if it can be"),
    ] = None,
    held: Annotated[
        Path | None, of_problem(metavar="FILE", help="CSV with instrument and position.", show_default="nothing held")
    ] = None,
    capital: Annotated[float | None, of_problem(help=IN_BASE_CURRENCY, show_default="none; needed with prices")] = None,
    date: Annotated[
        str | None, of_problem(metavar="DATE", help="Its close is known.", show_default="the last day")
    ] = None,
    preset: PresetName = None,
    cost_multiplier: CostMultiplier = None,
    holding_cost: HoldingCost = None,
    frequency: Frequency = "weekly",
    roll_trades: RollTrades = ROLL_TRADES,
    data: Annotated[Path | None, of_market(metavar="DIR", help=A_FOLDER)] = None,
    instruments_table: InstrumentsTable = None,
    instruments: Instruments = None,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    correlation_span: CorrelationSpan = None,
    shrinkage: Shrinkage = None,
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    long_only: LongOnly = None,
    no_trade: NoTrade = None,
    reduce_only: ReduceOnly = None,
    same_side: SameSide = None,
    close: Close = None,
    one_side: OneSide = None,
    rules: RulesFile = None,
    margin: MarginBudget = None,
    max_risk: MaxRisk = None,
    max_holdings: MaxHoldings = None,
    min_order: MinOrder = None,
    notes: Notes = False,
) -> None:
    """What :func:`takes_a_rebalance` puts before the options of a command."""
