"""The command line: ``dynopt-milp``, also ``python -m dynopt_milp``.

Exit codes: 0 done (exact: proven optimal), 2 bad input (one line on stderr), 3 a limit was hit, no portfolio
exists, rebalances failed or a proof is refused, 1 a solver failed, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import Any, NoReturn

import typer

from dynopt_milp.commands import backtests, gaps, pages, problems, proofs, trades, why
from dynopt_milp.commands.app import INTERRUPTED, app, print_error
from dynopt_milp.io.start import started

__all__ = ["app", "backtests", "gaps", "main", "pages", "problems", "proofs", "trades", "why"]

# What typer raises for a wrong option; it is public only as the base of this one.
USAGE_ERROR: type[Any] = typer.BadParameter.__bases__[0]


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names in any script, whatever the terminal can show
    words = sys.argv[1:] or ["--help"]
    try:
        started()
        code = app(args=words, standalone_mode=False)
    except USAGE_ERROR as error:
        if words[0] == "rebalance":
            trades.misused(words[1:], error.format_message())
        code = print_error(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
