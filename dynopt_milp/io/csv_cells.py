"""A small CSV file as cells, read strictly: every line has as many as the head."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from dynopt_milp.errors import FormatError
from dynopt_milp.io.atomic import reported


def read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The head, and every line that is not blank with its number.

    Raises
    ------
    FormatError
        If there is no such file, it is empty, a column stands twice or a line has more or fewer cells than the head.
    """
    try:
        with reported(path), path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            table = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except csv.Error as error:
        raise FormatError(f"is no table of comma-separated values: {error}", field=str(path)) from None
    if not table:
        raise FormatError("is empty; a head and rows are wanted", field=str(path))
    (_, head), *lines = table
    for name in head:
        if head.count(name) > 1:
            raise FormatError(f"the column {name!r} appears more than once", field=str(path))
    for number, cells in lines:
        if len(cells) != len(head):
            raise FormatError(f"line {number} has {len(cells)} cells, the head has {len(head)}", field=str(path))
    return head, lines


def number_in(text: str) -> float:
    """The number a cell says; NaN where it says none."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan
