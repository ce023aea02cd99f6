"""Run the study: ``python -m comparisons.why FOLDER_OF_PROBLEMS``; some minutes, not resumable."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from comparisons.environment import write_environment
from comparisons.page import put_results
from comparisons.runner import run_study, study_parser
from comparisons.stored import save
from comparisons.why.study import ENVIRONMENT, FOLDER, RESULTS, problems, run, table


def study(options: Namespace, output: Console, progress: Console) -> None:
    """Measure every problem, keep the results and put their table on the page."""
    cases = list(problems(options.problems))
    run(cases[-1:])  # compiles
    results = run(cases, show_progress=progress.is_terminal)
    save(results, RESULTS)
    write_environment(ENVIRONMENT, "one thread")
    put_results(FOLDER / "README.md", table(results))
    output.print(table(results), markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("why", "What explanations, alternatives and trade-offs cost.", prices=False)
    parser.add_argument("problems", type=Path, help="a folder of problem files")
    return run_study(parser, study, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
