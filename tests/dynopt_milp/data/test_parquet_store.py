"""pysystemtrade's Parquet store gives the market that its CSV folder gives, by the same rules."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.data import Market, read_market, read_pysystemtrade
from dynopt_milp.errors import DataError, FileError, MissingPackage
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.from_prices import problem_of_day
from dynopt_milp.trades.rebalancing import rebalance
from tests.command_line import read_json, run

pytest.importorskip("pyarrow")

NAMES = {"GOLD": 1500.0, "BUND": 170.0, "ES_micro": 3000.0}
CONFIG = [
    "Instrument,Description,Pointsize,Currency,AssetClass,PerBlock,Percentage,PerTrade,Region",
    "GOLD,Gold,100,USD,Metals,2.3,0,0,US",
    "BUND,German bond,1000,EUR,Bond,2,0,0,EMEA",
    "ES_micro,S&P 500,5,USD,Equity,0.25,0,0,US",
]
SPREADS = ["Instrument,SpreadCost", "GOLD,0.1", "BUND,0.005", "ES_micro,0.125"]
ADJUSTED, TRADED, RATES = "futures_adjusted_prices", "futures_multiple_prices", "spotfx_prices"
CSV = {ADJUSTED: "adjusted_prices_csv", TRADED: "multiple_prices_csv", RATES: "fx_prices_csv"}

Tables = dict[str, dict[str, pd.DataFrame]]


def tables(seed: int = 1) -> Tables:
    """Sixty days of each, as their owner has them: contracts are numbers, rates have no time of day."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-06", periods=60)
    closes = days + pd.Timedelta(hours=23)
    found: Tables = {ADJUSTED: {}, TRADED: {}, RATES: {}}
    for name, level in NAMES.items():
        walk = level * np.exp(random.normal(0, 0.01, 60).cumsum())
        month = np.where(np.arange(60) < 30, 20200300, 20200600)
        found[ADJUSTED][name] = pd.DataFrame({"price": walk - level / 4}, index=closes)
        found[TRADED][name] = pd.DataFrame(
            {
                "CARRY": walk + 1, "CARRY_CONTRACT": month + 300, "PRICE": walk, "PRICE_CONTRACT": month,
                "FORWARD": walk + 1, "FORWARD_CONTRACT": month + 300,
            },
            index=closes,
        )  # fmt: skip
    found[RATES]["EURUSD"] = pd.DataFrame({"price": 1.1 + random.normal(0, 0.005, 60).cumsum()}, index=days)
    return found


