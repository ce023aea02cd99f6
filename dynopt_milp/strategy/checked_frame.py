"""A frame that a part of a strategy returned, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import as_real, check_distinct


def frame_of_market(frame: Any, market: Market, field: str) -> pd.DataFrame:
    """What a function of a market returned, days × instruments of the market, float64; NaN where it says nothing.

    Raises
    ------
    InputError
        If its rows are not the days of the market, a column appears twice, or an entry is not a number.
    """
    if not isinstance(frame, pd.DataFrame) or not frame.index.equals(market.days):
        raise InputError("expected a DataFrame with the days of the market as its rows", field=field)
    check_distinct(frame.columns, field, where="in the columns")
    try:
        return as_real(frame.reindex(columns=list(market.instruments)))
    except (TypeError, ValueError):
        raise InputError("expected numbers", field=field) from None


def checked_frame(frame: Any, market: Market, field: str, least: float | None = None) -> pd.DataFrame:
    """What a function of the strategy returned: :func:`frame_of_market`, of known instruments and finite numbers."""
    checked = frame_of_market(frame, market, field)
    unknown = [str(name) for name in frame.columns if name not in market.instruments]
    if unknown:
        raise InputError("is not in the market", field=field, instrument=unknown[0])
    values = checked.to_numpy()
    bad = np.isinf(values) if least is None else np.isinf(values) | (values < least)
    for row, place in np.argwhere(bad):
        kind = "a finite number" if least is None else f"a finite number of at least {least:g}"
        raise InputError(
            f"expected {kind}, found {values[row, place]:g} on {market.days[row].date()}",
            field=field,
            instrument=market.instruments[place],
        )
    return checked
