"""Fifteen years with house rules: ``python -m comparisons.rules.years PRICE_FOLDER``; a few minutes, not resumable.

A margin budget (6 % of every contract's value, half of the capital), a cap of 20 % on the risk, and one size of each
underlying, against the same run without rules. Every decision is put to the rules of its day again, and every run is
timed in CPU seconds of one thread, the runs taking turns.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from comparisons.runner import print_table, run_study, study_parser
from comparisons.stored import save
from dynopt_milp import Backtest, Inputs, Limits, Market, Strategy, backtest, rules
from dynopt_milp.backtests.journal import JOURNAL
from dynopt_milp.data import read_market
from dynopt_milp.rules import Rule
from dynopt_milp.solvers.branch_and_bound import warm_up_ruled
from dynopt_milp.solvers.branch_and_bound.solver import warm_up
from dynopt_milp.strategy import BOOK, RebalanceDay

RESULTS = Path(__file__).with_name("years.csv")
START, END, CAPITAL = "2005-01-01", "2019-12-31", 250_000.0
MARGIN, BUDGET, RISK = 0.06, 0.5, 0.20
REPEATS = 3
FREE, RULED, PRICED = "without rules", "with rules", "with rules, each priced"


class House:
    """The rules of a day; made of a market, whose underlyings with several sizes are to be held in one of them."""

    def __init__(self, market: Market) -> None:
        groups = market.specifications.groupby("underlying").groups.values()
        self.sizes = [list(names) for names in groups if len(names) > 1]

    def __call__(self, day: RebalanceDay) -> list[Rule]:
        """What is to be kept."""
        there = set(day.instruments)
        sizes = [[name for name in names if name in there] for names in self.sizes]
        return [
            rules.margin(MARGIN * day.values, budget=BUDGET * day.capital), rules.risk(RISK),
            *(rules.one_of(names) for names in sizes if len(names) > 1),
        ]  # fmt: skip

    def __repr__(self) -> str:
        return f"margin {MARGIN:.0%} within {BUDGET:.0%}, risk {RISK:.0%}, one size of {len(self.sizes)} underlyings"


def run_years(market: Market, *, start: str = START, end: str = END, repeats: int = REPEATS) -> pd.DataFrame:
    """A row a run: rebalances, how many were proved and failed, decisions that break a rule of their day, the costs.

    ``ratio`` is the median of CPU seconds over those of the run without rules in the same turn.
    """
    house, seconds, rows = House(market), dict[str, list[float]](), {}
    ways: dict[str, dict[str, Any]] = {
        FREE: {}, RULED: {"rules": house}, PRICED: {"rules": house, "price_rules": True},
    }  # fmt: skip
    warm_up()
    warm_up_ruled()
    for _ in range(repeats):
        for name, asked in ways.items():
            began = time.process_time()
            run = backtest(market, preset=BOOK, capital=CAPITAL, start=start, end=end, **asked)
            seconds.setdefault(name, []).append(time.process_time() - began)
            figures = run.performance
            rows[name] = {
                "run": name, "rebalances": figures["num_rebalances"], "proved": figures["num_optimal"],
                "failed": figures["num_failed"], "rules_bind": figures.get("num_rules_bind"),
                "rules_cost": figures.get("avg_rules_cost"), "broken_before": figures.get("num_rules_broken"),
            }  # fmt: skip
    with TemporaryDirectory() as folder:
        run = backtest(market, preset=BOOK, capital=CAPITAL, start=start, end=end, rules=house, out=folder)
        broken = decisions_that_break(run, Path(folder), market, house)
    for name, row in rows.items():
        ratio = np.median(np.array(seconds[name]) / np.array(seconds[FREE]))
        row |= {"broken_after": None if name == FREE else broken, "seconds": np.median(seconds[name]), "ratio": ratio}
    return pd.DataFrame(rows.values())


def decisions_that_break(run: Backtest, folder: Path, market: Market, house: House) -> int:
    """How many decisions, as the journal has them, break a rule of their day."""
    inputs, broken = Inputs(market, BOOK.of(Strategy()), CAPITAL), 0
    for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        day = pd.Timestamp(entry["date"])
        problem = inputs.problem(
            day, run.positions.loc[day], cost_multiplier=BOOK.cost_multiplier, limits=Limits(one_side=True),
            rules=house,
        )  # fmt: skip
        decided = np.array([entry["positions"].get(name, 0.0) for name in problem.instruments])
        broken += not problem.program().keeps_rules(decided)
    return broken


def years_table(rows: pd.DataFrame) -> str:
    """The rows as a table of Markdown."""
    lines = [
        "| run | rebalances | proved | decisions that break a rule | rules bind at | cost in the objective | time |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows.to_dict("records"):
        of_rules = ["–", "–", "–"]
        if row["run"] != FREE:
            of_rules = [f"{row['broken_after']:.0f}", f"{row['rules_bind']:.0f}", f"{row['rules_cost']:.3%}"]
        cells = [row["run"], f"{row['rebalances']}", f"{row['proved']}", *of_rules, f"{row['ratio']:.2f} ×"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def years(options: Namespace, output: Console, progress: Console) -> None:
    """Run, keep and print."""
    progress.print("nine runs of fifteen years, and one that is checked")
    rows = run_years(read_market(options.folder))
    save(rows, RESULTS)
    print_table(output, rows)
    output.print(f"\n{years_table(rows)}", markup=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it with these arguments, or those of the process."""
    parser = study_parser("rules.years", "Fifteen years with house rules, against the same without.")
    return run_study(parser, years, arguments, resumes=False)


if __name__ == "__main__":
    sys.exit(main())
