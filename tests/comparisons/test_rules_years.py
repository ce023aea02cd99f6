"""Fifteen years with house rules: the page says what the results say, and the code makes such results."""

from __future__ import annotations

import pandas as pd
import pytest

from comparisons.rules.years import FREE, PRICED, RESULTS, RULED, run_years, years_table
from dynopt_milp.data import simulated_market


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return pd.read_csv(RESULTS)


def test_the_page_has_the_table_of_the_committed_results(committed: pd.DataFrame) -> None:
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert years_table(committed) in page
    broken = int(committed.set_index("run").loc[RULED, "broken_before"])
    assert f"At {broken} rebalances what was held broke a rule" in page


def test_every_rebalance_was_proved_and_every_decision_keeps_the_rules(committed: pd.DataFrame) -> None:
    assert committed["run"].tolist() == [FREE, RULED, PRICED]
    assert (committed["proved"] == committed["rebalances"]).all()
    assert (committed["rebalances"] > 700).all()
    assert (committed["failed"] == 0).all()
    assert (committed["broken_after"].dropna() == 0).all()
    assert committed.set_index("run").loc[RULED, "ratio"] <= 3


def test_a_small_run_is_made_in_the_same_way() -> None:
    market = simulated_market(3, instruments=["ES", "ES_micro", "US10", "GOLD_micro", "CORN"])
    rows = run_years(market, start="2017-01-01", end="2017-03-31", repeats=1).set_index("run")
    assert (rows["proved"] == rows["rebalances"]).all()
    assert (rows["failed"] == 0).all()
    assert rows.loc[RULED, "broken_after"] == 0
    assert rows.loc[RULED, "rules_bind"] == rows.loc[PRICED, "rules_bind"]
