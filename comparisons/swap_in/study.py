"""The same days through the bare search and through the adapters, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from comparisons.page import markdown
from comparisons.strategy import RACED
from comparisons.swap_in.search import BUFFER, COST_MULTIPLIER, greedy_weights
from comparisons.swap_in.their_search import Search
from dynopt_milp import Problem, solve
from dynopt_milp.adapters.book import exact_with_costs, exact_with_costs_and_buffering, greedy_with_costs_and_buffering
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.data import Market
from dynopt_milp.gap.grid import take_in_turn
from dynopt_milp.io.progress import Progress
from dynopt_milp.strategy.inputs import Inputs
from formulations import FloatArray

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "environment.txt"
THEIRS, THEIR_ENVIRONMENT = FOLDER / "theirs.csv", FOLDER / "environment_theirs.txt"
THEIR_COLUMNS = ("size", "capital", "date", "theirs_seconds", "swap_in_seconds", "solved")
"""Of a run that had a clone of pysystemtrade, which is kept beside those that had none."""
SIZES = (4, 10, 20)
CAPITALS = (50_000.0, 250_000.0, 1_000_000.0)
START, DAYS, EVERY = "2008-01-01", 25, 20
REPEATS = 3
SUBSET_SEED = 1
TIMED = ("search", "greedy", "exact", "theirs", "swap_in")
"""`search` and two adapters on the book's day, then pysystemtrade's own and its swap-in."""


@dataclass(frozen=True, slots=True)
class Row:
    """One day: the least of three times for each, seconds, and both objectives before the buffer.

    ``solved`` says whether what is held was far enough from what is wanted for pysystemtrade's rule to ask at all. The
    seconds of its own search are NaN where there is no copy of it.
    """

    size: int
    capital: float
    date: str
    instruments: int
    greedy_contracts: int
    search_seconds: float
    greedy_seconds: float
    theirs_seconds: float
    exact_seconds: float
    swap_in_seconds: float
    objective_greedy: float
    objective_exact: float
    solved: bool


def run(market: Market, *, days: int = DAYS, capitals: tuple[float, ...] = CAPITALS, show_progress: bool = False,
        sizes: tuple[int, ...] = SIZES, theirs: Search | None = None) -> pd.DataFrame:  # fmt: skip
    """Every day of the grid; all instruments beside the sizes."""
    order = take_in_turn(market, SUBSET_SEED)
    rows = []
    everything = (*sizes, len(market.instruments))
    with Progress(len(everything) * len(capitals) * days, "days", show=show_progress) as progress:
        for size in everything:
            for capital in capitals:
                for day, problem in swap_in_days(market.select(order[:size]), capital, days):
                    rows.append(asdict(_row(size, capital, day, problem, theirs)))
                    progress.advance(day)
    return pd.DataFrame(rows)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """By size and capital, of the days that are solved: medians in milliseconds, and ratios, geometric.

    Of results, or of those with pysystemtrade's own search: what is not there is left out.
    """
    lines = []
    for (size, capital), group in results[results["solved"]].groupby(["size", "capital"]):
        seconds = {name: group[f"{name}_seconds"] for name in TIMED if f"{name}_seconds" in group}
        line: dict[str, Any] = {"size": size, "capital": capital, "days": len(group)}
        if "greedy_contracts" in group:
            line["contracts"] = group["greedy_contracts"].median()
        line |= {f"{name} ms": 1e3 * times.median() for name, times in seconds.items()}
        for one, other in (("search", "exact"), ("greedy", "exact"), ("theirs", "swap_in")):
            if one in seconds:
                line[f"{one} ÷ {other}"] = float(np.exp(np.log(seconds[one] / seconds[other]).mean()))
        lines.append(line)
    return pd.DataFrame(lines)


def page_tables(results: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Both tables of the page as Markdown."""
    parts = []
    for found in (table(results), table(theirs)):
        columns = [str(name) for name in found if name != "days"]
        heads = [{"size": "instruments"}.get(name, name.replace("swap_in", "swap-in")) for name in columns]
        lines = [[_shown(name, row[name]) for name in columns] for row in found.to_dict("records")]
        parts.append(markdown(heads, lines))
    return "\n\n".join(parts)


