"""Futures data in the form of the guide: a file or frame of each instrument, and a table of instruments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.file_names import stems
from dynopt_milp.data.guide_table import ASSET_CLASS_COLUMNS, guide_specifications
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.rows import exclude, within
from dynopt_milp.io.csv_table import read_columns
from dynopt_milp.io.labelled import check_instruments

ENDING = "_daily_data.csv"


def read_guide_folder(
    folder: str | Path = "Data",
    instruments_table: str | Path | pd.DataFrame | None = None,
    *,
    instruments: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    base_currency: str = "USD",
    on_suspect: str = "freeze",
) -> Market:
    """A market from a folder of the guide, cleaned by the rules of :mod:`dynopt_milp.data.assemble`.

    The file of the symbol ``ES`` is ``es_daily_data.csv``, with the columns Time and Last, and perhaps Contract_Month
    (such as 20200300: rolls are charged where it changes); others are not read. There is one price, so it is both the
    traded and the back-adjusted one.

    Parameters
    ----------
    folder : path
    instruments_table : path or DataFrame, optional
        ``instruments.csv`` in the folder if not given. Columns Symbol, Name, Multiplier and SR_cost (cost of one
        trade as a share of annual risk); Currency (the base currency if there is no such column), Asset_Class (if
        there is none, it follows from the name) and Underlying (the same for all sizes of one contract; if it is empty,
        the instrument is its own) may be there. Rows without a file are not used.
    instruments : sequence of str, optional
        All with a row and a file if not given.
    start, end : date-like, optional
        The first and the last day of prices, both included.
    base_currency : str
        The folder has no exchange rates: an instrument in another currency cannot be used.
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices, as in :func:`read_market`.

    Raises
    ------
    DataError
        If files or columns are missing or have something else than dates and numbers, a symbol appears twice, or an
        instrument that was asked for cannot be used.
    """
    folder = Path(folder)
    files = {stem.lower(): folder / f"{stem}{ENDING}" for stem in stems(folder, ENDING)}
    if isinstance(instruments_table, pd.DataFrame):
        table = guide_specifications(instruments_table, "instruments_table", base_currency)
    else:
        path = folder / "instruments.csv" if instruments_table is None else Path(instruments_table)
        table = guide_specifications(_read_table(path), str(path), base_currency)
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
        rows = read_columns(files[name.lower()], dates="Time", numbers=["Last"], optional_numbers=["Contract_Month"])
        rows = rows.rename(columns={"Last": "price", "Contract_Month": "contract_month"})
        series[name] = within(rows.assign(adjusted=rows["price"]), start, end, name)
    return assemble_market(
        series, {}, table, base_currency, chosen=chosen, notes=notes, on_suspect=on_suspect, source=str(folder)
    )


def _read_table(path: Path) -> pd.DataFrame:
    optional = ("Currency", "Underlying", *ASSET_CLASS_COLUMNS)
    return read_columns(
        path,
        texts=["Symbol", "Name"],
        numbers=["Multiplier", "SR_cost"],
        optional=optional,
        optional_numbers=["Margin"],
    )
