"""A study as one page: what came out, in figures and tables, in a file that opens without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from dynopt_milp.gap.cells import CONSEQUENCES
from dynopt_milp.gap.charts import figures, median_seconds
from dynopt_milp.gap.extras import require
from dynopt_milp.gap.rows import CELL_COLUMNS, CELL_HEADS
from dynopt_milp.gap.stored import POSITIONS, Study, main_path, main_rows, read_study
from dynopt_milp.gap.study import REBALANCES, SIMULATED
from dynopt_milp.gap.summary import cell_text, count_differences, further_optimizers, in_common
from dynopt_milp.io.records import records
from dynopt_milp.pages.page import render, write_page
from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION, BOOK_COST_MULTIPLIER
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.strategy.presets import preset_words

REPORT = "report.html"
WORST = 12  # rebalances shown with both portfolios
TEMPLATE = "gap/report.html.j2"


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
        If the folder holds no finished study.
    FileError
        If the page cannot be written.
    MissingPackage
        If the extra ``studies`` is not installed.
    """
    require("pyarrow")
    return write_page(Path(folder) / REPORT if out is None else out, _page(read_study(Path(folder))))


def _page(study: Study) -> str:
    """The study as HTML."""
    varying, common = in_common(study.summary)
    return render(
        TEMPLATE,
        answer=answer(study),
        figures=figures(study),
        seconds=median_seconds(study),
        varying=[(name, CELL_HEADS[name], not is_numeric_dtype(study.summary[name])) for name in varying],
        cell_text=cell_text,
        common=common,
        cells=cell_table(study.summary),
        consequences=consequence_table(study.summary),
        others=other_optimizers(study.summary),
        worst=worst_rebalances(study),
        instruments=by_instrument(study),
        open_cells=study.summary[(study.summary["num_not_proved"] > 0) | (study.summary["failed"] > 0)].to_dict(
            "records"
        ),
        settings=study.settings,
        preset=preset_words(_aims(study.settings)),
    )


def _aims(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What all cells have in common of what a preset sets."""
    fraction = settings.get("buffer_fraction", BOOK_BUFFER_FRACTION)
    return {
        "preset": settings.get("preset"), "correlation": settings["strategy"]["correlation"],
        "holding_cost": settings["holding_cost"], "buffer_fraction": fraction,
    }  # fmt: skip


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
    median, best = rows["gap"].median(), (rows["gap"] <= DEFAULT_GAP).mean()
    half = f"more than {median:.1%} worse in half of them, and the best itself in" if median > DEFAULT_GAP else (
        "and the best itself in"
    )  # fmt: skip
    simulated = SIMULATED if SIMULATED in str(study.settings["market"]) else ""
    where = f"At the book's cost multiplier of {BOOK_COST_MULTIPLIER:g}, on" if book else "On"
    first, last = rows["date"].min(), rows["date"].max()
    return (
        f"{where} {len(rows):,} rebalances of up to {rows['size'].max()} {simulated}futures from {first:%B %Y} to "
        f"{last:%B %Y}, the portfolio of the greedy search was {rows['gap'].mean():.1%} worse than the best one on "
        f"average{among}, {half} {best:.1%}."
    )


def cell_table(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells for the table of gaps."""
    names = [
        *CELL_COLUMNS, "rebalances", "num_not_proved", "failed", "greedy_optimal", "mean_gap", "median_gap", "p90_gap",
        "largest_gap", "mean_reachable_gap", "mean_sign_gap", "instruments_different",
    ]  # fmt: skip
    return records(summary[names])


def consequence_table(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells for the table of what holding the path came to."""
    return records(summary[[*CELL_COLUMNS, *CONSEQUENCES]])


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
            "seconds": line[f"median_{name}_seconds"],
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
