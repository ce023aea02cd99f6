"""A problem with rules as a commercial solver is best given it: columns, linear rows and balls.

    minimise t + Σᵢ γᵢuᵢ    subject to    ‖y‖ ≤ t,  y = R(k − τ),  uᵢ ≥ |kᵢ − pᵢ|,  lower ≤ k ≤ upper,  k whole

and the rules. R has as many rows as the covariance's rank, with R'R the covariance; positions are counted from the
rounded target, the box is that of a known value, which the objective's unit brings to between 1 and 10. |kᵢ − c| is
linear where the box is on one side of c; what is counted is a binary variable with the box's limits. A cap on the
risk of everything is a ball of y; another one has a y of its own. Where nothing costs, Σ y² is minimised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import qr

from comparisons.rules.as_constraints import convex
from comparisons.rules.known import Known
from formulations import Domain, FloatArray, NormCap, Row, Rules, TrackingProgram
from formulations.row import GROSS, NET, ORDERS, TURNOVER

DROPPED = 1e-12
"""Rows of a pivoted factor whose diagonal is smaller than this share of the largest are round-off."""

Linear = tuple[dict[int, float], float]
"""Coefficients by column, and a constant."""


@dataclass(frozen=True, slots=True)
class LinearRow:
    """Σ coefficients × columns, at most (``"L"``), at least (``"G"``) or equal to (``"E"``) the right-hand side."""

    columns: list[int]
    coefficients: list[float]
    sense: str
    right: float


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """Σ (x + shift)² ≤ radius², over some columns x."""

    columns: list[int]
    shift: FloatArray
    radius: float


@dataclass(slots=True, eq=False)
class MixedModel:
    """Columns in the order in which they were added; the first n are positions.

    Attributes
    ----------
    size : int
        n, of the problem.
    offset : array of float, shape (n,)
        What positions are counted from.
    unit : float
        What objectives are multiplied by.
    lower, upper, cost, start : list of float
        Of each column; starts are nan where no portfolio is known.
    whole : list of bool
    rows : list of LinearRow
    balls : list of Ball
    norm : list of int
        The columns y whose norm is minimised.
    norm_column : int or None
        t; None: what is minimised is the square of the norm.
    constant : float
        Added to the objective.
    """

    size: int
    offset: FloatArray
    unit: float
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    rows: list[LinearRow] = field(default_factory=list)
    balls: list[Ball] = field(default_factory=list)
    norm: list[int] = field(default_factory=list)
    norm_column: int | None = None
    constant: float = 0.0

    def column(self, lower: float, upper: float, start: float, *, whole: bool = False, cost: float = 0.0) -> int:
        """Add one, and return its number."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.cost.append(cost)
        self.start.append(start)
        self.whole.append(whole)
        return len(self.lower) - 1

    def row(self, linear: Linear, sense: str, right: float) -> None:
        """Add one, in units in which its largest coefficient is one."""
        terms, constant = linear
        some = {column: coefficient for column, coefficient in terms.items() if coefficient}
        scale = max(map(abs, some.values()), default=1.0)
        coefficients = [coefficient / scale for coefficient in some.values()]
        self.rows.append(LinearRow(list(some), coefficients, sense, (right - constant) / scale))

    def positions(self, values: FloatArray) -> FloatArray:
        """Whole contracts of the problem, from a solver's values of the columns."""
        return np.asarray(np.round(np.asarray(values, dtype=np.float64)[: self.size]) + self.offset)

    def bound(self, value: float) -> float:
        """A solver's bound in units of the problem."""
        return (math.sqrt(max(value, 0.0)) if self.norm_column is None else value) / self.unit


def mixed_model(program: TrackingProgram, box: Known) -> MixedModel:
    """The model of a program with rules, in a box."""
    assert not program.underlyings()
    assert program.holding is None
    assert program.tables is None
    return _Writer(program, box).written()