def config(folder: Path, lines: list[str] = CONFIG, spreads: list[str] | None = SPREADS) -> None:
    (folder / "csvconfig").mkdir(parents=True, exist_ok=True)
    (folder / "csvconfig" / "instrumentconfig.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    if spreads is not None:
        (folder / "csvconfig" / "spreadcosts.csv").write_text("\n".join([*spreads, ""]), encoding="utf-8")


def as_csv(folder: Path, given: Tables) -> Path:
    for kind, frames in given.items():
        (folder / CSV[kind]).mkdir(parents=True)
        for name, frame in frames.items():
            columns = {"price": "PRICE"} if kind == RATES else {}
            frame.rename(columns=columns).rename_axis("DATETIME").to_csv(folder / CSV[kind] / f"{name}.csv")
    config(folder)
    return folder


def as_parquet(folder: Path, given: Tables) -> Path:
    """As pysystemtrade writes them: contracts as text."""
    for kind, frames in given.items():
        (folder / kind).mkdir(parents=True)
        for name, frame in frames.items():
            texts = {column: str for column in frame if column.endswith("_CONTRACT")}
            frame.astype(texts).to_parquet(folder / kind / f"{name}.parquet")
    config(folder)
    return folder


def same(one: Market, other: Market) -> None:
    for field in ("prices", "adjusted", "fx", "specifications", "contract_months"):
        left, right = getattr(one, field), getattr(other, field)
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert (one.fingerprint(), one.notes) == (other.fingerprint(), other.notes)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return as_parquet(tmp_path / "store", tables())


def test_the_same_prices_as_csv_and_as_parquet_are_the_same_market(tmp_path: Path, store: Path) -> None:
    given = tables()
    found = read_pysystemtrade(store)
    same(found, read_pysystemtrade(as_csv(tmp_path / "csv", given)))
    same(found, read_market(store))
    assert found.notes == ()
    assert found.prices["GOLD"].tolist() == given[TRADED]["GOLD"]["PRICE"].tolist()
    assert found.fx["EUR"].tolist() == given[RATES]["EURUSD"]["price"].tolist()
    assert found.contract_months is not None
    assert found.contract_months["BUND"].unique().tolist() == [20200300.0, 20200600.0]
    assert found.specifications["half_spread"].to_dict() == {"BUND": 0.005, "ES_micro": 0.125, "GOLD": 0.1}
    assert found.specifications.at["ES_micro", "underlying"] == "ES"


def untidy(given: Tables) -> None:
    """Something for every rule of cleaning."""
    adjusted, traded, rates = given[ADJUSTED], given[TRADED], given[RATES]
    adjusted["GOLD"] = adjusted["GOLD"].iloc[::-1]  # unsorted
    traded["GOLD"].loc[traded["GOLD"].index[7], "PRICE"] = np.nan  # missing
    traded["GOLD"].loc[traded["GOLD"].index[9], "PRICE"] = 0.0
    again = adjusted["BUND"].iloc[[20]] + 1
    adjusted["BUND"] = pd.concat([adjusted["BUND"], again.set_axis(again.index + pd.Timedelta(minutes=1))]).sort_index()
    traded["ES_micro"] = traded["ES_micro"].drop(traded["ES_micro"].index[3])  # one price only
    saturday = rates["EURUSD"].iloc[[4]]
    rates["EURUSD"] = pd.concat([rates["EURUSD"], saturday.set_axis(saturday.index + pd.Timedelta(days=1))])
    adjusted["COCOA"] = adjusted["GOLD"]  # without traded prices


def test_what_is_wrong_with_prices_is_cleaned_and_noted_as_in_csv_files(tmp_path: Path) -> None:
    given = tables()
    untidy(given)
    found = read_pysystemtrade(as_parquet(tmp_path / "store", given))
    expected = read_pysystemtrade(as_csv(tmp_path / "csv", given))
    rules = {note.rule for note in found.notes}
    assert rules == {"unsorted", "missing price", "zero", "repeated day", "one price only", "excluded"}
    for field in ("prices", "adjusted", "fx", "contract_months"):
        pd.testing.assert_frame_equal(getattr(found, field), getattr(expected, field), check_exact=True)
    assert [(note.instrument, note.rule, note.rows, note.reason) for note in found.notes] == [
        (note.instrument, note.rule, note.rows, note.reason) for note in expected.notes
    ]
    day = tables()[ADJUSTED]["BUND"].index[20].normalize()
    assert found.adjusted.at[day, "BUND"] == tables()[ADJUSTED]["BUND"]["price"].iloc[20] + 1  # the later of the two


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_neither_the_unit_of_dates_nor_the_kind_of_number_nor_the_name_of_a_single_column_matters(
    tmp_path: Path, store: Path, unit: str
) -> None:
    given = tables()
    for kind in (ADJUSTED, RATES):
        for name, frame in given[kind].items():
            given[kind][name] = frame.set_axis(frame.index.as_unit(unit), axis=0).set_axis(["0"], axis=1)  # type: ignore[attr-defined]
    for name, frame in given[TRADED].items():
        given[TRADED][name] = frame.astype({"PRICE": "Float64", "PRICE_CONTRACT": "Int64"})
    same(read_pysystemtrade(as_parquet(tmp_path / "other", given)), read_pysystemtrade(store))


def test_contracts_may_be_floats_in_text_or_unknown(tmp_path: Path) -> None:
    given = tables()
    months = given[TRADED]["GOLD"]["PRICE_CONTRACT"].astype(float)
    months.iloc[:5] = np.nan
    given[TRADED]["GOLD"]["PRICE_CONTRACT"] = months  # "nan" and "20200300.0" as text
    found = read_pysystemtrade(as_parquet(tmp_path / "store", given))
    assert found.contract_months is not None
    assert found.contract_months["GOLD"].isna().tolist() == [True] * 5 + [False] * 55
    assert found.contract_months["GOLD"].iloc[5] == 20200300.0


def edited(kind: str, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], Path]:
    def damage(store: Path) -> Path:
        path = store / kind / f"{name}.parquet"
        change(pd.read_parquet(path)).to_parquet(path)
        return path

    return damage


