"""Backtests as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.backtests.diagnostics import Finding
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.data.market import Market

ROWS = (
    ("return a year, net of costs", "annualized_return", "{:.1%}"),
    ("volatility a year", "annualized_volatility", "{:.1%}"),
    ("Sharpe ratio, net", "sharpe_ratio", "{:.2f}"),
    ("Sharpe ratio, gross", "gross_sharpe_ratio", "{:.2f}"),
    ("costs a year, share of capital", "annual_cost", "{:.2%}"),
    ("largest drawdown, of the peak", "max_drawdown_pct", "{:.1f}%"),
    ("contracts traded a year", "annual_turnover", "{:,.0f}"),
    ("expected tracking error", "avg_tracking_error", "{:.2%}"),
    ("adjustment factor", "avg_adjustment_factor", "{:.2f}"),
    ("rebalances", "num_rebalances", "{:,}"),
    ("  proven optimal", "num_optimal", "{:,}"),
    ("  not proven", "num_not_proven", "{:,}"),
    ("  failed", "num_failed", "{:,}"),
    ("seconds a rebalance, median", "median_solver_seconds", "{:.3f}"),
)


def show_market(market: Market, console: Console) -> None:
    """Print what market it is and what was left out of it."""
    first, last = market.days[0].date(), market.days[-1].date()
    console.print(f"{len(market.instruments)} instruments, {first} to {last}", highlight=False)
    for note in market.notes:
        if note.rule == "excluded":
            console.print(Text(f"left out: {note.instrument}: {note.reason}"))
    rest = [note for note in market.notes if note.rule != "excluded"]
    if rest:
        rows = sum(note.rows for note in rest)
        console.print(f"{len(rest)} notes on the data, {rows:,} rows concerned (--notes lists them)", highlight=False)


def show_notes(market: Market, console: Console) -> None:
    """Print every note on the data."""
    if not market.notes:
        console.print("no notes on the data", highlight=False)
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("instrument", "rule"):
        table.add_column(heading)
    table.add_column("rows", justify="right")
    table.add_column("reason")
    for note in market.notes:
        table.add_row(Text(note.instrument), note.rule, f"{note.rows:,}" if note.rows else "", Text(note.reason))
    console.print(table)


def show_backtests(runs: Mapping[str, Backtest], console: Console) -> None:
    """Print the figures of runs side by side, then what went wrong, then what is unusual."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    for name in runs:
        table.add_column(Text(name), justify="right")
    for heading, figure, form in ROWS:
        cells = [run.performance[figure] for run in runs.values()]
        if any(cells) or figure in ("num_failed", "num_rebalances"):
            table.add_row(heading, *("" if cell is None else form.format(cell) for cell in cells))
    for heading, cells in _further(runs):
        table.add_row(heading, *cells)
    console.print(table)
    for name, run in runs.items():
        failed = run.failures
        for day, reason in list(failed["reason"].items())[:5]:
            console.print(Text(f"{name}, {day:%Y-%m-%d}: failed, positions kept: {reason}"))
        if len(failed) > 5:
            console.print(f"... and {len(failed) - 5} more; see rebalances.csv", highlight=False)
    for name, run in runs.items():
        for finding in run.findings:
            console.print(Text(f"{finding.level}: {name}: {_finding(finding)}"))


def _further(runs: Mapping[str, Backtest]) -> list[tuple[str, list[str]]]:
    """How far above the run's objective that of the methods solved beside was, from the same held positions."""
    rows: list[tuple[str, list[str]]] = []
    names = dict.fromkeys(
        str(column).removesuffix("_objective")
        for run in runs.values()
        for column in run.rebalances
        if str(column).endswith("_objective")
    )
    for other in names:
        mean, most = [], []
        for run in runs.values():
            column = f"{other}_objective"
            if column not in run.rebalances:
                mean.append("")
                most.append("")
                continue
            worse = (run.rebalances[column] / run.rebalances["objective"] - 1).dropna()
            mean.append(f"{worse.mean():.1%}" if len(worse) else "")
            most.append(f"{worse.max():.1%}" if len(worse) else "")
        rows += [(f"{other}'s objective higher, mean", mean), (f"{other}'s objective higher, most", most)]
    return rows


def _finding(finding: Finding) -> str:
    figure = f"{finding.figure:,.0f}" if finding.figure >= 1 else f"{finding.figure:.3g}"
    return f"{finding.name} {figure} ({finding.threshold}): {finding.remedy}"


def summary(run: Backtest) -> dict[str, Any]:
    """A run as JSON has it: figures, findings, settings."""
    return {
        "performance": run.performance,
        "findings": [finding.to_dict() for finding in run.findings],
        "settings": run.settings,
    }
