"""A backtest as one page of HTML, which opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from dynopt_milp.backtests.metrics import MARGIN, MARGIN_USED
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.io.colours import optimizer_colours
from dynopt_milp.io.records import records
from dynopt_milp.pages.charts import Line, line_chart, sparkline
from dynopt_milp.pages.page import render, write_page
from dynopt_milp.show.attribution import (
    by_asset_class,
    by_instrument,
    never_held,
    position_lines,
    profit_by_asset_class,
    worst_days,
)
from dynopt_milp.show.backtests import figure_rows, finding_text
from dynopt_milp.show.captions import capital_words, caption, costs_of, preset_line
from dynopt_milp.show.months import costs_by_year, returns_by_month
from dynopt_milp.show.pictures import yearly_tracking_error
from dynopt_milp.show.rules import HEADS, rule_rows

if TYPE_CHECKING:
    from markupsafe import Markup

Frame = TypeVar("Frame", pd.Series, pd.DataFrame)
Span = tuple[pd.Timestamp, pd.Timestamp]
REPORT = "report.html"
"""The name of a page in the folder that it is about."""
FEWEST_FAILURES = 20
"""Failed rebalances that are listed; further ones are counted."""


def write_report(run: Backtest, path: str | Path) -> Path:
    """Write a page about a backtest and the runs beside it; where it was written.

    Caption, findings, accounts, months, profit by asset class and instrument, costs by kind, worst days, tracking
    error expected and realised, positions, settings: one file of HTML that opens without a network.

    Parameters
    ----------
    run : Backtest
    path : path
        Of the file.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    return write_page(path, _page(run))


def _page(run: Backtest) -> str:
    name = str(run.settings["optimizer"])
    runs = {name: run} | run.beside
    span = days_shown(runs.values())
    return render(
        "show/backtest.html.j2",
        name=name,
        caption=caption(runs.values()),
        preset=preset_line(runs.values()),
        simulated=run.settings["simulated"],
        currency=run.settings["base_currency"],
        shares_of=capital_words(runs.values()),
        compound=run.settings["compound"],
        costs=costs_of([run]),
        tiles=tiles(run),
        findings=findings_of(runs),
        failures=[(f"{day:%Y-%m-%d}", why) for day, why in run.failures["reason"].head(FEWEST_FAILURES).items()],
        more_failures=max(len(run.failures) - FEWEST_FAILURES, 0),
        notes=run.notes,
        kept=[
            (f"{called}: {reason}" if run.beside else reason, when)
            for called, one in runs.items()
            for reason, when in kept_in_words(one)
        ],
        account=account_chart(runs, span),
        drawdown=drawdown_chart(runs, span),
        lost=[(name, run.performance["account_lost"]) for name, run in runs.items() if run.performance["account_lost"]],
        figure_names=list(runs),
        figures=figure_rows(runs),
        months=month_rows(run),
        classes=records(by_asset_class(run).reset_index()),
        class_chart=_class_chart(run, span),
        instruments=records(by_instrument(run).reset_index()),
        costs_chart=_costs_chart(run, span),
        years=records(costs_by_year(run).reset_index()),
        rolls_known=run.performance["annual_contracts_rolled"] is not None,
        worst=worst_days(run),
        rule_heads=HEADS,
        rules=rule_rows(run),
        margin=_margin_chart(run, span),
        tracking=_tracking_chart(run, span),
        expected=run.performance["avg_tracking_error"],
        realised=run.performance["realised_tracking_error"],
        positions=[line | {"picture": sparkline(line["path"], f"{line['instrument']}: contracts over time")}
                   for line in position_lines(run)],
        last=f"{run.positions.index[-1]:%Y-%m-%d}",
        never_held=never_held(run),
        contracts=contracts_text,
        settings=dict(_flat(run.settings)),
    )  # fmt: skip


def tiles(run: Backtest) -> list[tuple[str, str]]:
    """The figures that a reader looks for first."""
    figures, capital = run.performance, float(run.settings["capital"])
    shown = (
        ("return a year, net", "annualized_return", "{:.1%}"),
        ("volatility a year", "annualized_volatility", "{:.1%}"),
        ("Sharpe ratio, net", "sharpe_ratio", "{:.2f}"),
        ("largest drawdown, of the peak", "max_drawdown_of_peak_pct", "{:.1f}%"),
        ("costs a year", "annual_cost", "{:.2%}"),
        ("tracking error, realised", "realised_tracking_error", "{:.2%}"),
    )
    texts = [(head, "–" if figures[name] is None else form.format(figures[name])) for head, name, form in shown]
    profit = float(run.account.iloc[-1]) - capital
    return [(f"profit, net, {run.settings['base_currency']}", f"{profit:,.0f}"), *texts]


def contracts_text(number: float) -> str:
    """Contracts, without decimals where they are whole."""
    return f"{number + 0.0:,.{0 if number == round(number) else 2}f}"


def findings_of(runs: Mapping[str, Backtest]) -> list[tuple[str, str, str]]:
    """Level, name of the run if there are several, and text of every finding, those of the first run first."""
    return [
        (finding.level, name if len(runs) > 1 else "", finding_text(finding))
        for name, run in runs.items()
        for finding in run.findings
    ]


