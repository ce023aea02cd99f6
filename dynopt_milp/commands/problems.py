"""One problem: solve it, write an example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dynopt_milp.commands.app import (
    AsJson,
    Gap,
    OptimizerName,
    TimeLimit,
    app,
    exit_code,
    guarded,
    print_json,
)
from dynopt_milp.commands.market_options import DEFAULT_CAPITAL, Capital, CostMultiplier, Seed
from dynopt_milp.commands.panels import of_buffer, of_optimizer
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution
from dynopt_milp.show.solutions import show_solution
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.solving import DEFAULT_BUFFER, FORMULATIONS
from dynopt_milp.solvers.solving import solve as run_solve

ProblemPath = Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="A problem file.")]


@app.command()
def solve(
    problem: ProblemPath,
    optimizer: OptimizerName = "exact",
    formulation: Annotated[str, of_optimizer(help=f"{', '.join(FORMULATIONS)}.")] = "penalty",
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    buffer: Annotated[
        float, of_buffer(help="For deadband and buffer_edge; annual, share of capital.")
    ] = DEFAULT_BUFFER,
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
        return show(run_solve(given, optimizer, formulation=formulation, buffer=buffer, gap=gap, time_limit=time_limit))

    guarded(run, show)


@app.command()
def example(
    path: Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="Where to write it.")],
    capital: Capital = DEFAULT_CAPITAL,
    cost_multiplier: CostMultiplier = None,
    seed: Seed = 1,
) -> None:
    """Write an example problem: 32 real contracts in US dollars, simulated correlations and forecasts."""

    def run() -> int:
        from dynopt_milp.trades.examples import example_problem

        multiplier = BOOK_COST_MULTIPLIER if cost_multiplier is None else cost_multiplier
        example_problem(capital, seed=seed, cost_multiplier=multiplier).to_json(path)
        return 0

    guarded(run)
