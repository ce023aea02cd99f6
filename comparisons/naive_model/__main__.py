"""Run the study: ``python -m comparisons.naive_model``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

import pandas as pd
from rich.console import Console

from comparisons.environment import write_environment
from comparisons.naive_model.study import CASES, DIGITS, ENVIRONMENT, RESULTS, run_case, scip_version, table
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from dynopt_milp.io.progress import Progress

LEGEND = """
Daily units; objectives in thousandths of capital, seconds naive / exact. 'cvxpy says' is
problem.value; 'SCIP says' is the objective SCIP itself reached; 'truth' is the objective of
the naive portfolio, recomputed from its whole contracts."""


def study(_: Namespace, output: Console, progress: Console) -> None:
    """Run all cases, print the table, keep the results."""
    rows = []
    with Progress(len(CASES), "cases", show=progress.is_terminal) as bar:
        for case in CASES:
            rows.append(run_case(case))
            bar.advance(f"seed {case.seed}, ${case.capital:,.0f}")
    output.print(table(rows))
    output.print(LEGEND)
    save(pd.DataFrame(rows), RESULTS, DIGITS)
    write_environment(ENVIRONMENT, "one thread each", more={"SCIP": scip_version()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("naive_model", "What a naive model claims, against the truth.", prices=False)
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
