"""House rules of a run for people: how often each bound, and what it cost in the objective."""

from __future__ import annotations

from typing import Any

from dynopt_milp.backtests.result import Backtest

HEADS = ("rule", "binds at", "price, mean", "price, largest", "priced")
"""What the cells of :func:`rule_rows` are. Prices are shares of capital, means over the rebalances that were priced."""


def rule_rows(run: Backtest) -> list[tuple[str, str, str, str, str]]:
    """A row a rule, those first that bound most often; empty without rules, or where nothing was proved."""
    asked: dict[str, dict[str, Any]] = run.performance.get("rules", {})
    return [
        (
            name, f"{of_one['binding']:,} of {of_one['rebalances']:,}", _share(of_one["mean_price"]),
            _share(of_one["largest_price"]), f"{of_one['priced']:,}",
        )
        for name, of_one in asked.items()
    ]  # fmt: skip


def _share(price: float | None) -> str:
    return "" if price is None else f"{price:.3%}"
