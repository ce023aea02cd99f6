"""Futures data in the layouts of pysystemtrade: its CSV folder and its Parquet store.

================================================================= =====================================================
CSV folder, and Parquet store                                     columns that are read
================================================================= =====================================================
``adjusted_prices_csv/GOLD.csv``                                  DATETIME, price (back-adjusted)
``futures_adjusted_prices/GOLD.parquet``
``multiple_prices_csv/GOLD.csv``                                  DATETIME, PRICE (traded), PRICE_CONTRACT (its month;
``futures_multiple_prices/GOLD.parquet``                          without it rolls are not known)
``fx_prices_csv/EURUSD.csv``                                      DATETIME, PRICE (US dollars per euro)
``spotfx_prices/EURUSD.parquet``
``csvconfig/instrumentconfig.csv`` (of both)                      Instrument, Pointsize, AssetClass, Currency, Slippage,
                                                                  PerBlock, Percentage, PerTrade, Description; and
                                                                  Margin (of a contract), where there is one
``csvconfig/spreadcosts.csv`` (of both, where there is no         Instrument, SpreadCost
Slippage)
================================================================= =====================================================

In a Parquet file the dates are the index, and a single column of adjusted prices or rates may have any name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from errno import ENOENT
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.file_names import stems
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.minor_units import all_units
from dynopt_milp.data.rows import exclude, join_prices, within
from dynopt_milp.errors import DataError, FileError
from dynopt_milp.io.csv_table import read_columns
from dynopt_milp.io.labelled import check_distinct, check_instruments
from dynopt_milp.io.parquet_table import read_parquet_columns
from dynopt_milp.problem.underlying import underlying_of


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one layout, and how a file in them is read."""

    adjusted: str
    traded: str
    fx: str
    ending: str
    read: Callable[..., pd.DataFrame]

    def names(self, folder: Path) -> list[str]:
        """What there are files of in a folder."""
        return stems(folder, self.ending)


CSV = Layout(
    "adjusted_prices_csv", "multiple_prices_csv", "fx_prices_csv", ".csv", partial(read_columns, dates="DATETIME")
)
PARQUET = Layout(
    "futures_adjusted_prices", "futures_multiple_prices", "spotfx_prices", ".parquet", read_parquet_columns
)
LAYOUTS = (CSV, PARQUET)
CONFIG = Path("csvconfig", "instrumentconfig.csv")
SPREADS = "spreadcosts.csv"

CONFIG_COLUMNS = {
    "Description": "name",
    "Pointsize": "multiplier",
    "Currency": "currency",
    "AssetClass": "asset_class",
    "Slippage": "half_spread",
    "PerBlock": "commission",
    "Percentage": "commission_share",
    "PerTrade": "minimum",
}
"""The columns of the instrument configuration, and what they are in ``Market.specifications``."""


MARGIN = "Margin"
"""A further column that it may have: margin of a contract, its currency; empty where it is not known."""


