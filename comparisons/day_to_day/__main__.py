"""Run the study: ``python -m comparisons.day_to_day PRICE_FOLDER``; some minutes, not resumable."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from comparisons.day_to_day.study import ENVIRONMENT, FOLDER, RESULTS, run, table
from comparisons.environment import write_environment
from comparisons.page import put_results
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.data import read_market


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Run all, keep the results and print them."""
    progress.print("four runs of fifteen years")
    results = run(read_market(options.folder))
    save(results, RESULTS)
    write_environment(ENVIRONMENT, "one thread")
    put_results(FOLDER / "README.md", table(results))
    output.print(table(results), markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("day_to_day", "Rebalances solved cold, and from the optimum of the one before.")
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
