"""What the rule and the cost take: each rebalance solved without them and with them, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.holding.study import CAPITAL, END, RESULTS, SHRINKAGES, START, strategy
from dynopt_milp import Limits, Problem, Status, solve
from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.data import Market
from dynopt_milp.io.progress import Progress
from dynopt_milp.strategy import BOOK, Inputs

PAIRS: Path = RESULTS.parent / "pairs.csv"
REPEATS = 3
SIDES = {"limits": Limits(one_side=True)}
WAYS: dict[str, dict[str, Any]] = {
    "free": {},
    "one side": SIDES,
    "holding": {"holding": "weekly"},
    "both": SIDES | {"holding": "weekly"},
}
PATHS = ("free", "both")
"""Whose optimum of the week before is held: the first may hold sizes against each other, which the rule undoes."""


def run_pairs(
    market: Market, *, start: str = START, end: str = END, capital: float = CAPITAL, show_progress: bool = False
) -> pd.DataFrame:
    """Every week of the study, from the positions of each path: by shrinkage, path and way, what it took.

    Columns: ``rebalances``, ``proved``, ``ratio`` (geometric mean of the seconds over those of ``free`` for the same
    rebalance, the least of three calls each), ``median`` and ``most`` (seconds).
    """
    days = rebalance_days(market.days, "weekly")
    days = days[(days >= pd.Timestamp(start)) & (days <= pd.Timestamp(end))]
    rows: list[dict[str, Any]] = []
    with Progress(len(SHRINKAGES) * len(PATHS) * len(days), "rebalances", show=show_progress) as progress:
        for shrinkage in SHRINKAGES:
            inputs = Inputs(market, strategy(shrinkage), capital)
            for path in PATHS:
                seconds, proved = [], []
                for problems in _walk(inputs, path, days):
                    seconds.append(_seconds(problems))
                    proved.append([solve(problem).status is Status.OPTIMAL for problem in problems.values()])
                    progress.advance(path)
                rows.extend(_rows(shrinkage, path, np.array(seconds), np.array(proved)))
    return pd.DataFrame(rows)


def pairs_table(pairs: pd.DataFrame) -> str:
    """The results as Markdown."""
    lines = [
        "| correlations shrunk by | held from the path of | with | rebalances | proved | time ÷ free | most, seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in pairs[pairs["way"] != "free"].to_dict("records"):
        lines.append(
            f"| {row['shrinkage']:g} | {row['path']} | {row['way']} | {row['rebalances']} | {row['proved']} "
            f"| {row['ratio']:.2f} | {row['most']:.2g} |"
        )
    return "\n".join(lines)


def _walk(inputs: Inputs, path: str, days: pd.DatetimeIndex) -> Iterator[dict[str, Problem]]:
    """The rebalance of each day in every way, from what is held on one path."""
    held: pd.Series | float = 0.0
    for day in days:
        problems = {
            way: inputs.problem(day, held, cost_multiplier=BOOK.cost_multiplier, **settings)
            for way, settings in WAYS.items()
        }
        yield problems
        held = solve(problems[path]).positions


def _seconds(problems: dict[str, Problem]) -> list[float]:
    """The least of some calls for each way, in turn."""
    least = dict.fromkeys(problems, np.inf)
    for _ in range(REPEATS):
        for way, problem in problems.items():
            least[way] = min(least[way], solve(problem).seconds)
    return list(least.values())


def _rows(shrinkage: float, path: str, seconds: Any, proved: Any) -> Iterator[dict[str, Any]]:
    for place, way in enumerate(WAYS):
        yield {
            "shrinkage": shrinkage, "path": path, "way": way, "rebalances": len(seconds),
            "proved": int(proved[:, place].sum()),
            "ratio": float(np.exp(np.log(seconds[:, place] / seconds[:, 0]).mean())),
            "median": float(np.median(seconds[:, place])), "most": float(seconds[:, place].max()),
        }  # fmt: skip
