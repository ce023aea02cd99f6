"""A frame as JSON and pages have it."""

from __future__ import annotations

from typing import Any

import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each row; what does not exist is None."""
    lines = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in line.items()} for line in lines]
