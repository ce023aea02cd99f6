"""Files and frames in the form of the guide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.data import guide_frames as market_frames
from dynopt_milp.data import market_from_frames, market_from_guide_frames, read_guide_folder
from dynopt_milp.data.guide_table import asset_class
from dynopt_milp.errors import DataError
from tests.conftest import shared

DAYS = pd.bdate_range("2020-01-06", periods=6)
LAST = np.array([100.0, 101.0, 99.0, 104.0, 103.0, 105.0])
TABLE = pd.DataFrame(
    {"Symbol": ["ES", "ZN"], "Name": ["S&P 500 E-mini", "US 10-Year T-Note"], "Multiplier": [50, 1000],
     "SR_cost": [0.0007, 0.0012]}
)  # fmt: skip


def write(folder: Path, table: pd.DataFrame = TABLE, **scale: float) -> Path:
    table.to_csv(folder / "instruments.csv", index=False)
    for symbol, factor in (scale or {"es": 1.0, "zn": 2.0}).items():
        rows = pd.DataFrame({"Time": DAYS, "Open": "?", "Last": LAST * factor})
        rows.to_csv(folder / f"{symbol}_daily_data.csv", index=False)
    return folder


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"Last": LAST, **columns}, index=DAYS.rename("Time"))


def guide_frames(zn: dict[str, Any], table: pd.DataFrame = TABLE, **es: Any) -> Any:
    return market_from_guide_frames({"ES": frame(**es), "ZN": frame(**zn)}, table)


def test_a_folder_gives_its_last_prices_as_both_prices(tmp_path: Path) -> None:
    found = read_guide_folder(write(tmp_path))
    assert found.prices["ZN"].tolist() == (LAST * 2).tolist()
    assert found.adjusted.equals(found.prices)
    assert found.specifications["sr_cost"].to_dict() == {"ES": 0.0007, "ZN": 0.0012}
    assert found.specifications["asset_class"].to_dict() == {"ES": "Equity", "ZN": "Bond"}
    assert found.fx.columns.tolist() == ["USD"]
    assert found.notes == ()


def test_the_table_may_be_elsewhere_or_in_memory(tmp_path: Path) -> None:
    expected = read_guide_folder(write(tmp_path)).fingerprint()
    (tmp_path / "instruments.csv").rename(tmp_path / "other.csv")
    assert read_guide_folder(tmp_path, tmp_path / "other.csv").fingerprint() == expected
    assert read_guide_folder(tmp_path, TABLE).fingerprint() == expected
    assert read_guide_folder(tmp_path, TABLE.set_index("Symbol")).fingerprint() == expected


def test_a_row_without_a_file_is_no_fault_unless_it_was_chosen(tmp_path: Path) -> None:
    write(tmp_path, es=1.0)
    assert read_guide_folder(tmp_path).instruments == ("ES",)
    with pytest.raises(DataError, match=r"zn_daily_data\.csv of ZN") as caught:
        read_guide_folder(tmp_path, instruments=["ZN"])
    assert caught.value.instrument == "ZN"


def test_a_file_without_a_row_is_noted_or_refused_if_it_was_chosen(tmp_path: Path) -> None:
    write(tmp_path, es=1.0, cl=1.0)
    found = read_guide_folder(tmp_path)
    assert [(note.instrument, note.rule) for note in found.notes] == [("CL", "excluded")]
    with pytest.raises(DataError, match="no specification"):
        read_guide_folder(tmp_path, instruments=["CL"])


def test_an_instrument_without_a_cost_is_excluded_not_free(tmp_path: Path) -> None:
    found = read_guide_folder(write(tmp_path, TABLE.assign(SR_cost=[0.001, np.nan])))
    assert found.instruments == ("ES",)
    assert "sr_cost" in found.notes[0].reason


def test_an_instrument_in_a_currency_without_rates_is_excluded(tmp_path: Path) -> None:
    found = read_guide_folder(write(tmp_path, TABLE.assign(Currency=["USD", "EUR"])))
    assert found.instruments == ("ES",)
    assert "EUR" in found.notes[0].reason


def test_dates_cut_the_days_of_a_folder(tmp_path: Path) -> None:
    found = read_guide_folder(write(tmp_path), start=DAYS[1], end="2020-01-09")
    assert list(found.days) == list(DAYS[1:4])


def test_an_asset_class_that_is_given_wins_over_the_name_and_an_empty_one_does_not(tmp_path: Path) -> None:
    found = read_guide_folder(write(tmp_path, TABLE.assign(Asset_Class=["Index", ""])))
    assert found.specifications["asset_class"].to_dict() == {"ES": "Index", "ZN": "Bond"}


def test_symbols_that_stand_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"instruments\.csv of ES: appears more than once"):
        read_guide_folder(write(tmp_path, pd.concat([TABLE, TABLE.iloc[:1]])))


def test_returns_of_guide_frames_come_back() -> None:
    returns = np.array([np.nan, 0.011, -0.02, 0.005, -0.4, 0.3])  # not those of Last: contracts roll
    found = guide_frames({"returns": returns})
    np.testing.assert_allclose(found.returns()["ZN"], returns, rtol=1e-12)
    np.testing.assert_allclose(found.returns()["ES"][1:], LAST[1:] / LAST[:-1] - 1, rtol=1e-12)
    assert found.adjusted["ZN"].iloc[0] == LAST[0]


def test_returns_of_guide_frames_come_back_across_missing_and_unsorted_rows() -> None:
    returns = np.array([np.nan, 0.011, -0.02, 0.005, -0.4, 0.3])
    rows = frame(returns=returns)
    rows.iloc[2, 0] = np.nan
    found = market_from_guide_frames({"ES": rows.iloc[::-1].reset_index()}, TABLE)
    np.testing.assert_allclose(found.returns()["ES"].iloc[[1, 2, 3, 4]], returns[[1, 3, 4, 5]], rtol=1e-12)
    assert {note.rule: note.rows for note in found.notes} == {"unsorted": 0, "missing price": 1}


def test_a_price_below_zero_earns_what_it_did_when_a_market_goes_through_guide_frames() -> None:
    before = 40 + 5 * np.sin(np.arange(300))  # in a first year medians lack the first day
    days = pd.bdate_range(end="2020-04-28", periods=306)
    prices = pd.DataFrame({"CL": [*before, 18.27, -37.63, 10.01, 0.5, 14, 15]}, index=days)
    crude = pd.DataFrame({"multiplier": [1000.0], "currency": "USD", "asset_class": "Oil", "half_spread": 0.01}, ["CL"])
    market = market_from_frames(prices, crude, adjusted=prices - 3.0, on_suspect="use")
    data, table = market_frames(market)
    again = market_from_guide_frames(data, table, on_suspect="use")
    assert again.days.equals(market.days[1:])
    change = again.adjusted["CL"].diff().to_numpy()[1:]
    np.testing.assert_allclose(change, market.adjusted["CL"].diff().to_numpy()[2:], rtol=1e-9)
    assert change[-5:-3] == pytest.approx([-55.9, 47.64])
    value = 1000 * market.reference_prices()["CL"].iloc[-1]
    assert table["SR_cost"].iloc[0] == pytest.approx(10 / value / (market.returns()["CL"].std() * 16))


def test_rates_of_guide_frames_without_currencies_are_those_of_each_instrument() -> None:
    found = guide_frames({"FX": 1.25}, FX=1.0)
    assert (found.rates()["ES"] == 1).all()
    assert (found.rates()["ZN"] == 1.25).all()


def test_rates_of_one_currency_must_agree_between_instruments() -> None:
    table = TABLE.assign(Currency="EUR")
    assert (guide_frames({"FX": 1.25}, table, FX=1.25).rates() == 1.25).all(axis=None)
    with pytest.raises(DataError, match=r"FX of ZN: the rate of EUR is 1\.3 on 2020-01-06, and 1\.25"):
        guide_frames({"FX": 1.3}, table, FX=1.25)


def test_the_base_currency_has_no_other_rate_than_one() -> None:
    with pytest.raises(DataError, match=r"FX of ZN: the rate of USD is 1\.3"):
        guide_frames({"FX": 1.3}, TABLE.assign(Currency="USD"))


def test_a_guide_frame_without_last_is_refused_with_what_it_has() -> None:
    with pytest.raises(DataError, match="data of ES: the column Last is missing; the columns are Close"):
        market_from_guide_frames({"ES": frame().rename(columns={"Last": "Close"})}, TABLE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VSTOXX Mini", "Volatility"), ("Nikkei 225 Volatility", "Volatility"), ("Euro STOXX50", "Equity"),
        ("S&P500", "Equity"), ("Nikkei 225 (Yen)", "Equity"), ("Euro-Bund", "Bond"), ("Eurodollar", "Bond"),
        ("Euro-OAT", "Bond"), ("Oat", "Agriculture"), ("Euro FX", "FX"), ("EURUSD", "FX"), ("6J Japanese Yen", "FX"),
        ("Soybean Oil", "Agriculture"), ("Heating Oil", "Energy"), ("Henry Hub Natural Gas", "Energy"),
        ("Micro Gold", "Metal"), ("Lean Hogs", "Agriculture"), ("", "Other"), ("AAA", "Other"),
    ],
)  # fmt: skip
def test_an_asset_class_follows_from_the_name(name: str, expected: str) -> None:
    assert asset_class(name) == expected


def test_asset_classes_of_real_futures_follow_from_their_names() -> None:
    folder = shared("data") / "pysystemtrade"
    table = pd.read_csv(folder / "csvconfig" / "instrumentconfig.csv", index_col="Instrument")
    table = table.loc[[path.stem for path in (folder / "adjusted_prices_csv").iterdir()]]
    words = {"Ags": "Agriculture", "Metals": "Metal", "OilGas": "Energy", "Vol": "Volatility", "Sector": "Equity"}
    expected = table["AssetClass"].replace(words)
    assert table["Description"].map(asset_class).compare(expected).empty
