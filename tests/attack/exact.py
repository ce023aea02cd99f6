"""The value of portfolios in exact arithmetic, from the floats that a problem holds.

Every float is a whole number times a power of two, and so is everything that sums and products make of them: the
squared tracking error and the cost are exact integers here, each in a unit of its own. The square root is
enclosed between two integers that are next to each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from dynopt_milp import Problem
from formulations import FloatArray
from formulations.norm_cap import EDGE_ROUND_OFF
from tests.attack.keeping import ExactRules, Portfolio, whole

# Binary digits of a root beyond those of the unit in which its square is whole: sixty decimal ones of the smallest.
ROOT_DIGITS = 200


@dataclass(frozen=True)
class Question:
    """What is asked of a problem: the formulation, its buffer, and a cap a·k ≤ b in whole numbers if there is one."""

    formulation: str = "penalty"
    buffer: float = 0.01
    weights: tuple[int, ...] = ()
    most: int = 0

    @property
    def constrained(self) -> bool:
        return bool(self.weights)

    @property
    def edge(self) -> bool:
        return self.formulation == "buffer_edge"


class ExactValues:
    """Values of the portfolios of a problem, each enclosed by two integers in the unit 2^−``digits``."""

    def __init__(self, problem: Problem) -> None:
        size = len(problem.instruments)
        weight, a = whole(problem.weight_per_contract)
        self._target, self._places = whole(problem.optimal_positions)
        matrix, c = whole(np.ravel(problem.covariance))
        self.hessian = [[weight[i] * matrix[i * size + j] * weight[j] for j in range(size)] for i in range(size)]
        self.hessian_exponent = 2 * a + c
        self.square_exponent = self.hessian_exponent + 2 * self._places
        rates, d = whole([*problem.cost_in_weight_terms, *problem.holding_cost])
        (multiplier,), e = whole([problem.cost_multiplier])
        penalties = [multiplier * x * y for x, y in zip(rates, weight * 2, strict=True)]
        self._cost, self._holding, self._cost_exponent = penalties[:size], penalties[size:], a + d + e
        self.sizes = [tuple(members) for members in problem.program().underlyings()]
        self.held = [int(number) for number in problem.previous_positions]
        self.digits = max((self.square_exponent + 1) // 2 + ROOT_DIGITS, self._cost_exponent)
        self.size = size
        self.rules = ExactRules.of(problem)
        self._orders = None if problem.order_costs is None else _exact_orders(problem)

    @cached_property
    def cost(self) -> list[float]:
        """λ c u, to the nearest float."""
        return [number / (1 << self._cost_exponent) for number in self._cost]

    @cached_property
    def holding(self) -> list[float]:
        """λ η u, to the nearest float."""
        return [number / (1 << self._cost_exponent) for number in self._holding]

    @cached_property
    def hessian_floats(self) -> FloatArray:
        """UΣU, to the nearest floats."""
        return np.array([[number / (1 << self.hessian_exponent) for number in row] for row in self.hessian])

    def away(self, portfolio: Portfolio) -> list[int]:
        """τ − k in units of 2^−places."""
        return [wanted - (number << self._places) for wanted, number in zip(self._target, portfolio, strict=True)]

    def gradient(self, portfolio: Portfolio) -> tuple[list[int], int]:
        """UΣU(τ − k), exactly: integers and an exponent."""
        away = self.away(portfolio)
        rows = [sum(x * y for x, y in zip(row, away, strict=True)) for row in self.hessian]
        return rows, self.hessian_exponent + self._places

    def square(self, portfolio: Portfolio) -> int:
        """e'Σe in units of 2^−square_exponent; below zero where Σ is indefinite."""
        away, total = self.away(portfolio), 0
        for place, row in enumerate(self.hessian):
            if away[place]:
                cross = sum(row[other] * away[other] for other in range(place))
                total += away[place] * (2 * cross + row[place] * away[place])
        return total

    def paid(self, portfolio: Portfolio) -> tuple[int, int]:
        """Σ λ c u |k − p| + λ η u |k| and what orders cost beside them, enclosed, in units of 2^−digits."""
        pairs = zip(self._cost, self._holding, portfolio, self.held, strict=True)
        total = sum(cost * abs(number - held) + holding * abs(number) for cost, holding, number, held in pairs)
        low = high = total << self.digits - self._cost_exponent
        if self._orders is not None:
            for order, number, held in zip(self._orders, portfolio, self.held, strict=True):
                low += self.floor(order.paid(abs(number - held)) + order.rolls * order.paid(abs(number)))
                high += self.ceil(order.paid(abs(number - held), 1) + order.rolls * order.paid(abs(number), 1))
        return low, high

    def order_floats(self, points: FloatArray) -> FloatArray:
        """What orders of portfolios, a row each, cost beside their contracts, to round-off."""
        if self._orders is None:
            return np.zeros(len(points))
        total = np.zeros(len(points))
        for place, order in enumerate(self._orders):
            for away, times in ((np.abs(points[:, place] - self.held[place]), 1.0),
                                (np.abs(points[:, place]), float(order.rolls))):  # fmt: skip
                short = np.maximum(float(order.least) - float(order.commission) * away, 0.0)
                total += times * np.where(away > 0, float(order.fee) + short + float(order.impact) * away**1.5, 0.0)
        return total

    def is_one_sided(self, portfolio: Portfolio) -> bool:
        """Whether no underlying that is to be on one side has positions of opposite signs."""
        held = [[portfolio[place] for place in members] for members in self.sizes]
        return not any(min(sizes) < 0 < max(sizes) for sizes in held)

    def tracking_error(self, portfolio: Portfolio) -> tuple[int, int]:
        """The root of max(e'Σe, 0), enclosed."""
        squared = max(self.square(portfolio), 0) << 2 * self.digits - self.square_exponent
        root = math.isqrt(squared)
        return root, root + (root * root != squared)

    def value(self, portfolio: Portfolio, question: Question, times: int = 0) -> tuple[int, int] | None:
        """The value, enclosed; None if it is outside the buffer, above the cap, on two sides, or breaks a rule.

        ``times`` is how often the round-off of rules is allowed.
        """
        if not self.is_one_sided(portfolio) or self.rules.broken(portfolio, times):
            return None
        if question.constrained and sum(map(int.__mul__, question.weights, portfolio)) > question.most:
            return None
        least, most = self.paid(portfolio)
        if question.edge:
            return (least, most) if self.is_within(portfolio, question.buffer) else None
        low, high = self.tracking_error(portfolio)
        if question.formulation == "deadband":
            low, high = max(low - self.ceil(question.buffer), 0), max(high - self.floor(question.buffer), 0)
        return low + least, high + most

    def is_within(self, portfolio: Portfolio, buffer: float | Fraction) -> bool:
        """Whether e'Σe ≤ B², decided exactly."""
        edge = Fraction(buffer)
        return self.square(portfolio) * edge.denominator**2 <= edge.numerator**2 << self.square_exponent

    @cached_property
    def is_semidefinite(self) -> bool:
        """Whether e'Σe ≥ 0 for every e, exactly: no pivot is below zero, nor zero in a row that is not."""
        rows = [[Fraction(number) for number in row] for row in self.hessian]
        while rows:
            pivot = rows[0][0]
            if pivot < 0 or (pivot == 0 and any(rows[0])):
                return False
            first, *others = rows
            rows = [
                [x - row[0] * y / pivot if pivot else x for x, y in zip(row[1:], first[1:], strict=True)]
                for row in others
            ]
        return True

    def floor(self, number: float | Fraction) -> int:
        """The number in units of 2^−digits, rounded down."""
        above, below = number.as_integer_ratio()
        return (above << self.digits) // below

    def ceil(self, number: float | Fraction) -> int:
        """The number in units of 2^−digits, rounded up."""
        return -self.floor(-number)

    def text(self, value: int) -> str:
        """A value to twenty digits."""
        return decimal_text(Fraction(value, 1 << self.digits))


