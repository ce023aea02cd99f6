"""The simulated market has what strategies live on and stumble over, and the same numbers however it is cut."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.data.contracts import contracts
from dynopt_milp.data.guide_view import guide_frames
from dynopt_milp.data.market import Market
from dynopt_milp.data.simulation import simulated
from dynopt_milp.data.simulation.holidays import REGIONS, closed
from dynopt_milp.data.simulation.simulated import carry, simulated_market
from dynopt_milp.errors import DataError, HistoryError, InputError
from dynopt_milp.trades.examples import example_problem

TABLE = contracts()
TWINS = (("ES", "ES_micro"), ("GOLD", "GOLD_micro"))


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market()


@pytest.fixture(scope="module")
def returns(market: Market) -> pd.DataFrame:
    return market.returns()


@pytest.fixture(scope="module")
def plan() -> pd.DataFrame:
    with (files("dynopt_milp.data") / "simulation.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, index_col="symbol")


def sharpe_of_trend_following(returns: pd.DataFrame) -> float:
    """Before costs: a slow crossover of moving averages, the same risk in every instrument."""
    risk = returns.ewm(span=32, min_periods=60, ignore_na=True).std()
    moves = (returns / risk.shift()).fillna(0.0)
    level = moves.cumsum()
    forecast = (level.ewm(span=32).mean() - level.ewm(span=128).mean()).clip(-12, 12)
    gains = (forecast.shift() * moves).sum(axis=1)
    return float(gains.mean() / gains.std() * 16)


def test_the_universe_is_54_contracts_of_seven_asset_classes(market: Market) -> None:
    assert set(market.instruments) == set(TABLE.index)
    assert len(market.instruments) == 54
    assert market.specifications["asset_class"].nunique() == 7
    assert market.days[0] == pd.Timestamp("2004-01-02")
    assert market.days[-1] == pd.Timestamp("2023-12-29")
    es = market.specifications.loc["ES"]
    assert (es["multiplier"], es["currency"], es["half_spread"], es["commission"]) == (50, "USD", 0.125, 2.2)
    assert (market.specifications["commission_share"] == 0).all()


def test_the_same_seed_is_the_same_market_and_another_is_not(market: Market) -> None:
    assert simulated_market(1).fingerprint() == market.fingerprint()
    assert simulated_market(np.int64(1)).fingerprint() == market.fingerprint()
    assert simulated_market(2).fingerprint() != market.fingerprint()


def test_neither_a_selection_nor_a_cut_changes_a_number(market: Market) -> None:
    part = simulated_market(instruments=["ES_micro", "BUND", "JGB_mini"], start="2015-03-02", end="2016-06-30")
    assert part.instruments == ("BUND", "ES_micro", "JGB_mini")
    assert (part.days[0], part.days[-1]) == (pd.Timestamp("2015-03-02"), pd.Timestamp("2016-06-30"))
    for field in ("prices", "adjusted", "fx"):
        cut, whole = getattr(part, field), getattr(market, field)
        pd.testing.assert_frame_equal(cut, whole.loc[cut.index, cut.columns], check_exact=True)
    in_other_order = simulated_market(instruments=iter(["JGB_mini", "ES_micro", "BUND"]), start="2015-03-02")
    assert in_other_order.between(end="2016-06-30").fingerprint() == part.fingerprint()


def test_a_cut_before_late_starts_leaves_them_out() -> None:
    early = simulated_market(end="2006-12-31")
    assert "ES" in early.instruments
    assert "ES_micro" not in early.instruments
    with pytest.raises(DataError, match="first is of 2012") as raised:
        simulated_market(instruments=["ES", "ES_micro"], end="2006-12-31")
    assert raised.value.instrument == "ES_micro"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.0}, "seed"),
        ({"seed": True}, "seed"),
        ({"instruments": ["ES", "TULIP"]}, "instruments"),
        ({"instruments": "TULIP"}, "instruments"),
        ({"instruments": []}, "market"),
        ({"start": "2003-12-31"}, "start"),
        ({"end": "2024-01-01"}, "end"),
        ({"start": "soon"}, "start"),
        ({"end": None}, "end"),
        ({"start": "2011-01-01", "end": "2010-01-01"}, "start"),
        ({"start": "2011-01-01", "end": "2011-01-02"}, "market"),  # a weekend
    ],
)
def test_what_cannot_be_simulated_is_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as raised:
        simulated_market(**arguments)
    assert raised.value.field == field


def test_one_name_is_one_instrument() -> None:
    assert simulated_market(instruments="ES").instruments == ("ES",)


def test_daily_returns_have_fat_tails_and_their_volatility_clusters(returns: pd.DataFrame) -> None:
    kurtosis = returns.kurt() + 3
    assert kurtosis.min() > 3.5
    assert 4.5 < kurtosis.median() < 10
    clustering = (returns**2).apply(lambda square: square.dropna().autocorr(10))
    assert clustering.min() > 0
    assert clustering.median() > 0.1
    assert abs(returns.apply(lambda own: own.dropna().autocorr(1)).median()) < 0.03  # directions do not cluster so


def test_volatilities_are_near_those_of_the_real_contracts(returns: pd.DataFrame) -> None:
    ratio = returns.std() * 16 / TABLE["volatility"]
    assert ratio.min() > 0.7
    assert ratio.max() < 1.4
    assert returns.min().min() > -1


def test_trends_pay_and_it_is_the_order_of_days_that_makes_them() -> None:
    gains, shuffled = [], []
    for seed in (1, 2, 3):
        returns = simulated_market(seed).returns()
        order = np.random.default_rng(0).permutation(len(returns))
        gains.append(sharpe_of_trend_following(returns))
        shuffled.append(sharpe_of_trend_following(returns.iloc[order]))
    assert 0.5 < np.mean(gains) < 1.3
    assert abs(np.mean(shuffled)) < 0.3


def test_holding_everything_pays_modestly(returns: pd.DataFrame) -> None:
    equal_risk = (returns / returns.std()).fillna(0.0).sum(axis=1)
    assert 0.2 < equal_risk.mean() / equal_risk.std() * 16 < 1.0


def test_correlation_is_higher_within_a_sector_than_within_a_class_than_across_classes(returns: pd.DataFrame) -> None:
    weekly = returns["2013":].fillna(0.0).rolling(5).sum()[5::5]  # closing days differ by region
    names = [name for name in weekly if name not in [twin[1] for twin in TWINS]]
    correlation = weekly[names].corr().to_numpy()
    sector, group = (TABLE.loc[names, column].to_numpy() for column in ("sector", "asset_class"))
    pairs = np.triu(np.ones(correlation.shape, dtype=bool), 1)
    same_sector, same_class = sector[:, None] == sector, group[:, None] == group
    inside = correlation[pairs & same_sector].mean()
    beside = correlation[pairs & same_class & ~same_sector].mean()
    across = correlation[pairs & ~same_class].mean()
    assert inside > beside + 0.1
    assert beside > across + 0.2
    assert correlation[np.ix_(group == "Equity", group == "Volatility")].max() < 0


def test_prices_stay_near_the_typical_ones(market: Market) -> None:
    ratio = market.prices / TABLE["price"]
    assert ratio.min().min() > 0.3
    assert ratio.max().max() < 3
    assert 0.8 < ratio.median().median() < 1.25


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_prices_are_plausible_after_twenty_years_with_other_seeds_too(seed: int) -> None:
    ratio = simulated_market(seed).prices.iloc[-1] / TABLE["price"]
    assert ratio.min() > 0.3
    assert ratio.max() < 3


def test_rolls_move_the_traded_price_and_not_the_adjusted_one(market: Market, returns: pd.DataFrame) -> None:
    for name, rolls_a_year in (("ES", 4), ("BUND", 4), ("VIX", 12), ("BRENT", 12)):
        prices, adjusted = market.prices[name].dropna(), market.adjusted[name].dropna()
        gap = (prices.diff() - adjusted.diff()).iloc[1:]
        rolls = gap[gap.abs() > 1e-9 * prices.iloc[1:]]
        assert len(rolls) == rolls_a_year * (2023 - prices.index[0].year + 1)
        assert rolls.index.day.to_series().between(10, 20).all()
        assert rolls.index.equals(market.days[market.rolls()[name]])
        assert (market.rolls_a_year()[name] == rolls_a_year).all()
        assert adjusted.iloc[-1] == prices.iloc[-1]
        assert not np.allclose(adjusted, prices)
        # Between rolls the change of the traded price is the return.
        calm = gap.index.difference(rolls.index)
        np.testing.assert_allclose(prices.pct_change()[calm], returns.loc[calm, name], rtol=0, atol=1e-12)


def test_returns_are_the_same_whatever_the_gaps(returns: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "carry", lambda price, *rest: np.zeros_like(price))
    flat = simulated_market()
    np.testing.assert_allclose(flat.adjusted, flat.prices, rtol=1e-9)
    before = flat.prices.ffill().shift()  # one of these is below a tenth of the year's median: it has another reference
    np.testing.assert_allclose((flat.adjusted - flat.adjusted.ffill().shift()) / before, returns, rtol=0, atol=1e-9)


def test_a_price_far_above_the_typical_one_is_backwardated_and_one_far_below_is_not() -> None:
    typical, volatility, premium = np.full(3, 50.0), np.full(3, 0.2), np.zeros(3)
    below, at, above = carry(np.array([20.0, 50.0, 125.0]), typical, volatility, premium)
    assert below < at < 0 < above  # at the typical price: half the variance
    assert at == pytest.approx(-0.02)
    np.testing.assert_allclose(carry(typical, typical, volatility, premium + 0.5) - at, 0.1)


@pytest.mark.parametrize(("full", "micro"), TWINS)
def test_full_size_and_micro_have_one_price(market: Market, full: str, micro: str) -> None:
    start = market.prices[micro].first_valid_index()
    assert start is not None
    assert start > market.prices[full].first_valid_index()
    for frame in (market.prices, market.adjusted):
        pd.testing.assert_series_equal(frame[full][start:], frame[micro][start:], check_names=False, check_exact=True)
    assert (TABLE.loc[full, ["price", "volatility"]] == TABLE.loc[micro, ["price", "volatility"]]).all()
    assert TABLE.loc[full, "multiplier"] == 10 * TABLE.loc[micro, "multiplier"]


def test_many_instruments_start_late_and_all_leave_ten_years(market: Market, plan: pd.DataFrame) -> None:
    assert plan.index.tolist() == TABLE.index.tolist()
    begins = market.prices.apply(lambda price: price.first_valid_index().year)
    assert begins.to_dict() == plan["first_year"].to_dict()
    assert (begins > 2004).sum() >= 15
    assert begins.max() <= 2013
    assert market.prices.iloc[-1].notna().all()


def test_regions_have_their_own_holidays(market: Market, plan: pd.DataFrame) -> None:
    there = market.prices.notna()
    for day, shut in {"2013-07-04": "US10", "2013-05-01": "BUND", "2014-08-25": "GILT", "2015-02-11": "JGB_mini",
                      "2013-08-15": "KR10"}.items():  # fmt: skip
        open_there = set(plan.loc[list(there.columns[there.loc[day]]), "region"])
        assert open_there == set(REGIONS) - {plan.loc[shut, "region"]}
    assert not there.loc["2013-03-29", ["US10", "BUND", "GILT"]].any()  # Good Friday
    assert there.loc["2013-03-29", ["JGB_mini", "KR10"]].all()
    assert not ((market.days.month == 1) & (market.days.day == 1)).any()
    assert not ((market.days.month == 12) & (market.days.day == 25)).any()
    assert there.index.day_of_week.max() == 4


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_is_closed_between_two_and_ten_weekdays_a_year(region: str) -> None:
    days = pd.bdate_range("2004-01-01", "2023-12-31")
    assert pd.Series(closed(region, days), index=days).groupby(days.year).sum().between(2, 10).all()


def test_rates_are_there_every_day_and_stay_near_the_typical_ones(market: Market) -> None:
    assert set(market.fx) == set(TABLE["currency"]) == {"USD", "EUR", "GBP", "CHF", "JPY", "KRW"}
    assert market.fx.notna().all().all()
    ratio = market.fx / TABLE.groupby("currency")["fx"].first()
    assert ratio.min().min() > 0.5
    assert ratio.max().max() < 2
    daily = np.log(market.fx.drop(columns="USD")).diff().std() * 16
    assert daily.between(0.07, 0.09).all()


def test_example_problems_are_still_those_of_the_first_32_contracts() -> None:
    problem = example_problem(250_000)
    assert problem.instruments == tuple(TABLE.index[:32])
    np.testing.assert_allclose(
        problem.covariance[0, :3], [0.00031079916077009516, 0.000589075445152061, 0.0007430420488902866], rtol=1e-12
    )
    np.testing.assert_allclose(
        problem.optimal_positions[:3], [-1.6679168219763973, -1.0768936436335823, -0.8653284778446784], rtol=1e-12
    )
    assert problem.covariance.sum() == pytest.approx(5.277875735520367, rel=1e-12)
    assert problem.previous_positions.sum() == -4


def test_guide_frames_have_the_days_and_the_returns_of_the_market(market: Market, returns: pd.DataFrame) -> None:
    data, instruments = guide_frames(market)
    assert tuple(data) == market.instruments
    columns = ["Symbol", "Name", "Multiplier", "Currency", "Asset_Class", "Underlying", "SR_cost"]
    assert instruments.columns.tolist() == columns
    assert tuple(instruments["Symbol"]) == market.instruments
    for name in ("ES_micro", "FTSE100"):
        frame = data[name]
        assert frame.columns.tolist() == ["Last", "returns", "FX", "Contract_Month"]
        assert frame.index.name == "Time"
        assert frame.index.equals(market.prices[name].dropna().index[1:])
        np.testing.assert_array_equal(frame["returns"], returns[name].dropna())
        np.testing.assert_array_equal(frame["Last"], market.prices[name].dropna()[1:])
        np.testing.assert_array_equal(frame["FX"], market.fx.loc[frame.index, market.specifications["currency"][name]])
    assert instruments.set_index("Symbol")["Underlying"][["ES", "ES_micro", "FTSE100"]].tolist() == [
        "SP500",
        "SP500",
        "FTSE100",
    ]
    costs = instruments.set_index("Symbol")["SR_cost"]
    assert costs.between(0, 0.02).all()
    assert costs["ES"] < costs["ES_micro"]


def small_market(**changes: float) -> Market:
    days = pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-03"])
    given = {"multiplier": 50.0, "half_spread": 0.25, "commission": 2.5} | changes
    return Market(
        prices=pd.DataFrame({"A": 100.0}, index=days),
        adjusted=pd.DataFrame({"A": [7.0, 8.0, 7.0]}, index=days),
        fx=pd.DataFrame({"USD": 1.0}, index=days),
        specifications=pd.DataFrame({"currency": "USD", "asset_class": "Bond", **given}, index=["A"]),
    )


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({}, 15 / (5000 * 0.16 * np.sqrt(2))),  # the sample deviation of +1 % and −1 % is √2 %, times 16 a year
        ({"commission_share": 0.001}, 17.5 / (5000 * 0.16 * np.sqrt(2))),
        ({"commission_share": 0.0001}, 15 / (5000 * 0.16 * np.sqrt(2))),
        ({"sr_cost": 0.02}, 0.02),
    ],
)
def test_the_cost_of_a_trade_is_a_share_of_annual_risk(changes: dict[str, float], cost: float) -> None:
    data, instruments = guide_frames(small_market(**changes))
    assert instruments["SR_cost"].tolist() == pytest.approx([cost])
    assert data["A"]["returns"].tolist() == [0.01, -0.01]


def test_guide_frames_want_prices_that_move_on_three_days() -> None:
    market = small_market()
    with pytest.raises(HistoryError, match="three days"):
        guide_frames(market.between(end="2020-01-02"))
    still = Market(market.prices, market.prices, market.fx, market.specifications)
    with pytest.raises(HistoryError, match="never moves"):
        guide_frames(still)


def test_the_market_does_not_depend_on_the_number_of_threads() -> None:
    code = "from dynopt_milp import simulated_market; print(simulated_market(3).fingerprint())"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
