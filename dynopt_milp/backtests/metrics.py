"""What a run came to: return, risk, drawdown, turnover, solver record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.accounting import contracts_traded
from dynopt_milp.backtests.costs_counted import costs_counted
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.settings import DEFAULT_GAP

FAILED = "failed"
"""The status of a rebalance that could not be solved: held positions are kept."""
TEXTS = ("status", "optimizer", "stopped_by", "reason")
"""The columns of ``rebalances`` that are texts; all others are numbers."""
HEURISTIC = StoppedBy.HEURISTIC.value
STATIC = "static"
"""The status of a rebalance that optimises nothing."""

RULES_BROKEN = "rules_broken"
"""Column of runs with house rules: how many of the day's rules what was held broke before the rebalance."""
RULES_BIND, RULES_COST = "rules_bind", "rules_cost"
"""Likewise, where the optimum is proved: how many rules bind, and what all of them cost in the objective."""
MARGIN, MARGIN_USED = "margin", "margin_used"
"""Columns, where margins are known: margin of what was decided, share of capital; and share of the budget of a rule."""
OF_RULES = (RULES_BROKEN, RULES_BIND, RULES_COST, MARGIN, MARGIN_USED)
"""Columns of the rebalances that not every run has."""


def performance(
    returns: pd.DataFrame,
    positions: pd.DataFrame,
    rebalances: pd.DataFrame,
    *,
    rolled: pd.DataFrame | None = None,
    compound: bool = False,
) -> dict[str, Any]:
    """Figures of a run by name.

    Parameters
    ----------
    returns : DataFrame by day
        ``gross``, ``trading_cost``, ``roll_cost``, ``cost`` and ``net``: shares of the fixed capital, or, where returns
        are compounded, of the account of the day before.
    positions : DataFrame, days × instruments
        Contracts held at the close.
    rebalances : DataFrame by day
        As :class:`~dynopt_milp.Backtest` has it.
    rolled : DataFrame, days × instruments, optional
        Contracts rolled; NaN, or no column, where the contract month is not known. Default: it is nowhere known.
    compound : bool
        Whether returns are compounded.

    Returns
    -------
    dict
        ``annualized_return`` (256 times the mean of a day), ``annualized_volatility``, ``sharpe_ratio`` (net of costs,
        256 days a year), ``gross_sharpe_ratio``, ``annual_cost`` (share of capital), which is the sum of
        ``annual_trading_cost`` and ``annual_roll_cost``, ``max_drawdown_of_capital_pct`` and
        ``max_drawdown_of_peak_pct`` (largest fall of the account from its peak so far, in per cent of the capital at
        the start and of that peak, positive), ``skewness`` (of daily returns), ``total_turnover``,
        ``avg_daily_turnover`` and ``annual_turnover`` (contracts traded), ``annual_contracts_rolled``,
        ``avg_tracking_error`` (after trading, mean over rebalances), ``avg_adjustment_factor`` (None where the buffer
        rule has none), ``idm``, ``num_instruments`` (the most that were alive), ``num_rebalances``, ``num_optimal``,
        ``num_not_proved`` (left open by an optimizer that proves something; a heuristic proves nothing and is not
        counted), ``num_failed``, ``num_rules_broken`` (with house rules: at which what was held, when the rebalance
        began, broke a rule of the day), ``num_rules_bind`` (at which a rule bound) and ``avg_rules_cost`` (what they
        cost in the objective, mean over rebalances that were proved), ``avg_margin`` and ``largest_margin`` (where
        margins are known, of what was decided, share of capital), ``avg_margin_used`` and ``largest_margin_used`` (with
        a rule of margin, share of its budget), ``proofs`` (where some were asked for: how many were ``asked`` for and
        ``verified``, their ``leaves``, ``prove_seconds`` and ``verify_seconds``, and how often what ``others`` came
        to), ``num_kept`` (at which an instrument could not be decided and kept its position),
        ``num_without_rolls`` (instruments that were held on days on which their contract month is not known),
        ``num_days_without_rolls`` (those days, added up over the instruments), ``without_rolls`` (of each of the
        instruments: ``first`` and ``last`` of those ``days``, and how many it was ``held``), ``costs_counted`` (what
        the figures are net of, in words), ``solver_seconds``, ``median_solver_seconds``, ``days``, ``years``, and
        ``account_lost``, the day on which a compounding account was lost. None where a figure does not exist: of rolls
        where nothing is known of them on any day of anything held, and ``account_lost`` where it was not. Where it was,
        figures of returns are None, and all others, but for ``max_drawdown_of_capital_pct``, are of the days until
        then.
    """
    account = account_of(returns["net"], compound=compound)
    lost = lost_on(returns["net"]) if compound else None
    returns, positions, rebalances = returns.loc[:lost], positions.loc[:lost], rebalances.loc[:lost]
    rolled = (pd.DataFrame(index=positions.index) if rolled is None else rolled.loc[:lost]).reindex(
        columns=positions.columns
    )
    held, known = positions != 0, rolled.notna()
    rolls_known = bool((held & known).any(axis=None) or not held.any(axis=None))
    without = _without_rolls(held, known)
    net, days = returns["net"], len(returns)
    turnover = contracts_traded(positions).sum(axis=1)
    status, heuristic = rebalances["status"], rebalances["stopped_by"] == HEURISTIC
    figures = {
        "annualized_return": net.mean() * DAYS_A_YEAR,
        "annualized_volatility": net.std() * np.sqrt(DAYS_A_YEAR),
        "sharpe_ratio": sharpe_ratio(net),
        "gross_sharpe_ratio": sharpe_ratio(returns["gross"]),
        "annual_cost": returns["cost"].mean() * DAYS_A_YEAR,
        "annual_trading_cost": returns["trading_cost"].mean() * DAYS_A_YEAR,
        "annual_roll_cost": returns["roll_cost"].mean() * DAYS_A_YEAR if rolls_known else None,
        "max_drawdown_of_capital_pct": 100 * max_drawdown(account)[0],
        "max_drawdown_of_peak_pct": 100 * max_drawdown(account.loc[:lost])[1],
        "skewness": net.skew(),
        "total_turnover": turnover.sum(),
        "avg_daily_turnover": turnover.mean(),
        "annual_turnover": turnover.mean() * DAYS_A_YEAR,
        "annual_contracts_rolled": rolled.sum(axis=1).mean() * DAYS_A_YEAR if rolls_known else None,
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
        "num_kept": int(((status != FAILED) & (rebalances["reason"] != "")).sum()),
        "num_without_rolls": len(without),
        "num_days_without_rolls": sum(gap["days"] for gap in without.values()),
        "days": days,
        "account_lost": None if lost is None else f"{lost:%Y-%m-%d}",
    }
    if RULES_BROKEN in rebalances:
        counts["num_rules_broken"] = int((rebalances[RULES_BROKEN] > 0).sum())
    if RULES_BIND in rebalances:
        counts["num_rules_bind"] = int((rebalances[RULES_BIND] > 0).sum())
        figures["avg_rules_cost"] = rebalances[RULES_COST].mean()
    for name in (MARGIN, MARGIN_USED):
        if name in rebalances:
            figures |= {f"avg_{name}": rebalances[name].mean(), f"largest_{name}": rebalances[name].max()}
    words = {
        "without_rolls": without,
        "costs_counted": costs_counted(positions.columns[held.any()], without, rolls_known=rolls_known),
    }
    if lost is not None:  # no mean of returns says what came of an account that is gone
        figures |= dict.fromkeys(OF_THE_ACCOUNT)
    return {name: _number(value) for name, value in figures.items()} | counts | words


