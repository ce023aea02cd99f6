"""A market from frames: what is kept, what is dropped and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.data import Market, market_from_frames
from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.rows import STALE_ROWS
from dynopt_milp.errors import DataError, InputError

DAYS = pd.bdate_range("2020-01-06", periods=60)
SPECIFICATIONS = pd.DataFrame(
    {"multiplier": [50.0, 10.0], "currency": ["USD", "EUR"], "asset_class": ["Equity", "Bond"], "half_spread": 0.1},
    index=["ES", "BUND"],
)
EURO = pd.Series([1.1, 1.2], index=pd.to_datetime(["2019-12-31", "2020-02-03"]))


def prices(days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    steps = np.arange(len(days))
    return pd.DataFrame({"ES": 100.0 + steps, "BUND": 170.0 - 0.5 * steps}, index=days)


def market(frame: pd.DataFrame | None = None, specifications: pd.DataFrame = SPECIFICATIONS, **given: Any) -> Market:
    return market_from_frames(prices() if frame is None else frame, specifications, **({"fx": {"EUR": EURO}} | given))


def rules(market: Market, instrument: str) -> dict[str, int]:
    return {note.rule: note.rows for note in market.notes if note.instrument == instrument}


def test_clean_frames_come_through_unchanged_and_unremarked() -> None:
    found = market(fx={"EUR": pd.Series(1.1, index=DAYS)})
    given = prices()[["BUND", "ES"]].set_axis(DAYS.as_unit("us"))
    pd.testing.assert_frame_equal(found.prices, given, check_names=False, check_freq=False)
    assert found.notes == ()
    assert found.specifications.loc["ES", ["half_spread", "commission"]].tolist() == [0.1, 0.0]


def test_a_rate_holds_until_the_next_one_and_a_long_one_is_noted() -> None:
    found = market()
    assert found.fx["EUR"].groupby(found.fx["EUR"]).size().to_dict() == {1.1: 20, 1.2: 40}
    assert rules(found, "EURUSD") == {"gap": 0}


def test_rows_in_any_order_give_the_same_market() -> None:
    found = market(prices().sample(frac=1, random_state=3))
    assert found.fingerprint() == market().fingerprint()
    assert rules(found, "ES") == {"unsorted": 0}


def test_days_in_another_unit_give_the_same_market() -> None:
    other = prices()
    other.index = pd.DatetimeIndex(other.index).as_unit("s")
    assert market(other).fingerprint() == market().fingerprint()
    made = market()
    seconds = {field: getattr(made, field).set_axis(made.days.as_unit("s")) for field in ("prices", "adjusted", "fx")}
    assert Market(**seconds, specifications=made.specifications).fingerprint() == made.fingerprint()


def test_of_several_rows_of_a_day_the_latest_stays() -> None:
    late = prices().iloc[[5]].set_axis(DAYS[[5]] + pd.Timedelta(hours=20)) + 7
    early = prices().iloc[[5]].set_axis(DAYS[[5]] + pd.Timedelta(hours=9)) - 7
    found = market(pd.concat([prices().iloc[:5], late, early, prices().iloc[6:]]))
    assert found.prices.loc[DAYS[5], "ES"] == prices().loc[DAYS[5], "ES"] + 7
    assert rules(found, "ES") == {"unsorted": 0, "repeated day": 1}


def test_a_row_without_a_price_is_not_the_last_of_its_day() -> None:
    frame = pd.DataFrame({"price": [10.0, 11.0, np.nan, 12.0], "adjusted": [10.0, 11.0, 11.0, 12.0]})
    frame.index = pd.DatetimeIndex(["2020-01-06 20:00", "2020-01-07 10:00", "2020-01-07 20:00", "2020-01-08 20:00"])
    found = assemble_market({"ES": frame}, {}, SPECIFICATIONS)
    assert found.prices["ES"].tolist() == [10.0, 11.0, 12.0]
    assert rules(found, "ES") == {"missing price": 1}


def test_a_timestamp_with_a_zone_keeps_the_day_written_in_it() -> None:
    zoned = prices().set_axis((DAYS + pd.Timedelta(hours=23)).tz_localize("America/Chicago"))
    assert market(zoned).days.equals(market().days)


def test_the_change_over_a_weekend_row_appears_on_monday() -> None:
    days = pd.to_datetime(["2020-01-10", "2020-01-11", "2020-01-12", "2020-01-13"])  # Friday to Monday
    found = market(pd.DataFrame({"ES": [100.0, 104.0, 105.0, 110.0]}, index=days))
    assert found.returns()["ES"].tolist()[1:] == [0.1]
    assert rules(found, "ES") == {"weekend": 2}


def test_complex_prices_are_refused() -> None:
    for kind in (complex, object):
        with pytest.raises(DataError, match="expected numbers, found \\(100\\+5j\\) on"):
            market((prices() * 0 + 100 + 5j).astype(kind))


def test_a_price_below_zero_is_kept_and_percentages_are_of_a_reference_price() -> None:
    frame = prices()
    frame.loc[DAYS[7], "ES"] = -37.63
    found = market(frame, on_suspect="use")
    assert found.prices.loc[DAYS[7], "ES"] == -37.63
    median = frame["ES"].iloc[:8].median()
    assert found.reference_prices().loc[DAYS[7], "ES"] == pytest.approx(median / 10)
    others = frame.index != DAYS[7]
    assert (found.reference_prices()["ES"] == frame["ES"])[others].all()
    change = frame.loc[DAYS[8], "ES"] + 37.63
    assert found.returns().loc[DAYS[8], "ES"] == pytest.approx(change / (median / 10))
    assert rules(found, "ES") == {"below zero": 0, "large move": 0, "suspect": 0}


def test_a_price_that_stays_below_zero_has_no_reference() -> None:
    frame = -prices()
    found = market(frame)
    assert found.reference_prices().isna().all(axis=None)
    assert found.returns().isna().all(axis=None)


def test_a_day_whose_price_is_zero_is_dropped() -> None:
    frame = prices()
    frame.loc[DAYS[7], "ES"] = 0.0
    found = market(frame)
    assert np.isnan(found.prices.loc[DAYS[7], "ES"])
    assert found.returns().loc[DAYS[8], "ES"] == pytest.approx(2 / 106)
    assert rules(found, "ES") == {"zero": 1}


def test_back_adjusted_prices_may_be_negative() -> None:
    found = market(adjusted=prices() - 1000)
    pd.testing.assert_frame_equal(found.returns(), market().returns())
    assert rules(found, "ES") == {}


@pytest.mark.parametrize(("repeats", "dropped"), [(STALE_ROWS, 0), (STALE_ROWS + 1, 1), (STALE_ROWS + 5, 5)])
def test_rows_are_stale_after_ten_repeats(repeats: int, dropped: int) -> None:
    frame = prices()
    frame.iloc[20 : 21 + repeats, 0] = 120.0
    found = market(frame)
    assert rules(found, "ES").get("stale", 0) == dropped
    assert found.prices["ES"].isna().sum() == dropped
    assert rules(found, "BUND") == {}


def test_a_traded_price_that_repeats_while_the_adjusted_one_moves_is_not_stale() -> None:
    assert "stale" not in rules(market(prices() * 0 + 100, adjusted=prices()), "ES")


def test_a_large_move_is_kept_and_noted_with_its_day() -> None:
    frame = prices()
    frame.loc[DAYS[30] :, "ES"] *= 2
    found = market(frame, on_suspect="use")
    note, suspect = (note for note in found.notes if note.instrument == "ES")
    assert (suspect.rule, suspect.rows) == ("suspect", 0)
    assert (note.rule, note.rows) == ("large move", 0)
    assert f"{DAYS[30]:%Y-%m-%d}" in note.reason
    assert found.prices["ES"].notna().all()


def test_a_gap_a_late_start_and_an_early_end_are_noted() -> None:
    frame = prices()
    frame.loc[DAYS[10:18], "ES"] = np.nan
    frame.loc[: DAYS[24], "BUND"] = np.nan
    found = market(frame)
    assert (rules(found, "ES"), rules(found, "BUND")) == ({"gap": 0}, {"late start": 0})
    assert "the longest 13 days from 2020-01-17" in found.report()["reason"].iloc[0] + found.report()["reason"].iloc[1]
    frame.loc[DAYS[30] :, "ES"] = np.nan
    assert rules(market(frame), "ES") == {"gap": 0, "early end": 0}


def test_prices_before_the_first_rate_are_dropped() -> None:
    found = market(fx={"EUR": EURO.iloc[1:]})
    assert found.prices["BUND"].first_valid_index() == EURO.index[1]
    assert rules(found, "BUND") == {"no rate yet": 20}
    assert found.prices["ES"].notna().all()


def test_rates_that_are_missing_or_not_positive_are_passed_over() -> None:
    extra = pd.Series([np.nan, 0.0, -1.0], index=pd.to_datetime(["2020-01-20", "2020-01-21", "2020-01-22"]))
    found = market(fx={"EUR": pd.concat([EURO, extra])})
    assert found.fingerprint() == market().fingerprint()
    assert rules(found, "EURUSD") == {"unsorted": 0, "missing price": 1, "not positive": 2, "gap": 0}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({"EURUSD": 1.2, "GBPUSD": 1.5}, {"EUR": 0.8, "USD": 1 / 1.5}),
        ({"USDEUR": 1 / 1.2, "USDGBP": 1 / 1.5}, {"EUR": 0.8, "USD": 1 / 1.5}),
        ({"EURGBP": 0.9, "EURUSD": 1.2, "GBPUSD": 1.5}, {"EUR": 0.9, "USD": 1 / 1.5}),
    ],
)
def test_rates_to_another_base_currency(pairs: dict[str, float], expected: dict[str, float]) -> None:
    series = {name: pd.DataFrame({"price": column, "adjusted": column}) for name, column in prices().items()}
    fx = {pair: pd.Series(rate, index=DAYS) for pair, rate in pairs.items()}
    found = assemble_market(series, fx, SPECIFICATIONS, "GBP")
    assert found.fx.iloc[-1].to_dict() == pytest.approx({"GBP": 1.0, **expected})


def assembled(specifications: pd.DataFrame) -> Market:
    """A market of two instruments that nobody asked for by name."""
    series = {name: pd.DataFrame({"price": column, "adjusted": column}) for name, column in prices().items()}
    return assemble_market(series, {}, specifications)


FAULTS = {
    "multiplier": np.nan,
    "half_spread": np.nan,
    "currency": "CHF",
}


@pytest.mark.parametrize("column", FAULTS)
def test_a_fault_of_a_specification_excludes_its_instrument_and_no_other(column: str) -> None:
    table = SPECIFICATIONS.copy()
    table.loc["BUND", column] = FAULTS[column]
    found = assembled(table)
    assert found.instruments == ("ES",)
    (note,) = (note for note in found.notes if note.rule == "excluded")
    assert note.instrument == "BUND"
    assert column in note.reason


@pytest.mark.parametrize("fault", ["no row", "one row", "no specification", "NaN", "no prices"])
def test_an_instrument_that_was_chosen_is_not_left_out_silently(fault: str) -> None:
    table = SPECIFICATIONS.copy()
    series = {name: pd.DataFrame({"price": column, "adjusted": column}) for name, column in prices().items()}
    if fault.endswith("row"):
        series["BUND"] = series["BUND"].iloc[: 0 if fault == "no row" else 1]
    elif fault == "no specification":
        table = table.drop(index="BUND")
    elif fault == "NaN":
        table.loc["BUND", "half_spread"] = np.nan
    else:
        del series["BUND"]
    if fault != "no prices":
        assert assemble_market(series, {"EURUSD": EURO}, table).instruments == ("ES",)
    with pytest.raises(DataError) as caught:
        assemble_market(series, {"EURUSD": EURO}, table, chosen=["ES", "BUND"])
    assert caught.value.instrument == "BUND"
    assert assemble_market(series, {}, table, chosen=["ES"]).notes == ()


def test_a_cost_as_a_share_of_risk_stands_for_the_others_and_is_needed_without_them() -> None:
    table = SPECIFICATIONS.assign(half_spread=[np.nan, 0.1], sr_cost=[0.002, np.nan])
    found = market(specifications=table).specifications
    assert found["half_spread"].to_dict() == {"ES": 0.0, "BUND": 0.1}
    assert assembled(table.drop(columns="half_spread")).instruments == ("ES",)


def test_costs_that_are_not_said_are_not_taken_for_zero() -> None:
    with pytest.raises(DataError, match="says nothing of costs; give half_spread and commission, or sr_cost"):
        market(specifications=SPECIFICATIONS.drop(columns="half_spread"))


def test_when_nothing_is_left_the_error_says_why() -> None:
    with pytest.raises(DataError, match=r"ES: there is no specification.*") as caught:
        assembled(SPECIFICATIONS.set_axis(["A", "B"]))
    assert "BUND" in str(caught.value)


def test_days_with_one_of_the_two_prices_only_are_noted() -> None:
    found = market(adjusted=prices().iloc[3:])
    assert rules(found, "ES")["one price only"] == 3
    assert found.days[0] == DAYS[3]


def test_an_instrument_in_one_frame_only_is_an_error() -> None:
    with pytest.raises(DataError, match="prices of BUND: there are no back-adjusted prices of it"):
        market(adjusted=prices()[["ES"]])


def test_a_frame_is_taken_as_it_is_meant_no_instrument_is_left_out() -> None:
    table = SPECIFICATIONS.copy()
    table.loc["BUND", "currency"] = "CHF"
    with pytest.raises(DataError, match="fx of BUND: there is no rate of its currency"):
        market(specifications=table)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (prices().reset_index(drop=True), "expected days"),
        (prices().set_axis([*DAYS[:-1], pd.NaT]), "some have none"),
        (prices().set_axis(["soon"] * 60), "expected days"),
        (prices().astype(object).replace(101.0, "n/a"), "found 'n/a' on 2020-01-07"),
        ([1, 2], "found list"),
        (prices().set_axis(["ES", "ES"], axis=1), "more than once"),
    ],
)
def test_frames_that_hold_something_else_are_refused(frame: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        market(frame)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (SPECIFICATIONS.drop(columns="currency"), "currency is missing; the columns are multiplier, asset_class"),
        (pd.concat([SPECIFICATIONS, SPECIFICATIONS]), "more than once"),
        (SPECIFICATIONS.astype(object).replace(50.0, "fifty"), "multiplier of ES: expected a number, found 'fifty'"),
    ],
)
def test_specifications_that_hold_something_else_are_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        market(specifications=table)


def test_names_asked_for_twice_are_refused() -> None:
    with pytest.raises(InputError, match="more than once"):
        assemble_market({}, {}, SPECIFICATIONS, chosen=["ES", "ES"])


def test_a_rate_that_is_a_number_is_refused_with_the_remedy() -> None:
    with pytest.raises(DataError, match=r"EUR.*pd\.Series"):
        market(fx={"EUR": 1.1})
