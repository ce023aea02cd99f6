"""Input at the door: numbers checked, and labelled input (Series, dict, array) made into arrays by instrument."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.errors import InputError, UnknownNameError
from formulations import FloatArray

Vector = pd.Series | Mapping[str, float] | Sequence[float] | FloatArray
"""A number for each instrument: aligned by label, or in the order of the instruments."""
Matrix = pd.DataFrame | Sequence[Sequence[float]] | FloatArray
"""A number for each pair of instruments, likewise."""

MOST_CONTRACTS = 2.0**52  # float64 holds every whole number to twice that: neighbours and differences are whole
NUMBERS = "fiu"  # numpy's kinds of numbers: floating, integer, unsigned


def check_instruments(instruments: Any, field: str = "instruments") -> tuple[str, ...]:
    """The names, as a tuple of distinct non-empty strings.

    Raises
    ------
    InputError
        If there are no names, one is empty or not a string, or one appears twice.
    """
    if isinstance(instruments, str) or not hasattr(instruments, "__iter__"):
        raise InputError(f"expected a list of names, found {instruments!r}", field=field)
    names = tuple(instruments)
    if not names:
        raise InputError("is empty; a problem needs at least one instrument", field=field)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"expected names (non-empty strings), found {name!r}", field=field)
    _check_names(names, field)
    return names


@lru_cache(maxsize=64)
def _check_names(names: tuple[str, ...], field: str) -> None:
    """Refuse empty and repeated names; the same names come again and again."""
    for name in names:
        if not name.strip():
            raise InputError(f"expected names (non-empty strings), found {name!r}", field=field)
        if not _can_be_written(name):
            raise InputError(f"expected names that can be written as UTF-8, found {name!r}", field=field)
    check_distinct(names, field)


def _can_be_written(text: str) -> bool:
    """Whether no half of a pair of surrogates stands in it, as JSON may have one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_distinct(
    labels: pd.Index | Sequence[Any], field: str, *, kind: type[InputError] = InputError, where: str = ""
) -> None:
    """Refuse labels of which one appears more than once.

    Parameters
    ----------
    labels : Index or sequence
    field : str
        What they label, for the error.
    kind : type
        Of the error.
    where : str
        Where they are, if the field does not say it: ``"in the rows"``.

    Raises
    ------
    InputError
        Of that kind, with the first label that is repeated.
    """
    if labels.has_duplicates if isinstance(labels, pd.Index) else len(set(labels)) < len(labels):
        repeated = next(label for label, times in Counter(labels).items() if times > 1)
        raise kind(f"appears more than once {where}".rstrip(), field=field, instrument=str(repeated))


def refuse(bad: NDArray[np.bool_], vector: FloatArray, instruments: tuple[str, ...], field: str, expected: str) -> None:
    """Refuse a vector of which an entry is bad: the error says what was expected of the first one and what it is."""
    if np.count_nonzero(bad):  # a third of the time of bad.any()
        place = int(np.argmax(bad))
        raise InputError(f"expected {expected}, found {vector[place]:.15g}", field=field, instrument=instruments[place])


def as_real(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as float64; raises TypeError or ValueError where it has no real numbers. pandas drops imaginary parts."""
    if any(kind.kind == "c" for kind in frame.dtypes):
        raise TypeError("complex numbers")
    return frame.astype(np.float64)


def refuse_masked_or_complex(
    value: Any, field: str, instruments: Sequence[str] = (), *, kind: type[InputError] = InputError
) -> None:
    """Refuse an array, or nested sequences, with an entry that is masked (missing) or complex.

    numpy makes an ordinary array of either without a word: of what lies under the mask, or of the real parts. A masked
    array of which no entry is masked is ordinary data; a complex number without an imaginary part is complex all the
    same. What is no array is left to the caller.

    Parameters
    ----------
    value : array_like
    field : str
        What the value is, for the error.
    instruments : sequence of str
        Names of the rows, for the error, where they are known.
    kind : type
        Of the error.

    Raises
    ------
    InputError
        Of that kind, about the first such entry.
    """
    if type(value) is np.ndarray and value.dtype.kind in NUMBERS:
        return
    try:
        array = np.ma.array(value)
    except (TypeError, ValueError):
        return
    mask = np.ma.getmaskarray(array)
    data = np.ma.getdata(array)
    bad = mask if mask.any() else data.imag != 0 if data.dtype.kind == "c" else _complex(data)
    if bad.any() or data.dtype.kind == "c":
        place = tuple(int(number) for number in np.unravel_index(int(np.argmax(bad)), bad.shape))
        found = "a masked entry" if mask.any() else f"{data[place]}"
        name = instruments[place[0]] if place and place[0] < len(instruments) else None
        where = "" if name is not None or not place else f" in row {place[0]}"
        raise kind(f"expected a real number, found {found}{where}", field=field, instrument=name)


_complex = np.vectorize(lambda entry: isinstance(entry, (complex, np.complexfloating)), otypes=[bool])


def to_vector(
    value: Any, instruments: tuple[str, ...], field: str, *, missing: float | None = None, infinite: bool = False,
    gaps: bool = False,
) -> FloatArray:  # fmt: skip
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
        Whether infinities are allowed (limits).
    gaps : bool
        Whether NaN is allowed, for what is not known; an instrument without a label has it, then.

    Raises
    ------
    InputError
        If an instrument is missing, unknown or appears twice, the length is wrong or an entry is not a number.
    """
    missing = math.nan if gaps else missing
    if isinstance(value, pd.Series):
        check_distinct(value.index, field)
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
            raise InputError(f"expected one number per instrument, found shape {value.shape}", field=field)
        if len(value) != len(instruments):
            raise InputError(
                f"expected {len(instruments)} numbers, one per instrument, found {len(value)}", field=field
            )
        if isinstance(value, np.ndarray):
            refuse_masked_or_complex(value, field, instruments)
        entries = value
    else:
        entries = np.full(len(instruments), as_number(value, field, instruments[0]))
    if isinstance(entries, np.ndarray) and entries.dtype.kind in NUMBERS:
        vector = np.array(entries, dtype=np.float64)  # of no subclass
    else:
        vector = np.array([as_number(entry, field, name) for entry, name in zip(entries, instruments, strict=True)])
    bad = ~np.isfinite(vector)
    bad = bad & ~np.isinf(vector) if infinite else bad
    refuse(bad & ~np.isnan(vector) if gaps else bad, vector, instruments, field, "a finite number")
    return vector


def as_number(entry: Any, field: str, instrument: str | None) -> float:
    """A number of any real kind, NaN and infinities too; no text, no truth value, nothing masked.

    Raises
    ------
    InputError
        If ``entry`` is not a number.
    """
    if type(entry) is float or type(entry) is np.float64:
        return float(entry)
    number_like = getattr(getattr(entry, "dtype", None), "kind", "f") in NUMBERS  # numpy makes floats of dates, too
    if isinstance(entry, (bool, str, bytes, np.ma.MaskedArray)) or entry is None or not number_like:
        raise InputError(f"expected a number, found {entry!r}", field=field, instrument=instrument)
    try:
        return float(entry)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"expected a number, found {entry!r}", field=field, instrument=instrument) from None


