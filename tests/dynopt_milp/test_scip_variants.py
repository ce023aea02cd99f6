"""SCIP given nothing, SCIP given everything: one truth."""

from __future__ import annotations

import time

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynopt_milp import Limits, Problem, Status, UnboundedError, solve
from dynopt_milp.problem.solution import StoppedBy
from tests.random_programs import hard_problem, problems

SLOW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@pytest.mark.parametrize("formulation", ["penalty", "deadband", "buffer_edge"])
@SLOW
@given(data=st.data())
def test_scip_plain_finds_the_optimum_that_enumeration_finds(formulation: str, data: st.DataObject) -> None:
    problem = data.draw(problems())
    truth = solve(problem, "enumerate", formulation=formulation, buffer=0.2)
    found = solve(problem, "scip_plain", formulation=formulation, buffer=0.2)
    assert found.status is truth.status
    if truth.status is Status.OPTIMAL:
        assert found.objective == pytest.approx(truth.objective, rel=1e-6, abs=1e-15)
        assert found.lower_bound <= truth.objective


@SLOW
@given(problem=problems(), cap=st.floats(0.5, 3.0))
def test_scip_plain_meets_constraints(problem: Problem, cap: float) -> None:
    margin = np.arange(1, len(problem.instruments) + 1) / 2

    def constraints(positions: cp.Expression) -> list[cp.Constraint]:
        return [margin @ cp.abs(positions) <= cap]

    truth = solve(problem, "enumerate", constraints=constraints)
    found = solve(problem, "scip_plain", constraints=constraints)
    assert found.status is truth.status
    if truth.status is Status.OPTIMAL:
        assert found.objective == pytest.approx(truth.objective, rel=1e-6, abs=1e-15)
        assert found.lower_bound <= truth.objective


@SLOW
@given(problem=problems(scale=1e-3))
def test_small_objectives_are_no_trap(problem: Problem) -> None:
    truth, found = solve(problem, "enumerate"), solve(problem, "scip_plain")
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(truth.objective, rel=1e-6, abs=1e-18)


@pytest.mark.parametrize("method", ["scip", "scip_plain"])
def test_a_time_limit_is_kept_and_what_is_said_by_then_is_true(method: str) -> None:
    problem = hard_problem(40)
    best = solve(problem, "scip", time_limit=4).objective
    began = time.monotonic()
    found = solve(problem, method, time_limit=1.0)
    assert time.monotonic() - began < 4
    assert found.status is Status.FEASIBLE
    assert found.stopped_by is StoppedBy.TIME
    assert found.lower_bound <= best


def test_it_says_which_model_it_solved() -> None:
    problem = Problem(np.eye(2) * 0.04, [0.4, -1.3], [0.5, 0.5], instruments=("A", "B"))
    plain, given = solve(problem, "scip_plain"), solve(problem, "scip")
    assert plain.solver == f"{given.solver}, plain model"
    assert plain.positions.to_dict() == given.positions.to_dict()


def test_scip_plain_refuses_what_nothing_bounds() -> None:
    twins = Problem(np.full((2, 2), 0.04), [0.4, -1.3], [0.5, 0.5], instruments=("A", "B"))
    with pytest.raises(UnboundedError):
        solve(twins, "scip_plain")
    assert solve(twins.replace(limits=Limits(lower=-3, upper=3)), "scip_plain").status is Status.OPTIMAL
