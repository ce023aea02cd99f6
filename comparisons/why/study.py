"""Time of every question in solves of the same problem, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.page import markdown
from dynopt_milp import Problem, example_problem, solve
from dynopt_milp.io.progress import Progress
from dynopt_milp.why import alternatives, explain, trade_off

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "environment.txt"
CAPITALS = (50_000.0, 250_000.0, 1_000_000.0)
SIZES = range(27, 43)
WITHIN, BEST = 0.01, 1000
SOLVES, REPEATS, LONG = 9, 3, 1.0
"""Calls of a solve, and of a question that takes less than so many seconds; the fastest counts."""
QUESTIONS: dict[str, Callable[[Problem], Any]] = {
    "explain": explain,
    "within": lambda problem: alternatives(problem, WITHIN, 100 * BEST, time_limit=30),
    "best": lambda problem: alternatives(problem, np.inf, BEST),
    "trade_off": trade_off,
}
NAMES = {
    "explain": "explain, in solves × n", "within": "all within 1 %, in solves", "best": "the 1,000 best, in solves",
    "trade_off": "trade-off, in solves",
}  # fmt: skip


def problems(folder: Path) -> Iterator[tuple[str, float, Problem]]:
    """Name, capital and problem: the stored ones of 27 to 42 futures, and simulated ones of 32."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"{folder} has no problem files")
    for path in paths:
        if path.name.endswith(".optimum.json"):
            continue
        problem = Problem.from_json(path)
        if len(problem.instruments) in SIZES:
            yield path.stem, 1000 * float(path.stem.split("_")[-2].removesuffix("k")), problem
    for capital in CAPITALS:
        for seed in (1, 2, 3):
            yield f"simulated_{seed}_{capital / 1000:.0f}k_lam50", capital, example_problem(capital, seed=seed)


def run(cases: list[tuple[str, float, Problem]], *, show_progress: bool = False) -> pd.DataFrame:
    """A row for each problem: seconds of a solve, of each question, and what it found."""
    rows = []
    with Progress(len(cases), "problems", show=show_progress) as progress:
        for name, capital, problem in cases:
            rows.append({"name": name, "capital": capital} | measured(problem))
            progress.advance(name)
    return pd.DataFrame(rows)


def measured(problem: Problem) -> dict[str, Any]:
    """The figures of one problem."""
    alone, optimum = fastest(lambda: solve(problem), SOLVES)
    row: dict[str, Any] = {
        "n": len(problem.instruments), "lambda": problem.cost_multiplier, "solve": alone,
        "greedy_above": solve(problem, "greedy").objective / optimum.objective - 1,
    }  # fmt: skip
    for question, asked in QUESTIONS.items():
        row[question], found = fastest(lambda asked=asked: asked(problem), REPEATS)  # type: ignore[misc]
        if question == "explain":
            row |= {"solves": found.solves, "explained": not found.not_proved}
        elif question == "trade_off":
            row |= {"points": len(found.points), "frontier_proved": bool(found.points["proved"].all())}
        else:
            row |= {f"{question}_found": len(found), f"{question}_complete": found.complete}
            row[f"{question}_to"] = found.objectives[-1] / optimum.objective - 1
    return row


def fastest(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Seconds of the fastest of some calls, and what the last returned; a long one is not repeated."""
    best, found = np.inf, None
    for _ in range(repeats):
        began = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - began)
        if best > LONG:
            break
    return best, found


def ratios(results: pd.DataFrame) -> pd.DataFrame:
    """Times of the questions in solves of the same problem; of an explanation, divided by n too."""
    found = results[["name", "capital", "lambda", "n"]].copy()
    for question in QUESTIONS:
        found[question] = results[question] / results["solve"] / (results["n"] if question == "explain" else 1)
    return found


def table(results: pd.DataFrame) -> str:
    """Medians by capital, those of λ = 50 apart, as Markdown; portfolios are the median number found."""
    heads = ["capital", "λ", "problems", *NAMES.values(), "within 1 %", "proved complete", "greedy above"]
    lines = []
    every = ratios(results)
    for capital in sorted(results["capital"].unique()):
        for fifty in (True, False):
            chosen = (results["capital"] == capital) & ((results["lambda"] == 50) == fifty)
            if chosen.any():
                lines.append(_row(results[chosen], every[chosen], f"${capital:,.0f}", "50" if fifty else "0 or 10"))
    lines.append(_row(results, every, "all", "all"))
    return markdown(heads, lines)


def _row(results: pd.DataFrame, every: pd.DataFrame, capital: str, multiplier: str) -> list[str]:
    asked = [f"{every[question].median():.1f}" for question in QUESTIONS]
    proved = int((results["within_complete"] & results["best_complete"]).sum())
    return [
        capital, multiplier, f"{len(results)}", *asked, f"{results['within_found'].median():,.0f}",
        f"{proved} of {len(results)}", f"{results['greedy_above'].median():.1%}",
    ]  # fmt: skip
