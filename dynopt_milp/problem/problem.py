"""One rebalance, in the units a trader has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dynopt_milp.errors import InputError
from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.labelled import (
    MOST_CONTRACTS,
    Matrix,
    Vector,
    check_distinct,
    check_instruments,
    not_negative,
    positive,
    refuse,
    to_vector,
    to_whole,
)
from dynopt_milp.io.matrix import to_matrix
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.problem.covariance_factor import Factor, factor_by_name, given_apart
from dynopt_milp.problem.limits import Limits, LimitsLike, limits_of
from dynopt_milp.problem.one_side import on_one_side
from dynopt_milp.problem.order_costs import PARTS, OrderCosts, check_order_costs, order_costs_of
from dynopt_milp.problem.plausible import MOST_CAPITAL, MOST_MULTIPLIER
from dynopt_milp.problem.problem_file import content_of, fields_of, read_content
from dynopt_milp.problem.underlying import to_underlyings
from dynopt_milp.rules.combined import combined, parts_of, rules_of
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.setting import Setting
from formulations import FloatArray, IntegerArray, OrderCost, Residual, Rules, TrackingProgram, set_frozen_state

# What one contract adds to the objective, between which squares and their sums neither overflow nor vanish.
LEAST_UNIT, MOST_UNIT = 1e-130, 1e130
LEAST_COST = 1e-290
Underlyings = pd.Series | Mapping[str, str] | Sequence[str]
"""A name for each instrument: by label, or in the order of the instruments."""
RulesLike = Sequence[Rule] | Rule
"""House rules, or one."""
ARGUMENTS = (
    "covariance", "optimal_positions", "weight_per_contract", "previous_positions", "cost_in_weight_terms",
    "cost_multiplier", "limits", "instruments", "holding_cost", "underlying", "capital", "rules", "order_costs",
    "margin",
)  # fmt: skip
"""The fields that the constructor takes; the others follow from them."""


NO_SIZES = "one_side changes nothing: no underlying was given, so that no two instruments are sizes of one contract"


@dataclass(init=False, frozen=True, slots=True, eq=False, repr=False)
class Problem:
    """Which whole contracts to hold.

    Labelled input (Series, dict, DataFrame) is aligned by instrument; unlabelled input has the order of
    ``instruments``. Symbols in brackets are those of the book, strategy twenty-five.

    Parameters
    ----------
    covariance : DataFrame or array_like, shape (n, n)
        Σ, of percentage returns, per year. Any other period does as well if the costs are for the same period.
    optimal_positions : Series, dict or array_like, shape (n,)
        τ (N), the fractional contracts of the strategy; negative is short.
    weight_per_contract : Series, dict or array_like, shape (n,)
        u > 0: multiplier × price × fx ÷ capital; the price is the one that the returns of Σ are shares of.
    previous_positions : Series, dict, array_like or number, shape (n,)
        p (P), whole contracts held now. Default: none.
    cost_in_weight_terms : Series, dict, array_like or number, shape (n,)
        c ≥ 0: (cost of trading one contract ÷ capital) ÷ u. Default: none.
    cost_multiplier : float
        λ ≥ 0; 50 in the book.
    limits : Limits or callable
        What positions may be, or a function from the list of instruments to that. Default: anything.
    instruments : sequence of str, optional
        Names. Default: the labels of the covariance, else of the optimal positions.
    holding_cost : Series, dict, array_like or number, shape (n,)
        η ≥ 0: (cost of holding one contract until the next rebalance ÷ capital) ÷ u, that of its rolls say (see
        :func:`~dynopt_milp.holding_cost`). The objective gains λ Σ ηᵢuᵢ|kᵢ|. Default: none.
    underlying : Series, dict or sequence of str, shape (n,), optional
        Instruments with the same are sizes of one contract (full, mini, micro): see ``Limits.one_side``. Default, and
        where none is given: each instrument is its own.
    capital : float, optional
        Base currency, positive: what shares of capital are shares of. It changes no position; what shows shares shows
        money with it.
    rules : list or tuple of Rule, optional
        House rules, made by the functions of :mod:`dynopt_milp.rules`; one alone needs no list. Default: none.
    order_costs : OrderCosts, optional
        What an order costs beside its contracts: a fee, a least commission, an impact; shares of capital. It counts λ
        times, as all costs do. Default: nothing.
    margin : Series, dict, array_like or number, shape (n,), optional
        m ≥ 0: margin of one contract ÷ capital, for rules of margin that do not bring their own (see
        :func:`dynopt_milp.rules.margin`), and to say what is held. NaN, or no label, where it is not known.

    Raises
    ------
    InputError
        If anything is missing, unknown, repeated, not finite or out of range; the message names the instrument and
        the field. Subclasses: CovarianceError, LimitsError, RulesError.

    Notes
    -----
    After construction every field is a float64 array in the order of ``instruments``, read-only. Round-off in the
    covariance is repaired on the way, and everything that is claimed is about the numbers that are held then: it is
    made symmetric; instruments whose correlations agree to 2e-14 (two sizes of a contract) get the covariances of the
    first by name; negative eigenvalues of correlations down to −1e-9 are set to zero, and ``notes`` says so from
    −1e-13·n on. They say too if the correlations have a smaller rank than there are instruments, sizes of one contract
    and those without a variance apart.
    """

    covariance: FloatArray
    optimal_positions: FloatArray
    weight_per_contract: FloatArray
    previous_positions: FloatArray
    cost_in_weight_terms: FloatArray
    cost_multiplier: float
    limits: Limits
    instruments: tuple[str, ...]
    holding_cost: FloatArray
    underlying: tuple[str, ...]
    capital: float | None
    rules: tuple[Rule, ...]
    order_costs: OrderCosts | None
    margin: FloatArray | None
    notes: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    _given: FloatArray | None
    _factor: Factor
    _residual: Residual
    _order: NDArray[np.intp]
    _sides: IntegerArray | None
    _stated: bool
    _program: TrackingProgram | None

    __setstate__ = set_frozen_state

    def __init__(
        self,
        covariance: Matrix,
        optimal_positions: Vector,
        weight_per_contract: Vector,
        previous_positions: Vector | float = 0.0,
        cost_in_weight_terms: Vector | float = 0.0,
        cost_multiplier: float = BOOK_COST_MULTIPLIER,
        limits: LimitsLike | None = None,
        instruments: Sequence[str] = (),
        holding_cost: Vector | float = 0.0,
        underlying: Underlyings | None = None,
        capital: float | None = None,
        rules: RulesLike | None = None,
        order_costs: OrderCosts | None = None,
        margin: Vector | float | None = None,
        *,
        _like: Problem | None = None,
    ) -> None:
        names = check_instruments(_names(instruments, covariance, optimal_positions))
        put = {
            "optimal_positions": to_vector(optimal_positions, names, "optimal_positions"),
            "weight_per_contract": to_vector(weight_per_contract, names, "weight_per_contract"),
            "previous_positions": to_whole(previous_positions, names, "previous_positions"),
            "cost_in_weight_terms": to_vector(cost_in_weight_terms, names, "cost_in_weight_terms"),
            "holding_cost": to_vector(holding_cost, names, "holding_cost"),
        }
        weight, cost, holding = put["weight_per_contract"], put["cost_in_weight_terms"], put["holding_cost"]
        refuse(weight <= 0, weight, names, "weight_per_contract", "a positive number")
        refuse(cost < 0, cost, names, "cost_in_weight_terms", "a cost that is not negative")
        refuse(holding < 0, holding, names, "holding_cost", "a cost that is not negative")
        multiplier = not_negative(cost_multiplier, "cost_multiplier", most=MOST_MULTIPLIER)
        limits = limits_of(limits, names)
        order = _order(names)
        if _like is None:
            matrix = to_matrix(covariance, names)
            made = factor_by_name(matrix, names, order)
            given = given_apart(matrix, made.covariance)
        else:  # of the same covariance and names, by `replace`
            made, given = _like._factor, None
        put["covariance"], factor = made.covariance, made.factor + 0.0
        factor.setflags(write=False)
        lower, upper = limits.box(names, put["optimal_positions"], put["previous_positions"])
        underlyings, sides = to_underlyings(underlying, names), None
        if limits.one_side:
            sides, lower, upper = on_one_side(limits, names, underlyings, put["previous_positions"], lower, upper)
        put["lower"], put["upper"] = lower, upper
        target = put["optimal_positions"]
        most = f"at most {MOST_CONTRACTS:.0f} contracts, as many as float64 counts"
        refuse(np.abs(target) > MOST_CONTRACTS, target, names, "optimal_positions", most)
        with np.errstate(over="ignore"):
            _check_risk(names, np.sqrt(made.covariance.diagonal()) * weight)
            _check_cost(names, multiplier, cost, weight, "cost_in_weight_terms", "trading a contract")
            if holding.any():
                _check_cost(names, multiplier, holding, weight, "holding_cost", "holding a contract")
            orders = order_costs_of(order_costs, names)
            if orders is not None:
                check_order_costs(orders, names, cost * weight, holding * weight, put["previous_positions"])
                for name, part in zip(PARTS[:-1], orders.arrays(), strict=False):
                    _check_cost(names, multiplier, part, np.ones(len(names)), name, "an order")
        for name, array in put.items():
            array = array + 0.0  # a copy of our own, and no negative zeros
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "_factor", made._replace(covariance=self.covariance, factor=factor))
        object.__setattr__(self, "_given", given)
        object.__setattr__(self, "_order", order)
        object.__setattr__(self, "instruments", names)
        object.__setattr__(self, "cost_multiplier", multiplier)
        stated = underlying is not None
        object.__setattr__(self, "notes", made.notes if stated or not limits.one_side else (*made.notes, NO_SIZES))
        object.__setattr__(self, "_stated", stated)
        residual = Residual(self.covariance, self.weight_per_contract, made.residual, made.twin, made.twins)
        object.__setattr__(self, "_residual", residual)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "underlying", underlyings)
        money = None if capital is None else positive(capital, "capital", most=MOST_CAPITAL)
        object.__setattr__(self, "capital", money)
        object.__setattr__(self, "order_costs", orders)
        object.__setattr__(self, "margin", _margins(margin, names))
        object.__setattr__(self, "_sides", sides)
        object.__setattr__(self, "_program", None)
        object.__setattr__(self, "rules", rules_of(rules, names))
        if self.rules:
            self.program()  # which refuses rules that the problem cannot have

    def __repr__(self) -> str:
        some = ", ".join(self.instruments[:4]) + (", ..." if len(self.instruments) > 4 else "")
        return f"<Problem of {len(self.instruments)} instruments: {some}; cost multiplier {self.cost_multiplier:g}>"

    @classmethod
    def from_market(
        cls,
        *,
        capital: float,
        prices: Vector,
        multipliers: Vector,
        covariance: Matrix,
        optimal_positions: Vector,
        reference_prices: Vector | None = None,
        fx: Vector | float = 1.0,
        cost_per_contract: Vector | float = 0.0,
        previous_positions: Vector | float = 0.0,
        cost_multiplier: float = BOOK_COST_MULTIPLIER,
        limits: LimitsLike | None = None,
        instruments: Sequence[str] = (),
        holding_cost_per_contract: Vector | float = 0.0,
        underlying: Underlyings | None = None,
        rules: RulesLike | None = None,
        order_costs: OrderCosts | None = None,
        margin_per_contract: Vector | float | None = None,
    ) -> Problem:
        """A problem from capital, prices and contract specifications.

        Parameters
        ----------
        capital : float
            In the base currency, positive.
        prices : Series, dict or array_like, shape (n,)
            In the currency of each instrument; positive, unless there is a reference price.
        multipliers : Series, dict or array_like, shape (n,)
            Currency units per price point and contract, positive.
        covariance, optimal_positions, previous_positions, cost_multiplier, limits, instruments, underlying, rules
            The fields of the class.
        reference_prices : Series, dict or array_like, optional
            What stands in for the price in the weight per contract, positive, same unit: multiplier × reference price
            × fx ÷ capital. Σ is then of price changes as shares of it. Costs stay as they are, in money. Instruments
            that a Series or dict does not name have their price. Default: all have.
        fx : Series, dict, array_like or number
            Base currency per unit of each instrument's currency, positive. Default 1.
        cost_per_contract : Series, dict, array_like or number
            Of trading one contract (half the spread and the commission), in the base currency. Default 0.
        holding_cost_per_contract : Series, dict, array_like or number
            Of holding one contract until the next rebalance, in the base currency. Default 0.
        order_costs : OrderCosts, optional
            Of orders beside their contracts, in the base currency. Default: nothing.
        margin_per_contract : Series, dict, array_like or number, optional
            In the base currency; NaN, or no label, where it is not known. Default: not known.

        Raises
        ------
        InputError
            If capital, a multiplier, a rate or a reference price is not positive, or a price that has no reference
            price; or if the class refuses a number.
        """
        names = check_instruments(_names(instruments, covariance, optimal_positions))
        money = positive(capital, "capital", most=MOST_CAPITAL)
        put = {
            "prices": to_vector(prices, names, "prices"),
            "multipliers": to_vector(multipliers, names, "multipliers"),
            "fx": to_vector(fx, names, "fx"),
        }
        for name in ("multipliers", "fx"):
            refuse(put[name] <= 0, put[name], names, name, "a positive number")
        most = put["multipliers"] > MOST_MULTIPLIER
        refuse(most, put["multipliers"], names, "multipliers", f"a number of at most {MOST_MULTIPLIER:g}")
        reference = _reference(reference_prices, put["prices"], names)
        cost = to_vector(cost_per_contract, names, "cost_per_contract")
        refuse(cost < 0, cost, names, "cost_per_contract", "a cost that is not negative")
        with np.errstate(over="ignore", invalid="ignore"):
            weight = put["multipliers"] * reference * put["fx"] / money
            cost = cost / money / weight
            holding = to_vector(holding_cost_per_contract, names, "holding_cost_per_contract") / money / weight
        return cls(
            covariance=covariance,
            optimal_positions=optimal_positions,
            weight_per_contract=weight,
            previous_positions=previous_positions,
            cost_in_weight_terms=cost,
            cost_multiplier=cost_multiplier,
            limits=limits,
            instruments=names,
            holding_cost=holding,
            underlying=underlying,
            capital=money,
            rules=rules,
            order_costs=order_costs_of(order_costs, names, money),
            margin=None if (margins := _margins(margin_per_contract, names)) is None else margins / money,
        )

    @classmethod
    def from_json(cls, path: str | Path) -> Problem:
        """Read a problem file (format ``dynopt-milp problem 2``, or 1).

        Raises
        ------
        FileError
            If there is no such file, or it cannot be read.
        FormatError
            If it is not JSON, or a field is missing, unknown or of the wrong length.
        InputError
            If what it says is not a problem.
        """
        return cls.from_dict(read_content(Path(path)), str(path))

    @classmethod
    def from_dict(cls, content: Any, source: str = "problem") -> Problem:
        """The problem of what :meth:`to_dict` returned, the same to the last bit.

        Parameters
        ----------
        content : dict
            What a problem file holds.
        source : str
            What errors call it.

        Raises
        ------
        FormatError, InputError
            As :meth:`from_json`.
        """
        return cls(**fields_of(content, source))

    def to_dict(self) -> dict[str, Any]:
        """What a problem file holds, format ``dynopt-milp problem 2``.

        Limits stand there as they were asked for, rules by name; limits of a function as what it returned. A covariance
        that had to be repaired stands there as it was given, and is repaired again in the same way.
        """
        fields = {name: getattr(self, name) for name in ARGUMENTS}
        return content_of(fields if self._given is None else fields | {"covariance": self._given})

    def to_json(self, path: str | Path) -> None:
        """Write a problem file, atomically; the problem that is read from it is the same to the last bit.

        It has what :meth:`to_dict` returns.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        write_atomically(Path(path), json.dumps(self.to_dict()) + "\n")

    def program(self) -> TrackingProgram:
        """The integer program in contract units: F = R U with Σ = R'R, τ, p, γ = λ c u, λ η u, box and rules."""
        if self._program is None:
            factor = self._factor.factor * self.weight_per_contract
            cost = self.cost_multiplier * self.cost_in_weight_terms * self.weight_per_contract
            holding = self.cost_multiplier * self.holding_cost * self.weight_per_contract
            orders = self.order_costs
            program = TrackingProgram.unchecked(
                residual=self._residual,
                factor=factor,
                target=self.optimal_positions,
                previous=self.previous_positions,
                cost=cost,
                lower=self.lower,
                upper=self.upper,
                holding=holding if self.holding_cost.any() else None,
                orders=None if orders is None else orders.penalty(self.cost_multiplier, cost, holding),
                underlying=self._sides,
                rules=combined(self._parts(factor)) if self.rules else None,
            )
            object.__setattr__(self, "_program", program)
            return program
        return self._program

    def parts_of_rules(self) -> tuple[Rules, ...]:
        """What each rule is in the program: its rows and caps, which stand there in this order, or its domain."""
        return self._parts(self.program().factor)

    def broken_rules(self, positions: ArrayLike) -> list[int]:
        """The places in ``rules`` of those that positions, shape (n,), break."""
        program, point = self.program(), np.asarray(positions, dtype=np.float64)[None]
        kept = [part.kept(point, program.previous, program.zero)[0] for part in self.parts_of_rules()]
        return [place for place, keeps in enumerate(kept) if not keeps]

    def _parts(self, factor: FloatArray) -> tuple[Rules, ...]:
        factor.setflags(write=False)
        setting = Setting(
            self.instruments, self.weight_per_contract, self.cost_in_weight_terms, self.previous_positions,
            self.optimal_positions, None if self.order_costs is None else OrderCost(*self.order_costs.arrays()),
            self.margin, self.lower, self.upper, factor, self._residual, _factored,
        )  # fmt: skip
        return parts_of(self.rules, setting)

    def replace(self, **changes: Any) -> Problem:
        """The problem with some fields changed; ``limits`` stay as they were given.

        Raises
        ------
        InputError
            If there is no such field, or the class refuses its value.
        """
        kept = {name: getattr(self, name) for name in ARGUMENTS}
        if not self._stated:
            kept["underlying"] = None
        for name in changes:
            if name not in kept:
                raise InputError(f"is no field of a problem; there are {', '.join(kept)}", field=name)
        same = not {"covariance", "instruments"} & set(changes)  # then there is nothing to factor again
        return Problem(**(kept | changes), _like=self if same else None)

    def order(self) -> NDArray[np.intp]:
        """The places of the instruments in the order of their names."""
        return self._order

    def trading_costs(self, positions: ArrayLike) -> FloatArray:
        """What the trades to these positions, shape (n,), cost, without λ: shares of capital, shape (n,)."""
        traded = np.abs(np.asarray(positions, dtype=np.float64) - self.previous_positions)
        costs = traded * (self.cost_in_weight_terms * self.weight_per_contract)
        return costs if self.order_costs is None else costs + self.order_costs.of_orders(traded)

    def margin_held(self, positions: ArrayLike) -> float | None:
        """Margin of positions, shape (n,), share of capital; None where that of one that is held is not known."""
        held = np.abs(np.asarray(positions, dtype=np.float64))
        if self.margin is None or np.isnan(self.margin[held > 0]).any():
            return None
        return float(held[held > 0] @ self.margin[held > 0])

    def labelled(self, values: Any) -> pd.Series:
        """A Series by instrument."""
        return pd.Series(np.asarray(values), index=_index(self.instruments).view(), copy=True)


