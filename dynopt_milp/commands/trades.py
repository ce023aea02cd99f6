"""The trades to do today: rebalance, from a problem file, from targets, or from raw prices."""

from __future__ import annotations

from contextlib import nullcontext
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
    print_json,
)
from dynopt_milp.commands.limit_options import Close, LongOnly, NoTrade, OneSide, ReduceOnly, SameSide, chosen_limits
from dynopt_milp.commands.market_options import (
    DEFAULT_SPAN,
    BaseCurrency,
    CorrelationSpan,
    CostMultiplier,
    ForecastName,
    Frequency,
    HoldingCost,
    Instruments,
    Notes,
    OnSuspect,
    RiskTarget,
    RollTrades,
    Shrinkage,
    WeightName,
    chosen_buffer,
    chosen_strategy,
)
from dynopt_milp.commands.problem_source import ProblemSource
from dynopt_milp.errors import InputError
from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION, BOOK_COST_MULTIPLIER, BOOK_RISK_TARGET
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.problem.solution import Solution
from dynopt_milp.show.solutions import show_rebalance
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.trades.decision_log import DecisionLog, decision
from dynopt_milp.trades.rebalancing import BUFFER_RULES, Rebalance
from dynopt_milp.trades.rebalancing import rebalance as run_rebalance
from dynopt_milp.trades.trade_file import only_writer, write_trades


@app.command()
def rebalance(
    context: typer.Context,
    problem: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM.json]", help="A problem file; or see --targets and --data.")
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV with instrument and position (fractions); needs --covariance or --data."
        ),
    ] = None,
    covariance: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV, annual; the targets then have weights, or prices (reference_price where one is not positive).",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Price folder, of pysystemtrade or of the guide.")
    ] = None,
    capital: Annotated[float | None, typer.Option(help="In the base currency; needed with prices.")] = None,
    date: Annotated[str | None, typer.Option(metavar="DATE", help="Its close is known. Default: the last day.")] = None,
    held: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with instrument and position. Default: nothing held.")
    ] = None,
    instruments: Instruments = None,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    correlation_span: CorrelationSpan = DEFAULT_SPAN,
    shrinkage: Shrinkage = 0.0,
    cost_multiplier: CostMultiplier = BOOK_COST_MULTIPLIER,
    notes: Notes = False,
    long_only: LongOnly = None,
    no_trade: NoTrade = None,
    reduce_only: ReduceOnly = None,
    same_side: SameSide = None,
    close: Close = None,
    one_side: OneSide = None,
    holding_cost: HoldingCost = False,
    frequency: Frequency = "weekly",
    roll_trades: RollTrades = ROLL_TRADES,
    optimizer: OptimizerName = "exact",
    buffer_rule: Annotated[str, typer.Option(help=f"{', '.join(BUFFER_RULES)} or none.")] = "book",
    buffer_fraction: Annotated[
        float, typer.Option(help="Buffer as a share of the risk target.")
    ] = BOOK_BUFFER_FRACTION,
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the trades there: .csv or .json, one run at a time.")
    ] = None,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Append a line of JSON for each decision.")] = None,
    as_json: AsJson = False,
) -> None:
    """The trades to do today: solve, then the buffer. From a problem file, from targets, or from raw prices."""

    def source() -> ProblemSource:
        sources = {name: context.get_parameter_source(name) for name in context.params}
        return ProblemSource(
            problem=problem, targets=targets, covariance=covariance, data=data, capital=capital, date=date, held=held,
            instruments=instruments, base_currency=base_currency,
            strategy=partial(chosen_strategy, forecasts, weights, risk_target, correlation_span, shrinkage),
            shrinkage=shrinkage, cost_multiplier=cost_multiplier,
            limits=chosen_limits(
                one_side=one_side or (one_side is None and data is not None),
                long_only=long_only, no_trade=no_trade, reduce_only=reduce_only, same_side=same_side, close=close,
            ),
            holding=frequency if holding_cost else None, roll_trades=roll_trades,
            notes=notes, on_suspect=on_suspect,
            given=frozenset(name for name, of in sources.items() if of is not None and of.name == "COMMANDLINE"),
        )  # fmt: skip

    def decided(asked: ProblemSource) -> tuple[Rebalance, dict[str, Any]]:
        if out is not None and asked.is_read(out):
            raise InputError("is read; give another file", field="--out")
        with only_writer(out) if out is not None else nullcontext():
            made, known = asked.read(Console(highlight=False, stderr=as_json))
            for note in known.get("notes", ()):
                typer.echo(f"note: {note}", err=True)
            result = run_rebalance(
                made, optimizer,
                buffer_rule=chosen_buffer(buffer_rule),  # type: ignore[arg-type]  # checked there
                buffer_fraction=buffer_fraction, risk_target=risk_target, gap=gap, time_limit=time_limit,
            )  # fmt: skip
            if out is not None:
                write_trades(result, out, known)
        return result, known

    def logged(asked: ProblemSource, path: Path) -> tuple[Rebalance, dict[str, Any]]:
        if asked.is_read(path):
            raise InputError("is read; give another file", field="--log")
        if out is not None and out.resolve() == path.resolve():
            raise InputError("is the file of the trades too; give another", field="--log")
        with DecisionLog(path).entry() as entry:
            result, known = decided(asked)
            entry |= decision(result) | known | ({} if out is None else {"out": str(out)})
        return result, known

    def run() -> int:
        asked = source()
        result, known = decided(asked) if log is None else logged(asked, log)
        if as_json:
            print_json(known | result.to_dict())
        else:
            show_rebalance(result, Console(highlight=False))
            if out is not None:
                typer.echo(f"\nwritten: {out}")
        return exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    guarded(run, interrupted)
