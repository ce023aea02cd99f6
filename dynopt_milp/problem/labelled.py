"""Labelled input (Series, dict, array or number) made into arrays in the order of the instruments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from formulations import FloatArray

MOST_CONTRACTS = 2.0**53  # beyond, float64 does not hold every whole number
NUMBERS = "fiu"  # numpy's kinds of numbers: floating, integer, unsigned


def check_instruments(instruments: Any, field: str = "instruments") -> tuple[str, ...]:
    """The names, as a tuple of distinct non-empty strings.

    Raises
    ------
    InputError
        If there are none, one is empty or not a string, or one stands twice.
    """
    if isinstance(instruments, str) or not hasattr(instruments, "__iter__"):
        raise InputError(f"wants a list of names, found {instruments!r}", field=field)
    names = tuple(instruments)
    if not names:
        raise InputError("is empty; a problem needs at least one instrument", field=field)
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"names are non-empty strings, found {name!r}", field=field)
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise InputError("stands more than once; give every instrument one name", field=field, instrument=repeated[0])
    return names


def to_vector(
    value: Any, instruments: tuple[str, ...], field: str, *, missing: float | None = None, infinite: bool = False
) -> FloatArray:
    """One number per instrument, float64, shape (n,), in the order of ``instruments``.

    Parameters
    ----------
    value : Series, mapping, sequence or number
        Labelled input is aligned by label; unlabelled input must have the order of ``instruments``.
    instruments : tuple of str
        The names.
    field : str
        What the value is, for the error.
    missing : float, optional
        What an instrument without a label gets. Without it, a missing instrument is an error.
    infinite : bool
        Whether infinities are allowed (limits). NaN never is.

    Raises
    ------
    InputError
        If an instrument is missing, unknown or stands twice, the length is wrong or an entry is not a number.
    """
    if isinstance(value, pd.Series):
        repeated = value.index[value.index.duplicated()]
        if len(repeated):
            raise InputError("stands more than once", field=field, instrument=str(repeated[0]))
        in_order = value.dtype.kind in NUMBERS and tuple(value.index) == instruments
        value = value.to_numpy() if in_order else value.to_dict()
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in instruments]
        if unknown:
            raise InputError("is not among the instruments of the problem", field=field, instrument=str(unknown[0]))
        absent = [name for name in instruments if name not in value]
        if absent and missing is None:
            raise InputError("is missing; give every instrument a number", field=field, instrument=absent[0])
        entries: Any = [value.get(name, missing) for name in instruments]
    elif isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)):
        if isinstance(value, np.ndarray) and value.ndim != 1:
            raise InputError(f"wants one number per instrument, found shape {value.shape}", field=field)
        if len(value) != len(instruments):
            raise InputError(f"wants {len(instruments)} numbers, one per instrument, found {len(value)}", field=field)
        entries = value
    else:
        entries = np.full(len(instruments), as_number(value, field, instruments[0]))
    if isinstance(entries, np.ndarray) and entries.dtype.kind in NUMBERS:
        vector = entries.astype(np.float64)
    else:
        vector = np.array([as_number(entry, field, name) for entry, name in zip(entries, instruments, strict=True)])
    good = ~np.isnan(vector) if infinite else np.isfinite(vector)
    if not good.all():
        place = int(np.argmin(good))
        raise InputError(f"wants a finite number, found {vector[place]:g}", field=field, instrument=instruments[place])
    return vector


def as_number(entry: Any, field: str, instrument: str | None) -> float:
    """A number of any kind, NaN and infinities too; no text and no truth value.

    Raises
    ------
    InputError
        If it is none.
    """
    if type(entry) is float:
        return entry
    if isinstance(entry, (bool, np.bool_, str, bytes)) or entry is None:
        raise InputError(f"wants a number, found {entry!r}", field=field, instrument=instrument)
    try:
        return float(entry)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"wants a number, found {entry!r}", field=field, instrument=instrument) from None


def to_number(value: Any, field: str, *, infinite: bool = False) -> float:
    """One number; finite, unless infinities are allowed.

    Raises
    ------
    InputError
        If it is not.
    """
    number = as_number(value, field, None)
    if math.isnan(number) or (math.isinf(number) and not infinite):
        raise InputError(f"wants a finite number, found {value!r}", field=field)
    return number


def not_negative(value: float, field: str, *, infinite: bool = False) -> float:
    """One number that is not negative.

    Raises
    ------
    InputError
        If it is none.
    """
    number = to_number(value, field, infinite=infinite)
    if number < 0:
        raise InputError(f"wants a number that is not negative, found {number:g}", field=field)
    return number


def to_whole(
    value: Any, instruments: tuple[str, ...], field: str, *, missing: float | None = None, infinite: bool = False
) -> FloatArray:
    """As :func:`to_vector`, whole numbers only.

    Raises
    ------
    InputError
        Also if an entry is fractional, or larger than float64 holds exactly (2⁵³).
    """
    vector = to_vector(value, instruments, field, missing=missing, infinite=infinite)
    bounded = np.where(np.isinf(vector), 0.0, vector) if infinite else vector
    bad = (bounded != np.rint(bounded)) | (np.abs(bounded) > MOST_CONTRACTS)
    if bad.any():
        place = int(np.argmax(bad))
        raise InputError(f"wants whole contracts, found {vector[place]:g}", field=field, instrument=instruments[place])
    return vector
