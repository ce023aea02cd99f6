"""Shares of risk, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import check_distinct
from formulations import FloatArray


def to_shares(weights: Any, field: str = "weights") -> pd.Series:
    """Shares of risk by instrument, float64: each finite and not negative.

    Raises
    ------
    InputError
        If an instrument appears twice, or its share is negative or not finite.
    """
    shares = pd.Series(weights, dtype=np.float64)
    check_distinct(shares.index, field)
    for name, share in shares.items():
        if not np.isfinite(share) or share < 0:
            raise InputError(
                f"expected a share that is not negative, found {share:g}", field=field, instrument=str(name)
            )
    return shares


def shares_in_order(weights: Any, alive: list[str]) -> FloatArray:
    """Shares of risk in the order of the instruments alive, summing to 1 or all zero.

    Raises
    ------
    InputError
        If :func:`to_shares` refuses them, or an instrument is not alive.
    """
    series = to_shares(weights)
    for name in series.index:
        if name not in alive:
            raise InputError("has a share and is not in the universe", field="weights", instrument=str(name))
    shares = series.reindex(alive, fill_value=0.0).to_numpy()
    total = shares.sum()
    return shares / total if total > 0 else shares