OF_THE_ACCOUNT = (
    "annualized_return", "annualized_volatility", "sharpe_ratio", "gross_sharpe_ratio", "annual_cost",
    "annual_trading_cost", "annual_roll_cost", "skewness",
)  # fmt: skip
"""Figures of returns: none of a compounding account that was lost."""


def _without_rolls(held: pd.DataFrame, known: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Of each instrument that was held on days on which its rolls are not known: how many, and from when to when."""
    found = {}
    for name in held.columns:
        days = held.index[held[name] & ~known[name]]
        if len(days):
            found[str(name)] = {
                "days": len(days), "held": int(held[name].sum()),
                "first": f"{days[0]:%Y-%m-%d}", "last": f"{days[-1]:%Y-%m-%d}",
            }  # fmt: skip
    return found


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


def account_of(net: pd.Series, *, compound: bool = False) -> pd.Series:
    """The account by day, in shares of the capital at the start: 1 + sum of net returns, or their product.

    After a compounding account was lost, returns are shares of the capital at the start, and are added.
    """
    if not compound:
        return 1.0 + net.cumsum()
    account, lost = (1.0 + net).cumprod(), lost_on(net)
    if lost is not None:
        after = net.index > lost
        account[after] = account[lost] + net[after].cumsum()
    return account


def lost_on(net: pd.Series) -> pd.Timestamp | None:
    """The day on which a compounding account was lost: the first that took all of it, or more; None if none did.

    Parameters
    ----------
    net : Series by day
        Net returns, shares of the account of the day before.
    """
    lost = net.index[net <= -1]
    return lost[0] if len(lost) else None


def max_drawdown(account: pd.Series) -> tuple[float, float]:
    """Largest fall of an account from its peak so far: in shares of the capital at the start, and of that peak.

    Parameters
    ----------
    account : Series by day
        In shares of the capital at the start, which is where it begins.
    """
    path = np.concatenate([[1.0], account.to_numpy(dtype=np.float64)])
    peak = np.maximum.accumulate(path)
    return float((peak - path).max()), float(((peak - path) / peak).max())


def opposite_days(positions: pd.DataFrame, underlying: pd.Series) -> int:
    """Days on which two sizes of one underlying were held with opposite signs.

    Parameters
    ----------
    positions : DataFrame, days × instruments
        Contracts held at the close.
    underlying : Series of str, by instrument
    """
    opposite = np.zeros(len(positions), dtype=bool)
    for _, sizes in positions.T.groupby(underlying):
        if len(sizes) > 1:
            opposite |= ((sizes > 0).any() & (sizes < 0).any()).to_numpy()
    return int(opposite.sum())


def target_figures(
    gross: Mapping[str, pd.Series],
    notional: Mapping[str, pd.Series],
    targets: Mapping[str, pd.DataFrame],
    rebalances: pd.DataFrame,
) -> dict[str, Any]:
    """How a run compares with the target positions, in fractions and rounded, each along its own path.

    Parameters
    ----------
    gross : mapping of Series by day
        ``"held"``, ``"unrounded"`` and ``"rounded"``: gross returns of the run, and of the targets.
    notional : mapping of Series by day
        ``"held"`` and ``"unrounded"``: Σ|contracts| × value of a contract, shares of capital.
    targets : mapping of DataFrame, days × instruments
        ``"unrounded"`` and ``"rounded"``: contracts at the close.
    rebalances : DataFrame by day
        As :class:`~dynopt_milp.Backtest` has it.

    Returns
    -------
    dict
        ``realised_tracking_error`` and ``rounded_realised_tracking_error`` (annual, share of capital),
        ``avg_gross_notional`` and ``unrounded_gross_notional`` (means over days, shares of capital),
        ``rounded_tracking_error`` (expected, mean over rebalances), ``rounded_annual_turnover`` (contracts) and
        ``largest_target`` (contracts, in fractions, of any instrument on any day). None where a figure does not exist.
    """
    figures = {
        "realised_tracking_error": realised_tracking_error(gross["held"], gross["unrounded"]),
        "rounded_realised_tracking_error": realised_tracking_error(gross["rounded"], gross["unrounded"]),
        "avg_gross_notional": notional["held"].mean(),
        "unrounded_gross_notional": notional["unrounded"].mean(),
        "rounded_tracking_error": rebalances["rounded_tracking_error"].mean(),
        "rounded_annual_turnover": contracts_traded(targets["rounded"]).sum(axis=1).mean() * DAYS_A_YEAR,
        "largest_target": targets["unrounded"].abs().max().max(),
    }
    return {name: _number(value) for name, value in figures.items()}


def _number(value: Any) -> float | None:
    return float(value) if pd.notna(value) else None
