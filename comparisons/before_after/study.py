"""The same through two checkouts: rebalances of the race at λ = 50, days of the swap-ins, and compilation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from comparisons.solver_race.instances import Grid, real_instances
from comparisons.swap_in.study import CAPITALS, SIZES, SUBSET_SEED, swap_in_days
from dynopt_milp import Market, Problem
from dynopt_milp.gap.grid import take_in_turn
from dynopt_milp.io.progress import Progress
from dynopt_milp.problem.problem_file import FIRST_FORMAT

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "environment.txt"
WORKER, COMPILING = FOLDER / "worker.py", FOLDER / "compiling.py"
COMPILE, COMPILE_RULES = "compile", "compile, rules"
"""Kinds of rows: CPU seconds of the first use in an empty cache, and of the first use of rules after it."""
RACE = Grid(
    capitals=(50_000.0, 250_000.0, 1_000_000.0), cost_multipliers=(50.0,), starts=("2008-06-06", "2019-08-02"), weeks=4,
    sizes=(), seeds=(),
)  # fmt: skip
DAYS = 5  # of each size and capital of the swap-ins
ROUNDS = 20  # before, after, after, before, ...
REPEATS = 3  # calls a round; the fastest counts


def problems(market: Market, *, race: Grid = RACE, days: int = DAYS) -> Iterator[tuple[str, int, float, Problem]]:
    """Kind of call, instruments, capital and problem."""
    for instance in real_instances(market, race):
        yield "solve", len(market.instruments), instance.capital, instance.problem
    order = take_in_turn(market, SUBSET_SEED)
    for size in (*SIZES, len(market.instruments)):
        for capital in CAPITALS:
            for _, problem in swap_in_days(market.select(order[:size]), capital, days):
                yield "book", size, capital, problem
                yield "pysystemtrade", size, capital, problem


def run(
    market: Market, before: Path, after: Path, work: Path, *, show_progress: bool = False, rounds: int = ROUNDS,
    **grid: Any,
) -> pd.DataFrame:  # fmt: skip
    """A row for each call: seconds of both (median over the rounds), their ratio, and whether the answers are equal.

    Parameters
    ----------
    market : Market
    before, after : Path
        Checkouts of this project.
    work : Path
        An empty folder for problem files.
    show_progress : bool
    rounds : int
        Each asks both, in alternating order.
    **grid
        As :func:`problems` takes it.
    """
    cases = list(problems(market, **grid))
    rows = []
    with worker(before) as one, worker(after) as other, Progress(len(cases), "calls", show=show_progress) as progress:
        for place, (kind, size, capital, problem) in enumerate(cases):
            path = work / f"{place}.json"
            write_for_every_version(problem, path)
            seconds: dict[str, list[float]] = {"before": [], "after": []}
            answers: dict[str, Any] = {}
            for turn in range(rounds):
                sides = [("before", one), ("after", other)]
                for name, process in sides if turn % 2 else sides[::-1]:
                    least, answers[name] = ask(process, kind, path)
                    seconds[name].append(least)
            ratio = float(np.median(np.array(seconds["after"]) / np.array(seconds["before"])))
            rows.append(
                {
                    "kind": kind, "size": size, "capital": capital, "before_seconds": np.median(seconds["before"]),
                    "after_seconds": np.median(seconds["after"]), "ratio": ratio,
                    "same_answer": answers["before"] == answers["after"],
                }
            )  # fmt: skip
            progress.advance(kind)
    return pd.DataFrame(rows)


def compilation(before: Path, after: Path) -> pd.DataFrame:
    """Rows of the same columns: CPU seconds that both take to compile, nan where there is nothing to compile."""
    one, other = compile_seconds(before), compile_seconds(after)
    rows = [
        {"kind": kind, "before_seconds": was, "after_seconds": now, "ratio": now / was, "same_answer": True}
        for kind, was, now in zip((COMPILE, COMPILE_RULES), one, other, strict=True)
    ]
    return pd.DataFrame(rows)


def compile_seconds(checkout: Path) -> tuple[float, float]:
    """CPU seconds of the first use of a checkout in an empty cache, and of the first use of rules after it."""
    with TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, str(COMPILING), str(checkout)], env=os.environ | {"NUMBA_CACHE_DIR": cache}, check=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    free, ruled = json.loads(done.stdout)
    return free, np.nan if ruled is None else ruled


def write_for_every_version(problem: Problem, path: Path) -> None:
    """A problem file of format 1, which every version reads; capital and underlyings, which it lacks, are not used."""
    problem.to_json(path)
    content = json.loads(path.read_text(encoding="utf-8")) | {"format": FIRST_FORMAT}
    fields = {name: value for name, value in content.items() if name not in ("capital", "underlying")}
    path.write_text(json.dumps(fields), encoding="utf-8")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """By kind, size and capital: medians in milliseconds, the geometric mean of the ratios, answers that differ."""
    groups = results.groupby(["kind", "size", "capital"], sort=False)  # without the rows of compilation
    return pd.DataFrame(
        {
            "calls": groups.size(),
            "before ms": 1e3 * groups["before_seconds"].median(),
            "after ms": 1e3 * groups["after_seconds"].median(),
            "after ÷ before": groups["ratio"].apply(lambda ratios: float(np.exp(np.log(ratios).mean()))),
            "other answers": groups["same_answer"].apply(lambda same: int((~same).sum())),
        }
    ).reset_index()


@contextmanager
def worker(checkout: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with the package of a checkout; it ends with the block."""
    command = [sys.executable, str(WORKER), str(checkout)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str], kind: str, path: Path) -> tuple[float, list[float]]:
    """Seconds and answer of one call in a worker."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([kind, str(path), REPEATS]) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise ValueError(f"a worker has ended with exit code {process.wait()}; what it said is above")
    seconds, answer = json.loads(line)
    return seconds, answer
