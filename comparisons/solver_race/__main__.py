"""Run the study: ``python -m comparisons.solver_race PRICE_FOLDER [--quick]``; interrupt and go on at will.

Numerical libraries should run on one thread each (OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1), as under make.
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import pandas as pd
from rich.console import Console

from comparisons.solver_race import scale, study
from comparisons.solver_race.instances import real_instances, synthetic_instances
from comparisons.solver_race.racers import starters
from dynopt_milp.data import read_market
from dynopt_milp.errors import DynoptError
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.progress import Progress
from dynopt_milp.problem.solution import SolveInterrupted


def main(arguments: list[str]) -> int:
    """Race, then sweep; print the tables and write results and pictures."""
    console, progress = Console(), Console(stderr=True)
    quick = "--quick" in arguments
    folders = [text for text in arguments if text != "--quick"]
    if len(folders) != 1 or folders[0].startswith("-"):
        progress.print("usage: python -m comparisons.solver_race PRICE_FOLDER [--quick]", markup=False)
        return 2
    racers, reasons = starters()
    for name, reason in reasons.items():
        progress.print(f"without {name}: {reason}", highlight=False)
    grid, plan = (study.QUICK_GRID, scale.QUICK_SWEEP) if quick else (study.FULL_GRID, scale.FULL)
    limit = study.QUICK_TIME_LIMIT if quick else study.TIME_LIMIT
    folder = study.QUICK if quick else study.FOLDER
    folder.mkdir(exist_ok=True)
    try:
        market = read_market(Path(folders[0]))
        instances = chain(real_instances(market, grid), synthetic_instances(grid))
        with Progress(grid.real + grid.synthetic, "rebalances", show=progress.is_terminal) as bar:
            results = study.race(
                instances, racers, time_limit=limit, path=folder / study.RESULTS.name, advance=bar.advance
            )
        write_atomically(folder / study.ENVIRONMENT.name, study.environment_of_race())
        _print("Race", study.table(results), console)
        study.picture(results, folder / study.PICTURE.name)
        with Progress(len(list(plan.cases())) * len(plan.seeds), "solves", show=progress.is_terminal) as bar:
            rows = scale.sweep(plan, folder / scale.RESULTS.name, bar.advance)
        _print("Scale", scale.table(rows), console)
        scale.picture(rows, folder / scale.PICTURE.name)
    except (KeyboardInterrupt, SolveInterrupted):
        progress.print("Interrupted; what was solved is kept, and the same command goes on.", highlight=False)
        return 130
    except (DynoptError, ValueError) as error:
        progress.print(f"error: {error}", highlight=False, markup=False)
        return 2
    return 0


def _print(title: str, figures: pd.DataFrame, console: Console) -> None:
    text = figures.to_string(index=False, float_format=lambda number: f"{number:.4g}")
    console.print(f"\n{title}\n{text}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
