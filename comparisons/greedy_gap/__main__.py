"""Run the study: ``python -m comparisons.greedy_gap PRICE_FOLDER [WORKERS]``; interrupt and go on at will."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from comparisons.environment import environment
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
    to_csv,
    worst,
)
from dynopt_milp.data import read_market
from dynopt_milp.errors import DynoptError, StudyInterrupted
from dynopt_milp.io.atomic import write_atomically


def main(arguments: list[str]) -> int:
    """Run what is missing, and write the table."""
    console, progress = Console(width=160), Console(stderr=True)
    if not 1 <= len(arguments) <= 2 or (not arguments[-1].isdigit() and len(arguments) == 2):
        progress.print("usage: python -m comparisons.greedy_gap PRICE_FOLDER [WORKERS]", markup=False)
        return 2
    workers = int(arguments[1]) if len(arguments) == 2 else os.cpu_count() or 1
    try:
        market = read_market(Path(arguments[0]))
        results = run(market, grids(market), workers=workers, show_progress=progress.is_terminal)
    except StudyInterrupted as stop:
        progress.print(str(stop))
        return 130
    except DynoptError as error:
        progress.print(f"error: {error}", highlight=False)
        return 2
    for path, frame in ((RESULTS, results), (INSTRUMENTS, instruments()), (WORST, worst())):
        write_atomically(path, to_csv(frame))
    picture(results)
    note = f"time limit of an exact solve: {TIME_LIMIT:g} s"
    write_atomically(ENVIRONMENT, environment(f"{workers} workers", note))
    for table in (gap_table(results), consequence_table(results)):
        console.print(table + "\n", highlight=False, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