@dataclass(frozen=True)
class ExactOrder:
    """What an order of one instrument costs beside its contracts, times λ."""

    fee: Fraction
    least: Fraction
    commission: Fraction
    impact: Fraction
    rolls: Fraction

    def paid(self, contracts: int, above: int = 0) -> Fraction:
        """Of so many contracts, by a root that is rounded down, or ``above`` = 1: up."""
        if contracts == 0:
            return Fraction()
        root = Fraction(math.isqrt(contracts**3 << 2 * ROOT_DIGITS) + above, 1 << ROOT_DIGITS)
        return self.fee + max(self.least - self.commission * contracts, Fraction()) + self.impact * root


def _exact_orders(problem: Problem) -> list[ExactOrder]:
    assert problem.order_costs is not None
    multiplier = Fraction(problem.cost_multiplier)
    return [
        ExactOrder(*(multiplier * Fraction(float(part)) for part in parts[:4]), Fraction(float(parts[4])))
        for parts in zip(*problem.order_costs.arrays(), strict=True)
    ]


EDGE = 1 + 2 * Fraction(EDGE_ROUND_OFF)
"""What an answer may have of a buffer: what the formulation allows, and as much again for what is computed."""


def decimal_text(number: Fraction, digits: int = 20) -> str:
    """A number that is not negative in decimal digits, rounded down."""
    if not number:
        return "0"
    exponent = math.floor((number.numerator.bit_length() - number.denominator.bit_length()) * math.log10(2))
    exponent += Fraction(10) ** (exponent + 1) <= number
    exponent -= Fraction(10) ** exponent > number
    mantissa = str(math.floor(number / Fraction(10) ** (exponent - digits + 1)))
    return f"{mantissa[0]}.{mantissa[1:]}e{exponent:+03d}"
