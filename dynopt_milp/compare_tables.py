"""A comparison as a table for people."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLUMNS = (
    ("return", "annualized_return", "{:.1%}"),
    ("volatility", "annualized_volatility", "{:.1%}"),
    ("Sharpe", "sharpe_ratio", "{:.2f}"),
    ("drawdown", "max_drawdown_pct", "{:.0f}%"),
    ("cost", "annual_cost", "{:.2%}"),
    ("contracts\na year", "annual_turnover", "{:,.0f}"),
    ("tracking\nerror", "avg_tracking_error", "{:.2%}"),
    ("proven", "num_optimal", "{:.0f}"),
    ("failed", "num_failed", "{:.0f}"),
)


def show_comparison(table: pd.DataFrame, console: Console) -> None:
    """Print strategies and optimizers with their figures; net of costs, a year, shares of capital."""
    shown = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    shown.add_column("portfolio")
    shown.add_column("held")
    for heading, _, _ in COLUMNS:
        shown.add_column(heading, justify="right")
    last = ""
    for row in table.to_dict("records"):
        cells = ["" if pd.isna(row[figure]) else form.format(row[figure]) for _, figure, form in COLUMNS]
        name = "" if row["strategy"] == last else str(row["strategy"])
        last = str(row["strategy"])
        shown.add_row(Text(name), Text(str(row["optimizer"])), *cells)
    console.print(shown)
    console.print(
        "\nA year, net of costs, shares of fixed capital. Proven: rebalances proven optimal.", highlight=False
    )
