"""The gap and the time limit of a solve, checked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, overload

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import to_number
from dynopt_milp.solvers.methods import find_method

DEFAULT_GAP = 1e-6
# Up to this gap a search goes on until nothing is left, and stops for floating point alone.
EXHAUSTIVE_GAP = 1e-6


def check_settings(optimizer: Any, gap: float, time_limit: float | None) -> None:
    """Refuse an unknown optimizer, and a gap or time limit out of range, before there is a problem.

    Raises
    ------
    UnknownNameError
        If there is no such optimizer.
    InputError
        If the gap or the time limit is out of range.
    """
    check_gap(gap)
    check_time_limit(time_limit)
    check_optimizer(optimizer)


def check_optimizer(optimizer: Any, field: str = "optimizer", others: Collection[str] = ()) -> None:
    """Refuse what is neither a function, nor the name of a method, nor one of ``others``.

    Raises
    ------
    UnknownNameError
        If there is no such optimizer.
    """
    if not callable(optimizer) and optimizer not in others:
        find_method(optimizer, field, others)


def check_gap(gap: float) -> float:
    """The gap as a number between 0 and 1.

    Raises
    ------
    InputError
        If ``gap`` is not a number between 0 and 1.
    """
    return _between(gap, "gap", 0.0, 1.0)


@overload
def check_time_limit(time_limit: None) -> None: ...


@overload
def check_time_limit(time_limit: float) -> float: ...


@overload
def check_time_limit(time_limit: float | None) -> float | None: ...


def check_time_limit(time_limit: float | None) -> float | None:
    """The time limit as a number of seconds that is not negative, or None.

    Raises
    ------
    InputError
        If ``time_limit`` is not a number, or negative.
    """
    return None if time_limit is None else _between(time_limit, "time_limit", 0.0, np.inf)


def _between(value: float, field: str, least: float, most: float) -> float:
    number = to_number(value, field, infinite=True)
    if not least <= number <= most:
        raise InputError(f"expected a number between {least:g} and {most:g}, found {value!r}", field=field)
    return number
