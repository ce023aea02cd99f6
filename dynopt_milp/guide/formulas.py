"""The guide's formulas and optimizers, by the names and arguments its users know.

They are part of :mod:`dynopt_milp.guide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.guide.current import replaceable
from dynopt_milp.io.labelled import at_most, positive, to_number
from dynopt_milp.problem.limits import LimitsLike
from dynopt_milp.problem.plausible import MOST_CAPITAL, MOST_MULTIPLIER, MOST_RISK
from dynopt_milp.problem.problem import Problem, Underlyings
from dynopt_milp.solvers.solving import solve
from dynopt_milp.strategy import sizing
from dynopt_milp.trades.buffer import adjustment_factor, buffered_trades

MOST = {"capital": MOST_CAPITAL, "multiplier": MOST_MULTIPLIER}


@replaceable
def run_greedy_algorithm(
    optimal_positions: Mapping[str, float],
    initial_positions: Mapping[str, float],
    weight_per_contract: Mapping[str, float],
    covariance_matrix: pd.DataFrame,
    cost_weight_terms: Mapping[str, float],
    cost_multiplier: float = 50,
    *,
    limits: LimitsLike | None = None,
    underlying: Underlyings | None = None,
) -> dict[str, int]:
    """Whole contracts to hold, by the book's greedy search.

    Parameters
    ----------
    optimal_positions : mapping
        Unrounded contracts.
    initial_positions : mapping
        Whole contracts held now; trades from them are charged. What is not named is not held.
    weight_per_contract : mapping
    covariance_matrix : DataFrame
        Annual, of percentage returns.
    cost_weight_terms : mapping
        (Cost of one contract ÷ capital) ÷ weight per contract.
    cost_multiplier : float
    limits : Limits or callable, optional
    underlying : mapping, optional
        As in :class:`~dynopt_milp.Problem`.
    """
    return _run_algorithm(
        "greedy", optimal_positions, initial_positions, weight_per_contract, covariance_matrix, cost_weight_terms,
        cost_multiplier, limits, underlying,
    )  # fmt: skip


@replaceable
def run_exact_algorithm(
    optimal_positions: Mapping[str, float],
    initial_positions: Mapping[str, float],
    weight_per_contract: Mapping[str, float],
    covariance_matrix: pd.DataFrame,
    cost_weight_terms: Mapping[str, float],
    cost_multiplier: float = 50,
    *,
    limits: LimitsLike | None = None,
    underlying: Underlyings | None = None,
) -> dict[str, int]:
    """Whole contracts to hold, the proven optimum; arguments as in :func:`run_greedy_algorithm`."""
    return _run_algorithm(
        "exact", optimal_positions, initial_positions, weight_per_contract, covariance_matrix, cost_weight_terms,
        cost_multiplier, limits, underlying,
    )  # fmt: skip


@replaceable
def calculate_optimal_unrounded_position(
    capital: float,
    combined_forecast: float,
    idm: float,
    weight: float,
    sigma_pct: float,
    multiplier: float,
    price: float,
    fx_rate: float = 1.0,
    risk_target: float = 0.2,
) -> float:
    """τ = capped forecast × capital × IDM × weight × risk target ÷ (10 × multiplier × price × fx × σ), contracts.

    Raises
    ------
    InputError
        If capital, volatility, multiplier, price or rate is not positive.
    """
    numbers = {
        "capital": capital, "sigma_pct": sigma_pct, "multiplier": multiplier, "price": price, "fx_rate": fx_rate,
    }  # fmt: skip
    for name, value in numbers.items():
        positive(value, name, most=MOST.get(name, np.inf))
    position = sizing.optimal_positions(
        np.array([to_number(combined_forecast, "combined_forecast")]),
        capital=capital,
        multiplier=at_most(MOST_MULTIPLIER, to_number(idm, "idm"), "idm"),
        weights=np.array([to_number(weight, "weight")]),
        risk_target=at_most(MOST_RISK, to_number(risk_target, "risk_target"), "risk_target"),
        contract_values=np.array([multiplier * price * fx_rate]),
        volatility=np.array([sigma_pct]),
    )
    return float(position[0])


@replaceable
def calculate_weight_per_contract(multiplier: float, price: float, fx_rate: float, capital: float) -> float:
    """Multiplier × price × fx ÷ capital.

    Raises
    ------
    InputError
        If an argument is not positive.
    """
    for name, value in (("multiplier", multiplier), ("price", price), ("fx_rate", fx_rate), ("capital", capital)):
        positive(value, name, most=MOST.get(name, np.inf))
    return float(multiplier * price * fx_rate / capital)


@replaceable
def calculate_cost_in_weight_terms(
    spread_cost_currency: float, commission_currency: float, capital: float, weight_per_contract: float
) -> float:
    """((Spread cost + commission) ÷ capital) ÷ weight per contract; both costs for one contract, base currency.

    Raises
    ------
    InputError
        If capital or weight per contract is not positive, or the cost is negative.
    """
    positive(capital, "capital", most=MOST_CAPITAL)
    positive(weight_per_contract, "weight_per_contract")
    cost = to_number(spread_cost_currency, "spread_cost_currency") + to_number(
        commission_currency, "commission_currency"
    )
    if cost < 0:
        raise InputError(f"expected costs that are not negative, found {cost:g}", field="spread_cost_currency")
    return cost / capital / weight_per_contract


@replaceable
def calculate_tracking_error_std(tracking_error_weights: Any, covariance_matrix: pd.DataFrame) -> float:
    """sqrt(e'Σe), annual standard deviation.

    Parameters
    ----------
    tracking_error_weights : Series or mapping, by instrument
        e, target less held weights; 0 for instruments of the covariance that are not named.
    covariance_matrix : DataFrame
        Σ.

    Raises
    ------
    InputError
        If a weight has no row in the covariance.
    """
    if not isinstance(covariance_matrix, pd.DataFrame) or not isinstance(tracking_error_weights, (pd.Series, Mapping)):
        raise InputError(
            "expected a Series or a dict by instrument, and a DataFrame for the covariance",
            field="tracking_error_weights",
        )
    weights = dict(tracking_error_weights)
    names = [str(name) for name in covariance_matrix.index]
    for name in weights:
        if name not in names:
            raise InputError("is not in the covariance", field="tracking_error_weights", instrument=str(name))
    target = {name: weights.get(name, 0.0) for name in names}
    problem = Problem(covariance_matrix, target, dict.fromkeys(names, 1.0))
    return problem.program().tracking_error(np.zeros(len(names)))


@replaceable
def calculate_tracking_error_buffer(average_risk_target: float, buffer_fraction: float = 0.05) -> float:
    """B = buffer fraction × risk target."""
    return to_number(buffer_fraction, "buffer_fraction") * to_number(average_risk_target, "average_risk_target")


@replaceable
def calculate_adjustment_factor(
    current_tracking_error: float, buffer: float, risk_target: float | None = None
) -> float:
    """α = max((T − B) ÷ T, 0), T the tracking error between held and optimised portfolio; 0 where T is 0.

    ``risk_target`` is accepted as in the guide, and not used.
    """
    if risk_target is not None:
        to_number(risk_target, "risk_target")
    error, width = to_number(current_tracking_error, "current_tracking_error"), to_number(buffer, "buffer")
    return adjustment_factor(error, width)


@replaceable
def calculate_required_trades_with_buffering(
    current_positions: Mapping[str, float], optimal_positions: Mapping[str, float], adjustment_factor: float
) -> dict[str, int]:
    """Round(α × (optimised − held)) by instrument; halves go to the even number."""
    factor = to_number(adjustment_factor, "adjustment_factor")
    return {
        name: int(buffered_trades(current_positions.get(name, 0), to_number(target, "optimal_positions"), factor))
        for name, target in optimal_positions.items()
    }


def _run_algorithm(
    optimizer: str, optimal: Mapping[str, float], held: Mapping[str, float], per_contract: Mapping[str, float],
    covariance: pd.DataFrame, costs: Mapping[str, float], cost_multiplier: float, limits: LimitsLike | None,
    underlying: Underlyings | None,
) -> dict[str, int]:  # fmt: skip
    held = dict(held or {})
    for name, contracts in held.items():
        if name not in optimal and contracts:
            raise InputError("is held and has no optimal position", field="initial_positions", instrument=str(name))
    problem = Problem(
        covariance=covariance,
        optimal_positions=dict(optimal),
        weight_per_contract=dict(per_contract),
        previous_positions={name: held.get(name, 0) for name in optimal},
        cost_in_weight_terms=dict(costs),
        cost_multiplier=cost_multiplier,
        limits=limits,
        underlying=underlying,
    )
    found = solve(problem, optimizer).positions
    return {str(name): int(found[name]) for name in optimal}
