"""The trades to do today: rebalance, from a problem file, from targets, or from raw prices."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dynopt_milp.backtest_tables import show_market, show_notes
from dynopt_milp.commands.app import (
    INTERRUPTED,
    AsJson,
    Gap,
    Method,
    TimeLimit,
    app,
    exit_code,
    guarded,
    print_json,
    words,
)
from dynopt_milp.commands.market_options import (
    DEFAULT_SPAN,
    BaseCurrency,
    CorrelationSpan,
    CostMultiplier,
    ForecastName,
    Instruments,
    Notes,
    RiskTarget,
    Shrinkage,
    WeightName,
    chosen_market,
    chosen_strategy,
)
from dynopt_milp.covariance_file import read_covariance
from dynopt_milp.decision_log import DecisionLog, decision
from dynopt_milp.errors import InputError
from dynopt_milp.limits import Limits
from dynopt_milp.position_files import read_held, read_targets
from dynopt_milp.problem import BOOK_COST_MULTIPLIER, Problem
from dynopt_milp.problem_of_day import known_day, problem_of_day
from dynopt_milp.problem_of_targets import problem_of_day_and_targets, problem_of_targets
from dynopt_milp.rebalance import BOOK_BUFFER_FRACTION, BOOK_RISK_TARGET, BUFFER_RULES, Rebalance
from dynopt_milp.rebalance import rebalance as run_rebalance
from dynopt_milp.solution import Solution
from dynopt_milp.solve import DEFAULT_GAP
from dynopt_milp.tables import show_rebalance
from dynopt_milp.trade_file import only_writer, write_trades

OF_PRICES = (
    "date", "instruments", "base_currency", "forecasts", "weights", "correlation_span", "shrinkage", "notes"
)  # fmt: skip
BELONGS = {
    "a problem file has it inside": (
        "capital", "held", "targets", "covariance", "cost_multiplier", "long_only", "no_trade", "reduce_only",
        *OF_PRICES,
    ),
    "a covariance is given": OF_PRICES,
    "targets are given": ("instruments", "forecasts", "weights"),
}  # fmt: skip
"""Options that make no sense where something else is given, and what that is."""
ALL = "all"
RULE = f"{ALL}, or names with commas between."


@app.command()
def rebalance(
    context: typer.Context,
    problem: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM.json]", help="A problem file; or see --targets and --data.")
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV with instrument and position (fractions); wants --covariance or --data."
        ),
    ] = None,
    covariance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV, annual; the targets then have weights or prices.")
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
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    correlation_span: CorrelationSpan = DEFAULT_SPAN,
    shrinkage: Shrinkage = 0.0,
    cost_multiplier: CostMultiplier = BOOK_COST_MULTIPLIER,
    notes: Notes = False,
    long_only: Annotated[str, typer.Option(metavar="A,...", help=f"Not below zero: {RULE}")] = "",
    no_trade: Annotated[str, typer.Option(metavar="A,...", help=f"Stay as held: {RULE}")] = "",
    reduce_only: Annotated[str, typer.Option(metavar="A,...", help=f"Between zero and held: {RULE}")] = "",
    method: Method = "exact",
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
    made_from: dict[str, Any] = {}  # what the JSON says of where it came from

    def refuse(reason: str) -> None:
        for name in BELONGS[reason]:
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise InputError(f"makes no sense where {reason}", field=f"--{name.replace('_', '-')}")

    def limits() -> Limits:
        given = {"long_only": long_only, "no_trade": no_trade, "reduce_only": reduce_only}
        return Limits(**{name: text.strip() == ALL or words(text) for name, text in given.items()})

    def given() -> Problem:
        if problem is not None:
            if data is not None:
                raise InputError("give a problem file or --data, not both", field="PROBLEM.json")
            refuse("a problem file has it inside")
            return Problem.from_json(problem)
        if covariance is not None:
            if data is not None:
                raise InputError("give a covariance or --data, not both", field="--covariance")
            if targets is None:
                raise InputError("is needed with a covariance", field="--targets")
            refuse("a covariance is given")
            return problem_of_targets(
                read_targets(targets), read_covariance(covariance), None if held is None else read_held(held),
                capital=capital, cost_multiplier=cost_multiplier, limits=limits(),
            )  # fmt: skip
        if data is None:
            raise InputError(
                "give a problem file; or --targets with --covariance or --data; or --data alone", field="PROBLEM.json"
            )
        if capital is None:
            raise InputError("is needed with --data", field="--capital")
        return of_prices(data, capital)

    def of_prices(folder: Path, capital: float) -> Problem:
        positions = None if held is None else read_held(held)
        strategy = chosen_strategy(forecasts, weights, risk_target, correlation_span, shrinkage)
        if targets is not None:
            refuse("targets are given")
        wanted = None if targets is None else read_targets(targets)
        market = chosen_market(folder, instruments, base_currency)
        if wanted is None:
            made = problem_of_day(
                market, strategy, capital, date, 0.0 if positions is None else positions,
                cost_multiplier=cost_multiplier, limits=limits(),
            )  # fmt: skip
        else:
            made = problem_of_day_and_targets(
                market, strategy, capital, wanted, date, positions, cost_multiplier=cost_multiplier, limits=limits()
            )
        console = Console(highlight=False, stderr=as_json)
        show_market(market, console)
        if notes:
            show_notes(market, console)
        day = f"{known_day(market, date):%Y-%m-%d}"
        asked = "" if date in (None, day) else f" ({date} has no prices)"
        console.print(f"decided after the close of {day}{asked}; {capital:,.0f} {base_currency}\n", highlight=False)
        made_from.update(date=day, capital=capital, base_currency=base_currency)
        return made

    def check_written(option: str, path: Path) -> None:
        """What is written is nothing that is read."""
        read = [file.resolve() for file in (problem, targets, held, covariance) if file is not None]
        inside = data is not None and path.resolve().is_relative_to(data.resolve())
        if path.resolve() in read or inside:
            raise InputError("is read; give another file", field=option)

    def decided() -> Rebalance:
        if out is not None:
            check_written("--out", out)
        with only_writer(out) if out is not None else nullcontext():
            result = run_rebalance(
                given(), method,
                buffer_rule=None if buffer_rule == "none" else buffer_rule,  # type: ignore[arg-type]  # checked there
                buffer_fraction=buffer_fraction, risk_target=risk_target, gap=gap, time_limit=time_limit,
            )  # fmt: skip
            if out is not None:
                write_trades(result, out, made_from)
        return result

    def run() -> int:
        if log is None:
            result = decided()
        else:
            check_written("--log", log)
            if out is not None and out.resolve() == log.resolve():
                raise InputError("is the file of the trades too; give another", field="--log")
            with DecisionLog(log).entry() as entry:
                result = decided()
                entry |= decision(result) | made_from | ({} if out is None else {"out": str(out)})
        if as_json:
            print_json(made_from | result.to_dict())
        else:
            show_rebalance(result, Console(highlight=False))
            if out is not None:
                typer.echo(f"\nwritten: {out}")
        return exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    guarded(run, interrupted)
