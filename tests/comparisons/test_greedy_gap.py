"""The gap study on a small market: its parts, its table, and that it goes on."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from comparisons.greedy_gap.study import (
    CAPITALS,
    COST_MULTIPLIERS,
    RESULTS,
    SIZES,
    WORST,
    consequence_table,
    gap_table,
    grids,
    instruments,
    picture,
    run,
    worst,
)
from comparisons.stored import csv_text
from dynopt_milp import simulated_market
from dynopt_milp.gap import GapGrid

NAMES = ["US10", "ES_micro", "EUR_micro", "GOLD_micro", "CORN", "CRUDE_mini"]


def test_a_small_study_runs_goes_on_and_keeps_its_table(tmp_path: Path) -> None:
    market = simulated_market(3, instruments=NAMES)
    common = {"capitals": (100_000, 500_000), "start": "2017-01-01", "end": "2017-02-28"}
    parts = [GapGrid(**common, sizes=(3, 6), paths=("greedy",)), GapGrid(**common, paths=("exact",))]  # type: ignore[arg-type]
    results = run(market, parts, tmp_path, workers=1, show_progress=False)
    assert results["path"].tolist() == ["greedy"] * 4 + ["exact"] * 2
    assert (results["num_not_proved"] == 0).all()
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
    read = pd.read_csv(io.StringIO(csv_text(results)))
    assert list(read.columns) == list(results.columns)
    assert read["mean_gap"].round(4).tolist() == results["mean_gap"].round(4).tolist()


def test_the_study_covers_what_it_says() -> None:
    market = simulated_market(3)
    greedy, exact = grids(market)
    cells = [*greedy.cells(market), *exact.cells(market)]
    assert len({cell.key for cell in cells}) == len(cells)
    assert len(cells) == len(CAPITALS) * len(COST_MULTIPLIERS) * (len(SIZES) + 2)


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return pd.read_csv(RESULTS)


def test_the_page_has_the_tables_of_the_committed_results(committed: pd.DataFrame) -> None:
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert gap_table(committed) in page
    assert consequence_table(committed) in page
    assert len(committed) == len(CAPITALS) * len(COST_MULTIPLIERS) * (len(SIZES) + 2)


def test_the_page_says_what_the_committed_results_say(committed: pd.DataFrame) -> None:
    """The sentences of the page, one by one."""
    along = committed[committed["path"] == "greedy"].set_index(["size", "capital", "cost_multiplier"]).sort_index()
    book = along.xs(50.0, level="cost_multiplier")
    small = book.xs(50_000.0, level="capital").drop(42)
    assert (small["greedy_optimal"] >= 0.8).all()
    assert small["mean_gap"].between(0.02, 0.032).all()
    for (_, _), gaps in along["mean_gap"].groupby(level=["size", "cost_multiplier"]):
        assert gaps.is_monotonic_increasing  # with capital
    for (_, _), gaps in along["mean_gap"].groupby(level=["size", "capital"]):
        assert gaps.is_monotonic_decreasing  # with the cost multiplier
    free = along.xs((42, 0.0), level=["size", "cost_multiplier"])["mean_gap"]
    assert [round(100 * free[capital]) for capital in (50_000.0, 1_000_000.0)] == [47, 488]
    everything = book.loc[42]
    assert [round(100 * everything.loc[at, "greedy_optimal"]) for at in (50_000.0, 250_000.0)] == [28, 4]
    four = book.loc[4, 1_000_000.0]
    assert [round(100 * four[name]) for name in ("mean_gap", "median_gap")] == [88, 11]
    parts = everything.loc[250_000.0, ["mean_gap", "mean_reachable_gap", "mean_sign_gap"]]
    assert [round(100 * part) for part in parts] == [19, 15, 3]
    assert everything["mean_sign_gap"].between(0.0285, 0.036).all()
    assert book.loc[20]["mean_sign_gap"].between(0.0075, 0.0165).all()
    assert round(100 * four["p90_gap"]) == 291
    least = everything.loc[50_000.0, ["mean_gap", "mean_reachable_gap"]]
    assert [round(100 * part) for part in least] == [11, 7]
    assert book.loc[4, 250_000.0]["mean_sign_gap"] < 0.001
    assert (book.loc[[4, 10]]["mean_sign_gap"] < 0.005).all()
    cost = everything["mean_cost_gap"]
    assert (cost[[50_000.0, 100_000.0]] > 0).all()
    assert (cost[[250_000.0, 1_000_000.0, 5_000_000.0]] < 0).all()
    assert (everything["mean_tracking_error_gap"] > 0.09).all()
    largest = pd.read_csv(WORST).set_index(["size", "capital"]).loc[4, 1_000_000.0]
    assert largest["date"].startswith("2008-04-11")
    assert json.loads(largest["greedy_positions"]) == {"JPY": 7, "US5": 10, "WHEAT": 3}
    assert json.loads(largest["exact_positions"]) == {"JPY": 5, "US5": 13, "WHEAT": 3}
    assert largest["greedy_tracking_error"] == pytest.approx(0.027, abs=5e-4)
    assert largest["exact_tracking_error"] == pytest.approx(0.0008, abs=5e-6)
    exact = committed[committed["path"] == "exact"].set_index(["cost_multiplier", "capital"])
    greedy = committed[(committed["path"] == "greedy") & (committed["size"] == 42)]
    greedy = greedy.set_index(["cost_multiplier", "capital"])
    for name in ("avg_tracking_error", "realised_tracking_error"):
        assert (exact.loc[10.0, name] < greedy.loc[10.0, name]).all()
    assert (exact.loc[50.0, "avg_tracking_error"] < greedy.loc[50.0, "avg_tracking_error"]).all()
    low, middle = [50_000.0, 100_000.0, 250_000.0], [100_000.0, 250_000.0]
    saved = 1 - exact.loc[50.0, "annual_trading_cost"] / greedy.loc[50.0, "annual_trading_cost"]
    assert saved[low].between(0.145, 0.385).all()
    assert saved.drop(low).abs().max() < 0.07
    dearer = (exact["annual_cost"] / greedy["annual_cost"] - 1).loc[[10.0, 50.0]]
    assert dearer.loc[10.0].drop(low[:2]).between(0.175, 0.405).all()
    assert dearer.loc[50.0].between(0.075, 0.305).all()
    rolls = (exact["annual_roll_cost"] / greedy["annual_roll_cost"]).loc[50.0]
    assert (round(rolls.min(), 1), round(rolls.max(), 1)) == (1.4, 2.2)
    seconds = (along["median_exact_seconds"] / along["median_greedy_seconds"]).xs(50.0, level="cost_multiplier")
    assert seconds[42, 50_000.0] == pytest.approx(3.2, abs=0.05)
    assert seconds[42, 1_000_000.0] == pytest.approx(9.4, abs=0.05)
    assert seconds[4, 50_000.0] == pytest.approx(0.9, abs=0.05)
    further = (exact["realised_tracking_error"] - greedy["realised_tracking_error"]).loc[50.0]
    assert further[middle].between(0.0015, 0.0035).all()
    assert (further.drop(middle) < 0).all()
    tracked = [frame.loc[(10.0, 1_000_000.0), "realised_tracking_error"] for frame in (greedy, exact)]
    assert tracked[0] / tracked[1] == pytest.approx(3, abs=0.2)
    assert [round(100 * exact.loc[(50.0, at), "mean_gap"]) for at in (50_000.0, 5_000_000.0)] == [52, 151]
    assert committed["rebalances"].sum() == 97_750
    assert (committed["num_not_proved"] + committed["failed"] == 0).all()
