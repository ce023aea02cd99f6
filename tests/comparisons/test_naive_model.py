"""The study of the naive model: what it computes, and that what it says is what is stored."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from comparisons.naive_model import study
from comparisons.stored import csv_text, save
from dynopt_milp.trades.examples import example_problem

FAST = [case for case in study.CASES if case.seed in (3, 8)]


@pytest.fixture(scope="module")
def rows() -> list[study.Row]:
    return [study.run_case(case) for case in FAST]


@pytest.fixture(scope="module")
def stored() -> list[study.Row]:
    return study.stored_rows()


def test_the_optimum_is_proven_and_no_worse_than_the_naive_portfolio(rows):
    assert len(rows) == 2
    for row in rows:
        assert row.exact_status == "optimal"
        assert row.exact_lower_bound <= row.exact_objective <= row.naive_objective * (1 + 1e-9)


def test_runs_again_as_stored(rows, stored):
    kept = {row.seed: row for row in stored}
    for row in rows:
        assert row.exact_objective == pytest.approx(kept[row.seed].exact_objective, rel=1e-6)


def test_daily_units_divide_every_objective_by_sixteen():
    annual = example_problem(50_000.0, seed=3)
    trial = annual.previous_positions + np.arange(len(annual.instruments)) % 3
    daily = study.daily(annual).program()
    assert daily.tracking_error(trial) == pytest.approx(annual.program().tracking_error(trial) / 16, rel=1e-9)
    assert daily.trading_cost(trial) == pytest.approx(annual.program().trading_cost(trial) / 16, rel=1e-12)


def test_some_portfolio_said_to_be_optimal_is_worse_by_more_than_one_per_cent(stored):
    assert [(row.seed, row.capital) for row in stored] == [(case.seed, case.capital) for case in study.CASES]
    assert any(row.naive_status == "optimal" and row.naive_objective > 1.01 * row.exact_objective for row in stored)


def test_scip_leaves_the_cone_within_its_tolerance_and_so_ends_below_the_optimum(stored):
    for row in stored:
        assert 0 < row.cone_violation <= 1e-6
        assert row.naive_scip_value < row.exact_objective
        assert row.naive_value == pytest.approx(row.naive_objective, rel=1e-8)


def test_stored_percentages_follow_from_stored_objectives(stored):
    for row in stored:
        assert row.worse_percent == pytest.approx(100 * (row.naive_objective / row.exact_objective - 1), abs=1e-5)


@pytest.mark.parametrize("path", [study.RESULTS.parent, study.RESULTS.parents[1]], ids=["study", "list"])
def test_the_readme_quotes_what_is_stored(path, stored):
    text = " ".join((path / "README.md").read_text(encoding="utf-8").split())
    wrong = [row for row in stored if row.falsely_optimal]
    quoted = re.search(r"\*\*(\d+) of (\d+)\*\* portfolios called `optimal` were not, the worst by (\d+) %", text)
    assert quoted is not None
    called = sum(row.naive_status == "optimal" for row in stored)
    worst = max(row.worse_percent for row in wrong)
    assert [int(number) for number in quoted.groups()] == [len(wrong), called, round(worst)]


def test_the_table_fits_a_hundred_columns(stored):
    console = Console(file=io.StringIO(), width=200)
    console.print(study.table(stored))
    assert max(len(line.rstrip()) for line in console.file.getvalue().splitlines()) <= 100


def test_the_stored_file_is_what_is_written_of_its_rows(stored):
    assert csv_text(pd.DataFrame(stored), study.DIGITS) == study.RESULTS.read_text(encoding="utf-8")


def test_csv_reads_back_to_nine_digits(rows, tmp_path, monkeypatch):
    path = tmp_path / "results.csv"
    save(pd.DataFrame(rows), path, study.DIGITS)
    monkeypatch.setattr(study, "RESULTS", path)
    again = study.stored_rows()
    assert [row.seed for row in again] == [3, 8]
    assert again[0].exact_objective == pytest.approx(rows[0].exact_objective, rel=1e-8)
    assert csv_text(pd.DataFrame(again), study.DIGITS) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", FAST, ids=str)
def test_the_same_model_is_right_in_larger_units(case, stored):
    program = study.daily(example_problem(case.capital, seed=case.seed)).program()
    naive = study.solve_naively(program.scaled(tracking=4000.0, cost=4000.0))
    optimum = next(row.exact_objective for row in stored if row.seed == case.seed)
    assert program.objective(naive.positions) == pytest.approx(optimum, rel=1e-6)
