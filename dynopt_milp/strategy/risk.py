"""Risk of a portfolio by instrument and by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from formulations import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RiskDecomposition:
    """Where the risk of a portfolio comes from.

    Attributes
    ----------
    volatility : float
        Annual, of the weighted portfolio.
    marginal : Series, by instrument
        Change of the volatility per unit of weight.
    share : Series, by instrument
        Part of the variance that is due to each; they sum to 1.
    """

    volatility: float
    marginal: pd.Series
    share: pd.Series


def risk_decomposition(weights: pd.Series, covariance: pd.DataFrame) -> RiskDecomposition:
    """Volatility of a portfolio and what each instrument adds to it (Euler's decomposition).

    Parameters
    ----------
    weights : Series, by instrument
        Share of capital (notional), any sign; 0 for instruments that are not named.
    covariance : DataFrame, n × n
        Of percentage returns, per year.

    Raises
    ------
    InputError
        If a weight has no row in the covariance, or the portfolio has no risk.
    """
    for name in weights.index:
        if name not in covariance.index:
            raise InputError("is not in the covariance", field="weights", instrument=str(name))
    held = weights.reindex(covariance.index, fill_value=0.0).to_numpy(dtype=np.float64)
    slope: FloatArray = covariance.to_numpy() @ held
    variance = float(held @ slope)
    if not variance > 0:
        raise InputError(f"the portfolio has no risk: its variance is {variance:g}", field="weights")
    volatility = float(np.sqrt(variance))
    return RiskDecomposition(
        volatility=volatility,
        marginal=pd.Series(slope / volatility, index=covariance.index),
        share=pd.Series(held * slope / variance, index=covariance.index),
    )
