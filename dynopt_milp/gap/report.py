"""A study as one page: what came out, in figures and tables, in a file that opens without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from dynopt_milp.atomic_file import write_atomically
from dynopt_milp.errors import FormatError
from dynopt_milp.gap.extras import require
from dynopt_milp.gap.rows import CELL_COLUMNS, CELL_HEADS
from dynopt_milp.gap.study import REBALANCES, SUMMARY
from dynopt_milp.gap.summary import SAME, cell_text, count_differences, further_optimizers, gaps, in_common
from dynopt_milp.problem import BOOK_COST_MULTIPLIER
from dynopt_milp.records import records

REPORT = "report.html"
WORST = 12  # rebalances shown with both portfolios
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
POSITIONS = ("held_positions", "greedy_positions", "exact_positions")
TEMPLATE = "report.html.j2"
WIDE = 10  # largest over median mean, from which a figure has a logarithmic axis
MOST_POINTS = 4_000  # of a figure: more are a file that browsers are slow to open


@dataclass(frozen=True, slots=True)
class Study:
    """What a folder holds, without the portfolios."""

    folder: Path
    rows: pd.DataFrame
    summary: pd.DataFrame
    settings: dict[str, Any]


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write a self-contained HTML page about a study; where it was written.

    Parameters
    ----------
    folder : path
        Of a finished study.
    out : path, optional
        Default: ``report.html`` in the folder.

    Raises
    ------
    FormatError
        If the folder holds no finished study, or the file cannot be written.
    """
    require("pyarrow", "jinja2", "plotly")
    try:
        page = _page(folder)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"holds no finished study, or another format of one: {type(error).__name__} {error}; run dynopt-milp gap "
            "again in a new folder", field=str(folder),
        ) from None  # fmt: skip
    path = Path(folder) / REPORT if out is None else Path(out)
    write_atomically(path, page)
    return path


def _page(folder: str | Path) -> str:
    """The study as HTML."""
    from jinja2 import Environment, PackageLoader, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    study = read_study(Path(folder))
    varying, common = in_common(study.summary)
    environment = Environment(loader=PackageLoader("dynopt_milp", "gap"), autoescape=select_autoescape(["j2"]))
    page: str = environment.get_template(TEMPLATE).render(
        answer=answer(study),
        figures={name: Markup(figure) for name, figure in figures(study).items()},
        varying=[(name, CELL_HEADS[name], not is_numeric_dtype(study.summary[name])) for name in varying],
        cell_text=cell_text,
        common=common,
        cells=cell_table(study.summary),
        consequences=consequence_table(study.summary),
        others=other_optimizers(study.summary),
        worst=worst_rebalances(study),
        instruments=by_instrument(study),
        open_cells=study.summary[(study.summary["not_proved"] > 0) | (study.summary["failed"] > 0)].to_dict("records"),
        settings=study.settings,
        plotly=Markup(get_plotlyjs()),
    )
    return page


def read_study(folder: Path) -> Study:
    """The rows without the portfolios, the summary and the settings of a finished study.

    Raises
    ------
    FormatError
        If something is missing or damaged.
    """
    import pyarrow.parquet as pq

    try:
        names = [name for name in pq.read_schema(folder / REBALANCES).names if name not in POSITIONS]
        rows = pd.read_parquet(folder / REBALANCES, columns=names)
        summary = pd.read_csv(folder / SUMMARY)
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"holds no finished study: {error}; run dynopt-milp gap first", field=str(folder)) from None
    if summary.empty or not isinstance(settings, dict) or not {"strategy", "versions"} <= settings.keys():
        raise FormatError("holds no finished study; run dynopt-milp gap first", field=str(folder))
    return Study(folder, rows.assign(**gaps(rows)), summary, settings)


def proved(study: Study) -> pd.DataFrame:
    """The rebalances that figures and means are about."""
    return study.rows[study.rows["status"] == "optimal"]


def main_path(study: Study) -> str:
    """The path of greedy, as its users have it, if it was studied and something of it proved."""
    return "greedy" if (proved(study)["path"] == "greedy").any() else "exact"


def main_rows(study: Study) -> pd.DataFrame:
    """The proved rebalances along the main path."""
    rows = proved(study)
    return rows[rows["path"] == main_path(study)]


