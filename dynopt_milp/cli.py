"""The command line: ``dynopt-milp``, also ``python -m dynopt_milp``.

Exit codes: 0 done (an exact method: proven optimal), 2 bad input (one line on stderr), 3 a limit was hit or no
portfolio exists, 1 a solver failed, 130 interrupted.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from dynopt_milp.errors import DynoptError, InputError, NoPortfolioError, SolveInterrupted
from dynopt_milp.problem import Problem
from dynopt_milp.rebalance import BOOK_BUFFER_FRACTION, BOOK_RISK_TARGET, BUFFER_RULES
from dynopt_milp.rebalance import rebalance as run_rebalance
from dynopt_milp.solution import Solution, Status, StoppedBy
from dynopt_milp.solve import DEFAULT_BUFFER, DEFAULT_GAP, FORMULATIONS
from dynopt_milp.solve import solve as run_solve
from dynopt_milp.solvers import METHODS
from dynopt_milp.tables import show_rebalance, show_solution

BAD_INPUT, LIMIT_HIT, INTERRUPTED = 2, 3, 130
# What typer raises for a wrong option; it is public only as the base of this one.
USAGE_ERROR: type[Any] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    help="Which whole contracts to hold: dynamic portfolio optimisation solved to proven optimality.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProblemPath = Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="A problem file.")]
Method = Annotated[str, typer.Option(help=f"{', '.join(METHODS)}:SOLVER.")]
Gap = Annotated[float, typer.Option(help="Relative gap to prove.")]
TimeLimit = Annotated[float | None, typer.Option(metavar="SECONDS", help="Stop then, with the best answer so far.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from dynopt_milp import __version__

        typer.echo(f"dynopt-milp {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def solve(
    problem: ProblemPath,
    method: Method = "exact",
    formulation: Annotated[str, typer.Option(help=f"{', '.join(FORMULATIONS)}.")] = "penalty",
    buffer: Annotated[
        float, typer.Option(help="For deadband and buffer_edge; annual, share of capital.")
    ] = DEFAULT_BUFFER,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> None:
    """Which whole contracts to hold."""

    def show(solution: Solution) -> int:
        if as_json:
            _print_json(solution.to_dict())
        else:
            show_solution(solution, Console(highlight=False))
        return _exit_code(solution.status, solution.stopped_by)

    def run() -> int:
        given = Problem.from_json(problem)
        return show(run_solve(given, method, formulation=formulation, buffer=buffer, gap=gap, time_limit=time_limit))

    _guarded(run, show)


@app.command()
def rebalance(
    problem: ProblemPath,
    method: Method = "exact",
    buffer_rule: Annotated[str, typer.Option(help=f"{', '.join(BUFFER_RULES)} or none.")] = "book",
    buffer_fraction: Annotated[
        float, typer.Option(help="Buffer as a share of the risk target.")
    ] = BOOK_BUFFER_FRACTION,
    risk_target: Annotated[float, typer.Option(help="Annual, share of capital.")] = BOOK_RISK_TARGET,
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> None:
    """The trades to do today: solve, then the buffer."""

    def run() -> int:
        result = run_rebalance(
            Problem.from_json(problem), method,
            buffer_rule=None if buffer_rule == "none" else buffer_rule,  # type: ignore[arg-type]  # checked there
            buffer_fraction=buffer_fraction, risk_target=risk_target, gap=gap, time_limit=time_limit,
        )  # fmt: skip
        if as_json:
            _print_json(result.to_dict())
        else:
            show_rebalance(result, Console(highlight=False))
        return _exit_code(result.status, result.stopped_by)

    def interrupted(solution: Solution) -> int:
        typer.echo(f"interrupted; no trades. The solve had reached a gap of {solution.gap:.2g}.", err=True)
        return INTERRUPTED

    _guarded(run, interrupted)


@app.command()
def example(
    path: Annotated[Path, typer.Argument(metavar="PROBLEM.json", help="Where to write it.")],
    capital: Annotated[float, typer.Option(help="US dollars.")] = 250_000.0,
    seed: Annotated[int, typer.Option(help="Same seed, same problem.")] = 1,
    cost_multiplier: Annotated[float, typer.Option(help="50 in the book.")] = 50.0,
) -> None:
    """Write an example problem: 32 real contracts, simulated correlations and forecasts."""

    def run() -> int:
        from dynopt_milp.examples import example_problem

        example_problem(capital, seed=seed, cost_multiplier=cost_multiplier).to_json(path)
        return 0

    _guarded(run)


@app.command()
def demo() -> None:
    """Solve three example problems at two cost multipliers, greedy against exact."""

    def run() -> int:
        from dynopt_milp.demo import show_demo

        show_demo(Console(highlight=False))
        return 0

    _guarded(run)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names in any script, whatever the terminal can show
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except USAGE_ERROR as error:
        code = _complain(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code(status: Status, stopped_by: StoppedBy) -> int:
    if status in (Status.NO_SOLUTION, Status.INFEASIBLE):
        return LIMIT_HIT
    return LIMIT_HIT if status is not Status.OPTIMAL and stopped_by.is_limit else 0


def _guarded(run: Callable[[], int], interrupted: Callable[[Solution], int] | None = None) -> None:
    """Run, and turn what goes wrong into one line and an exit code."""
    try:
        code = run()
    except InputError as error:
        code = _complain(str(error))
    except NoPortfolioError as error:
        _complain(str(error))
        code = LIMIT_HIT
    except DynoptError as error:
        _complain(str(error))
        code = 1
    except SolveInterrupted as stop:
        if interrupted is not None:
            interrupted(stop.solution)
        code = INTERRUPTED
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        code = INTERRUPTED
    raise typer.Exit(code)


def _complain(message: str) -> int:
    typer.echo("error: " + " ".join(message.split()), err=True)
    return BAD_INPUT


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2, allow_nan=False))
