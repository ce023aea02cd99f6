"""The data of an integer tracking program, and the only place where its objective is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state
from formulations.domain import Domain
from formulations.order_cost import PARTS, OrderCost
from formulations.residual import Residual
from formulations.rules import Rules
from formulations.separable_cost import (
    COMMISSION,
    FIRST,
    FURTHER,
    HELD,
    HOLDING,
    IMPACT,
    LEAST,
    LEAST_ORDER,
    LINES,
    LOT,
    MOST_ORDER,
    ORDER_FEE,
    ORDER_LEAST,
    ORIGIN,
    ROLLS,
    UNIT,
    Costs,
    CostTables,
    no_tables,
)

ProgramArrays = tuple[
    FloatArray, FloatArray, FloatArray, IntegerArray, FloatArray, FloatArray, FloatArray, IntegerArray, IntegerArray,
    float,
]  # fmt: skip
"""F, τ, costs (lines, start, table), lower, upper, underlyings, classes of twins and κ."""
ARRAYS = ("factor", "target", "previous", "cost", "lower", "upper")
COMMISSION_ROUND_OFF = 1e-12
"""By how much a commission may exceed what it is a part of: both were multiplied by the same numbers."""
FEW_POSITIONS = 256
"""Which are priced at once, where the cheapest is looked for."""
NONE = -1
"""The underlying of an instrument whose side is free."""


class ProgramError(ValueError):
    """The arrays do not form a tracking program.

    Attributes
    ----------
    field : str
        The array at fault.
    index : int or None
        The first offending position in it, where one can be named.
    """

    def __init__(self, field: str, message: str, index: int | None = None) -> None:
        super().__init__(f"{field}{'' if index is None else f'[{index}]'}: {message}")
        self.field = field
        self.index = index


@dataclass(frozen=True, slots=True, eq=False)
class TrackingProgram:
    """Which whole contracts track a fractional target, net of the cost of getting there.

    ``tracking_error(k) = ‖F(k − τ)‖₂`` and ``separable_cost(k)``, the sum of what trades and positions cost (see the
    module of that name), over the integer points k of a box, of which those may be left out that have positions of
    opposite signs in one underlying. All arrays are copied, made float64 and read-only.

    Parameters
    ----------
    factor : array_like, shape (m, n)
        F, with F'F the covariance of the tracking error per contract; any number of rows.
    target : array_like, shape (n,)
        τ, the fractional contracts of the strategy.
    previous : array_like, shape (n,)
        p, the whole contracts held; they may lie outside the box.
    cost : array_like, shape (n,)
        γ ≥ 0, the penalty for trading one contract, in the unit of ``factor``.
    lower, upper : array_like, shape (n,)
        The box: whole numbers, or −inf and +inf where there is no limit.
    residual : Residual, optional
        The covariance that the factor was made of, and how far it is from F'F; None: F'F is the covariance.
    holding : array_like, shape (n,), optional
        η ≥ 0, the penalty for holding one contract, in the unit of ``factor``; None: nothing.
    tables : CostTables, optional
        T; where there is one the box is finite, inside its range. None: nothing.
    orders : OrderCost, optional
        What orders cost beside their contracts; commissions are parts of ``cost`` and, ρ times, of ``holding``. None:
        nothing.
    underlying : array_like of int, shape (n,), optional
        Instruments with the same number, which is not negative, may not be held with opposite signs; −1 where the
        side is free. None: all are.
    origin : array_like, shape (n,), optional
        o, whole contracts: the position that costs nothing to hold, and has no side. None: zero.
    rules : Rules, optional
        What a portfolio has to keep as a whole. A position outside their domain costs +∞. None: nothing.

    Raises
    ------
    ProgramError
        If a shape is wrong, a number is not finite, ``previous`` or a limit is not whole, a cost is negative, a table
        does not cover the box, a commission is larger than the cost of a contract, or limits cross.
    """

    factor: FloatArray
    target: FloatArray
    previous: FloatArray
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    residual: Residual | None = None
    holding: FloatArray | None = None
    tables: CostTables | None = None
    orders: OrderCost | None = None
    underlying: IntegerArray | None = None
    origin: FloatArray | None = None
    rules: Rules | None = None
    _lengths: FloatArray | None = field(default=None, init=False, repr=False)

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for name in (*ARRAYS, "holding", "origin"):
            if getattr(self, name) is not None:
                array = np.array(getattr(self, name), dtype=np.float64)
                array.setflags(write=False)
                object.__setattr__(self, name, array)
        if self.underlying is not None:
            numbers = np.array(self.underlying, dtype=np.int64)
            numbers.setflags(write=False)
            object.__setattr__(self, "underlying", numbers)
        self._check()

    def _check(self) -> None:
        if self.factor.ndim != 2:
            raise ProgramError("factor", f"expected two dimensions, found {self.factor.ndim}")
        if not np.isfinite(self.factor).all():
            raise ProgramError("factor", "has entries that are not finite")
        names = ("target", "cost", "previous", "lower", "upper")
        arrays: list[FloatArray] = [getattr(self, name) for name in names]
        for name, array in zip(names, arrays, strict=True):
            if array.shape != (self.size,):
                raise ProgramError(name, f"expected shape ({self.size},), found {array.shape}")
        table = np.array(arrays)
        table[3:][np.isinf(table[3:])] = 0.0  # no limit
        _refuse(names, ~np.isfinite(table), "is not finite")
        _refuse(names[2:], table[2:] != np.round(table[2:]), "is not a whole number")
        _refuse(("cost",), self.cost < 0, "is negative")
        _refuse(("lower",), self.lower > self.upper, "lies above the upper limit")
        _refuse(("lower",), self.lower == np.inf, "is +inf")
        _refuse(("upper",), self.upper == -np.inf, "is -inf")
        for name in ("holding", "origin", "underlying"):
            further = getattr(self, name)
            if further is not None and further.shape != (self.size,):
                raise ProgramError(name, f"expected shape ({self.size},), found {further.shape}")
            if further is not None:
                _refuse((name,), ~np.isfinite(further), "is not finite")
        if self.holding is not None:
            _refuse(("holding",), self.holding < 0, "is negative")
        if self.origin is not None:
            _refuse(("origin",), self.origin != np.round(self.origin), "is not a whole number")
        if self.tables is not None:
            self._check_tables(self.tables, "tables")
        if self.orders is not None:
            self._check_orders(self.orders)
        if self.rules is not None:
            self._check_rules(self.rules)

    def _check_tables(self, tables: CostTables, name: str) -> None:
        if tables.first.shape != (self.size,):
            raise ProgramError(name, f"expected those of {self.size} instruments, found {tables.first.size}")
        _refuse((name,), tables.first != np.round(tables.first), "begins at a position that is not whole")
        bad = ~(tables.table >= 0) if name == "tables" else ~np.isfinite(tables.table)
        if bad.any():
            place = int(np.searchsorted(tables.start, np.argmax(bad), side="right")) - 1
            what = "negative or not a number" if name == "tables" else "not finite"
            raise ProgramError(name, f"has an entry that is {what}", place)
        last = tables.first + tables.width - 1
        lower, upper = self.lower, self.upper
        if self.domain is not None:
            most = self.domain.most_order
            lower, upper = np.maximum(lower, self.previous - most), np.minimum(upper, self.previous + most)
        _refuse(
            (name,), (tables.width > 0) & ~((tables.first <= lower) & (upper <= last)), "does not cover the limits"
        )  # fmt: skip

    def _check_orders(self, orders: OrderCost) -> None:
        for name in PARTS:
            part: FloatArray = getattr(orders, name)
            if part.shape != (self.size,):
                raise ProgramError("orders", f"expected {name} of {self.size} instruments, found {part.shape}")
            _refuse(("orders",), ~(np.isfinite(part) & (part >= 0)), f"has a {name} that is negative or not finite")
        most = 1 + COMMISSION_ROUND_OFF
        _refuse(("orders",), orders.commission > self.cost * most, "has a commission above the cost of a contract")
        held = np.zeros(self.size) if self.holding is None else self.holding
        above = orders.rolls * orders.commission > held * most
        _refuse(("orders",), above & (orders.least > 0), "has a commission of rolls above the cost of holding")

    def _check_rules(self, rules: Rules) -> None:
        for row in rules.rows:
            if row.coefficients.shape != (5, self.size):
                raise ProgramError("rules", f"expected rows of {self.size} instruments, found {row.coefficients.shape}")
            if not (np.isfinite(row.coefficients).all() and math.isfinite(row.limit)):
                raise ProgramError("rules", "has a row with a number that is not finite")
            if row.tables is not None:
                self._check_tables(row.tables, "rules")
        for cap in rules.caps:
            if cap.factor.ndim != 2 or cap.factor.shape[1] != self.size or cap.centre.shape != (self.size,):
                raise ProgramError("rules", f"expected caps of {self.size} instruments, found {cap.factor.shape}")
            if not (np.isfinite(cap.factor).all() and np.isfinite(cap.centre).all() and 0 <= cap.limit < math.inf):
                raise ProgramError("rules", "has a cap with a number that is not finite, or a negative limit")
        if rules.domain is not None:
            domain = rules.domain
            if any(part.shape != (self.size,) for part in (domain.lot, domain.least, domain.least_order)):
                raise ProgramError("rules", f"expected the domain of {self.size} instruments")
            _refuse(("rules",), ~(domain.lot >= 1) | (domain.lot != np.round(domain.lot)), "has a lot below one")

    @classmethod
    def unchecked(
        cls, residual: Residual | None = None, tables: CostTables | None = None, orders: OrderCost | None = None,
        underlying: IntegerArray | None = None, rules: Rules | None = None, **arrays: FloatArray | None,
    ) -> TrackingProgram:  # fmt: skip
        """Make a program of float64 arrays that are known to form one; they become read-only and are not copied."""
        program = object.__new__(cls)
        for name, array in ({"holding": None, "origin": None, "underlying": underlying} | arrays).items():
            if array is not None:
                array.setflags(write=False)
            object.__setattr__(program, name, array)
        parts = {"residual": residual, "tables": tables, "orders": orders, "rules": rules, "_lengths": None}
        for name, part in parts.items():
            object.__setattr__(program, name, part)
        return program

    def arrays(self) -> ProgramArrays:
        """F, τ, costs (lines, start, table), lower, upper, underlyings, classes of twins and κ."""
        size = self.size
        if self.residual is None:
            twin, residual = np.arange(size), 0.0
            twin.setflags(write=False)
        else:
            twin, residual = self.residual.twin, self.residual.size
        underlying = free_sides(size) if self.underlying is None else self.underlying
        return self.factor, self.target, *self.costs(), self.lower, self.upper, underlying, twin, residual

    def costs(self) -> Costs:
        """What positions cost, as arrays, read-only."""
        tables = no_tables(self.size) if self.tables is None else self.tables
        lines = np.zeros((LINES, self.size))
        lines[HELD], lines[UNIT], lines[FIRST] = self.previous, self.cost, tables.first
        if self.origin is not None:
            lines[ORIGIN] = self.origin
        if self.holding is not None:
            lines[HOLDING] = self.holding
        if self.holding is not None or self.tables is not None:
            lines[FURTHER] = (lines[HOLDING] > 0) | (tables.width > 0)
        lines[LOT], lines[MOST_ORDER] = 1.0, np.inf
        if self.domain is not None:
            domain = self.domain
            lines[LOT], lines[LEAST] = domain.lot, domain.least
            lines[LEAST_ORDER], lines[MOST_ORDER] = domain.least_order, domain.most_order
            lines[FURTHER] = (lines[FURTHER] > 0) | domain.some
        if self.orders is not None:
            orders = self.orders
            lines[ORDER_FEE], lines[ORDER_LEAST], lines[COMMISSION] = orders.fee, orders.least, orders.commission
            lines[IMPACT], lines[ROLLS] = orders.impact, orders.rolls
            lines[FURTHER] = (lines[FURTHER] > 0) | orders.some
        lines.setflags(write=False)
        return Costs(lines, tables.start, tables.table)

    @property
    def lengths(self) -> FloatArray:
        """‖Fᵢ‖, to 1e-13 of it, shape (n,): the risk of one contract of each."""
        if self._lengths is None:
            known = self.residual
            lengths = known.lengths() if known else np.sqrt(np.einsum("ij,ij->j", self.factor, self.factor))
            object.__setattr__(self, "_lengths", lengths)
        assert self._lengths is not None
        return self._lengths

    def spread(self, lower: FloatArray, upper: FloatArray) -> float:
        """Σ ‖Fᵢ‖|kᵢ − τᵢ| at most, in the box lower ≤ k ≤ upper, shape (n,) each; what has no risk adds nothing."""
        risky = self.lengths > 0
        farthest = np.maximum(np.abs(lower - self.target), np.abs(upper - self.target))
        return float(self.lengths[risky] @ farthest[risky])

    @property
    def zero(self) -> FloatArray:
        """o, shape (n,): the position that costs nothing to hold, and has no side."""
        return np.zeros(self.size) if self.origin is None else self.origin

    @property
    def size(self) -> int:
        """n, the number of instruments."""
        return int(self.factor.shape[1])

    def tracking_errors(self, portfolios: ArrayLike) -> FloatArray:
        """‖F(k − τ)‖₂ for each row k of ``portfolios``, shape (N, n)."""
        residuals = (np.asarray(portfolios, dtype=np.float64) - self.target) @ self.factor.T
        return np.asarray(np.sqrt((residuals * residuals).sum(axis=1)))

    def separable_costs(self, portfolios: ArrayLike) -> FloatArray:
        """What trades and positions cost for each row k of ``portfolios``, shape (N, n)."""
        points = np.asarray(portfolios, dtype=np.float64)
        costs = np.abs(points - self.previous) @ self.cost
        if self.holding is not None:
            costs = costs + self._from_origin(points) @ self.holding
        if self.orders is not None:
            costs = costs + self._of_orders(self.orders, points).sum(axis=-1)
        if self.tables is not None:
            costs = costs + self.tables.at(points).sum(axis=-1)
        if self.domain is not None:
            costs = np.where(self.allows(points).all(axis=-1), costs, np.inf)
        return np.asarray(costs)

    def cost_by_instrument(self, positions: ArrayLike) -> FloatArray:
        """What every position costs of one portfolio, or of each of many, shape (..., n)."""
        points = np.asarray(positions, dtype=np.float64)
        costs = self._kinked(points, slice(None))
        if self.orders is not None:
            costs = costs + self._of_orders(self.orders, points)
        if self.tables is not None:
            costs = costs + self.tables.at(points)
        return costs if self.domain is None else np.where(self.allows(points), costs, np.inf)

    def table_of(self, place: int) -> tuple[FloatArray, FloatArray]:
        """The positions of one instrument in its box, which is finite, and what each costs."""
        points, costs = self.beside_kinks(place)
        return points, self._kinked(points, place) + costs

    def beside_kinks(self, place: int) -> tuple[FloatArray, FloatArray]:
        """The same without γ and η: what orders cost, T, and +∞ where a position is not allowed."""
        points = np.arange(self.lower[place], self.upper[place] + 1)
        costs = self._further(points, place)
        if self.domain is not None:
            alone = self.domain.permuted(np.full(1, place))
            costs = np.where(alone.allows(points[:, None], self.previous[place], self.zero[place])[:, 0], costs, np.inf)
        return points, costs

    def _further(self, points: FloatArray, place: int) -> FloatArray:
        """What orders cost, and T, of positions of one instrument that are one contract apart, inside its range."""
        costs = np.zeros(points.size)
        if self.orders is not None:
            costs = costs + self._of_orders(self.orders, points, place)
        if self.tables is not None and self.tables.width[place] and points.size:
            first, table = self.tables.of_place(place)
            costs = costs + table[int(points[0] - first) : int(points[-1] - first) + 1]
        return costs

    def least_cost(self) -> float:
        """Σᵢ min cᵢ over the box, less what float64 can be wrong by: no portfolio costs less."""
        if self.holding is None and self.tables is None and self.orders is None:
            return 0.0
        corners = np.clip(np.stack([self.previous, self.zero, self.lower, self.upper]), self.lower, self.upper)
        with np.errstate(invalid="ignore"):  # no cost × no limit
            least = np.nanmin(self._kinked(corners, slice(None)), axis=0)
        for place in np.flatnonzero(self.listed):
            points = self._where_least(int(place))
            least[place] = (self._kinked(points, place) + self._further(points, int(place))).min(initial=np.inf)
        return float(least.sum()) * (1 - (self.size + 8) * 2.0**-52)

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Which instruments have a table or a cost of orders: what they cost has more than two kinks, shape (n,)."""
        tabled = np.zeros(self.size, dtype=bool) if self.tables is None else self.tables.width > 0
        return tabled if self.orders is None else tabled | self.orders.some

    def _where_least(self, place: int) -> FloatArray:
        """Positions of one instrument of which one costs least: without a table, those between p and o, in its box.

        Of many, between which costs are convex (`order_cost`), those next to the least are left.
        """
        first, last = self.lower[place], self.upper[place]
        if self.tables is not None and self.tables.width[place]:
            return np.arange(first, last + 1)
        kinks = np.clip(sorted((self.previous[place], self.zero[place])), first, last)
        low, high = kinks[0] + 1, kinks[1] - 1
        while high - low > FEW_POSITIONS:
            middle = np.floor((low + high) / 2)
            points = np.array([middle, middle + 1])
            costs = self._kinked(points, place) + self._further(points, place)
            low, high = (low, middle) if costs[0] <= costs[1] else (middle + 1, high)
        return np.concatenate([kinks, np.arange(low, high + 1)])

    def _of_orders(self, orders: OrderCost, positions: FloatArray, places: Any = slice(None)) -> FloatArray:
        """What orders cost beside their contracts, those of rolls included, for positions of these instruments."""
        paid = orders.of_orders(np.abs(positions - self.previous[places]), places)
        if orders.rolls.any():
            paid = paid + orders.rolls[places] * orders.of_orders(np.abs(positions - self.zero[places]), places)
        return paid

    def _kinked(self, positions: FloatArray, places: Any) -> FloatArray:
        """γᵢ|kᵢ − pᵢ| + ηᵢ|kᵢ − oᵢ| of positions of these instruments."""
        costs = self.cost[places] * np.abs(positions - self.previous[places])
        if self.holding is None:
            return np.asarray(costs)
        away = positions if self.origin is None else positions - self.origin[places]
        return np.asarray(costs + self.holding[places] * np.abs(away))

    def _from_origin(self, positions: FloatArray) -> FloatArray:
        return np.abs(positions if self.origin is None else positions - self.origin)

    def tracking_error(self, positions: ArrayLike) -> float:
        """‖F(k − τ)‖₂ of one portfolio, shape (n,)."""
        return self.distance(positions, self.target)

    def trading_cost(self, positions: ArrayLike) -> float:
        """Σᵢ γᵢ|kᵢ − pᵢ| + oᵢ(|kᵢ − pᵢ|) of one portfolio, shape (n,)."""
        traded = np.abs(np.asarray(positions, dtype=np.float64) - self.previous)
        paid = float(traded @ self.cost)
        return paid if self.orders is None else paid + float(self.orders.of_orders(traded).sum())

    def holding_cost(self, positions: ArrayLike) -> float:
        """Σᵢ ηᵢ|kᵢ − oᵢ| + ρᵢoᵢ(|kᵢ − oᵢ|) of one portfolio, shape (n,)."""
        held = self._from_origin(np.asarray(positions, dtype=np.float64))
        paid = 0.0 if self.holding is None else float(held @ self.holding)
        return paid if self.orders is None else paid + float(self.orders.rolls @ self.orders.of_orders(held))

    def separable_cost(self, positions: ArrayLike) -> float:
        """What trades and positions of one portfolio cost, shape (n,)."""
        if self.holding is None and self.tables is None and self.orders is None and self.domain is None:
            return self.trading_cost(positions)
        return float(self.separable_costs(positions))

    def distance(self, one: ArrayLike, other: ArrayLike) -> float:
        """‖F(k − k′)‖₂, the tracking error between two portfolios, shape (n,) each."""
        away = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
        residual = self.factor @ away
        return math.sqrt(residual @ residual)

    def objective(self, positions: ArrayLike) -> float:
        """Tracking error plus the cost of one portfolio, shape (n,)."""
        return self.tracking_error(positions) + self.separable_cost(positions)

    def contains(self, positions: ArrayLike) -> bool:
        """Whether the portfolio is made of whole contracts inside the box, keeps rules and sides."""
        sided = self.underlying is None or bool(self.one_sided(positions))
        return sided and self.in_box(positions) and (self.rules is None or bool(self.keeps_rules(positions)))

    def in_box(self, positions: ArrayLike) -> bool:
        """Whether the portfolio is made of whole contracts inside the box."""
        point = np.asarray(positions, dtype=np.float64)
        return bool((point == np.minimum(np.maximum(np.rint(point), self.lower), self.upper)).all())

    def one_sided(self, portfolios: ArrayLike) -> Any:
        """Whether no underlying is held with opposite signs: of a portfolio, shape (n,), or of each of many, (N, n)."""
        points = np.asarray(portfolios, dtype=np.float64)
        kept = np.ones(points.shape[:-1], dtype=bool)
        if self.underlying is None:
            return kept
        points = points if self.origin is None else points - self.origin
        for members in self.underlyings():
            kept &= ~((points[..., members] > 0).any(axis=-1) & (points[..., members] < 0).any(axis=-1))
        return kept

    @property
    def domain(self) -> Domain | None:
        """Which whole numbers positions may be; None: every one."""
        return None if self.rules is None else self.rules.domain

    def allows(self, portfolios: FloatArray) -> Any:
        """Whether each position of one portfolio, or of each of many, shape (..., n), is in its domain."""
        domain = self.domain
        if domain is None:
            return np.ones(portfolios.shape, dtype=bool)
        return domain.allows(portfolios, self.previous, self.zero)

    def neighbours(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The next allowed position above each of ``positions``, shape (n,), and the next below; ±∞ if none is."""
        if self.domain is None:
            return positions + 1, positions - 1
        return self.domain.neighbours(self.previous, self.zero, positions)

    def keeps_rules(self, portfolios: ArrayLike) -> Any:
        """Whether rules are kept: by a portfolio, shape (n,), or by each of many, (N, n). The box is not looked at."""
        points = np.asarray(portfolios, dtype=np.float64)
        if self.rules is None:
            return np.ones(points.shape[:-1], dtype=bool)
        kept = self.rules.kept(np.atleast_2d(points), self.previous, self.zero)
        return kept if points.ndim > 1 else kept[0]

    def opposite(self, positions: ArrayLike) -> list[IntegerArray]:
        """The places of each underlying that a portfolio, shape (n,), holds with opposite signs, though it may not."""
        point = np.asarray(positions, dtype=np.float64)
        if self.origin is not None:
            point = point - self.origin
        return [members for members in self.underlyings() if point[members].min() < 0 < point[members].max()]

    def underlyings(self) -> list[IntegerArray]:
        """The places of the instruments of each underlying that is to be held on one side."""
        if self.underlying is None:
            return []
        numbers = np.unique(self.underlying[self.underlying > NONE])
        found = [np.flatnonzero(self.underlying == number) for number in numbers]
        return [members for members in found if members.size > 1]

    def on_side(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The box without what a member of an underlying that has to be long, or short, takes from the others."""
        least, most = lower.copy(), upper.copy()
        for members in self.underlyings():
            least[members], most[members] = decided_side(least[members], most[members], self.zero[members])
        return least, most

    def scaled(self, tracking: float, cost: float) -> TrackingProgram:
        """The program with tracking errors multiplied by ``tracking`` and costs by ``cost`` (both positive)."""
        return replace(
            self,
            factor=self.factor * tracking,
            cost=self.cost * cost,
            holding=None if self.holding is None else self.holding * cost,
            tables=None if self.tables is None else self.tables.scaled(cost),
            orders=None if self.orders is None else self.orders.scaled(cost),
            residual=None if self.residual is None else self.residual.scaled(tracking),
        )

    def shifted(self, offset: ArrayLike) -> TrackingProgram:
        """The same program in k' = k − offset (whole contracts, shape (n,)): no value changes."""
        by = np.asarray(offset, dtype=np.float64)
        return replace(
            self,
            target=self.target - by,
            previous=self.previous - by,
            lower=self.lower - by,
            upper=self.upper - by,
            origin=-by if self.origin is None else self.origin - by,
            tables=None if self.tables is None else self.tables.shifted(by),
            rules=None if self.rules is None else self.rules.shifted(by),
        )

    def permuted(self, order: ArrayLike) -> TrackingProgram:
        """The same program with its variables in another order, shape (n,): place i holds what stood at order[i]."""
        places = np.asarray(order)
        if (places[1:] > places[:-1]).all():
            return self
        some = [name for name in ("holding", "origin") if getattr(self, name) is not None]
        return TrackingProgram.unchecked(
            residual=None if self.residual is None else self.residual.permuted(places),
            tables=None if self.tables is None else self.tables.permuted(places),
            orders=None if self.orders is None else self.orders.permuted(places),
            underlying=None if self.underlying is None else self.underlying[places],
            rules=None if self.rules is None else self.rules.permuted(places),
            **{name: np.ascontiguousarray(getattr(self, name)[..., places]) for name in (*ARRAYS, *some)},
        )

    def with_box(self, lower: ArrayLike, upper: ArrayLike) -> TrackingProgram:
        """The program over another box."""
        return replace(self, lower=np.asarray(lower, dtype=np.float64), upper=np.asarray(upper, dtype=np.float64))


def decided_side(lower: FloatArray, upper: FloatArray, zero: FloatArray | float = 0.0) -> tuple[FloatArray, FloatArray]:
    """The box of the sizes of one underlying without the side that one of them, which has to be held, is not on."""
    least = np.maximum(lower, zero) if (lower > zero).any() else lower
    most = np.minimum(upper, zero) if (upper < zero).any() else upper
    return least, most


@lru_cache(maxsize=64)
def free_sides(size: int) -> IntegerArray:
    """The underlyings of n instruments whose sides are free, read-only."""
    free = np.full(size, NONE)
    free.setflags(write=False)
    return free


def _refuse(fields: tuple[str, ...], bad: NDArray[np.bool_], message: str) -> None:
    """Raise an error about the first of ``bad``, whose rows belong to the fields."""
    if bad.any():
        row, place = divmod(int(np.argmax(bad)), bad.shape[-1])
        raise ProgramError(fields[row], message, place)
