"""A covariance from a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dynopt_milp.csv_cells import number_in, read_cells
from dynopt_milp.errors import FormatError


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
            "wants a head of instruments and a row for each, with its name in the first column", field=str(path)
        )
    names = head[1:]
    matrix = np.array([[number_in(cell) for cell in cells[1:]] for _, cells in lines])
    for row, column in np.argwhere(~np.isfinite(matrix)):
        number, cells = lines[row]
        raise FormatError(
            f"line {number}: wants a number with {names[column]}, found {cells[column + 1]!r}",
            field=str(path), instrument=cells[0],
        )  # fmt: skip
    return pd.DataFrame(matrix, index=[cells[0] for _, cells in lines], columns=names)
