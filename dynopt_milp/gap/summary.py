"""The gap of each cell in a line, and what it came to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.backtests.metrics import FAILED
from dynopt_milp.gap.grid import PATHS
from dynopt_milp.gap.rows import CELL_COLUMNS, CELL_HEADS, further
from dynopt_milp.solvers.settings import DEFAULT_GAP


def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """The gap of every rebalance and its parts, shares of the optimum.

    ``gap`` is greedy's objective over the exact one, less 1. It is the sum of ``reachable_gap``, what the search missed
    of what it could reach, and ``sign_gap``, what its sign rule puts out of reach; and of ``tracking_error_gap`` and
    ``cost_gap``. Where exact stopped at a limit the gap is at least ``gap`` and at most ``most_gap``.
    """
    best = rows["exact_objective"]
    return pd.DataFrame(
        {
            "gap": rows["greedy_objective"] / best - 1,
            "reachable_gap": (rows["greedy_objective"] - rows["same_side_objective"]) / best,
            "sign_gap": (rows["same_side_objective"] - best) / best,
            "tracking_error_gap": (rows["greedy_tracking_error"] - rows["exact_tracking_error"]) / best,
            "cost_gap": (rows["greedy_cost"] - rows["exact_cost"]) / best,
            "most_gap": rows["greedy_objective"] / rows["lower_bound"] - 1,
        }
    )


def compared(greedy: str, exact: str) -> Iterator[tuple[str, int, int]]:
    """Each instrument that greedy or exact holds, and how many each does, from two columns of the rows."""
    one, other = json.loads(greedy), json.loads(exact)
    for name in one.keys() | other.keys():
        yield name, one.get(name, 0), other.get(name, 0)


def count_differences(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Where greedy and exact differ, from two columns of the rows; the instruments that differ most often first.

    ``held`` counts the rebalances in which either of them holds some, ``different`` those in which they hold different
    numbers, ``missed`` those in which exact holds some and greedy none, and ``added`` the reverse; the last three are
    shares of the first.
    """
    counts: dict[str, list[int]] = {}
    for greedy, exact in pairs:
        if not (isinstance(greedy, str) and isinstance(exact, str)):  # one of them has no portfolio
            continue
        for name, one, other in compared(greedy, exact):
            found = counts.setdefault(name, [0, 0, 0, 0])
            found[0] += 1
            found[1] += one != other
            found[2] += one == 0
            found[3] += other == 0
    lines = [
        {
            "instrument": name,
            "held": held,
            "different": different / held,
            "missed": missed / held,
            "added": added / held,
        }
        for name, (held, different, missed, added) in counts.items()
    ]
    return sorted(lines, key=lambda line: (-line["different"], line["instrument"]))


def differences(rows: pd.DataFrame) -> list[int]:
    """How many instruments greedy and exact hold different numbers of, by rebalance where both have a portfolio."""
    both = rows.dropna(subset=["greedy_positions", "exact_positions"])
    pairs = zip(both["greedy_positions"], both["exact_positions"], strict=True)
    return [sum(one != other for _, one, other in compared(greedy, exact)) for greedy, exact in pairs]


def in_common(summary: pd.DataFrame) -> tuple[list[str], str]:
    """The columns by which the cells of a table differ, and in words what they have in common."""
    varying = [name for name in CELL_HEADS if summary[name].nunique() > 1]
    first = summary.iloc[0]
    common = [f"{head} {cell_text(first[name])}" for name, head in CELL_HEADS.items() if name not in varying]
    return varying, ", ".join(common)


def further_figures(name: str) -> tuple[str, str, str, str]:
    """The figures of a further optimizer: its mean gap where it found something, how often it is optimal, failures."""
    return f"mean_{name}_gap", f"{name}_optimal", f"{name}_failed", f"median_{name}_seconds"


