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
        r"^\| (?:\$\w+)? *\| (\w+) \|" + 2 * r" (\S+) \|" + 3 * r" (\S+) % \|" + 2 * r" (\S+) \|" + 3 * r" (\S+) % \|",
        PAGE, flags=re.MULTILINE,
    )  # fmt: skip
    shares = ("annual_cost", "annual_trading_cost", "annual_roll_cost", "avg_tracking_error")
    figures = (
        "sharpe_ratio", "gross_sharpe_ratio", *shares[:3], "annual_turnover", "annual_contracts_rolled",
        "max_drawdown_of_capital_pct", "max_drawdown_of_peak_pct", shares[3],
    )  # fmt: skip
    assert len(rows) == len(results) == len(CAPITALS) * len(OPTIMIZERS)
    for (optimizer, *shown), row in zip(rows, results.to_dict("records"), strict=True):
        assert optimizer == row["optimizer"]
        for name, text in zip(figures, shown, strict=True):
            value, digit = (100 if name in shares else 1) * row[name], 0.01 if "." in text else 1.0
            assert float(text.replace(",", "")) == pytest.approx(value, abs=0.51 * digit)


def test_every_exact_rebalance_of_the_study_was_proven_and_none_is_above_greedy(results: pd.DataFrame) -> None:
    exact = results[results["optimizer"] == "exact"]
    assert (exact["num_optimal"] == exact["num_rebalances"]).all()
    assert exact["num_rebalances"].sum() == 2346
    assert "2,346" in PAGE
    assert (exact["above_greedy"] == 0).all()
    assert (results["num_failed"] == 0).all()


def test_the_claims_on_the_page_follow_from_the_results(results: pd.DataFrame) -> None:
    wide = results.pivot(index="capital", columns="optimizer")
    assert (wide["sharpe_ratio", "rounded"] > wide["sharpe_ratio", "greedy"]).tolist()[1:] == [True, False]
    assert wide["sharpe_ratio", "rounded"].iloc[0] == pytest.approx(wide["sharpe_ratio", "greedy"].iloc[0], abs=0.01)
    assert wide["t_over_greedy", "rounded"].between(-0.5, 0.4).all()
    assert (wide["sharpe_ratio", "exact"] > wide["sharpe_ratio", "rounded"]).tolist() == [True, False, True]
    assert [f"{abs(t):.1f}" for t in wide["t_over_greedy", "exact"]] == ["1.5", "0.0", "0.7"]
    worse = wide["greedy_worse_mean", "exact"]
    assert f"is {worse.min():.0%} to {worse.max():.0%} higher".replace("%", "", 1).replace("%", " %") in PAGE
    words = " ".join(PAGE.split())
    sharpe = [f"{one:.2f} against {other:.2f}" for one, other in wide["sharpe_ratio"][["exact", "greedy"]].to_numpy()]
    assert ", ".join(sharpe) in words
    paid = [f"{one:.2%} against {other:.2%}" for one, other in wide["annual_cost"][["exact", "greedy"]].to_numpy()]
    assert "{}, {} and {}.".format(*paid).replace("%", " %") in words
    assert (wide["annual_trading_cost", "exact"] <= wide["annual_trading_cost", "greedy"]).all()
    rolled = wide["annual_contracts_rolled", "exact"] / wide["annual_contracts_rolled", "greedy"]
    assert f"rolls {rolled.min():.1f} to {rolled.max():.1f} times as many as greedy" in words
    assert (wide["annual_roll_cost", "exact"] / wide["annual_roll_cost", "greedy"]).between(1.7, 2.5).all()
    assert "costs {:.1f} to {:.1f} % a year".format(*100 * wide["annual_cost", "rounded"].agg(["min", "max"])) in words
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
