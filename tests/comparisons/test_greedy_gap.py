"""The gap study on a small market: its parts, its table, and that it goes on."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from comparisons.greedy_gap.study import (
    CAPITALS,
    COST_MULTIPLIERS,
    SIZES,
    grids,
    instruments,
    picture,
    run,
    to_csv,
    worst,
)
from dynopt_milp import simulated_market
from dynopt_milp.gap import GapGrid

NAMES = ["US10", "ES_micro", "EUR_micro", "GOLD_micro", "CORN", "CRUDE_mini"]


def test_a_small_study_runs_goes_on_and_keeps_its_table(tmp_path: Path) -> None:
    market = simulated_market(3, instruments=NAMES)
    common = {"capitals": (100_000, 500_000), "start": "2017-01-01", "end": "2017-02-28"}
    parts = [GapGrid(**common, sizes=(3, 6), paths=("greedy",)), GapGrid(**common, paths=("exact",))]  # type: ignore[arg-type]
    results = run(market, parts, tmp_path, workers=1, show_progress=False)
    assert results["path"].tolist() == ["greedy"] * 4 + ["exact"] * 2
    assert (results["not_proved"] == 0).all()
    assert (results["mean_gap"] >= 0).all()
    again = run(market, parts, tmp_path, workers=1, show_progress=False)
    pd.testing.assert_frame_equal(results, again)
    found = instruments(tmp_path)
    assert set(found["instrument"]) <= set(NAMES)
    assert ((found["missed"] + found["added"] <= found["different"]) & (found["different"] <= 1)).all()
    largest = worst(tmp_path)
    assert largest["gap"].to_numpy() == pytest.approx(results["largest_gap"].to_numpy()[[0, 2, 1, 3]])
    picture(results, tmp_path / "gap.png")
    assert (tmp_path / "gap.png").read_bytes().startswith(b"\x89PNG")
    read = pd.read_csv(io.StringIO(to_csv(results)))
    assert list(read.columns) == list(results.columns)
    assert read["mean_gap"].round(4).tolist() == results["mean_gap"].round(4).tolist()


def test_the_study_covers_what_it_says() -> None:
    market = simulated_market(3)
    greedy, exact = grids(market)
    cells = [*greedy.cells(market), *exact.cells(market)]
    assert len({cell.key for cell in cells}) == len(cells)
    assert len(cells) == len(CAPITALS) * len(COST_MULTIPLIERS) * (len(SIZES) + 2)
