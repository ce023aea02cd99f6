"""The shares of risk of a day, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from formulations import FloatArray


def checked_shares(weights: Any, alive: list[str]) -> FloatArray:
    """Shares of risk in the order of the instruments alive, summing to 1 or all zero."""
    series = pd.Series(weights, dtype=np.float64)
    for name, share in series.items():
        if name not in alive:
            raise InputError("has a share and is not in the universe", field="weights", instrument=str(name))
        if not np.isfinite(share) or share < 0:
            raise InputError(
                f"wants a share that is not negative, found {share:g}", field="weights", instrument=str(name)
            )
    shares = series.reindex(alive, fill_value=0.0).to_numpy()
    total = shares.sum()
    return shares / total if total > 0 else shares
