"""Which instruments are sizes of one underlying, in markets and in what follows from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, Problem, backtest, simulated_market
from dynopt_milp.data import Market, guide_frames, market_from_frames, market_from_guide_frames
from dynopt_milp.errors import InputError
from dynopt_milp.problem import underlying_of
from dynopt_milp.problem.one_side import beside_kept
from dynopt_milp.strategy import Inputs, Strategy
from dynopt_milp.strategy.volatility import EwmaVolatility

RUN: dict[str, Any] = {"capital": 500_000.0, "start": "2016-02-01", "end": "2016-06-30"}


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(
        instruments=["ES", "ES_micro", "US10", "GOLD_micro", "CORN"], start="2014-01-01", end="2016-12-31"
    )


@pytest.mark.parametrize(
    ("name", "underlying"),
    [("GOLD_micro", "GOLD"), ("CRUDE_W_mini", "CRUDE_W"), ("GOLD-mini", "GOLD"), ("MICRO", "MICRO"), ("US10", "US10")],
)
def test_an_underlying_by_name(name: str, underlying: str) -> None:
    assert underlying_of(name) == underlying
    with pytest.raises(InputError, match="expected the name of an instrument"):
        underlying_of("")


def test_the_package_s_own_table_says_which_are_sizes_of_one(market: Market) -> None:
    of = market.specifications["underlying"]
    assert of["ES"] == of["ES_micro"] == "SP500"
    assert of["CORN"] == "CORN"
    assert market.select(["ES_micro", "CORN"]).specifications["underlying"]["ES_micro"] == "SP500"


def test_it_is_kept_by_frames_of_either_kind(market: Market) -> None:
    made = market_from_guide_frames(*guide_frames(market))
    assert made.specifications["underlying"].to_dict() == market.specifications["underlying"].to_dict()
    days = pd.bdate_range("2020-01-01", periods=3)
    table = pd.DataFrame(
        {"multiplier": 1.0, "currency": "USD", "asset_class": "X", "half_spread": 0.0}, index=["A", "B"]
    )
    prices = pd.DataFrame(10.0, days, ["A", "B"])
    assert market_from_frames(prices, table).specifications["underlying"].tolist() == ["A", "B"]
    given = market_from_frames(prices, table.assign(underlying=["I", None]))
    assert given.specifications["underlying"].tolist() == ["I", "B"]
    with pytest.raises(InputError, match="underlying"):
        market_from_frames(prices, table.assign(underlying=[3.5, "B"]))


def test_it_counts_in_what_a_market_is(market: Market) -> None:
    other = replace(market, specifications=market.specifications.assign(underlying=list(market.instruments)))
    assert other.fingerprint() != market.fingerprint()


def test_a_rebalance_of_the_market_knows_it(market: Market) -> None:
    inputs = Inputs(market, Strategy(), 500_000.0)
    day = market.days[market.days <= "2016-06-30"][-1]
    problem = inputs.problem(day, limits=Limits(one_side=True), holding="weekly")
    assert dict(zip(problem.instruments, problem.underlying, strict=True))["ES_micro"] == "SP500"
    assert len(problem.program().underlyings()) == 1
    rolls = market.rolls_a_year().loc[day, list(problem.instruments)].to_numpy()
    assert problem.holding_cost == pytest.approx(rolls / 52 * problem.cost_in_weight_terms)
    assert (problem.holding_cost > 0).all()
    assert not inputs.problem(day).holding_cost.any()


def test_a_backtest_keeps_sizes_on_one_side_unless_asked_not_to(market: Market) -> None:
    kept = backtest(market, **RUN)
    assert kept.settings["one_side"] is True
    assert kept.performance["num_opposite_days"] == 0
    assert kept.performance["num_optimal"] == kept.performance["num_rebalances"]
    free = backtest(market, one_side=False, **RUN)
    held = free.positions["ES"] * free.positions["ES_micro"] < 0
    assert free.performance["num_opposite_days"] == held.sum()
    named = [finding.name for finding in free.findings]
    assert ("opposite sizes" in named) == bool(held.any())


def test_a_cost_of_holding_is_in_the_objective_of_a_backtest(market: Market) -> None:
    without, counted = (backtest(market, holding_cost=holding, **RUN) for holding in (False, True))
    assert counted.settings["holding_cost"] is True
    assert counted.rebalances["objective"].iloc[0] >= without.rebalances["objective"].iloc[0]
    dear = backtest(market, holding_cost=True, roll_trades=50.0, **RUN)
    assert dear.performance["avg_gross_notional"] < without.performance["avg_gross_notional"]


def test_an_underlying_gets_one_share_of_risk_equal_for_its_sizes(market: Market) -> None:
    day = market.days[-1]
    counted = Inputs(market, Strategy(), 500_000).weights(day)
    without = market.select(["ES", "US10", "GOLD_micro", "CORN"])
    one = Inputs(without, Strategy(), 500_000).weights(day)
    assert counted["ES"] == counted["ES_micro"] == one["ES"] / 2
    others = ["US10", "GOLD_micro", "CORN"]
    assert counted[others].to_dict() == one[others].to_dict()


def constant(value: float) -> Any:
    def volatility(market: Market) -> pd.DataFrame:
        found = EwmaVolatility()(market)
        found.loc["2016-03-01":, "ES"] = value
        return found

    return volatility


@pytest.mark.parametrize("value", [0.0, 1e-40])
def test_a_size_that_is_in_no_problem_binds_the_others(value: float) -> None:
    """It has no volatility that makes a problem, and keeps its position, which is said."""
    names = ["ES", "ES_micro", "US10", "GOLD_micro"]
    longer = simulated_market(instruments=names, start="2014-01-01", end="2017-12-31")
    strategy = Strategy(volatility=constant(value))
    years: dict[str, Any] = {"capital": 2_000_000, "start": "2015-01-01", "frequency": "monthly"}
    run = backtest(longer, strategy, **years)
    later = run.positions.loc["2016-05-01":, "ES"]
    assert later.nunique() == 1
    assert later.iloc[0] != 0
    assert backtest(longer, strategy, one_side=False, **years).performance["num_opposite_days"] > 0
    assert run.performance["num_opposite_days"] == 0
    reasons = run.rebalances.loc["2016-04-01":, "reason"]
    assert reasons.str.contains("ES keeps its position").all()
    assert run.performance["num_kept"] >= len(reasons)


def test_kept_positions_of_both_sides_leave_the_others_between_zero_and_what_is_held() -> None:
    names, underlying = ("A", "A_mini", "A_micro", "B"), ("A", "A", "A", "B")
    target, held = np.array([3.0, 2.0, 1.0, 1.0]), np.array([0.0, 2.0, -5.0, 4.0])

    def bound(kept: list[tuple[str, float]], **limits: Any) -> tuple[list[float], list[float]]:
        found = beside_kept(Limits(one_side=True, **limits), names, underlying, target, held, kept)
        return tuple(side.tolist() for side in found.box(names, target, held))  # type: ignore[return-value]

    inf = np.inf
    assert bound([("A", 2.0)]) == ([0, 0, 0, -inf], [inf, inf, inf, inf])
    assert bound([("A", -2.0)]) == ([-inf, -inf, -inf, -inf], [0, 0, 0, inf])
    assert bound([("A", -2.0), ("A", 1.0)]) == ([0, 0, -5, -inf], [0, 2, 0, inf])
    assert bound([("A", 2.0)], no_trade=["A_micro"]) == ([0, 0, -5, -inf], [0, 2, -5, inf])
    for limits, name in ((Limits(), "A"), (Limits(one_side=["B"]), "A"), (Limits(one_side=True), "C")):
        assert beside_kept(limits, names, underlying, target, held, [(name, 2.0)]) is limits


def test_one_side_without_underlyings_says_that_it_changes_nothing() -> None:
    plain = Problem(np.diag([0.04, 0.04]), [1.5, -1.5], [0.1, 0.01], instruments=["A", "A_micro"])
    assert plain.notes == ()
    (note,) = plain.replace(limits=Limits(one_side=True)).notes
    assert "no underlying was given" in note
    assert plain.replace(limits=Limits(one_side=True), underlying=["A", "A"]).notes == ()
