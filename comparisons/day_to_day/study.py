"""Every rebalance of fifteen years solved twice: cold, and from the optimum of the rebalance before."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from comparisons.page import markdown
from dynopt_milp import Problem, Solution, solve
from dynopt_milp.backtests import backtest
from dynopt_milp.data import Market
from dynopt_milp.solvers.branch_and_bound.solver import warm_up
from dynopt_milp.strategy import BOOK, RECOMMENDED, Strategy
from dynopt_milp.strategy.inputs import Inputs

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "environment.txt"
CAPITAL, START, END = 250_000.0, "2005-01-01", "2019-12-31"
FREQUENCIES = ("weekly", "daily")
CALLS = 3  # of each, in turn; the least counts


@dataclass
class Both:
    """An optimizer that solves cold and from the optimum before, and holds what the cold one found."""

    before: pd.Series | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, problem: Problem) -> Solution:
        """The cold solution."""
        ways: dict[str, Any] = {"cold": None, "warm": None}
        seconds = dict.fromkeys(ways, float("inf"))
        start = problem.previous_positions
        if self.before is not None:
            start = (
                self.before.reindex(list(problem.instruments)).fillna(0.0).clip(problem.lower, problem.upper).to_numpy()
            )
        for _ in range(CALLS):
            for way, given in (("cold", None), ("warm", start)):
                began = time.perf_counter()
                ways[way] = solve(problem, "branch_and_bound", start=given)
                seconds[way] = min(seconds[way], time.perf_counter() - began)
        cold, warm = ways["cold"], ways["warm"]
        assert isinstance(cold, Solution)
        self.before = cold.positions
        self.rows.append({
            "same": bool((cold.contracts == warm.contracts).all()),
            "same_start": bool((start == cold.contracts).all()),
            "cold_nodes": cold.nodes, "warm_nodes": warm.nodes,
            "cold_seconds": seconds["cold"], "warm_seconds": seconds["warm"],
            "proved": cold.status.value == warm.status.value == "optimal",
        })  # fmt: skip
        return cold


def run(market: Market, *, start: str = START, end: str = END, capital: float = CAPITAL) -> pd.DataFrame:
    """A row for each preset and frequency."""
    warm_up()
    rows = []
    for preset, frequency in product((BOOK, RECOMMENDED), FREQUENCIES):
        both = Both()
        inputs = Inputs(market, preset.of(Strategy()), capital)
        backtest(
            market, inputs.strategy, preset=preset, capital=capital, optimizer=both, frequency=frequency, start=start,
            end=end, inputs=inputs,
        )  # fmt: skip
        found = pd.DataFrame(both.rows)
        rows.append({
            "preset": preset.name, "frequency": frequency, "rebalances": len(found),
            "proved": int(found["proved"].sum()),
            "other_answer": int((~found["same"]).sum()), "optimum_of_before": int(found["same_start"].sum()),
            "cold_nodes": int(found["cold_nodes"].sum()), "warm_nodes": int(found["warm_nodes"].sum()),
            "ratio": found["warm_seconds"].sum() / found["cold_seconds"].sum(),
            "median_ratio": (found["warm_seconds"] / found["cold_seconds"]).median(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def table(results: pd.DataFrame) -> str:
    """The results as Markdown."""
    heads = ["preset", "rebalanced", "rebalances", "proved", "another portfolio", "still the optimum of before",
             "nodes, cold → warm", "time, warm ÷ cold, all", "median"]  # fmt: skip
    lines = [
        [row["preset"], row["frequency"], f"{row['rebalances']:,}", f"{row['proved']:,}", f"{row['other_answer']:,}",
         f"{row['optimum_of_before']:,}", f"{row['cold_nodes']:,} → {row['warm_nodes']:,}", f"{row['ratio']:.2f}",
         f"{row['median_ratio']:.2f}"]
        for row in results.to_dict("records")
    ]  # fmt: skip
    return markdown(heads, lines)
