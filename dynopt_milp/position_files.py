"""Positions, held or wanted, and covariances, from CSV files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from dynopt_milp.errors import FormatError

COLUMNS = ("instrument", "position")
TERMS = ("weight_per_contract", "cost_in_weight_terms", "price", "multiplier", "fx", "cost_per_contract")
"""Further columns of numbers that a file of targets may have."""
SIDES = ("lower", "upper")
"""Further columns of limits, whole contracts; an empty cell has none."""


def read_held(path: Path) -> pd.Series:
    """Whole contracts by instrument, from a CSV file with the columns ``instrument`` and ``position``.

    Raises
    ------
    FormatError
        If there is no such file, a column is missing, an instrument stands twice or a position is not whole.
    """
    table = _read(path)
    return _column(table, "position", path, whole=True)


def read_targets(path: Path) -> pd.DataFrame:
    """Contracts wanted, fractions and all, from a CSV file with the columns ``instrument`` and ``position``.

    Returns
    -------
    DataFrame, by instrument
        ``position``, and those of :data:`TERMS` and :data:`SIDES` that the file has; other columns are left out.

    Raises
    ------
    FormatError
        As :func:`read_held`, or if something is not a number.
    """
    table = _read(path)
    found = {"position": _column(table, "position", path)}
    found |= {name: _column(table, name, path) for name in TERMS if name in table}
    found |= {name: _column(table, name, path, whole=True, empty=True) for name in SIDES if name in table}
    return pd.DataFrame(found)


def read_covariance(path: Path) -> pd.DataFrame:
    """A covariance from a CSV file: a head of instruments, and a row for each with its name in the first column.

    Raises
    ------
    FormatError
        If there is no such file, or something is not a number.
    """
    table = _csv(path)
    if table.shape[1] < 2 or table.empty:
        raise FormatError(
            "wants a head of instruments and a row for each, with its name in the first column", field=str(path)
        )
    table = table.set_index(table.columns[0])
    numbers = table.apply(pd.to_numeric, errors="coerce")
    for row, column in np.argwhere(~np.isfinite(numbers.to_numpy(dtype=np.float64))):
        raise FormatError(
            f"wants a number with {numbers.columns[column]}, found {table.iloc[row, column]!r}",
            field=str(path), instrument=str(numbers.index[row]),
        )  # fmt: skip
    return pd.DataFrame(numbers.astype(np.float64)).rename_axis(index=None)


def _csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, skipinitialspace=True, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FormatError(f"cannot be read: {reason}", field=str(path)) from None


def _read(path: Path) -> pd.DataFrame:
    """The rows as text, by instrument."""
    table = _csv(path)
    for column in COLUMNS:
        if column not in table:
            raise FormatError(
                f"the column {column!r} is missing; wants {' and '.join(COLUMNS)}, found {', '.join(table.columns)}",
                field=str(path),
            )
    names = table["instrument"]
    for line, name in enumerate(names, 2):
        if pd.isna(name) or name in set(names[: line - 2]):
            what = "has no instrument" if pd.isna(name) else f"names {name} again"
            raise FormatError(f"line {line} {what}", field=str(path))
    return table.set_index("instrument")


def _column(table: pd.DataFrame, name: str, path: Path, *, whole: bool = False, empty: bool = False) -> pd.Series:
    found: dict[str, float] = {}
    for line, (instrument, text) in enumerate(table[name].items(), 2):
        if empty and pd.isna(text):
            found[str(instrument)] = -math.inf if name == "lower" else math.inf
            continue
        number = pd.to_numeric(text, errors="coerce")
        if pd.isna(number) or not math.isfinite(number) or (whole and number != round(number)):
            wanted = "whole contracts" if whole else "a number"
            where = "" if name == "position" else f" as {name}"
            raise FormatError(
                f"line {line}: wants {wanted}{where}, found {text!r}", field=str(path), instrument=str(instrument)
            )
        found[str(instrument)] = float(number)
    return pd.Series(found, dtype=float)
