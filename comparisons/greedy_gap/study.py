"""The grid of the study, and what is kept of it."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from dynopt_milp.data import Market
from dynopt_milp.gap import GapGrid, run_gap_study

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT, RUNS = FOLDER / "results.csv", FOLDER / "environment.txt", FOLDER / "runs"
# 5 capitals × 5 multipliers × 4 sizes along the path of greedy, and all instruments along that of exact too.
CAPITALS = (50_000.0, 100_000.0, 250_000.0, 1_000_000.0, 5_000_000.0)
COST_MULTIPLIERS = (0.0, 10.0, 25.0, 50.0, 100.0)
SIZES = (4, 10, 20)
START, END = "2005-01-01", "2019-12-31"
# A rebalance that takes longer is kept with its bound and enters no mean.
TIME_LIMIT = 20.0


def grids(market: Market) -> list[GapGrid]:
    """The parts of the study, the cheap ones first."""
    everything = len(market.instruments)
    common = {"capitals": CAPITALS, "cost_multipliers": COST_MULTIPLIERS, "start": START, "end": END}
    return [
        GapGrid(**common, sizes=(*SIZES, everything), paths=("greedy",)),  # type: ignore[arg-type]
        GapGrid(**common, sizes=(everything,), paths=("exact",)),  # type: ignore[arg-type]
    ]


def run(
    market: Market, parts: list[GapGrid], folder: Path = RUNS, *, workers: int, show_progress: bool
) -> pd.DataFrame:
    """Run what is missing of the parts, each in a folder named after its path; a line for each combination."""
    summaries = [
        run_gap_study(
            market, grid, folder / "-".join(grid.paths), workers=workers, time_limit=TIME_LIMIT,
            show_progress=show_progress,
        )
        for grid in parts
    ]  # fmt: skip
    return pd.concat(summaries, ignore_index=True)


def to_csv(results: pd.DataFrame) -> str:
    """The results file."""
    text = io.StringIO()
    results.to_csv(text, index=False, float_format="%.6g")
    return text.getvalue()
