"""Ten years held in fourteen ways: with and without the rule and the cost, for two covariances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.backtests.run import backtest
from dynopt_milp.data import Market
from dynopt_milp.problem.book import BOOK_CORRELATION_SPAN
from dynopt_milp.strategy import BOOK, ExponentialCorrelation, Inputs, Strategy

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT = FOLDER / "results.csv", FOLDER / "environment.txt"
CAPITAL, START, END = 250_000.0, "2010-01-01", "2019-12-31"
SHRINKAGES = (0.0, 0.5)
HOLDERS: dict[str, dict[str, Any]] = {
    "unrounded": {"optimizer": "unrounded"},
    "rounded": {"optimizer": "rounded"},
    "greedy": {"optimizer": "greedy", "one_side": False},
    "greedy, holding": {"optimizer": "greedy", "one_side": False, "holding_cost": True},
    "exact": {"optimizer": "exact", "one_side": False},
    "exact, one side": {"optimizer": "exact"},
    "exact, holding": {"optimizer": "exact", "one_side": False, "holding_cost": True},
    "exact, both": {"optimizer": "exact", "holding_cost": True},
}
FIGURES = (
    "avg_gross_notional", "annual_trading_cost", "annual_roll_cost", "avg_tracking_error", "realised_tracking_error",
    "num_opposite_days", "days", "sharpe_ratio", "num_optimal", "num_rebalances", "num_failed",
)  # fmt: skip


def strategy(shrinkage: float) -> Strategy:
    """Trend following with correlations of the optimisation shrunk so much."""
    return Strategy(correlation=ExponentialCorrelation(BOOK_CORRELATION_SPAN, shrinkage))


def run(
    market: Market, *, start: str = START, end: str = END, capital: float = CAPITAL, show_progress: bool = False
) -> pd.DataFrame:
    """A row for each correlation and holder; targets do not depend on the correlation, so those are held once."""
    rows = []
    for shrinkage in SHRINKAGES:
        inputs = Inputs(market, strategy(shrinkage), capital)
        for holder, how in HOLDERS.items():
            if shrinkage and how["optimizer"] in ("unrounded", "rounded"):
                continue
            found = backtest(
                market, inputs.strategy, preset=BOOK, capital=capital, start=start, end=end, inputs=inputs,
                show_progress=show_progress, **how,
            )  # fmt: skip
            figures = {name: found.performance[name] for name in FIGURES}
            rows.append({"shrinkage": shrinkage, "holder": holder} | figures)
    return pd.DataFrame(rows)


def table(results: pd.DataFrame) -> str:
    """The results as Markdown."""
    lines = [
        "| correlations shrunk by | held by | gross notional ÷ capital | trades + rolls | tracking error expected "
        "| realised | days with opposite sizes | net Sharpe ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in results.to_dict("records"):
        costs = f"{row['annual_trading_cost']:.2%} + {row['annual_roll_cost']:.2%}"
        lines.append(
            f"| {row['shrinkage']:g} | {row['holder']} | {row['avg_gross_notional']:.1f} | {costs} "
            f"| {row['avg_tracking_error']:.1%} | {row['realised_tracking_error']:.1%} "
            f"| {row['num_opposite_days']:,.0f} | {row['sharpe_ratio']:.2f} |"
        )
    return "\n".join(lines)
