"""Run the study: ``python -m comparisons.greedy_search PRICE_FOLDER``; a few minutes, not resumable."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.greedy_search.study import ENVIRONMENT, PAGE, PICKS, SPEED, picks, speeds, tables
from comparisons.page import put_results
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.data import read_market


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Measure, compare, keep the results, and print the tables."""
    market, show = read_market(options.folder), progress.is_terminal
    speed, picked = speeds(show_progress=show), picks(market, show_progress=show)
    save(speed, SPEED)
    save(picked, PICKS)
    text = tables(speed, picked)
    put_results(PAGE, text)
    write_environment(ENVIRONMENT, "one thread")
    output.print(text, markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("greedy_search", "The greedy search by carried steps, and in full.")
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
