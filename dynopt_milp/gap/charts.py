"""The figures of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.gap.stored import Study, main_rows
from dynopt_milp.io.colours import COLOURS

WIDE = 10  # largest over median mean, from which a figure has a logarithmic axis
MOST_POINTS = 4_000  # of a figure: more are a file that browsers are slow to open


def figures(study: Study) -> dict[str, str]:
    """The charts as HTML, by name; they need plotly.js once on the page."""
    import plotly.graph_objects as go

    rows = main_rows(study)
    largest = rows[rows["size"] == rows["size"].max()]
    charts = {
        "gap": _lines(go, largest, "cost_multiplier", "capital", "cost multiplier λ", _amount),
        "size": _lines(go, rows, "size", "cost_multiplier", "instruments", _lambda),
        "distribution": _distribution(go, rows),
        "time": _time_line(go, largest),
        "seconds": _seconds(go, rows),
    }
    options = {"responsive": True, "displayModeBar": False}
    return {
        name: chart.to_html(full_html=False, include_plotlyjs=False, config=options, div_id=f"chart-{name}")
        for name, chart in charts.items()
    }


def _layout(chart: Any, x: str, y: str) -> Any:
    chart.update_layout(
        template="plotly_white", margin={"l": 55, "r": 10, "t": 10, "b": 45}, height=380,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, xaxis_title=x, yaxis_title=y,
        font={"family": "system-ui, sans-serif", "size": 13},
    )  # fmt: skip
    return chart


def _lines(go: Any, rows: pd.DataFrame, x: str, by: str, title: str, name: Any) -> Any:
    """Mean gap against x, a line for each value of ``by``."""
    chart = go.Figure()
    shown = rows.groupby([by, x])["gap"].mean()
    for place, (value, group) in enumerate(rows.groupby(by)):
        means = group.groupby(x)["gap"].mean()
        chart.add_scatter(
            x=[f"{at:g}" for at in means.index], y=means.to_numpy(), name=name(value), mode="lines+markers",
            line={"color": COLOURS[place % len(COLOURS)]},
        )  # fmt: skip
    chart.update_xaxes(type="category")
    if shown.min() > 0 and shown.max() > WIDE * shown.median():  # one line would flatten the others
        chart.update_yaxes(type="log", tickformat="~%", dtick="D2")
    else:
        chart.update_yaxes(tickformat=".0%", rangemode="tozero")
    return _layout(chart, title, "greedy worse by, mean")


def _distribution(go: Any, rows: pd.DataFrame) -> Any:
    """The share of rebalances with at most this gap."""
    chart = go.Figure()
    for place, (value, group) in enumerate(rows.groupby("cost_multiplier")):
        levels = np.linspace(0, 1, 201)
        chart.add_scatter(
            x=np.maximum(group["gap"].quantile(levels).to_numpy(), 0.0), y=levels, name=_lambda(value), mode="lines",
            line={"color": COLOURS[place % len(COLOURS)]},
        )  # fmt: skip
    chart.update_xaxes(tickformat=".0%", range=[0, max(float(rows["gap"].quantile(0.98)), 0.01)])
    chart.update_yaxes(tickformat=".0%")
    return _layout(chart, "greedy worse by at most", "share of rebalances")


def _time_line(go: Any, rows: pd.DataFrame) -> Any:
    """The mean gap of every date."""
    chart = go.Figure()
    for place, (value, group) in enumerate(rows.groupby("cost_multiplier")):
        means = group.groupby("date")["gap"].mean()
        if len(means) > MOST_POINTS:
            means = means.resample("W").mean().dropna()
        chart.add_scatter(
            x=means.index, y=means.to_numpy(), name=_lambda(value), mode="lines",
            line={"color": COLOURS[place % len(COLOURS)], "width": 1},
        )  # fmt: skip
    chart.update_yaxes(tickformat=".0%", rangemode="tozero")
    return _layout(chart, "", "greedy worse by, mean of all capitals")


def _seconds(go: Any, rows: pd.DataFrame) -> Any:
    chart = go.Figure()
    for colour, optimizer in zip(COLOURS, ("greedy", "exact"), strict=False):
        sizes = rows.groupby("size")[f"{optimizer}_seconds"]
        chart.add_scatter(
            x=[f"{size}" for size in sizes.groups], y=sizes.median().to_numpy(), name=optimizer, mode="lines+markers",
            line={"color": colour},
        )  # fmt: skip
    chart.update_xaxes(type="category")
    chart.update_yaxes(type="log")
    return _layout(chart, "instruments", "seconds a solve, median")


def _amount(value: Any) -> str:
    return f"{value:,.0f}"


def _lambda(value: Any) -> str:
    return f"λ = {value:g}"