def further_optimizers(summary: pd.DataFrame) -> list[str]:
    """The names of the optimizers that a table of cells has beside greedy and exact."""
    start, end = "median_", "_seconds"
    columns = [name for name in map(str, summary.columns) if name.startswith(start) and name.endswith(end)]
    named = [name.removeprefix(start).removesuffix(end) for name in columns]
    return [name for name in named if name not in PATHS]


def cell_text(value: Any) -> str:
    """A capital, a multiplier, a rule, as tables have it."""
    return value if isinstance(value, str) else f"{value:,.15g}"


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rebalances of one cell, apart by what is known of them, and the gaps of those that were proved."""

    all: pd.DataFrame
    proved: pd.DataFrame
    open: pd.DataFrame
    failed: pd.DataFrame
    gaps: pd.DataFrame


CELL_FIGURES: dict[str, Callable[[_Rows], float]] = {
    "rebalances": lambda rows: len(rows.all),
    "num_not_proved": lambda rows: len(rows.open),
    "failed": lambda rows: len(rows.failed),
    "mean_gap": lambda rows: rows.gaps["gap"].mean(),
    "median_gap": lambda rows: rows.gaps["gap"].dropna().median(),
    "p90_gap": lambda rows: float(rows.gaps["gap"].quantile(0.9)),
    "largest_gap": lambda rows: rows.gaps["gap"].max(),
    "mean_reachable_gap": lambda rows: rows.gaps["reachable_gap"].mean(),
    "mean_sign_gap": lambda rows: rows.gaps["sign_gap"].mean(),
    "mean_tracking_error_gap": lambda rows: rows.gaps["tracking_error_gap"].mean(),
    "mean_cost_gap": lambda rows: rows.gaps["cost_gap"].mean(),
    # Where greedy has no portfolio it is not optimal.
    "greedy_optimal": lambda rows: _share((rows.gaps["gap"] <= DEFAULT_GAP).to_numpy()),
    "instruments_different": lambda rows: _share(np.array(differences(rows.proved))),
    "most_gap": lambda rows: gaps(rows.open)["most_gap"].max(),
    "median_greedy_seconds": lambda rows: rows.all["greedy_seconds"].dropna().median(),
    "median_exact_seconds": lambda rows: rows.all["exact_seconds"].dropna().median(),
}
"""What a cell's line says of its rebalances."""


def _share(values: NDArray[np.bool_] | NDArray[np.int64]) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else np.nan


def summarise(rows: pd.DataFrame) -> dict[str, Any]:
    """One cell in a line.

    Rebalances where exact was proved enter means and percentiles; the others are counted in ``num_not_proved`` and have
    their largest possible gap in ``most_gap``. Failed ones are counted in ``failed`` and enter nothing. Where exact was
    proved and greedy ended at a portfolio that breaks a rule there is no gap; ``num_without_greedy``, if there are any,
    counts them. A further
    optimizer has ``mean_NAME_gap`` (where it found something), ``NAME_optimal`` (a failure is none), ``NAME_failed``
    and ``median_NAME_seconds``.
    """
    proved = rows[rows["status"] == "optimal"]
    failed = rows["status"] == FAILED
    parts = _Rows(rows, proved, rows[~failed & (rows["status"] != "optimal")], rows[failed], gaps(proved))
    figures: dict[str, Any] = {name: rows[name].iloc[0] for name in CELL_COLUMNS}
    figures |= {name: figure(parts) for name, figure in CELL_FIGURES.items()}
    if without := int(proved["greedy_objective"].isna().sum()):
        figures["num_without_greedy"] = without
    for name in further(rows.columns):
        worse = proved[f"{name}_objective"] / proved["exact_objective"] - 1
        optimal = _share((worse <= DEFAULT_GAP).to_numpy())
        failures = int(rows[f"{name}_objective"].isna().sum())
        found_of_it = (worse.mean(), optimal, failures, rows[f"{name}_seconds"].dropna().median())
        figures |= dict(zip(further_figures(name), found_of_it, strict=True))
    return figures
