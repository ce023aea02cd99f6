"""A frame that a part of a strategy returned, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError


def checked_frame(frame: Any, market: Market, field: str, least: float | None = None) -> pd.DataFrame:
    """What a function of the strategy returned, checked and put in the order of the market."""
    if not isinstance(frame, pd.DataFrame) or not frame.index.equals(market.days):
        raise InputError("wants a DataFrame with the days of the market as its rows", field=field)
    unknown = [str(name) for name in frame.columns if name not in market.instruments]
    if unknown:
        raise InputError("is not in the market", field=field, instrument=unknown[0])
    try:
        checked = frame.reindex(columns=list(market.instruments)).astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("wants numbers", field=field) from None
    values = checked.to_numpy()
    bad = np.isinf(values) if least is None else np.isinf(values) | (values < least)
    for row, place in np.argwhere(bad):
        kind = "a finite number" if least is None else f"a finite number of at least {least:g}"
        raise InputError(
            f"wants {kind}, found {values[row, place]:g} on {market.days[row].date()}",
            field=field,
            instrument=market.instruments[place],
        )
    return checked
