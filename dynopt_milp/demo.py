"""The main job in one table: three example problems, the book's greedy search against the exact optimum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from dynopt_milp.examples import EXAMPLE_CAPITALS, example_problem
from dynopt_milp.problem import BOOK_COST_MULTIPLIER
from dynopt_milp.solution import Solution, Status
from dynopt_milp.solve import DEFAULT_GAP, solve

MULTIPLIERS = (BOOK_COST_MULTIPLIER, 10.0)


def demo_solutions(time_limit: float | None = None) -> Iterator[tuple[float, float, Solution, Solution]]:
    """Capital, cost multiplier, greedy and exact solution of each example at each multiplier."""
    for multiplier in MULTIPLIERS:
        for capital in EXAMPLE_CAPITALS:
            problem = example_problem(capital, cost_multiplier=multiplier)
            yield capital, multiplier, solve(problem, "greedy"), solve(problem, "scip", time_limit=time_limit)


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
