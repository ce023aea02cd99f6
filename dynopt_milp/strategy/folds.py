"""Which days a model may learn from, and which days it then predicts: learning without knowing the future."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import one_of, whole_number
from dynopt_milp.problem.book import DAYS_A_YEAR

PERIODS = {"yearly": "Y", "quarterly": "Q", "monthly": "M"}


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fit of a model.

    Attributes
    ----------
    known : DatetimeIndex
        Days to fit on: their labels were known before the first day of ``ahead``.
    ahead : DatetimeIndex
        Days to predict with that model, all later than ``known``.
    """

    known: pd.DatetimeIndex
    ahead: pd.DatetimeIndex


def walk_forward(
    days: pd.DatetimeIndex, *, every: str = "yearly", horizon: int = 0, minimum_history: int = DAYS_A_YEAR
) -> Iterator[Fold]:
    """Refit at the start of every period on all days before it, predict the period, go on.

    This is what makes learning honest: a number that was fitted on a day, or on a label that reaches into it, is never
    used on that day. The fold of a period does not change when later days are added, so a function of a market that
    learns this way passes :func:`~dynopt_milp.check_no_look_ahead`. Whatever else is estimated (the scale of
    features or forecasts, a threshold, which features to use) belongs inside the fold too.

    Parameters
    ----------
    days : DatetimeIndex
        Days of the market, in order, each once.
    every : {"yearly", "quarterly", "monthly"}
        How often to refit: calendar periods.
    horizon : int
        How many days, counted in ``days``, the labels look ahead. The last ``horizon`` days before a period are not in
        ``known``: their labels would reach into it. 0 for labels that are known on their day. A label over the next
        20 trading days of one instrument may take more than 20 days of the market: leave out a few more.
    minimum_history : int
        Days to fit on that there must be, at least 1; periods with fewer are left out. Default: 256, a year.

    Yields
    ------
    Fold
        In the order of time. Their ``ahead`` do not overlap and, from the first on, leave out no day.

    Raises
    ------
    InputError
        If the days are not in order, or a number is not a whole one of the size it should have.
    UnknownNameError
        If there is no such period.
    """
    period = PERIODS[one_of(every, PERIODS, "every")]
    if not isinstance(days, pd.DatetimeIndex) or not (days.is_monotonic_increasing and days.is_unique):
        raise InputError("expected days in order, each once (a DatetimeIndex)", field="days")
    embargo = whole_number(horizon, "horizon")
    least = whole_number(minimum_history, "minimum_history", least=1)
    return _folds(days, period, embargo, least)


def _folds(days: pd.DatetimeIndex, period: str, embargo: int, least: int) -> Iterator[Fold]:
    periods = days.to_period(period)
    starts = [row for row in range(1, len(days)) if periods[row] != periods[row - 1]]
    for start, end in pairwise([*starts, len(days)]):
        if start - embargo >= least:
            yield Fold(known=days[: start - embargo], ahead=days[start:end])
