"""Run the study: ``python -m comparisons.rules PRICE_FOLDER [--quick]``; interrupt and go on at will.

Numerical libraries should run on one thread each (OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1), as under make.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.rules import study
from comparisons.rules.instances import ALONE, PAIR, PARTS, all_instances, count
from comparisons.rules.racers import RACERS, starters
from comparisons.runner import print_table, run_study, study_parser
from comparisons.stored import load
from dynopt_milp.data import read_market
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.progress import Progress
from dynopt_milp.io.versions import versions_of

INSTANCES = study.FOLDER.parents[2] / "shared" / "instances"
"""Beside the checkout."""


def race_with_rules(options: Namespace, output: Console, progress: Console) -> None:
    """Race what has not been raced, print the tables, and write them into the page."""
    racers, missing = starters(options.racers)
    for package in missing:
        progress.print(f"{package} is not installed; without it")
    folder = study.QUICK if options.quick else study.FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / study.RESULTS.name
    weekly = any(part in (ALONE, PAIR) for part in options.parts)
    market = read_market(options.folder) if weekly else None
    instances = all_instances(tuple(options.parts), market, options.instances, quick=options.quick)
    limit = study.QUICK_TIME_LIMIT if options.quick else options.seconds
    limits = study.LIMITS if limit is None else dict.fromkeys(study.LIMITS, limit)
    with Progress(count(tuple(options.parts), quick=options.quick), "problems", show=progress.is_terminal) as bar:
        study.race(instances, racers, time_limit=limit, path=path, advance=bar.advance)
    results = load(path, study.MEASURED)  # with the digits that are kept
    write_environment(
        folder / study.ENVIRONMENT.name, "one thread a solver",
        "time limits: " + ", ".join(f"{part} {seconds:g} s" for part, seconds in limits.items()),
        more=versions_of(study.SOLVERS),
    )  # fmt: skip
    print_table(output, study.summary(results), "Race")
    for line in study.disagreements(results):
        output.print(line, markup=False, soft_wrap=True)
    if not options.quick:
        page = study.PAGE.read_text(encoding="utf-8")
        write_atomically(study.PAGE, study.with_tables(page, results))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("rules", "The branch and bound with house rules, against other solvers.")
    parser.add_argument("--instances", type=Path, default=INSTANCES, help="folder of the shared problems")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="which problems; by default all")
    parser.add_argument("--racers", nargs="+", choices=tuple(RACERS), default=tuple(RACERS), help="by default all")
    parser.add_argument("--seconds", type=float, help="time limit of each call; by default 60, weekly problems 10")
    parser.add_argument("--quick", action="store_true", help="a few minutes; results go to runs/")
    return run_study(parser, race_with_rules, arguments)


if __name__ == "__main__":
    sys.exit(main())
