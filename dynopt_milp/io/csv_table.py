"""CSV files, read strictly: all rows as long as the header, and nothing but numbers and dates where they belong."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import DataError, FormatError, InputError
from dynopt_milp.io.files_read import read_bytes
from dynopt_milp.io.known_columns import nearest, refuse_misspelt
from formulations import FloatArray

EMPTY = ("", "nan", "NaN", "NA", "N/A", "null")
"""What a cell without a number may say; in a column of text only the empty cell is empty."""

WITH_COMMA = re.compile(r"[+-]?[\d.' ]*,[\d,.]*")
"""A number as some write it: 1,5 or 1,234.5."""

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What stands between the cells of other tables."""

A_DATE = "a date as 2019-12-31 or 2019-12-31 23:00:00"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CsvTable:
    """The cells of a CSV file.

    Attributes
    ----------
    path : Path
    header : list of str
        Names of columns, each once; several may be empty.
    rows : list of list of str
        Rows that say something, each as long as the header.
    lines : list of int
        Where each row ends in the file: blank lines and line breaks within quotes count too.
    kind : type
        Of the errors.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    kind: type[FormatError] | type[DataError]

    def require(self, *columns: str, known: Collection[str] = ()) -> None:
        """Refuse a header without one of these columns; one that is not ``known`` may be what is meant."""
        for column in columns:
            if column not in self.header:
                strange = [name for name in self.header if name and name not in (known or columns)]
                near = nearest(column, strange)
                raise self.kind(
                    f"the column {column} is missing{f'; is it {near!r}?' if near else ''}; the columns are "
                    f"{', '.join(self.header)}",
                    field=str(self.path),
                )

    def is_empty(self, column: str) -> bool:
        """Whether nothing stands in any column of that name."""
        places = [place for place, name in enumerate(self.header) if name == column]
        return not any(row[place].strip() for row in self.rows for place in places)

    def texts(self, column: str) -> list[str]:
        """The cells of a column, without spaces around them."""
        place = self.header.index(column)
        return [row[place].strip() for row in self.rows]

    def numbers(self, column: str) -> FloatArray:
        """The numbers of a column, NaN for :data:`EMPTY` cells; anything else is refused."""
        cells = self.texts(column)
        numbers = np.array([number_in(cell) for cell in cells])
        for row in np.flatnonzero(np.isnan(numbers)):
            if cells[row] not in EMPTY:
                raise self.fault(int(row), column, "a number")
        return numbers

    def days(self, column: str) -> pd.DatetimeIndex:
        """The dates of a column, with or without a time; a zone is dropped, so that the day stays as it is written."""
        cells = pd.Series(self.texts(column), dtype=object)
        # pandas would take "now" for a date, and a year alone for its first day.
        self._refuse(column, ~cells.str.match(r"\d{4}-?\d\d-?\d\d").astype(bool))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)  # pandas before 3 says that of several zones, and goes on
                days = pd.to_datetime(cells, format="ISO8601")
        except (ValueError, FutureWarning):  # or several zones, of summer and winter
            cells = cells.str.replace(r"(?:Z|[+-]\d\d:?\d\d)$", "", regex=True)
            days = pd.to_datetime(cells, format="ISO8601", errors="coerce")
            self._refuse(column, days.isna())
        return pd.DatetimeIndex(days).tz_localize(None)

    def _refuse(self, column: str, bad: pd.Series) -> None:
        if bad.any():
            raise self.fault(int(bad.to_numpy().argmax()), column, A_DATE)

    def fault(self, row: int, column: str, expected: str, instrument: str | None = None) -> InputError:
        """The error of a cell that does not hold what was expected."""
        found = self.texts(column)[row]
        comma = WITH_COMMA.fullmatch(found) is not None and not expected.startswith("a date")
        hint = "; write a point before decimals, and nothing between thousands" if comma else ""
        return self.kind(
            f"line {self.lines[row]}, column {column}: expected {expected}, found {found!r}{hint}",
            field=str(self.path), instrument=instrument,
        )  # fmt: skip


def read_csv(path: Path, kind: type[FormatError] | type[DataError] = FormatError) -> CsvTable:
    """Read a CSV file: UTF-8, comma separated, with a header line; rows of empty cells are left out.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    FormatError or DataError
        Of the kind asked for, if it is not such a table: it is empty, a column appears twice, or a row has more or
        fewer cells than the header.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        table = [(reader.line_num, row) for row in reader if any(row)]
    except UnicodeDecodeError:
        raise kind("is not a text file", field=str(path)) from None
    except csv.Error as error:
        raise kind(f"is not a table of comma-separated values: {error}", field=str(path)) from None
    if not table:
        raise kind("is empty; expected a header and rows", field=str(path))
    (_, head), *rows = table
    header = [name.strip() for name in head]
    for sign, called in SEPARATORS.items():
        if len(header) == 1 and sign in header[0]:
            raise kind(f"has {called} between its cells; write commas, and points in numbers", field=str(path))
    for name in header:
        if name and header.count(name) > 1:
            raise kind(f"the column {name} appears more than once", field=str(path))
    for line, cells in rows:
        if len(cells) != len(header):
            more = len(cells) > len(header) and any(cell.strip().isdigit() for cell in cells)
            hint = "; a decimal comma makes two cells of a number: write a point" if more else ""
            raise kind(f"line {line} has {len(cells)} cells, the header has {len(header)}{hint}", field=str(path))
    return CsvTable(path, header, [cells for _, cells in rows], [line for line, _ in rows], kind)


def read_columns(
    path: Path,
    *,
    dates: str | None = None,
    numbers: Sequence[str] = (),
    texts: Sequence[str] = (),
    optional: Sequence[str] = (),
    optional_numbers: Sequence[str] = (),
) -> pd.DataFrame:
    """Columns of a CSV file of market data, in the order of its rows.

    Parameters
    ----------
    path : Path
    dates : str, optional
        The column that becomes the index.
    numbers, texts : sequence of str
        Columns that must be there.
    optional, optional_numbers : sequence of str
        Columns of text, and of numbers, that may be there.

    Returns
    -------
    DataFrame, rows × columns
        Numbers are float64, NaN where a cell is empty.

    Raises
    ------
    FileError
        If the file cannot be read.
    DataError
        If it is empty, lacks a column, has one that is all but named like an optional one, or has something else where
        a date or a number is expected; ``field`` is the path.
    """
    table = read_csv(path, DataError)
    table.require(*([] if dates is None else [dates]), *numbers, *texts)
    refuse_misspelt(table.header, (*optional, *optional_numbers), str(path), DataError)
    if not table.rows:
        raise DataError("has a header and no rows", field=str(path))
    columns: dict[str, Any] = {
        name: table.numbers(name) for name in (*numbers, *optional_numbers) if name in table.header
    }
    columns |= {name: table.texts(name) for name in (*texts, *optional) if name in table.header}
    return pd.DataFrame(columns, index=None if dates is None else table.days(dates))


def number_in(text: str) -> float:
    """The number in a cell; NaN if it is not a number."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan
