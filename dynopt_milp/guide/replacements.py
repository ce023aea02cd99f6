"""What users put in place of the guide's functions, in the form that the rest of the package takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data import Market
from dynopt_milp.errors import InputError, UnsupportedError
from dynopt_milp.guide.current import ORIGINALS, current, replacement
from dynopt_milp.io.labelled import as_number
from dynopt_milp.problem.limits import LimitsLike
from dynopt_milp.problem.problem import Problem
from dynopt_milp.solvers.own_optimizer import Optimizer, optimizer_name
from dynopt_milp.strategy.checked_frame import checked_frame
from dynopt_milp.strategy.costs import Costs
from dynopt_milp.strategy.inputs import Inputs, TargetPositions
from formulations import FloatArray

SEARCHES = {"greedy": "run_greedy_algorithm", "exact": "run_exact_algorithm"}
"""The guide's function of each optimizer that has one."""
OF_THE_BUFFER = (
    "calculate_tracking_error_buffer", "calculate_adjustment_factor", "calculate_required_trades_with_buffering",
)  # fmt: skip


def refuse_replaced(*names: str, use_buffering: bool) -> None:
    """Refuse a replacement that would be ignored: of these, of the tracking error, and of the buffer if there is one.

    Raises
    ------
    UnsupportedError
    """
    for name in (*names, "calculate_tracking_error_std", *(OF_THE_BUFFER if use_buffering else ())):
        if replacement(name) is not None:
            raise UnsupportedError(
                "was replaced and would have no effect here; put it back. What has an effect: positions, weights and "
                "costs of contracts, and run_greedy_algorithm",
                field=name,
            )


def chosen_optimizer(optimizer: str | Optimizer | None, limits: LimitsLike | None) -> str | Optimizer:
    """The optimizer that was asked for, or what stands for it now; without one, what was replaced, else ``"exact"``.

    Raises
    ------
    InputError
        If both searches were replaced and none was asked for, or there are limits and the search takes none.
    """
    if optimizer is None:
        replaced = [name for name, search in SEARCHES.items() if replacement(search) is not None]
        if len(replaced) > 1:
            raise InputError(
                f"{' and '.join(SEARCHES.values())} were replaced; say which: optimizer='greedy' or 'exact'",
                field="optimizer",
            )
        optimizer = replaced[0] if replaced else "exact"
    search = SEARCHES.get(optimizer) if isinstance(optimizer, str) else None
    own = None if search is None else replacement(search)
    if own is None:
        return optimizer
    for name, other in SEARCHES.items():
        if own is ORIGINALS[other]:
            return name
    takes_limits = _takes_limits(own)
    if limits is not None and not takes_limits:
        raise InputError(
            f"{search} was replaced by {optimizer_name(own)}, which has no argument limits; give it one", field="limits"
        )
    return _as_optimizer(own, takes_limits=takes_limits)


