"""Other solvers, through cvxpy: their portfolios are priced like every other, their claims are not kept."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings

from dynopt_milp import Problem, Status, StoppedBy, solve
from dynopt_milp.errors import UnknownNameError
from dynopt_milp.trades.examples import example_problem
from tests.random_programs import problems


@settings(max_examples=30)
@given(problem=problems())
def test_a_referee_is_never_below_the_optimum_and_claims_nothing(problem: Problem) -> None:
    truth, referee = solve(problem, "enumerate"), solve(problem, "cvxpy:SCIP")
    assert referee.objective >= truth.objective * (1 - 1e-12)
    assert referee.objective == pytest.approx(truth.objective, rel=1e-5, abs=1e-12)
    assert (referee.status is Status.OPTIMAL) == (referee.objective == 0)


@pytest.mark.parametrize("name", ["GUROBI", "COPT", "CPLEX"])
def test_commercial_referees_agree_where_they_are_installed(name: str) -> None:
    if name not in cp.installed_solvers():
        pytest.skip(f"{name} is not installed (extra 'referees')")
    problem = example_problem(50_000)
    assert solve(problem, f"cvxpy:{name}").objective == pytest.approx(solve(problem, "scip").objective, rel=1e-6)


@pytest.mark.parametrize("name", ["cvxpy:NOBODY", "cvxpy:CLARABEL", "cvxpy:", "scip:SCIP"])
def test_a_solver_that_cannot_do_it_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        solve(example_problem(50_000), name)
    assert error.value.field == "optimizer"


def test_a_referee_meets_user_constraints() -> None:
    problem = example_problem(50_000)
    unit = problem.weight_per_contract
    solution = solve(problem, "cvxpy:SCIP", constraints=lambda k: [unit @ cp.abs(k) <= 0.5], time_limit=30)
    assert unit @ np.abs(solution.positions.to_numpy()) <= 0.5 * (1 + 1e-8)


def test_a_referee_without_time_leaves_the_portfolio_it_began_with() -> None:
    solution = solve(example_problem(250_000), "cvxpy:SCIP", time_limit=0.0)
    assert (solution.status, solution.stopped_by) == (Status.FEASIBLE, StoppedBy.TIME)
    assert solution.objective <= solve(example_problem(250_000), "greedy").objective
