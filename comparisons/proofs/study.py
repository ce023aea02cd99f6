"""Solve, prove, verify: what comes of it, how large it is and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from comparisons.page import markdown, with_results
from comparisons.proofs.instances import MINLPLIB, PARTS, RULES, STORED, WEEKLY, ProofInstance
from comparisons.stored import load, save, with_row
from dynopt_milp import Problem, Solution, prove, solve
from dynopt_milp.errors import ProofError
from dynopt_milp.proof import Refused

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT, PAGE = FOLDER / "results.csv", FOLDER / "environment.txt", FOLDER / "README.md"
GAP = 1e-6
SOLVE_LIMIT = 120.0
PROVE_LIMITS = {WEEKLY: 60.0, STORED: 60.0, RULES: 60.0, MINLPLIB: 20.0}
"""Seconds, by part; checking has none."""
CALLS, SHORT = 5, 0.5
"""Solves of which the median counts, and how long those are that are repeated, in seconds."""
VERIFIED = "verified"
MEASURED = (
    "part", "instance", "held", "size", "cost_multiplier", "status", "outcome", "leaves", "bytes", "gap", "difference",
    "solve_seconds", "prove_seconds", "verify_seconds",
)  # fmt: skip
TITLES = {
    WEEKLY: "weekly, 25 to 42 futures", STORED: "shared problems", RULES: "the table of house rules",
    MINLPLIB: "MINLPLib",
}  # fmt: skip
KEY = ["part", "instance"]


def run(
    instances: Iterable[ProofInstance], path: Path = RESULTS, advance: Callable[[str], None] = lambda _: None,
) -> pd.DataFrame:  # fmt: skip
    """Prove what is not in the file yet, and keep each row as soon as it is there.

    Returns
    -------
    DataFrame
        All rows of the file.
    """
    rows, warm = load(path, MEASURED), False
    for instance in instances:
        mine = (rows[KEY] == [instance.part, instance.name]).all(axis=1)
        same = mine & (rows["held"] == instance.held)
        rows = rows[~mine | same]
        if not same.any():
            if not warm:
                measured(instance)  # compiles
                warm = True
            rows = with_row(rows, measured(instance))
            save(rows, path)
        advance(instance.name)
    return rows


def measured(instance: ProofInstance) -> dict[str, Any]:
    """One problem solved, proved and verified."""
    problem = instance.problem
    solution, seconds = _solved(problem)
    row: dict[str, Any] = {
        "part": instance.part, "instance": instance.name, "held": instance.held, "size": len(problem.instruments),
        "cost_multiplier": problem.cost_multiplier if problem.cost_in_weight_terms.any() else 0.0,
        "status": solution.status.value, "solve_seconds": seconds,
    }  # fmt: skip
    row |= dict.fromkeys(("leaves", "bytes", "gap", "difference", "prove_seconds", "verify_seconds"), float("nan"))
    began = time.perf_counter()
    try:
        proof = prove(problem, solution, gap=GAP, time_limit=PROVE_LIMITS[instance.part])
    except ProofError as error:
        return row | {"outcome": str(error), "prove_seconds": time.perf_counter() - began}
    proved = time.perf_counter()
    row |= {
        "leaves": proof.leaves, "prove_seconds": proved - began,
        "bytes": len(proof.to_bytes()),
    }  # fmt: skip
    proved = time.perf_counter()
    try:
        found = proof.verify()
    except Refused as error:
        return row | {"outcome": f"refused: {error}", "verify_seconds": time.perf_counter() - proved}
    exact = found.lower is not None and found.upper is not None and found.upper > 0
    return row | {
        "outcome": VERIFIED, "verify_seconds": time.perf_counter() - proved, "difference": float(found.difference),
        "gap": float(1 - found.lower / found.upper) if exact else 0.0,  # type: ignore[operator]
    }  # fmt: skip


def _solved(problem: Problem) -> tuple[Solution, float]:
    """The solution, and the median time of a few calls if they are short."""
    times: list[float] = []
    while True:
        began = time.perf_counter()
        solution = solve(problem, gap=GAP, time_limit=SOLVE_LIMIT)
        times.append(time.perf_counter() - began)
        if times[-1] > SHORT or len(times) == CALLS:
            return solution, median(times)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each part and cost multiplier: how many are proved, and the middle and the most of what it takes."""
    lines = []
    for part in PARTS:
        mine = rows[rows["part"] == part]
        for multiplier, group in mine.groupby("cost_multiplier"):
            verified = group[group["outcome"] == VERIFIED]
            ratio = verified["prove_seconds"] / verified["solve_seconds"]
            check = verified["verify_seconds"] / verified["solve_seconds"]
            lines.append({
                "problems": TITLES[part], "λ": f"{multiplier:g}", "proved": f"{len(verified)} of {len(group)}",
                "leaves": _middle(verified["leaves"], "{:,.0f}"), "kB": _middle(verified["bytes"] / 1000, "{:,.0f}"),
                "prove ÷ solve": _middle(ratio, "{:,.0f}"), "verify ÷ solve": _middle(check, "{:,.0f}"),
                "verify, s": _middle(verified["verify_seconds"], "{:.2g}"),
            })  # fmt: skip
    return pd.DataFrame(lines)


def _middle(values: pd.Series, form: str) -> str:
    """Median and maximum."""
    return f"{form.format(values.median())} ({form.format(values.max())})" if len(values) else "–"


def with_tables(page: str, rows: pd.DataFrame) -> str:
    """The page with the tables of these results between its marks."""
    tables = [markdown(table.columns, table.to_numpy()) for table in (summary(rows), unproved(rows))]
    return with_results(page, "\n\nWithout a proof:\n\n".join(tables))


def unproved(rows: pd.DataFrame) -> pd.DataFrame:
    """How often what stood in the way."""
    left = rows[rows["outcome"] != VERIFIED]
    return left.groupby(["part", "status", "outcome"]).size().rename("problems").reset_index()
