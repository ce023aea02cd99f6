"""A referee of proofs that shares nothing with them: the optimum of small problems by enumeration in fractions, and
proofs that a script makes portfolio by portfolio.
"""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction
from typing import Any

import numpy as np

from dynopt_milp import Limits, Problem
from dynopt_milp.rules import rule_from_dict
from proof_checker import FORMAT
from proof_checker.problem import Problem as Stated

Portfolio = tuple[int, ...]
DIGITS = 30
FINE = 10**60
"""Digits of roots."""


def content_of(problem: Problem) -> dict[str, Any]:
    """What its file says, read again."""
    content: dict[str, Any] = json.loads(json.dumps(problem.to_dict()))
    return content


def small_problem(seed: int, *rules: dict[str, Any], size: int = 3, **changes: Any) -> Problem:
    """A problem whose box has a few hundred portfolios."""
    random = np.random.default_rng(seed)
    factor = random.normal(size=(size, size)) * 0.1
    target = random.normal(scale=2.0, size=size)
    given: dict[str, Any] = {
        "covariance": factor.T @ factor,
        "optimal_positions": target,
        "weight_per_contract": random.uniform(0.1, 1.0, size),
        "previous_positions": random.integers(-2, 3, size),
        "cost_in_weight_terms": random.uniform(0.0, 0.02, size),
        "cost_multiplier": float(random.choice([0.0, 1.0, 3.0])),
        "limits": Limits(lower=np.floor(target) - 2, upper=np.ceil(target) + 2),
        "instruments": list("CABDE")[:size],
        "rules": [rule_from_dict(rule) for rule in rules],
    }
    return Problem(**given | changes)


def tracking_error(
    problem: Problem, factor: list[list[float]], portfolio: Portfolio
) -> tuple[Fraction, Fraction]:  # fmt: skip
    """‖RU(τ − k)‖, rounded down and up."""
    weight = [Fraction(float(number)) for number in problem.weight_per_contract]
    target = [Fraction(float(number)) for number in problem.optimal_positions]
    away = [u * (t - k) for u, t, k in zip(weight, target, portfolio, strict=True)]
    rows = [sum((Fraction(number) * x for number, x in zip(row, away, strict=True)), Fraction(0)) for row in factor]
    square = sum((x * x for x in rows), Fraction(0))
    scale = square.denominator * FINE
    below = math.isqrt(square.numerator * square.denominator * FINE**2)
    return Fraction(below, scale), Fraction(below + 1, scale)


def value(problem: Problem, factor: list[list[float]], portfolio: Portfolio, up: bool) -> Fraction:
    """‖RU(τ − k)‖ + λ Σ cᵢuᵢ|kᵢ − pᵢ|, rounded; other costs are not known here."""
    assert problem.order_costs is None
    assert not problem.holding_cost.any()
    weight = [Fraction(float(number)) for number in problem.weight_per_contract]
    rates = [Fraction(float(number)) for number in problem.cost_in_weight_terms]
    traded = [abs(k - int(p)) for k, p in zip(portfolio, problem.previous_positions, strict=True)]
    cost = sum((c * u * q for c, u, q in zip(rates, weight, traded, strict=True)), Fraction(0))
    return tracking_error(problem, factor, portfolio)[up] + Fraction(problem.cost_multiplier) * cost


def portfolios(problem: Problem) -> list[Portfolio]:
    """All that limits and rules leave, by the library's word."""
    ranges = [range(int(low), int(high) + 1) for low, high in zip(problem.lower, problem.upper, strict=True)]
    program = problem.program()
    return [portfolio for portfolio in itertools.product(*ranges) if program.contains(np.array(portfolio, float))]


def optimum(problem: Problem, factor: list[list[float]]) -> tuple[Fraction, Fraction] | None:
    """Between what it lies; None if there is no portfolio."""
    known = portfolios(problem)
    if not known:
        return None
    return tuple(min(value(problem, factor, portfolio, up) for portfolio in known) for up in (False, True))  # type: ignore[return-value]


def split_to_points(problem: Problem, gap: float = 1e-6) -> list[str]:
    """The lines of a proof whose leaves are single portfolios, without rules: nobody's search has a part in it."""
    factor = np.linalg.cholesky(problem.covariance).T
    known = portfolios(problem)
    best = min(known, key=lambda portfolio: problem.program().objective(np.array(portfolio, float)))
    header = {
        "format": FORMAT, "problem": Stated(content_of(problem)).hash, "gap": gap, "digits": DIGITS,
        "positions": list(best), "factors": [factor.tolist()],
    }  # fmt: skip
    lines = [json.dumps(header)]

    def add(low: list[int], high: list[int]) -> None:
        for place, (first, last) in enumerate(zip(low, high, strict=True)):
            if first < last:
                middle = (first + last) // 2
                lines.append(json.dumps([place, middle]))
                add(low, [*high[:place], middle, *high[place + 1 :]])
                add([*low[:place], middle + 1, *low[place + 1 :]], high)
                return
        away = factor @ (problem.weight_per_contract * (problem.optimal_positions - np.array(low)))
        length = float(np.linalg.norm(away))
        psi = np.trunc(away / length * (1 - 1e-14) * 2**DIGITS) if length else away
        lines.append(json.dumps({"psi": [int(number) for number in psi]}))

    add([int(number) for number in problem.lower], [int(number) for number in problem.upper])
    return lines
