"""The study of sides and holding: its page says what its results say, and its code makes such results."""

from __future__ import annotations

import pandas as pd
import pytest

from comparisons.holding.pairs import PAIRS, PATHS, WAYS, pairs_table, run_pairs
from comparisons.holding.study import HOLDERS, RESULTS, SHRINKAGES, run, table
from dynopt_milp.data import simulated_market


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return pd.read_csv(RESULTS)


def test_the_page_has_the_table_of_the_committed_results(committed: pd.DataFrame) -> None:
    assert table(committed) in (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert len(committed) == 2 * len(HOLDERS) - 2


def test_every_exact_rebalance_was_proved_and_sides_are_kept(committed: pd.DataFrame) -> None:
    exact = committed[committed["holder"].str.startswith("exact")]
    assert (exact["num_optimal"] == exact["num_rebalances"]).all()
    assert (committed["num_failed"] == 0).all()
    ruled = committed["holder"].isin(["exact, one side", "exact, both"])
    assert (committed.loc[ruled, "num_opposite_days"] == 0).all()


def test_with_rule_and_cost_a_rebalance_takes_at_most_three_times_as_long() -> None:
    pairs = pd.read_csv(PAIRS)
    assert len(pairs) == len(SHRINKAGES) * len(PATHS) * len(WAYS)
    assert pairs_table(pairs) in (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert (pairs["proved"] == pairs["rebalances"]).all()
    assert (pairs["ratio"] <= 3).all()


def test_a_small_study_is_made_in_the_same_way() -> None:
    market = simulated_market(3, instruments=["ES", "ES_micro", "US10", "GOLD_micro", "CORN"])
    results = run(market, start="2017-01-01", end="2017-03-31", capital=300_000.0)
    assert results["holder"].tolist() == [*HOLDERS, *list(HOLDERS)[2:]]
    assert (results.set_index("holder").loc["exact, one side", "num_opposite_days"] == 0).all()
    assert "| 0.5 | exact, both |" in table(results)


def test_small_pairs_are_made_in_the_same_way() -> None:
    market = simulated_market(3, instruments=["ES", "ES_micro", "US10", "GOLD_micro", "CORN"])
    pairs = run_pairs(market, start="2017-01-01", end="2017-02-28", capital=300_000.0)
    assert pairs["way"].tolist() == [*WAYS] * len(SHRINKAGES) * len(PATHS)
    assert (pairs["proved"] == pairs["rebalances"]).all()
    assert (pairs.loc[pairs["way"] == "free", "ratio"] == 1).all()
    assert pairs_table(pairs).count("\n") == 1 + 3 * len(SHRINKAGES) * len(PATHS)
