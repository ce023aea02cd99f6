"""The study of warm starts: its page says what its results say, and its code makes such results."""

from __future__ import annotations

import pandas as pd

from comparisons.day_to_day.study import FREQUENCIES, RESULTS, Both, run, table
from dynopt_milp import example_problem, solve
from dynopt_milp.data import simulated_market


def test_the_page_has_the_table_of_the_results() -> None:
    results = pd.read_csv(RESULTS)
    assert table(results) in (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert (results["other_answer"] == 0).all()
    assert (results["proved"] == results["rebalances"]).all()
    assert len(results) == 2 * len(FREQUENCIES)
    assert (results["optimum_of_before"] < 0.1 * results["rebalances"]).all()  # nine of ten days
    assert (results["ratio"] > 0.97).all()  # nothing is gained


def test_the_cold_solution_is_what_is_held_and_the_next_one_starts_from_it() -> None:
    problem, both = example_problem(50_000), Both()
    found = both(problem)
    assert (found.contracts == solve(problem).contracts).all()
    again = both(problem)
    assert both.rows[1]["same"]
    assert both.rows[1]["same_start"]
    assert (again.contracts == found.contracts).all()


def test_a_small_study_is_made_in_the_same_way() -> None:
    market = simulated_market(3, instruments=["ES", "US10", "CORN"], start="2009-01-01", end="2012-03-31")
    results = run(market, start="2012-01-01", end="2012-02-10", capital=300_000.0)
    assert results["frequency"].tolist() == [*FREQUENCIES] * 2
    assert (results["other_answer"] == 0).all()
