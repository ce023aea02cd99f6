"""Results of a study in a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.io.atomic import write_atomically


def load(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """The rows of a file, none if it is not there."""
    if not path.exists():
        return pd.DataFrame(columns=list(columns))
    # Hashes may look like numbers.
    return pd.read_csv(path, dtype={"held": str})[list(columns)]


def csv_text(rows: pd.DataFrame, digits: int | None = 6) -> str:
    """The rows as CSV, with so many significant digits; all digits if None."""
    return rows.to_csv(index=False, float_format=None if digits is None else f"%.{digits}g", lineterminator="\n")


def save(rows: pd.DataFrame, path: Path, digits: int | None = 6) -> None:
    """Write all rows at once, as :func:`csv_text` has them."""
    write_atomically(path, csv_text(rows, digits))


def with_row(rows: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The rows and one more."""
    one = pd.DataFrame([row])
    return one if rows.empty else pd.concat([rows, one], ignore_index=True)
