"""Years of rebalances: backtest, compare, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console

from dynopt_milp.backtests.diagnostics import UNOPTIMISED
from dynopt_milp.backtests.result import BESIDE, Backtest
from dynopt_milp.backtests.run import backtest as run_backtest
from dynopt_milp.commands.app import (
    LIMIT_HIT,
    Also,
    AsJson,
    Gap,
    OptimizerName,
    OutFolder,
    TimeLimit,
    VerifyShare,
    app,
    comma_separated,
    guarded,
    print_json,
)
from dynopt_milp.commands.limit_options import OneSide, SameSide, chosen_limits
from dynopt_milp.commands.market_options import (
    DEFAULT_CAPITAL,
    WEIGHTS,
    BaseCurrency,
    BufferFraction,
    BufferRule,
    Capital,
    Compound,
    CorrelationSpan,
    CostMultiplier,
    DataFolder,
    End,
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
    Seed,
    Shrinkage,
    Start,
    WeightName,
    chosen_market,
    chosen_preset,
    chosen_strategy,
)
from dynopt_milp.commands.panels import of_optimizer, of_output, of_strategy, of_study
from dynopt_milp.commands.rule_options import (
    MarginBudget,
    MaxHoldings,
    MaxRisk,
    MinOrder,
    PriceRules,
    RulesFile,
    chosen_rules,
)
from dynopt_milp.errors import BacktestInterrupted, InputError
from dynopt_milp.io.atomic import reported
from dynopt_milp.io.labelled import one_of
from dynopt_milp.io.lock import held_by_one
from dynopt_milp.io.records import records
from dynopt_milp.problem.book import BOOK_RISK_TARGET
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.show.backtests import show_backtests, show_market, show_named_notes, show_notes, summary
from dynopt_milp.show.captions import preset_line
from dynopt_milp.solvers.methods import METHOD_NAMES
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.strategy.presets import DEFAULT

OPTIMIZERS = ", ".join((*METHOD_NAMES, *UNOPTIMISED))


@app.command()
def backtest(
    capital: Capital = DEFAULT_CAPITAL,
    frequency: Frequency = "weekly",
    preset: PresetName = None,
    cost_multiplier: CostMultiplier = None,
    roll_trades: RollTrades = ROLL_TRADES,
    compound: Compound = False,
    holding_cost: HoldingCost = None,
    data: DataFolder = None,
    instruments_table: InstrumentsTable = None,
    start: Start = None,
    end: End = None,
    instruments: Instruments = None,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    seed: Seed = 1,
    forecasts: ForecastName = "trend",
    weights: WeightName = "risk-parity",
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    correlation_span: CorrelationSpan = None,
    shrinkage: Shrinkage = None,
    same_side: SameSide = None,
    one_side: OneSide = True,
    rules: RulesFile = None,
    margin: MarginBudget = None,
    max_risk: MaxRisk = None,
    max_holdings: MaxHoldings = None,
    min_order: MinOrder = None,
    price_rules: PriceRules = False,
    optimizer: OptimizerName = "exact",
    also: Also = "",
    beside: Annotated[
        str,
        of_optimizer(metavar="A,B,...", help="Run these as well, each along its own path, in one table and picture."),
    ] = "",
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    verify_share: VerifyShare = 0.0,
    buffer_rule: BufferRule = None,
    buffer_fraction: BufferFraction = None,
    out: OutFolder = None,
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """A strategy over the years, in whole contracts, net of costs."""

    def run() -> int:
        house = chosen_rules(rules, margin=margin, max_risk=max_risk, max_holdings=max_holdings, min_order=min_order)
        aims = chosen_preset(
            preset, DEFAULT, cost_multiplier, correlation_span, shrinkage, holding_cost, buffer_rule, buffer_fraction
        )
        market = chosen_market(
            data, instruments, base_currency, seed, instruments_table, on_suspect=on_suspect, end=end
        )
        console = Console(highlight=False, stderr=as_json)
        show_market(market, console)
        said = show_named_notes(market, capital, console, end)
        if notes:
            show_notes(market, console)
        result = run_backtest(
            market,
            chosen_strategy(forecasts, weights, risk_target, aims),
            capital=capital,
            optimizer=optimizer,
            frequency=frequency,
            preset=aims,
            start=start,
            end=end,
            also=comma_separated(also),
            beside=comma_separated(beside),
            limits=chosen_limits(same_side=same_side),
            one_side=bool(one_side),
            roll_trades=roll_trades,
            compound=compound,
            gap=gap,
            time_limit=time_limit,
            out=out,
            show_progress=Console(stderr=True).is_terminal,
            rules=house or None,
            price_rules=price_rules,
            verify_share=verify_share,
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
                files = "positions, rebalances, returns, profits, instruments (csv), performance.json, backtest.png"
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
    capital: Capital = DEFAULT_CAPITAL,
    frequency: Frequency = "weekly",
    preset: PresetName = None,
    cost_multiplier: CostMultiplier = None,
    roll_trades: RollTrades = ROLL_TRADES,
    compound: Compound = False,
    holding_cost: HoldingCost = None,
    data: DataFolder = None,
    instruments_table: InstrumentsTable = None,
    start: Start = None,
    end: End = None,
    instruments: Instruments = None,
    base_currency: BaseCurrency = "USD",
    on_suspect: OnSuspect = "freeze",
    seed: Seed = 1,
    portfolios: Annotated[
        str, of_strategy(metavar="A,B,...", help=f"Some of {', '.join(WEIGHTS)}.")
    ] = "risk-parity,all-weather,optimized-selection,single-best",
    forecasts: ForecastName = "trend",
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    correlation_span: CorrelationSpan = None,
    shrinkage: Shrinkage = None,
    same_side: SameSide = None,
    one_side: OneSide = True,
    rules: RulesFile = None,
    margin: MarginBudget = None,
    max_risk: MaxRisk = None,
    max_holdings: MaxHoldings = None,
    min_order: MinOrder = None,
    optimizers: Annotated[str, of_optimizer(metavar="A,B,...", help=f"Some of {OPTIMIZERS}.")] = (
        "unrounded,rounded,greedy,exact"
    ),
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    buffer_rule: BufferRule = None,
    buffer_fraction: BufferFraction = None,
    out: OutFolder = None,
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """Static against dynamic: every portfolio, unrounded, rounded, greedy and exact."""

    def run() -> int:
        from dynopt_milp.backtests.compare import comparison_table, run_comparison
        from dynopt_milp.show.comparisons import show_comparison
        from dynopt_milp.show.pictures import save_comparison

        house = chosen_rules(rules, margin=margin, max_risk=max_risk, max_holdings=max_holdings, min_order=min_order)
        aims = chosen_preset(
            preset, DEFAULT, cost_multiplier, correlation_span, shrinkage, holding_cost, buffer_rule, buffer_fraction
        )
        market = chosen_market(
            data, instruments, base_currency, seed, instruments_table, on_suspect=on_suspect, end=end
        )
        console = Console(highlight=False, stderr=as_json)
        show_market(market, console)
        said = show_named_notes(market, capital, console, end)
        if notes:
            show_notes(market, console)
        chosen = _listed(portfolios, "portfolios")
        for name in chosen:
            one_of(name, WEIGHTS, "portfolios")
        strategies = {name: chosen_strategy(forecasts, name, risk_target, aims) for name in chosen}
        runs = run_comparison(
            market,
            strategies,
            _listed(optimizers, "optimizers"),
            capital=capital,
            out=out,
            show_progress=Console(stderr=True).is_terminal,
            frequency=frequency,
            preset=aims,
            roll_trades=roll_trades,
            compound=compound,
            start=start,
            end=end,
            limits=chosen_limits(same_side=same_side),
            one_side=bool(one_side),
            gap=gap,
            time_limit=time_limit,
            rules=house or None,
        )
        free = [name for name in _listed(optimizers, "optimizers") if house and name in UNOPTIMISED]
        if free:
            said.append(f"{' and '.join(free)}: held as the targets are, without the rules")
            console.print(said[-1])
        for (strategy, name), one in runs.items():
            _say_extended(one, None if out is None else out / strategy / name, console)
        table = comparison_table(runs)
        if out is not None:
            save_comparison(runs, table, out)
        if as_json:
            print_json({"notes": said, "preset": preset_line(runs.values()) or None, "comparison": records(table)})
        else:
            console.print()
            show_comparison(runs, console)
            if out is not None:
                console.print(f"\nkept in {out}: comparison.csv, comparison.png and a folder for each run")
        return _exit_code(*runs.values())

    guarded(run)


@app.command()
def demo(
    seed: Seed = 1,
    quick: Annotated[bool, of_study("--quick", help="The problems only, without the backtest.")] = False,
    out: Annotated[Path, of_output(metavar="FOLDER", help="Where the picture and the runs go.")] = Path("demo"),
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
