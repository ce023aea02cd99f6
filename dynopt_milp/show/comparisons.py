"""A comparison as a table for people."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.backtests.compare import Runs, comparison_table
from dynopt_milp.show.captions import capital_words, caption, costs_of, preset_line

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


def _shown(table: pd.DataFrame, figure: str) -> bool:
    """Whether a column has something to say: no failures is nothing, and rolls may be unknown."""
    return bool((table[figure] > 0).any() if figure == "num_failed" else table[figure].notna().any())


def show_comparison(runs: Runs, console: Console) -> None:
    """Print strategies and optimizers with their figures, and below what the figures are.

    Parameters
    ----------
    runs : dict
        Backtests by (strategy, optimizer).
    console : Console
    """
    for line in filter(None, (caption(runs.values()), preset_line(runs.values()))):
        console.print(Text(line), soft_wrap=True)
    console.print()
    table = comparison_table(runs)
    shown = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    shown.add_column("", no_wrap=True)
    columns = [column for column in SHOWN_COLUMNS if _shown(table, column[1])]
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
        f"\nA year, shares of {capital_words(runs.values())}; drawdown of the peak. Costs counted: "
        f"{costs_of(runs.values())}. Contracts traded a year. The tracking error is the one the covariance expects. "
        "Proven: rebalances proven optimal.",
        highlight=False,
    )
