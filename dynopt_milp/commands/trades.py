"""The trades to do today: rebalance, from a problem file, from targets, or from raw prices."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dynopt_milp.commands.app import (
    INTERRUPTED,
    AsJson,
    Gap,
    OptimizerName,
    TimeLimit,
    app,
    exit_code,
    guarded,
)
from dynopt_milp.commands.deciding import decided
from dynopt_milp.commands.market_options import (
    BufferFraction,
    BufferRule,
)
from dynopt_milp.commands.panels import of_output
from dynopt_milp.commands.problem_options import Asked, takes_a_rebalance
from dynopt_milp.commands.record import Record
from dynopt_milp.errors import FileError, InputError
from dynopt_milp.problem.solution import Solution
from dynopt_milp.show.solutions import show_rebalance
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.trades.decision_log import decision
from dynopt_milp.trades.trade_file import trade_record, write_trades


@app.command()
@takes_a_rebalance
def rebalance(
    asked: Asked,
    optimizer: OptimizerName = "exact",
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    buffer_rule: BufferRule = None,
    buffer_fraction: BufferFraction = None,
    out: Annotated[
        Path | None, of_output(metavar="FILE", help="Write the trades, or why there are none: .csv or .json.")
    ] = None,
    log: Annotated[Path | None, of_output(metavar="FILE", help="Append a line of JSON for each decision.")] = None,
    as_json: AsJson = False,
) -> None:
    """The trades to do today: solve, then the buffer. From a problem file, from targets, or from raw prices."""

    def run() -> int:
        record = Record(out, log, asked.files, asked.options["data"], asked.options["date"])
        with record.kept() as entry:
            result, known = decided(
                asked.source(buffer_rule, buffer_fraction), optimizer, gap, time_limit, as_json=as_json
            )
            if out is not None:
                write_trades(result, out, known)
            beside = {name: what for name, what in known.items() if name != "files"}
            entry |= decision(result) | beside | ({} if out is None else {"out": str(out)})
        if as_json:
            typer.echo(trade_record(result, known), nl=False)
        else:
            show_rebalance(result, Console(highlight=False), known)
            if out is not None:
                typer.echo(f"\nwritten: {out}")
        return exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    guarded(run, interrupted)


def misused(words: Sequence[str], message: str) -> None:
    """Leave the failure in the files of ``--out`` and ``--log`` though the options could not be read."""
    said: dict[str, str] = {}
    others, left = [], iter(words)
    for word in left:
        name, joined, value = word.partition("=")
        if name in ("--out", "--log", "--data"):
            said[name] = value if joined else next(left, "")
        else:
            others.append(Path(value if joined and name.startswith("--") else word))
    out, log, data = (Path(said[name]) if said.get(name) else None for name in ("--out", "--log", "--data"))
    with suppress(InputError, FileError), Record(out, log, others, data).kept():
        raise InputError(message, field="options")
