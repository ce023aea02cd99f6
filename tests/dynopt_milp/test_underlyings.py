"""Which instruments are sizes of one underlying, in markets and in what follows from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from dynopt_milp import Limits, backtest, simulated_market
from dynopt_milp.data import Market, guide_frames, market_from_frames, market_from_guide_frames
from dynopt_milp.errors import InputError
from dynopt_milp.problem import underlying_of
from dynopt_milp.strategy import Inputs, Strategy

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