def _factored(covariance: FloatArray, instruments: tuple[str, ...], weight: FloatArray) -> Factor:
    """A factor of the covariance of a rule."""
    made = factor_by_name(covariance, instruments, _order(instruments))
    with np.errstate(over="ignore"):
        _check_risk(instruments, np.sqrt(made.covariance.diagonal()) * weight)
    return made


@lru_cache(maxsize=64)
def _order(instruments: tuple[str, ...]) -> NDArray[np.intp]:
    """The places of the instruments in the order of their names, read-only."""
    order = np.array(sorted(range(len(instruments)), key=instruments.__getitem__))
    order.setflags(write=False)
    return order


@lru_cache(maxsize=64)
def _index(instruments: tuple[str, ...]) -> pd.Index:
    """Making an index takes longer than half of all solves."""
    return pd.Index(instruments, name="instrument")


def _margins(given: Any, names: tuple[str, ...]) -> Any:
    """Margins as an array, read-only, NaN where there is none; None where nothing is known at all."""
    if given is None:
        return None
    margins = to_vector(given, names, "margin", gaps=True) + 0.0
    bad = (margins < 0) | (margins > MOST_CAPITAL)
    refuse(bad, margins, names, "margin", f"a number that is not negative, at most {MOST_CAPITAL:g}")
    margins.setflags(write=False)
    return None if np.isnan(margins).all() else margins


