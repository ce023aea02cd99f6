"""Positions held, target positions and covariances from CSV files, read strictly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from dynopt_milp.errors import FormatError
from dynopt_milp.io.csv_cells import number_in, read_cells

COLUMNS = ("instrument", "position")
TERMS = ("weight_per_contract", "cost_in_weight_terms", "price", "multiplier", "fx", "cost_per_contract")
"""Further columns of numbers that a file of targets may have."""
SIDES = ("lower", "upper")
"""Further columns of limits, whole contracts; an empty cell has none."""

CLOSE = 0.8
"""How alike a column that is not known may be to one that is; of ``note`` and ``name`` it is less."""

Rows = dict[str, tuple[int, dict[str, str]]]
"""Lines of a file by instrument: number and cells by column."""


def read_held(path: Path) -> pd.Series:
    """Whole contracts by instrument, from a CSV file with the columns ``instrument`` and ``position``.

    Raises
    ------
    FormatError
        If there is no such file, a column is missing, an instrument stands twice or a position is not whole.
    """
    _, rows = _by_instrument(path, COLUMNS)
    return _column(rows, "position", path, whole=True)


def read_targets(path: Path) -> pd.DataFrame:
    """Contracts wanted, fractions and all, from a CSV file with the columns ``instrument`` and ``position``.

    Returns
    -------
    DataFrame, by instrument
        ``position``, and those of :data:`TERMS` and :data:`SIDES` that the file has; other columns are left out.

    Raises
    ------
    FormatError
        As :func:`read_held`, or if there are none or something is not a number.
    """
    head, rows = _by_instrument(path, (*COLUMNS, *TERMS, *SIDES))
    if not rows:
        raise FormatError("has a head and no rows", field=str(path))
    found = {"position": _column(rows, "position", path)}
    found |= {name: _column(rows, name, path) for name in TERMS if name in head}
    found |= {name: _column(rows, name, path, whole=True, empty=True) for name in SIDES if name in head}
    return pd.DataFrame(found)


def _by_instrument(path: Path, known: Sequence[str]) -> tuple[list[str], Rows]:
    head, lines = read_cells(path)
    for name in COLUMNS:
        if name not in head:
            raise FormatError(
                f"the column {name!r} is missing; expected {' and '.join(COLUMNS)}, found {', '.join(head)}",
                field=str(path),
            )
    for name in head:
        close = get_close_matches(name.lower(), known, n=1, cutoff=CLOSE)
        if name not in known and close:
            raise FormatError(f"the column {name!r} is not known; is it {close[0]!r}?", field=str(path))
    rows: Rows = {}
    for number, cells in lines:
        line = dict(zip(head, cells, strict=True))
        name = line["instrument"]
        if not name or name in rows:
            what = f"names {name} again" if name else "has no instrument"
            raise FormatError(f"line {number} {what}", field=str(path))
        rows[name] = (number, line)
    return head, rows


def _column(rows: Rows, name: str, path: Path, *, whole: bool = False, empty: bool = False) -> pd.Series:
    found: dict[str, float] = {}
    for instrument, (number, line) in rows.items():
        text = line[name]
        if empty and not text:
            found[instrument] = -math.inf if name == "lower" else math.inf
            continue
        value = number_in(text)
        if not math.isfinite(value) or (whole and value != round(value)):
            wanted = "whole contracts" if whole else "a number"
            where = "" if name == "position" else f" as {name}"
            raise FormatError(
                f"line {number}: expected {wanted}{where}, found {text!r}", field=str(path), instrument=instrument
            )
        found[instrument] = value
    return pd.Series(found, dtype=float)


def read_covariance(path: Path) -> pd.DataFrame:
    """A covariance from a CSV file: a head of instruments, and a row for each with its name in the first column.

    Raises
    ------
    FormatError
        If there is no such file, a name stands twice or something is not a number.
    """
    head, lines = read_cells(path)
    if len(head) < 2 or not lines:
        raise FormatError(
            "expected a head of instruments and a row for each, with its name in the first column", field=str(path)
        )
    names = head[1:]
    matrix = np.array([[number_in(cell) for cell in cells[1:]] for _, cells in lines])
    for row, column in np.argwhere(~np.isfinite(matrix)):
        number, cells = lines[row]
        raise FormatError(
            f"line {number}: expected a number with {names[column]}, found {cells[column + 1]!r}",
            field=str(path), instrument=cells[0],
        )  # fmt: skip
    return pd.DataFrame(matrix, index=[cells[0] for _, cells in lines], columns=names)
