"""Run a study from the command line: its arguments, where it prints, and what happens when it is stopped or fails."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from dynopt_milp.errors import DynoptError

WIDTH = 160
DONE, REFUSED, INTERRUPTED = 0, 2, 130

Study = Callable[[Namespace, Console, Console], None]
"""From the arguments, a console for results and one for progress: runs, keeps the results and prints them."""


def study_parser(name: str, about: str, *, prices: bool = True) -> ArgumentParser:
    """The arguments of ``python -m comparisons.NAME``: a price folder (``folder``), if the study needs one."""
    parser = ArgumentParser(prog=f"python -m comparisons.{name}", description=about)
    if prices:
        parser.add_argument(
            "folder", type=Path, metavar="PRICE_FOLDER", help="of pysystemtrade (CSV or Parquet) or of the guide"
        )
    return parser


def run_study(parser: ArgumentParser, study: Study, arguments: Sequence[str] | None, *, resumes: bool = True) -> int:
    """Run a study; its exit code is 0, 2 after an error that is told in a line, or 130 after Ctrl-C.

    Parameters
    ----------
    parser : ArgumentParser
        See :func:`study_parser`.
    study : callable
    arguments : sequence of str, optional
        Those of the process if not given.
    resumes : bool
        Whether what is done is kept when it is interrupted.
    """
    output, progress = Console(width=WIDTH, highlight=False), Console(stderr=True, highlight=False)
    try:
        study(parser.parse_args(arguments), output, progress)
    except SystemExit as leave:  # of the parser, which has said why
        return REFUSED if leave.code else DONE
    except KeyboardInterrupt:  # those of this package too
        kept = "what is done is kept, and the same command goes on" if resumes else "nothing was kept"
        progress.print(f"interrupted; {kept}")
        return INTERRUPTED
    except (DynoptError, ValueError) as error:
        progress.print(f"error: {error}", markup=False)
        return REFUSED
    return DONE


def print_table(console: Console, table: pd.DataFrame, title: str = "") -> None:
    """A table as text, four digits of each number."""
    text = table.to_string(index=False, float_format=lambda number: f"{number:.4g}")
    console.print(f"\n{title}\n{text}" if title else text, markup=False, soft_wrap=True)
