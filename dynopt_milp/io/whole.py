"""Contracts as files have them: 3, not 3.0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def whole(number: float) -> int | float:
    """The number, as an integer if it is one."""
    return int(number) if float(number).is_integer() else float(number)


def with_whole(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with these columns as int64, if there are whole numbers alone in all of them."""
    numbers = frame[list(columns)].to_numpy(dtype=np.float64)
    return frame.astype(dict.fromkeys(columns, np.int64)) if (numbers == np.rint(numbers)).all() else frame