def answer(study: Study) -> str:
    """The study in a sentence, about the book's cost multiplier if it is among several."""
    rows = main_rows(study)
    if rows.empty:
        return "No rebalance of this study was proved, so it says nothing about greedy."
    book = (rows["cost_multiplier"] == BOOK_COST_MULTIPLIER).any()
    if book:
        rows = rows[rows["cost_multiplier"] == BOOK_COST_MULTIPLIER]
    means = rows.groupby("capital")["gap"].mean()
    among = f" (from {means.min():.1%} to {means.max():.1%} by capital)" if len(means) > 1 else ""
    where = f"At the book's cost multiplier of {BOOK_COST_MULTIPLIER:g}, on" if book else "On"
    return (
        f"{where} {len(rows):,} rebalances of up to {rows['size'].max()} futures from {rows['date'].min():%B %Y} to "
        f"{rows['date'].max():%B %Y}, the portfolio of the greedy search was {rows['gap'].mean():.1%} worse than the "
        f"best one on average{among}, more than {rows['gap'].median():.1%} worse in half of them, and the best itself "
        f"in {(rows['gap'] <= SAME).mean():.1%}."
    )


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
    for colour, method in zip(COLOURS, ("greedy", "exact"), strict=False):
        sizes = rows.groupby("size")[f"seconds_{method}"]
        chart.add_scatter(
            x=[f"{size}" for size in sizes.groups], y=sizes.median().to_numpy(), name=method, mode="lines+markers",
            line={"color": colour},
        )  # fmt: skip
    chart.update_xaxes(type="category")
    chart.update_yaxes(type="log")
    return _layout(chart, "instruments", "seconds a solve, median")


def cell_table(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells for the table of gaps."""
    names = [
        *CELL_COLUMNS, "rebalances", "not_proved", "failed", "greedy_optimal", "mean_gap", "median_gap", "p90_gap",
        "largest_gap", "mean_reachable_gap", "mean_sign_gap", "instruments_different",
    ]  # fmt: skip
    return records(summary[names])


def consequence_table(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells for the table of what holding the path came to."""
    names = [
        *CELL_COLUMNS, "annualized_return", "annualized_volatility", "sharpe_ratio", "annual_cost", "annual_turnover",
        "avg_tracking_error", "realised_tracking_error",
    ]  # fmt: skip
    return records(summary[names])


def other_optimizers(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells for the table of further optimizers, a line for each of both."""
    return [
        {name: line[name] for name in CELL_COLUMNS}
        | {
            "optimizer": name,
            "optimal": line[f"{name}_optimal"],
            "failed": line[f"{name}_failed"],
            "mean_gap": line[f"mean_{name}_gap"],
            "greedy_gap": line["mean_gap"],
            "seconds": line[f"median_seconds_{name}"],
        }
        for line in records(summary)
        for name in further_optimizers(summary)
    ]


def worst_rebalances(study: Study) -> list[dict[str, Any]]:
    """The largest proved gaps of different dates along the main path, each with both portfolios by instrument."""
    import pyarrow.dataset as ds

    found = main_rows(study).sort_values("gap", ascending=False, kind="stable").drop_duplicates("date").head(WORST)
    data = ds.dataset(study.folder / REBALANCES)
    listed = []
    for row in found.to_dict("records"):
        keys = (*CELL_COLUMNS, "date")
        condition = None
        for key in keys:
            one = ds.field(key) == row[key]
            condition = one if condition is None else condition & one
        texts = data.to_table(columns=list(POSITIONS), filter=condition).to_pylist()[0]
        held, greedy, exact = (json.loads(texts[name]) for name in POSITIONS)
        names = sorted(held.keys() | greedy.keys() | exact.keys())
        portfolios = [(name, held.get(name, 0), greedy.get(name, 0), exact.get(name, 0)) for name in names]
        listed.append(row | {"portfolios": portfolios})
    return listed


def by_instrument(study: Study) -> list[dict[str, Any]]:
    """:func:`~dynopt_milp.gap.summary.count_differences` of the proved rebalances along the main path."""
    import pyarrow.dataset as ds

    chosen = (ds.field("status") == "optimal") & (ds.field("path") == main_path(study))
    data = ds.dataset(study.folder / REBALANCES)
    batches = data.to_batches(columns=["greedy_positions", "exact_positions"], filter=chosen)
    pairs = ((row["greedy_positions"], row["exact_positions"]) for batch in batches for row in batch.to_pylist())
    return count_differences(pairs)


def _amount(value: Any) -> str:
    return f"{value:,.0f}"


def _lambda(value: Any) -> str:
    return f"λ = {value:g}"
