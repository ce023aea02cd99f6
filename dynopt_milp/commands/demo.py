"""The main job in two tables and a picture: the book's greedy search against the exact optimum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dynopt_milp.backtests.metrics import realised_tracking_error
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.data import simulated_market
from dynopt_milp.data.contracts import contracts
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.show.backtests import show_backtests
from dynopt_milp.show.pictures import draw_backtests
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.solving import solve
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.examples import EXAMPLE_CAPITALS, EXAMPLE_CONTRACTS, example_problem

BACKTEST_CAPITAL = 250_000.0
BACKTEST_YEARS = ("2022-01-01", "2023-12-31")
MULTIPLIERS = (BOOK_COST_MULTIPLIER, 10.0)


def demo_solutions(time_limit: float | None = None) -> Iterator[tuple[float, float, Solution, Solution]]:
    """Capital, cost multiplier, greedy and exact solution of each example at each multiplier."""
    for multiplier in MULTIPLIERS:
        for capital in EXAMPLE_CAPITALS:
            problem = example_problem(capital, cost_multiplier=multiplier)
            yield capital, multiplier, solve(problem, "greedy"), solve(problem, "exact", time_limit=time_limit)


def show_demo(console: Console) -> None:
    """Solve the examples and print the comparison."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    headings = ("capital", "λ", "greedy", "optimum", "lower\nbound", "greedy\nworse by", "contracts", "seconds")
    for heading in headings:
        table.add_column(heading, justify="right")
    solvers, proven = "", 0
    with console.status("solving") as status:
        for capital, multiplier, greedy, exact in demo_solutions():
            table.add_row(*_row(capital, multiplier, greedy, exact))
            proven += exact.status is Status.OPTIMAL
            solvers = f"greedy: {greedy.solver}; exact: {exact.solver}"
            status.update(f"solving, {table.row_count} of {len(EXAMPLE_CAPITALS) * len(MULTIPLIERS)} done")
    console.print(f"Which whole contracts to hold: {len(greedy.problem.instruments)} futures, one rebalance.\n")
    console.print(table)
    console.print(
        "\nObjective: annual tracking error plus λ times the cost of the trades, share of\n"
        f"capital. Contracts held and seconds: greedy / exact. {proven} of {table.row_count} optima proven, to a\n"
        f"gap of {DEFAULT_GAP:g}."
        f"\n{solvers}",
        highlight=False,
    )


def demo_backtests(
    start: str = BACKTEST_YEARS[0], end: str = BACKTEST_YEARS[1], *, show_progress: bool = False
) -> dict[str, Backtest]:
    """Trend following on the simulated market, rebalanced weekly: the fractions wanted, greedy and exact.

    Each rebalance of the exact run is solved by the greedy search as well, from the same held positions.
    """
    names = contracts().index[:EXAMPLE_CONTRACTS]  # those of the example problems
    market, strategy = simulated_market(instruments=names), Strategy()
    inputs = Inputs(market, strategy, BACKTEST_CAPITAL)
    return {
        name: backtest(
            market, strategy, capital=BACKTEST_CAPITAL, optimizer=name, start=start, end=end, inputs=inputs,
            also=("greedy",) if name == "exact" else (), show_progress=show_progress,
        )
        for name in ("unrounded", "greedy", "exact")
    }  # fmt: skip


def show_backtest_demo(console: Console, folder: Path) -> None:
    """Run the two backtests, print their figures, keep them and a picture in a folder."""
    runs = demo_backtests(show_progress=Console(stderr=True).is_terminal)
    for name, run in runs.items():
        run.save(folder / name)
    draw_backtests(runs, folder / "backtest.png", title="Trend following on simulated futures, profit net of costs")
    held = int(runs["exact"].performance["num_instruments"])
    console.print(
        f"Two years of weekly rebalances: trend following, {held} simulated futures, ${BACKTEST_CAPITAL:,.0f}.\n"
    )
    show_backtests(runs, console)
    ideal = runs["unrounded"].returns["gross"]
    realised = {name: realised_tracking_error(runs[name].returns["gross"], ideal) for name in ("greedy", "exact")}
    console.print(
        f"\nRealised tracking error, a year: greedy {realised['greedy']:.2%}, exact {realised['exact']:.2%}. "
        "The exact\n"
        "run aims to track the strategy more closely for what it costs; two years are far\n"
        "too short to say which of the three earns more.",
        highlight=False,
    )
    console.print(f"\nkept in {folder}: backtest.png, and positions, rebalances and returns of the runs")


def _row(capital: float, multiplier: float, greedy: Solution, exact: Solution) -> tuple[Any, ...]:
    held = [int(solution.positions.abs().sum()) for solution in (greedy, exact)]
    return (
        f"${capital / 1e6:g}m" if capital >= 1e6 else f"${capital / 1e3:g}k",
        f"{multiplier:g}",
        f"{greedy.objective:.6f}",
        f"{exact.objective:.6f}",
        f"{exact.lower_bound:.6f}",
        f"{greedy.objective / exact.objective - 1:.1%}",
        f"{held[0]} / {held[1]}",
        f"{greedy.seconds:.3f} / {exact.seconds:.2f}",
    )
