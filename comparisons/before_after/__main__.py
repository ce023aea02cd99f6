"""Run the study: ``python -m comparisons.before_after PRICE_FOLDER CHECKOUT``; some minutes, not resumable."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from rich.console import Console

from comparisons.before_after.study import ENVIRONMENT, FOLDER, REPEATS, RESULTS, ROUNDS, compilation, run, table
from comparisons.environment import write_environment
from comparisons.runner import print_table, run_study, study_parser
from comparisons.stored import save
from dynopt_milp.data import read_market

HERE = FOLDER.parents[1]


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Time every call in both checkouts, keep the results and print the table."""
    refuse_other_folders(options.checkout)
    commits = [f"{name}: commit {commit(path)}" for name, path in (("before", options.checkout), ("after", HERE))]
    with TemporaryDirectory() as work:
        market = read_market(options.folder)
        results = run(market, options.checkout, HERE, Path(work), show_progress=progress.is_terminal)
    compiled = compilation(options.checkout, HERE)
    save(pd.concat([results, compiled], ignore_index=True), RESULTS)
    how = f"one thread a side; {ROUNDS} rounds in turn, the fastest of {REPEATS} calls in each"
    write_environment(ENVIRONMENT, how, *commits)
    print_table(output, table(results))
    print_table(output, compiled, "CPU seconds")


def refuse_other_folders(checkout: Path) -> None:
    """Raise ValueError if a folder is no checkout of this project."""
    if not (checkout / "dynopt_milp").is_dir():
        raise ValueError(f"{checkout} is no checkout of this project: it has no folder dynopt_milp")


def before_after_parser() -> ArgumentParser:
    """The arguments: a price folder and another checkout."""
    parser = study_parser("before_after", "Whether this checkout is as fast as another.")
    parser.add_argument("checkout", type=Path, help="another checkout, of the commit before, say")
    return parser


def commit(checkout: Path) -> str:
    """The commit of a checkout, and whether something is not committed."""
    done = subprocess.run(
        ["git", "-C", str(checkout), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    return run_study(before_after_parser(), study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
