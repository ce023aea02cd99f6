"""Run the study: ``python -m comparisons.proofs PRICE_FOLDER [--parts rules stored]``; interrupt and go on at will.

Numerical libraries should run on one thread each (OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1), as under make.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.proofs import study
from comparisons.proofs.instances import COUNTS, PARTS, WEEKLY, all_instances
from comparisons.runner import print_table, run_study, study_parser
from comparisons.stored import load
from dynopt_milp.data import read_market
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.progress import Progress

INSTANCES = study.FOLDER.parents[2] / "shared" / "instances"
"""Beside the checkout."""


def prove_all(options: Namespace, output: Console, progress: Console) -> None:
    """Prove what has not been proved, and print the tables."""
    parts = tuple(options.parts)
    market = read_market(options.folder) if WEEKLY in parts else None
    instances = all_instances(parts, market, options.instances)
    with Progress(sum(COUNTS[part] for part in parts), "proofs", show=progress.is_terminal) as bar:
        study.run(instances, options.results, bar.advance)
    rows = load(options.results, study.MEASURED)  # with the digits that are kept
    print_table(output, study.summary(rows), "Proofs")
    if len(left := study.unproved(rows)):
        print_table(output, left, "Without")
    if options.results == study.RESULTS:
        write_environment(study.ENVIRONMENT, "one thread")
        write_atomically(study.PAGE, study.with_tables(study.PAGE.read_text(encoding="utf-8"), rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("proofs", "Which problems have a proof, how large it is, and what it takes.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="some alone")
    parser.add_argument("--instances", type=Path, default=INSTANCES, metavar="FOLDER", help="the shared problems")
    parser.add_argument("--results", type=Path, default=study.RESULTS, metavar="FILE", help="where the rows are kept")
    return run_study(parser, prove_all, arguments)


if __name__ == "__main__":
    sys.exit(main())
