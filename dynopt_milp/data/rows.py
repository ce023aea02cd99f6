"""Raw rows of prices and rates: one a day, in order, and what is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.data.days import to_day
from dynopt_milp.data.market import DataNote
from dynopt_milp.errors import DataError
from dynopt_milp.io.labelled import as_real

STALE_ROWS = 10  # repeats in a row that still pass for a price; in real futures there are 4 at most


def exclude(
    instrument: str, reason: str, chosen: Sequence[str] | None, *, field: str = "instruments", rows: int = 0
) -> DataNote:
    """The note that an instrument is left out.

    Raises
    ------
    DataError
        Instead, if it was asked for by name.
    """
    if chosen is not None and instrument in chosen:
        raise DataError(
            f"{reason}; it was asked for by name: leave it out, or mend its data", field=field, instrument=instrument
        )
    return DataNote(instrument, "excluded", rows, reason)


def join_prices(traded: pd.DataFrame, adjusted: pd.Series, instrument: str) -> tuple[pd.DataFrame, list[DataNote]]:
    """Traded and back-adjusted prices as one frame, on the days that have both.

    Parameters
    ----------
    traded : DataFrame, by timestamp
        ``price``, and perhaps ``contract_month``.
    adjusted : Series, by timestamp
        With the same timestamps every row is kept; otherwise each becomes one row a day first.
    instrument : str

    Returns
    -------
    DataFrame
        The columns of ``traded`` and ``adjusted``, as :func:`assemble_market` takes them.
    list of DataNote
        Rule ``"one price only"``: days that were in one of the two.
    """
    if traded.index.equals(adjusted.index):
        return traded.assign(adjusted=adjusted.to_numpy()), []
    left, notes = one_row_a_day(traded, instrument, needed=["price"])
    right, more = one_row_a_day(adjusted.to_frame("adjusted"), instrument)
    both = left.join(right, how="inner")
    alone = len(left) + len(right) - 2 * len(both)
    if alone:
        reason = f"{len(left) - len(both)} days have a traded price only, {len(right) - len(both)} an adjusted one only"
        more.append(DataNote(instrument, "one price only", alone, reason))
    return both, notes + more


def one_row_a_day(
    table: pd.DataFrame, instrument: str, needed: Sequence[str] | None = None
) -> tuple[pd.DataFrame, list[DataNote]]:
    """Rows by day, in order, each day once: the rules "unsorted", "missing price" and "repeated day".

    Parameters
    ----------
    table : DataFrame, by timestamp
        Of numbers.
    instrument : str
        Or pair, for the notes.
    needed : sequence of str, optional
        The columns that must have a number; all if not given.

    Raises
    ------
    DataError
        If the rows are not timestamps, or the entries not numbers.
    """
    notes: list[DataNote] = []
    table = _as_numbers(table, instrument).set_axis(timestamps(table.index, instrument), axis=0)
    back = int((np.diff(table.index.to_numpy()) < np.timedelta64(0)).sum())
    if back:
        notes.append(DataNote(instrument, "unsorted", 0, f"{back} rows were earlier than the row before them; sorted"))
        table = table.sort_index(kind="stable")
    there = np.isfinite(table[list(needed or table.columns)].to_numpy()).all(axis=1)
    table = drop(table, ~there, instrument, "missing price", "no number where a price is expected", notes)
    table = table.set_axis(pd.DatetimeIndex(table.index).normalize().rename("date"), axis=0)
    again = table.index.duplicated(keep="last")
    return drop(table, again, instrument, "repeated day", "a later row of the same day stays", notes), notes


def within(table: pd.DataFrame, start: Any, end: Any, instrument: str) -> pd.DataFrame:
    """The rows from one day to another, both included; ``None`` is no limit. Rows are timestamps in any order.

    Raises
    ------
    DataError
        If the limits are no dates or the wrong way round, or the rows no timestamps.
    """
    first, last = _limit(start, "start"), _limit(end, "end")
    if first is not None and last is not None and first > last:
        raise DataError(f"{first.date()} is after the end, {last.date()}", field="start")
    days = timestamps(table.index, instrument).normalize()
    inside = np.ones(len(days), dtype=bool)
    if first is not None:
        inside &= days >= first
    if last is not None:
        inside &= days <= last
    return table if inside.all() else table[inside]


def _limit(day: Any, field: str) -> pd.Timestamp | None:
    return None if day is None else to_day(day, field)


def clean(table: pd.DataFrame, instrument: str, notes: list[DataNote]) -> pd.DataFrame:
    """The rows of an instrument that can be used; what is left out is added to the notes."""
    for column in ("price", "adjusted"):
        if column not in table:
            raise DataError(f"the column {column} is missing", field="prices", instrument=instrument)
    pair = ["price", "adjusted"]
    rows, row_notes = one_row_a_day(table[[*pair, *table.columns.intersection(["contract_month"])]], instrument, pair)
    notes += row_notes
    weekend = np.asarray(pd.DatetimeIndex(rows.index).day_of_week >= 5)
    rows = drop(rows, weekend, instrument, "weekend", "on a Saturday or a Sunday", notes)
    rows = drop(rows, (rows["price"] == 0).to_numpy(), instrument, "zero", "a traded price of zero is a gap", notes)
    if "contract_month" in rows:
        rows["contract_month"] = rows["contract_month"].where(rows["contract_month"] > 0)
    below = rows.index[rows["price"] < 0]
    if len(below):
        first = rows["price"].loc[below].iloc[0]
        reason = f"{len(below)} traded prices, the first {first:g} on {str(below[0])[:10]}; kept"
        notes.append(DataNote(instrument, "below zero", 0, reason))
    same = (rows[pair] == rows[pair].shift()).all(axis=1)
    repeats = same.groupby((~same).cumsum()).cumsum().to_numpy()
    reason = f"both prices were those of the row before for more than {STALE_ROWS} rows"
    return drop(rows, repeats > STALE_ROWS, instrument, "stale", reason, notes)


def drop(
    table: pd.DataFrame, bad: NDArray[np.bool_], instrument: str, rule: str, reason: str, notes: list[DataNote]
) -> pd.DataFrame:
    """The rows that are not bad; how many were, by which rule and why is added to the notes."""
    count = int(bad.sum())
    if not count:
        return table
    notes.append(DataNote(instrument, rule, count, reason))
    return table[~bad]


def _as_numbers(table: pd.DataFrame, instrument: str) -> pd.DataFrame:
    try:
        return as_real(table)
    except (TypeError, ValueError):
        for column in table.columns:
            for row, entry in table[column].items():
                if isinstance(entry, (str, complex)) or pd.isna(pd.to_numeric(pd.Series([entry]), errors="coerce")[0]):
                    raise DataError(
                        f"expected numbers, found {entry!r} on {row}", field=str(column), instrument=instrument
                    ) from None
        raise


def timestamps(index: pd.Index, instrument: str) -> pd.DatetimeIndex:
    """Rows as timestamps without a zone.

    Raises
    ------
    DataError
        If they are none.
    """
    if not isinstance(index, pd.DatetimeIndex):
        if pd.api.types.is_numeric_dtype(index):  # a number would be nanoseconds since 1970
            raise DataError(
                f"expected days as its rows, found {index[:1].tolist()}", field="prices", instrument=instrument
            )
        try:
            index = pd.DatetimeIndex(pd.to_datetime(index, format="ISO8601"))
        except (TypeError, ValueError) as error:
            raise DataError(f"expected days as its rows: {error}", field="prices", instrument=instrument) from None
    if index.hasnans:
        raise DataError("expected days as its rows, and some have none", field="prices", instrument=instrument)
    # One unit for all: hashes of days and joins of frames should not depend on where the days come from.
    return index.tz_localize(None).as_unit("us")
