"""Run the study: ``python -m comparisons.naive_model``."""

from __future__ import annotations

import sys

from rich.console import Console

from comparisons.naive_model.study import CASES, ENVIRONMENT, RESULTS, Row, environment, run_case, table, to_csv
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.problem.solution import SolveInterrupted

WIDTH = 100


def main() -> int:
    """Run all cases, print the table, write the results."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    progress = Console(stderr=True)
    rows: list[Row] = []
    try:
        for done, case in enumerate(CASES):
            progress.print(f"{done + 1} of {len(CASES)}: seed {case.seed}, ${case.capital:,.0f}", highlight=False)
            rows.append(run_case(case))
    except (KeyboardInterrupt, SolveInterrupted):
        progress.print("Interrupted; the stored results are as they were.")
        return 130
    console.print(table(rows))
    console.print(
        "\nDaily units; objectives in thousandths of capital, seconds naive / exact. 'cvxpy says' is\n"
        "problem.value; 'SCIP says' is the objective SCIP itself reached; 'truth' is the objective of\n"
        "the naive portfolio, recomputed from its whole contracts.",
        highlight=False,
    )
    write_atomically(RESULTS, to_csv(rows))
    write_atomically(ENVIRONMENT, environment())
    return 0


if __name__ == "__main__":
    sys.exit(main())
