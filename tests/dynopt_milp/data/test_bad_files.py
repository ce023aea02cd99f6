"""Files that are not what they should be: refused with the file and the line, or repaired with a note."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dynopt_milp.data import Market, read_guide_folder, read_pysystemtrade
from dynopt_milp.errors import DataError, FileError

DAYS = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2020-01-06", periods=8)]
CONFIG = "Instrument,Pointsize,AssetClass,Currency,Slippage,PerBlock,Percentage,PerTrade,Description"
GOLD, BUND = "GOLD,100,Metals,USD,0.1,2.3,0,0,Gold", "BUND,1000,Bond,EUR,0.005,2,0,0,German bond"
ADJUSTED, TRADED = "adjusted_prices_csv/GOLD.csv", "multiple_prices_csv/GOLD.csv"
CONFIG_FILE, RATES = "csvconfig/instrumentconfig.csv", "fx_prices_csv/EURUSD.csv"


def put(folder: Path, file: str, lines: list[str]) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text("\n".join([*lines, ""]), encoding="utf-8")


def change(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def rules(market: Market, instrument: str = "GOLD") -> dict[str, int]:
    return {note.rule: note.rows for note in market.notes if note.instrument == instrument}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gold in dollars and the Bund in euros, eight days each."""
    for name, level in (("GOLD", 1500), ("BUND", 170)):
        adjusted = [f"{day} 23:00:00,{level + place - 400}" for place, day in enumerate(DAYS)]
        traded = [f"{day} 23:00:00,1,20200300,{level + place},20200200" for place, day in enumerate(DAYS)]
        put(tmp_path, f"adjusted_prices_csv/{name}.csv", ["DATETIME,price", *adjusted])
        put(
            tmp_path, f"multiple_prices_csv/{name}.csv", ["DATETIME,CARRY,CARRY_CONTRACT,PRICE,PRICE_CONTRACT", *traded]
        )
    put(tmp_path, RATES, ["DATETIME,PRICE", *(f"{day},1.1" for day in DAYS)])
    put(tmp_path, CONFIG_FILE, [CONFIG, GOLD, BUND])
    return tmp_path


def test_the_folder_of_these_tests_is_itself_without_fault(folder: Path) -> None:
    found = read_pysystemtrade(folder)
    assert (found.instruments, len(found.days), found.notes) == (("BUND", "GOLD"), 8, ())


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (ADJUSTED, "price", "close", "the column price is missing; the columns are DATETIME, close"),
        (TRADED, "CARRY,", "PRICE,", "the column PRICE appears more than once"),
        (ADJUSTED, ",1103", ",1103s", "line 5, column price: expected a number, found '1103s'"),
        (ADJUSTED, ",1103", ",-", "line 5, column price: expected a number, found '-'"),
        (TRADED, ",1502,", ",True,", "line 4, column PRICE: expected a number, found 'True'"),
        (ADJUSTED, ",1103", ',"1,103"', "line 5, column price: expected a number, found '1,103'"),
        (ADJUSTED, ",1103", ",1,103", "line 5 has 3 cells, the header has 2"),
        (ADJUSTED, f"{DAYS[2]} 23:00:00", "08/01/2020", "line 4, column DATETIME: expected a date .* '08/01/2020'"),
        (ADJUSTED, f"{DAYS[2]} 23:00:00", "2020-02-30", "line 4, column DATETIME: expected a date .* '2020-02-30'"),
        (ADJUSTED, f"{DAYS[2]} 23:00:00", "today", "line 4, column DATETIME: expected a date .* found 'today'"),
        (ADJUSTED, f"{DAYS[2]} 23:00:00", "", "line 4, column DATETIME: expected a date .* found ''"),
        (RATES, f"{DAYS[0]},1.1\n", f"\n\n{DAYS[0]},one\n", "line 4, column PRICE: expected a number, found 'one'"),
        (CONFIG_FILE, "GOLD,100", "GOLD,ten", "line 2, column Pointsize: expected a number, found 'ten'"),
        (CONFIG_FILE, "Slippage", "SpreadCost", "the column Slippage is missing"),
        (CONFIG_FILE, GOLD, f"{GOLD}\n{GOLD}", "of GOLD: appears more than once"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_file_line_and_column(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    change(folder, file, old, new)
    with pytest.raises(DataError, match=message) as caught:
        read_pysystemtrade(folder)
    assert caught.value.field == str(folder / file)


@pytest.mark.parametrize("file", [ADJUSTED, TRADED, CONFIG_FILE, RATES])
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"DATETIME,price,PRICE,%s\n" % CONFIG.encode(), "no rows"), (b"\xff\xfe\x00", "text")],
    ids=["empty", "header only", "binary"],
)
def test_a_file_without_rows_or_text_is_refused(folder: Path, file: str, content: bytes, message: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_pysystemtrade(folder)
    assert caught.value.field == str(folder / file)


@pytest.mark.parametrize("file", [ADJUSTED, TRADED, RATES])
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "missing"])
def test_a_missing_or_empty_sub_folder_is_refused_with_what_it_should_hold(
    folder: Path, file: str, empty: bool
) -> None:
    part = (folder / file).parent
    shutil.rmtree(part)
    if empty:
        part.mkdir()
    with pytest.raises(DataError, match=r"\*\.csv") as caught:
        read_pysystemtrade(folder)
    assert caught.value.field == str(part)


