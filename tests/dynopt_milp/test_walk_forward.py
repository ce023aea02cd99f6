"""Folds leave out no day, and nothing of the future is in what a model is fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp.errors import InputError, UnknownNameError
from dynopt_milp.strategy.folds import walk_forward

DAYS = pd.bdate_range("2010-03-15", "2015-08-20", name="date")
PERIODS = {"yearly": "Y", "quarterly": "Q", "monthly": "M"}


@pytest.mark.parametrize("every", PERIODS)
@pytest.mark.parametrize("horizon", [0, 1, 20])
def test_folds_cover_every_day_once_from_the_first_on(every: str, horizon: int) -> None:
    folds = list(walk_forward(DAYS, every=every, horizon=horizon))
    ahead = np.concatenate([fold.ahead for fold in folds])
    assert pd.DatetimeIndex(ahead).equals(DAYS[folds[0].ahead[0] <= DAYS].rename(None))
    for fold in folds:
        assert fold.ahead.to_period(PERIODS[every]).nunique() == 1


@pytest.mark.parametrize("every", PERIODS)
@pytest.mark.parametrize("horizon", [0, 1, 20])
def test_labels_end_before_the_days_they_help_to_predict(every: str, horizon: int) -> None:
    for fold in walk_forward(DAYS, every=every, horizon=horizon):
        first = DAYS.searchsorted(fold.ahead[0])
        assert fold.known.equals(DAYS[: len(fold.known)])  # everything from the beginning
        assert len(fold.known) - 1 + horizon == first - 1  # and the last label ends on the day before


def test_the_first_fold_is_the_first_with_enough_history() -> None:
    known = int((DAYS.year == 2010).sum()) - 9
    starts = {
        least: next(walk_forward(DAYS, horizon=9, minimum_history=least)).ahead[0].year for least in (known, known + 1)
    }
    assert starts == {known: 2011, known + 1: 2012}


def test_later_days_change_no_fold_before_them() -> None:
    whole = list(walk_forward(DAYS, every="monthly", horizon=5))
    for length in (300, 700, 1001):
        for cut, full in zip(walk_forward(DAYS[:length], every="monthly", horizon=5), whole, strict=False):
            assert cut.known.equals(full.known)
            assert cut.ahead.equals(full.ahead[full.ahead <= DAYS[length - 1]])


def test_too_little_history_gives_no_fold() -> None:
    assert list(walk_forward(DAYS[:100])) == []
    assert list(walk_forward(DAYS[:0])) == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"every": "weekly"}, "every"),
        ({"horizon": -1}, "horizon"),
        ({"horizon": 2.5}, "horizon"),
        ({"horizon": True}, "horizon"),
        ({"minimum_history": 0}, "minimum_history"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_the_call(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(UnknownNameError if field == "every" else InputError) as caught:
        walk_forward(DAYS, **arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("days", [DAYS[::-1], DAYS.append(DAYS[-1:]), list(DAYS)])
def test_days_must_be_in_order(days: Any) -> None:
    with pytest.raises(InputError, match="in order"):
        walk_forward(days)
