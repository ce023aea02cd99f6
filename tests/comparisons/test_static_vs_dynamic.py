"""The study's committed results are those its page tells, and its code makes such results."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from comparisons.static_vs_dynamic.study import CAPITALS, ENVIRONMENT, FOLDER, OPTIMIZERS, RESULTS, run, table
from comparisons.stored import csv_text
from dynopt_milp.data import simulated_market

PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    return pd.read_csv(RESULTS)


def test_the_table_on_the_page_is_that_of_the_results(results: pd.DataFrame) -> None:
    rows = re.findall(
        r"^\| (\$\w+)? *\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) % \| ([^|]+) \|", PAGE, flags=re.MULTILINE
    )
    assert len(rows) == len(results) == len(CAPITALS) * len(OPTIMIZERS)
    for (_, optimizer, net, gross, cost, turnover), row in zip(rows, results.to_dict("records"), strict=True):
        assert optimizer == row["optimizer"]
        assert [float(net), float(gross)] == pytest.approx([row["sharpe_ratio"], row["gross_sharpe_ratio"]], abs=0.0051)
        assert float(cost) == pytest.approx(100 * row["annual_cost"], abs=0.0051)
        assert float(turnover.replace(",", "")) == pytest.approx(row["annual_turnover"], abs=0.51)


def test_every_exact_rebalance_of_the_study_was_proven_and_none_is_above_greedy(results: pd.DataFrame) -> None:
    exact = results[results["optimizer"] == "exact"]
    assert (exact["num_optimal"] == exact["num_rebalances"]).all()
    assert exact["num_rebalances"].sum() == 2346
    assert "2,346" in PAGE
    assert (exact["above_greedy"] == 0).all()
    assert (results["num_failed"] == 0).all()


def test_the_claims_on_the_page_follow_from_the_results(results: pd.DataFrame) -> None:
    wide = results.pivot(index="capital", columns="optimizer")
    assert (wide["sharpe_ratio", "exact"] > wide["sharpe_ratio", "greedy"]).all()
    assert (wide["sharpe_ratio", "rounded"] > wide["sharpe_ratio", "greedy"]).all()
    assert (wide["sharpe_ratio", "exact"] > wide["sharpe_ratio", "rounded"]).all()
    assert [f"{t:.1f}" for t in wide["t_over_greedy", "exact"]] == ["1.0", "2.3", "0.8"]
    assert [f"{worse:.0%}" for worse in wide["greedy_worse_mean", "exact"].iloc[[0, -1]]] == ["117%", "165%"]
    words = " ".join(PAGE.split())
    realised = {
        name: [f"{100 * error:.1f} %" for error in wide["realised_tracking_error", name]] for name in OPTIMIZERS
    }
    assert "{}, {} and {} a year, against".format(*realised["exact"]) in words
    assert "{}, {} and {} for greedy".format(*realised["greedy"]) in words
    assert "{}, {} and {} for rounding".format(*realised["rounded"]) in words
    seconds = re.findall(r"rebalances, (\S+) s of solving", ENVIRONMENT.read_text(encoding="utf-8"))
    assert "{}, {} and {} seconds of solving".format(*seconds) in words


def test_a_small_study_has_the_same_columns_and_proves_what_it_calls_exact(results: pd.DataFrame) -> None:
    market = simulated_market(instruments=["US10", "BUND", "ES_micro", "EUR_micro", "GOLD_micro"])
    runs = run(market, 250_000.0, show_progress=False, start="2018-01-01", end="2018-03-31", folder=None)
    small = table(runs)
    assert list(small.columns) == list(results.columns)
    assert len(csv_text(small).splitlines()) == 5
    last = small.iloc[-1]
    assert last["optimizer"] == "exact"
    assert last["num_optimal"] == last["num_rebalances"] == 12
    assert last["above_greedy"] == 0 <= last["greedy_worse_mean"]
    assert small.loc[0, "realised_tracking_error"] == 0
