"""Run the study: ``python -m comparisons.agreement PRICE_FOLDER [WEEKS [SECONDS]]``; interrupt and go on at will.

With ``--again`` what is stored is solved again by branch and bound, and compared with what SCIP said then.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from comparisons.agreement.study import ENVIRONMENT, GRID, SCIP_LIMIT, run, table
from comparisons.environment import environment
from dynopt_milp.data import read_market
from dynopt_milp.errors import DynoptError
from dynopt_milp.io.atomic import write_atomically


def main(arguments: list[str]) -> int:
    """Compare what has not been compared, and print the table."""
    console, progress = Console(width=160), Console(stderr=True)
    again = "--again" in arguments
    arguments = [word for word in arguments if word != "--again"]
    if not 1 <= len(arguments) <= 3 or arguments[0].startswith("-"):
        usage = "usage: python -m comparisons.agreement PRICE_FOLDER [WEEKS [SCIP_SECONDS]] [--again]"
        progress.print(usage, markup=False)
        return 2
    try:
        weeks = int(arguments[1]) if len(arguments) > 1 else GRID.weeks
        limit = float(arguments[2]) if len(arguments) > 2 else SCIP_LIMIT
        market = read_market(Path(arguments[0]))
        results = run(
            market, replace(GRID, weeks=weeks), scip_limit=limit, again=again, show_progress=progress.is_terminal
        )
    except KeyboardInterrupt:
        progress.print("interrupted; the same command goes on")
        return 130
    except (DynoptError, ValueError) as error:
        progress.print(f"error: {error}", highlight=False)
        return 2
    console.print(table(results).T.to_string(header=False), highlight=False)
    write_atomically(ENVIRONMENT, environment("one thread each", f"SCIP's time limit: {limit:g} s a rebalance"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
