"""Axes of charts: from where to where they go, and which values are marked on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from formulations import FloatArray

STEPS = (1, 2, 2.5, 5, 10)
"""Of what a marked value is a multiple, times a power of ten."""
MARKS = 6
"""About so many values are marked."""
YEARS = (1, 2, 5, 10, 20, 50)
MONTHS = (1, 3, 6)
HOLIDAYS = pd.Timedelta(days=7)
"""Days that begin so soon after a year or a month are marked as its beginning."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart.

    Attributes
    ----------
    low, high : float
        Where it begins and ends; of a logarithmic one, too, in the values themselves.
    marks : tuple of (value, text)
        In ascending order.
    log : bool
    """

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]
    log: bool = False

    def share(self, values: FloatArray) -> FloatArray:
        """How far along the axis values are: 0 at its beginning, 1 at its end."""
        low, high, of = self.low, self.high, np.asarray(values, dtype=np.float64)
        if self.log:
            low, high, of = math.log(low), math.log(high), np.log(of)
        return np.asarray((of - low) / (high - low))


def amounts(values: FloatArray, *, percent: bool = False, from_zero: bool = False) -> Axis:
    """A linear axis from one marked value to another, around numbers.

    Parameters
    ----------
    values : ndarray
        At least one is finite.
    percent : bool
        Write 0.1 as ``10%``.
    from_zero : bool
        Reach to zero.
    """
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = (0.0, 1.0) if low == 0 else sorted((0.0, 2 * low))
    step = _step((high - low) / MARKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = [number * step for number in range(first, last + 1)]
    return Axis(marks[0], marks[-1], tuple((mark, _text(mark, step, percent=percent)) for mark in marks))


def powers(values: FloatArray, *, percent: bool = False) -> Axis:
    """A logarithmic axis around positive numbers, marked at 1, 2 and 5 times powers of ten, or at these alone."""
    finite = np.asarray(values)[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [leading * 10.0**power for power in decades for leading in (1, 2, 5)]
    first = max(mark for mark in every if mark <= low * (1 + 1e-9))
    last = min((mark for mark in every if mark >= high * (1 - 1e-9) and mark > first), default=10 * first)
    marks = [mark for mark in every if first <= mark <= last]
    named = marks if len(marks) <= 2 * MARKS else [mark for mark in marks if math.log10(mark) % 1 < 1e-9]
    return Axis(first, last, tuple((mark, _text(mark, mark, percent=percent)) for mark in named), log=True)


def days(first: pd.Timestamp, last: pd.Timestamp) -> Axis:
    """An axis of days since 1970, marked at years, or at months where there are few."""
    low, high = day_numbers(pd.DatetimeIndex([first, last]))
    months = (high - low) / 30.4
    if months > 12 * 3:
        step = next((step for step in YEARS if months / 12 / step <= 2 * MARKS), YEARS[-1])
        starts = pd.date_range(f"{first.year // step * step}-01-01", last, freq=f"{step}YS")
        form = "%Y"
    else:
        step = next((step for step in MONTHS if months / step <= 2 * MARKS), MONTHS[-1])
        starts = pd.date_range(f"{first.year}-01-01", last, freq=f"{step}MS")
        form = "%b %Y"
    starts = starts[starts > first - HOLIDAYS]
    if len(starts) < 2:
        starts, form = pd.DatetimeIndex([first, last]), "%Y-%m-%d"
    numbers = np.maximum(day_numbers(starts), low)
    return Axis(low, high, tuple((float(at), f"{day:{form}}") for at, day in zip(numbers, starts, strict=True)))


def named(texts: list[str]) -> Axis:
    """An axis of texts, side by side; each has half a step of room around it."""
    return Axis(-0.5, len(texts) - 0.5, tuple((float(place), text) for place, text in enumerate(texts)))


def day_numbers(index: pd.DatetimeIndex) -> list[float]:
    """Days since 1970."""
    return [float(number) for number in (index - pd.Timestamp(0)) // pd.Timedelta(days=1)]


def _step(least: float) -> float:
    """The smallest step not below a number."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))


def _text(value: float, step: float, *, percent: bool) -> str:
    if percent:
        value, step = 100 * value, 100 * step
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, digits) != round(step, digits + 3):  # 2.5
        digits += 1
    return f"{value + 0.0:,.{digits}f}{'%' if percent else ''}"
