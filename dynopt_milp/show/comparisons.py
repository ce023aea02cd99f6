"""A comparison as a table for people."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

SHOWN_COLUMNS = (
    ("return", "annualized_return", "{:.1%}"),
    ("vola-\ntility", "annualized_volatility", "{:.1%}"),
    ("Sharpe\nratio", "sharpe_ratio", "{:.2f}"),
    ("draw-\ndown", "max_drawdown_pct", "{:.0f}%"),
    ("cost", "annual_cost", "{:.2%}"),
    ("con-\ntracts", "annual_turnover", "{:,.0f}"),
    ("track.\nerror", "avg_tracking_error", "{:.2%}"),
    ("proven", "num_optimal", "{:.0f}"),
    ("failed", "num_failed", "{:.0f}"),
)


def show_comparison(table: pd.DataFrame, console: Console) -> None:
    """Print strategies and optimizers with their figures; net of costs, a year, shares of capital."""
    shown = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    shown.add_column("", no_wrap=True)
    # A column that is empty or zero everywhere takes the width the others need.
    columns = [column for column in SHOWN_COLUMNS if column[0] != "failed" or (table[column[1]] > 0).any()]
    for heading, _, _ in columns:
        shown.add_column(heading, justify="right", no_wrap=True)
    last = ""
    for row in table.to_dict("records"):
        if row["strategy"] != last:
            last = str(row["strategy"])
            shown.add_row(Text(last, style="bold"))
        cells = ["" if pd.isna(row[figure]) else form.format(row[figure]) for _, figure, form in columns]
        shown.add_row(Text(f" {row['optimizer']}"), *cells)
    console.print(shown)
    console.print(
        "\nA year, net of costs, shares of fixed capital; drawdown of the peak. Contracts\n"
        "traded a year. The tracking error is the one the covariance expects. Proven:\n"
        "rebalances proven optimal.",
        highlight=False,
    )
