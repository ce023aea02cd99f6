"""The presets side by side: the greedy gap under each, and what exactness does to the Sharpe ratio."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from comparisons.frontier.settings import CHOICES, INSTRUMENTS, SHOWN, SPLIT, Setting
from comparisons.frontier.sharpe import sharpe_difference
from comparisons.frontier.study import FOLDER, price_market, run
from dynopt_milp.backtests.metrics import above_best

PRESETS = FOLDER / "presets.csv"
CAPITALS = SHOWN
RIVALS = ("greedy", "rounded", "buffered")


def run_presets(folder: Path, workers: int) -> Iterator[dict[str, Any]]:
    """A row for each preset and capital, of the years from the split on, in any order."""
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(
        delayed(preset_row)(name, capital, folder) for name, capital in product(CHOICES, CAPITALS)
    )


def preset_row(name: str, capital: float, folder: Path) -> dict[str, Any]:
    """One of them.

    ``mean_gap`` and ``largest_gap`` are those of greedy from the positions that exact held; ``over_RIVAL`` is how much
    higher exact's net Sharpe ratio is, and ``over_RIVAL_error`` the standard error of that.
    """
    market, choice = price_market(folder), CHOICES[name]
    exact = run(choice.held("exact", capital), market, also=("greedy",))
    gap = above_best(exact.rebalances, "greedy").loc[SPLIT:]
    row: dict[str, Any] = {
        "preset": name, "capital": capital, "rebalances": len(gap), "mean_gap": gap.mean(), "largest_gap": gap.max(),
        "greedy_optimal": float((gap == 0).mean()),
    }  # fmt: skip
    for rival in RIVALS:
        setting = choice.held(rival, capital) if rival == "greedy" else Setting(capital, INSTRUMENTS, rival)
        other = run(setting, market).returns["net"].loc[SPLIT:]
        difference, error = sharpe_difference(exact.returns["net"].loc[SPLIT:], other)
        row |= {f"over_{rival}": difference, f"over_{rival}_error": error}
    return row