def _shown(name: str, value: float) -> str:
    if name == "capital":
        return f"${value:,.0f}"
    if name in ("size", "contracts"):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 1.95 else f"{value:.2f}"


def swap_in_days(market: Market, capital: float, count: int) -> Iterator[tuple[str, Problem]]:
    """Rebalances some weeks apart; held is the exact answer of the week before."""
    inputs = Inputs(market, RACED, capital)
    weeks = rebalance_days(market.days, "weekly")
    weeks = weeks[weeks >= pd.Timestamp(START)]
    for place in range(EVERY, EVERY * (count + 1), EVERY):
        before = inputs.problem(weeks[place - 1], cost_multiplier=COST_MULTIPLIER)
        held = solve(before).positions
        held = held[held != 0]
        yield f"{weeks[place]:%Y-%m-%d}", inputs.problem(weeks[place], held, cost_multiplier=COST_MULTIPLIER)


def _row(size: int, capital: float, date: str, problem: Problem, theirs: Search | None) -> Row:
    day = book_day(problem)
    arguments = pysystemtrade_arguments(problem)
    runs: dict[str, Callable[[], Any]] = {
        "search": lambda: greedy_weights(day),
        "greedy": lambda: greedy_with_costs_and_buffering(day),
        "exact": lambda: exact_with_costs_and_buffering(day),
        "swap_in": lambda: ObjectiveFunction(**arguments).optimise_positions(),
    }
    if theirs is not None:
        runs["theirs"] = theirs(arguments)
    seconds = dict.fromkeys(runs, np.inf)
    for _ in range(REPEATS):
        for name, call in runs.items():
            began = time.perf_counter()
            call()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    program = problem.program()
    search = solve(problem, "greedy")
    return Row(
        size=size, capital=capital, date=date, instruments=len(problem.instruments),
        greedy_contracts=int(np.abs(search.positions).sum()),
        **{f"{name}_seconds": seconds.get(name, np.nan) for name in TIMED}, objective_greedy=search.objective,
        objective_exact=program.objective(exact_with_costs(day) / day.weight_per_contract),
        solved=not ObjectiveFunction(**arguments).is_tracking_error_of_prior_smaller_than_buffer(),
    )  # fmt: skip


def book_day(problem: Problem) -> SimpleNamespace:
    """A rebalance as the book's code has it."""
    unit = problem.weight_per_contract
    wanted: FloatArray = problem.optimal_positions * unit
    return SimpleNamespace(
        covariance_matrix=np.array(problem.covariance), unrounded_optimal_position_weights=wanted,
        previous_position_weights=problem.previous_positions * unit, weight_per_contract=np.array(unit),
        starting_weights=np.zeros(len(unit)), direction_as_np=np.sign(wanted),
        cost_in_weight_terms_as_np=np.array(problem.cost_in_weight_terms),
    )  # fmt: skip


def pysystemtrade_arguments(problem: Problem) -> dict[str, Any]:
    """A rebalance as pysystemtrade has it, in dicts and a frame."""
    names = list(problem.instruments)

    def by_name(values: FloatArray) -> dict[str, float]:
        return dict(zip(names, values.tolist(), strict=True))

    return {
        "contracts_optimal": by_name(problem.optimal_positions),
        "covariance_matrix": pd.DataFrame(problem.covariance, names, names),
        "per_contract_value": by_name(problem.weight_per_contract),
        "costs": by_name(problem.cost_in_weight_terms),
        "speed_control": SimpleNamespace(trade_shadow_cost=COST_MULTIPLIER, tracking_error_buffer=BUFFER),
        "previous_positions": by_name(problem.previous_positions),
    }
