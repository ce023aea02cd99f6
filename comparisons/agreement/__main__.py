"""Run the study: ``python -m comparisons.agreement PRICE_FOLDER [WEEKS [SECONDS]]``; interrupt and go on at will.

With ``--again`` what is stored is solved again by branch and bound, and compared with what SCIP said then.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from comparisons.agreement.study import ENVIRONMENT, GRID, SCIP_LIMIT, run, table
from comparisons.environment import write_environment
from comparisons.runner import run_study, study_parser
from dynopt_milp.data import read_market


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Compare what has not been compared, and print the table."""
    grid = replace(GRID, weeks=options.weeks)
    results = run(
        read_market(options.folder), grid, scip_limit=options.seconds, again=options.again,
        show_progress=progress.is_terminal,
    )  # fmt: skip
    output.print(table(results).T.to_string(header=False))
    note = f"SCIP's time limit: {options.seconds:g} s a rebalance"
    write_environment(ENVIRONMENT, "one thread each", note)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("agreement", "Branch and bound against SCIP on weekly rebalances.")
    parser.add_argument("weeks", type=int, nargs="?", default=GRID.weeks, metavar="WEEKS", help="of each path")
    parser.add_argument("seconds", type=float, nargs="?", default=SCIP_LIMIT, metavar="SCIP_SECONDS")
    parser.add_argument("--again", action="store_true", help="solve what is stored again by branch and bound")
    return run_study(parser, study, arguments)


if __name__ == "__main__":
    sys.exit(main())
