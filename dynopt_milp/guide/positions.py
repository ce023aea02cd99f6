"""The guide's positions of one day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import HistoryError, InputError
from dynopt_milp.guide.current import current, replaceable, replacement
from dynopt_milp.guide.replacements import chosen_optimizer, refuse_replaced
from dynopt_milp.problem.book import BOOK_VOLATILITY_SPAN, DAYS_A_YEAR
from dynopt_milp.problem.limits import LimitsLike
from dynopt_milp.problem.problem import Problem, RulesLike
from dynopt_milp.rules.among import rules_among
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.strategy.correlation import ExponentialCorrelation
from dynopt_milp.strategy.forecasts import AVERAGE_FORECAST
from dynopt_milp.strategy.shares import to_shares
from dynopt_milp.strategy.sizing import diversification_multiplier
from dynopt_milp.strategy.static_portfolios import (
    normalised,
)
from dynopt_milp.strategy.volatility import (
    MINIMUM_HISTORY,
)
from dynopt_milp.trades.rebalancing import rebalance


@replaceable
def calculate_dynamic_portfolio_positions(
    instruments_data: Mapping[str, Mapping[str, Any]],
    capital: float,
    current_positions: Mapping[str, float],
    portfolio_weights: Mapping[str, float],
    returns_matrix: pd.DataFrame,
    risk_target: float = 0.2,
    cost_multiplier: float = 50,
    use_buffering: bool = True,
    buffer_fraction: float = 0.05,
    *,
    optimizer: str | Optimizer | None = None,
    limits: LimitsLike | None = None,
    rules: RulesLike | None = None,
) -> dict[str, Any]:
    """The positions of one day.

    Parameters
    ----------
    instruments_data : mapping
        By instrument ``price``, ``volatility`` (annual) and ``specs`` with ``multiplier``, ``sr_cost`` and
        perhaps ``underlying``, the same for all sizes of one contract (for ``Limits(one_side=)``).
    capital : float
    current_positions : mapping
        Whole contracts held; what is not named is not held.
    portfolio_weights : mapping
        Shares of risk; those without data are left out, the others renormalised.
    returns_matrix : DataFrame, days × instruments
        Daily percentage returns, at least 50.
    risk_target, cost_multiplier, buffer_fraction : float
    use_buffering : bool
    optimizer : str or callable, optional
        Default: ``"exact"``; or, where ``run_greedy_algorithm`` or ``run_exact_algorithm`` was replaced, that.
    limits : Limits or callable, optional
        As in :class:`~dynopt_milp.Problem`.
    rules : list of Rule or Rule, optional
        House rules as in :class:`~dynopt_milp.Problem`; names of instruments in ``instruments_data`` that are left out
        of the portfolio are left out of them, and what is held of those does not count.

    Returns
    -------
    dict
        ``positions`` (by instrument; what is held and has no data stays), ``optimal_unrounded``, ``idm``,
        ``tracking_error`` (of the positions held, the distance the buffer is held against, as the guide has it),
        ``adjustment_factor``, ``buffer``, ``covariance_matrix``, ``weight_per_contract``, and ``rebalance``, the
        :class:`~dynopt_milp.Rebalance`.

    Raises
    ------
    HistoryError
        If no instrument has data and returns, there are fewer than 50 days, or no two instruments have returns on one.
    InputError
        If :class:`~dynopt_milp.Problem` refuses a number, or a name is missing or unknown.
    NoPortfolioError, SolverError
        If limits and rules leave no portfolio, greedy ends at one that breaks a rule, or a search of one's own does.
    UnsupportedError
        If a function of the guide was replaced that would have no effect.
    """
    refuse_replaced(use_buffering=use_buffering)
    chosen = chosen_optimizer(optimizer, limits)
    own_cost = replacement("calculate_cost_in_weight_terms")
    if not isinstance(returns_matrix, pd.DataFrame) or not isinstance(returns_matrix.index, pd.DatetimeIndex):
        raise InputError("expected a DataFrame with days (a DatetimeIndex) as its rows", field="returns_matrix")
    weights = weights_among(portfolio_weights, [name for name in instruments_data if name in returns_matrix])
    names = list(weights)
    current_positions = dict(current_positions or {})
    try:
        returns = returns_matrix[names].sort_index().astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("expected numbers", field="returns_matrix") from None
    check_history(returns)
    sigma = returns.ewm(span=BOOK_VOLATILITY_SPAN).std().iloc[-1] * np.sqrt(DAYS_A_YEAR)
    rho = ExponentialCorrelation()(returns.resample("W-FRI").sum(min_count=1))[-1]
    shares = np.array(list(weights.values()))
    idm = diversification_multiplier(shares, rho)
    optimal, per_contract, cost, underlying = {}, {}, {}, {}
    for name in names:
        entry = _entry(instruments_data[name], name)
        specs = entry["specs"]
        optimal[name] = current("calculate_optimal_unrounded_position")(
            capital, AVERAGE_FORECAST, idm, weights[name], entry["volatility"], specs["multiplier"], entry["price"],
            1.0, risk_target,
        )  # fmt: skip
        per_contract[name] = current("calculate_weight_per_contract")(specs["multiplier"], entry["price"], 1.0, capital)
        # sr_cost is a share of annual risk, so this is the cost as a share of the contract's value.
        share = specs["sr_cost"] * entry["volatility"]
        if own_cost is None:
            cost[name] = share
        else:
            money = share * specs["multiplier"] * entry["price"]
            cost[name] = own_cost(money, 0.0, capital, per_contract[name])
        if specs.get("underlying"):
            underlying[name] = specs["underlying"]
    covariance = pd.DataFrame(rho * np.outer(sigma, sigma), index=names, columns=names)
    problem = Problem(
        covariance=covariance,
        optimal_positions=optimal,
        weight_per_contract=per_contract,
        previous_positions={name: current_positions.get(name, 0) for name in names},
        cost_in_weight_terms=cost,
        cost_multiplier=cost_multiplier,
        limits=limits,
        underlying=underlying or None,
        rules=rules_among(rules, names, list(instruments_data)),
    )
    result = rebalance(
        problem, chosen, buffer_rule="book" if use_buffering else None, buffer_fraction=buffer_fraction,
        risk_target=risk_target,
    )  # fmt: skip
    return {
        "positions": {name: int(held) for name, held in current_positions.items()}
        | {name: int(result.positions[name]) for name in names},
        "optimal_unrounded": optimal,
        "idm": idm,
        "tracking_error": result.distance,
        "adjustment_factor": result.adjustment_factor,
        "buffer": result.buffer if use_buffering else 0.0,
        "covariance_matrix": covariance,
        "weight_per_contract": per_contract,
        "rebalance": result,
    }


def weights_among(portfolio_weights: Mapping[str, float], there: list[str]) -> dict[str, float]:
    """Positive weights of instruments with data, summing to 1, in the order of names."""
    try:
        given = to_shares(dict(portfolio_weights), "portfolio_weights")
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "expected shares of risk by instrument, a dict or a Series", field="portfolio_weights"
        ) from None
    if given.empty:
        raise InputError("is empty; give shares of risk by instrument", field="portfolio_weights")
    kept = given[[name for name in sorted(given.index) if name in there and given[name] > 0]]
    if kept.empty:
        raise HistoryError(
            f"no instrument of it has data; there are data of {', '.join(sorted(there)[:5]) or 'none'}",
            field="portfolio_weights",
        )
    return {str(name): float(share) for name, share in normalised(kept).items()}


def _entry(entry: Any, name: str) -> Mapping[str, Any]:
    """The data of an instrument, with everything in it that is needed."""
    for key in ("price", "volatility", "specs"):
        if not isinstance(entry, Mapping) or key not in entry:
            raise InputError(f"has no {key!r}", field="instruments_data", instrument=name)
    for key in ("multiplier", "sr_cost"):
        if not isinstance(entry["specs"], Mapping) or key not in entry["specs"]:
            raise InputError(f"its specs have no {key!r}", field="instruments_data", instrument=name)
    return dict(entry)


def check_history(returns: pd.DataFrame) -> None:
    """Refuse what the guide's troubleshooting lists: too few days, no overlap."""
    days = int(returns.notna().any(axis=1).sum())
    if days < MINIMUM_HISTORY:
        raise HistoryError(
            f"there are {days} days of returns and {MINIMUM_HISTORY} are needed; give longer data", field="data"
        )
    if returns.shape[1] > 1 and int((returns.notna().sum(axis=1) > 1).sum()) == 0:
        raise HistoryError(
            "no two instruments have returns on one day, so there are no correlations; give data of the same days",
            field="data",
        )
