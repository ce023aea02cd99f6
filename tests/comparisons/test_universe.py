"""The made-up universes are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.universe import SECTOR_SIZE, synthetic_problem


def test_the_same_arguments_make_the_same_problem() -> None:
    once, again = (synthetic_problem(8, 250_000.0, 10.0, 3) for _ in range(2))
    for name in ("covariance", "optimal_positions", "weight_per_contract", "previous_positions"):
        assert np.array_equal(getattr(once, name), getattr(again, name)), name
    assert once.cost_multiplier == 10.0
    other = synthetic_problem(8, 250_000.0, 10.0, 4)
    assert not np.array_equal(once.covariance, other.covariance)


def test_capital_scales_what_is_wanted_and_nothing_else() -> None:
    small, large = (synthetic_problem(8, capital, 10.0, 3) for capital in (250_000.0, 500_000.0))
    assert large.optimal_positions == pytest.approx(2 * small.optimal_positions)
    assert np.array_equal(small.covariance, large.covariance)
    assert large.weight_per_contract == pytest.approx(small.weight_per_contract / 2)


def test_instruments_of_a_sector_are_closer_than_others() -> None:
    size = 4 * SECTOR_SIZE
    problem = synthetic_problem(size, 250_000.0, 50.0, 0)
    deviation = np.sqrt(np.diag(problem.covariance))
    correlation = problem.covariance / np.outer(deviation, deviation)
    same = np.equal.outer(np.arange(size) % 4, np.arange(size) % 4) & ~np.eye(size, dtype=bool)
    assert correlation[same].mean() > correlation[~same & ~np.eye(size, dtype=bool)].mean() + 0.2
