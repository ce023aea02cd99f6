"""Run the study: ``python -m comparisons.solver_race PRICE_FOLDER [--quick]``; interrupt and go on at will.

Numerical libraries should run on one thread each (OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1), as under make.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from itertools import chain

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.runner import print_table, run_study, study_parser
from comparisons.solver_race import scale, study
from comparisons.solver_race.instances import real_instances, synthetic_instances
from comparisons.solver_race.racers import starters
from dynopt_milp.data import read_market
from dynopt_milp.io.progress import Progress
from dynopt_milp.io.versions import versions_of


def race_and_sweep(options: Namespace, output: Console, progress: Console) -> None:
    """Race, then sweep; keep results and pictures, and print the tables."""
    racers, reasons = starters()
    for name, reason in reasons.items():
        progress.print(f"without {name}: {reason}")
    grid, plan = (study.QUICK_GRID, scale.QUICK_SWEEP) if options.quick else (study.FULL_GRID, scale.FULL)
    limit = study.QUICK_TIME_LIMIT if options.quick else study.TIME_LIMIT
    folder = study.QUICK if options.quick else study.FOLDER
    folder.mkdir(exist_ok=True)
    instances = chain(real_instances(read_market(options.folder), grid), synthetic_instances(grid))
    with Progress(grid.real + grid.synthetic, "rebalances", show=progress.is_terminal) as bar:
        results = study.race(instances, racers, time_limit=limit, path=folder / study.RESULTS.name, advance=bar.advance)
    write_environment(folder / study.ENVIRONMENT.name, "one thread a solver", more=versions_of(study.SOLVERS))
    print_table(output, study.table(results), "Race")
    study.picture(results, folder / study.PICTURE.name)
    with Progress(len(list(plan.cases())) * len(plan.seeds), "solves", show=progress.is_terminal) as bar:
        rows = scale.sweep(plan, folder / scale.RESULTS.name, bar.advance)
    print_table(output, scale.table(rows), "Scale")
    scale.picture(rows, folder / scale.PICTURE.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("solver_race", "Solvers side by side, and time against size.")
    parser.add_argument("--quick", action="store_true", help="two minutes; results go to runs/")
    return run_study(parser, race_and_sweep, arguments)


if __name__ == "__main__":
    sys.exit(main())
