"""Run the study: ``python -m comparisons.swap_in PRICE_FOLDER [PYSYSTEMTRADE_FOLDER]``; a minute, not resumable."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from comparisons.environment import write_environment
from comparisons.page import put_results
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from comparisons.swap_in.study import (
    ENVIRONMENT,
    FOLDER,
    REPEATS,
    RESULTS,
    THEIR_COLUMNS,
    THEIR_ENVIRONMENT,
    THEIRS,
    page_tables,
    run,
)
from comparisons.swap_in.their_search import their_search
from dynopt_milp.data import read_market

PAGE = FOLDER / "README.md"


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Time every day, keep the results and print the table."""
    theirs = None if options.pysystemtrade is None else their_search(options.pysystemtrade)
    results = run(read_market(options.folder), theirs=theirs, show_progress=progress.is_terminal)
    threads = f"OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'not set')}"
    said = (threads, f"seconds: the least of {REPEATS}, in turn")
    save(results.drop(columns="theirs_seconds"), RESULTS)
    write_environment(ENVIRONMENT, *said)
    if theirs is not None:
        save(results[list(THEIR_COLUMNS)], THEIRS)
        write_environment(THEIR_ENVIRONMENT, *said)
    tables = page_tables(pd.read_csv(RESULTS), pd.read_csv(THEIRS))
    put_results(PAGE, tables)
    output.print(tables, markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("swap_in", "What a day costs with the swap-ins.")
    parser.add_argument(
        "pysystemtrade", type=Path, nargs="?", metavar="PYSYSTEMTRADE_FOLDER", help="a clone, for its own search"
    )
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
