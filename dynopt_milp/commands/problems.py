"""One problem: solve it, trade it, write an example, show the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

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
from dynopt_milp.errors import InputError
from dynopt_milp.problem import BOOK_COST_MULTIPLIER, Problem
from dynopt_milp.rebalance import BOOK_BUFFER_FRACTION, BOOK_RISK_TARGET, BUFFER_RULES
from dynopt_milp.rebalance import rebalance as run_rebalance
from dynopt_milp.solution import Solution
from dynopt_milp.solve import DEFAULT_BUFFER, DEFAULT_GAP, FORMULATIONS
from dynopt_milp.solve import solve as run_solve
from dynopt_milp.tables import show_rebalance, show_solution

ProblemPath = Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="A problem file.")]


@app.command()
def solve(
    problem: ProblemPath,
    method: Method = "exact",
    formulation: Annotated[str, typer.Option(help=f"{', '.join(FORMULATIONS)}.")] = "penalty",
    buffer: Annotated[
        float, typer.Option(help="For deadband and buffer_edge; annual, share of capital.")
    ] = DEFAULT_BUFFER,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> None:
    """Which whole contracts to hold."""

    def show(solution: Solution) -> int:
        if as_json:
            print_json(solution.to_dict())
        else:
            show_solution(solution, Console(highlight=False))
        return exit_code(solution.status, solution.stopped_by)

    def run() -> int:
        given = Problem.from_json(problem)
        return show(run_solve(given, method, formulation=formulation, buffer=buffer, gap=gap, time_limit=time_limit))

    guarded(run, show)


@app.command()
def rebalance(
    problem: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM.json]", help="A problem file; or give --data instead.")
    ] = None,
    method: Method = "exact",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Price folder, of pysystemtrade or of the guide; trend following on it."),
    ] = None,
    date: Annotated[
        str | None, typer.Option(metavar="DATE", help="With --data: its close is known. Default: the last day.")
    ] = None,
    capital: Annotated[float | None, typer.Option(help="With --data, which needs it.")] = None,
    held: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --data: CSV with instrument and position. Default: nothing held."),
    ] = None,
    instruments: Annotated[str | None, typer.Option(metavar="A,B,...", help="With --data. Default: all.")] = None,
    base_currency: Annotated[str, typer.Option(help="With --data: the currency of the account.")] = "USD",
    forecasts: Annotated[str, typer.Option(help="With --data: trend or long-only.")] = "trend",
    weights: Annotated[str, typer.Option(help="With --data: as in backtest.")] = "risk-parity",
    cost_multiplier: Annotated[float, typer.Option(help="With --data; 50 in the book.")] = BOOK_COST_MULTIPLIER,
    buffer_rule: Annotated[str, typer.Option(help=f"{', '.join(BUFFER_RULES)} or none.")] = "book",
    buffer_fraction: Annotated[
        float, typer.Option(help="Buffer as a share of the risk target.")
    ] = BOOK_BUFFER_FRACTION,
    risk_target: Annotated[float, typer.Option(help="Annual, share of capital.")] = BOOK_RISK_TARGET,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> None:
    """The trades to do today, from a problem file or from raw prices: solve, then the buffer."""

    def given() -> Problem:
        if problem is not None and data is not None:
            raise InputError("give a problem file or --data, not both", field="PROBLEM.json")
        if problem is not None:
            only = {"--date": date, "--capital": capital, "--held": held, "--instruments": instruments}
            for option, value in only.items():
                if value is not None:
                    raise InputError("belongs to --data; a problem file has it inside", field=option)
            return Problem.from_json(problem)
        if data is None:
            raise InputError("give a problem file, or --data DIR and --capital", field="PROBLEM.json")
        if capital is None:
            raise InputError("is needed with --data", field="--capital")
        from dynopt_milp.commands.market_options import DEFAULT_SPAN, chosen_market, chosen_strategy
        from dynopt_milp.held_positions import read_held
        from dynopt_milp.inputs import problem_of_day

        market = chosen_market(data, instruments, base_currency, seed=1)
        strategy = chosen_strategy(forecasts, weights, risk_target, DEFAULT_SPAN, 0.0)
        positions: Any = 0.0 if held is None else read_held(held)
        return problem_of_day(market, strategy, capital, date, positions, cost_multiplier=cost_multiplier)

    def run() -> int:
        result = run_rebalance(
            given(), method,
            buffer_rule=None if buffer_rule == "none" else buffer_rule,  # type: ignore[arg-type]  # checked there
            buffer_fraction=buffer_fraction, risk_target=risk_target, gap=gap, time_limit=time_limit,
        )  # fmt: skip
        if as_json:
            print_json(result.to_dict())
        else:
            show_rebalance(result, Console(highlight=False))
        return exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    guarded(run, interrupted)


@app.command()
def example(
    path: Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="Where to write it.")],
    capital: Annotated[float, typer.Option(help="US dollars.")] = 250_000.0,
    seed: Annotated[int, typer.Option(help="Same seed, same problem.")] = 1,
    cost_multiplier: Annotated[float, typer.Option(help="50 in the book.")] = 50.0,
) -> None:
    """Write an example problem: 32 real contracts, simulated correlations and forecasts."""

    def run() -> int:
        from dynopt_milp.examples import example_problem

        example_problem(capital, seed=seed, cost_multiplier=cost_multiplier).to_json(path)
        return 0

    guarded(run)
