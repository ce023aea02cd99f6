"""Backtests as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynopt_milp.backtests.diagnostics import UNOPTIMISED, Finding
from dynopt_milp.backtests.metrics import above_best
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.data.market import Market
from dynopt_milp.io.first_few import first_few
from dynopt_milp.show.captions import capital_words, caption, costs_of, preset_line
from dynopt_milp.show.rules import HEADS, rule_rows
from dynopt_milp.strategy.market_notes import market_notes

ROWS = (
    ("mean return a year, net of costs", "annualized_return", "{:.1%}"),
    ("volatility a year", "annualized_volatility", "{:.1%}"),
    ("Sharpe ratio, net", "sharpe_ratio", "{:.2f}"),
    ("Sharpe ratio, gross", "gross_sharpe_ratio", "{:.2f}"),
    ("costs a year, share of {capital}", "annual_cost", "{:.2%}"),
    ("  of trades", "annual_trading_cost", "{:.2%}"),
    ("  of rolls", "annual_roll_cost", "{:.2%}"),
    ("largest drawdown, of capital", "max_drawdown_of_capital_pct", "{:.1f}%"),
    ("largest drawdown, of the peak", "max_drawdown_of_peak_pct", "{:.1f}%"),
    ("contracts traded a year", "annual_turnover", "{:,.0f}"),
    ("contracts rolled a year", "annual_contracts_rolled", "{:,.0f}"),
    ("tracking error, expected", "avg_tracking_error", "{:.2%}"),
    ("tracking error, realised", "realised_tracking_error", "{:.2%}"),
    ("gross notional, share of {capital}", "avg_gross_notional", "{:.1f}"),
    ("margin, share of {capital}", "avg_margin", "{:.1%}"),
    ("margin, share of its budget", "avg_margin_used", "{:.1%}"),
    ("  largest", "largest_margin_used", "{:.1%}"),
    ("cost of rules in the objective", "avg_rules_cost", "{:.3%}"),
    ("adjustment factor", "avg_adjustment_factor", "{:.2f}"),
    ("rebalances", "num_rebalances", "{:,}"),
    ("  proven optimal", "num_optimal", "{:,}"),
    ("  not proven", "num_not_proved", "{:,}"),
    ("  failed", "num_failed", "{:,}"),
    ("  an instrument kept as it was", "num_kept", "{:,}"),
    ("  at which rules bind", "num_rules_bind", "{:,}"),
    ("seconds a rebalance, median", "median_solver_seconds", "{:.3f}"),
)
LEFT_OUT_AT_ZERO = ("num_optimal", "num_not_proved", "num_kept")
"""The counts that are left out where they are zero; any other figure is left out only where it does not exist."""


def show_market(market: Market, console: Console) -> None:
    """Print what market it is and what was left out of it."""
    first, last = market.days[0].date(), market.days[-1].date()
    what = "simulated instruments" if market.simulated else "instruments"
    console.print(f"{len(market.instruments)} {what}, {first} to {last}", highlight=False)
    unknown = without_months(market)
    if unknown:
        console.print(Text(f"rolls are not counted, their contract months are not known: {unknown}"))
    for note in market.notes:
        if note.rule == "excluded":
            console.print(Text(f"left out: {note.instrument}: {note.reason}"))
    rest = [note for note in market.notes if note.rule != "excluded"]
    if rest:
        rows = sum(note.rows for note in rest)
        console.print(f"{len(rest)} notes on the data, {rows:,} rows concerned (--notes lists them)", highlight=False)


def show_named_notes(market: Market, capital: float, console: Console, end: Any = None) -> list[str]:
    """Print the notes on the data that a run should be read with, and return them."""
    notes = market_notes(market, capital, end)
    for note in notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return notes


def without_months(market: Market) -> str:
    """The instruments whose rolls are not known; empty if there are none."""
    months = market.contract_months
    if months is None:
        return "all instruments"
    names = [str(name) for name in months.columns[months.isna().all()]]
    return first_few(names)


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


def figures_table(figures: Mapping[str, Mapping[str, Any]], rows: Iterable[tuple[str, str, str]]) -> Table:
    """Figures of several runs side by side.

    Parameters
    ----------
    figures : mapping
        Of each run, by name: figures by name.
    rows : iterable of (heading, figure, format)
        A row for which no run has a figure is left out.
    """
    return _table(figures, figure_texts(figures, rows))


def figure_texts(
    figures: Mapping[str, Mapping[str, Any]], rows: Iterable[tuple[str, str, str]]
) -> list[tuple[str, list[str]]]:
    """The rows of :func:`figures_table`: a heading, and a text for each run, empty where there is no figure."""
    texts = []
    for heading, figure, form in rows:
        cells = [of_run.get(figure) for of_run in figures.values()]
        if any(cell is not None for cell in cells):
            texts.append((heading, ["" if cell is None else form.format(cell) for cell in cells]))
    return texts


def _table(names: Iterable[str], texts: list[tuple[str, list[str]]]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    for name in names:
        table.add_column(Text(name), justify="right")
    for heading, cells in texts:
        table.add_row(heading, *cells)
    return table


def figure_rows(runs: Mapping[str, Backtest]) -> list[tuple[str, list[str]]]:
    """The figures of runs side by side: a heading, and a text for each run."""
    figures = {name: run.performance | above_best_figures(run) for name, run in runs.items()}
    nothing = [name for name in LEFT_OUT_AT_ZERO if not any(run.performance[name] for run in runs.values())]
    rows = [row for row in ROWS if row[1] not in nothing]
    rows = [(row[0].format(capital=capital_words(runs.values())), *row[1:]) for row in rows]
    for optimizer in dict.fromkeys(optimizer for run in runs.values() for optimizer in compared_optimizers(run)):
        rows += above_best_rows(optimizer)
    return figure_texts(figures, rows)


def show_backtests(runs: Mapping[str, Backtest], console: Console) -> None:
    """Print the figures of runs side by side, then what went wrong, then what is unusual."""
    said = [caption(runs.values()), preset_line(runs.values()), f"costs counted: {costs_of(runs.values())}"]
    for line in filter(None, said):
        console.print(Text(line), soft_wrap=True)
    console.print()
    console.print(_table(runs, figure_rows(runs)))
    show_rules(runs, console)
    show_failures(runs, console)
    for name, run in runs.items():
        for finding in run.findings:
            console.print(Text(f"{finding.level}: {name}: {finding_text(finding)}"))


def show_rules(runs: Mapping[str, Backtest], console: Console) -> None:
    """Print how often each house rule bound, and what it cost, for each run that has rules."""
    for name, run in runs.items():
        rows = rule_rows(run)
        if not rows:
            continue
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
        for place, head in enumerate(HEADS):
            of_run = len(runs) > 1 and not place
            table.add_column(Text(f"{name}: {head}" if of_run else head), justify="right" if place else "left")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print()
        console.print(table)


def show_failures(runs: Mapping[str, Backtest], console: Console) -> None:
    """Print the first rebalances of each run that could not be solved, and why."""
    for name, run in runs.items():
        failed = run.failures
        for day, reason in list(failed["reason"].items())[:5]:
            console.print(Text(f"{name}, {day:%Y-%m-%d}: failed: {reason}"))
        if len(failed) > 5:
            console.print(f"... and {len(failed) - 5} more; see rebalances.csv", highlight=False)


def compared_optimizers(run: Backtest) -> list[str]:
    """The optimizers that every rebalance of a run was solved with as well, and its own where that was not the best."""
    ending = "_objective"
    beside = [str(name).removesuffix(ending) for name in run.rebalances if str(name).endswith(ending)]
    own = [name for name in run.rebalances["optimizer"].unique() if above_best(run.rebalances, name).any()]
    return [*own, *beside]


def above_best_figures(run: Backtest) -> dict[str, float]:
    """Median, mean and largest distance of each optimizer's objective from the best, by the figure's name."""
    figures: dict[str, float] = {}
    for optimizer in compared_optimizers(run):
        worse = above_best(run.rebalances, optimizer)
        if len(worse):
            found = (worse.median(), worse.mean(), worse.max())
            figures |= {figure: value for (_, figure, _), value in zip(above_best_rows(optimizer), found, strict=True)}
    return figures


def above_best_rows(optimizer: str) -> list[tuple[str, str, str]]:
    """Rows of :func:`figures_table` for the figures of :func:`above_best_figures`."""
    names = ("median", "mean", "most")
    return [(f"{optimizer}'s objective higher, {name}", f"{optimizer}_above_best_{name}", "{:.1%}") for name in names]


def finding_text(finding: Finding) -> str:
    """A finding in a line: what, how large, held against what, and what to do."""
    figure = f"{finding.figure:,.0f}" if finding.figure >= 100 else f"{finding.figure:.3g}"
    return f"{finding.name} {figure} ({finding.threshold}): {finding.remedy}"


def summary(run: Backtest) -> dict[str, Any]:
    """A run as JSON has it: figures, findings, settings."""
    return {
        "performance": run.performance,
        "findings": [finding.to_dict() for finding in run.findings],
        "settings": run.settings,
        "preset": None if run.settings["optimizer"] in UNOPTIMISED else preset_line([run]),
        "beside": {name: summary(other) for name, other in run.beside.items()},
    }
