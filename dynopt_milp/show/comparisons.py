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
    ("draw-\ndown", "max_drawdown_of_peak_pct", "{:.0f}%"),
    ("cost", "annual_cost", "{:.2%}"),
    ("of\nrolls", "annual_roll_cost", "{:.2%}"),
    ("con-\ntracts", "annual_turnover", "{:,.0f}"),
    ("track.\nerror", "avg_tracking_error", "{:.2%}"),
    ("proven", "num_optimal", "{:.0f}"),
    ("failed", "num_failed", "{:.0f}"),
)


HIDDEN = ("failed", "of\nrolls")
"""Columns that are left out where they have nothing."""


def show_comparison(table: pd.DataFrame, console: Console, about: str = "") -> None:
    """Print strategies and optimizers with their figures; net of costs, a year, shares of capital.

    Parameters
    ----------
    table : DataFrame
        As `comparison_table` makes it.
    console : Console
    about : str
        What the runs have in common, above the table.
    """
    if about:
        console.print(f"{about}\n", highlight=False)
    shown = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    shown.add_column("", no_wrap=True)
    # A column that is empty or zero everywhere takes the width the others need.
    columns = [column for column in SHOWN_COLUMNS if column[0] not in HIDDEN or (table[column[1]] > 0).any()]
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
    for row in table[table["account_lost"].notna()].to_dict("records"):
        console.print(Text(f"{row['strategy']}, {row['optimizer']}: the account was lost on {row['account_lost']}"))
    console.print(
        "\nA year, net of costs, shares of capital; drawdown of the peak. Cost: of trades\n"
        "and rolls. Contracts traded a year. The tracking error is the one the covariance\n"
        "expects. Proven: rebalances proven optimal.",
        highlight=False,
    )
