"""Run the study: ``python -m comparisons.holding PRICE_FOLDER``; some minutes, not resumable."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.holding.pairs import PAIRS, pairs_table, run_pairs
from comparisons.holding.study import ENVIRONMENT, RESULTS, run, table
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.data import read_market


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Run all, keep the results and print them."""
    market = read_market(options.folder)
    results = run(market, show_progress=progress.is_terminal)
    save(results, RESULTS)
    pairs = run_pairs(market, show_progress=progress.is_terminal)
    save(pairs, PAIRS)
    write_environment(ENVIRONMENT, "one thread")
    for text in (table(results), pairs_table(pairs)):
        output.print(text + "\n", markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("holding", "What sizes on one side and the cost of holding do.")
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
