"""The correlations of the optimisation and those that size positions: each does its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Inputs, Strategy, backtest, simulated_market
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.data import Market
from dynopt_milp.errors import FormatError, InputError
from dynopt_milp.strategy.correlation import Correlation, ExponentialCorrelation, WindowCorrelation
from dynopt_milp.strategy.presets import BOOK
from dynopt_milp.strategy.sizing import diversification_multiplier
from formulations import FloatArray

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "EUR_micro", "CRUDE_mini", "CORN"]
SHRINKAGES = (0.0, 0.25, 0.5, 0.9)


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=NAMES, start="2010-01-01", end="2017-12-31")


def test_the_wanted_positions_do_not_move_with_the_correlations_of_the_optimisation(market: Market) -> None:
    plain, days = Inputs(market, BOOK.of(Strategy()), 500_000), market.days[600::100]
    wanted = {day: plain.target_positions(day) for day in days}
    assert all(1 < one.multiplier < 2.5 for one in wanted.values())  # the cap is not what keeps it
    for correlation in (*(ExponentialCorrelation(25, share) for share in SHRINKAGES), WindowCorrelation(100)):
        inputs = Inputs(market, Strategy(correlation=correlation), 500_000)
        for day in days:
            found = inputs.target_positions(day)
            assert found.multiplier == wanted[day].multiplier
            pd.testing.assert_series_equal(found.optimal_positions, wanted[day].optimal_positions, check_exact=True)
            problem, before = inputs.problem(day), plain.problem(day)
            np.testing.assert_array_equal(problem.optimal_positions, before.optimal_positions)
            if isinstance(correlation, ExponentialCorrelation):
                pairs = ~np.eye(len(NAMES), dtype=bool)
                expected = np.where(pairs, (1 - correlation.shrinkage) * before.covariance, before.covariance)
                np.testing.assert_allclose(problem.covariance, expected, rtol=1e-9, atol=1e-15)
            else:
                assert np.abs(problem.covariance / before.covariance - 1).max() > 0.1


def test_an_unrounded_run_is_the_same_for_every_shrinkage_and_an_exact_one_is_not(market: Market) -> None:
    year: dict[str, Any] = {"capital": 500_000, "start": "2016-01-01", "end": "2016-12-31"}
    runs = {
        name: [
            backtest(market, Strategy(correlation=ExponentialCorrelation(25, share)), optimizer=name, **year)
            for share in (0.0, 0.5)
        ]
        for name in ("unrounded", "rounded", "exact")
    }
    for name in ("unrounded", "rounded"):
        one, other = runs[name]
        pd.testing.assert_frame_equal(one.positions, other.positions, check_exact=True)
        pd.testing.assert_frame_equal(one.returns, other.returns, check_exact=True)
    one, other = runs["exact"]
    assert not one.positions.equals(other.positions)
    pd.testing.assert_series_equal(one.rebalances["idm"], other.rebalances["idm"], check_exact=True)
    key = "unrounded_gross_notional"  # of the fractions that the exact run would like to hold
    assert one.performance[key] == other.performance[key]


def test_the_multiplier_is_that_of_its_own_correlations(market: Market) -> None:
    day, own = market.days[-30], WindowCorrelation(60, shrinkage=0.2)
    plain = Inputs(market, Strategy(), 500_000)
    inputs = Inputs(market, Strategy(multiplier_correlation=own), 500_000)
    np.testing.assert_array_equal(inputs.covariance(day), plain.covariance(day))
    np.testing.assert_array_equal(inputs.correlation(day), plain.correlation(day))
    found, before = inputs.target_positions(day), plain.target_positions(day)
    rho = inputs.multiplier_correlation(day).loc[found.weights.index, found.weights.index]
    expected = diversification_multiplier(found.weights.to_numpy(), rho.to_numpy())
    assert found.multiplier == pytest.approx(expected, rel=1e-14)
    assert found.multiplier != before.multiplier
    share = found.multiplier / before.multiplier
    assert found.optimal_positions.to_numpy() == pytest.approx((before.optimal_positions * share).to_numpy())


@dataclass
class Counted:
    """The default correlations, and how often they were asked for."""

    shrinkage: float = 0.0
    calls: list[int] = field(default_factory=list, compare=False)

    def __call__(self, weekly: pd.DataFrame) -> FloatArray:
        self.calls.append(len(weekly))
        return ExponentialCorrelation(25, self.shrinkage)(weekly)


@dataclass
class WithAnArray(Counted):
    """Two of it cannot be compared."""

    scale: FloatArray = field(default_factory=lambda: np.ones(3))


@pytest.mark.parametrize(
    ("one", "other", "times"),
    [
        (Counted(), Counted(), 1), (Counted(), Counted(0.5), 2), (same := WithAnArray(), same, 1),
        (WithAnArray(), WithAnArray(), 2),
    ],
    ids=["equal", "different", "the same", "no answer"],
)  # fmt: skip
def test_equal_correlations_are_computed_once(market: Market, one: Counted, other: Counted, times: int) -> None:
    inputs = Inputs(market, Strategy(correlation=one, multiplier_correlation=other), 500_000)
    assert len(one.calls) + (len(other.calls) if other is not one else 0) == times
    plain = Inputs(market, Strategy(), 500_000).target_positions(market.days[-1]).multiplier
    assert (inputs.target_positions(market.days[-1]).multiplier == plain) is (other.shrinkage == 0)


@pytest.mark.parametrize("name", ["correlation", "multiplier_correlation"])
def test_what_the_functions_return_is_checked_by_name(market: Market, name: str) -> None:
    for function in (lambda weekly: np.eye(3), lambda weekly: np.full((*weekly.shape, weekly.shape[1]), np.nan)):
        given: dict[str, Correlation] = {name: function}
        with pytest.raises(InputError, match=f"^{name}: expected finite correlations of shape"):
            Inputs(market, Strategy(**given), 5e5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"^{name}: expected a function, found float"):
        Strategy(**{name: 0.5})  # type: ignore[arg-type]


def test_a_run_kept_before_it_was_a_setting_is_read_and_not_continued(market: Market, tmp_path: Path) -> None:
    quarter: dict[str, Any] = {"capital": 5e5, "start": "2016-01-01", "end": "2016-03-31", "optimizer": "greedy"}
    kept = backtest(market, out=tmp_path / "run", **quarter)
    described = "ExponentialCorrelation(span=25, shrinkage=0.0)"
    assert kept.settings["strategy"]["multiplier_correlation"] == described
    path = tmp_path / "run" / "settings.json"
    settings = json.loads(path.read_text())
    del settings["strategy"]["multiplier_correlation"]
    path.write_text(json.dumps(settings))
    assert Backtest.load(tmp_path / "run").positions.equals(kept.positions)
    with pytest.raises(FormatError) as caught:
        backtest(market, out=tmp_path / "run", **quarter)
    words = f"strategy.multiplier_correlation is not set there and '{described}' now; use another folder"
    assert words in str(caught.value)
    other = Strategy(multiplier_correlation=WindowCorrelation(30))
    backtest(market, out=tmp_path / "new", **quarter)
    with pytest.raises(FormatError, match=r"strategy\.multiplier_correlation is 'Exponential.* there and 'Window"):
        backtest(market, other, out=tmp_path / "new", **quarter)
