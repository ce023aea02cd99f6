"""Real futures in the folder layout of pysystemtrade."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.data import read_pysystemtrade
from dynopt_milp.errors import DataError
from dynopt_milp.io import csv_table
from tests.conftest import real_futures, shared

TWINS = ["CRUDE_W", "GAS_US", "GOLD", "KOSPI", "NASDAQ", "SP500"]


def real() -> Path:
    return shared("data") / "pysystemtrade"


def cells(file: str, column: str) -> dict[str, float]:
    """A column straight from the file, by day."""
    with (real() / file).open(encoding="utf-8") as lines:
        return {row["DATETIME"][:10]: float(row[column]) for row in csv.DictReader(lines)}


def test_all_instruments_of_the_folder_load_and_are_aligned() -> None:
    found = real_futures()
    assert list(found.instruments) == sorted(path.stem for path in (real() / "adjusted_prices_csv").iterdir())
    assert len(found.instruments) == 42
    assert not [note for note in found.notes if note.rule == "excluded"]
    assert found.prices.index.equals(found.adjusted.index)
    assert found.prices.isna().equals(found.adjusted.isna())
    assert found.fx.columns.tolist() == ["CHF", "EUR", "KRW", "USD"]
    assert (str(found.days[0].date()), str(found.days[-1].date())) == ("2000-01-03", "2019-12-31")


@pytest.mark.parametrize("name", ["CRUDE_W", "SHATZ", "KOSPI", "VIX"])
def test_no_row_is_lost_but_those_of_the_notes(name: str) -> None:
    dropped = sum(note.rows for note in real_futures().notes if note.instrument == name)
    assert real_futures().prices[name].notna().sum() == len(cells(f"multiple_prices_csv/{name}.csv", "PRICE")) - dropped


@pytest.mark.parametrize(
    ("name", "yesterday", "today"),
    [
        ("CRUDE_W", "2008-10-15", "2008-10-16"),
        ("AEX", "2009-08-19", "2009-08-20"),
        ("US10", "2016-06-23", "2016-06-24"),
        ("CORN", "2019-12-16", "2019-12-17"),
        ("GOLD", "2013-04-12", "2013-04-15"),  # a weekend between them
    ],
)
def test_a_return_is_the_change_of_the_adjusted_over_yesterdays_traded_price(
    name: str, yesterday: str, today: str
) -> None:
    adjusted = cells(f"adjusted_prices_csv/{name}.csv", "price")
    traded = cells(f"multiple_prices_csv/{name}.csv", "PRICE")
    expected = (adjusted[today] - adjusted[yesterday]) / traded[yesterday]
    assert expected != 0
    assert real_futures().returns().loc[today, name] == pytest.approx(expected, rel=1e-12)


def test_specifications_are_those_of_the_configuration() -> None:
    kospi = real_futures().specifications.loc["KOSPI"].to_dict()
    assert math.isnan(kospi.pop("sr_cost"))
    assert math.isnan(kospi.pop("margin"))
    assert kospi == {
        "rolls_a_year": pytest.approx(np.nan, nan_ok=True),
        "name": "Korean equity index KOSPI", "multiplier": 500_000.0, "currency": "KRW", "asset_class": "Equity",
        "half_spread": 0.025, "commission": 0.0, "commission_share": 0.0004, "underlying": "KOSPI",
        "per_order": 0.0, "minimum": 0.0, "impact": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_full_size_and_small_contract_are_both_kept_with_their_own_multipliers(name: str) -> None:
    (small,) = {f"{name}_mini", f"{name}_micro"} & set(real_futures().instruments)
    pair = real_futures().select([name, small])
    pd.testing.assert_series_equal(pair.prices[name], pair.prices[small], check_names=False)
    assert pair.specifications.at[name, "multiplier"] > pair.specifications.at[small, "multiplier"]


def test_a_rate_to_another_base_currency_goes_by_way_of_the_dollar() -> None:
    found = read_pysystemtrade(real(), instruments=["V2X", "VIX"], base_currency="GBP", start="2015-01-01")
    euro, pound = (cells(f"fx_prices_csv/{pair}.csv", "PRICE") for pair in ("EURUSD", "GBPUSD"))
    day = "2016-06-24"
    expected = {"EUR": euro[day] / pound[day], "GBP": 1.0, "USD": 1 / pound[day]}
    assert found.fx.loc[day].to_dict() == pytest.approx(expected)


def test_start_and_end_are_included_and_cut_prices_and_notes() -> None:
    found = read_pysystemtrade(real(), instruments=["GOLD"], start="2018-12-03", end="2018-12-07")
    assert [str(day.date()) for day in found.days] == [f"2018-12-0{day}" for day in range(3, 8)]
    assert found.notes == ()


def test_what_starts_after_the_end_is_left_out_or_refused_if_it_was_chosen() -> None:
    found = read_pysystemtrade(real(), end="2010-12-31")
    assert "AEX" in found.instruments
    assert "BITCOIN" not in found.instruments
    assert "BITCOIN" in found.report().query("rule == 'excluded'")["instrument"].tolist()
    with pytest.raises(DataError, match="BITCOIN"):
        read_pysystemtrade(real(), instruments=["AEX", "BITCOIN"], end="2010-12-31")


def test_each_file_is_parsed_once_and_only_those_that_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    parse = csv_table.read_csv

    def counted(path: Path, kind: Any) -> Any:
        parsed.append(str(path.relative_to(real())))
        return parse(path, kind)

    monkeypatch.setattr(csv_table, "read_csv", counted)
    read_pysystemtrade(real(), instruments=["GOLD", "OAT"])
    prices = [f"{kind}_prices_csv/{name}.csv" for kind in ("adjusted", "multiple") for name in ("GOLD", "OAT")]
    assert sorted(parsed) == sorted([*prices, "csvconfig/instrumentconfig.csv", "fx_prices_csv/EURUSD.csv"])


def test_returns_of_real_futures_are_of_a_plausible_size() -> None:
    volatility = real_futures().returns().std() * 16
    assert np.isfinite(volatility).all()
    assert volatility.idxmin() in {"US2", "SHATZ", "EDOLLAR", "KR3"}
    assert volatility.max() < 1.5
