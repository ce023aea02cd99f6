"""Whether a function of a market knows the future: call it again without the later days and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import HistoryError, InputError, LookAheadError
from dynopt_milp.io.describe import describe
from dynopt_milp.strategy.checked_frame import frame_of_market


def check_no_look_ahead(
    function: Callable[[Market], pd.DataFrame],
    market: Market,
    *,
    days: Iterable[Any] | None = None,
    tolerance: float = 1e-9,
) -> None:
    """Raise unless a function says the same of the past when the future is cut off.

    The function is called on the whole market and, for each of a few days, on the market up to and including that day;
    everything it says of the days up to then must agree. For forecasts, costs and volatilities.

    Parameters
    ----------
    function : callable
        Market → numbers, days × instruments.
    market : Market
    days : iterable of date, optional
        Where to cut, before the last day of the market. Default: three days of its second half, among them the first
        of a month and, if there is one, of a year: where what is refitted then has seen the days after, only the first
        few days show it. More days find more; each costs one call.
    tolerance : float
        How far two numbers may differ, as a share of the largest of both and the median size of the instrument's
        numbers; for round-off.

    Raises
    ------
    LookAheadError
        If a number differs; the message has the instrument, the day and both numbers.
    InputError
        If the function returns something else than numbers by day, or a day to cut at is before the first of the
        market or not before its last.
    HistoryError
        If the market has fewer than two days.

    Notes
    -----
    Only what the function adds is tested, not the data: prices that were revised later, instruments chosen because they
    are known to have survived, or the level of back-adjusted prices, which every later roll moves (use their changes).
    Nor does it know how often a model was tried and the best one kept.

    An instrument without a price up to the cut is not in the cut market; it is not compared.
    """
    name = " ".join(describe(function, with_code=False).split())
    whole = frame_of_market(function(market), market, name)
    for day in _cuts(market.days) if days is None else _given(days, market.days):
        known = market.between(end=day)
        cut = frame_of_market(function(known), known, name)
        _compare(whole.loc[known.days, list(known.instruments)], cut, day, tolerance, name)


def _compare(whole: pd.DataFrame, cut: pd.DataFrame, day: pd.Timestamp, tolerance: float, name: str) -> None:
    later, now = whole.to_numpy(), cut.to_numpy()
    usual = whole.abs().median().fillna(0.0).to_numpy()
    with np.errstate(invalid="ignore"):  # the difference of two infinities
        gap = np.abs(later - now)
        close = gap <= tolerance * np.maximum(np.maximum(np.abs(later), np.abs(now)), usual)
    differs = ~((close & np.isfinite(gap)) | (later == now) | (np.isnan(later) & np.isnan(now)))
    if differs.any():
        row, place = np.argwhere(differs)[0]
        raise LookAheadError(
            f"on {whole.index[row].date()} it is {later[row, place]:.10g} if the days after {day.date()} are known and "
            f"{now[row, place]:.10g} if they are not: it uses what comes later. Look for shift(-1), bfill, centred "
            "windows, means or scales over all days, and models fitted on all days (walk_forward says which may be "
            "used when)",
            field=name,
            instrument=str(whole.columns[place]),
        )


def _given(days: Iterable[Any], known: pd.DatetimeIndex) -> list[pd.Timestamp]:
    try:
        cuts = [pd.Timestamp(day) for day in days]
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot be read as dates: {error}", field="days") from None
    for day in cuts:
        if not known[0] <= day < known[-1]:
            raise InputError(
                f"expected days from {known[0].date()} to the one before {known[-1].date()}, found {day.date()}",
                field="days",
            )
    return cuts


def _cuts(days: pd.DatetimeIndex) -> list[pd.Timestamp]:
    """Of the second half: a day within a month, the first of a month, the first of a year; each from the middle."""
    if len(days) < 2:
        raise HistoryError("expected at least two days, one to cut off", field="market")
    rows = np.arange((len(days) - 1) // 2, len(days) - 1)
    before = days[np.maximum(rows - 1, 0)]
    year, month = days[rows].year != before.year, days[rows].month != before.month
    chosen = [rows[kind][kind.sum() // 2] for kind in (~month, month & ~year, year) if kind.any()]
    return [days[row] for row in sorted(chosen)]