def to_number(value: Any, field: str, *, infinite: bool = False) -> float:
    """One number; finite, unless infinities are allowed.

    Raises
    ------
    InputError
        If ``value`` is not a number, or not a finite one.
    """
    number = as_number(value, field, None)
    if math.isnan(number) or (math.isinf(number) and not infinite):
        raise InputError(f"expected a finite number, found {value!r}", field=field)
    return number


def true_or_false(value: Any, field: str) -> bool:
    """A switch; a number or a text is refused, since either could mean something else.

    Raises
    ------
    InputError
        If it is not True or False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"expected True or False, found {value!r}", field=field)
    return bool(value)


def not_negative(value: float, field: str, *, infinite: bool = False, most: float = math.inf) -> float:
    """One number that is not negative.

    Raises
    ------
    InputError
        If ``value`` is not a number, is negative, or is above ``most``.
    """
    return at_least(0.0, value, field, infinite=infinite, most=most)


def at_least(least: float, value: Any, field: str, *, infinite: bool = False, most: float = math.inf) -> float:
    """One number that is not below ``least``.

    Raises
    ------
    InputError
        If ``value`` is not a number, is below ``least``, or is above ``most``.
    """
    number = to_number(value, field, infinite=infinite)
    if number < least:
        raise InputError(f"expected a number of at least {least:g}, found {number:g}", field=field)
    return at_most(most, number, field)


def at_most(most: float, number: float, field: str) -> float:
    """The number, which is not above ``most``.

    Raises
    ------
    InputError
        If it is.
    """
    if number > most:
        raise InputError(f"expected a number of at most {most:g}, found {number:g}", field=field)
    return number


def to_share(value: Any, field: str) -> float:
    """One number from 0 to 1.

    Raises
    ------
    InputError
        If ``value`` is not such a number.
    """
    share = to_number(value, field)
    if not 0 <= share <= 1:
        raise InputError(f"expected a share between 0 and 1, found {share:g}", field=field)
    return share


def positive(value: Any, field: str, *, most: float = math.inf) -> float:
    """One finite number above zero.

    Raises
    ------
    InputError
        If ``value`` is not a finite number, is not above zero, or is above ``most``.
    """
    number = to_number(value, field)
    if number <= 0:
        raise InputError(f"expected a positive number, found {number:g}", field=field)
    return at_most(most, number, field)


def whole_number(value: Any, field: str, *, least: int = 0, most: int | None = None) -> int:
    """One whole number, of an integer type.

    Raises
    ------
    InputError
        If ``value`` is not an integer, or is below ``least`` or above ``most``.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        size = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"expected a whole number {size}, found {value!r}", field=field)
    return int(value)


def one_of(name: Any, choices: Iterable[str], field: str, *, other: str = "") -> str:
    """A name that is among the choices; ``other`` is what else the caller takes, for the error.

    Raises
    ------
    UnknownNameError
        If it is not.
    """
    known = tuple(choices)
    if not isinstance(name, str) or name not in known:
        raise UnknownNameError(
            f"there is no {name!r}; there are {', '.join(known)}{f' and {other}' if other else ''}", field=field
        )
    return name


def to_whole(
    value: Any, instruments: tuple[str, ...], field: str, *, missing: float | None = None, infinite: bool = False
) -> FloatArray:
    """Whole numbers per instrument, float64, shape (n,); arguments as in :func:`to_vector`.

    Raises
    ------
    InputError
        If :func:`to_vector` refuses them, or an entry is fractional or larger than 2⁵².
    """
    vector = to_vector(value, instruments, field, missing=missing, infinite=infinite)
    bounded = np.where(np.isinf(vector), 0.0, vector) if infinite else vector
    bad = (bounded != np.rint(bounded)) | (np.abs(bounded) > MOST_CONTRACTS)
    refuse(bad, vector, instruments, field, f"whole contracts, at most {MOST_CONTRACTS:.0f}")
    return vector
