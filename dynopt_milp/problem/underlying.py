"""Sizes of one underlying: contracts (full, mini, micro) that are the same thing in other amounts share its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dynopt_milp.errors import InputError, UnknownNameError
from dynopt_milp.io.labelled import check_distinct

FIELD = "underlying"
# pysystemtrade writes GOLD_micro, and GOLD-mini too.
SMALLER = re.compile(r"(.+)[_-](?:mini|micro)")


def underlying_of(name: str) -> str:
    """The underlying of a contract by its name, where sizes are named as in pysystemtrade.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        ``X`` of ``X_mini``, ``X_micro``, ``X-mini`` and ``X-micro``; any other name as it is.

    Raises
    ------
    InputError
        If the name is not a text, or is empty.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"expected the name of an instrument, found {name!r}", field=FIELD)
    found = SMALLER.fullmatch(name)
    return found[1] if found else name


def to_underlyings(value: Any, instruments: tuple[str, ...], *, kind: type[InputError] = InputError) -> tuple[str, ...]:
    """The underlying of every instrument: its own name where none is given (not there, None, NaN, or empty).

    Parameters
    ----------
    value : Series, mapping or sequence of str, optional
        Aligned by label; a sequence must have the order of ``instruments``.
    instruments : tuple of str
        The names.
    kind : type
        Of the errors.

    Raises
    ------
    InputError
        Of that kind, if an entry is not a text, a label appears twice, or a sequence has another length.
    UnknownNameError
        If a label is not among the instruments.
    """
    if value is None:
        return instruments
    if isinstance(value, pd.Series):
        check_distinct(value.index, FIELD, kind=kind)
        value = value.to_dict()
    if isinstance(value, Mapping):
        for name in value:
            if name not in instruments:
                raise UnknownNameError("is not among the instruments", field=FIELD, instrument=str(name))
        value = [value.get(name) for name in instruments]
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != len(instruments):
        raise kind(f"expected a text for each of {len(instruments)} instruments, found {value!r}", field=FIELD)
    return tuple(_to_underlying(entry, name, kind) for entry, name in zip(value, instruments, strict=True))


def _to_underlying(entry: Any, name: str, kind: type[InputError]) -> str:
    if isinstance(entry, str):
        return entry.strip() or name
    if entry is None or (pd.api.types.is_scalar(entry) and pd.isna(entry)):
        return name
    raise kind(
        f"expected a text, the same for all sizes of one contract, found {entry!r}; leave it empty where there is one "
        "size only",
        field=FIELD, instrument=name,
    )  # fmt: skip
