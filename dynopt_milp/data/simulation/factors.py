"""What moves futures together: one factor for all risky assets, one for each asset class, one for each sector."""

from __future__ import annotations

import numpy as np
import pandas as pd

from formulations import FloatArray

# The loading of each asset class on the factor of all risky assets; bonds and volatility move against it.
RISK_APPETITE = {
    "Bond": -0.25, "Equity": 0.6, "FX": 0.3, "Energy": 0.35, "Metal": 0.35, "Agriculture": 0.15, "Volatility": -0.65,
}  # fmt: skip
CLASS_SHARE, SECTOR_SHARE = 0.45, 0.6  # of the variance that is left, to the asset class, then to the sector


def factor_loadings(table: pd.DataFrame, random: np.random.Generator) -> FloatArray:
    """Random loadings of instruments on independent factors of unit variance.

    Parameters
    ----------
    table : DataFrame, by instrument
        With the columns ``asset_class`` and ``sector``.
    random : Generator
        Three normal numbers an instrument are drawn from it.

    Returns
    -------
    array, instruments × factors
        Rows of length 1, so that their products are correlations. The factors are risk appetite, the asset classes
        and the sectors in the order of their names, and one for each instrument alone.
    """
    appetite = table["asset_class"].map(RISK_APPETITE).to_numpy(dtype=np.float64)
    appetite = np.clip(appetite + random.normal(0, 0.08, len(table)), -0.9, 0.9)
    left = 1 - appetite**2
    class_share = np.clip(CLASS_SHARE + random.normal(0, 0.1, len(table)), 0.1, 0.8)
    sector_share = np.clip(SECTOR_SHARE + random.normal(0, 0.1, len(table)), 0.2, 0.9)
    by_class = np.sqrt(left * class_share)[:, None] * pd.get_dummies(table["asset_class"]).to_numpy(dtype=np.float64)
    left = left * (1 - class_share)
    by_sector = np.sqrt(left * sector_share)[:, None] * pd.get_dummies(table["sector"]).to_numpy(dtype=np.float64)
    alone = np.diag(np.sqrt(left * (1 - sector_share)))
    return np.hstack([appetite[:, None], by_class, by_sector, alone])
