"""The figures of a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dynopt_milp.gap.stored import Study, main_rows
from dynopt_milp.pages.charts import Line, line_chart

if TYPE_CHECKING:
    from markupsafe import Markup

WIDE = 10  # largest over median mean, from which a figure has a logarithmic axis
WORSE = "greedy worse by, mean"


def figures(study: Study) -> dict[str, Markup]:
    """The charts as HTML, by name; empty where there is one point to draw."""
    rows = main_rows(study)
    largest = rows[rows["size"] == rows["size"].max()]
    return {
        "gap": _lines(largest, "cost_multiplier", "capital", "cost multiplier λ", _amount)
        or _lines(largest, "capital", "cost_multiplier", "capital", _lambda, _amount),
        "size": _lines(rows, "size", "cost_multiplier", "instruments", _lambda),
        "distribution": _distribution(rows),
        "time": _time_line(largest),
        "seconds": _seconds(rows),
    }


def median_seconds(study: Study) -> dict[str, float]:
    """Seconds a solve by optimizer, of all rebalances that figures are about; empty if there are none."""
    rows = main_rows(study)
    return {} if rows.empty else {name: float(rows[f"{name}_seconds"].median()) for name in ("greedy", "exact")}


def _lines(
    rows: pd.DataFrame, x: str, by: str, title: str, name: Callable[[Any], str],
    x_text: Callable[[Any], str] = "{:g}".format,
) -> Markup:  # fmt: skip
    """Mean gap against x, a line for each value of ``by``."""
    shown = rows.groupby([by, x])["gap"].mean()
    wide = bool(len(shown) and shown.min() > 0 and shown.max() > WIDE * shown.median())  # else one flattens the others
    lines = []
    for value, group in rows.groupby(by):
        means = group.groupby(x)["gap"].mean()
        lines.append(Line(name(value), [x_text(at) for at in means.index], means.to_numpy()))
    return line_chart(
        lines, label=f"Mean gap by {title}", y_title=WORSE, x_title=title, percent=True, log=wide, from_zero=not wide,
        dots=True,
    )  # fmt: skip


def _distribution(rows: pd.DataFrame) -> Markup:
    """The share of rebalances with at most this gap."""
    levels = np.linspace(0, 1, 201)
    lines = [
        Line(_lambda(value), np.maximum(group["gap"].quantile(levels).to_numpy(), 0.0), levels)
        for value, group in rows.groupby("cost_multiplier")
    ]
    return line_chart(
        lines, label="Share of rebalances by gap", y_title="share of rebalances", x_title="greedy worse by at most",
        percent=True, most_x=max(float(rows["gap"].quantile(0.98)), 0.01) if len(rows) else None,
    )  # fmt: skip


def _time_line(rows: pd.DataFrame) -> Markup:
    """The mean gap of every date."""
    lines = []
    for value, group in rows.groupby("cost_multiplier"):
        means = group.groupby("date")["gap"].mean()
        lines.append(Line(_lambda(value), pd.DatetimeIndex(means.index), means.to_numpy()))
    title = f"{WORSE} of all capitals"
    return line_chart(lines, label="Mean gap by date", y_title=title, percent=True, from_zero=True)


def _seconds(rows: pd.DataFrame) -> Markup:
    lines = []
    for optimizer in ("greedy", "exact"):
        medians = rows.groupby("size")[f"{optimizer}_seconds"].median()
        lines.append(Line(optimizer, [f"{size}" for size in medians.index], medians.to_numpy()))
    return line_chart(
        lines, label="Seconds a solve by number of instruments", y_title="seconds a solve, median",
        x_title="instruments", log=True, dots=True,
    )  # fmt: skip


def _amount(value: Any) -> str:
    return f"{value:,.0f}"


def _lambda(value: Any) -> str:
    return f"λ = {value:g}"