def small_factor(factor: FloatArray) -> FloatArray:
    """A matrix R with R'R that of the factor, and as many rows as its rank."""
    triangular, order = qr(factor, mode="r", pivoting=True)
    triangular = triangular[: min(factor.shape)]
    diagonal = np.abs(np.diag(triangular))
    made = np.zeros_like(triangular)
    made[:, order] = triangular
    return np.asarray(made[diagonal > DROPPED * diagonal.max(initial=0.0)])


class _Writer:
    """Writes a model, piece by piece."""

    def __init__(self, program: TrackingProgram, box: Known) -> None:
        self.program, self.known = program, box
        self.rules = Rules() if program.rules is None else program.rules
        self.lower, self.upper = box.lower, box.upper
        if self.rules.domain is not None:
            reach = self.rules.domain.most_order
            self.lower = np.maximum(self.lower, program.previous - reach)
            self.upper = np.minimum(self.upper, program.previous + reach)
        self.start = np.full(program.size, np.nan) if box.start is None else box.start
        unit = 10.0 ** -math.floor(math.log10(box.value)) if box.value > 0 else 1.0
        offset = np.asarray(np.round(np.clip(program.target, box.lower, box.upper)), dtype=np.float64)
        self.model = MixedModel(program.size, offset, unit)
        self._distances: dict[tuple[int, float], Linear] = {}
        self._differences: dict[tuple[int, float], Linear] = {}

    def written(self) -> MixedModel:
        """The whole model."""
        model, program = self.model, self.program
        for low, high, begin in zip(
            self.lower - model.offset, self.upper - model.offset, self.start - model.offset, strict=True
        ):
            model.column(low, high, begin, whole=True)
        factor = small_factor(program.factor) * model.unit
        model.norm = self.image(factor, program.target)
        if program.cost.any():
            begin = float(np.linalg.norm([model.start[column] for column in model.norm]))
            model.norm_column = model.column(0.0, np.inf, begin, cost=1.0)
            for place in np.flatnonzero(program.cost):
                terms, constant = self.distance(int(place), float(program.previous[place]))
                price = float(program.cost[place]) * model.unit
                for column, coefficient in terms.items():
                    model.cost[column] += price * coefficient
                model.constant += price * constant
        for row in self.rules.rows:
            self.sum(row)
        for cap in self.rules.caps:
            self.cap(cap, factor)
        if self.rules.domain is not None:
            self.sizes(self.rules.domain)
        return model

    def position(self, place: int) -> Linear:
        """kᵢ."""
        return {place: 1.0}, float(self.model.offset[place])

    def image(self, factor: FloatArray, centre: FloatArray) -> list[int]:
        """Columns y = factor·(k − centre)."""
        model, columns = self.model, []
        begin = factor @ (self.start - centre)
        right = factor @ (centre - model.offset)
        for row, here, value in zip(factor, begin, right, strict=True):
            y = model.column(-np.inf, np.inf, float(here))
            terms = {int(place): float(row[place]) for place in np.flatnonzero(row)} | {y: -1.0}
            model.rows.append(LinearRow(list(terms), list(terms.values()), "E", float(value)))
            columns.append(y)
        return columns

    def distance(self, place: int, centre: float) -> Linear:
        """|kᵢ − c|, from above."""
        if (place, centre) not in self._distances:
            model, offset = self.model, float(self.model.offset[place])
            if self.lower[place] >= centre:
                made: Linear = {place: 1.0}, offset - centre
            elif self.upper[place] <= centre:
                made = {place: -1.0}, centre - offset
            else:
                u = model.column(0.0, np.inf, abs(float(self.start[place]) - centre))
                model.row(({u: 1.0, place: -1.0}, -offset), "G", -centre)
                model.row(({u: 1.0, place: 1.0}, offset), "G", centre)
                made = {u: 1.0}, 0.0
            self._distances[place, centre] = made
        return self._distances[place, centre]

    def differs(self, place: int, centre: float) -> Linear:
        """1[kᵢ ≠ c]."""
        if (place, centre) not in self._differences:
            low, high = float(self.lower[place]), float(self.upper[place])
            if not low <= centre <= high:
                made: Linear = {}, 1.0
            elif low == high:
                made = {}, 0.0
            else:
                z = self.binary(float(self.start[place] != centre))
                offset = float(self.model.offset[place])
                self.model.row(({place: 1.0, z: centre - high}, offset), "L", centre)
                self.model.row(({place: 1.0, z: centre - low}, offset), "G", centre)
                made = {z: 1.0}, 0.0
            self._differences[place, centre] = made
        return self._differences[place, centre]

    def binary(self, start: float) -> int:
        """A new column of zero or one."""
        return self.model.column(0.0, 1.0, np.nan if np.isnan(self.start).any() else start, whole=True)

    def sum(self, row: Row) -> None:
        """A row of the rules."""
        assert convex(row)
        total: dict[int, float] = {}
        constant = 0.0
        for form, place in np.argwhere(row.coefficients).tolist():
            coefficient = float(row.coefficients[form, place])
            terms, further = self.term(form, place)
            constant += coefficient * further
            for column, amount in terms.items():
                total[column] = total.get(column, 0.0) + coefficient * amount
        self.model.row((total, constant), "L", row.limit)

    def term(self, form: int, place: int) -> Linear:
        """What a coefficient of a row is multiplied by."""
        if form == NET:
            return self.position(place)
        centre = float(self.program.previous[place]) if form in (TURNOVER, ORDERS) else 0.0
        return self.distance(place, centre) if form in (GROSS, TURNOVER) else self.differs(place, centre)

    def cap(self, cap: NormCap, factor: FloatArray) -> None:
        """A cap on a norm: of y if it has the factor of the program, else of columns of its own."""
        model = self.model
        if np.array_equal(cap.factor, self.program.factor):
            shift = factor @ (self.program.target - cap.centre)
            model.balls.append(Ball(model.norm, shift, cap.limit * model.unit))
            return
        unit = 10.0 ** -math.floor(math.log10(cap.limit)) if cap.limit > 0 else model.unit
        own = small_factor(cap.factor) * unit
        model.balls.append(Ball(self.image(own, cap.centre), np.zeros(len(own)), cap.limit * unit))

    def sizes(self, domain: Domain) -> None:
        """Lots, least positions and least orders; largest ones are in the box."""
        model = self.model
        for place in map(int, np.flatnonzero(domain.some)):
            terms, offset = self.position(place)
            low, high = float(self.lower[place]), float(self.upper[place])
            begin, held = float(self.start[place]), float(self.program.previous[place])
            if domain.lot[place] > 1:
                lot = float(domain.lot[place])
                count = model.column(math.ceil(low / lot), math.floor(high / lot), begin / lot, whole=True)
                model.row((terms | {count: -lot}, offset), "E", 0.0)
            if domain.least[place] > 1:
                self.gate(place, 0.0, float(domain.least[place]), {})
            if domain.least_order[place] > 1:
                size = float(domain.least_order[place])
                closes = {}
                if 0 < abs(held) < size:  # the one small order that is allowed
                    closes = {self.binary(float(begin == 0.0)): held}
                self.gate(place, held, size, closes)

    def gate(self, place: int, centre: float, least: float, closes: dict[int, float]) -> None:
        """kᵢ = c, or at least so far from it, or what ``closes`` brings to c."""
        model = self.model
        terms, offset = self.position(place)
        away = float(self.start[place]) - centre
        up, down = self.binary(float(away >= least)), self.binary(float(away <= -least))
        low, high = min(float(self.lower[place]) - centre, 0.0), max(float(self.upper[place]) - centre, 0.0)
        moved = terms | closes
        model.row((moved | {up: -least, down: -low}, offset), "G", centre)
        model.row((moved | {up: -high, down: least}, offset), "L", centre)
        model.row((dict.fromkeys([up, down, *closes], 1.0), 0.0), "L", 1.0)
