"""Columns of a CSV file, read strictly: what is not a date or a number is refused with its line."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from dynopt_milp.errors import DataError

EMPTY = ["", "nan", "NaN", "NA", "N/A", "null"]
"""What a cell without a number may say; in a column of text only the empty cell is empty."""


def read_columns(
    path: Path, *, dates: str | None = None, numbers: Sequence[str] = (), texts: Sequence[str] = ()
) -> pd.DataFrame:
    """The columns that are wanted of one CSV file, in the order of the file's rows.

    Parameters
    ----------
    path : Path
        UTF-8, with a header line, comma separated.
    dates : str, optional
        The column that becomes the index: dates with or without a time, as ``2019-12-31`` or ``2019-12-31 23:00:00``.
        A zone is dropped, so that the day stays the one that is written there.
    numbers, texts : sequence of str
        Columns of numbers (empty cells become NaN) and of text (empty cells become ``""``).

    Returns
    -------
    DataFrame, rows × columns
        Numbers are float64.

    Raises
    ------
    DataError
        If the file cannot be read or is empty, lacks a column, or has something else where a date or a number is
        wanted; ``field`` is the path.
    """
    wanted = [column for column in (dates, *numbers, *texts) if column is not None]
    _check_header(path, column_names(path), wanted)
    try:
        with warnings.catch_warnings():
            # Rows with more cells than the header are an error: "4,512.25" would be read as 4.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, encoding="utf-8-sig", index_col=False, dtype=str, keep_default_na=False, na_values=[""]
            )[wanted]
    except (OSError, ValueError, pd.errors.ParserWarning) as error:  # a ParserError is a ValueError
        raise DataError(f"not a table of comma-separated values: {str(error).strip()}", field=str(path)) from None
    if table.empty:
        raise DataError("has a header and no rows", field=str(path))
    for column in numbers:
        table[column] = _numbers(path, column, table[column])
    for column in texts:
        table[column] = table[column].fillna("").str.strip()
    if dates is not None:
        table.index = _timestamps(path, dates, table[dates])
        table = table.drop(columns=dates)
    return table


def column_names(path: Path) -> list[str]:
    """The header of a CSV file.

    Raises
    ------
    DataError
        If there is no such file, or nothing is in it.
    """
    if not path.is_file():
        raise DataError("there is no such file", field=str(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read as text: {error}", field=str(path)) from None
    if names is None:
        raise DataError("is empty; a header line and rows are wanted", field=str(path))
    return names


def csv_stems(folder: Path, ending: str = ".csv") -> list[str]:
    """The names, sorted and without the ending, of the files of a folder that have it.

    Raises
    ------
    DataError
        If there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no such folder; it should hold files named *{ending}", field=str(folder))
    found = sorted(path.name[: -len(ending)] for path in folder.iterdir() if path.name.endswith(ending))
    if not found:
        raise DataError(f"the folder holds no file named *{ending}", field=str(folder))
    return found


def _check_header(path: Path, header: list[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if header.count(column) != 1:
            state = "is missing" if column not in header else "appears more than once"
            raise DataError(f"the column {column} {state}; the columns are {', '.join(header)}", field=str(path))


def _numbers(path: Path, column: str, cells: pd.Series) -> pd.Series:
    cells = cells.mask(cells.str.strip().isin(EMPTY))
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    _refuse(path, column, cells, numbers.isna() & cells.notna(), "a number")
    return numbers


def _timestamps(path: Path, column: str, cells: pd.Series) -> pd.DatetimeIndex:
    # pandas would take "now" for a date, and a year alone for its first day.
    cells = cells.fillna("")
    what = "a date as 2019-12-31 or 2019-12-31 23:00:00"
    _refuse(path, column, cells, ~cells.str.match(r"\d{4}-?\d\d-?\d\d"), what)
    try:
        days = pd.to_datetime(cells, format="ISO8601")
    except ValueError:  # or several zones, of summer and winter
        cells = cells.str.replace(r"(?:Z|[+-]\d\d:?\d\d)$", "", regex=True)
        days = pd.to_datetime(cells, format="ISO8601", errors="coerce")
        _refuse(path, column, cells, days.isna(), what)
    return pd.DatetimeIndex(days).tz_localize(None)


def _refuse(path: Path, column: str, cells: pd.Series, bad: pd.Series, what: str) -> None:
    if bad.any():
        row = int(bad.to_numpy().argmax())
        line = next(number for place, number in enumerate(_line_numbers(path)) if place == row)
        raise DataError(f"line {line}, column {column}: expected {what}, found {cells.iloc[row]!r}", field=str(path))


def _line_numbers(path: Path) -> Iterator[int]:
    """Where each row of the table ends: blank lines and line breaks within quotes count too."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from (rows.line_num for row in rows if row)
