"""Prices with error bounds, against rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dynopt_milp import Limits, Problem
from formulations import (
    BufferEdge,
    Deadband,
    FloatArray,
    Penalty,
    TrackingProgram,
    accurate_price,
    bounding_box,
    exact_price,
    price,
)


def square_of(problem: Problem, positions: FloatArray) -> Fraction:
    """e'Σe from the numbers that the problem holds."""
    e = [
        Fraction(float(u)) * (Fraction(float(target)) - int(k))
        for u, target, k in zip(problem.weight_per_contract, problem.optimal_positions, positions, strict=True)
    ]
    places = range(len(e))
    return sum((e[i] * Fraction(float(problem.covariance[i, j])) * e[j] for i in places for j in places), Fraction())


def hedged_problem(seed: int) -> Problem:
    """Risks that cancel to a part of themselves between one and 1e-12, often with a singular covariance and twins."""
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 9))
    returns = random.normal(size=(int(random.integers(1, size + 3)), size)) * 0.1
    if size > 1 and random.random() < 0.5:
        returns[:, 1] = returns[:, 0]
    weight = np.exp(random.normal(size=size))
    target = random.normal(scale=10.0 ** random.integers(0, 9), size=size)
    if size > 1:  # the last position hedges the others
        exposure = returns[:, :-1] @ (weight * target)[:-1]
        target[-1] = -float(returns[:, -1] @ exposure / (returns[:, -1] @ returns[:, -1])) / weight[-1]
    return Problem(
        returns.T @ returns, target, weight, random.integers(-5, 6, size), random.uniform(0, 0.01, size), 2.0,
        limits=Limits(lower=-(10**9), upper=10**9), instruments=tuple("ABCDEFGH"[:size]),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_the_exact_value_is_within_the_error_of_a_price(seed: int) -> None:
    problem = hedged_problem(seed)
    program = problem.program()
    random = np.random.default_rng(seed)
    near = np.round(program.target)
    portfolios = near + random.integers(-3, 4, (5, program.size)) * (random.random((5, 1)) < 0.8)
    together = price(program, portfolios)
    for row, positions in enumerate(portfolios):
        true = max(square_of(problem, positions), Fraction())
        alone, exact = price(program, positions), exact_price(program, positions)
        for found, error in (
            (alone.tracking_error, alone.error),
            (together.tracking_error[row], together.error[row]),
            (exact.tracking_error, exact.error),
        ):
            low, high = Fraction(max(found - error, 0.0)), Fraction(found + error)
            assert low**2 <= true <= high**2
        assert exact.error <= 3e-16 * exact.tracking_error
        accurate = accurate_price(program, positions)
        assert accurate.error <= 1e-9 * (accurate.tracking_error + accurate.cost)
        cost = sum(
            Fraction(problem.cost_multiplier) * Fraction(float(c)) * Fraction(float(u)) * abs(int(k) - int(p))
            for c, u, k, p in zip(
                problem.cost_in_weight_terms, problem.weight_per_contract, positions, problem.previous_positions,
                strict=True,
            )
        )  # fmt: skip
        assert abs(Fraction(float(alone.cost)) - cost) <= Fraction(float(alone.cost_error))


def test_a_price_is_that_of_the_factor_where_there_is_nothing_else() -> None:
    program = TrackingProgram([[3e7, -3e7], [0.0, 1.0]], [0.1, 0.1], [0, 0], [0, 0], [-5, -5], [5, 5])
    true = math.sqrt(float((Fraction(3e7) * (1 - 1)) ** 2 + (1 - Fraction(0.1)) ** 2))
    found = price(program, np.array([1.0, 1.0]))
    assert abs(found.tracking_error - true) <= found.error
    assert exact_price(program, np.array([1.0, 1.0])).tracking_error == pytest.approx(true, rel=1e-15)


def test_values_are_exact_where_it_decides() -> None:
    """Millions of contracts against each other, and a buffer between what float64 can tell apart."""
    covariance = np.outer([0.2, 0.3], [0.2, 0.3])
    problem = Problem(
        covariance, [3e8 + 0.25, -2e8 + 0.125], [0.1, 0.1], limits=Limits(lower=-3, upper=3), instruments=("A", "B")
    )
    program, positions = problem.program(), np.array([1.0, -2.0])
    true = math.sqrt(float(square_of(problem, positions)))
    worth = Penalty(program).priced(positions)
    assert worth.low <= true <= worth.high
    assert worth.value == pytest.approx(true, rel=1e-15)
    assert Penalty(program).value(positions) != pytest.approx(true, rel=1e-12)  # what float64 alone says
    for part, admitted in ((1 - 1e-11, False), (1 + 1e-11, True)):
        assert np.isfinite(BufferEdge(program, true * part).priced(positions).value) == admitted
        _, low, high = BufferEdge(program, true * part).bounds(positions[None])
        assert (low[0], high[0]) == (0, np.inf)  # in float64 it is open
    buffer = true * (1 - 1e-11)
    beyond = Deadband(program, buffer).priced(positions)
    square, digits = square_of(problem, positions), 10**60
    more = Fraction(math.isqrt(int(square * digits**2)), digits) - Fraction(buffer)
    assert beyond.low <= more <= beyond.high
    assert beyond.value == pytest.approx(float(more), rel=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_the_covariance_that_a_factor_leaves_out_is_bounded(seed: int) -> None:
    problem = hedged_problem(seed)
    residual = problem.program().residual
    assert residual is not None
    factor = problem.program().factor / problem.weight_per_contract  # two roundings more
    for i in range(factor.shape[1]):
        for j in range(factor.shape[1]):
            product = sum((Fraction(x) * Fraction(y) for x, y in factor[:, [i, j]].tolist()), Fraction())
            left = abs(product - Fraction(float(problem.covariance[i, j])))
            scale = math.sqrt(problem.covariance[i, i] * problem.covariance[j, j])
            assert left <= Fraction((residual.size + 6e-16) * scale)
    assert residual.size < 1e-13
    for place, first in enumerate(residual.twin):
        assert (problem.covariance[place] == problem.covariance[first]).all()


def test_a_box_holds_a_portfolio_that_an_inverse_of_the_gram_matrix_would_cut_off() -> None:
    """Kahan's matrix: every pivot is above 1e-6, and the smallest eigenvalue of the correlations is 1e-13."""
    size, least = 20, 3e-6
    sine = least ** (1 / (2 * (size - 1)))
    upper = np.eye(size) - np.sqrt(1 - sine**2) * np.triu(np.ones((size, size)), 1)
    upper *= sine ** np.arange(size)[:, None]
    program = TrackingProgram(
        upper / np.linalg.norm(upper, axis=0), np.zeros(size), np.zeros(size), np.zeros(size),
        np.full(size, -np.inf), np.full(size, np.inf),
    )  # fmt: skip
    away = np.round(1e9 * np.linalg.svd(program.factor)[2][-1])  # where a tracking error leads furthest
    radius = float(accurate_price(program, away).tracking_error)
    lower, higher = bounding_box(program, radius, np.inf)
    assert ((lower <= away) & (away <= higher)).all()
    assert (higher - lower < 4 * np.abs(away).max()).all()