def _names(instruments: Any, covariance: Any, optimal_positions: Any) -> Any:
    """The instruments as given, else the labels of what carries some."""
    if not (isinstance(instruments, (tuple, list)) and not instruments):
        return instruments
    if isinstance(covariance, pd.DataFrame):
        return tuple(covariance.index)
    if isinstance(optimal_positions, pd.Series):
        return tuple(optimal_positions.index)
    if isinstance(optimal_positions, dict):
        return tuple(optimal_positions)
    raise InputError("give names, or a covariance or optimal positions that carry them", field="instruments")


def _reference(given: Any, prices: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """The reference prices, all positive: those that are given, else the prices."""
    reference = prices
    if given is not None:
        if isinstance(given, pd.Series):
            check_distinct(given.index, "reference_prices")
            given = given.to_dict()
        if isinstance(given, Mapping):
            given = dict(zip(names, prices.tolist(), strict=True)) | dict(given)
        reference = to_vector(given, names, "reference_prices")
        refuse((reference <= 0) & (reference != prices), reference, names, "reference_prices", "a positive number")
    lacking = reference <= 0
    if lacking.any():
        place = int(np.argmax(lacking))
        raise InputError(
            f"expected a positive number, found {prices[place]:g}; give a reference price too (reference_prices, or "
            "the column reference_price of targets: a positive number, such as a tenth of the year's median price), "
            "and a covariance in its unit",
            field="prices", instrument=names[place],
        )  # fmt: skip
    return reference


def _check_risk(names: tuple[str, ...], risk: FloatArray) -> None:
    """Refuse units in which float64 cannot tell portfolios apart."""
    if not (risk.min() >= LEAST_UNIT and risk.max() <= MOST_UNIT):
        bad = ~((risk == 0) | ((risk >= LEAST_UNIT) & (risk <= MOST_UNIT)))
        if bad.any():
            place = int(np.argmax(bad))
            raise InputError(
                f"the risk of a contract (volatility × weight) is {risk[place]:g}, which float64 cannot square; "
                f"expected {LEAST_UNIT:g} to {MOST_UNIT:g}, use other units",
                field="covariance", instrument=names[place],
            )  # fmt: skip


def _check_cost(
    names: tuple[str, ...], multiplier: float, rate: FloatArray, weight: FloatArray, field: str, what: str
) -> None:
    """The same of a cost; ``rate`` is c, or η."""
    penalty = multiplier * rate
    cost = penalty * weight
    if not (penalty.min() >= LEAST_COST and cost.min() >= LEAST_COST):
        lost = (rate > 0) & (multiplier > 0) & ((penalty < LEAST_COST) | (cost < LEAST_COST))
        if lost.any():
            raise InputError(
                f"the penalty for {what} is positive and below {LEAST_COST:g}, which float64 does not "
                "hold; use other units",
                field=field, instrument=names[int(np.argmax(lost))],
            )  # fmt: skip
    dearest = int(np.argmax(cost))
    if not cost[dearest] <= MOST_UNIT:
        raise InputError(
            f"the penalty for {what} is {cost[dearest]:g}; expected at most {MOST_UNIT:g}",
            field=field, instrument=names[dearest],
        )  # fmt: skip
