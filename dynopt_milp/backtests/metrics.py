"""What a run came to: return, risk, drawdown, turnover, solver record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.accounting import contracts_traded
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.settings import DEFAULT_GAP

FAILED = "failed"
"""The status of a rebalance that could not be solved; the held positions were kept."""
TEXTS = ("status", "optimizer", "stopped_by", "reason")
"""The columns of ``rebalances`` that are texts; all others are numbers."""
HEURISTIC = StoppedBy.HEURISTIC.value
STATIC = "static"
"""The status of a rebalance that optimises nothing."""


def performance(returns: pd.DataFrame, positions: pd.DataFrame, rebalances: pd.DataFrame) -> dict[str, Any]:
    """Figures of a run by name; all returns are of fixed capital, nothing is compounded.

    Parameters
    ----------
    returns : DataFrame by day
        ``gross``, ``cost`` and ``net``, shares of capital.
    positions : DataFrame, days × instruments
        Contracts held at the close.
    rebalances : DataFrame by day
        As :class:`~dynopt_milp.Backtest` has it.

    Returns
    -------
    dict
        ``annualized_return``, ``annualized_volatility``, ``sharpe_ratio`` (net of costs, 256 days a year),
        ``gross_sharpe_ratio``, ``annual_cost`` (share of capital), ``max_drawdown_pct`` (largest fall of the account
        from its peak, per cent of the peak, positive), ``skewness`` (of daily returns), ``total_turnover``,
        ``avg_daily_turnover`` and ``annual_turnover`` (contracts), ``avg_tracking_error`` (after trading, mean over
        rebalances), ``avg_adjustment_factor`` (None where the buffer rule has none), ``idm``, ``num_instruments`` (the
        most that were alive), ``num_rebalances``, ``num_optimal``, ``num_not_proved`` (left open by an optimizer that
        proves something; a heuristic proves nothing and is not counted), ``num_failed``, ``solver_seconds``,
        ``median_solver_seconds``, ``days``, ``years``. None where a figure does not exist.
    """
    net, days = returns["net"], len(returns)
    turnover = contracts_traded(positions).sum(axis=1)
    status, heuristic = rebalances["status"], rebalances["stopped_by"] == HEURISTIC
    figures = {
        "annualized_return": net.mean() * DAYS_A_YEAR,
        "annualized_volatility": net.std() * np.sqrt(DAYS_A_YEAR),
        "sharpe_ratio": sharpe_ratio(net),
        "gross_sharpe_ratio": sharpe_ratio(returns["gross"]),
        "annual_cost": returns["cost"].mean() * DAYS_A_YEAR,
        "max_drawdown_pct": 100 * max_drawdown(net),
        "skewness": net.skew(),
        "total_turnover": turnover.sum(),
        "avg_daily_turnover": turnover.mean(),
        "annual_turnover": turnover.mean() * DAYS_A_YEAR,
        "avg_tracking_error": rebalances["tracking_error"].mean(),
        "avg_adjustment_factor": rebalances["adjustment_factor"].mean(),
        "idm": rebalances["idm"].mean(),
        "solver_seconds": rebalances["seconds"].sum(),
        "median_solver_seconds": rebalances["seconds"].dropna().median(),
        "years": days / DAYS_A_YEAR,
    }
    counts = {
        "num_instruments": int(rebalances["instruments"].fillna(0).max()) if len(rebalances) else 0,
        "num_rebalances": len(rebalances),
        "num_optimal": int((status == "optimal").sum()),
        "num_not_proved": int((~status.isin(["optimal", STATIC, FAILED]) & ~heuristic).sum()),
        "num_failed": int((status == FAILED).sum()),
        "days": days,
    }
    return {name: _number(value) for name, value in figures.items()} | counts


def realised_tracking_error(gross: pd.Series, unrounded: pd.Series) -> float:
    """Annual standard deviation of the difference of two runs' daily gross returns, share of capital.

    Parameters
    ----------
    gross, unrounded : Series by day
        Of a run in whole contracts, and of the unrounded portfolio; days that only one has are left out.
    """
    return float((gross - unrounded).std() * np.sqrt(DAYS_A_YEAR))


def above_best(rebalances: pd.DataFrame, optimizer: str) -> pd.Series:
    """How far an optimizer's objective is above the best found from the same held positions, share of the best.

    Parameters
    ----------
    rebalances : DataFrame by day
        As :class:`~dynopt_milp.backtests.Backtest` has it.
    optimizer : str
        That of the run, or one that every rebalance was solved with beside it.

    Returns
    -------
    Series by day
        Not negative, and 0 within the gap of 1e-6 that exact is asked to close; without the rebalances at which the
        optimizer failed, and empty for an optimizer that is not there.
    """
    own = (rebalances["optimizer"] == optimizer).any()
    objective = rebalances.get("objective" if own else f"{optimizer}_objective", pd.Series(dtype=np.float64))
    best = rebalances.filter(regex=r"^(.+_)?objective$").min(axis=1)
    above = (objective / best - 1).dropna()
    return above.where(above > DEFAULT_GAP, 0.0)


@dataclass(frozen=True, slots=True)
class ReturnDifference:
    """The mean difference of two runs' returns, and how well so many years tell it from zero.

    Attributes
    ----------
    mean : float
        Annual, share of capital.
    standard_error : float
        Of the mean, annual; the differences of different days count as uncorrelated.
    years : float
        How many there were, of 256 days.
    """

    mean: float
    standard_error: float
    years: float

    @property
    def t(self) -> float:
        """The mean in standard errors; NaN where the returns do not differ."""
        return self.mean / self.standard_error if self.standard_error > 0 else float("nan")

    @property
    def years_to_show(self) -> float:
        """How many years make a mean of this size two standard errors; infinite for a mean of zero."""
        return self.years * (2 / self.t) ** 2 if self.t else float("inf")


def return_difference(one: pd.Series, other: pd.Series) -> ReturnDifference:
    """How much more the one earned a year than the other, from the differences of their daily returns.

    Parameters
    ----------
    one, other : Series by day
        Both net or both gross, shares of capital; days that only one has are left out.
    """
    daily = (one - other).dropna()
    years = len(daily) / DAYS_A_YEAR
    deviation = float(daily.std() * np.sqrt(DAYS_A_YEAR))
    return ReturnDifference(float(daily.mean() * DAYS_A_YEAR), deviation / float(np.sqrt(years)), years)


def sharpe_ratio(returns: pd.Series) -> float:
    """Annual mean over annual standard deviation of daily returns; NaN where nothing moves."""
    deviation = float(returns.std())
    return float(returns.mean()) / deviation * float(np.sqrt(DAYS_A_YEAR)) if deviation > 0 else float("nan")


def max_drawdown(returns: pd.Series) -> float:
    """Largest fall of the account 1 + sum of returns from its peak so far, share of the peak; not negative."""
    account = 1.0 + np.concatenate([[0.0], returns.to_numpy(dtype=np.float64).cumsum()])
    peak = np.maximum.accumulate(account)
    return float(((peak - account) / peak).max())


def _number(value: Any) -> float | None:
    return float(value) if pd.notna(value) else None