def _takes_limits(search: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(search).parameters.values()
    except ValueError:  # compiled, without a signature
        return False
    return any(part.name == "limits" or part.kind is part.VAR_KEYWORD for part in parameters)


def _as_optimizer(search: Callable[..., Any], *, takes_limits: bool) -> Optimizer:
    """A search with the guide's arguments, as a function from a problem to whole contracts.

    Where it knows of no limits, what cannot be traded stays as it is whatever it says.
    """

    def optimizer(problem: Problem) -> Any:
        names = list(problem.instruments)

        def by_name(values: FloatArray) -> dict[str, Any]:
            return dict(zip(names, values.tolist(), strict=True))

        found = search(
            by_name(problem.optimal_positions), by_name(problem.previous_positions.astype(np.int64)),
            by_name(problem.weight_per_contract), pd.DataFrame(problem.covariance, index=names, columns=names),
            by_name(problem.cost_in_weight_terms), problem.cost_multiplier,
            **({"limits": problem.limits} if takes_limits else {}),
        )  # fmt: skip
        if takes_limits or not isinstance(found, (Mapping, pd.Series)):
            return found
        fixed = problem.lower == problem.upper
        return dict(found) | {name: held for name, held in by_name(problem.lower).items() if fixed[names.index(name)]}

    optimizer.__name__ = optimizer_name(search)
    return optimizer


def replaced_costs(costs: Costs, capital: float) -> Costs:
    """The costs as ``calculate_cost_in_weight_terms`` has them, if it was replaced."""
    own = replacement("calculate_cost_in_weight_terms")
    return costs if own is None else CostsInWeightTerms(costs, own, capital)


@dataclass(frozen=True, slots=True)
class CostsInWeightTerms:
    """Costs of a market that a function in place of ``calculate_cost_in_weight_terms`` has changed, cell by cell."""

    costs: Costs
    own: Callable[..., Any]
    capital: float

    def __call__(self, market: Market) -> pd.DataFrame:
        """What it says of each cost, as the spread cost, and no commission; in the base currency again."""
        money = checked_frame(self.costs(market), market, "costs", least=0.0)
        costs, weights = money.to_numpy(), weights_per_contract(market, self.capital).to_numpy()
        changed = np.full(costs.shape, np.nan)
        for row, place in np.argwhere(~np.isnan(costs + weights)).tolist():
            cost, weight = float(costs[row, place]), float(weights[row, place])
            share = self.own(cost, 0.0, self.capital, weight)
            number = as_number(share, "calculate_cost_in_weight_terms", market.instruments[place])
            changed[row, place] = number * weight * self.capital
        return pd.DataFrame(changed, index=money.index, columns=money.columns)


def weights_per_contract(market: Market, capital: float) -> pd.DataFrame:
    """What ``calculate_weight_per_contract`` says at the last reference price, days × instruments."""
    formula = current("calculate_weight_per_contract")
    prices, rates = market.reference_prices().ffill(), market.rates()
    columns = {
        name: [
            formula(multiplier, price, rate, capital) if price > 0 and rate > 0 else np.nan
            for price, rate in zip(prices[name].tolist(), rates[name].tolist(), strict=True)
        ]
        for name, multiplier in market.specifications["multiplier"].items()
    }
    return pd.DataFrame(columns, index=market.days)[list(market.instruments)]


class ReplacedInputs(Inputs):
    """Inputs with the positions and weights of contracts that replaced formulas of the guide say."""

    @cached_property
    def _weights_per_contract(self) -> pd.DataFrame:
        return weights_per_contract(self.market, self.capital)

    @cached_property
    def _reference_prices(self) -> pd.DataFrame:
        return self.market.reference_prices().ffill()

    def target_positions(self, date: pd.Timestamp, *, capital: float | None = None) -> TargetPositions:
        """As there; positions by ``calculate_optimal_unrounded_position``."""
        found = super().target_positions(date, capital=capital)
        own = replacement("calculate_optimal_unrounded_position")
        if own is None:
            return found
        shares = found.weights
        rates, multipliers = self.market.rates().loc[date], self.market.specifications["multiplier"]
        positions = [
            as_number(
                own(
                    self.capital if capital is None else capital, self.forecasts.at[date, name], found.multiplier,
                    shares[name], self.volatility.at[date, name], multipliers[name],
                    self._reference_prices.at[date, name], rates[name], self.strategy.risk_target,
                ),
                "calculate_optimal_unrounded_position",
                name,
            )
            for name in found.instruments
        ]  # fmt: skip
        return replace(found, contracts=np.array(positions))

    def problem(self, date: pd.Timestamp, held: Any = 0.0, **settings: Any) -> Problem:
        """As there; weights per contract by ``calculate_weight_per_contract``."""
        made = super().problem(date, held, **settings)
        if replacement("calculate_weight_per_contract") is None:
            return made
        names = list(made.instruments)
        weights = self._weights_per_contract.loc[date, names].to_numpy()
        costs = self.costs.loc[date, names].to_numpy()
        return made.replace(weight_per_contract=weights, cost_in_weight_terms=costs / self.capital / weights)
