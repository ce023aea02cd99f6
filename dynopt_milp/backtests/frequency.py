"""On which days a strategy rebalances."""

from __future__ import annotations

import pandas as pd

from dynopt_milp.io.labelled import one_of

FREQUENCIES = {"daily": None, "weekly": "W-SUN", "monthly": "M"}


def rebalance_days(days: pd.DatetimeIndex, frequency: str) -> pd.DatetimeIndex:
    """The last of the given days in every week or month, or all of them.

    Parameters
    ----------
    days : DatetimeIndex
        Trading days, in order.
    frequency : {"daily", "weekly", "monthly"}
        Weeks end on Sunday.

    Raises
    ------
    UnknownNameError
        If there is no such frequency.
    """
    period = FREQUENCIES[one_of(frequency, FREQUENCIES, "frequency")]
    if period is None:
        return days
    return pd.DatetimeIndex(days.to_series().groupby(days.to_period(period)).last().to_numpy(), name=days.name)
