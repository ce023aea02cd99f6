"""What each way of holding whole contracts earns and costs, on the same prices, forecasts and costs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dynopt_milp.backtests.compare import comparison_table, run_comparison
from dynopt_milp.backtests.metrics import return_difference
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.data import Market
from dynopt_milp.strategy import BOOK, Strategy

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT, PICTURE, RUNS = (
    FOLDER / "results.csv", FOLDER / "environment.txt", FOLDER / "backtests.png", FOLDER / "runs",
)  # fmt: skip
CAPITALS = (100_000.0, 250_000.0, 1_000_000.0)
START, END = "2005-01-01", "2019-12-31"
OPTIMIZERS = ("unrounded", "rounded", "greedy", "exact")
FIGURES = (
    "sharpe_ratio", "gross_sharpe_ratio", "annualized_return", "annualized_volatility", "annual_cost",
    "annual_trading_cost", "annual_roll_cost", "annual_turnover", "annual_contracts_rolled",
    "max_drawdown_of_capital_pct", "max_drawdown_of_peak_pct", "avg_tracking_error", "realised_tracking_error",
    "num_rebalances", "num_optimal", "num_failed",
)  # fmt: skip

Runs = dict[tuple[float, str], Backtest]


def run(market: Market, capital: float, *, show_progress: bool, start: str = START, end: str = END,
        folder: Path | None = RUNS) -> Runs:  # fmt: skip
    """Trend following with risk parity weights, weekly, the book's costs and buffer; held in four ways.

    The exact run solves every rebalance with the greedy search as well, from its own held positions.
    """
    strategies = {"trend": Strategy()}
    where = None if folder is None else folder / f"{capital:.0f}"
    options = {
        "capital": capital, "show_progress": show_progress, "out": where, "start": start, "end": end,
        "preset": BOOK, "one_side": False,  # the book's objective as it is
    }  # fmt: skip
    runs = run_comparison(market, strategies, OPTIMIZERS[:-1], **options)  # type: ignore[arg-type]
    runs |= run_comparison(market, strategies, OPTIMIZERS[-1:], also=("greedy",), **options)  # type: ignore[arg-type]
    return {(capital, optimizer): found for (_, optimizer), found in runs.items()}


def table(runs: Runs) -> pd.DataFrame:
    """One row for each capital and optimizer.

    Beside the figures of each run: ``t_over_greedy`` (t-statistic of its daily net return less greedy's),
    ``above_greedy`` (how often its objective was above greedy's from the same positions), ``greedy_worse_mean`` and
    ``greedy_worse_most`` (how far greedy's was above its own).
    """
    named = {(f"{capital:.0f}", optimizer): found for (capital, optimizer), found in runs.items()}
    figures = comparison_table(named).rename(columns={"strategy": "capital"})[["capital", "optimizer", *FIGURES]]
    beside = []
    for (capital, _), found in runs.items():
        row = {"t_over_greedy": return_difference(found.returns["net"], runs[capital, "greedy"].returns["net"]).t}
        if "greedy_objective" in found.rebalances:
            worse = found.rebalances["greedy_objective"] / found.rebalances["objective"] - 1
            row |= {
                "above_greedy": float((worse < -1e-9).sum()),
                "greedy_worse_mean": worse.mean(),
                "greedy_worse_most": worse.max(),
            }
        beside.append(row)
    return pd.concat([figures, pd.DataFrame(beside)], axis=1)


def seconds_of_exact(runs: Runs) -> list[str]:
    """What the exact runs took, a line each."""
    lines = []
    for (capital, optimizer), found in runs.items():
        if optimizer == "exact":
            seconds = found.rebalances["seconds"]
            lines.append(
                f"exact, {capital:.0f}: {len(seconds)} rebalances, {seconds.sum():.1f} s of solving; median "
                f"{1000 * seconds.median():.1f} ms, longest {1000 * seconds.max():.0f} ms"
            )
    return lines
