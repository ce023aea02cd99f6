"""An object that stands where pysystemtrade has its ``objectiveFunctionForGreedy``, and finds the optimum.

>>> from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction as objectiveFunctionForGreedy

pysystemtrade is not needed: its weights, estimates, constraints and speed control are taken for what they look like,
and so are dicts and pandas. What behaves alike and what does not is listed in docs/swap-in.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.adapters.book.algorithm import HouseRules, breaks_a_rule
from dynopt_milp.adapters.pysystemtrade.callers_kind import (
    keys_by_rule,
    names_and_matrix,
    numbers_of,
    same_kind,
    speed_control_value,
    supplied,
    texts_of,
)
from dynopt_milp.adapters.repaired_problem import repaired_problem
from dynopt_milp.adapters.valid_instruments import WHOLE, contracts, with_valid_data
from dynopt_milp.errors import InputError, UnsupportedError
from dynopt_milp.io.labelled import MOST_CONTRACTS, refuse_masked_or_complex
from dynopt_milp.problem.limits import Limits, LimitsLike, limits_of
from dynopt_milp.problem.one_side import beside_kept, on_one_side
from dynopt_milp.problem.plausible import implausible
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.shrinkage import check_shrinkage, shrunk
from dynopt_milp.problem.solution import Solution
from dynopt_milp.problem.underlying import underlying_of
from dynopt_milp.rules.among import rules_among
from dynopt_milp.rules.rule import Rule
from dynopt_milp.solvers.greedy import direction_from, greedy_search
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_settings
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance
from formulations import FloatArray

NO_LIMIT = 999.0
"""What pysystemtrade writes for a weight without a limit."""

LOG = logging.getLogger(__name__)


class ObjectiveFunction:
    """One rebalance as pysystemtrade has it; ``optimise_positions()`` gives the contracts to hold.

    Parameters
    ----------
    contracts_optimal : dict-like or Series, by instrument
        Unrounded contracts. What comes back is of its kind, and has its instruments.
    covariance_matrix : covarianceEstimate, DataFrame or dict of dicts
        Annual, of percentage returns; anything with ``values`` and ``columns``.
    per_contract_value : dict-like or Series
        Weight per contract: value of one contract as a share of capital.
    costs : dict-like or Series
        In weight terms: (cost of one contract ÷ capital) ÷ weight per contract.
    speed_control : object
        With ``trade_shadow_cost`` (λ) and ``tracking_error_buffer`` (B, annual standard deviation).
    previous_positions : dict-like or Series, optional
        Contracts held; what is missing or NaN is not held. Without it there are no costs and there is no buffer.
    constraints : object, optional
        With ``reduce_only_keys``, ``no_trade_keys`` and ``long_only_keys``: lists of instruments, or not supplied.
    maximum_positions : dict-like or Series, optional
        Contracts, either side, rounded down; not looked at where there is no trade. What is missing has none.
    log : logger, optional
        With ``debug`` and ``warning``, or pysystemtrade's old ``msg``.
    constraint_function : callable, optional
        From weights to a penalty. Only with ``optimizer="greedy"``: nothing can be proved of an arbitrary function.
    optimizer : str or callable
        As in :func:`~dynopt_milp.solve`.
    limits : Limits or callable, optional
        Limits beside those of ``constraints`` and ``maximum_positions``, of instruments that have a target; or a
        function from the valid instruments to their limits. See :func:`limits_of_states` for the states of
        pysystemtrade.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`; a function of your own does not know of them. An answer that was not proved is
        used, and the log says so.
    shrinkage : float
        Share of the way of the correlations in ``covariance_matrix`` towards zero, from 0 to 1; volatilities stay. What
        is still indefinite then is repaired. pysystemtrade has shrunk them already (by 0.5, of its configuration).
    underlying : dict-like or Series of str, by instrument, optional
        Which instruments are sizes of one contract, for ``Limits(one_side=)``. Instruments that it does not name: X of
        ``X_mini`` and ``X_micro``, else their own name (:func:`~dynopt_milp.problem.underlying_of`).
    holding_cost : dict-like or Series, by instrument, optional
        Of holding one contract until the next rebalance, in weight terms like ``costs``
        (:func:`~dynopt_milp.holding_cost`); it counts λ times, whether or not it is known what is held. Every
        valid instrument needs one. Default: none.
    rules : list of Rule, Rule or callable, optional
        House rules (:mod:`dynopt_milp.rules`) of instruments that have a target, kept after the buffer; names and
        numbers of those without valid data are left out. Or a function from the valid instruments to their rules. What
        is held of instruments outside the rebalance, without a target or valid data, does not count in them. Where it
        is not known what is held, orders are counted from nothing, and their cost is none.

    Attributes
    ----------
    trade_shadow_cost, tracking_error_buffer : float
        λ and B, read once.
    result : Rebalance or None
        The last optimisation: status, lower bound, α; None if there was none, as when the held positions were close
        enough.

    Raises
    ------
    UnsupportedError
        For a ``constraint_function`` with another optimizer than greedy.
    UnknownNameError, InputError
        If an argument is not of its kind, there is no such optimizer, or limits or rules name an instrument without a
        target.
        When something is asked of it: for a valid instrument without a cost, a maximum that is NaN, held positions that
        are not whole contracts, limits that leave no position, and whatever makes no :class:`~dynopt_milp.Problem`.
    NoPortfolioError
        When something is asked of it: if limits and rules leave no portfolio, or greedy ends at one that breaks a rule.

    Notes
    -----
    numpy arrays have shape (n,), covariances (n, n), n = ``len(keys_with_valid_data)``, in its order, which is that of
    ``contracts_optimal``.
    """

    def __init__(
        self,
        contracts_optimal: Any,
        covariance_matrix: Any,
        per_contract_value: Any,
        costs: Any,
        speed_control: Any,
        previous_positions: Any = None,
        constraints: Any = None,
        maximum_positions: Any = None,
        log: Any = LOG,
        constraint_function: Callable[[Any], float] | None = None,
        *,
        optimizer: str | Optimizer = "exact",
        limits: LimitsLike | None = None,
        gap: float = DEFAULT_GAP,
        time_limit: float | None = None,
        shrinkage: float = 0.0,
        underlying: Any = None,
        holding_cost: Any = None,
        rules: HouseRules | None = None,
    ) -> None:
        self.contracts_optimal, self.covariance_matrix = contracts_optimal, covariance_matrix
        self.per_contract_value, self.costs, self.speed_control = per_contract_value, costs, speed_control
        self.constraints, self.maximum_positions = constraints, maximum_positions
        self.log = LOG if supplied(log) is None else log
        self.constraint_function = supplied(constraint_function)
        check_settings(optimizer, gap, time_limit)
        self.optimizer, self.gap, self.time_limit = optimizer, gap, time_limit
        self.shrinkage = check_shrinkage(shrinkage)
        if self.constraint_function is not None and optimizer != "greedy":
            raise UnsupportedError(
                "is an arbitrary function, of whose values nothing can be proved; use optimizer='greedy', or limits "
                "(constraints, maximum_positions)",
                field="constraint_function",
            )
        self._target = numbers_of(contracts_optimal, "contracts_optimal")
        self._per_contract = numbers_of(per_contract_value, "per_contract_value")
        self._costs = numbers_of(costs, "costs")
        self.underlying, self.holding_cost = underlying, holding_cost
        self._underlying = {} if underlying is None else texts_of(underlying, "underlying")
        self._holding = None if holding_cost is None else numbers_of(holding_cost, "holding_cost")
        self.trade_shadow_cost = speed_control_value(speed_control, "trade_shadow_cost")
        self.tracking_error_buffer = speed_control_value(speed_control, "tracking_error_buffer")
        self.previous_positions, self._held = previous_positions, None
        if supplied(previous_positions) is not None:
            given = numbers_of(previous_positions, "previous_positions")
            self._held = {name: 0.0 if np.isnan(number) else number for name, number in given.items()}
            self.previous_positions = same_kind(previous_positions, self._held)
        self._rules = keys_by_rule(supplied(constraints))
        most = supplied(maximum_positions)
        self._maxima = None if most is None else numbers_of(most, "maximum_positions")
        self.limits = limits
        if not callable(limits):
            limits_of(limits, list(self._target), list(self._target))
        self.rules = rules
        if not callable(rules):
            rules_among(rules, list(self._target), list(self._target))
        self._names, self._matrix = names_and_matrix(covariance_matrix)
        self._keys, self._valid_matrix = self._valid()
        self._problem: Problem | None = None
        self.result: Rebalance | None = None

    # What pysystemtrade calls.

    def optimise_positions(self) -> Any:
        """Contracts to hold, whole, of the kind and with the instruments of ``contracts_optimal``."""
        found = dict(zip(self._keys, self._optimised_contracts(), strict=True))
        return same_kind(self.contracts_optimal, {name: int(found.get(name, 0)) for name in self._target})

    def optimise_weights(self) -> Any:
        """The same as weights; 0 for instruments without valid data."""
        found = dict(zip(self._keys, self.optimise_np_for_valid_keys(), strict=True))
        return same_kind(self.contracts_optimal, {name: float(found.get(name, 0.0)) for name in self._target})

    def optimise_np_for_valid_keys(self) -> FloatArray:
        """The same as an array of weights, for ``keys_with_valid_data``."""
        return self._optimised_contracts() * self.per_contract_value_as_np

    def get_optimisation_results_raw(self) -> FloatArray:
        """Weights of the optimum, before any buffer."""
        if not self._keys:
            return np.zeros(0)
        return self._rebalanced().optimised.positions.to_numpy() * self.per_contract_value_as_np

    def evaluate(self, weights: FloatArray) -> float:
        """Tracking error plus the penalty for costs (plus the constraint function, if there is one) of some weights."""
        value = self.tracking_error_against_optimal(weights) + self.calculate_costs(weights)
        return value + self.constraint_function_value(weights)

    def tracking_error_against_optimal(self, weights: FloatArray) -> float:
        """Of some weights against the unrounded ones; annual standard deviation, share of capital."""
        return self.tracking_error_against_passed_weights(weights, self.weights_optimal_as_np)

    def tracking_error_against_passed_weights(self, weights: FloatArray, optimal_weights: FloatArray) -> float:
        """Of some weights against others; never of a negative variance, since the covariance is repaired."""
        if not self._keys:
            return 0.0
        unit = self.per_contract_value_as_np
        return self._day().program().distance(np.asarray(weights) / unit, np.asarray(optimal_weights) / unit)

    def calculate_costs(self, weights: FloatArray) -> float:
        """λ times the cost of some weights, share of capital: of getting there from the held ones, and of holding them.

        Where it is not known what is held, getting there costs nothing. Rules change nothing here.
        """
        if not self._keys:
            return 0.0
        positions = np.asarray(weights, dtype=np.float64) / self.per_contract_value_as_np
        program = self._day().program()
        return program.trading_cost(positions) + program.holding_cost(positions)

    def constraint_function_value(self, weights: FloatArray) -> float:
        """What the constraint function says of some weights; 0 if there is none."""
        if self.constraint_function is None:
            return 0.0
        named = {name: float(weight) for name, weight in zip(self._keys, weights, strict=True)}
        return float(self.constraint_function(same_kind(self.contracts_optimal, named)))

    def is_tracking_error_of_prior_smaller_than_buffer(self) -> bool:
        """Whether the held portfolio is so close to the unrounded one that nothing trades."""
        if self.no_prior_positions_provided or not self._keys:
            return False
        day = self._day()
        return day.program().tracking_error(day.previous_positions) < self.tracking_error_buffer

    # What it works with.

    @property
    def weights_optimal(self) -> Any:
        """Unrounded weights."""
        return self._as_weights(self.contracts_optimal, self._target)

    @property
    def weights_prior(self) -> Any:
        """Weights held; what was given for them if they are not known."""
        return self.previous_positions if self._held is None else self._as_weights(self.previous_positions, self._held)

    @property
    def maximum_position_weights(self) -> Any:
        """The largest weights; what was given for them if there are none."""
        return (
            self.maximum_positions if self._maxima is None else self._as_weights(self.maximum_positions, self._maxima)
        )

    @property
    def no_prior_positions_provided(self) -> bool:
        """Whether it is not known what is held."""
        return self._held is None

    @property
    def keys_with_valid_data(self) -> list[str]:
        """Instruments with a target, a positive weight per contract and a covariance."""
        return list(self._keys)

    @property
    def covariance_matrix_as_np(self) -> FloatArray:
        """Σ of the valid instruments as it was given or set: not shrunk, nor repaired where it is indefinite."""
        return self._valid_matrix

    @covariance_matrix_as_np.setter
    def covariance_matrix_as_np(self, covariance: FloatArray) -> None:
        refuse_masked_or_complex(covariance, "covariance_matrix_as_np", self._keys)
        matrix = np.array(covariance, dtype=np.float64)
        if matrix.shape != self._valid_matrix.shape:
            raise InputError(
                f"expected shape {self._valid_matrix.shape}, a row for each of keys_with_valid_data, "
                f"found {matrix.shape}",
                field="covariance_matrix_as_np",
            )
        self._valid_matrix, self._problem, self.result = _frozen(matrix), None, None

    @property
    def per_contract_value_as_np(self) -> FloatArray:
        """Weights per contract of the valid instruments."""
        return np.array([self._per_contract[name] for name in self._keys])

    @property
    def weights_optimal_as_np(self) -> FloatArray:
        """Unrounded weights of the valid instruments."""
        return self._wanted() * self.per_contract_value_as_np

    @property
    def weights_prior_as_np_replace_nans_with_zeros(self) -> Any:
        """Weights held of the valid instruments, an array; what was given for them if they are not known."""
        known = self._held is not None
        return self._held_contracts() * self.per_contract_value_as_np if known else self.previous_positions

    @property
    def costs_as_np(self) -> FloatArray:
        """Costs in weight terms of the valid instruments."""
        return np.array([self._costs.get(name, np.nan) for name in self._keys])

    @property
    def minima_as_np(self) -> FloatArray:
        """The least weights; −999 where there is no limit, as in pysystemtrade."""
        return self._limit_weights(self._box()[0])

    @property
    def maxima_as_np(self) -> FloatArray:
        """The largest weights; 999 where there is no limit."""
        return self._limit_weights(self._box()[1])

    @property
    def starting_weights_as_np(self) -> FloatArray:
        """Where greedy starts: zero, or the limit nearest to it."""
        return self._limit_weights(self._start_and_direction()[0])

    @property
    def direction_as_np(self) -> FloatArray:
        """Which way greedy goes: that of the target, or away from zero where it starts at a limit."""
        return self._start_and_direction()[1]

    # How it is done.

    def _optimised_contracts(self) -> NDArray[np.int64]:
        """Contracts to hold of the valid instruments."""
        if not self._keys:
            return np.zeros(0, dtype=np.int64)
        day = self._day()
        if self.is_tracking_error_of_prior_smaller_than_buffer():
            held = day.previous_positions
            outside = (held < day.lower) | (held > day.upper)
            for sizes in day.program().opposite(held):
                outside[sizes] = True
            wrong = [f"outside the limits of {', '.join(np.array(self._keys)[outside])}"] if outside.any() else []
            if not day.program().keeps_rules(held):
                wrong.append(f"against rules ({'; '.join(str(day.rules[at]) for at in day.broken_rules(held))})")
            if not wrong:
                self._say("debug", f"held portfolio within the buffer of {self.tracking_error_buffer:.4f}: no trades")
                return np.asarray(held, dtype=np.int64)
            self._say("warning", f"held portfolio within the buffer, but {' and '.join(wrong)}: optimised")
        done = self._rebalanced()
        text = (
            f"{done.optimised.optimizer}: {done.status.value}, objective {done.optimised.objective:.6f}, lower bound "
            f"{done.optimised.lower_bound:.6f}, tracking error {done.tracking_error:.4f}, share of the trade "
            f"{done.adjustment_factor:.3f}"
        )
        self._say("warning" if done.optimised.stopped_by.is_limit else "debug", text)
        return np.asarray(done.contracts)

    def _rebalanced(self) -> Rebalance:
        if self.result is None:
            known = not self.no_prior_positions_provided
            self.result = rebalance(
                self._day(), self._own_greedy() if self.constraint_function is not None else self.optimizer,
                buffer_rule="book" if known else None, buffer_fraction=self.tracking_error_buffer if known else 0.0,
                risk_target=1.0, gap=self.gap, time_limit=self.time_limit,
            )  # fmt: skip
        return self.result

    def _own_greedy(self) -> Optimizer:
        """Greedy on all of ``evaluate``, in the order of names; every underlying stays on one side, and rules hold."""

        def greedy(problem: Problem) -> FloatArray | Solution:
            order, unit = problem.order(), problem.weight_per_contract
            back = np.argsort(order)
            program = problem.program().permuted(order)
            found, _ = greedy_search(program, lambda positions: self.evaluate(positions[back] * unit))
            return found[back] if program.contains(found) else breaks_a_rule(problem)

        return greedy

    def _day(self) -> Problem:
        """The rebalance as this package has it."""
        if self._problem is None:
            costs = holding = np.zeros(len(self._keys))
            if not self.no_prior_positions_provided:
                costs = self._of_every_key(self._costs, "costs")
            if self._holding is not None:
                holding = self._of_every_key(self._holding, "holding_cost")
            limits = self._limits()
            self._problem, note = repaired_problem(
                shrunk(self._valid_matrix, self.shrinkage),
                optimal_positions=self._wanted(),
                weight_per_contract=self.per_contract_value_as_np,
                previous_positions=self._held_contracts(),
                cost_in_weight_terms=costs,
                cost_multiplier=self.trade_shadow_cost,
                limits=limits,
                instruments=tuple(self._keys),
                holding_cost=holding,
                underlying=self._underlyings() if limits.one_side else None,
                rules=self._house(),
            )
            for text in filter(None, (note, implausible(self._valid_matrix), *self._problem.notes)):
                self._say("warning", text)
            self._say_offset(self._problem)
        return self._problem

    def _say_offset(self, problem: Problem) -> None:
        """Targets, old ones perhaps, that nothing can be held for: they tilt what is held of the others."""
        shut = (problem.lower == 0) & (problem.upper == 0) & (problem.previous_positions == 0)
        target = problem.optimal_positions
        named = [f"{self._keys[place]} ({target[place]:g})" for place in np.flatnonzero(shut & (target != 0))]
        if named:
            self._say("debug", f"limits keep these at 0, and the others offset their targets: {', '.join(named)}")

    def _of_every_key(self, numbers: Mapping[str, float], field: str) -> FloatArray:
        """The numbers of the valid instruments, each of which needs one."""
        found = np.array([numbers.get(name, np.nan) for name in self._keys])
        if np.isnan(found).any():
            place = int(np.argmax(np.isnan(found)))
            raise InputError(
                "has none, though it has a covariance and a target", field=field, instrument=self._keys[place]
            )
        return found

    def _underlyings(self) -> tuple[str, ...]:
        """Of the valid instruments."""
        return tuple(self._underlying_of(name) for name in self._keys)

    def _underlying_of(self, name: str) -> str:
        return self._underlying.get(name) or underlying_of(name)

    def _limits(self) -> Limits:
        """The limits of the valid instruments, arrays in their order."""
        rules: dict[str, Any] = {
            name: [key for key in keys if key in self._keys] for name, keys in self._rules.items() if keys
        }
        own = Limits(**rules)
        if self.limits is not None:
            own &= limits_of(self.limits, self._keys, list(self._target)).among(self._keys, self._keys)
        most = np.full(len(self._keys), np.inf)
        for place, name in enumerate(self._keys):
            number = (self._maxima or {}).get(name, np.inf)
            if own.no_trade is not True and name not in (own.no_trade or ()):
                if np.isnan(number):
                    raise InputError("expected a number, found nan", field="maximum_positions", instrument=name)
                if abs(number) <= MOST_CONTRACTS:  # more is no limit
                    most[place] = np.floor(abs(number) + WHOLE)
        if np.isfinite(most).any():
            lower = -most if own.lower is None else np.maximum(own.lower, -most)
            upper = most if own.upper is None else np.minimum(own.upper, most)
            own = replace(own, lower=lower, upper=upper)
        if own.one_side is True:  # by names it is for instruments with a target
            alone = [(self._underlying_of(name), number) for name, number in (self._held or {}).items()
                     if number and name not in self._target]  # fmt: skip
            own = beside_kept(
                own, tuple(self._keys), self._underlyings(), self._wanted(), self._held_contracts(), alone
            )
        return own

    def _house(self) -> tuple[Rule, ...]:
        """The rules of the valid instruments."""
        if callable(self.rules):
            return rules_among(self.rules(list(self._keys)), self._keys, self._keys)
        return rules_among(self.rules, self._keys, list(self._target))

    def _box(self) -> tuple[FloatArray, FloatArray]:
        """The limits in contracts."""
        keys, limits, held = tuple(self._keys), self._limits(), self._held_contracts()
        lower, upper = limits.box(keys, self._wanted(), held)
        if limits.one_side:
            _, lower, upper = on_one_side(limits, keys, self._underlyings(), held, lower, upper)
        return lower, upper

    def _start_and_direction(self) -> tuple[FloatArray, FloatArray]:
        start = np.clip(0.0, *self._box())
        return start, direction_from(start, self._wanted())

    def _wanted(self) -> FloatArray:
        """Unrounded contracts of the valid instruments."""
        return np.array([self._target[name] for name in self._keys])

    def _valid(self) -> tuple[list[str], FloatArray]:
        """Instruments with valid data, and their covariance; what is held of others is said."""
        places = {name: place for place, name in enumerate(self._names)}
        names = [name for name in self._target if name in places and name in self._per_contract]
        at = [places[name] for name in names]
        matrix = self._matrix[np.array(at, dtype=np.intp)[:, None], at]
        target = np.array([self._target[name] for name in names])
        valid = with_valid_data(matrix, target, np.array([self._per_contract[name] for name in names]))
        keys = [name for name, kept in zip(names, valid, strict=True) if kept]
        for name, number in (self._held or {}).items():
            if number and name not in keys:
                what = (
                    "valid data: not optimised, its position is 0" if name in self._target else "a target: left alone"
                )
                self._say("warning", f"{name} is held ({number:g}) and without {what}")
        for rule, named in self._rules.items():
            strangers = [name for name in named if name not in self._target]
            if strangers:
                self._say(
                    "warning", f"{rule}_keys names instruments without a target: {', '.join(map(str, strangers))}"
                )
        unlimited = [str(name) for name in self._maxima or {} if name not in self._target]
        if unlimited:
            self._say("warning", f"maximum_positions names instruments without a target: {', '.join(unlimited)}")
        if self._target and not keys:
            self._say("warning", "no instrument has a target, a weight and a covariance: all positions are 0")
        return keys, _frozen(matrix if valid.all() else matrix[np.ix_(valid, valid)])

    def _held_contracts(self) -> FloatArray:
        held = np.array([(self._held or {}).get(name, 0.0) for name in self._keys])
        return contracts(held, np.ones(len(held)), tuple(self._keys), "previous_positions")

    def _limit_weights(self, limit: FloatArray) -> FloatArray:
        unit = self.per_contract_value_as_np
        return np.clip(np.where(np.isinf(limit), np.sign(limit) * NO_LIMIT, limit * unit), -NO_LIMIT, NO_LIMIT)

    def _as_weights(self, kind: Any, numbers: Mapping[str, float]) -> Any:
        missing = float("nan")
        return same_kind(
            kind, {name: number * self._per_contract.get(name, missing) for name, number in numbers.items()}
        )

    def _say(self, level: str, text: str) -> None:
        speak = getattr(self.log, level, None) or getattr(self.log, "msg", None)
        if speak is not None:
            speak(text)


def _frozen(matrix: FloatArray) -> FloatArray:
    """Read-only: a change in place would not be seen."""
    matrix.setflags(write=False)
    return matrix