def kept_in_words(run: Backtest) -> list[tuple[str, str]]:
    """Why instruments kept their positions, and at which rebalances, in the order of the first of them."""
    found: dict[str, list[str]] = {}
    for day, reasons in run.kept["reason"].items():
        for reason in reasons.split("; "):
            found.setdefault(reason, []).append(f"{day:%Y-%m-%d}")
    return [
        (reason, days[0] if len(days) == 1 else f"{len(days)} rebalances, {days[0]} to {days[-1]}")
        for reason, days in found.items()
    ]


def days_shown(runs: Iterable[Backtest]) -> Span:
    """The first and last day of charts: the last of any run, each until its account was lost."""
    days = [until_lost(run, run.returns).index for run in runs]
    return min(of[0] for of in days), max(of[-1] for of in days)


def until_lost(run: Backtest, by_day: Frame) -> Frame:
    """What a run has by day, up to that on which a compounding account was lost."""
    return by_day.loc[: run.performance["account_lost"]]


def account_chart(runs: Mapping[str, Backtest], span: Span, *, height: int = 320) -> Markup:
    """Profit net of costs so far, share of the capital at the start, a line for each run until it was lost."""
    lines = []
    for (name, run), colour in zip(runs.items(), optimizer_colours(runs).values(), strict=True):
        profit = until_lost(run, run.account) / float(run.settings["capital"]) - 1
        lines.append(Line(name, profit.index, profit.to_numpy(), colour))
    title = "profit net of costs, share of the capital at the start"
    return line_chart(lines, label=f"Accounts: {title}", y_title=title, percent=True, height=height, span=span)


def drawdown_chart(runs: Mapping[str, Backtest], span: Span) -> Markup:
    """How far each account is below its peak so far, share of that peak."""
    lines = []
    for (name, run), colour in zip(runs.items(), optimizer_colours(runs).values(), strict=True):
        account = until_lost(run, run.account)
        peak = account.cummax().clip(lower=float(run.settings["capital"]))
        lines.append(Line(name, account.index, (account / peak - 1).to_numpy(), colour))
    title = "below the peak so far, share of it"
    return line_chart(
        lines, label=f"Drawdowns: {title}", y_title=title, percent=True, from_zero=True, height=160, span=span
    )


def month_rows(run: Backtest) -> list[dict[str, Any]]:
    """By year: ``year``, and the cells of twelve months and the year, each a return and how strongly it is coloured."""
    table = returns_by_month(run)
    months = table.to_numpy()[:, :12]
    largest = np.nanmax(np.abs(months)) if np.isfinite(months).any() else 0.0
    return [
        {
            "year": year,
            "cells": [_cell(value, largest) for value in row[:12]],
            "total": None if pd.isna(row[12]) else float(row[12]),
        }
        for year, row in zip(table.index, table.to_numpy(), strict=True)
    ]


def _cell(value: float, largest: float) -> tuple[float | None, float]:
    return (None, 0.0) if pd.isna(value) else (float(value), round(0.5 * abs(value) / largest, 2) if largest else 0.0)


def _class_chart(run: Backtest, span: Span) -> Markup:
    so_far = until_lost(run, profit_by_asset_class(run))
    lines = [Line(str(name), so_far.index, so_far[name].to_numpy()) for name in so_far]
    title = f"profit so far, net, {run.settings['base_currency']}"
    return line_chart(lines, label=f"Asset classes: {title}", y_title=title, span=span)


def _costs_chart(run: Backtest, span: Span) -> Markup:
    returns = until_lost(run, run.returns)
    kinds = {"trades": "trading_cost"}
    if run.performance["annual_contracts_rolled"] is not None:
        kinds["rolls"] = "roll_cost"
    lines = [Line(kind, returns.index, returns[column].cumsum().to_numpy()) for kind, column in kinds.items()]
    title = f"costs so far, share of {capital_words([run])}"
    return line_chart(
        lines, label=f"Costs: {title}", y_title=title, percent=True, from_zero=True, height=240, span=span
    )


def _tracking_chart(run: Backtest, span: Span) -> Markup:
    """The tracking error expected after each rebalance, and the one realised over the year up to each day."""
    returns = until_lost(run, run.returns)
    realised = yearly_tracking_error(returns["gross"], returns["unrounded"])
    expected = until_lost(run, run.rebalances["tracking_error"])
    lines = [
        Line("realised over the past year", realised.index, realised.to_numpy()),
        Line("expected after the rebalance", expected.index, expected.to_numpy()),
    ]
    title = "tracking error to the fractions, a year"
    return line_chart(lines, label=title, y_title=title, percent=True, from_zero=True, height=240, span=span)


def _margin_chart(run: Backtest, span: Span) -> Markup | None:
    """Margin of what was decided: of the budget of a rule, or of capital; None where neither is known."""
    kinds = {MARGIN_USED: "share of its budget", MARGIN: f"share of {capital_words([run])}"}
    for column, of_what in kinds.items():
        if column in run.rebalances:
            held, title = until_lost(run, run.rebalances[column]), f"margin of what was decided, {of_what}"
            line = Line("margin", held.index, held.to_numpy())
            return line_chart(
                [line], label=title, y_title=title, percent=True, from_zero=True, height=200, span=span
            )  # fmt: skip
    return None


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Settings by name, those in another by both names; what is not set is ``none``."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and name != "versions":
            yield from _flat(value, f"{prefix}{name}, ")
        elif isinstance(value, Mapping):
            yield name, ", ".join(f"{package} {version}" for package, version in value.items())
        elif isinstance(value, list):
            yield f"{prefix}{name}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{prefix}{name}", "none" if value is None else f"{value}"
