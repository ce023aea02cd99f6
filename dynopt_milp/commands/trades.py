"""The trades to do today: rebalance, from a problem file, from targets, or from raw prices."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dynopt_milp.commands.app import (
    INTERRUPTED,
    AsJson,
    Gap,
    OptimizerName,
    TimeLimit,
    app,
    exit_code,
    guarded,
    print_notes,
)
from dynopt_milp.commands.limit_options import Close, LongOnly, NoTrade, OneSide, ReduceOnly, SameSide, chosen_limits
from dynopt_milp.commands.market_options import (
    A_FOLDER,
    IN_BASE_CURRENCY,
    BaseCurrency,
    BufferFraction,
    BufferRule,
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
from dynopt_milp.commands.panels import of_market, of_output, of_problem
from dynopt_milp.commands.problem_source import ProblemSource
from dynopt_milp.commands.record import Record
from dynopt_milp.commands.rule_options import MarginBudget, MaxHoldings, MaxRisk, MinOrder, RulesFile, chosen_rules
from dynopt_milp.errors import FileError, InputError
from dynopt_milp.io.files_read import files_read
from dynopt_milp.io.labelled import not_negative
from dynopt_milp.problem.book import BOOK_RISK_TARGET
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.problem.solution import Solution
from dynopt_milp.show.solutions import show_rebalance
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.strategy.presets import BOOK, DEFAULT
from dynopt_milp.trades.decision_log import decision
from dynopt_milp.trades.from_targets import PERIODS
from dynopt_milp.trades.input_notes import notes_of_buffer
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance as run_rebalance
from dynopt_milp.trades.trade_file import trade_record, write_trades


@app.command()
def rebalance(
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
    optimizer: OptimizerName = "exact",
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    buffer_rule: BufferRule = None,
    buffer_fraction: BufferFraction = None,
    notes: Notes = False,
    out: Annotated[
        Path | None, of_output(metavar="FILE", help="Write the trades, or why there are none: .csv or .json.")
    ] = None,
    log: Annotated[Path | None, of_output(metavar="FILE", help="Append a line of JSON for each decision.")] = None,
    as_json: AsJson = False,
) -> None:
    """The trades to do today: solve, then the buffer. From a problem file, from targets, or from raw prices."""

    def source() -> ProblemSource:
        aims = chosen_preset(
            preset, BOOK.name if data is None else DEFAULT, cost_multiplier, correlation_span, shrinkage, holding_cost,
            buffer_rule, buffer_fraction,
        )  # fmt: skip
        sources = {name: context.get_parameter_source(name) for name in context.params}
        return ProblemSource(
            problem=problem, targets=targets, covariance=covariance, period=period, data=data, capital=capital,
            date=date, held=held, instruments=instruments, instruments_table=instruments_table,
            base_currency=base_currency,
            strategy=partial(chosen_strategy, forecasts, weights, risk_target), preset=aims,
            shrinkage=0.0 if shrinkage is None else shrinkage,
            limits=chosen_limits(
                one_side=one_side or (one_side is None and data is not None),
                long_only=long_only, no_trade=no_trade, reduce_only=reduce_only, same_side=same_side, close=close,
            ),
            rules=chosen_rules(
            rules, margin=margin, max_risk=max_risk, max_holdings=max_holdings, min_order=min_order
        ),
            frequency=frequency, roll_trades=roll_trades,
            notes=notes, on_suspect=on_suspect,
            given=frozenset(name for name, of in sources.items() if of is not None and of.name == "COMMANDLINE"),
        )  # fmt: skip

    def decided(asked: ProblemSource) -> tuple[Rebalance, dict[str, Any]]:
        own: dict[str, Any] = {
            "optimizer": optimizer, "buffer_rule": asked.preset.buffer_rule,
            "buffer_fraction": asked.preset.buffer_fraction, "risk_target": risk_target, "gap": gap,
            "time_limit": time_limit,
        }  # fmt: skip
        with files_read() as files:
            made, known = asked.read(Console(highlight=False, stderr=as_json))
        stored = known.pop("decision", None)
        if stored is not None:
            own = stored.settings | {name: value for name, value in own.items() if name in asked.given}
            if any(own[name] != stored.settings[name] for name in ("buffer_rule", "buffer_fraction")):
                known.pop("preset", None)  # of another buffer
        not_negative(own["buffer_fraction"], "buffer_fraction")
        known["notes"].extend(notes_of_buffer(own["buffer_rule"], own["buffer_fraction"]))
        print_notes(known["notes"])
        result = run_rebalance(made, **own)
        different = "" if stored is None else stored.difference(result)
        if different:
            known["notes"].append(different)
            print_notes([different])
        return result, known | {"files": files}

    def run() -> int:
        record = Record(out, log, (problem, targets, held, covariance, instruments_table, rules), data, date)
        with record.kept() as entry:
            result, known = decided(source())
            if out is not None:
                write_trades(result, out, known)
            beside = {name: what for name, what in known.items() if name != "files"}
            entry |= decision(result) | beside | ({} if out is None else {"out": str(out)})
        if as_json:
            typer.echo(trade_record(result, known), nl=False)
        else:
            show_rebalance(result, Console(highlight=False), known)
            if out is not None:
                typer.echo(f"\nwritten: {out}")
        return exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    guarded(run, interrupted)


def misused(words: Sequence[str], message: str) -> None:
    """Leave the failure in the files of ``--out`` and ``--log`` though the options could not be read."""
    said: dict[str, str] = {}
    others, left = [], iter(words)
    for word in left:
        name, joined, value = word.partition("=")
        if name in ("--out", "--log", "--data"):
            said[name] = value if joined else next(left, "")
        else:
            others.append(Path(value if joined and name.startswith("--") else word))
    out, log, data = (Path(said[name]) if said.get(name) else None for name in ("--out", "--log", "--data"))
    with suppress(InputError, FileError), Record(out, log, others, data).kept():
        raise InputError(message, field="options")