def written(kind: str, name: str, content: bytes | None) -> Callable[[Path], Path]:
    """The bytes in place of the file's; without any, the file without its last half."""

    def damage(store: Path) -> Path:
        path = store / kind / f"{name}.parquet"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if content is None else content)
        return path

    return damage


def text_in(column: str, text: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame[column].astype(str)
        cells.iloc[3] = text
        return frame.assign(**{column: cells})

    return change


DAMAGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "csv in it": (written(ADJUSTED, "GOLD", b"DATETIME,price\n2020-01-06,1500\n"), "is not a Parquet file"),
    "cut in half": (written(TRADED, "GOLD", None), "is not a Parquet file of a table, or is damaged"),
    "first and last bytes only": (written(RATES, "EURUSD", b"PAR1" + 40 * b"x" + b"PAR1"), "is not a Parquet file"),
    "empty": (written(ADJUSTED, "GOLD", b""), "is empty; expected a Parquet file"),
    "no rows": (edited(ADJUSTED, "GOLD", lambda frame: frame.iloc[:0]), "has no rows"),
    "no columns": (
        edited(RATES, "EURUSD", lambda frame: frame[[]]), "the column PRICE is missing; the columns are none",
    ),
    "column missing": (
        edited(TRADED, "GOLD", lambda frame: frame.drop(columns="PRICE")),
        "the column PRICE is missing; the columns are CARRY, CARRY_CONTRACT, PRICE_CONTRACT, FORWARD",
    ),
    "which of two columns": (
        edited(ADJUSTED, "GOLD", lambda frame: frame.assign(close=1.0).rename(columns={"price": "settle"})),
        "the column price is missing; the columns are settle, close",
    ),
    "text": (
        edited(TRADED, "GOLD", text_in("PRICE", "1,500")),
        r"the row of 2020-01-09 23:00:00, column PRICE: expected a number, found '1,500'",
    ),
    "text of a contract": (
        edited(TRADED, "GOLD", text_in("PRICE_CONTRACT", "MAR20")),
        r"the row of 2020-01-09 23:00:00, column PRICE_CONTRACT: expected a number, found 'MAR20'",
    ),
    "truth values": (
        edited(ADJUSTED, "GOLD", lambda frame: frame > 0),
        "the row of 2020-01-06 23:00:00, column price: expected a number, found True",
    ),
    "dates in a column": (
        edited(ADJUSTED, "GOLD", lambda frame: frame.reset_index(drop=True)),
        "expected dates as its index, found 0 in the first row",
    ),
    "dates as text": (
        edited(RATES, "EURUSD", lambda frame: frame.set_axis(frame.index.astype(str), axis=0)),
        "expected dates as its index, found '2020-01-06",
    ),
    "time zone": (
        edited(ADJUSTED, "GOLD", lambda frame: frame.tz_localize("America/New_York").tz_convert("UTC")),
        "expected dates without a time zone as its index, found UTC",
    ),
    "a date missing": (
        edited(ADJUSTED, "GOLD", lambda frame: frame.set_axis(frame.index.where(np.arange(60) != 2), axis=0)),
        "row 3 has no date in the index",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(store: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    path = damage(store)
    with pytest.raises(DataError, match=message) as caught:
        read_market(store)
    assert caught.value.field == str(path)
    assert "\n" not in str(caught.value)


def test_any_byte_that_is_changed_or_cut_ends_in_prices_or_in_one_line(store: Path) -> None:
    path = store / ADJUSTED / "GOLD.parquet"
    whole, random = path.read_bytes(), np.random.default_rng(7)
    refused = []
    for place in random.choice(len(whole), 60, replace=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            read_pysystemtrade(store, instruments=["GOLD"])
        except (DataError, FileError) as error:
            refused.append(str(error))
    assert refused
    assert not [message for message in refused if "\n" in message or str(path) not in message]


def test_a_folder_in_place_of_a_file_is_refused(store: Path) -> None:
    path = store / ADJUSTED / "GOLD.parquet"
    path.unlink()
    path.mkdir()
    with pytest.raises(FileError, match="Is a directory") as caught:
        read_market(store)
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("kind", [ADJUSTED, TRADED, RATES])
def test_a_missing_folder_is_refused_with_what_it_should_hold(store: Path, kind: str) -> None:
    shutil.rmtree(store / kind)
    with pytest.raises(DataError, match=r"there is no such folder; it should hold files named \*\.parquet") as caught:
        read_market(store)
    assert caught.value.field == str(store / kind)


def test_prices_in_two_layouts_are_refused(tmp_path: Path, store: Path) -> None:
    as_csv(store, tables())
    with pytest.raises(DataError, match="has prices twice, in adjusted_prices_csv/ and futures_adjusted_prices/; move"):
        read_pysystemtrade(store)
    other = as_parquet(tmp_path / "other", tables())
    (other / "gold_daily_data.csv").write_text("Time,Last\n2020-01-06,1500\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"has prices twice, in futures_adjusted_prices/ and in \*_daily_data\.csv"):
        read_market(other)


def test_a_folder_in_no_layout_is_refused_with_all_that_are_known(tmp_path: Path) -> None:
    for read in (read_market, read_pysystemtrade):
        with pytest.raises(DataError, match=r"adjusted_prices_csv/ .*or futures_adjusted_prices/"):
            read(tmp_path)


def test_the_table_of_instruments_may_be_elsewhere(tmp_path: Path, store: Path) -> None:
    expected = read_market(store)
    shutil.move(store / "csvconfig", tmp_path / "csvconfig")
    with pytest.raises(FileError, match=r"there is no such file; put .* or say where it is") as caught:
        read_market(store)
    assert caught.value.filename == str(store / "csvconfig" / "instrumentconfig.csv")
    same(read_market(store, tmp_path / "csvconfig" / "instrumentconfig.csv"), expected)


def test_the_spread_is_that_of_the_table_or_of_the_file_beside_it(store: Path) -> None:
    config(store, [f"{line},{spread}" for line, spread in zip(CONFIG, ["Slippage", 0.2, 0.01, 0.25], strict=True)])
    found = read_market(store).specifications["half_spread"]
    assert found.to_dict() == {"BUND": 0.01, "ES_micro": 0.25, "GOLD": 0.2}
    config(store, spreads=[line for line in SPREADS if "BUND" not in line])
    market = read_market(store)
    assert market.instruments == ("ES_micro", "GOLD")
    assert [(note.instrument, note.rule) for note in market.notes] == [("BUND", "excluded")]
    config(store, spreads=[*SPREADS, SPREADS[1]])
    with pytest.raises(DataError, match=r"spreadcosts\.csv of GOLD: appears more than once"):
        read_market(store)
    (store / "csvconfig" / "spreadcosts.csv").unlink()
    with pytest.raises(DataError, match=r"the column Slippage is missing, and there is no spreadcosts\.csv beside it"):
        read_market(store)


def test_without_pyarrow_the_error_names_the_extra(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynopt_milp.io.parquet_table.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pyarrow is not installed; pip install 'dynopt-milp\[parquet\]'"):
        read_market(store)


def test_the_command_line_reads_the_store_and_its_table_from_elsewhere(tmp_path: Path, store: Path) -> None:
    table = tmp_path / "csvconfig" / "instrumentconfig.csv"
    shutil.move(store / "csvconfig", tmp_path / "csvconfig")
    done = run("rebalance", "--data", store, "--instruments-table", table, "--capital", 400_000, "--json")
    assert done.returncode == 0, done.stderr
    best = rebalance(problem_of_day(read_market(store, table), Strategy(), 400_000))
    assert read_json(done.stdout)["positions"] == best.positions.to_dict()
    assert best.positions.any()
    done = run("rebalance", "--data", store, "--capital", 400_000)
    assert done.returncode != 0
    assert f"{store / 'csvconfig' / 'instrumentconfig.csv'}: there is no such file" in done.stderr
