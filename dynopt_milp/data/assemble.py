"""From raw prices to a :class:`~dynopt_milp.data.Market`: the rules by which data are cleaned, in one place.

Of the rows of one instrument, in this order; each rule that is applied leaves a :class:`~dynopt_milp.data.DataNote`:

=============== =======================================================================================================
unsorted        rows are put in the order of their timestamps, which then become days
missing price   rows without a (finite) traded or back-adjusted price are dropped
repeated day    of several rows of one day the last one stays
weekend         rows on Saturdays and Sundays are dropped; the change of price appears on the next day
not positive    rows with a traded price of zero or less are dropped
stale           from the 11th row in a row that repeats both prices of the row before it, rows are dropped
no rate yet     rows before the first exchange rate of the instrument's currency are dropped
large move      kept: daily returns of more than 50 %, which may be bad ticks or real
gap             kept: more than 10 calendar days without a row
late start      kept: the first row is more than 30 days after the first day of the market
early end       kept: the last row is more than 30 days before the last day of the market
excluded        an instrument without a specification, without a number in it that is needed, without a rate of its
                currency or with fewer than 2 rows left is left out
=============== =======================================================================================================

An instrument that was asked for by name is not left out: that is a :class:`~dynopt_milp.DataError`.

Of exchange rates: rows become days as above (those of weekends stay), rates that are missing or not positive are
dropped, each rate holds until the next one, and more than 10 days without a new one, at the end too, are a "gap".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.data.market import SPECIFICATIONS, DataNote, Market
from dynopt_milp.days import to_day
from dynopt_milp.errors import DataError
from dynopt_milp.labelled import check_instruments

STALE_ROWS = 10  # repeats in a row that still pass for a price; in real futures there are 4 at most
LARGE_MOVE = 0.5  # of the price, in a day; no day of 42 real futures in 20 years had it
GAP_DAYS = 10  # calendar days; a holiday of a week, with the weekends around it, is 10 from row to row
EDGE_DAYS = 30  # calendar days by which an instrument may start after, or end before, the others unremarked
FEWEST_ROWS = 2  # less has no return

COSTS = ("half_spread", "commission", "commission_share")


def assemble_market(
    series: Mapping[str, pd.DataFrame],
    fx: Mapping[str, pd.Series],
    specifications: pd.DataFrame,
    base_currency: str = "USD",
    chosen: Sequence[str] | None = None,
    notes: Sequence[DataNote] = (),
) -> Market:
    """A market from raw prices, by the rules of this module.

    Parameters
    ----------
    series : mapping of DataFrame, by instrument
        Rows are timestamps; columns ``price`` (traded) and ``adjusted`` (back-adjusted).
    fx : mapping of Series, by pair
        ``"EURUSD"`` is US dollars per euro; rows are timestamps. A rate that is not there is found from the pair the
        other way round, or by way of the US dollar.
    specifications : DataFrame, by instrument
        Columns as in :data:`~dynopt_milp.data.market.SPECIFICATIONS`; needed are ``multiplier``, ``currency`` and
        ``asset_class``, and of each instrument either ``sr_cost`` or those of the other costs that have a column.
    base_currency : str
    chosen : sequence of str, optional
        The instruments asked for by name; all of ``series`` if not given.
    notes : sequence of DataNote
        What was done before.

    Raises
    ------
    DataError
        If an instrument asked for by name would be excluded, or none is left.
    """
    names = sorted(series) if chosen is None else sorted(check_instruments(chosen))
    table = _specification_table(specifications, names)
    kept: dict[str, pd.DataFrame] = {}
    all_notes = list(notes)
    pairs: dict[str, pd.Series] = {}
    rates: dict[str, pd.Series] = {}
    for name in names:
        fault = "there are no prices of it" if name not in series else _specification_fault(table, name)
        if fault:
            all_notes.append(exclude(name, fault, chosen))
            continue
        rows = _clean(series[name], name, all_notes)
        currency = str(table.at[name, "currency"])
        if currency not in rates:
            rates[currency] = _rate(currency, base_currency, fx, pairs, all_notes)
        if rates[currency].empty:
            fault = f"there is no rate of its currency, {currency}, to {base_currency}"
            all_notes.append(exclude(name, fault, chosen, field="fx", rows=len(rows)))
            continue
        early = np.asarray(rows.index < rates[currency].index[0])
        rows = _drop(rows, early, name, "no rate yet", f"before the first rate of {currency}", all_notes)
        if len(rows) < FEWEST_ROWS:
            fault = f"{len(rows)} rows of prices are left, and {FEWEST_ROWS} are needed"
            all_notes.append(exclude(name, fault, chosen, field="prices", rows=len(rows)))
            continue
        kept[name] = rows
    if not kept:
        why = [f"{note.instrument}: {note.reason}" for note in all_notes if note.rule == "excluded"]
        more = f"; and {len(why) - 10} more" if len(why) > 10 else ""
        raise DataError(f"no instrument is left ({'; '.join(why[:10]) or 'there was none'}{more})", field="market")
    prices = pd.DataFrame({name: rows["price"] for name, rows in kept.items()}).sort_index()
    for name, rows in kept.items():
        all_notes += _remarks(rows, name, prices.index[0], prices.index[-1])
    for pair, rate in pairs.items():
        # Today's rate counts as one of the last day: how long it has been carried is then a gap like any other.
        days = rate.index[(rate.index > prices.index[0]) & (rate.index < prices.index[-1])]
        all_notes += _gaps(days.union([prices.index[-1]]).union(rate.index[rate.index <= prices.index[0]][-1:]), pair)
    held = sorted({base_currency, *map(str, table.loc[list(kept), "currency"])})
    rates[base_currency] = _rate(base_currency, base_currency, fx, pairs, all_notes)
    return Market(
        prices=prices,
        adjusted=pd.DataFrame({name: rows["adjusted"] for name, rows in kept.items()}).sort_index(),
        fx=pd.DataFrame({currency: rates[currency].reindex(prices.index, method="ffill") for currency in held}),
        specifications=table.loc[list(kept)],
        base_currency=base_currency,
        notes=tuple(all_notes),
    )


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


def join_prices(price: pd.Series, adjusted: pd.Series, instrument: str) -> tuple[pd.DataFrame, list[DataNote]]:
    """Traded and back-adjusted prices as one frame, on the days that have both.

    Parameters
    ----------
    price, adjusted : Series, by timestamp
        With the same timestamps every row is kept; otherwise each becomes one row a day first.
    instrument : str

    Returns
    -------
    DataFrame
        Columns ``price`` and ``adjusted``, as :func:`assemble_market` wants them.
    list of DataNote
        Rule ``"one price only"``: days that were in one of the two.
    """
    if price.index.equals(adjusted.index):
        return pd.DataFrame({"price": price.to_numpy(), "adjusted": adjusted.to_numpy()}, index=price.index), []
    left, notes = one_row_a_day(price.to_frame("price"), instrument)
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
    table = _as_numbers(table, instrument).set_axis(_timestamps(table.index, instrument), axis=0)
    back = int((np.diff(table.index.to_numpy()) < np.timedelta64(0)).sum())
    if back:
        notes.append(DataNote(instrument, "unsorted", 0, f"{back} rows were earlier than the row before them; sorted"))
        table = table.sort_index(kind="stable")
    there = np.isfinite(table[list(needed or table.columns)].to_numpy()).all(axis=1)
    table = _drop(table, ~there, instrument, "missing price", "no number where a price is wanted", notes)
    table = table.set_axis(pd.DatetimeIndex(table.index).normalize().rename("date"), axis=0)
    again = table.index.duplicated(keep="last")
    return _drop(table, again, instrument, "repeated day", "a later row of the same day stays", notes), notes


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
    days = _timestamps(table.index, instrument).normalize()
    inside = np.ones(len(days), dtype=bool)
    if first is not None:
        inside &= days >= first
    if last is not None:
        inside &= days <= last
    return table if inside.all() else table[inside]


def _limit(day: Any, field: str) -> pd.Timestamp | None:
    return None if day is None else to_day(day, field)


def _clean(table: pd.DataFrame, instrument: str, notes: list[DataNote]) -> pd.DataFrame:
    for column in ("price", "adjusted"):
        if column not in table:
            raise DataError(f"the column {column} is missing", field="prices", instrument=instrument)
    rows, row_notes = one_row_a_day(table[["price", "adjusted"]], instrument)
    notes += row_notes
    weekend = np.asarray(pd.DatetimeIndex(rows.index).day_of_week >= 5)
    rows = _drop(rows, weekend, instrument, "weekend", "on a Saturday or a Sunday", notes)
    below = (rows["price"] <= 0).to_numpy()
    rows = _drop(rows, below, instrument, "not positive", "a traded price of zero or less has no return", notes)
    same = (rows == rows.shift()).all(axis=1)
    repeats = same.groupby((~same).cumsum()).cumsum().to_numpy()
    reason = f"both prices were those of the row before for more than {STALE_ROWS} rows"
    return _drop(rows, repeats > STALE_ROWS, instrument, "stale", reason, notes)


def _drop(
    table: pd.DataFrame, bad: NDArray[np.bool_], instrument: str, rule: str, reason: str, notes: list[DataNote]
) -> pd.DataFrame:
    count = int(bad.sum())
    if not count:
        return table
    notes.append(DataNote(instrument, rule, count, reason))
    return table[~bad]


def _remarks(rows: pd.DataFrame, instrument: str, first: pd.Timestamp, last: pd.Timestamp) -> list[DataNote]:
    notes = []
    returns = (rows["adjusted"].diff() / rows["price"].shift()).abs()
    large = int((returns > LARGE_MOVE).sum())
    if large:
        reason = (
            f"{large} returns above {LARGE_MOVE:.0%}, the largest {returns.max():.0%} on {str(returns.idxmax())[:10]}"
        )
        notes.append(DataNote(instrument, "large move", 0, f"{reason}; kept"))
    notes += _gaps(rows.index, instrument)
    if (rows.index[0] - first).days > EDGE_DAYS:
        notes.append(DataNote(instrument, "late start", 0, f"the first price is of {str(rows.index[0])[:10]}"))
    if (last - rows.index[-1]).days > EDGE_DAYS:
        notes.append(DataNote(instrument, "early end", 0, f"the last price is of {str(rows.index[-1])[:10]}"))
    return notes


def _gaps(days: pd.Index, instrument: str) -> list[DataNote]:
    lengths = np.diff(days.to_numpy()) // np.timedelta64(1, "D")
    long = lengths[lengths > GAP_DAYS]
    if not len(long):
        return []
    after = days[int(lengths.argmax())]
    reason = f"{len(long)} of more than {GAP_DAYS} days, the longest {long.max()} days from {str(after)[:10]}; kept"
    return [DataNote(instrument, "gap", 0, reason)]


def _rate(
    currency: str, base: str, fx: Mapping[str, pd.Series], pairs: dict[str, pd.Series], notes: list[DataNote]
) -> pd.Series:
    """Base currency per unit of a currency, by day; empty if there is none. Cleaned pairs are kept in ``pairs``."""
    if currency == base:
        return pd.Series([1.0], index=pd.DatetimeIndex(["1700-01-01"]))  # before any price
    for pair in (currency + base, base + currency):
        if pair in fx and pair not in pairs:
            table, pair_notes = one_row_a_day(fx[pair].to_frame("rate"), pair)
            notes += pair_notes
            below = (table["rate"] <= 0).to_numpy()
            pairs[pair] = _drop(table, below, pair, "not positive", "a rate of zero or less is none", notes)["rate"]
        if pair in fx and not pairs[pair].empty:
            return pairs[pair] if pair == currency + base else 1 / pairs[pair]
    if "USD" in (currency, base):
        return pd.Series([], index=pd.DatetimeIndex([]), dtype=float)
    legs = [_rate(currency, "USD", fx, pairs, notes), _rate("USD", base, fx, pairs, notes)]
    days = legs[0].index.union(legs[1].index)
    return (legs[0].reindex(days, method="ffill") * legs[1].reindex(days, method="ffill")).dropna()


def _specification_table(specifications: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows that are wanted and there, with numbers as float64 and texts without spaces around them."""
    table = specifications.set_axis(specifications.index.astype(str).str.strip(), axis=0)
    if table.index.has_duplicates:
        repeated = str(table.index[table.index.duplicated()][0])
        raise DataError("stands more than once", field="specifications", instrument=repeated)
    for column in ("multiplier", "currency", "asset_class"):
        if column not in table:
            columns = ", ".join(map(str, table.columns))
            raise DataError(f"the column {column} is missing; the columns are {columns}", field="specifications")
    table = table[[column for column in SPECIFICATIONS if column in table]].loc[table.index.isin(names)].copy()
    for column in table.columns:
        if SPECIFICATIONS[column] is float:
            for name, entry in table[column].items():
                if isinstance(entry, (str, bool)) and str(entry).strip():
                    raise DataError(f"wants a number, found {entry!r}", field=column, instrument=str(name))
            table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
        else:
            table[column] = table[column].astype(object).where(table[column].notna(), "").map(lambda x: str(x).strip())
    table["asset_class"] = table["asset_class"].replace("", "Other")
    if "sr_cost" in table:
        given = [column for column in COSTS if column in table]
        table.loc[table["sr_cost"].notna(), given] = table.loc[table["sr_cost"].notna(), given].fillna(0.0)
    return table


