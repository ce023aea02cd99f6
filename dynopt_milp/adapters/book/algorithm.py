"""The optimizers of the book's published code for strategy twenty-five, greedy and exact.

Each is a function of one argument, the day as the book's code has it in numpy, and returns the weights to hold: what
its ``algo_to_use`` expects.

>>> from dynopt_milp.adapters.book import exact_with_costs_and_buffering
>>> algo_to_use = exact_with_costs_and_buffering

What is different from the book's own functions is listed in docs/swap-in.md.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.adapters.repaired_problem import repaired_problem
from dynopt_milp.adapters.valid_instruments import contracts, with_valid_data
from dynopt_milp.errors import DataWarning, InputError, RulesError, UnknownNameError, UnprovedWarning
from dynopt_milp.io.labelled import not_negative, refuse_masked_or_complex, to_vector
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.problem.limits import Limits, LimitsLike, limits_of
from dynopt_milp.problem.plausible import MOST_MULTIPLIER, implausible
from dynopt_milp.problem.problem import Problem, RulesLike
from dynopt_milp.problem.shrinkage import check_shrinkage, shrunk
from dynopt_milp.problem.solution import Solution, Status, StoppedBy
from dynopt_milp.problem.underlying import to_underlyings
from dynopt_milp.rules.among import names_in, rules_among
from dynopt_milp.rules.combined import rules_of
from dynopt_milp.rules.from_file import rule_from_dict
from dynopt_milp.rules.rule import Rule
from dynopt_milp.solvers.greedy import greedy_search
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_settings
from dynopt_milp.solvers.solving import DEFAULT_BUFFER
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance
from formulations import FloatArray

LEAST_GAP = 1e-9  # below, floating point may not close it, and the long way ends with another solver
ARRAYS = (
    "unrounded_optimal_position_weights", "previous_position_weights", "weight_per_contract", "starting_weights",
    "direction_as_np", "cost_in_weight_terms_as_np",
)  # fmt: skip
PLACE = re.compile("0|[1-9][0-9]*")
"""What rules call an instrument that has no name."""
HouseRules = RulesLike | Callable[[list[str]], RulesLike | None]
"""House rules, or one; or a function from a list of instruments to theirs."""


class Day(Protocol):
    """One rebalance as the book's code has it; every array in weight terms, shape (n,).

    Attributes
    ----------
    covariance_matrix : ndarray, shape (n, n)
        Annual, of percentage returns.
    unrounded_optimal_position_weights, previous_position_weights : ndarray
        Target and held contracts, times the weight per contract.
    weight_per_contract : ndarray
    starting_weights, direction_as_np : ndarray
        Where greedy starts, and which way (−1, 0 or 1) it goes with each instrument.
    cost_in_weight_terms_as_np : ndarray
    """

    covariance_matrix: FloatArray
    unrounded_optimal_position_weights: FloatArray
    previous_position_weights: FloatArray
    weight_per_contract: FloatArray
    starting_weights: FloatArray
    direction_as_np: FloatArray
    cost_in_weight_terms_as_np: FloatArray


@dataclass(frozen=True, slots=True)
class BookAlgorithm:
    """A function from a :class:`Day` to the weights to hold, ndarray of shape (n,).

    Weights come back as whole multiples of the weights per contract; 0 for an instrument whose target, weight per
    contract or variance is NaN; a NaN among what is held is nothing held. One whose weight per contract is not positive
    (a price below zero) is left out too, and a covariance that is not positive semi-definite is repaired
    (:func:`~dynopt_milp.clip_eigenvalues`), both with a :class:`~dynopt_milp.DataWarning`. So are what
    is held without valid data, and a covariance that seems to be in per cent. What was not proved optimal, within a
    time limit or by floating point, comes with an :class:`~dynopt_milp.UnprovedWarning`. Errors and warnings count
    instruments from 0.

    Parameters
    ----------
    optimizer : str or callable
        As in :func:`~dynopt_milp.solve`; ``"greedy"`` starts and goes as the day says.
    cost_multiplier : float
        λ; 0: costs and what is held do not matter.
    buffer : float or None
        B, annual standard deviation, share of capital: trade round(α(k° − p)), α = max((T − B)/T, 0). None: trade all.
    limits : Limits or callable, optional
        Instruments have no names here: arrays in their order, or rules for all; or a function from a list of made-up
        names, one an instrument, to Limits.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`; not passed on to a function of your own.
    shrinkage : float
        Share of the way of the day's correlations towards zero, from 0 to 1; volatilities stay. What is still
        indefinite then is repaired. The book's code shrinks nothing.
    underlying : mapping or sequence of str, optional
        Which instruments are sizes of one contract, for ``Limits(one_side=True)``: by place, from 0, or a text (perhaps
        empty) for each. Default, and where there is none: each is its own.
    holding_cost : float or sequence of float, shape (n,), optional
        Of holding one contract until the next rebalance, in weight terms (:func:`~dynopt_milp.holding_cost`), for all
        or for each in their order; it counts λ times. Default, as in the book: none.
    rules : list of Rule, Rule or callable, optional
        House rules (:mod:`dynopt_milp.rules`), kept after the buffer, of the instruments with valid data: names and
        numbers of others are left out. In a list places stand for names, as texts, from ``"0"``, and arrays have the
        order of the day; a function is given the made-up names, all of them in their order, and uses those.

    Raises
    ------
    InputError
        When it is made, if a setting is out of range. When it is called, if the day lacks an attribute, arrays differ
        in length, what is held is not whole contracts, or the arrays are not a valid :class:`~dynopt_milp.Problem`.
    RulesError
        When it is made, if what is given are no rules, or rules of other names than places. When it is called, if the
        day has no such place, or a rule lacks a number.
    UnboundedError, SolverError, NoPortfolioError
        As in :func:`~dynopt_milp.rebalance`; the last as well where greedy ends at a portfolio that breaks a rule.
    """

    optimizer: str | Optimizer = "exact"
    cost_multiplier: float = BOOK_COST_MULTIPLIER
    buffer: float | None = None
    limits: LimitsLike | None = None
    gap: float = DEFAULT_GAP
    time_limit: float | None = None
    shrinkage: float = 0.0
    underlying: Mapping[int, str] | Sequence[str] | None = None
    holding_cost: float | Sequence[float] | FloatArray | None = None
    rules: HouseRules | None = None

    def __post_init__(self) -> None:
        not_negative(self.cost_multiplier, "cost_multiplier", most=MOST_MULTIPLIER)
        if self.buffer is not None:
            not_negative(self.buffer, "buffer")
        if isinstance(self.limits, Limits) and self.limits.one_side and self.underlying is None:
            raise InputError("is needed for one_side: which instruments are sizes of one contract", field="underlying")
        if not callable(self.limits):
            limits_of(self.limits, ())
        if not callable(self.rules):
            _check_rules(self.rules)
        check_settings(self.optimizer, self.gap, self.time_limit)
        check_shrinkage(self.shrinkage)
        if isinstance(self.holding_cost, (int, float)):
            not_negative(self.holding_cost, "holding_cost")

    def __call__(self, day: Day) -> FloatArray:
        """The weights to hold."""
        covariance, given = _arrays(day)
        covariance = shrunk(covariance, self.shrinkage)
        unit = given["weight_per_contract"]
        names = _places(len(unit))
        ordinary = self._ordinary(covariance, given, names)
        if ordinary is not None:
            return ordinary * unit
        for place in np.flatnonzero(unit <= 0):
            text = f"weight_per_contract of {names[place]} is {unit[place]:g}: left out, its weight is 0"
            warnings.warn(text, DataWarning, stacklevel=2)
        valid = with_valid_data(covariance, given["unrounded_optimal_position_weights"], unit)
        weights = np.zeros(len(valid))
        held = given["previous_position_weights"] if self._looks_at_held else weights
        for place in np.flatnonzero(~valid & ~(unit <= 0) & ~np.isnan(held) & (held != 0)):
            text = f"{names[place]} is held (weight {held[place]:g}) and without valid data: its weight is 0"
            warnings.warn(text, DataWarning, stacklevel=2)
        if not valid.any():
            return weights
        limits, underlying = self._limits(names, valid), self._underlyings(names)
        rules = self._rules(names, valid)
        given["holding_cost"] = to_vector(
            0.0 if self.holding_cost is None else self.holding_cost, names, "holding_cost"
        )
        if not valid.all():
            covariance = covariance[np.ix_(valid, valid)]
            given = {name: array[valid] for name, array in given.items()}
            names, underlying = (
                tuple(texts[place] for place in np.flatnonzero(valid)) for texts in (names, underlying)
            )
        done, note = self._rebalanced(covariance, given, names, limits, underlying, rules)
        for text in filter(None, (note, implausible(covariance))):
            warnings.warn(text, DataWarning, stacklevel=2)
        best = done.optimised
        if best.stopped_by.is_limit:
            text = f"not proved optimal ({best.stopped_by.value}): objective {best.objective:.6g}, lower bound "
            warnings.warn(f"{text}{best.lower_bound:.6g}", UnprovedWarning, stacklevel=2)
        positions = done.contracts.astype(np.float64)
        weights[valid] = positions * given["weight_per_contract"]
        return weights

    @property
    def _looks_at_held(self) -> bool:
        given = (self.buffer, self.limits, self.rules)
        return self.cost_multiplier > 0 or any(setting is not None for setting in given)

    def _ordinary(
        self, covariance: FloatArray, given: dict[str, FloatArray], names: tuple[str, ...]
    ) -> FloatArray | None:
        """Contracts to hold, the short way; None if the day or a setting is not ordinary."""
        if self.optimizer != "exact" or self.limits is not None or self.time_limit is not None or self.gap < LEAST_GAP:
            return None
        if self.underlying is not None or self.holding_cost is not None or self.rules is not None:
            return None
        from dynopt_milp.adapters.book.ordinary_day import ordinary_day  # numba, which greedy does without

        held, cost = given["previous_position_weights"], given["cost_in_weight_terms_as_np"]
        if not self._looks_at_held:
            held = cost = np.zeros(len(held))
        return ordinary_day(
            covariance, given["unrounded_optimal_position_weights"], held, given["weight_per_contract"], cost,
            cost_multiplier=float(self.cost_multiplier), buffer=self.buffer or 0.0, gap=self.gap,
            instruments=names,
        )  # fmt: skip

    def _rebalanced(
        self, covariance: FloatArray, here: dict[str, FloatArray], names: tuple[str, ...], limits: Limits,
        underlying: tuple[str, ...], rules: tuple[Rule, ...],
    ) -> tuple[Rebalance, str]:  # fmt: skip
        """The rebalance of instruments with valid data, and what was repaired."""
        unit = here["weight_per_contract"]
        held = cost = np.zeros(len(unit))
        if self._looks_at_held:
            held = contracts(here["previous_position_weights"], unit, names, "previous_position_weights")
        if self.cost_multiplier > 0 or any(rule.kind == "cost" for rule in rules):
            cost = here["cost_in_weight_terms_as_np"]
        problem, note = repaired_problem(
            covariance,
            optimal_positions=here["unrounded_optimal_position_weights"] / unit,
            weight_per_contract=unit,
            previous_positions=held,
            cost_in_weight_terms=cost,
            cost_multiplier=self.cost_multiplier,
            limits=limits,
            instruments=names,
            holding_cost=here["holding_cost"],
            underlying=underlying,
            rules=rules,
        )
        optimizer = self.optimizer
        if optimizer == "greedy":
            start = contracts(here["starting_weights"], unit, names, "starting_weights")
            optimizer = _greedy_from(start, here["direction_as_np"])
        done = rebalance(
            problem, optimizer, buffer_rule=None if self.buffer is None else "book",
            buffer_fraction=self.buffer or 0.0, risk_target=1.0, gap=self.gap, time_limit=self.time_limit,
        )  # fmt: skip
        return done, note

    def _limits(self, names: tuple[str, ...], valid: NDArray[np.bool_]) -> Limits:
        """The limits of the instruments that can be optimised."""
        return limits_of(self.limits, names).among([names[place] for place in np.flatnonzero(valid)], names)

    def _rules(self, names: tuple[str, ...], valid: NDArray[np.bool_]) -> tuple[Rule, ...]:
        """The rules of the instruments that can be optimised, by their made-up names."""
        rules = self.rules(list(names)) if callable(self.rules) else _by_name(self.rules, names)
        return rules_among(rules, [names[place] for place in np.flatnonzero(valid)], names)

    def _underlyings(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Of all instruments; an instrument's own name where there is none."""
        given = self.underlying
        if isinstance(given, Mapping):
            for place in given:
                if place not in range(len(names)):
                    raise UnknownNameError(
                        f"expected places from 0 to {len(names) - 1}, found {place!r}", field="underlying"
                    )
            given = [given.get(place, "") for place in range(len(names))]
        return to_underlyings(given, names)


@cache
def _places(size: int) -> tuple[str, ...]:
    """Names for instruments that have none, in their order."""
    return tuple(f"instrument {place:0{len(str(size))}d}" for place in range(size))


def _arrays(day: Any) -> tuple[FloatArray, dict[str, FloatArray]]:
    """The arrays of a day, float64."""
    given = {}
    for name in ("covariance_matrix", *ARRAYS):
        try:
            array = getattr(day, name)
        except AttributeError:
            raise InputError(
                f"is no attribute of the {type(day).__name__} that came; give the book's day in numpy", field=name
            ) from None
        if not (type(array) is np.ndarray and array.dtype.kind == "f"):  # seven calls are a twentieth of a small day
            refuse_masked_or_complex(array, name)
        try:
            given[name] = np.array(array, dtype=np.float64, order="C")
        except (TypeError, ValueError):
            raise InputError("expected an array of numbers", field=name) from None
    size = given["weight_per_contract"].size
    shape: tuple[int, ...] = (size, size)
    for name, array in given.items():  # the covariance is the first
        if array.shape != shape:
            raise InputError(f"expected shape {shape}, found {array.shape}", field=name)
        shape = (size,)
    return given.pop("covariance_matrix"), given


def _check_rules(rules: Any) -> None:
    """Refuse what are no rules, and rules that name something else than places; how many there are the day says."""
    listed = rules if isinstance(rules, (list, tuple)) else () if rules is None else (rules,)
    if not all(isinstance(rule, Rule) for rule in listed):  # a covariance without names is of a day
        rules_of([rule for rule in rules if not isinstance(rule, Rule)] if listed is rules else rules, ())
    _check_places(listed, PLACE.fullmatch, 'texts from "0" on; or give a function from names to rules')


def _by_name(rules: Any, names: tuple[str, ...]) -> list[Rule]:
    """Rules of places as rules of the names there."""
    of_place = {str(place): name for place, name in enumerate(names)}
    listed = rules_of(rules, tuple(of_place))
    _check_places(listed, of_place.__contains__, f'texts from "0" to "{len(names) - 1}"')
    return [_renamed(rule, of_place) for rule in listed]


def _check_places(rules: Iterable[Rule], is_place: Callable[[str], Any], expected: str) -> None:
    for rule in rules:
        for name in names_in(rule):
            if not is_place(name):
                said = f"{rule.kind}: instruments have no names here; expected their places, {expected}"
                raise RulesError(said, field="rules", instrument=name)


def _renamed(rule: Rule, names: Mapping[str, str]) -> Rule:
    """The same rule of instruments by other names."""
    content = rule.to_dict()
    for field, value in content.items():
        if isinstance(value, list):
            content[field] = [names[name] for name in value]
        elif isinstance(value, dict) and "rows" in value:  # a covariance
            content[field] = value | {"instruments": [names[name] for name in value["instruments"]]}
        elif isinstance(value, dict):
            content[field] = {names[name]: number for name, number in value.items()}
    return rule_from_dict(content)


def _greedy_from(start: FloatArray, direction: FloatArray) -> Optimizer:
    def greedy(problem: Problem) -> FloatArray | Solution:
        lower, upper = problem.lower, problem.upper
        program, first = problem.program(), np.clip(start, lower, upper)
        for members in program.opposite(first):  # no step leads out of it
            first[members] = np.clip(0.0, lower[members], upper[members])
        found, _ = greedy_search(program, start=first, direction=direction)
        return found if program.contains(found) else breaks_a_rule(problem)

    return greedy


def breaks_a_rule(problem: Problem) -> Solution:
    """What a greedy search comes to that ends at a portfolio that breaks a rule: none, as in ``solve``."""
    return Solution(
        problem=problem, contracts=None, objective=np.inf, lower_bound=0.0, status=Status.NO_SOLUTION,
        stopped_by=StoppedBy.HEURISTIC, optimizer="greedy", formulation="penalty", solver="greedy (book)",
        seconds=0.0, nodes=0,
    )  # fmt: skip


greedy = BookAlgorithm("greedy", cost_multiplier=0.0)
"""The book's first search: tracking error alone."""
exact = BookAlgorithm("exact", cost_multiplier=0.0)
"""The optimum of tracking error alone."""
greedy_with_costs = BookAlgorithm("greedy")
"""The book's search, with 50 times the cost of trades."""
exact_with_costs = BookAlgorithm("exact")
"""The optimum of tracking error and 50 times the cost of trades."""
greedy_with_costs_and_buffering = BookAlgorithm("greedy", buffer=DEFAULT_BUFFER)
"""The book's search with costs and its buffer of 0.01: what its code for strategy twenty-five runs."""
exact_with_costs_and_buffering = BookAlgorithm("exact", buffer=DEFAULT_BUFFER)
"""The optimum with costs, and the book's buffer of 0.01."""
