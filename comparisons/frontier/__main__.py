"""Run the study: ``python -m comparisons.frontier PRICE_FOLDER [--workers 2]``; interrupt at will."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

import pandas as pd
from rich.console import Console

from comparisons.environment import write_environment
from comparisons.frontier.choice import choose
from comparisons.frontier.preset_runs import PRESETS, run_presets
from comparisons.frontier.report import picture, tables
from comparisons.frontier.settings import around, cross
from comparisons.frontier.study import ENVIRONMENT, FOLDER, RESULTS, in_order, missing, run_all, stored
from comparisons.page import put_results
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.io.progress import Progress

PAGE = FOLDER / "README.md"


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Run what has not been run, and write tables and picture of it all."""
    settings, results = [*cross(), *around()], stored()
    left = missing(settings, results)
    with Progress(len(left), "backtests", show=progress.is_terminal) as bar:
        for rows in run_all(left, options.folder, options.workers):
            added = pd.DataFrame(rows)
            results = in_order(added if results.empty else pd.concat([results, added], ignore_index=True))
            save(results, RESULTS)
            bar.advance(rows[0]["holder"])
    if left or not PRESETS.exists():
        with Progress(9, "presets", show=progress.is_terminal) as bar:
            found = []
            for row in run_presets(options.folder, options.workers):
                found.append(row)
                bar.advance(row["preset"])
        save(pd.DataFrame(found).sort_values(["preset", "capital"]), PRESETS)
    count = len(dict.fromkeys(settings))
    write_environment(ENVIRONMENT, f"{options.workers} processes, one thread each", f"{count} backtests of 15 years")
    results, presets = stored(), pd.read_csv(PRESETS)
    picture(results)
    text = tables(results, presets)
    if PAGE.exists():
        put_results(PAGE, text)
    output.print(f"{count} backtests; recommended: {', '.join(map(str, choose(results)))}", markup=False)
    output.print(text, markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("frontier", "Realised tracking error against cost, of ways to hold whole contracts.")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    return run_study(parser, study, arguments)


if __name__ == "__main__":
    sys.exit(main())
