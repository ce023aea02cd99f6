"""The three-instrument example of the book: US 5-year, US 10-year, S&P 500."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Problem, Status, solve

NAMES = ["US5", "US10", "SP500"]
VOLATILITY = np.array([0.052, 0.082, 0.171])
CORRELATION = np.array([[1, 0.9, -0.1], [0.9, 1, -0.1], [-0.1, -0.1, 1]])


@pytest.fixture
def problem() -> Problem:
    covariance = pd.DataFrame(CORRELATION * np.outer(VOLATILITY, VOLATILITY), index=NAMES, columns=NAMES)
    return Problem(
        covariance=covariance,
        optimal_positions=pd.Series([0.4, 0.9, 3.1], index=NAMES),
        weight_per_contract={"SP500": 0.04, "US10": 0.24, "US5": 0.22},
    )


@pytest.mark.parametrize("optimizer", ["exact", "scip", "enumerate", "greedy"])
def test_without_costs_the_optimum_holds_0_1_3(problem: Problem, optimizer: str) -> None:
    solution = solve(problem, optimizer)
    assert solution.positions.to_dict() == {"US5": 0, "US10": 1, "SP500": 3}
    assert solution.tracking_error == pytest.approx(0.002952, abs=5e-7)
    assert solution.objective == pytest.approx(solution.tracking_error, rel=1e-14)  # summed in the order of names
    assert (solution.status is Status.OPTIMAL) == (optimizer != "greedy")
