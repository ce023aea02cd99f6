"""Pictures of backtests, as PNG."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dynopt_milp.backtests.accounting import contracts_traded
from dynopt_milp.backtests.compare import Runs
from dynopt_milp.backtests.metrics import FAILED, above_best
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.colours import COLOURS
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.show.captions import caption, costs_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUARTER = DAYS_A_YEAR // 4


def draw_backtests(runs: Mapping[str, Backtest], path: str | Path, *, title: str = "") -> None:
    """Account, tracking error and turnover over time of one or several runs, in one picture.

    Parameters
    ----------
    runs : mapping
        By name; the first seven are told apart by colour, further ones by line style.
    path : str or Path
        A PNG file; written atomically.
    title : str
        Above the picture. Default: what it shows, of which strategy, capital and dates.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(10, 9), layout="constrained")
    account, error, turnover = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    for place, (name, run) in enumerate(runs.items()):
        style: dict[str, Any] = {
            "color": COLOURS[place % len(COLOURS)],
            "linestyle": ("-", "--", ":")[place // len(COLOURS) % 3],
            "linewidth": 1.2,
        }
        sharpe = run.performance["sharpe_ratio"]
        label = f"{name} (Sharpe ratio {sharpe:.2f})" if sharpe is not None else name
        profit = run.account / float(run.settings["capital"]) - 1
        account.plot(profit.index, profit, label=label, **style)
        error.plot(run.rebalances.index, run.rebalances["tracking_error"], **style)
        failed = run.failures.index
        if len(failed):
            account.plot(failed, profit.reindex(failed), "x", color="red", label=f"{name}: {FAILED}")
        turnover.plot(run.returns.index, yearly_turnover(run.positions), **style)
    _entitle(figure, title or f"Profit net of {costs_of(runs.values())}\n{caption(runs.values())}")
    account.set_ylabel("profit, share of the\ncapital at the start")
    account.yaxis.set_major_formatter(PercentFormatter(1.0))
    account.legend(loc="best", fontsize="small")
    error.set_ylabel("tracking error,\nannual, after trading")
    error.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    turnover.set_ylabel("contracts a year,\nrolling mean")
    for axes in (account, error, turnover):
        axes.grid(alpha=0.3)
        axes.margins(x=0.01)
    error.set_ylim(bottom=0)
    turnover.set_ylim(bottom=0)
    save_picture(figure, Path(path))


def draw_comparison(runs: Mapping[tuple[str, str], Backtest], path: str | Path) -> None:
    """Accounts of several strategies, one panel each, with a line for each way of holding it.

    Parameters
    ----------
    runs : mapping
        By strategy and optimizer.
    path : str or Path
        A PNG file; written atomically.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    strategies = list(dict.fromkeys(strategy for strategy, _ in runs))
    optimizers = list(dict.fromkeys(optimizer for _, optimizer in runs))
    columns = min(len(strategies), 2)
    down = -(-len(strategies) // columns)
    figure = Figure(figsize=(5.5 * columns, 0.6 + 3.2 * down), layout="constrained")
    panels = figure.subplots(down, columns, sharex=True, squeeze=False).flat
    for strategy, panel in zip(strategies, panels, strict=False):
        for place, optimizer in enumerate(optimizers):
            run = runs[strategy, optimizer]
            profit, colour = run.account / float(run.settings["capital"]) - 1, COLOURS[place % len(COLOURS)]
            panel.plot(profit.index, profit, color=colour, linewidth=1.1, label=optimizer)
        panel.set_title(strategy, loc="left", fontsize="medium")
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.tick_params(axis="x", rotation=30)
        panel.grid(alpha=0.3)
    for panel in panels:
        panel.set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    what = f"Profit net of {costs_of(runs.values())}, share of the capital at the start"
    _entitle(figure, f"{what}\n{caption(runs.values())}", fontsize=10)
    save_picture(figure, Path(path))


def draw_tracking(runs: Mapping[str, Backtest], path: str | Path) -> None:
    """How closely greedy and exact follow the unrounded portfolio, at what cost, and how far greedy is from the best.

    Parameters
    ----------
    runs : mapping
        ``"unrounded"``, ``"greedy"`` and ``"exact"``; every rebalance of greedy solved exactly as well.
    path : str or Path
        A PNG file; written atomically.

    Raises
    ------
    FormatError
        If it cannot be written.
    """
    from matplotlib.figure import Figure

    colours = {"unrounded": "#666666", "greedy": COLOURS[1], "exact": COLOURS[0]}
    ideal = runs["unrounded"].returns["gross"]
    errors = {name: yearly_tracking_error(runs[name].returns["gross"], ideal) for name in ("greedy", "exact")}
    costs = {name: run.returns["cost"].cumsum() for name, run in runs.items()}
    distance = above_best(runs["greedy"].rebalances, "greedy")
    below = float((errors["exact"] < errors["greedy"])[errors["exact"].notna()].mean())
    years = len(ideal) / DAYS_A_YEAR
    panels = (
        ("tracking error,\n% of capital a year", errors, "lower left",
         f"Tracking error realised over the past year: exact's is the smaller one on {below:.0%} of days"),
        ("costs so far,\n% of capital", costs, "upper left",
         f"Costs of {costs_of(runs.values())} in {years:.0f} years, % of capital: "
         + ", ".join(f"{name} {100 * cost.iloc[-1]:.1f}" for name, cost in costs.items())),
        ("above the optimum,\n% of the optimum", {"greedy": distance}, "",
         f"Greedy's objective at each of its rebalances: above the optimum by {distance.median():.0%} in the median"),
    )  # fmt: skip
    figure = Figure(figsize=(8, 7.5), layout="constrained")
    rows = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    for axes, (label, lines, legend, title) in zip(rows, panels, strict=True):
        for name, line in lines.items():
            dots = {"linestyle": "", "marker": ".", "markersize": 3.5} if line is distance else {"linewidth": 1.8}
            axes.plot(line.index, line, color=colours[name], label=name, **dots)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_ylabel(label, fontsize=11)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}")
        axes.tick_params(labelsize=11)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        axes.grid(alpha=0.3)
        if legend:
            axes.legend(loc=legend, ncols=len(lines), fontsize=11, frameon=False)
    _entitle(figure, caption(runs.values()))
    save_picture(figure, Path(path))


def yearly_tracking_error(gross: pd.Series, unrounded: pd.Series) -> pd.Series:
    """The realised tracking error of the year up to each day; NaN for the first year, or half of a short run."""
    daily = gross - unrounded
    least = min(DAYS_A_YEAR, len(daily) // 2 + 2)
    return daily.rolling(DAYS_A_YEAR, min_periods=least).std() * math.sqrt(DAYS_A_YEAR)


def yearly_turnover(positions: pd.DataFrame) -> pd.Series:
    """Contracts traded over the last quarter (of a short run: over a quarter of it), at the pace of a year, by day."""
    traded = contracts_traded(positions).sum(axis=1)
    return traded.rolling(min(QUARTER, max(len(traded) // 4, 1))).mean() * DAYS_A_YEAR


def _entitle(figure: Figure, title: str, *, fontsize: int = 11) -> None:
    """A title on the left, its lines broken where they would not fit."""
    letters = int(figure.get_figwidth() * 72 / (0.6 * fontsize))  # digits are 0.64 times as wide as high, letters less
    lines = [textwrap.fill(line, letters) for line in title.splitlines()]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=fontsize)


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())


def save_comparison(runs: Runs, table: pd.DataFrame, folder: Path) -> None:
    """Write ``comparison.csv`` and ``comparison.png``."""
    write_atomically(folder / "comparison.csv", table.to_csv(index=False))
    draw_comparison(runs, folder / "comparison.png")
