"""Run the study: ``python -m comparisons.holding PRICE_FOLDER``; a minute, not resumable."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.holding.study import ENVIRONMENT, RESULTS, run, table, times
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.data import read_market


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Run all, keep the results and print them."""
    results = run(read_market(options.folder), show_progress=progress.is_terminal)
    save(results, RESULTS)
    rows = times(results).rename("ratio").reset_index().to_dict("records")
    ratios = [f"{row['holder']}, shrunk by {row['shrinkage']:g}: {row['ratio']:.2f}" for row in rows]
    write_environment(ENVIRONMENT, "one thread", *(f"solving time over exact's, {line}" for line in ratios))
    output.print(table(results) + "\n", markup=False, soft_wrap=True)
    for line in ratios:
        output.print(f"solving time over exact's, {line}", markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("holding", "What sizes on one side and the cost of holding do.")
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
