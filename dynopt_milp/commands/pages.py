"""A folder of results as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynopt_milp.backtests.compare import TABLE, is_run, read_comparison, runs_below
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.commands.app import app, guarded
from dynopt_milp.commands.panels import of_output
from dynopt_milp.errors import FileError, FormatError, InputError
from dynopt_milp.io.atomic import reported
from dynopt_milp.io.first_few import first_few
from dynopt_milp.io.run_folder import format_of
from dynopt_milp.show.backtest_page import REPORT, write_report
from dynopt_milp.show.comparison_page import write_comparison_report

BACKTEST, COMPARISON, STUDY = "backtest", "comparison", "gap study"
ENDINGS = (".html", ".htm")
STUDIES = "dynopt-milp study"
"""How the format of a gap study begins."""


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a backtest, a comparison or a gap study.")],
    out: Annotated[
        Path | None, of_output(metavar="FILE", help="The page.", show_default="report.html in the folder")
    ] = None,
) -> None:
    """A backtest, a comparison or a gap study as one HTML page that opens without a network."""

    def run() -> int:
        path = folder / REPORT if out is None else out
        if path.suffix.lower() not in ENDINGS:
            raise InputError(
                f"expected a name that ends with {' or '.join(ENDINGS)}, found {path.name!r}: a page is HTML, which a "
                "browser prints as PDF",
                field="out",
            )
        kind = kind_of(folder)
        if kind == BACKTEST:
            write_report(Backtest.load(folder), path)
        elif kind == COMPARISON:
            runs = read_comparison(folder)
            write_comparison_report(runs, path)
            if left := [f"{strategy}/{name}" for strategy, name in runs_below(folder) if (strategy, name) not in runs]:
                typer.echo(f"left out, not in {TABLE}: {', '.join(left)}", err=True)
        else:
            from dynopt_milp.gap import write_report as write_study

            write_study(folder, path)
        typer.echo(f"written: {path}")
        return 0

    guarded(run)


def kind_of(folder: Path) -> str:
    """What a folder holds: one of the three kinds.

    Raises
    ------
    FileError
        If there is no such folder.
    FormatError
        If it holds none of them, with what it holds.
    """
    if not folder.is_dir():
        raise FileError("is a file; expected a folder" if folder.exists() else "does not exist", folder)
    with reported(folder):
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if is_run(folder):
        return BACKTEST
    if format_of(folder).startswith(STUDIES):
        return STUDY
    if runs_below(folder):
        return COMPARISON
    inside = [name for name in names if is_run(folder / name) or format_of(folder / name).startswith(STUDIES)]
    if inside:
        found = f"folders of runs ({first_few(inside)}); report one of these"
    else:
        found = f"{first_few(names) or 'nothing'}; make one with dynopt-milp backtest, compare or gap and its --out"
    raise FormatError(f"holds no backtest, comparison or gap study: found {found}", field=str(folder))
