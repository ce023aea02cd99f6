"""From prices to one rebalance: volatility, forecasts, correlation, costs, sizing, weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import OAS, LedoitWolf

from dynopt_milp.data import Market, read_pysystemtrade, simulated_market
from dynopt_milp.data.days import to_day
from dynopt_milp.errors import DataError, HistoryError, InputError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.strategy.correlation import (
    BlendedCorrelation,
    Correlation,
    ExponentialCorrelation,
    FittedCorrelation,
    WindowCorrelation,
    of_market,
    weekly_returns,
)
from dynopt_milp.strategy.costs import contract_values, quoted_costs, sr_costs
from dynopt_milp.strategy.factor_correlation import FactorCorrelation
from dynopt_milp.strategy.forecasts import EWMAC_SCALARS, TrendFollowing, ewmac, long_only
from dynopt_milp.strategy.inputs import CLOSED_AFTER, Inputs
from dynopt_milp.strategy.nonlinear_shrinkage import NonlinearShrinkage
from dynopt_milp.strategy.presets import BOOK
from dynopt_milp.strategy.sizing import diversification_multiplier, optimal_positions
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.strategy.volatility import EwmaVolatility
from dynopt_milp.trades.from_prices import problem_of_day
from tests.conftest import shared

NAMES = ["US10", "BUND", "ES", "ES_micro", "GOLD_micro", "EUR_micro", "CRUDE_mini", "CORN"]


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=NAMES, start="2008-01-01", end="2014-12-31")


@pytest.fixture(scope="module")
def inputs(market: Market) -> Inputs:
    return Inputs(market, Strategy(), 500_000.0)


def flat_market(days: int = 120, **prices: list[float]) -> Market:
    """Prices by instrument on business days, in dollars, multiplier 10, without costs."""
    index = pd.bdate_range("2020-01-01", periods=days)
    frame = pd.DataFrame(prices, index=index)
    table = pd.DataFrame({"multiplier": 10.0, "currency": "USD", "asset_class": "Equity"}, index=frame.columns)
    return Market(frame, frame, pd.DataFrame({"USD": 1.0}, index=index), table)


def test_volatility_is_the_exponentially_weighted_standard_deviation_by_its_definition(market: Market) -> None:
    daily = market.returns()["CORN"].dropna().to_numpy()[:300]
    keep = 1 - 2 / 33
    weights = keep ** np.arange(len(daily))[::-1]
    weights /= weights.sum()
    biased = weights @ (daily - weights @ daily) ** 2
    expected = np.sqrt(biased / (1 - (weights**2).sum()) * 256)
    day = market.returns()["CORN"].dropna().index[299]
    assert EwmaVolatility()(market).loc[day, "CORN"] == pytest.approx(expected, rel=1e-12)


def test_volatility_waits_for_fifty_returns_and_blends_in_the_long_run(market: Market) -> None:
    plain, blended = EwmaVolatility()(market), EwmaVolatility(long_run_weight=0.3)(market)
    own = market.returns()["US10"].dropna().index
    assert np.isnan(plain.loc[own[48], "US10"])
    assert plain.loc[own[49], "US10"] > 0
    day = market.days[-1]
    long_run = plain["US10"].reindex(own).dropna().mean()
    assert blended.loc[day, "US10"] == pytest.approx(0.7 * plain.loc[day, "US10"] + 0.3 * long_run, rel=1e-9)


def test_a_crossover_of_a_straight_line_has_a_closed_form() -> None:
    # On a line the EWMA of span s ends up (s − 1)/2 days behind: fast − slow tends to slope × (s_slow − s_fast)/2.
    days = 3000
    slope, level = 0.5, 5000.0
    wiggle = np.where(np.arange(days) % 2, 5.0, -5.0)  # so that there is a volatility
    line = flat_market(days, A=list(level + slope * np.arange(days) + wiggle))
    sigma = EwmaVolatility()(line)["A"].iloc[-1] * line.prices["A"].iloc[-1] / 16
    expected = EWMAC_SCALARS[16] * slope * (64 - 16) / 2 / sigma
    assert 0.5 < expected < 20
    assert ewmac(line, 16)["A"].iloc[-1] == pytest.approx(expected, rel=0.05)


def test_forecasts_are_capped_and_ten_on_average() -> None:
    whole = TrendFollowing()(simulated_market())
    assert whole.abs().max().max() == 20.0
    assert 7 < whole.abs().mean().mean() < 13  # the scalars are the book's, for real futures


def test_forecasts_do_not_depend_on_the_level_of_the_back_adjusted_price(market: Market) -> None:
    moved = Market(market.prices, market.adjusted + 12_345.0, market.fx, market.specifications)
    pd.testing.assert_frame_equal(TrendFollowing()(moved), TrendFollowing()(market), rtol=1e-6, atol=1e-6)


def test_an_unknown_span_is_refused(market: Market) -> None:
    with pytest.raises(InputError, match=r"spans: expected some of the spans 2, 4, 8, 16, 32, 64, found \(17,\)"):
        TrendFollowing(spans=(17,))(market)
    with pytest.raises(InputError, match="fast: there is no scalar"):
        ewmac(market, 5)


ESTIMATORS: list[Correlation] = [
    ExponentialCorrelation(),
    ExponentialCorrelation(span=5, shrinkage=0.3),
    WindowCorrelation(weeks=3),
    WindowCorrelation(weeks=52),
    FittedCorrelation(LedoitWolf(), weeks=40),
    FittedCorrelation(OAS(), weeks=20, shrinkage=0.1),
    FittedCorrelation(NonlinearShrinkage(), weeks=40),
    FittedCorrelation(NonlinearShrinkage(), weeks=5),
    FactorCorrelation(),
    FactorCorrelation(ExponentialCorrelation(), shrinkage=0.1),
    BlendedCorrelation(),
]


@pytest.mark.parametrize("estimate", ESTIMATORS, ids=repr)
def test_correlations_are_positive_semi_definite_with_unit_diagonal_in_every_week(estimate: Correlation) -> None:
    ragged = simulated_market(start="2007-01-01", end="2009-12-31", instruments=None)  # some start in between
    weekly = weekly_returns(ragged)
    assert weekly.isna().any().any()
    every = of_market(estimate, ragged)(weekly)
    assert every.shape == (len(weekly), weekly.shape[1], weekly.shape[1])
    assert (np.diagonal(every, axis1=1, axis2=2) == 1).all()
    assert np.abs(every).max() <= 1
    assert np.linalg.eigvalsh(every).min() > -1e-12


def test_an_estimate_that_is_not_positive_semi_definite_is_repaired() -> None:
    class Indefinite:
        def fit(self, rows: np.ndarray) -> Indefinite:
            self.covariance_ = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]])
            return self

    weekly = pd.DataFrame(np.random.default_rng(1).normal(size=(30, 3)))
    every = FittedCorrelation(Indefinite())(weekly)
    assert np.linalg.eigvalsh(every[-1]).min() > -1e-12
    assert every[-1][0, 1] > 0 > every[-1][1, 2]


def test_the_exponential_correlation_is_that_of_pandas_where_nothing_is_missing(market: Market) -> None:
    weekly = weekly_returns(market)[["US10", "CORN"]].dropna()
    ours = ExponentialCorrelation(span=25)(weekly)[-1][0, 1]
    theirs = weekly.ewm(span=25).corr().loc[weekly.index[-1]].loc["US10", "CORN"]
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_the_window_correlation_is_that_of_numpy(market: Market) -> None:
    weekly = weekly_returns(market).dropna()
    assert WindowCorrelation(30)(weekly)[-1] == pytest.approx(np.corrcoef(weekly.to_numpy()[-30:].T), abs=1e-12)


def test_shrinkage_takes_a_share_off_every_correlation(market: Market) -> None:
    weekly = weekly_returns(market)
    full, half = ExponentialCorrelation()(weekly)[-1], ExponentialCorrelation(shrinkage=0.5)(weekly)[-1]
    assert half[0, 1] == pytest.approx(full[0, 1] / 2)
    assert ExponentialCorrelation(shrinkage=1.0)(weekly)[-1] == pytest.approx(np.eye(len(full)))


@pytest.mark.parametrize(
    ("estimate", "field"),
    [
        (ExponentialCorrelation(span=0.5), "span"),
        (ExponentialCorrelation(shrinkage=-0.1), "shrinkage"),
        (ExponentialCorrelation(shrinkage=1.1), "shrinkage"),
        (WindowCorrelation(weeks=1), "weeks"),
        (FittedCorrelation("LedoitWolf"), "estimator"),
    ],
    ids=repr,
)
def test_settings_of_correlation_that_make_no_sense_are_refused(
    market: Market, estimate: Correlation, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        estimate(weekly_returns(market))
    assert caught.value.field == field


def test_full_size_and_micro_contracts_are_perfectly_correlated_and_still_solvable(inputs: Inputs) -> None:
    day = inputs.market.days[-10]
    book = Inputs(inputs.market, BOOK.of(Strategy()), 250_000.0)
    assert book.correlation(day).loc["ES", "ES_micro"] == pytest.approx(1.0, abs=1e-6)
    assert inputs.correlation(day).loc["ES", "ES_micro"] < 0.75  # the recommended shrinkage, by 0.3
    assert inputs.problem(day).program().size == len(NAMES)


def test_the_position_formula_of_the_book() -> None:
    # 20 × 100,000 × 2.5 × 0.1 × 0.2 ÷ (10 × 5 × 4,000 × 0.15); the forecast of 35 is capped at 20.
    position = optimal_positions(
        np.array([35.0]), capital=100_000, multiplier=2.5, weights=np.array([0.1]), risk_target=0.2,
        contract_values=np.array([20_000.0]), volatility=np.array([0.15]),
    )  # fmt: skip
    assert position[0] == pytest.approx(100_000 / 30_000)


def test_the_diversification_multiplier() -> None:
    half, rho = np.array([0.5, 0.5]), np.array([[1.0, -0.5], [-0.5, 1.0]])
    assert diversification_multiplier(half, np.eye(2)) == pytest.approx(np.sqrt(2))
    assert diversification_multiplier(half, np.ones((2, 2))) == pytest.approx(1.0)
    assert diversification_multiplier(half, rho) == pytest.approx(np.sqrt(2))  # negative counts as zero
    assert diversification_multiplier(half, rho, floor=False) == pytest.approx(2.0)
    assert diversification_multiplier(np.full(100, 0.01), np.eye(100)) == 2.5


def test_the_whole_chain_of_one_position(inputs: Inputs) -> None:
    market, day = inputs.market, inputs.market.days[-20]
    wanted = inputs.target_positions(day)
    value = 10.0 * float(market.prices.loc[:day, "GOLD_micro"].dropna().iloc[-1])
    forecast = float(TrendFollowing()(market).loc[:day, "GOLD_micro"].ffill().iloc[-1])
    sigma = float(EwmaVolatility()(market).loc[day, "GOLD_micro"])
    expected = forecast * 500_000 * wanted.multiplier * wanted.weights["GOLD_micro"] * 0.2 / (10 * value * sigma)
    assert wanted.optimal_positions["GOLD_micro"] == pytest.approx(expected)
    problem = inputs.problem(day)
    place = problem.instruments.index("GOLD_micro")
    assert problem.weight_per_contract[place] == pytest.approx(value / 500_000)
    cost = float(quoted_costs(market).loc[day, "GOLD_micro"])
    assert problem.cost_in_weight_terms[place] * problem.weight_per_contract[place] == pytest.approx(cost / 500_000)
    assert np.sqrt(problem.covariance[place, place]) == pytest.approx(sigma)


def test_costs_are_half_the_spread_and_the_larger_commission_in_the_base_currency() -> None:
    real = read_pysystemtrade(shared("data/pysystemtrade"), instruments=["KOSPI", "SMI"])
    day = pd.Timestamp("2018-06-15")
    costs, values = quoted_costs(real).loc[day], contract_values(real).loc[day]
    won, franc = real.rates().loc[day, "KOSPI"], real.rates().loc[day, "SMI"]
    assert costs["KOSPI"] == pytest.approx(0.025 * 500_000 * won + 0.0004 * values["KOSPI"])  # PerBlock is 0
    assert costs["SMI"] == pytest.approx((1.0 * 10 + 4.0) * franc)
    as_risk = sr_costs(quoted_costs(real), contract_values(real), EwmaVolatility()(real)).loc[day, "SMI"]
    assert as_risk == pytest.approx(costs["SMI"] / values["SMI"] / EwmaVolatility()(real).loc[day, "SMI"])


def test_a_cost_given_as_a_share_of_risk(market: Market) -> None:
    table = market.specifications.assign(sr_cost=0.002, half_spread=0.0, commission=0.0)
    other = Market(market.prices, market.adjusted, market.fx, table)
    again = sr_costs(quoted_costs(other), contract_values(other), EwmaVolatility()(other)).iloc[-1]
    assert again.to_numpy() == pytest.approx(0.002)


def test_weights_follow_the_instruments_that_are_alive() -> None:
    late = simulated_market(start="2006-06-01", end="2013-12-31")
    inputs = Inputs(late, Strategy(), 1e6)
    early, after = pd.Timestamp("2007-01-03"), late.days[-1]
    assert len(inputs.alive(early)) < len(inputs.alive(after)) == len(late.instruments)
    for day in (early, after):
        assert inputs.weights(day).sum() == pytest.approx(1.0)
        classes = late.specifications["asset_class"].replace(
            {"Energy": "Commodity", "Metal": "Commodity", "Agriculture": "Commodity"}
        )
        shares = inputs.weights(day).groupby(classes).sum()
        assert shares.to_numpy() == pytest.approx(1 / len(shares))


def test_given_weights_are_renormalised_over_what_is_there() -> None:
    late = simulated_market(instruments=["US10", "ES", "ES_micro"], start="2006-01-01")
    inputs = Inputs(late, Strategy(weights={"US10": 1.0, "ES_micro": 3.0}), 1e6)
    before, after = pd.Timestamp("2007-06-01"), late.days[-1]
    assert inputs.weights(before).to_dict() == {"ES": 0.0, "US10": 1.0}
    assert inputs.weights(after).to_dict() == {"ES": 0.0, "ES_micro": 0.75, "US10": 0.25}
    assert inputs.problem(after).instruments == ("ES_micro", "US10")
    assert inputs.problem(after, {"ES": 2}).instruments == ("ES", "ES_micro", "US10")  # held, to be sold


def test_nothing_trades_in_a_market_that_is_closed(market: Market) -> None:
    days = market.days
    shut = days[-(CLOSED_AFTER + 2) :]
    prices, adjusted = market.prices.copy(), market.adjusted.copy()
    prices.loc[shut, "CORN"] = np.nan
    adjusted.loc[shut, "CORN"] = np.nan
    inputs = Inputs(Market(prices, adjusted, market.fx, market.specifications), Strategy(), 5e6)
    problem = inputs.problem(days[-1], {"CORN": 3}, limits=lambda _: Limits(long_only=True))
    place = problem.instruments.index("CORN")
    assert problem.lower[place] == problem.upper[place] == 3
    assert problem.lower[problem.instruments.index("US10")] == 0


def test_an_instrument_without_a_price_for_ninety_days_is_gone(market: Market) -> None:
    prices, adjusted = market.prices.copy(), market.adjusted.copy()
    prices.loc["2014-06-01":, "CORN"] = np.nan
    adjusted.loc["2014-06-01":, "CORN"] = np.nan
    inputs = Inputs(Market(prices, adjusted, market.fx, market.specifications), Strategy(), 5e6)
    assert "CORN" in inputs.alive(pd.Timestamp("2014-08-01"))
    assert "CORN" not in inputs.alive(pd.Timestamp("2014-10-01"))


def test_the_rebalance_of_a_day_knows_nothing_later(market: Market) -> None:
    day = "2012-05-12"  # a Saturday: Friday counts
    problem = problem_of_day(market, Strategy(), 5e5, day, {"US10": 1})
    cut = Inputs(market.between(end="2012-05-11"), Strategy(), 5e5)
    assert (
        problem.optimal_positions.tolist()
        == cut.target_positions(pd.Timestamp("2012-05-11")).optimal_positions.tolist()
    )
    assert problem.previous_positions[problem.instruments.index("US10")] == 1


def test_days_and_holdings_that_make_no_sense_are_refused(market: Market) -> None:
    with pytest.raises(HistoryError, match="date: 2031-01-01 is outside the data"):
        problem_of_day(market, Strategy(), 5e5, "2031-01-01")
    with pytest.raises(InputError, match="date: expected a date as 2019-12-31, found 'first of May'"):
        problem_of_day(market, Strategy(), 5e5, "first of May")
    with pytest.raises(InputError, match="held of COCOA"):
        problem_of_day(market, Strategy(), 5e5, "2012-05-11", {"COCOA": 1})
    with pytest.raises(HistoryError, match="no instrument of the strategy"):
        problem_of_day(market, Strategy(), 5e5, "2008-01-15")
    with pytest.raises(DataError, match="is not a day of this market"):
        Inputs(market, Strategy(), 5e5).target_positions(pd.Timestamp("2012-05-12"))


@pytest.mark.parametrize(
    ("part", "function", "message"),
    [
        ("forecasts", lambda market: market.prices.iloc[:-1], "forecasts: expected a DataFrame with the days"),
        ("forecasts", lambda market: 10.0, "forecasts: expected a DataFrame"),
        ("forecasts", lambda market: long_only(market).assign(COCOA=1.0), "forecasts of COCOA: is not in the market"),
        ("forecasts", lambda market: long_only(market) / 0.0, "forecasts of BUND: expected a finite number"),
        ("forecasts", lambda market: long_only(market).astype(str) + "x", "forecasts: expected numbers"),
        ("volatility", lambda market: -long_only(market), "volatility of BUND: expected a finite number of at least 0"),
        ("costs", lambda market: -long_only(market), "costs of BUND: expected a finite number of at least 0"),
        ("correlation", lambda weekly: np.eye(3), "correlation: expected finite correlations of shape"),
        ("weights", lambda universe: pd.Series({"COCOA": 1.0}), "weights of COCOA: has a share"),
        ("weights", lambda universe: pd.Series({"BUND": -1.0}), "weights of BUND: expected a share"),
    ],
)
def test_what_a_function_of_the_strategy_returns_is_checked(
    market: Market, part: str, function: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Inputs(market, Strategy(**{part: function}), 5e5).target_positions(market.days[-1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "value"),
    [("forecasts", 10.0), ("risk_target", 0.0), ("risk_target", "0.2"), ("multiplier_cap", 0.5), ("weights", {})],
)
def test_a_strategy_that_makes_no_sense_is_refused(part: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        Strategy(**{part: value})  # type: ignore[arg-type]
    assert caught.value.field == part


@pytest.mark.parametrize("written", ["01/02/2019", "2019", "Jan 2019", "2019-02-30", "2019-1-2", 20190102, None, ""])
def test_a_date_that_could_be_another_is_not_guessed(written: object) -> None:
    with pytest.raises(DataError, match="start: expected a date as 2019-12-31"):
        to_day(written, "start")


def test_days_are_read_from_what_python_calls_days() -> None:
    day = pd.Timestamp("2019-12-31")
    for written in ("2019-12-31", day, day.date(), day.to_pydatetime(), day.tz_localize("UTC"), day.to_datetime64()):
        assert to_day(written, "start") == day


def test_a_share_for_an_instrument_that_is_not_in_the_market_is_refused(market: Market) -> None:
    with pytest.raises(InputError, match="weights of BUDN: is not in the market"):
        Inputs(market, Strategy(weights={"US10": 1.0, "BUDN": 1.0}), 5e5)
