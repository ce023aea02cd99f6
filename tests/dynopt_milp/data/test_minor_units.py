"""Pence and cents: a hundredth of the currency, whichever way they are written and whichever rate is known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dynopt_milp.data import market_from_frames, read_market
from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.minor_units import MINOR_UNITS
from dynopt_milp.errors import DataError

DAYS = pd.bdate_range("2020-01-06", periods=30)
PRICES = pd.Series(range(100, 130), DAYS, dtype=float)


def one(currency: str) -> pd.DataFrame:
    terms = {"multiplier": 10.0, "currency": currency, "asset_class": "Equity", "half_spread": 0.5}
    return pd.DataFrame([terms], ["A"])


def rate(currency: str, base: str, **pairs: float) -> float:
    fx = {pair: pd.Series(number, DAYS) for pair, number in pairs.items()}
    frame = pd.DataFrame({"price": PRICES, "adjusted": PRICES})
    return float(assemble_market({"A": frame}, fx, one(currency), base).fx[currency].iloc[-1])


@pytest.mark.parametrize(
    ("currency", "base", "pairs", "expected"),
    [
        ("GBX", "GBP", {}, 0.01),
        ("GBX", "USD", {"GBPUSD": 1.25}, 0.0125),
        ("GBp", "USD", {"USDGBP": 0.8}, 0.0125),
        ("GBX", "EUR", {"GBPUSD": 1.25, "EURUSD": 1.0}, 0.0125),
        ("USX", "USD", {}, 0.01),
        ("USX", "GBP", {"GBPUSD": 1.25}, 0.008),
        ("ZAc", "USD", {"USDZAR": 20.0}, 0.0005),
        ("ILA", "USD", {"ILSUSD": 0.25}, 0.0025),
        ("GBX", "USD", {"GBXUSD": 0.013, "GBPUSD": 1.25}, 0.013),  # a rate of its own
        ("GBP", "USD", {"GBXUSD": 0.0125}, 1.25),
        ("GBP", "USD", {"GBPUSX": 125.0}, 1.25),
        ("GBP", "GBX", {}, 100.0),
        ("USD", "GBX", {"GBPUSD": 1.25}, 80.0),
        ("USX", "GBX", {"GBPUSD": 1.25}, 0.8),
    ],
)
def test_a_minor_unit_is_a_hundredth(currency: str, base: str, pairs: dict[str, float], expected: float) -> None:
    assert rate(currency, base, **pairs) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("minor", MINOR_UNITS)
def test_every_minor_unit_has_the_value_of_a_hundredth_of_its_currency(minor: str) -> None:
    fx = {MINOR_UNITS[minor]: pd.Series(7.0, DAYS)}
    found = market_from_frames(PRICES.to_frame("A"), one(minor), fx=fx, base_currency="CHF")
    assert found.fx[minor].iloc[-1] == pytest.approx(0.07)


def test_a_pound_is_no_penny_and_what_has_no_rate_is_still_refused() -> None:
    assert rate("GBP", "USD", GBPUSD=1.25) == 1.25
    with pytest.raises(DataError, match="no rate of its currency, GBX, to USD"):
        rate("GBX", "USD")


@pytest.mark.parametrize("file", ["GBPUSD", "GBXUSD", "USDGBP"])
def test_pence_in_a_folder_of_pysystemtrade(tmp_path: Path, file: str) -> None:
    number = {"GBPUSD": 1.25, "GBXUSD": 0.0125, "USDGBP": 0.8}[file]
    rows = {"multiple_prices_csv/A.csv": ("PRICE", PRICES), "adjusted_prices_csv/A.csv": ("price", PRICES)}
    rows[f"fx_prices_csv/{file}.csv"] = ("PRICE", pd.Series(number, DAYS))
    for name, (column, values) in rows.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        values.rename(column).rename_axis("DATETIME").to_csv(path)
    (tmp_path / "csvconfig").mkdir()
    heads = "Instrument,Description,Pointsize,Currency,AssetClass,Slippage,PerBlock,Percentage,PerTrade\n"
    (tmp_path / "csvconfig" / "instrumentconfig.csv").write_text(f"{heads}A,a,10,GBX,Equity,0.5,0,0,0\n")
    assert read_market(tmp_path).fx["GBX"].iloc[-1] == pytest.approx(0.0125)
