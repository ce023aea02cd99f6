"""A market from the frames that the guide's functions use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dynopt_milp.data.assemble import assemble_market
from dynopt_milp.data.guide_table import guide_specifications
from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.reference_price import reference_price
from dynopt_milp.data.rows import one_row_a_day
from dynopt_milp.errors import DataError
from dynopt_milp.io.known_columns import refuse_misspelt

OPTIONAL = ("returns", "FX", "Contract_Month")
"""The columns that a frame may have beside ``Last``."""


def market_from_guide_frames(
    data: Mapping[str, pd.DataFrame],
    instruments_df: pd.DataFrame,
    base_currency: str = "USD",
    *,
    on_suspect: str = "freeze",
) -> Market:
    """A market from the frames of the guide, cleaned by the rules of :mod:`dynopt_milp.data.assemble`.

    Parameters
    ----------
    data : dict of DataFrame, by symbol
        Rows are days (the index, or a column Time). ``Last`` is the traded price. ``returns``, if there, are daily
        percentage returns of the contract held (0.01 is one per cent of the day before's ``Last``, or of its reference
        price where that is more: :meth:`~dynopt_milp.data.Market.reference_prices`), and ``Market.returns`` will be
        these, from the second row on (a row without ``Last`` is dropped with its return); without it, ``Last`` is the
        back-adjusted price too. ``FX``, if there, is base currency per unit of the instrument's currency.
        ``Contract_Month``, if there, is the contract of ``Last``, a number such as 20200300: rolls are charged where it
        changes.
    instruments_df : DataFrame
        As the table of :func:`read_guide_folder`; Symbol may be the index. If there is no column Currency, an
        instrument with an FX other than 1 gets a currency of its own.
    base_currency : str
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices, as in :func:`read_market`.

    Raises
    ------
    DataError
        If a frame lacks ``Last`` or days, rates of one currency differ between instruments, or none is left.
    """
    table = guide_specifications(instruments_df, "instruments_df", base_currency)
    named = "Currency" in instruments_df.columns
    notes: list[DataNote] = []
    series: dict[str, pd.DataFrame] = {}
    rates: dict[str, pd.Series] = {}
    for name in sorted(data):
        rows, more = _guide_rows(data[name], name)
        notes += more
        series[name] = pd.DataFrame({"price": rows["Last"], "adjusted": _adjusted(rows)})
        if "Contract_Month" in rows:
            series[name]["contract_month"] = rows["Contract_Month"]
        if "FX" not in rows or name not in table.index:
            continue
        if not named and (rows["FX"].dropna() != 1).any():
            table.loc[name, "currency"] = f"currency of {name}"
        currency = str(table.at[name, "currency"])
        rate = rows["FX"].dropna()
        known = pd.Series(1.0, index=rate.index) if currency == base_currency else rates.get(currency, rate)
        rates[currency] = _same_rates(known, rate, currency, name)
    pairs = {currency + base_currency: rate for currency, rate in rates.items()}
    return assemble_market(series, pairs, table, base_currency, notes=notes, on_suspect=on_suspect)


def _guide_rows(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[DataNote]]:
    frame = frame.set_index("Time") if "Time" in frame.columns else frame
    if "Last" not in frame:
        columns = ", ".join(map(str, frame.columns))
        raise DataError(f"the column Last is missing; the columns are {columns}", field="data", instrument=name)
    refuse_misspelt([str(column) for column in frame.columns], OPTIONAL, f"data of {name}", DataError)
    known = [column for column in ("Last", *OPTIONAL) if column in frame]
    return one_row_a_day(frame[known], name, needed=["Last"])


def _adjusted(rows: pd.DataFrame) -> pd.Series:
    """The price whose change of a day over the reference price of the day before is the return; a first has none."""
    if "returns" not in rows or rows.empty:
        return rows["Last"]
    changes = rows["returns"] * reference_price(rows["Last"]).shift()
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
