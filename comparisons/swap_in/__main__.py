"""Run the study: ``python -m comparisons.swap_in PRICE_FOLDER [PYSYSTEMTRADE_FOLDER]``; a minute, not resumable."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from comparisons.environment import environment
from comparisons.swap_in.study import ENVIRONMENT, REPEATS, RESULTS, run, table, to_csv
from comparisons.swap_in.their_search import their_search
from dynopt_milp.data import read_market
from dynopt_milp.errors import DynoptError
from dynopt_milp.io.atomic import write_atomically


def main(arguments: list[str]) -> int:
    """Time every day, print the table, and keep both."""
    console, progress = Console(width=160), Console(stderr=True)
    if len(arguments) not in (1, 2):
        progress.print("usage: python -m comparisons.swap_in PRICE_FOLDER [PYSYSTEMTRADE_FOLDER]", markup=False)
        return 2
    try:
        theirs = their_search(Path(arguments[1])) if len(arguments) == 2 else None
        results = run(read_market(Path(arguments[0])), theirs=theirs, show_progress=progress.is_terminal)
    except KeyboardInterrupt:
        progress.print("interrupted; nothing was kept")
        return 130
    except DynoptError as error:
        progress.print(f"error: {error}", highlight=False)
        return 2
    write_atomically(RESULTS, to_csv(results))
    threads = f"OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'not set')}"
    write_atomically(ENVIRONMENT, environment(threads, f"seconds: the least of {REPEATS}, in turn"))
    console.print(table(results).round(2).to_string(index=False), highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
