"""The days on which exchanges are closed, region by region: those that follow from the Gregorian calendar by a rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.holiday import EasterMonday, GoodFriday

EVERYWHERE = ((1, 1), (12, 25))
# (month, day). Lunar holidays are left out, and a day that falls on a weekend is not made up for.
FIXED = {
    "US": ((7, 4),),
    "Europe": ((5, 1), (12, 26)),
    "UK": ((12, 26),),
    "Japan": ((1, 2), (1, 3), (2, 11), (5, 3), (5, 4), (5, 5), (11, 3), (11, 23), (12, 31)),
    "Korea": ((3, 1), (5, 5), (6, 6), (8, 15), (10, 3), (12, 31)),
}
MONDAY, THURSDAY = 0, 3
# (month, weekday, earliest day, latest day): the third Monday of January is the one from the 15th to the 21st.
ONE_WEEKDAY = {
    "US": ((1, MONDAY, 15, 21), (2, MONDAY, 15, 21), (5, MONDAY, 25, 31), (9, MONDAY, 1, 7), (11, THURSDAY, 22, 28)),
    "UK": ((5, MONDAY, 1, 7), (5, MONDAY, 25, 31), (8, MONDAY, 25, 31)),
}
EASTER = {"US": (GoodFriday,), "Europe": (GoodFriday, EasterMonday), "UK": (GoodFriday, EasterMonday)}

REGIONS = tuple(sorted(FIXED))


def closed(region: str, days: pd.DatetimeIndex) -> NDArray[np.bool_]:
    """Whether the exchanges of a region are closed for a holiday, for each of some days.

    Parameters
    ----------
    region : str
        One of ``REGIONS``.
    days : DatetimeIndex
        In order, without a time.
    """
    month, day, weekday = days.month, days.day, days.day_of_week
    shut = np.zeros(len(days), dtype=np.bool_)
    for in_month, on_day in EVERYWHERE + FIXED[region]:
        shut |= (month == in_month) & (day == on_day)
    for in_month, on_weekday, earliest, latest in ONE_WEEKDAY.get(region, ()):
        shut |= (month == in_month) & (weekday == on_weekday) & (day >= earliest) & (day <= latest)
    for holiday in EASTER.get(region, ()):
        shut |= days.isin(holiday.dates(days[0], days[-1]))
    return shut
