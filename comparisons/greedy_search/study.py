"""The same problems by both searches, in turn: picks, seconds, and how many candidates needed a second look."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.page import markdown
from comparisons.rules.cases import SINGLE
from comparisons.solver_race.instances import Grid, real_instances, synthetic_instances
from dynopt_milp import Limits, Problem
from dynopt_milp.data import Market
from dynopt_milp.io.progress import Progress
from dynopt_milp.solvers.greedy import greedy_search

FOLDER = Path(__file__).parent
SPEED, PICKS, PAGE, ENVIRONMENT = (FOLDER / name for name in ("speed.csv", "picks.csv", "README.md", "environment.txt"))
SPEED_GRID = Grid((100_000.0, 250_000.0, 1_000_000.0), (50.0, 10.0), (), 0, (20, 42, 100, 300), (0, 1, 2))
# 4 capitals × 3 multipliers × 4 paths × 21 weeks = 1,008 rebalances of 25 to 42 instruments.
PICKS_GRID = Grid(
    (50_000.0, 250_000.0, 1_000_000.0, 5_000_000.0), (0.0, 10.0, 50.0),
    ("2006-03-01", "2010-06-01", "2014-09-01", "2018-06-01"), 21, (), (),
)  # fmt: skip
REPEATS = 3
LIMIT_SHARE = 0.6
KINDS = ("limits", *SINGLE)
"""What a real rebalance is searched with beside nothing: limits at 60 % of what greedy holds, or a house rule."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One problem: contracts it ends at, the least of three times of each, and whether both end at the same."""

    instance: str
    size: int
    contracts: int
    full_seconds: float
    seconds: float
    same: bool


@dataclass(frozen=True, slots=True)
class Picks:
    """One problem, and whether both end at the same portfolio; ``kept`` is whether that keeps the rules."""

    instance: str
    kind: str
    size: int
    contracts: int
    kept: bool
    same: bool


def speeds(grid: Grid = SPEED_GRID, *, show_progress: bool = False) -> pd.DataFrame:
    """Seconds of both on made-up universes, called in turn."""
    rows = []
    with Progress(grid.synthetic, "made-up universes", show=show_progress) as progress:
        for instance in synthetic_instances(grid):
            program = instance.problem.program()
            found = greedy_search(program)[0]  # the first one compiles
            same = bool((found == greedy_search(program, program.objective)[0]).all())
            full, carried = np.inf, np.inf
            for _ in range(REPEATS):
                full = min(full, seconds_of(partial(greedy_search, program, program.objective)))
                carried = min(carried, seconds_of(partial(greedy_search, program)))
            contracts = int(np.abs(found).sum())
            rows.append(asdict(Speed(instance.name, program.size, contracts, full, carried, same)))
            progress.advance(instance.name)
    return pd.DataFrame(rows)


def seconds_of(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def picks(market: Market, grid: Grid = PICKS_GRID, *, show_progress: bool = False) -> pd.DataFrame:
    """Both on real rebalances: each without rules, and with the limits or the rule whose turn it is."""
    rows = []
    with Progress(grid.real, "real rebalances", show=show_progress) as progress:
        for number, instance in enumerate(real_instances(market, grid)):
            for kind in ("free", KINDS[number % len(KINDS)]):
                program = of_kind(instance.problem, kind).program()
                found = greedy_search(program)[0]
                same = bool((found == greedy_search(program, program.objective)[0]).all())
                contracts, kept = int(np.abs(found).sum()), program.contains(found)
                rows.append(asdict(Picks(instance.name, kind, program.size, contracts, kept, same)))
            progress.advance(instance.name)
    return pd.DataFrame(rows)


def of_kind(problem: Problem, kind: str) -> Problem:
    """The problem with limits or a rule that greedy's own portfolio breaks."""
    if kind == "free":
        return problem
    held = greedy_search(problem.program())[0]
    if kind == "limits":
        most = np.ceil(LIMIT_SHARE * np.abs(held))
        return problem.replace(limits=Limits(lower=problem.labelled(-most), upper=problem.labelled(most)))
    return problem.replace(rules=[SINGLE[kind](problem, held)])


def tables(speed: pd.DataFrame, picked: pd.DataFrame) -> str:
    """Both as the page has them."""
    lines: list[list[Any]] = []
    for size, group in speed.groupby("size"):
        ratio = float(np.exp(np.log(group["full_seconds"] / group["seconds"]).mean()))
        full, carried = (f"{1e3 * group[name].median():.3g}" for name in ("full_seconds", "seconds"))
        same = f"{group['same'].sum()} of {len(group)}"
        lines.append([size, f"{group['contracts'].median():.0f}", full, carried, f"{ratio:.0f}", same])
    header = ("instruments", "contracts", "in full, ms", "carried, ms", "in full ÷ carried", "same picks")
    first = markdown(header, lines)
    lines = []
    for kind in ("free", *KINDS):
        group = picked[picked["kind"] == kind]
        lines.append([kind, len(group), int(group["same"].sum()), int(group["kept"].sum())])
    return f"{first}\n\n{markdown(('with', 'rebalances', 'same picks', 'rule kept at the end'), lines)}"