def test_rates_are_not_asked_for_where_none_are_needed(folder: Path) -> None:
    shutil.rmtree((folder / RATES).parent)
    assert read_pysystemtrade(folder, instruments=["GOLD"]).instruments == ("GOLD",)


@pytest.mark.parametrize("read", [read_pysystemtrade, read_guide_folder])
def test_a_missing_or_empty_folder_is_refused(tmp_path: Path, read: Callable[[Path], Market]) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError, match=r"no such folder|no file named \*_daily_data\.csv"):
            read(path)


def test_a_missing_configuration_is_refused(folder: Path) -> None:
    (folder / CONFIG_FILE).unlink()
    with pytest.raises(FileError, match="no such file"):
        read_pysystemtrade(folder)


def without(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def with_change(file: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: change(folder, file, old, new)


def no_overlap(folder: Path) -> None:
    text = (folder / ADJUSTED).read_text(encoding="utf-8")
    (folder / ADJUSTED).write_text(text.replace("2020-", "2019-"), encoding="utf-8")


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (without(TRADED), "GOLD.csv"),
        (without(ADJUSTED), "GOLD.csv"),
        (with_change(CONFIG_FILE, GOLD, ""), "no specification"),
        (with_change(CONFIG_FILE, "USD,0.1", "USD,"), "half_spread"),
        (with_change(CONFIG_FILE, "GOLD,100", "GOLD,0"), "multiplier"),
        (with_change(CONFIG_FILE, "Metals,USD", "Metals,CHF"), "no rate of its currency, CHF"),
        (no_overlap, "0 rows"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_refused_if_it_was_chosen(
    folder: Path, fault: Callable[[Path], None], field: str
) -> None:
    fault(folder)
    found = read_pysystemtrade(folder)
    assert found.instruments == ("BUND",)
    assert "excluded" in rules(found)
    with pytest.raises(DataError, match=field) as caught:
        read_pysystemtrade(folder, instruments=["BUND", "GOLD"])
    assert caught.value.instrument == "GOLD"


def test_an_empty_cell_is_a_missing_price(folder: Path) -> None:
    change(folder, ADJUSTED, ",1103", ",")
    change(folder, TRADED, ",1505,", ",NaN,")
    assert rules(read_pysystemtrade(folder)) == {"missing price": 2}


def test_days_of_one_file_only_are_left_out_and_noted(folder: Path) -> None:
    change(folder, ADJUSTED, f"{DAYS[3]} 23:00:00,1103\n", "")
    found = read_pysystemtrade(folder)
    assert rules(found) == {"one price only": 1}
    assert found.prices["GOLD"].isna().tolist() == [False] * 3 + [True] + [False] * 4


def test_prices_of_one_day_meet_at_whatever_time_they_stand(folder: Path) -> None:
    text = (folder / ADJUSTED).read_text(encoding="utf-8")
    expected = read_pysystemtrade(folder).fingerprint()
    (folder / ADJUSTED).write_text(text.replace(" 23:00:00", ""), encoding="utf-8")
    found = read_pysystemtrade(folder)
    assert (found.fingerprint(), found.notes) == (expected, ())


@pytest.mark.parametrize("zones", [("Z", "Z"), ("-05:00", "-04:00")], ids=["one zone", "summer and winter"])
def test_times_with_a_zone_keep_the_day_written(folder: Path, zones: tuple[str, str]) -> None:
    expected = read_pysystemtrade(folder).fingerprint()
    for file in (ADJUSTED, TRADED):
        first, *rest = (folder / file).read_text(encoding="utf-8").split(" 23:00:00")
        text = first + "".join(f" 23:00:00{zones[place % 2]}{part}" for place, part in enumerate(rest))
        (folder / file).write_text(text, encoding="utf-8")
    assert read_pysystemtrade(folder).fingerprint() == expected


def test_a_commission_per_trade_is_the_least_of_an_order(folder: Path) -> None:
    change(folder, CONFIG_FILE, "0.1,2.3,0,0", "0.1,2.3,0,20")
    market = read_pysystemtrade(folder)
    assert rules(market) == {}
    assert market.specifications.at["GOLD", "minimum"] == 20


def test_an_instrument_without_an_asset_class_is_kept(folder: Path) -> None:
    change(folder, CONFIG_FILE, "Metals", "")
    assert read_pysystemtrade(folder).specifications.at["GOLD", "asset_class"] == "Other"


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder: Path) -> None:
    expected = read_pysystemtrade(folder).fingerprint()
    for file in (ADJUSTED, CONFIG_FILE):
        text = (folder / file).read_bytes().replace(b"\n", b"\r\n")
        (folder / file).write_bytes(b"\xef\xbb\xbf" + text)
    assert read_pysystemtrade(folder).fingerprint() == expected


@pytest.mark.parametrize(("start", "end"), [("soon", None), (2020, None), (None, "2020-13-01"), (pd.NaT, None)])
def test_limits_that_are_no_dates_are_refused(folder: Path, start: object, end: object) -> None:
    with pytest.raises(DataError, match="expected a date"):
        read_pysystemtrade(folder, start=start, end=end)


def test_a_start_after_the_end_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="start: 2020-02-01 is after the end, 2020-01-01"):
        read_pysystemtrade(folder, start="2020-02-01", end="2020-01-01")
