"""Gap studies through two checkouts: ``python -m comparisons.before_after.gap_cells PRICE_FOLDER CHECKOUT``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from comparisons.before_after.__main__ import HERE, before_after_parser, commit, refuse_other_folders
from comparisons.before_after.study import FOLDER
from comparisons.environment import write_environment
from comparisons.page import markdown, put_results
from comparisons.runner import run_study
from comparisons.stored import save

RESULTS, ENVIRONMENT, CELL = FOLDER / "gap_cells.csv", FOLDER / "gap_cells_environment.txt", FOLDER / "cell.py"
CELLS = (
    (50_000.0, 50.0), (100_000.0, 50.0), (250_000.0, 50.0), (1_000_000.0, 50.0), (5_000_000.0, 50.0),
    (250_000.0, 10.0), (250_000.0, 100.0),
)  # fmt: skip
"""Capital and λ; weekly rebalances of all instruments along greedy's path with the book's buffer, 2005 to 2019."""
ROUNDS = 3  # before, after, after, before, ...


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Time every cell in both checkouts, keep the results and print the table."""
    refuse_other_folders(options.checkout)
    commits = [f"{name}: commit {commit(path)}" for name, path in (("before", options.checkout), ("after", HERE))]
    rows = []
    for capital, multiplier in CELLS:
        seconds: dict[str, list[float]] = {"before": [], "after": []}
        figures: dict[str, list[float]] = {}
        for turn in range(ROUNDS):
            sides = [("before", options.checkout), ("after", HERE)]
            for name, checkout in sides if turn % 2 == 0 else sides[::-1]:
                found, figures[name] = run_cell(checkout, options.folder, capital, multiplier)
                seconds[name].append(found)
        before, after = (float(np.median(seconds[name])) for name in ("before", "after"))
        rows.append(
            {
                "capital": capital, "cost_multiplier": multiplier, "before_seconds": before, "after_seconds": after,
                "same_figures": figures["before"] == figures["after"],
            }
        )  # fmt: skip
        progress.print(f"{capital:,.0f}, λ = {multiplier:g}: {before / after:.2f} times as fast")
    results = pd.DataFrame(rows)
    save(results, RESULTS)
    write_environment(ENVIRONMENT, f"CPU seconds, one thread, {ROUNDS} rounds in turn, medians", *commits)
    put_results(FOLDER / "README.md", table(results))
    output.print(table(results), markup=False, soft_wrap=True)


def table(results: pd.DataFrame) -> str:
    """A line a cell, those of each λ together, as Markdown."""
    lines = [_line(row["capital"], row["cost_multiplier"], row) for row in results.to_dict("records")]
    for multiplier, some in results.groupby("cost_multiplier", sort=False):
        if len(some) > 1:
            together: dict[str, Any] = {name: some[name].sum() for name in ("before_seconds", "after_seconds")}
            together["same_figures"] = some["same_figures"].all()
            lines.append(_line(None, multiplier, together))
    return markdown(("capital", "λ", "before, s", "after, s", "times faster", "same figures"), lines)


def _line(capital: float | None, multiplier: Any, row: Any) -> list[str]:
    times = row["before_seconds"] / row["after_seconds"]
    return [
        "all of these" if capital is None else f"${capital:,.0f}", f"{multiplier:g}", f"{row['before_seconds']:.1f}",
        f"{row['after_seconds']:.1f}", f"{times:.1f}", "yes" if row["same_figures"] else "no",
    ]  # fmt: skip


def run_cell(checkout: Path, prices: Path, capital: float, multiplier: float) -> tuple[float, list[float]]:
    """CPU seconds and figures of one cell, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(CELL), str(checkout), str(prices), str(capital), str(multiplier)],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ValueError(f"a cell through {checkout} has ended with exit code {done.returncode}; why is above")
    seconds, figures = json.loads(done.stdout.splitlines()[-1])
    return seconds, figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    return run_study(before_after_parser(), study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
