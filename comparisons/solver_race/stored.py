"""Rows of a study in a CSV file, kept after each of them."""

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


def save(rows: pd.DataFrame, path: Path) -> None:
    """Write all rows at once."""
    write_atomically(path, rows.to_csv(index=False, float_format="%.12g"))


def with_row(rows: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The rows and one more."""
    one = pd.DataFrame([row])
    return one if rows.empty else pd.concat([rows, one], ignore_index=True)
