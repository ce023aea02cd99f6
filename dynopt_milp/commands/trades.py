"""The trades to do today: rebalance, from a problem file or from raw prices."""

from __future__ import annotations

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
from dynopt_milp.errors import InputError
from dynopt_milp.held_positions import read_held
from dynopt_milp.problem import BOOK_COST_MULTIPLIER, Problem
from dynopt_milp.problem_of_day import known_day, problem_of_day
from dynopt_milp.rebalance import BOOK_BUFFER_FRACTION, BOOK_RISK_TARGET, BUFFER_RULES
from dynopt_milp.rebalance import rebalance as run_rebalance
from dynopt_milp.solution import Solution
from dynopt_milp.solve import DEFAULT_GAP
from dynopt_milp.tables import show_rebalance

OF_PRICES = (
    "date", "capital", "held", "instruments", "base_currency", "forecasts", "weights", "cost_multiplier",
    "correlation_span", "shrinkage", "notes",
)  # fmt: skip
"""Options that say how a problem is made from prices; a problem file has it inside."""


@app.command()
def rebalance(
    context: typer.Context,
    problem: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM.json]", help="A problem file; or give --data instead.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Price folder, of pysystemtrade or of the guide. What follows is for it."),
    ] = None,
    capital: Annotated[float | None, typer.Option(help="In the base currency; needed with --data.")] = None,
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
    method: Method = "exact",
    buffer_rule: Annotated[str, typer.Option(help=f"{', '.join(BUFFER_RULES)} or none.")] = "book",
    buffer_fraction: Annotated[
        float, typer.Option(help="Buffer as a share of the risk target.")
    ] = BOOK_BUFFER_FRACTION,
    risk_target: RiskTarget = BOOK_RISK_TARGET,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> None:
    """The trades to do today, from a problem file or from raw prices: solve, then the buffer."""
    made_from: dict[str, Any] = {}  # what the JSON says of raw prices

    def given() -> Problem:
        if problem is not None and data is not None:
            raise InputError("give a problem file or --data, not both", field="PROBLEM.json")
        if problem is not None:
            for name in OF_PRICES:
                source = context.get_parameter_source(name)
                if source is not None and source.name == "COMMANDLINE":
                    raise InputError(
                        "belongs to --data; a problem file has it inside", field=f"--{name.replace('_', '-')}"
                    )
            return Problem.from_json(problem)
        if data is None:
            raise InputError("give a problem file, or --data DIR and --capital", field="PROBLEM.json")
        if capital is None:
            raise InputError("is needed with --data", field="--capital")
        positions: Any = 0.0 if held is None else read_held(held)
        market = chosen_market(data, instruments, base_currency)
        strategy = chosen_strategy(forecasts, weights, risk_target, correlation_span, shrinkage)
        made = problem_of_day(market, strategy, capital, date, positions, cost_multiplier=cost_multiplier)
        console = Console(highlight=False, stderr=as_json)
        show_market(market, console)
        if notes:
            show_notes(market, console)
        day = f"{known_day(market, date):%Y-%m-%d}"
        asked = "" if date in (None, day) else f" ({date} has no prices)"
        console.print(f"decided after the close of {day}{asked}; {capital:,.0f} {base_currency}\n", highlight=False)
        made_from.update(date=day, capital=capital, base_currency=base_currency)
        return made

    def run() -> int:
        result = run_rebalance(
            given(), method,
            buffer_rule=None if buffer_rule == "none" else buffer_rule,  # type: ignore[arg-type]  # checked there
            buffer_fraction=buffer_fraction, risk_target=risk_target, gap=gap, time_limit=time_limit,
        )  # fmt: skip
        if as_json:
            print_json(made_from | result.to_dict())
        else:
            show_rebalance(result, Console(highlight=False))
        return exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    guarded(run, interrupted)
