"""Proofs: write one, check one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dynopt_milp.commands.app import (
    LIMIT_HIT,
    AsJson,
    Gap,
    OptimizerName,
    TimeLimit,
    app,
    exit_code,
    guarded,
    print_error,
    print_json,
)
from dynopt_milp.commands.panels import of_output
from dynopt_milp.commands.problems import ProblemPath
from dynopt_milp.errors import CertificationError, InputError, ProofError
from dynopt_milp.io.atomic import check_writable, reported
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.problem_file import read_content
from dynopt_milp.problem.solution import NoPortfolioError, Solution, Status
from dynopt_milp.show.solutions import show_solution
from dynopt_milp.solvers.proved import check_of
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.solving import proofs_of_solution
from dynopt_milp.solvers.solving import solve as run_solve
from proof_checker import Refused, Verified, check
from proof_checker import verify as run_verify
from proof_checker.report import report, to_dict

if TYPE_CHECKING:
    from dynopt_milp.proof import Proof

ENDING = ".proof.json.gz"
EVERY = 100  # nodes
ProofPath = Annotated[Path, typer.Argument(metavar=f"PROOF{ENDING}", help="A proof.")]
Out = Annotated[
    Path | None, of_output("--out", metavar=f"FILE{ENDING}", help="Default: beside the problem file, by its name.")
]


@app.command()
def prove(
    problem: ProblemPath,
    optimizer: OptimizerName = "exact",
    gap: Gap = DEFAULT_GAP,
    time_limit: TimeLimit = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Solve a problem, write a proof of its optimum, and check it in exact arithmetic."""

    def show(solution: Solution) -> int:
        show_solution(solution, Console(highlight=False, stderr=as_json))
        return exit_code(solution.status, solution.stopped_by)

    def run() -> int:
        given = Problem.from_json(problem)
        path = problem.with_name(problem.name.removesuffix(".json") + ENDING) if out is None else out
        if path.exists() and path.samefile(problem):
            raise InputError("is the problem file; give another", field="--out")
        check_writable(path)
        began = time.monotonic()
        solution = run_solve(given, optimizer, gap=gap, time_limit=time_limit)
        if solution.contracts is None and solution.status is not Status.INFEASIBLE:
            raise NoPortfolioError(solution)
        solved = time.monotonic()
        left = math.inf if time_limit is None else max(time_limit - (solved - began), 0.0)
        from dynopt_milp.proof import accepted  # which loads numba

        check_of(given, solution)
        proved = solved

        def checked(proof: Proof) -> Verified:
            nonlocal proved
            proved = time.monotonic()
            try:
                return check(read_content(problem), _counted(proof.lines, watch))  # of what the file says
            except KeyboardInterrupt:
                proof.to_file(path)
                typer.echo(f"{path} is written, and not checked: dynopt-milp verify {problem} {path}", err=True)
                raise

        with _shown("growing and checking a proof") as watch:
            try:
                proof, found = accepted(proofs_of_solution(given, solution, gap, left, watch), checked)
            except Refused as error:
                raise CertificationError(f"the proof is refused: {error}") from None
        verified = time.monotonic()
        proof.to_file(path)
        seconds = {"solve": solved - began, "prove": proved - solved, "verify": verified - proved}
        if as_json:
            print_json({"proof": str(path), **to_dict(found), "seconds": seconds, "bytes": path.stat().st_size})
        else:
            times = ", ".join(f"{what} {each:.2f} s" for what, each in seconds.items())
            typer.echo(f"{report(found)}\n{path}: {path.stat().st_size:,} bytes; {times}")
        return 0

    def unproved() -> int:
        try:
            return run()
        except ProofError as error:
            if as_json:
                print_json({"verified": False, "reason": str(error)})
            print_error(f"{problem}: no proof: {error}")
            return LIMIT_HIT

    guarded(unproved, show)


@app.command()
def verify(problem: ProblemPath, proof: ProofPath, as_json: AsJson = False) -> None:
    """Check a proof in exact arithmetic; nothing that solves has a part in it."""

    def run() -> int:
        Problem.from_json(problem)  # says what is wrong with the problem; nothing else of it is used
        try:
            with reported(proof), _shown("checking the proof") as watch:
                found = run_verify(problem, proof, lambda lines: _counted(lines, watch))
        except Refused as error:
            if as_json:
                print_json({"verified": False, "reason": str(error)})
            print_error(f"{proof}: refused: {error}")
            return LIMIT_HIT
        if as_json:
            print_json(to_dict(found))
        else:
            typer.echo(report(found))
        return 0

    guarded(run)


@contextmanager
def _shown(what: str) -> Iterator[Callable[[int], None] | None]:
    """How many nodes there are, on a terminal, while a proof grows or is checked."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status(f"{what} ...") as status:
        yield lambda nodes: status.update(f"{what}: {nodes:,} nodes")


def _counted(lines: Iterable[Any], watch: Callable[[int], None] | None) -> Iterator[Any]:
    for number, line in enumerate(lines):
        if watch is not None and number % EVERY == 0:
            watch(number)
        yield line
