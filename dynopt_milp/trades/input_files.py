"""Positions held, target positions and covariances from CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dynopt_milp.errors import FormatError
from dynopt_milp.io.csv_table import CsvTable, read_csv
from dynopt_milp.io.known_columns import NOTE, nearest, refuse_unknown
from dynopt_milp.io.labelled import check_distinct
from formulations import FloatArray

POSITION_COLUMNS = ("instrument", "position")
TERMS = (
    "weight_per_contract", "cost_in_weight_terms", "price", "reference_price", "multiplier", "fx", "cost_per_contract",
    "rolls_a_year", "per_order", "minimum", "commission", "impact", "margin",
)  # fmt: skip
"""Further columns of numbers that a file of targets may have."""
UNDERLYING = "underlying"
"""A further column of names: instruments with the same are sizes of one contract; empty, an instrument is its own."""
SIDES = ("lower", "upper")
"""Further columns of limits, whole contracts."""
EMPTY_CELLS = {
    "reference_price": np.nan, "lower": -np.inf, "upper": np.inf, "per_order": 0.0, "minimum": 0.0, "impact": 0.0,
    "commission": 0.0, "margin": np.nan,
}  # fmt: skip
"""The columns that may have empty cells, and what these become: the price stands for itself, there is no limit, an
order costs nothing beside its contracts, a margin is not known."""

TARGET_COLUMNS = ("position", *TERMS, *SIDES, UNDERLYING)
"""All columns that targets may have, by instrument."""


def read_held(path: Path) -> pd.Series:
    """Whole contracts by instrument, from a CSV file with the columns ``instrument`` and ``position``.

    Raises
    ------
    FileError
        If the file cannot be read.
    FormatError
        If a column is missing or not known (``note`` is free), an instrument appears twice or a position is not whole.
    """
    table = _by_instrument(path, POSITION_COLUMNS)
    names = table.texts("instrument")
    return pd.Series(_finite(table, "position", names, whole=True), names)


def read_targets(path: Path) -> pd.DataFrame:
    """Target positions, in fractions of contracts, from a CSV file with the columns ``instrument`` and ``position``.

    Returns
    -------
    DataFrame, by instrument
        ``position``, and those of :data:`TERMS`, :data:`SIDES` and :data:`UNDERLYING` that the file has. A column
        ``note`` is left out, any other is refused. Empty cells of numbers are as :data:`EMPTY_CELLS` says.

    Raises
    ------
    FileError, FormatError
        If :func:`read_held` would raise it, there are no rows, or a cell is not a number.
    """
    table = _by_instrument(path, ("instrument", *TARGET_COLUMNS))
    if not table.rows:
        raise FormatError("has a header and no rows", field=str(path))
    names = table.texts("instrument")
    found = {
        name: _finite(table, name, names, whole=name in SIDES, empty=EMPTY_CELLS.get(name))
        for name in ("position", *TERMS, *SIDES)
        if name in table.header
    }
    texts = {UNDERLYING: table.texts(UNDERLYING)} if UNDERLYING in table.header else {}
    return pd.DataFrame(found | texts, names)


def _by_instrument(path: Path, known: Sequence[str]) -> CsvTable:
    table = read_csv(path)
    table.require(*POSITION_COLUMNS, known=known)
    refuse_unknown([name for name in table.header if name or not table.is_empty("")], known, str(path), FormatError)
    names = table.texts("instrument")
    for row, name in enumerate(names):
        if not name:
            raise table.fault(row, "instrument", "a name")
    check_distinct(names, str(path), kind=FormatError)
    return table


def read_covariance(path: Path) -> pd.DataFrame:
    """A covariance from a CSV file: a header of instruments, and a row for each with its name in the first column.

    Raises
    ------
    FileError
        If the file cannot be read.
    FormatError
        If a name is missing or appears twice, a row has no column or a column no row (``note`` is free), or a cell is
        not a number.
    """
    table = read_csv(path)
    names, labels = table.header[1:], [row[0].strip() for row in table.rows]
    names = [name for name in names if name in labels or (name != NOTE and (name or not table.is_empty("")))]
    if not names or not labels or not all(names) or not all(labels):
        raise FormatError(
            "expected a header of instruments and a row for each, with its name in the first column", field=str(path)
        )
    check_distinct(labels, str(path), kind=FormatError, where="in the first column")
    for alone, others, what in ((names, labels, "column and no row"), (labels, names, "row and no column")):
        for name in alone:
            if name not in others:
                near = nearest(name, [other for other in others if other not in alone])
                raise FormatError(
                    f"has a {what}{f'; is it {near!r}?' if near else ''}", field=str(path), instrument=name
                )
    matrix = np.column_stack([_finite(table, name, labels) for name in names])
    return pd.DataFrame(matrix, index=labels, columns=names)


def _finite(
    table: CsvTable, column: str, instruments: list[str], *, whole: bool = False, empty: float | None = None
) -> FloatArray:
    """The numbers of a column, finite, and ``empty`` where a cell is empty; without one, no cell may be."""
    numbers = table.numbers(column)
    bad = ~np.isfinite(numbers) | (whole & (numbers != np.rint(numbers)))
    for row in np.flatnonzero(bad):
        if empty is None or table.texts(column)[row]:
            raise table.fault(int(row), column, "whole contracts" if whole else "a number", instruments[row])
    return numbers if empty is None else np.where(bad, empty, numbers)
