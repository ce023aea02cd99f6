"""What all commands share: the application, exit codes, and errors made into one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from dynopt_milp.commands.panels import of_optimizer, of_output
from dynopt_milp.errors import BacktestInterrupted, DynoptError, FileError, InputError, MissingPackage, StudyInterrupted
from dynopt_milp.problem.solution import NoPortfolioError, Solution, SolveInterrupted, Status, StoppedBy
from dynopt_milp.solvers.methods import METHOD_NAMES

SOLVER_FAILED, BAD_INPUT, LIMIT_HIT, INTERRUPTED = 1, 2, 3, 130

app = typer.Typer(
    help="Which whole contracts to hold: dynamic portfolio optimisation solved to proven optimality.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",  # without it help has no panels; no text of an option may have square brackets
)

OptimizerName = Annotated[
    str,
    of_optimizer("--optimizer", help=f"{', '.join(METHOD_NAMES)}; in a backtest unrounded, rounded, buffered, too."),
]
Also = Annotated[
    str,
    of_optimizer("--also", metavar="A,B,...", help="Solve every rebalance with these, too, from the same positions."),
]
Gap = Annotated[float, of_optimizer("--gap", help="Relative gap to prove.")]
TimeLimit = Annotated[float | None, of_optimizer(metavar="SECONDS", help="Stop then, with the best answer so far.")]
VerifyShare = Annotated[
    float,
    of_optimizer(
        "--verify-share", metavar="SHARE", help="Prove the optima of so many, 0.01 say, and verify in exact arithmetic."
    ),
]
OutFolder = Annotated[
    Path | None, of_output("--out", metavar="FOLDER", help="Keep the results there; the same command again goes on.")
]
AsJson = Annotated[bool, of_output("--json", help="One JSON object on stdout.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dynopt-milp {version('dynopt-milp')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def exit_code(status: Status, stopped_by: StoppedBy) -> int:
    """0 for what was asked for, 3 where a limit was hit or no portfolio exists."""
    if status in (Status.NO_SOLUTION, Status.INFEASIBLE):
        return LIMIT_HIT
    return LIMIT_HIT if status is not Status.OPTIMAL and stopped_by.is_limit else 0


def guarded(run: Callable[[], int], interrupted: Callable[[Solution], int] | None = None) -> None:
    """Run, and turn what goes wrong into one line and an exit code."""
    try:
        code = run()
    except (InputError, FileError, MissingPackage) as error:
        code = print_error(str(error))
    except NoPortfolioError as error:
        print_error(str(error))
        code = LIMIT_HIT
    except DynoptError as error:
        print_error(str(error))
        code = SOLVER_FAILED
    except SolveInterrupted as stop:
        if interrupted is None:
            typer.echo("interrupted", err=True)
        else:
            interrupted(stop.solution)
        code = INTERRUPTED
    except (BacktestInterrupted, StudyInterrupted) as stop:
        typer.echo(str(stop), err=True)
        code = INTERRUPTED
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def print_error(message: str) -> int:
    """One line on stderr; the exit code of bad input."""
    typer.echo("error: " + " ".join(message.split()), err=True)
    return BAD_INPUT


def print_notes(notes: Iterable[str]) -> None:
    """One line on stderr for each note: what was done that nobody asked for, or is odd and was done all the same."""
    for note in notes:
        typer.echo("note: " + " ".join(note.split()), err=True)


def comma_separated(text: str) -> list[str]:
    """The parts of a text with commas between, without spaces around them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(content, indent=2, allow_nan=False))
