"""Futures data in the folder layout of pysystemtrade.

Four folders of CSV files, with the columns that are read here:

========================================= =============================================================================
``adjusted_prices_csv/GOLD.csv``          DATETIME, price (back-adjusted)
``multiple_prices_csv/GOLD.csv``          DATETIME, PRICE (traded), PRICE_CONTRACT (its month; without it rolls are not
                                          known)
``fx_prices_csv/EURUSD.csv``              DATETIME, PRICE (US dollars per euro)
``csvconfig/instrumentconfig.csv``        Instrument, Pointsize, AssetClass, Currency, Slippage, PerBlock, Percentage,
                                          PerTrade, Description
========================================= =============================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.file_names import csv_stems
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.rows import exclude, join_prices, within
from dynopt_milp.errors import DataError
from dynopt_milp.io.csv_table import read_columns
from dynopt_milp.problem.labelled import check_distinct, check_instruments
from dynopt_milp.problem.underlying import underlying_of

CONFIG_COLUMNS = {
    "Description": "name",
    "Pointsize": "multiplier",
    "Currency": "currency",
    "AssetClass": "asset_class",
    "Slippage": "half_spread",
    "PerBlock": "commission",
    "Percentage": "commission_share",
}
"""The columns of the instrument configuration, and what they are in ``Market.specifications``."""


def read_pysystemtrade(
    folder: str | Path,
    *,
    instruments: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    base_currency: str = "USD",
    on_suspect: str = "freeze",
) -> Market:
    """A market from a folder of pysystemtrade, cleaned by the rules of :mod:`dynopt_milp.data.assemble`.

    Prices count on days that both files of an instrument have. A minimum commission per order (PerTrade) cannot be
    expressed per contract; it is ignored, with a note. ``X_mini`` and ``X_micro`` are sizes of ``X`` by their names
    (:func:`~dynopt_milp.problem.underlying_of`), whether or not X is in the folder.

    Parameters
    ----------
    folder : path
        With the four folders.
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
        If files or columns are missing or have something else than dates and numbers, an instrument appears twice in
        the configuration, or one that was asked for cannot be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError("there is no such folder", field=str(folder))
    traded, adjusted = folder / "multiple_prices_csv", folder / "adjusted_prices_csv"
    files = {kind: set(csv_stems(kind)) for kind in (adjusted, traded)}
    chosen = None if instruments is None else check_instruments(instruments)
    names = sorted(set.union(*files.values())) if chosen is None else sorted(chosen)
    specifications, notes = _specifications(folder / "csvconfig" / "instrumentconfig.csv", names)
    series = {}
    for name in names:
        absent = [kind for kind in files if name not in files[kind]]
        if absent:
            notes.append(exclude(name, "there is no such file", chosen, field=str(absent[0] / f"{name}.csv")))
            continue
        price = read_columns(
            traded / f"{name}.csv", dates="DATETIME", numbers=["PRICE"], optional_numbers=["PRICE_CONTRACT"]
        ).rename(columns={"PRICE": "price", "PRICE_CONTRACT": "contract_month"})
        back_adjusted = read_columns(adjusted / f"{name}.csv", dates="DATETIME", numbers=["price"])
        series[name], more = join_prices(
            within(price, start, end, name), within(back_adjusted, start, end, name)["price"], name
        )
        notes += more
    currencies = set(specifications["currency"]) - {"", base_currency}
    fx = _rates(folder / "fx_prices_csv", currencies, base_currency) if currencies else {}
    return assemble_market(
        series, fx, specifications, base_currency, chosen=chosen, notes=notes, on_suspect=on_suspect, source=str(folder)
    )


def _specifications(path: Path, names: Sequence[str]) -> tuple[pd.DataFrame, list[DataNote]]:
    texts = ["Instrument", "Description", "Currency", "AssetClass"]
    table = read_columns(path, texts=texts, numbers=["Pointsize", "Slippage", "PerBlock", "Percentage", "PerTrade"])
    table = table.set_index("Instrument")
    check_distinct(table.index, str(path), kind=DataError)
    table = table[table.index.isin(names)]
    notes = [
        DataNote(str(name), "ignored", 0, f"the minimum of {float(minimum):g} per order: commissions are per contract")
        for name, minimum in zip(table.index, table["PerTrade"].to_numpy(float), strict=True)
        if minimum > 0
    ]
    underlying = [underlying_of(str(name)) for name in table.index]
    return table[list(CONFIG_COLUMNS)].rename(columns=CONFIG_COLUMNS).assign(underlying=underlying), notes


def _rates(folder: Path, currencies: Iterable[str], base_currency: str) -> dict[str, pd.Series]:
    """The pairs that lead from the currencies to the base currency, as far as there are files."""
    found = csv_stems(folder)
    pairs = {a + b for a, b in permutations({*currencies, base_currency, "USD"}, 2) if {a, b} & {base_currency, "USD"}}
    return {
        pair: read_columns(folder / f"{pair}.csv", dates="DATETIME", numbers=["PRICE"])["PRICE"]
        for pair in sorted(pairs.intersection(found))
    }
