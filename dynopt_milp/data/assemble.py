"""From raw prices to a :class:`~dynopt_milp.data.Market`: the rules by which data are cleaned, in one place.

Of the rows of one instrument, in this order; each rule that is applied leaves a :class:`~dynopt_milp.data.DataNote`:

    unsorted        rows are put in the order of their timestamps, which then become days
    missing price   rows without a (finite) traded or back-adjusted price are dropped
    repeated day    of several rows of one day the last one stays
    weekend         rows on Saturdays and Sundays are dropped; the change of price appears on the next day
    zero            rows with a traded price of exactly zero are dropped: a gap in most files
    below zero      kept: traded prices below zero, which earn and cost what they say (see Market.reference_prices)
    stale           from the 11th row in a row that repeats both prices of the row before it, rows are dropped
    no rate yet     rows before the first exchange rate of the instrument's currency are dropped
    suspect         a price that has moved by more than 15 standard deviations or 50 %
                    (:mod:`dynopt_milp.data.suspects`) is set aside: it counts as missing. Of an exchange rate, by more
                    than a quarter: the rate before holds on. ``on_suspect`` can say otherwise
    large move      kept: returns of more than 50 % that are not suspect: below zero, or at the new level
    adjusted jump   kept: without another contract month the back-adjusted price moved by 1 % of the price more or less
                    than the traded price
    zero spread     kept: the specification has a spread, or a cost, of zero
    gap             kept: more than 10 calendar days without a row
    late start      kept: the first row is more than 30 days after the first day of the market
    early end       kept: the last row is more than 30 days before the last day of the market
    excluded        an instrument without a specification, without a number in it that is needed, without a rate of its
                    currency or with fewer than 2 rows left is left out

An instrument that was asked for by name is not left out: that is a :class:`~dynopt_milp.DataError`.

Of exchange rates: rows become days as above (those of weekends stay), rates that are missing or not positive are
dropped, each rate holds until the next one, and more than 10 days without a new one, at the end too, are a "gap". A
currency quoted in hundredths (GBX, GBp, USX, ZAc, ILA: :mod:`dynopt_milp.data.minor_units`) is a hundredth of its own
currency, unless it has a rate of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dynopt_milp.data.market import DataNote, Market
from dynopt_milp.data.rates import Rates
from dynopt_milp.data.reference_price import reference_price
from dynopt_milp.data.rows import clean, drop, exclude
from dynopt_milp.data.specifications import specification_fault, specification_table, zero_cost
from dynopt_milp.data.suspects import (
    MOST_MOVE,
    ON_SUSPECT,
    Suspect,
    in_words,
    on_days,
    refuse_suspects,
    suspect_prices,
)
from dynopt_milp.errors import DataError
from dynopt_milp.io.labelled import check_instruments, one_of

JUMP = 0.01  # of the price; in 42 real futures in 20 years the two prices never parted by 0.00002 % within a contract
GAP_DAYS = 10  # calendar days; a holiday of a week, with the weekends around it, is 10 from row to row
EDGE_DAYS = 30  # calendar days by which an instrument may start after, or end before, the others unremarked
FEWEST_ROWS = 2  # less has no return


def assemble_market(
    series: Mapping[str, pd.DataFrame],
    fx: Mapping[str, pd.Series],
    specifications: pd.DataFrame,
    base_currency: str = "USD",
    chosen: Sequence[str] | None = None,
    notes: Sequence[DataNote] = (),
    on_suspect: str = "freeze",
    source: str = "prices",
) -> Market:
    """A market from raw prices, by the rules of this module.

    Parameters
    ----------
    series : mapping of DataFrame, by instrument
        Rows are timestamps; columns ``price`` (traded) and ``adjusted`` (back-adjusted), and perhaps
        ``contract_month``, a number such as 20200300, NaN where it is not known.
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
    on_suspect : {"freeze", "refuse", "use"}
        What to do about suspect prices.
    source : str
        Where they come from, for the error.

    Raises
    ------
    DataError
        If an instrument asked for by name would be excluded, none is left, or there are suspect prices and they are to
        be refused.
    """
    one_of(on_suspect, ON_SUSPECT, "on_suspect")
    names = sorted(series) if chosen is None else sorted(check_instruments(chosen))
    table = specification_table(specifications, names)
    kept: dict[str, pd.DataFrame] = {}
    all_notes = list(notes)
    suspects: list[Suspect] = []
    rates: dict[str, pd.Series] = {}
    exchange = Rates(fx, all_notes, suspects, use_suspects=on_suspect == "use")
    for name in names:
        fault = "there are no prices of it" if name not in series else specification_fault(table, name)
        if fault:
            all_notes.append(exclude(name, fault, chosen))
            continue
        rows = clean(series[name], name, all_notes)
        currency = str(table.at[name, "currency"])
        if currency not in rates:
            rates[currency] = exchange.to_base(currency, base_currency)
        if rates[currency].empty:
            fault = f"there is no rate of its currency, {currency}, to {base_currency}"
            all_notes.append(exclude(name, fault, chosen, field="fx", rows=len(rows)))
            continue
        early = np.asarray(rows.index < rates[currency].index[0])
        rows = drop(rows, early, name, "no rate yet", f"before the first rate of {currency}", all_notes)
        if len(rows) < FEWEST_ROWS:
            fault = f"{len(rows)} rows of prices are left, and {FEWEST_ROWS} are needed"
            all_notes.append(exclude(name, fault, chosen, field="prices", rows=len(rows)))
            continue
        kept[name] = rows
        found = suspect_prices(rows, name)
        suspects += found
        if found and on_suspect != "use":
            kept[name] = rows.copy()
            kept[name].loc[on_days(rows.index, found)] = np.nan
        if (zero := zero_cost(table, name)) is not None:
            all_notes.append(DataNote(name, "zero spread", 0, zero))
    if not kept:
        why = [f"{note.instrument}: {note.reason}" for note in all_notes if note.rule == "excluded"]
        more = f"; and {len(why) - 10} more" if len(why) > 10 else ""
        raise DataError(f"no instrument is left ({'; '.join(why[:10]) or 'there was none'}{more})", field="market")
    prices = pd.DataFrame({name: rows["price"] for name, rows in kept.items()}).sort_index()
    for name, rows in kept.items():
        all_notes += _remarks(rows, name, prices.index[0], prices.index[-1])
    all_notes += _suspect_notes(suspects, on_suspect)
    for pair, rate in exchange.cleaned.items():
        # Today's rate counts as one of the last day: how long it has been carried is then a gap like any other.
        days = rate.index[(rate.index > prices.index[0]) & (rate.index < prices.index[-1])]
        all_notes += _gaps(days.union([prices.index[-1]]).union(rate.index[rate.index <= prices.index[0]][-1:]), pair)
    if on_suspect == "refuse":
        refuse_suspects(suspects, source)
    held = sorted({base_currency, *map(str, table.loc[list(kept), "currency"])})
    rates[base_currency] = exchange.to_base(base_currency, base_currency)
    return Market(
        prices=prices,
        adjusted=pd.DataFrame({name: rows["adjusted"] for name, rows in kept.items()}).sort_index(),
        fx=pd.DataFrame({currency: rates[currency].reindex(prices.index, method="ffill") for currency in held}),
        specifications=table.loc[list(kept)],
        base_currency=base_currency,
        notes=tuple(all_notes),
        contract_months=_contract_months(kept, prices.index),
        suspects=() if on_suspect == "use" else tuple(sorted(suspects, key=lambda one: (one.date, one.instrument))),
    )


def _contract_months(kept: Mapping[str, pd.DataFrame], days: pd.Index) -> pd.DataFrame | None:
    """The contract months of all instruments, NaN where there are none; None if there are none at all."""
    months = {name: rows["contract_month"] for name, rows in kept.items() if "contract_month" in rows}
    frame = pd.DataFrame(months, index=days).reindex(columns=list(kept))
    return frame.astype(float) if frame.notna().any(axis=None) else None


def _remarks(rows: pd.DataFrame, instrument: str, first: pd.Timestamp, last: pd.Timestamp) -> list[DataNote]:
    rows = rows.dropna(subset=["price", "adjusted"])
    notes = []
    returns = (rows["adjusted"].diff() / rows["price"].shift()).abs()
    large = int((returns > MOST_MOVE).sum())
    if large:
        reason = (
            f"{large} returns above {MOST_MOVE:.0%}, the largest {returns.max():.0%} on {str(returns.idxmax())[:10]}"
        )
        notes.append(DataNote(instrument, "large move", 0, f"{reason}; kept"))
    notes += _jumps(rows, instrument) + _gaps(rows.index, instrument)
    if (rows.index[0] - first).days > EDGE_DAYS:
        notes.append(DataNote(instrument, "late start", 0, f"the first price is of {str(rows.index[0])[:10]}"))
    if (last - rows.index[-1]).days > EDGE_DAYS:
        notes.append(DataNote(instrument, "early end", 0, f"the last price is of {str(rows.index[-1])[:10]}"))
    return notes


def _jumps(rows: pd.DataFrame, instrument: str) -> list[DataNote]:
    """The note that the back-adjusted price moved without the traded price, though the contract stayed the same."""
    if "contract_month" not in rows:
        return []
    month = rows["contract_month"]
    apart: pd.Series = (rows["adjusted"].diff() - rows["price"].diff()) / reference_price(rows["price"]).shift()
    apart = apart[(month == month.shift()) & (apart.abs() > JUMP)]
    if apart.empty:
        return []
    place = int(apart.abs().to_numpy().argmax())
    reason = (
        f"the back-adjusted price moved by {apart.iloc[place]:+.1%} more than the traded price on "
        f"{str(apart.index[place])[:10]}, without "
        f"another contract{f'; so it did on {len(apart) - 1} more days' if len(apart) > 1 else ''}; kept"
    )
    return [DataNote(instrument, "adjusted jump", 0, reason)]


def _suspect_notes(suspects: Sequence[Suspect], on_suspect: str) -> list[DataNote]:
    """One of each instrument or pair."""
    use = on_suspect == "use"
    rows: Counter[str] = Counter() if use else Counter(suspect.instrument for suspect in suspects)
    return [DataNote(name, "suspect", rows[name], words) for name, words in in_words(suspects, use=use).items()]


def _gaps(days: pd.Index, instrument: str) -> list[DataNote]:
    lengths = np.diff(days.to_numpy()) // np.timedelta64(1, "D")
    long = lengths[lengths > GAP_DAYS]
    if not len(long):
        return []
    after = days[int(lengths.argmax())]
    reason = f"{len(long)} of more than {GAP_DAYS} days, the longest {long.max()} days from {str(after)[:10]}; kept"
    return [DataNote(instrument, "gap", 0, reason)]
