"""Run the study: ``python -m comparisons.greedy_gap PRICE_FOLDER [WORKERS]``; interrupt and go on at will."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.greedy_gap.study import (
    ENVIRONMENT,
    INSTRUMENTS,
    RESULTS,
    TIME_LIMIT,
    WORST,
    consequence_table,
    gap_table,
    grids,
    instruments,
    picture,
    run,
    worst,
)
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.data import read_market


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Run what is missing, keep the tables and print two of them."""
    market = read_market(options.folder)
    results = run(market, grids(market), workers=options.workers, show_progress=progress.is_terminal)
    for path, frame in ((RESULTS, results), (INSTRUMENTS, instruments()), (WORST, worst())):
        save(frame, path)
    picture(results)
    write_environment(ENVIRONMENT, f"{options.workers} workers", f"time limit of an exact solve: {TIME_LIMIT:g} s")
    for table in (gap_table(results), consequence_table(results)):
        output.print(table + "\n", markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("greedy_gap", "How far from the best the greedy search is.")
    parser.add_argument("workers", type=int, nargs="?", default=os.cpu_count() or 1, metavar="WORKERS")
    return run_study(parser, study, arguments)


if __name__ == "__main__":
    sys.exit(main())
