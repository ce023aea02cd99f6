"""On which days the contract month of a price is known, though not every row states it."""

from __future__ import annotations

from typing import TypeVar

import pandas as pd

MONTH_DAYS = 20
"""Days of prices, that on which it is stated included, over which a contract month counts as known. Gaps of some days
are ordinary; a contract that rolls every month does so about once in as many days."""
Frame = TypeVar("Frame", pd.Series, pd.DataFrame)


def months_known(priced: Frame, stated: Frame) -> Frame:
    """Whether a month is stated on one of the last days with a price, this one included, by day.

    Parameters
    ----------
    priced, stated : Series or DataFrame of bool, by day
        Whether there is a price, and a contract month of it.
    """
    place = priced.cumsum()
    return place - place.where(stated).ffill() < MONTH_DAYS
