"""The main job in two tables and a picture: the book's greedy search against the exact optimum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dynopt_milp.backtests.metrics import above_best, return_difference
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.commands.demo_claims import claim_costs, claim_distance, claim_returns, claim_tracking
from dynopt_milp.data import simulated_market
from dynopt_milp.data.contracts import contracts
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.show.backtests import above_best_figures, above_best_rows, figures_table, show_failures
from dynopt_milp.show.pictures import draw_tracking
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.solving import solve
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import BOOK
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.examples import EXAMPLE_CAPITALS, EXAMPLE_CONTRACTS, example_problem

BACKTEST_CAPITAL = 250_000.0
MULTIPLIERS = (BOOK_COST_MULTIPLIER, 10.0)
ROWS = (
    ("tracking error a year, realised", "realised_tracking_error", "{:.2%}"),
    ("tracking error a year, expected", "avg_tracking_error", "{:.2%}"),
    ("costs a year, share of capital", "annual_cost", "{:.2%}"),
    ("  of trades", "annual_trading_cost", "{:.2%}"),
    ("  of rolls", "annual_roll_cost", "{:.2%}"),
    ("contracts traded a year", "annual_turnover", "{:,.0f}"),
    ("contracts rolled a year", "annual_contracts_rolled", "{:,.0f}"),
    ("rebalances", "num_rebalances", "{:,}"),
    ("  failed", "num_failed", "{:,}"),
    ("  optimum proven", "optima_proven", "{:,}"),
    *above_best_rows("greedy"),
    ("seconds a rebalance, median", "median_solver_seconds", "{:.4f}"),
)
"""No returns: what a standard error allows to be said of them is a sentence."""


def demo_solutions(time_limit: float | None = None) -> Iterator[tuple[float, float, Solution, Solution]]:
    """Capital, cost multiplier, greedy and exact solution of each example at each multiplier."""
    for multiplier in MULTIPLIERS:
        for capital in EXAMPLE_CAPITALS:
            problem = example_problem(capital, cost_multiplier=multiplier)
            yield capital, multiplier, solve(problem, "greedy"), solve(problem, "exact", time_limit=time_limit)


def show_examples(console: Console) -> None:
    """Solve the examples and print the comparison."""
    from dynopt_milp.solvers.branch_and_bound.solver import warm_up  # numba is loaded when it is needed

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    headings = ("capital", "λ", "greedy", "optimum", "lower\nbound", "greedy\nworse by", "contracts", "seconds")
    for heading in headings:
        table.add_column(heading, justify="right")
    warm_up()  # so that no example counts it
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
        "\nObjective: annual tracking error plus λ times the cost of the trades, share of capital. Contracts held and "
        f"seconds: greedy / exact. {proven} of {table.row_count} optima proven, to a gap of {DEFAULT_GAP:g}."
        f"\n{solvers}",
        highlight=False,
    )


def demo_backtests(
    seed: int = 1, *, start: Any = None, end: Any = None, show_progress: bool = False
) -> dict[str, Backtest]:
    """Trend following on the simulated market, rebalanced weekly: the fractions wanted, greedy and exact.

    Each rebalance of greedy and of exact is solved by the other as well, from the same held positions.

    Parameters
    ----------
    seed : int
        Of the market.
    start, end : date, optional
        As in :func:`~dynopt_milp.backtests.backtest`: all years if not given, from the first rebalance that has the
        history it needs.
    show_progress : bool
    """
    names = contracts().index[:EXAMPLE_CONTRACTS]  # those of the example problems
    market, strategy = simulated_market(seed, instruments=names), BOOK.of(Strategy())
    inputs = Inputs(market, strategy, BACKTEST_CAPITAL)
    also = {"unrounded": (), "greedy": ("exact",), "exact": ("greedy",)}
    return {
        name: backtest(
            market, strategy, preset=BOOK, capital=BACKTEST_CAPITAL, optimizer=name, start=start, end=end,
            inputs=inputs, also=others, portfolios=bool(others), show_progress=show_progress,
        )
        for name, others in also.items()
    }  # fmt: skip


def demo_figures(runs: Mapping[str, Backtest]) -> dict[str, dict[str, Any]]:
    """The figures of :data:`ROWS` by run: its performance, and what takes the other runs.

    ``optima_proven`` counts the rebalances at which the optimum of the positions held then is proven, by whichever
    of the two optimizers did it.
    """
    figures = {name: run.performance | above_best_figures(run) for name, run in runs.items()}
    for name in ("greedy", "exact"):
        found = runs[name].portfolios
        figures[name]["optima_proven"] = int((found["status"][found["optimizer"] == "exact"] == "optimal").sum())
    return figures


def demo_claims(runs: Mapping[str, Backtest]) -> list[str]:
    """What the runs let one say."""
    greedy, exact = runs["greedy"], runs["exact"]
    return [
        claim_tracking({name: run.returns["gross"] for name, run in runs.items()}),
        claim_costs(greedy.performance, exact.performance),
        claim_distance(above_best(greedy.rebalances, "greedy")),
        claim_returns(return_difference(exact.returns["net"], greedy.returns["net"])),
    ]


def show_years(runs: Mapping[str, Backtest], console: Console) -> None:
    """Print the figures of the backtests, and what they let one say."""
    exact = runs["exact"]
    first, last = exact.returns.index[0].date(), exact.returns.index[-1].date()
    console.print(
        f"{exact.performance['years']:.0f} years of weekly rebalances, {first} to {last}: trend following,\n"
        f"{exact.performance['num_instruments']} simulated futures, ${BACKTEST_CAPITAL:,.0f}, "
        f"λ = {exact.settings['cost_multiplier']:g}.\n",
        highlight=False,
    )
    console.print(figures_table(demo_figures(runs), ROWS))
    console.print(
        "\nUnrounded: the fractions of contracts that the strategy wants and nobody can hold. Tracking error, "
        "realised: how much daily returns differ from theirs; expected: by the covariance of the day of the rebalance. "
        "Greedy's objective: over the optimum from the same held positions, which are greedy's own in its column and "
        "exact's in the other.\n",
        highlight=False,
    )
    claims = Table.grid(padding=(0, 1))
    for claim in demo_claims(runs):
        claims.add_row("-", claim)
    console.print(claims)
    show_failures(runs, console)


def keep_years(runs: Mapping[str, Backtest], folder: Path) -> None:
    """Keep the backtests, a folder each, and the picture."""
    for name, run in runs.items():
        run.save(folder / name)
    draw_tracking(runs, folder / "backtest.png")


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
        f"{greedy.seconds:.3f} / {exact.seconds:.3f}",
    )
