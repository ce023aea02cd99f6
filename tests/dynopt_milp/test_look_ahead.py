"""Functions that use the future are caught; those of this package, and whole backtests, do not use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.backtests.run import backtest
from dynopt_milp.data.market import Market
from dynopt_milp.data.simulation.simulated import simulated_market
from dynopt_milp.errors import HistoryError, InputError, LookAheadError
from dynopt_milp.strategy import (
    BlendedCorrelation,
    ExponentialCorrelation,
    FactorCorrelation,
    FittedCorrelation,
    NonlinearShrinkage,
    WindowCorrelation,
)
from dynopt_milp.strategy.costs import quoted_costs
from dynopt_milp.strategy.folds import walk_forward
from dynopt_milp.strategy.forecasts import TrendFollowing, ewmac, long_only
from dynopt_milp.strategy.look_ahead import check_no_look_ahead
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.strategy.volatility import EwmaVolatility

INSTRUMENTS = ["CORN", "CRUDE_mini", "ES_micro", "EUR_micro", "US10"]
Function = Callable[[Market], Any]


@cache
def market() -> Market:
    return simulated_market(3, instruments=INSTRUMENTS, start="2014-01-01", end="2017-11-15")


@cache
def late() -> Market:
    """The same, but crude oil only has prices from August 2017 on: it is in none of the cut markets."""
    whole = market()
    before = np.outer(whole.days < pd.Timestamp("2017-08-01"), np.array(whole.instruments) == "CRUDE_mini")
    return replace(whole, prices=whole.prices.mask(before), adjusted=whole.adjusted.mask(before))


OWN = {
    "trend following": TrendFollowing(),
    "its spans": TrendFollowing(spans=(2, 4)),
    "a crossover": partial(ewmac, fast=8),
    "long only": long_only,
    "volatility": EwmaVolatility(),
    "volatility with a long run": EwmaVolatility(long_run_weight=0.3),
    "costs": quoted_costs,
}


@pytest.mark.parametrize("on", [market, late])
@pytest.mark.parametrize("function", OWN.values(), ids=OWN.keys())
def test_the_functions_of_this_package_do_not_look_ahead(function: Function, on: Callable[[], Market]) -> None:
    check_no_look_ahead(function, on())


def fitted(horizon: int, every: str = "yearly") -> Function:
    """The mean move over the next five days so far, known up to ``horizon`` days before a period."""

    def function(market: Market) -> pd.DataFrame:
        ahead = market.adjusted.ffill().diff(5).shift(-5)
        result = pd.DataFrame(np.nan, index=market.days, columns=market.prices.columns)
        for fold in walk_forward(market.days, horizon=horizon, every=every):
            result.loc[fold.ahead] = ahead.loc[fold.known].mean().to_numpy()
        return result

    return function


PEEKING: dict[str, Function] = {
    "tomorrow's return": lambda market: 10 * np.sign(market.returns().shift(-1)),
    "one day ahead": lambda market: TrendFollowing()(market).shift(-1),
    "the standard deviation of all days": lambda market: TrendFollowing()(market) / TrendFollowing()(market).std(),
    "filled backwards": lambda market: market.prices.bfill().rolling(20, center=True).mean(),
    "the end of the week": lambda market: market.prices.resample("W-FRI").last().reindex(market.days, method="bfill"),
    "labels that reach into the year": fitted(horizon=3),
    "labels that reach into the month": fitted(horizon=3, every="monthly"),
}


@pytest.mark.parametrize("function", PEEKING.values(), ids=PEEKING.keys())
def test_what_looks_ahead_is_caught(function: Function) -> None:
    with pytest.raises(LookAheadError, match="uses what comes later") as caught:
        check_no_look_ahead(function, market())
    assert caught.value.instrument in INSTRUMENTS


@pytest.mark.parametrize("every", ["yearly", "quarterly", "monthly"])
def test_a_model_fitted_walk_forward_on_labels_that_are_known_passes(every: str) -> None:
    # Every day of one January and February: whatever is refitted there, on any day, is cut.
    days = market().prices.loc["2016-01":"2016-02"].index
    check_no_look_ahead(fitted(horizon=5, every=every), market(), days=days)


def test_the_message_has_instrument_day_both_numbers_and_what_to_do() -> None:
    one = market().select(["US10"])
    cut = one.days[600]

    def peek(given: Market) -> pd.DataFrame:
        return given.prices.shift(-1)

    with pytest.raises(LookAheadError) as caught:
        check_no_look_ahead(peek, one, days=[cut])
    message = str(caught.value)
    assert caught.value.instrument == "US10"
    assert isinstance(caught.value, InputError)
    assert f"on {cut.date()}" in message
    assert f"{one.prices['US10'].iloc[601]:.10g}" in message
    assert "nan if they are not" in message
    assert "walk_forward" in message


def test_the_first_day_and_instrument_that_differ_are_named() -> None:
    def rank(given: Market) -> pd.DataFrame:
        return given.prices / given.prices.iloc[-1]

    with pytest.raises(LookAheadError, match=f"on {market().days[0].date()}") as caught:
        check_no_look_ahead(rank, market())
    assert caught.value.instrument == min(INSTRUMENTS)


def test_round_off_passes_and_what_is_larger_does_not() -> None:
    def wobbling(size: float) -> Function:
        return lambda market: market.prices * (1 + size * len(market.days))

    check_no_look_ahead(wobbling(1e-14), market())
    with pytest.raises(LookAheadError):
        check_no_look_ahead(wobbling(1e-9), market())
    check_no_look_ahead(wobbling(1e-9), market(), tolerance=1e-5)


def test_an_infinity_is_only_close_to_itself() -> None:
    def endless(given: Market) -> pd.DataFrame:
        return given.prices.mask(given.prices > 0, np.inf if len(given.days) == len(market().days) else 1.0)

    check_no_look_ahead(lambda given: given.prices.mask(given.prices > 0, np.inf), market())
    with pytest.raises(LookAheadError, match="it is inf"):
        check_no_look_ahead(endless, market())


def test_numbers_near_zero_are_measured_by_the_size_of_the_others() -> None:
    def alternating(market: Market) -> pd.DataFrame:
        values = 10.0 * (np.arange(len(market.days)) % 3 > 0) + 1e-13 * len(market.days)
        return pd.DataFrame({"US10": values}, index=market.days)

    assert alternating(market())["US10"].iloc[0] < 1e-9  # where a zero should be
    check_no_look_ahead(alternating, market())


def test_an_instrument_that_comes_later_may_say_something_before_it_came() -> None:
    check_no_look_ahead(long_only, late())  # 10 everywhere; nothing is held without a price


def test_columns_left_out_are_instruments_it_says_nothing_of() -> None:
    check_no_look_ahead(lambda market: EwmaVolatility()(market)[["US10"]], market())

    def forgets(given: Market) -> pd.DataFrame:
        return given.prices[["US10"] if given.days[-1] == market().days[-1] else ["CORN", "US10"]]

    with pytest.raises(LookAheadError, match="it is nan"):
        check_no_look_ahead(forgets, market())


@pytest.mark.parametrize(
    "returned",
    [
        lambda market: market.prices.to_numpy(),
        lambda market: market.prices.iloc[1:],
        lambda market: market.prices.astype(str) + "x",
        lambda market: pd.concat([market.prices, market.prices], axis=1),
    ],
)
def test_what_is_not_numbers_by_day_is_refused(returned: Any) -> None:
    with pytest.raises(InputError):
        check_no_look_ahead(returned, market())


@pytest.mark.parametrize("day", ["2000-01-01", "2017-11-15", "2030-01-01", "yesterday"])
def test_days_must_leave_something_on_both_sides(day: str) -> None:
    with pytest.raises(InputError, match="days"):
        check_no_look_ahead(long_only, market(), days=[day])


def test_it_cuts_within_a_month_and_where_a_month_and_a_year_begin() -> None:
    ends: list[pd.Timestamp] = []

    def listening(given: Market) -> pd.DataFrame:
        ends.append(given.days[-1])
        return given.prices

    check_no_look_ahead(listening, market())
    days = market().days
    whole, *cuts = ends
    assert whole == days[-1]
    assert len(cuts) == 3
    assert all(days[len(days) // 2 - 1] <= cut < days[-1] for cut in cuts)
    before = [days[int(days.searchsorted(cut)) - 1] for cut in cuts]
    assert sum(cut.year != day.year for cut, day in zip(cuts, before, strict=True)) == 1
    assert sum(cut.month != day.month for cut, day in zip(cuts, before, strict=True)) == 2


def test_one_day_has_no_future_to_cut() -> None:
    with pytest.raises(HistoryError):
        check_no_look_ahead(long_only, market().between("2017-11-15"))
    with pytest.raises(LookAheadError):
        check_no_look_ahead(lambda given: given.prices.shift(-1), market().between("2017-11-14"))


def with_another_future(whole: Market, day: pd.Timestamp) -> Market:
    """The same up to a day; after it every price, traded and back-adjusted, and every rate is another."""
    after = (whole.days > day)[:, None]
    random = np.random.default_rng(7)
    path = np.exp(np.cumsum(0.03 * random.normal(size=whole.prices.shape) * after, axis=0))
    fx = whole.fx.where(~after | (whole.fx == 1), whole.fx * path[:, :1])
    adjusted = whole.adjusted - whole.prices + whole.prices * path
    assert whole.contract_months is not None
    months = whole.contract_months.mask(after & (random.random(whole.prices.shape) < 0.1))
    return replace(whole, prices=whole.prices * path, adjusted=adjusted, fx=fx, contract_months=months)


@pytest.mark.parametrize("frequency", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("place", [500, 757, -3])
def test_positions_do_not_depend_on_what_comes_after(frequency: str, place: int) -> None:
    whole = market()
    day, after = whole.days[place], whole.days[place + 1]
    changed = with_another_future(whole, day)
    assert (changed.prices.loc[after:] != whole.prices.loc[after:]).any().all()
    begin, end = day - pd.Timedelta(days=80), day + pd.Timedelta(days=80)
    runs = [
        backtest(given, capital=300_000, optimizer="greedy", frequency=frequency, start=begin, end=end)
        for given in (whole, changed)
    ]
    # Decided after the close of the day, done on the next one: its positions are those of the last decision before.
    before, now = (run.positions.loc[:after] for run in runs)
    pd.testing.assert_frame_equal(before, now, check_exact=True)
    assert before.iloc[-1].abs().sum() > 0
    pd.testing.assert_frame_equal(runs[0].returns.loc[:day], runs[1].returns.loc[:day], check_exact=True)
    if place > 0:
        assert not runs[0].positions.equals(runs[1].positions)  # the change is large enough to be seen


def test_a_strategy_that_looks_ahead_would_be_seen_in_its_positions() -> None:
    whole = market()
    day = whole.days[757]
    peeking = Strategy(forecasts=PEEKING["one day ahead"])
    runs = [
        backtest(
            given, peeking, capital=300_000, optimizer="greedy", frequency="daily", start="2016-10-03", end="2017-01-31"
        )
        for given in (whole, with_another_future(whole, day))
    ]
    assert not runs[0].positions.loc[: whole.days[758]].equals(runs[1].positions.loc[: whole.days[758]])


class Indefinite:
    """Its covariance has a negative eigenvalue where the first instrument moved much in the last week."""

    def fit(self, rows: np.ndarray) -> Indefinite:
        size = rows.shape[1]
        self.covariance_ = np.cov(rows.T).reshape(size, size) + 0.1 * np.eye(size)
        if rows[-1, 0] > 2.5:
            self.covariance_ -= 2.0
        return self


@pytest.mark.parametrize(
    "correlation",
    [
        ExponentialCorrelation(), WindowCorrelation(20), FittedCorrelation(Indefinite(), 20),
        FittedCorrelation(NonlinearShrinkage(), 20), BlendedCorrelation(),
        FactorCorrelation(WindowCorrelation(20), classes=dict(zip("01234", "aabab", strict=True)),
                          underlyings=dict(zip("01234", "xxyzw", strict=True))),
    ],
)  # fmt: skip
def test_no_bit_of_a_correlation_depends_on_later_weeks_or_instruments(correlation: Any) -> None:
    weekly = pd.DataFrame(np.random.default_rng(3).uniform(-1, 1, size=(60, 5)))
    weekly.iloc[-1, 0] = 9.0
    weekly.iloc[:-1, 2] = np.nan
    before = [0, 1, 3, 4]
    whole, part = correlation(weekly)[:-1], correlation(weekly.iloc[:-1, before])
    assert (whole[:, before][:, :, before] == part).all()
    assert np.linalg.eigvalsh(correlation(weekly)).min() > -1e-12
