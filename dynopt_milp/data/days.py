"""Days as people write them, read strictly: 2019-12-31, never 12/31/19."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import DataError, HistoryError

WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}( 00:00:00)?")


def to_day(value: Any, field: str) -> pd.Timestamp:
    """A day, without a time or a zone.

    Parameters
    ----------
    value : str, date, datetime or Timestamp
        A text must be written as 2019-12-31: whether 01/02 is in January or in February is a guess.
    field : str
        What it is, for the error.

    Raises
    ------
    DataError
        If ``value`` is not a day, or a text in another form.
    """
    readable = isinstance(value, (datetime.date, np.datetime64)) or (
        isinstance(value, str) and WRITTEN.fullmatch(value.strip()) is not None
    )
    try:
        day = pd.Timestamp(value) if readable else pd.NaT
    except ValueError:  # 2019-02-30
        day = pd.NaT
    if pd.isna(day):
        raise DataError(f"expected a date as 2019-12-31, found {value!r}", field=field)
    return day.tz_localize(None).normalize()


def day_within(days: pd.DatetimeIndex, value: Any, field: str) -> pd.Timestamp:
    """A day between the first and the last of some days, itself one of them or not.

    Raises
    ------
    DataError
        If :func:`to_day` refuses it.
    HistoryError
        If the day lies outside.
    """
    day = to_day(value, field)
    if not days[0] <= day <= days[-1]:
        raise HistoryError(
            f"{day.date()} is outside the data, which go from {days[0].date()} to {days[-1].date()}", field=field
        )
    return day