def _specification_fault(table: pd.DataFrame, name: str) -> str:
    """Why a market cannot have this instrument, by its specification; empty if it can."""
    if name not in table.index:
        return "there is no specification of it"
    entries = dict(zip(table.columns, table.loc[name], strict=True))
    if not entries["currency"]:
        return "its specification has no currency"
    if not 0 < entries["multiplier"] < np.inf:
        return f"its multiplier should be positive, and is {entries['multiplier']:g}"
    needed = [column for column in COSTS if column in entries]
    if "half_spread" not in entries and "sr_cost" not in entries:
        return "its specification says nothing of costs; give half_spread and commission, or sr_cost (0 if free)"
    if "sr_cost" in entries and ("half_spread" not in entries or not np.isnan(entries["sr_cost"])):
        needed.append("sr_cost")
    for column in needed:
        if not 0 <= entries[column] < np.inf:
            return f"its {column} should be a number that is not negative, and is {entries[column]:g}"
    return ""


def _as_numbers(table: pd.DataFrame, instrument: str) -> pd.DataFrame:
    try:
        return table.astype(float)
    except (TypeError, ValueError):
        for column in table.columns:
            for row, entry in table[column].items():
                if isinstance(entry, str) or pd.isna(pd.to_numeric(pd.Series([entry]), errors="coerce")[0]):
                    raise DataError(
                        f"wants numbers, found {entry!r} on {row}", field=str(column), instrument=instrument
                    ) from None
        raise


def _timestamps(index: pd.Index, instrument: str) -> pd.DatetimeIndex:
    if not isinstance(index, pd.DatetimeIndex):
        if pd.api.types.is_numeric_dtype(index):  # a number would be nanoseconds since 1970
            raise DataError(
                f"wants days as its rows, found {index[:1].tolist()}", field="prices", instrument=instrument
            )
        try:
            index = pd.DatetimeIndex(pd.to_datetime(index, format="ISO8601"))
        except (TypeError, ValueError) as error:
            raise DataError(f"wants days as its rows: {error}", field="prices", instrument=instrument) from None
    if index.hasnans:
        raise DataError("wants days as its rows, and some have none", field="prices", instrument=instrument)
    # One unit for all: hashes of days and joins of frames should not depend on where the days come from.
    return index.tz_localize(None).as_unit("us")
