"""Parquet files of market data, as pandas writes them, read strictly: rows are dates, columns are numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from dynopt_milp.errors import DataError, MissingPackage
from dynopt_milp.io.csv_table import EMPTY, number_in
from dynopt_milp.io.files_read import read_bytes
from dynopt_milp.io.known_columns import refuse_misspelt
from formulations import FloatArray


def read_parquet_columns(path: Path, *, numbers: Sequence[str], optional_numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Columns of a Parquet file of market data, in the order of its rows.

    Parameters
    ----------
    path : Path
    numbers : sequence of str
        Columns that must be there. Where one column is all that is asked for and all that the file has, its name is
        free.
    optional_numbers : sequence of str
        Columns that may be there.

    Returns
    -------
    DataFrame, timestamps × columns
        As :func:`~dynopt_milp.io.csv_table.read_columns` has it: float64, NaN where nothing is. Text is read as a cell
        of a CSV file is.

    Raises
    ------
    MissingPackage
        If pyarrow is not installed.
    FileError
        If the file cannot be read.
    DataError
        If it is no Parquet file, lacks a column, or has something else than dates without a zone as its index and
        numbers in its columns; ``field`` is the path.
    """
    if find_spec("pyarrow") is None:
        raise MissingPackage("pyarrow", "parquet")
    table = _read(path)
    columns = [str(name) for name in table.columns]
    table.columns = pd.Index(columns)
    for name in columns:
        if columns.count(name) > 1:
            raise DataError(f"the column {name} appears more than once", field=str(path))
    if len(columns) == len(numbers) == 1 and not optional_numbers:
        table.columns = pd.Index(numbers)
    refuse_misspelt(columns, optional_numbers, str(path), DataError)
    for name in numbers:
        if name not in table:
            raise DataError(
                f"the column {name} is missing; the columns are {', '.join(columns) or 'none'}", field=str(path)
            )
    if table.empty:
        raise DataError("has no rows", field=str(path))
    days = _days(table.index, path)
    kept = [*numbers, *(name for name in optional_numbers if name in table)]
    return pd.DataFrame({name: _numbers(table[name], days, path) for name in kept}, index=days)


def _read(path: Path) -> pd.DataFrame:
    content = read_bytes(path)
    if not content:
        raise DataError("is empty; expected a Parquet file", field=str(path))
    try:
        return pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except Exception:  # of a damaged file pyarrow raises whatever its bytes lead to
        raise DataError("is not a Parquet file of a table, or is damaged", field=str(path)) from None


def _days(index: pd.Index, path: Path) -> pd.DatetimeIndex:
    """The dates of the rows."""
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(
            f"expected dates as its index, found {index[0]!r} in the first row; save the table with its dates as index",
            field=str(path),
        )
    if index.tz is not None:
        raise DataError(
            f"expected dates without a time zone as its index, found {index.tz}: the day of a price could be another; "
            "convert them to the time of the market and save them without a zone",
            field=str(path),
        )
    if index.hasnans:
        raise DataError(f"row {int(index.isna().argmax()) + 1} has no date in the index", field=str(path))
    return index.as_unit("us")  # so that the rows of two files are compared whatever their units


def _numbers(column: pd.Series, days: pd.DatetimeIndex, path: Path) -> FloatArray:
    """The numbers of a column, NaN where there is none; anything else is refused."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    cells = column.to_list()
    numbers = np.array([number_in(cell.strip()) if isinstance(cell, str) else np.nan for cell in cells])
    for row in np.flatnonzero(np.isnan(numbers) & column.notna().to_numpy()).tolist():
        cell = cells[row]
        if not isinstance(cell, str) or cell.strip() not in EMPTY:
            raise DataError(
                f"the row of {days[row]}, column {column.name}: expected a number, found {cell!r}", field=str(path)
            )
    return numbers
