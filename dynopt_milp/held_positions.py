"""Contracts held, from a file."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from dynopt_milp.errors import FormatError

COLUMNS = ("instrument", "position")


def read_held(path: Path) -> pd.Series:
    """Whole contracts by instrument, from a CSV file with the columns ``instrument`` and ``position``.

    Raises
    ------
    FormatError
        If there is no such file, a column is missing, an instrument stands twice or a position is not whole.
    """
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FormatError(f"cannot be read: {reason}", field=str(path)) from None
    for column in COLUMNS:
        if column not in table:
            raise FormatError(
                f"the column {column!r} is missing; wants {' and '.join(COLUMNS)}, found {', '.join(table.columns)}",
                field=str(path),
            )
    held: dict[str, float] = {}
    for line, (name, text) in enumerate(zip(table["instrument"], table["position"], strict=True), 2):
        if pd.isna(name) or name in held:
            what = "has no instrument" if pd.isna(name) else f"names {name} again"
            raise FormatError(f"line {line} {what}", field=str(path))
        number = pd.to_numeric(text, errors="coerce")
        if pd.isna(number) or not math.isfinite(number) or number != round(number):
            raise FormatError(f"line {line}: wants whole contracts, found {text!r}", field=str(path), instrument=name)
        held[name] = float(number)
    return pd.Series(held, dtype=float)
