"""Years of rebalances: backtest, compare, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dynopt_milp.backtests.diagnostics import UNOPTIMISED
from dynopt_milp.backtests.result import BESIDE, Backtest
from dynopt_milp.backtests.run import backtest as run_backtest
from dynopt_milp.commands.app import LIMIT_HIT, AsJson, Gap, TimeLimit, app, comma_separated, guarded, print_json
from dynopt_milp.commands.limit_options import OneSide, SameSide, chosen_limits
from dynopt_milp.commands.market_options import (
    DEFAULT_SPAN,
    WEIGHTS,
    BaseCurrency,
    Capital,
    CorrelationSpan,
    CostMultiplier,
    DataFolder,
    End,
    ForecastName,
    Frequency,
    HoldingCost,
    Instruments,
    Notes,
    OnSuspect,
    RiskTarget,
    RollTrades,
    Seed,
    Shrinkage,
    Start,
    WeightName,
    chosen_buffer,
    chosen_market,
    chosen_strategy,
)
from dynopt_milp.errors import BacktestInterrupted, InputError
from dynopt_milp.io.atomic import reported
from dynopt_milp.io.lock import held_by_one
from dynopt_milp.io.records import records
from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION, BOOK_COST_MULTIPLIER, BOOK_RISK_TARGET
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.problem.labelled import one_of
from dynopt_milp.show.backtests import show_backtests, show_market, show_named_notes, show_notes, summary
from dynopt_milp.solvers import METHODS
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.trades.rebalancing import BUFFER_RULES

DEFAULT_CAPITAL = 250_000.0
BufferRule = Annotated[str, typer.Option(help=f"{', '.join(BUFFER_RULES)} or none.")]
BufferFraction = Annotated[float, typer.Option(help="Buffer as a share of the risk target.")]
Compound = Annotated[bool, typer.Option("--compound", help="Size positions by the account, not by a fixed capital.")]
OPTIMIZERS = ", ".join((*METHODS, *UNOPTIMISED))


@app.command()
def backtest(
    data: DataFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep the run there; the same command goes on, a later end extends it."),
    ] = None,
    start: Start = None,
    end: End = None,
    capital: Capital = DEFAULT_CAPITAL,
    optimizer: Annotated[str, typer.Option(help=f"{OPTIMIZERS}.")] = "exact",
    also: Annotated[
        str, typer.Option(metavar="A,B,...", help="Solve every rebalance with these as well, for comparison only.")
    ] = "",
    beside: Annotated[
        str,
        typer.Option(metavar="A,B,...", help="Run these as well, each along its own path, in one table and picture."),
    ] = "",
    frequency: Frequency = "weekly",
    cost_multiplier: CostMultiplier = BOOK_COST_MULTIPLIER,
    buffer_rule: BufferRule = "book",
    buffer_fraction: BufferFraction = BOOK_BUFFER_FRACTION,
    roll_trades: RollTrades = ROLL_TRADES,
    compound: Compound = False,
    instruments: Instruments = None,
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    correlation_span: CorrelationSpan = DEFAULT_SPAN,
    shrinkage: Shrinkage = 0.0,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    same_side: SameSide = None,
    one_side: OneSide = True,
    holding_cost: HoldingCost = False,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    seed: Seed = 1,
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """A strategy over the years, in whole contracts, net of costs."""

    def run() -> int:
        market = chosen_market(data, instruments, base_currency, seed, on_suspect=on_suspect, end=end)
        console = Console(highlight=False, stderr=as_json)
        show_market(market, console)
        said = show_named_notes(market, capital, console, end)
        if notes:
            show_notes(market, console)
        result = run_backtest(
            market,
            chosen_strategy(forecasts, weights, risk_target, correlation_span, shrinkage),
            capital=capital,
            optimizer=optimizer,
            frequency=frequency,
            cost_multiplier=cost_multiplier,
            buffer_rule=chosen_buffer(buffer_rule),
            buffer_fraction=buffer_fraction,
            start=start,
            end=end,
            also=comma_separated(also),
            beside=comma_separated(beside),
            limits=chosen_limits(same_side=same_side),
            one_side=bool(one_side),
            holding_cost=holding_cost,
            roll_trades=roll_trades,
            compound=compound,
            gap=gap,
            time_limit=time_limit,
            out=out,
            show_progress=Console(stderr=True).is_terminal,
        )
        runs = {optimizer: result} | result.beside
        if out is not None:
            from dynopt_milp.show.pictures import draw_backtests

            draw_backtests(runs, out / "backtest.png")
        _say_extended(result, out, console)
        if as_json:
            print_json({"notes": said} | summary(result))
        else:
            console.print()
            show_backtests(runs, console)
            if out is not None:
                more = f"; the runs beside it in {out / BESIDE}" if result.beside else ""
                files = "positions, rebalances, returns (csv), performance.json, backtest.png"
                console.print(f"\nkept in {out}: {files}{more}")
        return _exit_code(*runs.values())

    guarded(run)


def _say_extended(run: Backtest, out: Path | None, console: Console) -> None:
    if run.extended_from is not None:
        first, last = run.extended_from, run.positions.index[-1]
        console.print(f"the run in {out} ended on {first:%Y-%m-%d} and was extended to {last:%Y-%m-%d}")


def _exit_code(*runs: Backtest) -> int:
    """3 if a rebalance failed, or an optimizer that proves something left one open."""
    return LIMIT_HIT if any(run.performance["num_failed"] or run.performance["num_not_proved"] for run in runs) else 0


@app.command()
def compare(
    data: DataFolder = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the runs, table and picture there.")] = None,
    start: Start = None,
    end: End = None,
    capital: Capital = DEFAULT_CAPITAL,
    portfolios: Annotated[
        str, typer.Option(metavar="A,B,...", help=f"Some of {', '.join(WEIGHTS)}.")
    ] = "risk-parity,all-weather,optimized-selection,single-best",
    optimizers: Annotated[str, typer.Option(metavar="A,B,...", help=f"Some of {OPTIMIZERS}.")] = (
        "unrounded,rounded,greedy,exact"
    ),
    frequency: Frequency = "weekly",
    cost_multiplier: CostMultiplier = BOOK_COST_MULTIPLIER,
    buffer_rule: BufferRule = "book",
    buffer_fraction: BufferFraction = BOOK_BUFFER_FRACTION,
    roll_trades: RollTrades = ROLL_TRADES,
    compound: Compound = False,
    instruments: Instruments = None,
    forecasts: ForecastName = "trend",
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    correlation_span: CorrelationSpan = DEFAULT_SPAN,
    shrinkage: Shrinkage = 0.0,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    same_side: SameSide = None,
    one_side: OneSide = True,
    holding_cost: HoldingCost = False,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Static against dynamic: every portfolio, unrounded, rounded, greedy and exact."""

    def run() -> int:
        from dynopt_milp.backtests.compare import comparison_table, run_comparison
        from dynopt_milp.show.comparisons import show_comparison
        from dynopt_milp.show.pictures import save_comparison

        market = chosen_market(data, instruments, base_currency, seed, on_suspect=on_suspect, end=end)
        console = Console(highlight=False, stderr=as_json)
        show_market(market, console)
        said = show_named_notes(market, capital, console, end)
        chosen = _listed(portfolios, "portfolios")
        for name in chosen:
            one_of(name, WEIGHTS, "portfolios")
        strategies = {
            name: chosen_strategy(forecasts, name, risk_target, correlation_span, shrinkage) for name in chosen
        }
        runs = run_comparison(
            market,
            strategies,
            _listed(optimizers, "optimizers"),
            capital=capital,
            out=out,
            show_progress=Console(stderr=True).is_terminal,
            frequency=frequency,
            cost_multiplier=cost_multiplier,
            buffer_rule=chosen_buffer(buffer_rule),
            buffer_fraction=buffer_fraction,
            roll_trades=roll_trades,
            compound=compound,
            start=start,
            end=end,
            limits=chosen_limits(same_side=same_side),
            one_side=bool(one_side),
            holding_cost=holding_cost,
            gap=gap,
            time_limit=time_limit,
        )
        for (strategy, name), one in runs.items():
            _say_extended(one, None if out is None else out / strategy / name, console)
        table = comparison_table(runs)
        if out is not None:
            save_comparison(runs, table, out)
        if as_json:
            print_json({"notes": said, "comparison": records(table)})
        else:
            console.print()
            show_comparison(runs, console)
            if out is not None:
                console.print(f"\nkept in {out}: comparison.csv, comparison.png and a folder for each run")
        return _exit_code(*runs.values())

    guarded(run)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the picture and the runs go.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="The problems only, without the backtest.")] = False,
    seed: Seed = 1,
) -> None:
    """Greedy against exact: three example problems at two cost multipliers, then 20 simulated years of rebalances."""

    def run() -> int:
        from dynopt_milp.commands.demo import demo_backtests, keep_years, show_examples, show_years

        console = Console(highlight=False)
        if quick:
            show_examples(console)
            return 0
        with reported(out):
            out.mkdir(parents=True, exist_ok=True)
        with held_by_one(out / ".lock", out):  # before the work: a folder that cannot be written to shows now
            show_examples(console)
            console.print()
            try:
                runs = demo_backtests(seed, show_progress=Console(stderr=True).is_terminal)
            except BacktestInterrupted:
                raise KeyboardInterrupt from None  # nothing to go on with: it takes less than a minute
            show_years(runs, console)
            keep_years(runs, out)
            console.print(f"\nkept in {out}: backtest.png, and positions, rebalances and returns of the runs")
        return _exit_code(*runs.values())

    guarded(run)


def _listed(text: str, field: str) -> list[str]:
    names = comma_separated(text)
    if not names or len(set(names)) < len(names):
        raise InputError(f"expected a list of distinct names, found {text!r}", field=field)
    return names
