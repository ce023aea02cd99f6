"""Futures data in the form of the guide: a file or frame of each instrument, and a table of instruments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.assemble import assemble_market, exclude, one_row_a_day, within
from dynopt_milp.data.csv_columns import column_names, csv_stems, read_columns
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.errors import DataError
from dynopt_milp.labelled import check_instruments

ENDING = "_daily_data.csv"
COLUMNS = {"Symbol": "symbol", "Name": "name", "Multiplier": "multiplier", "SR_cost": "sr_cost", "Currency": "currency"}
ASSET_CLASS_COLUMNS = ("Asset_Class", "Asset Class", "AssetClass")

# The first line with a word that is in the name decides: a "Nikkei volatility" is no equity, a "Euro Bund" no currency.
# Only OAT is as it is written: oats are a grain. Digits may follow, as in "STOXX600".
CURRENCY_CODES = "usd|eur|gbp|jpy|chf|aud|cad|nzd|mxn|mxp|cnh|cny|sek|nok|brl|zar|krw|inr|sgd|pln|huf|czk|try|ils|twd"
ASSET_CLASSES = {
    "Volatility": r"vol|volatility|vix|vstoxx|v2x",
    "Bond": r"treasury|t-?notes?|t-?bonds?|bonds?|notes?|bund|bobl|sc?hatz|buxl|btp|bono|(?-i:OAT)|gilts?|jgb"
    r"|eurodollar|euribor|sofr|sonia|short sterling|fed funds|interest rate|swap|\d+[ -]?(?:years?|yr)",
    "Equity": r"s ?& ?p|sp500|dow|djia|nasdaq|russell|nikkei|topix|m?dax|(?:euro)?stoxx|kospi|kosdaq|ftse|cac|aex"
    r"|smi|swiss market|ibex|mib|omx|hang seng|msci|nifty|asx|spi|tsx|bovespa|equity|equities|stocks?"
    r"|sector|real estate|mid-?cap",
    "Agriculture": r"(?:soybean|soya|palm) (?:oil|meal)|soybeans?|corn|maize|wheat|oats?|rice|canola|rapeseed|hogs?"
    r"|cattle|cow|coffee|sugar|cocoa|cotton|lumber|milk|butter|cheese|orange juice|agriculture",
    "Metal": r"gold|silver|platinum|palladium|copper|alumini?um|zinc|nickel|iron ore|steel|bitcoin|ether|ethereum",
    "Energy": r"crude|wti|brent|gas|gasoline|gasoil|heating|heatoil|rbob|ulsd|natgas|ethanol|coal",
    "FX": rf"(?:{CURRENCY_CODES})|(?:{CURRENCY_CODES})/?(?:{CURRENCY_CODES})|fx|currency|dollar|euro|yen"
    r"|sterling|british pound|pound sterling|franc|peso|krona|krone|brazilian real|rand|korean won"
    r"|rupee|renminbi|yuan|zloty|forint",
}  # fmt: skip


def read_guide_folder(
    folder: str | Path = "Data",
    instruments_table: str | Path | pd.DataFrame | None = None,
    *,
    instruments: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    base_currency: str = "USD",
) -> Market:
    """A market from a folder of the guide, cleaned by the rules of :mod:`dynopt_milp.data.assemble`.

    The file of the symbol ``ES`` is ``es_daily_data.csv``, with the columns Time and Last; others are not read. There
    is one price, so it is both the traded and the back-adjusted one.

    Parameters
    ----------
    folder : path
    instruments_table : path or DataFrame, optional
        ``instruments.csv`` in the folder if not given. Columns Symbol, Name, Multiplier and SR_cost (cost of one
        trade as a share of annual risk); Currency (the base currency if there is no such column) and Asset_Class (if
        there is none, it follows from the name) may be there. Rows without a file are not used.
    instruments : sequence of str, optional
        All with a row and a file if not given.
    start, end : date-like, optional
        The first and the last day of prices, both included.
    base_currency : str
        The folder has no exchange rates: an instrument in another currency cannot be used.

    Raises
    ------
    DataError
        If files or columns are missing or have something else than dates and numbers, a symbol stands twice, or an
        instrument that was asked for cannot be used.
    """
    folder = Path(folder)
    files = {stem.lower(): folder / f"{stem}{ENDING}" for stem in csv_stems(folder, ENDING)}
    if isinstance(instruments_table, pd.DataFrame):
        table = _specifications(instruments_table, "instruments_table", base_currency)
    else:
        path = folder / "instruments.csv" if instruments_table is None else Path(instruments_table)
        table = _specifications(_read_table(path), str(path), base_currency)
    chosen = None if instruments is None else check_instruments(instruments)
    notes = []
    if chosen is None:
        unknown = sorted(set(files) - {name.lower() for name in table.index})
        notes = [DataNote(stem.upper(), "excluded", 0, "it has a file and no row in the table") for stem in unknown]
    series = {}
    for name in [name for name in table.index if name.lower() in files] if chosen is None else chosen:
        if name.lower() not in files:
            expected = folder / f"{name.lower()}{ENDING}"
            exclude(name, "there is no such file", chosen, field=str(expected))
        last = read_columns(files[name.lower()], dates="Time", numbers=["Last"])["Last"]
        series[name] = within(pd.DataFrame({"price": last, "adjusted": last}), start, end, name)
    return assemble_market(series, {}, table, base_currency, chosen=chosen, notes=notes)


def market_from_guide_frames(
    data: Mapping[str, pd.DataFrame], instruments_df: pd.DataFrame, base_currency: str = "USD"
) -> Market:
    """A market from the frames of the guide, cleaned by the rules of :mod:`dynopt_milp.data.assemble`.

    Parameters
    ----------
    data : dict of DataFrame, by symbol
        Rows are days (the index, or a column Time). ``Last`` is the traded price. ``returns``, if there, are daily
        percentage returns of the contract held (0.01 is one per cent), and ``Market.returns`` will be these, from the
        second row on (a row without ``Last`` is dropped with its return); without it, ``Last`` is the back-adjusted
        price too. ``FX``, if there, is base currency per unit of the instrument's currency.
    instruments_df : DataFrame
        As the table of :func:`read_guide_folder`; Symbol may be the index. If there is no column Currency, an
        instrument with an FX other than 1 gets a currency of its own.
    base_currency : str

    Raises
    ------
    DataError
        If a frame lacks ``Last`` or days, rates of one currency differ between instruments, or none is left.
    """
    table = _specifications(instruments_df, "instruments_df", base_currency)
    named = "Currency" in instruments_df.columns
    notes: list[DataNote] = []
    series: dict[str, pd.DataFrame] = {}
    rates: dict[str, pd.Series] = {}
    for name in sorted(data):
        rows, more = _guide_rows(data[name], name)
        notes += more
        series[name] = pd.DataFrame({"price": rows["Last"], "adjusted": _adjusted(rows)})
        if "FX" not in rows or name not in table.index:
            continue
        if not named and (rows["FX"].dropna() != 1).any():
            table.loc[name, "currency"] = f"currency of {name}"
        currency = str(table.at[name, "currency"])
        rate = rows["FX"].dropna()
        known = pd.Series(1.0, index=rate.index) if currency == base_currency else rates.get(currency, rate)
        rates[currency] = _same_rates(known, rate, currency, name)
    pairs = {currency + base_currency: rate for currency, rate in rates.items()}
    return assemble_market(series, pairs, table, base_currency, notes=notes)


def asset_class(name: str) -> str:
    """The asset class of a future by words in its name; Other if there is none that is known."""
    for found, words in ASSET_CLASSES.items():
        if re.search(rf"(?<![a-z0-9])(?:{words})[0-9]*(?![a-z0-9])", name, flags=re.IGNORECASE):
            return found
    return "Other"


def _read_table(path: Path) -> pd.DataFrame:
    there = column_names(path)
    optional = [column for column in ("Currency", *ASSET_CLASS_COLUMNS) if column in there]
    return read_columns(path, texts=["Symbol", "Name", *optional], numbers=["Multiplier", "SR_cost"])


def _specifications(table: pd.DataFrame, source: str, base_currency: str) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"wants a DataFrame, found {type(table).__name__}", field=source)
    named = "Symbol" in table.columns
    table = table.reset_index(drop=True) if named else table.rename_axis(index="Symbol").reset_index()
    for column in ("Multiplier", "SR_cost"):
        if column not in table:
            columns = ", ".join(map(str, table.columns))
            raise DataError(f"the column {column} is missing; the columns are {columns}", field=source)
    found = table[[column for column in COLUMNS if column in table]].rename(columns=COLUMNS)
    found["symbol"] = found["symbol"].astype(str).str.strip()
    if found["symbol"].duplicated().any():
        repeated = found["symbol"][found["symbol"].duplicated()].iloc[0]
        raise DataError("stands more than once", field=source, instrument=repeated)
    names = found["name"] if "name" in found else found["symbol"]
    found["name"] = names.astype(object).where(names.notna(), "").astype(str)
    if "currency" not in found:
        found["currency"] = base_currency
    found["asset_class"] = [asset_class(name) for name in found["name"]]
    for column in ASSET_CLASS_COLUMNS:
        if column in table:
            given = table[column].notna() & (table[column].astype(str).str.strip() != "")
            found["asset_class"] = table[column].where(given, found["asset_class"])
    return found.set_index("symbol")


def _guide_rows(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[DataNote]]:
    frame = frame.set_index("Time") if "Time" in frame.columns else frame
    if "Last" not in frame:
        columns = ", ".join(map(str, frame.columns))
        raise DataError(f"the column Last is missing; the columns are {columns}", field="data", instrument=name)
    return one_row_a_day(frame[[c for c in ("Last", "returns", "FX") if c in frame]], name, needed=["Last"])


def _adjusted(rows: pd.DataFrame) -> pd.Series:
    """The price whose change of a day over yesterday's ``Last`` is the return of that day; a first day has none."""
    if "returns" not in rows or rows.empty:
        return rows["Last"]
    changes = rows["returns"] * rows["Last"].shift()
    changes.iloc[0] = 0.0
    adjusted: pd.Series = rows["Last"].iloc[0] + changes.cumsum()
    return adjusted


def _same_rates(known: pd.Series, rates: pd.Series, currency: str, name: str) -> pd.Series:
    days = pd.DatetimeIndex(known.index.intersection(rates.index))
    different = ~np.isclose(known[days], rates[days], rtol=1e-9, atol=0)
    if different.any():
        day = days[different][0]
        raise DataError(
            f"the rate of {currency} is {rates[day]:g} on {day:%Y-%m-%d}, and {known[day]:g} elsewhere (the base "
            "currency has 1); give each currency one rate",
            field="FX", instrument=name,
        )  # fmt: skip
    return known.combine_first(rates)
