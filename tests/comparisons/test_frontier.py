"""The study of frontiers: its page says what its results say, its rule chooses what the package recommends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparisons.frontier import report, study
from comparisons.frontier.choice import AS_CLOSE, candidates, choose
from comparisons.frontier.frontiers import Point, cheaper, closer, cost_at, frontier, realised_at
from comparisons.frontier.preset_runs import CAPITALS, PRESETS
from comparisons.frontier.settings import (
    BUFFERS,
    CAPITAL,
    CHOICES,
    COVARIANCES,
    CROSSED,
    INSTRUMENTS,
    MULTIPLIERS,
    OPTIMISED,
    RECOMMENDED,
    TARGETS_ROUNDED,
    Setting,
    around,
    cross,
)
from comparisons.frontier.sharpe import sharpe_difference
from comparisons.frontier.study import PERIODS, RESULTS, in_order, missing, rows_of, stored
from comparisons.page import BEGIN, END
from dynopt_milp.backtests import backtest, sharpe_ratio
from dynopt_milp.data import simulated_market
from dynopt_milp.strategy import PRESETS as OF_PACKAGE
from dynopt_milp.strategy import Strategy
from dynopt_milp.strategy.inputs import Inputs, same

PAGE = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
REPORTED = report.REPORTED


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return stored()


@pytest.fixture(scope="module")
def presets() -> pd.DataFrame:
    return pd.read_csv(PRESETS)


def test_the_full_cross_and_what_is_around_it_are_all_there(committed: pd.DataFrame) -> None:
    everything = [*cross(), *around()]
    assert not missing(everything, committed)
    count = len(dict.fromkeys(everything))
    assert len(committed) == len(PERIODS) * count
    assert count + len(CHOICES) * len(CAPITALS) * 4 <= 600  # backtests in all
    optimised = [one for one in cross() if one.holder in OPTIMISED]
    assert len(set(optimised)) == len(OPTIMISED) * len(CROSSED) * len(MULTIPLIERS) * 2 * 2
    assert (committed["failed"] == 0).all()


def test_every_exact_rebalance_was_proved(committed: pd.DataFrame) -> None:
    exact = committed[committed["holder"].isin(["exact", "same_side"])]
    assert (exact["proved"] == exact["rebalances"]).all()
    assert f"{exact['proved'].sum():,} of {exact['rebalances'].sum():,}" in PAGE


def test_the_page_has_the_tables_of_the_results(committed: pd.DataFrame, presets: pd.DataFrame) -> None:
    shown = PAGE.partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == report.tables(committed, presets)


def test_the_rule_chooses_what_the_package_recommends(committed: pd.DataFrame) -> None:
    assert choose(committed) == RECOMMENDED
    later = committed.copy()
    later.loc[later["period"] == REPORTED, ["realised", "expected", "trading_cost"]] = np.nan
    assert choose(later) == RECOMMENDED  # of the years before alone
    rows = candidates(committed)
    assert (rows["realised"] <= AS_CLOSE * rows["realised"].min()).sum() > 1


@pytest.mark.parametrize("name", CHOICES)
def test_the_presets_of_the_study_are_those_of_the_package(name: str) -> None:
    choice, preset = CHOICES[name], OF_PACKAGE[name]
    assert same(COVARIANCES[choice.covariance](), preset.correlation)
    assert BUFFERS[choice.buffer] == (preset.buffer_rule, preset.buffer_fraction)
    assert (choice.cost_multiplier, choice.holding_cost) == (preset.cost_multiplier, preset.holding_cost)


def test_exactness_pays_what_the_page_promises(committed: pd.DataFrame) -> None:
    promised = {100_000.0: (0.21, 0.40), 250_000.0: (0.25, 0.32), 1_000_000.0: (0.54, 0.195)}
    for capital, least in promised.items():
        found = report.advantages(committed, capital, INSTRUMENTS)
        assert (found["closer_greedy"], found["closer_rounding"]) >= least, capital
        assert found["closer_rounding"] >= least[1]
        assert 0.9 <= found["ratio"] <= 1.25


def test_a_frontier_has_what_nothing_undercuts() -> None:
    points = [Point(2.0, 5.0), Point(1.0, 8.0), Point(4.0, 6.0), Point(4.0, 3.0), Point(1.5, 8.0)]
    assert frontier(points) == [Point(1.0, 8.0), Point(2.0, 5.0), Point(4.0, 3.0)]
    assert realised_at(math.sqrt(8), points) == pytest.approx(4.0)  # half the way from 2 to 4, in logarithms
    assert realised_at(0.1, points) == 8.0
    assert realised_at(100.0, points) == 3.0
    assert cost_at(4.0, points) == pytest.approx(math.sqrt(8))
    assert (cost_at(1.0, points), cost_at(9.0, points)) == (pytest.approx(4.0), pytest.approx(1.0))
    assert closer(Point(2.0, 4.0), points) == pytest.approx(0.2)
    assert cheaper(Point(1.0, 5.0), points) == pytest.approx(0.5)


def test_the_error_of_a_difference_of_sharpe_ratios_is_its_spread() -> None:
    """Against the spread of 2,000 draws of 500 days."""
    random, found, errors = np.random.default_rng(5), [], []
    for _ in range(2000):
        both = random.multivariate_normal([0.1, 0.05], [[1.0, 0.6], [0.6, 1.0]], size=500)
        difference, error = sharpe_difference(pd.Series(both[:, 0]), pd.Series(both[:, 1]))
        found.append(difference)
        errors.append(error)
    assert np.std(found) == pytest.approx(np.mean(errors), rel=0.05)
    assert np.mean(found) == pytest.approx(0.05 * 16, rel=0.1)


def test_a_row_says_what_a_backtest_came_to() -> None:
    market = simulated_market(3, instruments=["ES", "US10", "CORN"], start="2009-01-01", end="2013-12-31")
    inputs = Inputs(market, Strategy(), 400_000.0)
    run = backtest(market, capital=400_000.0, optimizer="greedy", start="2012-06-01", inputs=inputs)
    unrounded = backtest(market, capital=400_000.0, optimizer="unrounded", start="2012-06-01", inputs=inputs)
    setting = Setting(400_000.0, 3, "greedy", "x", "book", 10.0, True)
    rows = rows_of(setting, run, -unrounded.positions)
    assert [row["period"] for row in rows] == list(PERIODS)
    later = run.returns.loc["2013":]
    assert rows[1]["sharpe_ratio"] == pytest.approx(sharpe_ratio(later["net"]))
    assert rows[1]["realised"] == pytest.approx((later["gross"] - later["unrounded"]).std() * 16)
    assert sum(row["rebalances"] for row in rows) == len(run.rebalances)
    held, target = run.positions.loc["2013":], unrounded.positions.loc["2013":]
    along = ((held * target) > 0).sum().sum()
    assert rows[1]["against_forecast"] == pytest.approx(along / (held != 0).sum().sum())


def test_results_are_stored_in_one_order_and_what_is_there_is_not_run_again(tmp_path: Path) -> None:
    settings = [Setting(1e5, 3, "rounded"), Setting(1e5, 3, "greedy", "x", "book", 10.0, True)]
    figures = dict.fromkeys(study.FIGURES, 0.5)
    rows = pd.DataFrame([one._asdict() | {"period": period} | figures for one in settings for period in PERIODS])
    rows[list(study.COLUMNS)].to_csv(tmp_path / "r.csv", index=False)
    again = stored(tmp_path / "r.csv")
    assert in_order(again.iloc[::-1]).equals(in_order(again))
    other = settings[1]._replace(cost_multiplier=20.0)
    assert missing([*settings, other, other], again) == [other]


def test_a_preset_with_another_multiplier_is_another_choice() -> None:
    assert replace(OF_PACKAGE["recommended"], cost_multiplier=20.0) != OF_PACKAGE["recommended"]
    assert len({one for one in cross() if one.holder in TARGETS_ROUNDED}) == len(TARGETS_ROUNDED)
    assert all(one.capital == CAPITAL for one in cross())
