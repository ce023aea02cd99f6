"""Whether a portfolio keeps the house rules of a problem, in exact arithmetic, from the rules as values.

What the program makes of the rules is not looked at. Floats decide many portfolios at once where they can; those that
lie next to a limit stay in doubt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from dynopt_milp import Problem
from formulations import FloatArray
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.row import ROW_ROUND_OFF

Portfolio = tuple[int, ...]
AGAIN = 2
"""What an answer may exceed a limit by: what the rule allows, and as much again for what is computed."""
FLOAT = 4e-16  # of what is added up, for each term


class ExactRule(Protocol):
    """One rule, or one side of it."""

    def keeps(self, portfolio: Portfolio, times: int) -> bool:
        """Whether it is kept, with so many times the round-off that is allowed."""

    def decided(self, points: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        """Which portfolios, a row each, surely keep it and which may."""


def whole(numbers: Sequence[float]) -> tuple[list[int], int]:
    """Integers m and an exponent x with numbers = m · 2^−x, exactly."""
    ratios = [float(number).as_integer_ratio() for number in numbers]
    exponent = max((below.bit_length() - 1 for _, below in ratios), default=0)
    return [above << exponent - below.bit_length() + 1 for above, below in ratios], exponent


@dataclass(frozen=True)
class Sum:
    """sign · Σ aᵢ f(kᵢ − atᵢ) ≤ sign · limit, f the number itself, its size, or whether it is not zero."""

    form: str
    each: tuple[Fraction, ...]
    at: tuple[int, ...]
    limit: Fraction
    sign: int = 1

    def _term(self, away: int) -> int:
        return away if self.form == "net" else abs(away) if self.form == "size" else int(away != 0)

    def keeps(self, portfolio: Portfolio, times: int) -> bool:
        terms = [a * self._term(k - at) for a, k, at in zip(self.each, portfolio, self.at, strict=True) if a]
        size = abs(self.limit) + sum(map(abs, terms))
        return self.sign * (sum(terms) - self.limit) <= times * Fraction(ROW_ROUND_OFF) * size

    def decided(self, points: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        away = points - np.array(self.at, dtype=np.float64)
        away = away if self.form == "net" else np.abs(away) if self.form == "size" else (away != 0) * 1.0
        terms, limit = away * np.array([float(a) for a in self.each]), float(self.limit)
        error = FLOAT * (len(self.each) + 4) * (abs(limit) + np.abs(terms).sum(axis=1))
        over = self.sign * (terms.sum(axis=1) - limit)
        return over <= -error, over <= error


@dataclass(frozen=True)
class Cap:
    """d'Hd ≤ limit², d = k − centre in units of 2^−places, H in units of 2^−exponent."""

    hessian: list[list[int]]
    exponent: int
    centre: list[int]
    places: int
    limit: Fraction

    def keeps(self, portfolio: Portfolio, times: int) -> bool:
        away = [(k << self.places) - c for k, c in zip(portfolio, self.centre, strict=True)]
        some = [place for place, number in enumerate(away) if number]
        square = sum(away[i] * sum(self.hessian[i][j] * away[j] for j in some) for i in some)
        most = self.limit * (1 + times * Fraction(EDGE_ROUND_OFF))
        return max(square, 0) * most.denominator**2 <= most.numerator**2 << self.exponent + 2 * self.places

    def decided(self, points: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        away = points - np.array([c / (1 << self.places) for c in self.centre])
        floats = np.array([[h / (1 << self.exponent) for h in row] for row in self.hessian])
        square = ((away @ floats) * away).sum(axis=1)
        error = ((np.abs(away) @ np.abs(floats)) * np.abs(away)).sum(axis=1) * FLOAT * (2 * len(self.centre) + 8)
        most = float(self.limit) ** 2
        error += FLOAT * most
        return square <= most - error, square <= most + error


@dataclass(frozen=True)
class Sizes:
    """What each position by itself may be; ``least`` may be of the position or of the order."""

    kind: str
    contracts: tuple[float, ...]  # of instruments that have none: what allows everything
    held: tuple[int, ...]

    def _allowed(self, points: FloatArray) -> np.ndarray:
        number, order = np.array(self.contracts), np.abs(points - np.array(self.held, dtype=np.float64))
        if self.kind == "lot":
            allowed = np.fmod(points, number) == 0
        elif self.kind == "min_position":
            allowed = (points == 0) | (np.abs(points) >= number)
        elif self.kind == "min_order":
            allowed = (points == 0) | (order == 0) | (order >= number)
        else:
            allowed = order <= number
        return np.asarray(allowed.all(axis=1))

    def keeps(self, portfolio: Portfolio, times: int) -> bool:
        return bool(self._allowed(np.array([portfolio], dtype=np.float64))[0])

    def decided(self, points: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        allowed = self._allowed(points)
        return allowed, allowed


@dataclass(frozen=True)
class ExactRules:
    """All rules of a problem, each with the line that says what it is."""

    rules: tuple[tuple[str, ExactRule], ...]

    @classmethod
    def of(cls, problem: Problem) -> ExactRules:
        """Those of a problem."""
        found = [(str(rule), one) for rule in problem.rules for one in _exact(rule.to_dict(), problem)]
        return cls(tuple(found))

    def __bool__(self) -> bool:
        return bool(self.rules)

    def sizes(self, place: int) -> set[int]:
        """The lots, least and largest sizes of one instrument."""
        own = {rule.contracts[place] for _, rule in self.rules if isinstance(rule, Sizes)}
        return {int(size) for size in own if 0 < size < math.inf}

    def broken(self, portfolio: Portfolio, times: int = 0) -> str | None:
        """The first rule that is not kept, if any, with so many times the round-off that rules allow."""
        return next((text for text, rule in self.rules if not rule.keeps(portfolio, times)), None)

    def decided(self, points: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        """Which portfolios, a row each, surely keep all and which may."""
        surely, maybe = np.ones((2, len(points)), dtype=bool)
        for _, rule in self.rules:
            one, other = rule.decided(points)
            surely &= one
            maybe &= other
        return surely, maybe


def _exact(rule: dict[str, Any], problem: Problem) -> list[ExactRule]:
    names, kind = problem.instruments, rule["rule"]
    none, held = (0,) * len(names), tuple(int(number) for number in problem.previous_positions)
    weight = tuple(Fraction(float(u)) for u in problem.weight_per_contract)
    chosen = [rule.get("names") is None or name in rule["names"] for name in names]

    def each(given: Any, missing: float = 0.0) -> tuple[Fraction, ...]:
        by = given if isinstance(given, dict) else dict.fromkeys(names, given)
        return tuple(Fraction(by.get(name, missing)) for name in names)

    def between(form: str, amounts: Sequence[Fraction], at: tuple[int, ...]) -> list[ExactRule]:
        bounds = [(rule.get("lower"), -1), (rule.get("upper"), 1)]
        counted = tuple(a if own else Fraction() for a, own in zip(amounts, chosen, strict=True))
        return [Sum(form, counted, at, Fraction(bound), sign) for bound, sign in bounds if bound is not None]

    def most(form: str, amounts: Sequence[Fraction], at: tuple[int, ...], limit: float) -> list[ExactRule]:
        counted = tuple(a if own else Fraction() for a, own in zip(amounts, chosen, strict=True))
        return [Sum(form, counted, at, Fraction(limit))]

    ones = (Fraction(1),) * len(names)
    if kind == "margin":
        return most("size", each(rule["per_contract"]), none, rule["budget"])
    if kind == "exposure":
        return between("net", each(rule["coefficients"]), none)
    if kind == "gross":
        return most("size", weight, none, rule["limit"])
    if kind == "net":
        return between("net", weight, none)
    if kind == "turnover":
        return most("size", weight, held, rule["limit"])
    if kind == "cost":
        rates = [Fraction(float(c)) * u for c, u in zip(problem.cost_in_weight_terms, weight, strict=True)]
        return most("size", rates, held, rule["budget"])
    if kind == "group":
        if rule["of"] == "margin":
            return between("size", each(rule["per_contract"]), none)
        if rule["of"] == "contracts":
            return between("net", ones, none)
        return between("net" if rule["of"] == "net" else "size", weight, none)
    if kind in ("max_holdings", "one_of"):
        return most("any", ones, none, rule.get("most", 1))
    if kind == "max_orders":
        return most("any", ones, held, rule["most"])
    if kind == "risk":
        return [_cap(problem, chosen, rule.get("covariance"), [0.0] * len(names), rule["limit"])]
    if kind == "tracking_error":
        return [_cap(problem, chosen, None, [float(x) for x in problem.optimal_positions], rule["limit"])]
    free = {"lot": 1.0, "min_position": 0.0, "min_order": 0.0, "max_order": math.inf}[kind]
    given = rule["contracts"]
    own = [float(given.get(name, free) if isinstance(given, dict) else given) for name in names]
    frozen = problem.lower == problem.upper
    return [Sizes(kind, tuple(free if stuck else x for x, stuck in zip(own, frozen, strict=True)), held)]


def _cap(problem: Problem, chosen: list[bool], given: Any, centre: list[float], limit: float) -> Cap:
    size = len(chosen)
    matrix = np.array(problem.covariance)
    if given is not None:
        rows = np.array(given["rows"])
        matrix = np.zeros((size, size))
        some = [place for place in range(size) if chosen[place]]
        places = [given["instruments"].index(problem.instruments[place]) for place in some]
        matrix[np.ix_(some, some)] = rows[np.ix_(places, places)]
    weight, a = whole(problem.weight_per_contract)
    entries, c = whole(np.ravel(matrix))
    hessian = [
        [weight[i] * entries[i * size + j] * weight[j] * (chosen[i] and chosen[j]) for j in range(size)]
        for i in range(size)
    ]
    middle, places_of = whole(centre)
    return Cap(hessian, 2 * a + c, middle, places_of, Fraction(limit))