def read_pysystemtrade(
    folder: str | Path,
    instruments_table: str | Path | None = None,
    *,
    instruments: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    base_currency: str = "USD",
    on_suspect: str = "freeze",
) -> Market:
    """A market from pysystemtrade's CSV folder or Parquet store, cleaned by the rules of
    :mod:`dynopt_milp.data.assemble`.

    Prices count on days that both files of an instrument have. Of the commissions per contract, as a share and per
    trade the largest is paid: PerTrade is the least of an order. ``X_mini`` and ``X_micro`` are sizes of ``X`` by their
    names (:func:`~dynopt_milp.problem.underlying_of`), whether or not X is in the folder.

    Parameters
    ----------
    folder : path
        With the folders of one of the layouts: ``adjusted_prices_csv`` and so on, or ``futures_adjusted_prices`` and so
        on, which takes pyarrow (``pip install 'dynopt-milp[parquet]'``).
    instruments_table : path, optional
        pysystemtrade's ``instrumentconfig.csv``; that in the folder's ``csvconfig`` if not given. Where it has no
        column Slippage, as in newer versions, half of the spread is SpreadCost in ``spreadcosts.csv`` beside it.
    instruments : sequence of str, optional
        All with a file of prices if not given; then what cannot be used is left out, with a note.
    start, end : date-like, optional
        The first and the last day of prices, both included. Earlier exchange rates are used.
    base_currency : str
        Rates of other currencies to it are found by way of the US dollar.
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices, as in :func:`read_market`.

    Raises
    ------
    DataError
        If files or columns are missing or have something else than dates and numbers, the folder has both layouts, an
        instrument appears twice in the configuration, or one that was asked for cannot be used.
    FileError
        If there is no configuration, or a file cannot be read.
    MissingPackage
        If the files are Parquet and pyarrow is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError("there is no such folder", field=str(folder))
    layout = layout_of(folder)
    if layout is None:
        known = " or ".join(f"{layout.adjusted}/" for layout in LAYOUTS)
        raise DataError(f"there is no such folder in it as {known}", field=str(folder))
    traded, adjusted = folder / layout.traded, folder / layout.adjusted
    files = {kind: set(layout.names(kind)) for kind in (adjusted, traded)}
    chosen = None if instruments is None else check_instruments(instruments)
    names = sorted(set.union(*files.values())) if chosen is None else sorted(chosen)
    table = folder / CONFIG if instruments_table is None else Path(instruments_table)
    specifications, notes = _specifications(table, names), list[DataNote]()
    series = {}
    for name in names:
        absent = [kind for kind in files if name not in files[kind]]
        if absent:
            path = absent[0] / f"{name}{layout.ending}"
            notes.append(exclude(name, "there is no such file", chosen, field=str(path)))
            continue
        price = layout.read(
            traded / f"{name}{layout.ending}", numbers=["PRICE"], optional_numbers=["PRICE_CONTRACT"]
        ).rename(columns={"PRICE": "price", "PRICE_CONTRACT": "contract_month"})
        back_adjusted = layout.read(adjusted / f"{name}{layout.ending}", numbers=["price"])
        series[name], more = join_prices(
            within(price, start, end, name), within(back_adjusted, start, end, name)["price"], name
        )
        notes += more
    currencies = set(specifications["currency"]) - {"", base_currency}
    fx = _rates(folder / layout.fx, layout, currencies, base_currency) if currencies else {}
    return assemble_market(
        series, fx, specifications, base_currency, chosen=chosen, notes=notes, on_suspect=on_suspect, source=str(folder)
    )


def layout_of(folder: Path) -> Layout | None:
    """The layout of pysystemtrade that a folder has, by its folders of prices; None if it has none.

    Raises
    ------
    DataError
        If it has both.
    """
    found = [layout for layout in LAYOUTS if any((folder / kind).is_dir() for kind in (layout.adjusted, layout.traded))]
    if len(found) > 1:
        both = " and ".join(f"{layout.adjusted}/" for layout in found)
        raise DataError(f"has prices twice, in {both}; move one of the two elsewhere", field=str(folder))
    return found[0] if found else None


def _specifications(path: Path, names: Sequence[str]) -> pd.DataFrame:
    if not path.exists():
        raise FileError(
            "there is no such file; put pysystemtrade's table of instruments there, or say where it is "
            "(instruments_table, --instruments-table)",
            path, errno=ENOENT,
        )  # fmt: skip
    table = read_columns(
        path, texts=["Instrument", "Description", "Currency", "AssetClass"], optional_numbers=["Slippage", MARGIN],
        numbers=["Pointsize", "PerBlock", "Percentage", "PerTrade"],
    )  # fmt: skip
    table = table.set_index("Instrument")
    check_distinct(table.index, str(path), kind=DataError)
    table = table[table.index.isin(names)]
    if "Slippage" not in table:
        table = table.assign(Slippage=_spreads(path.parent / SPREADS, path).reindex(table.index))
    underlying = [underlying_of(str(name)) for name in table.index]
    found = table[list(CONFIG_COLUMNS)].rename(columns=CONFIG_COLUMNS).assign(underlying=underlying)
    return found.assign(margin=table[MARGIN]) if MARGIN in table else found


def _spreads(path: Path, config: Path) -> pd.Series:
    """Half of the spread by instrument, price points, from the file that newer versions keep it in."""
    if not path.exists():
        raise DataError(f"the column Slippage is missing, and there is no {SPREADS} beside it", field=str(config))
    table = read_columns(path, texts=["Instrument"], numbers=["SpreadCost"]).set_index("Instrument")
    check_distinct(table.index, str(path), kind=DataError)
    return table["SpreadCost"]


def _rates(folder: Path, layout: Layout, currencies: Iterable[str], base_currency: str) -> dict[str, pd.Series]:
    """The pairs that lead from the currencies to the base currency, as far as there are files."""
    found = layout.names(folder)
    through = all_units({base_currency, "USD"})
    pairs = {a + b for a, b in permutations(all_units({*currencies, *through}), 2) if {a, b} & through}
    return {
        pair: layout.read(folder / f"{pair}{layout.ending}", numbers=["PRICE"])["PRICE"]
        for pair in sorted(pairs.intersection(found))
    }
