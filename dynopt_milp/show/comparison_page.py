"""A comparison as one page of HTML, which opens without a network."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dynopt_milp.backtests.compare import Runs, comparison_table
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.io.records import records
from dynopt_milp.pages.page import render, write_page
from dynopt_milp.show.attribution import by_asset_class
from dynopt_milp.show.backtest_page import account_chart, days_shown, findings_of, kept_in_words, month_rows
from dynopt_milp.show.captions import capital_words, caption, costs_of, preset_line

COLUMNS = (
    ("return", "annualized_return", "{:.1%}"),
    ("volatility", "annualized_volatility", "{:.1%}"),
    ("Sharpe ratio", "sharpe_ratio", "{:.2f}"),
    ("drawdown, of peak", "max_drawdown_of_peak_pct", "{:.1f}%"),
    ("drawdown, of capital", "max_drawdown_of_capital_pct", "{:.1f}%"),
    ("costs", "annual_cost", "{:.2%}"),
    ("of trades", "annual_trading_cost", "{:.2%}"),
    ("of rolls", "annual_roll_cost", "{:.2%}"),
    ("contracts", "annual_turnover", "{:,.0f}"),
    ("tracking error", "avg_tracking_error", "{:.2%}"),
    ("realised", "realised_tracking_error", "{:.2%}"),
    ("proven", "num_optimal", "{:,.0f}"),
    ("failed", "num_failed", "{:,.0f}"),
)


def write_comparison_report(runs: Runs, path: str | Path) -> Path:
    """Write a page about a comparison; where it was written.

    The table of all runs, their accounts, and of each run its findings, months and profit by asset class: one file of
    HTML that opens without a network.

    Parameters
    ----------
    runs : dict
        Backtests by (strategy, optimizer), as :func:`~dynopt_milp.backtests.run_comparison` returns them.
    path : path
        Of the file.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    return write_page(path, _page(runs))


def _page(runs: Runs) -> str:
    table = comparison_table(runs)
    columns = [column for column in COLUMNS if table[column[1]].notna().any()]
    rows = [
        (row["strategy"], row["optimizer"],
         ["–" if pd.isna(row[figure]) else form.format(row[figure]) for _, figure, form in columns])
        for row in table.to_dict("records")
    ]  # fmt: skip
    span = days_shown(runs.values())
    strategies = dict.fromkeys(strategy for strategy, _ in runs)
    charts = {
        strategy: account_chart({name: run for (of, name), run in runs.items() if of == strategy}, span, height=260)
        for strategy in strategies
    }
    details = [
        {
            "strategy": strategy,
            "optimizer": optimizer,
            "findings": findings_of({optimizer: run}),
            "kept": kept_in_words(run),
            "months": month_rows(run),
            "classes": records(by_asset_class(run).reset_index()),
            "failed": len(run.failures),
        }
        for (strategy, optimizer), run in runs.items()
    ]
    every = list(runs.values())
    return render(
        "show/comparison.html.j2",
        caption=caption(every),
        preset=preset_line(every),
        notes=_notes(every),
        simulated=any(run.settings["simulated"] for run in every),
        compound=any(run.settings["compound"] for run in every),
        currency=every[0].settings["base_currency"],
        shares_of=capital_words(every),
        costs=costs_of(every),
        heads_of=[heading for heading, _, _ in columns],
        rows=rows,
        lost=records(table.loc[table["account_lost"].notna(), ["strategy", "optimizer", "account_lost"]]),
        charts=charts,
        details=details,
    )


def _notes(runs: list[Backtest]) -> list[str] | None:
    """The notes on the data of all runs, each once; None if none of them has kept any."""
    kept = [run.notes for run in runs if run.notes is not None]
    return list(dict.fromkeys(note for notes in kept for note in notes)) if kept else None
