"""The gap of each cell in a line, and what it came to."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.gap.rows import CELL_COLUMNS

SAME = 1e-6
"""Relative; greedy counts as optimal within it, the gap that exact is asked to close."""


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


def differences(rows: pd.DataFrame) -> list[int]:
    """How many instruments greedy and exact hold different numbers of, by rebalance."""
    counts = []
    for greedy, exact in zip(rows["greedy_positions"], rows["exact_positions"], strict=True):
        one, other = _read(greedy), _read(exact)
        counts.append(sum(one.get(name, 0) != other.get(name, 0) for name in one.keys() | other.keys()))
    return counts


def summarise(rows: pd.DataFrame) -> dict[str, Any]:
    """One cell in a line.

    Rebalances where exact was proved enter means and percentiles; the others are counted in ``not_proved`` and have
    their largest possible gap in ``most_gap``. Failed ones are counted in ``failed`` and enter nothing.
    """
    proved = rows[rows["status"] == "optimal"]
    open_ones = rows[~rows["status"].isin(["optimal", "failed"])]
    found = gaps(proved)
    figures: dict[str, Any] = {name: rows[name].iloc[0] for name in CELL_COLUMNS}
    figures |= {
        "rebalances": len(rows),
        "not_proved": len(open_ones),
        "failed": int((rows["status"] == "failed").sum()),
        "mean_gap": found["gap"].mean(),
        "median_gap": found["gap"].median(),
        "p90_gap": found["gap"].quantile(0.9),
        "largest_gap": found["gap"].max(),
        "mean_reachable_gap": found["reachable_gap"].mean(),
        "mean_sign_gap": found["sign_gap"].mean(),
        "mean_tracking_error_gap": found["tracking_error_gap"].mean(),
        "mean_cost_gap": found["cost_gap"].mean(),
        "greedy_optimal": float((found["gap"] <= SAME).mean()) if len(found) else np.nan,
        "instruments_different": float(np.mean(differences(proved))) if len(proved) else np.nan,
        "most_gap": gaps(open_ones)["most_gap"].max(),
        "median_seconds_greedy": rows["seconds_greedy"].median(),
        "median_seconds_exact": rows["seconds_exact"].median(),
    }
    return figures


def _read(text: str) -> dict[str, int]:
    return json.loads(text) if isinstance(text, str) and text.startswith("{") else {}
