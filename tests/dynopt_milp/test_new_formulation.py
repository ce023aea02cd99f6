"""Formulations made by the recipe in CONTRIBUTING: none is searched for another value than its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynopt_milp import InputError, Problem, Status, solve
from dynopt_milp.solvers.branch_and_bound.pricing import value_of
from dynopt_milp.solvers.solving import FORMULATIONS
from formulations import (
    DualBound,
    FloatArray,
    Formulation,
    IntegerHull,
    Model,
    Penalty,
    ProgramError,
    SearchForm,
    TrackingProgram,
)
from formulations.formulation import NORMAL_VALUE
from tests.random_programs import problems


@dataclass(frozen=True, slots=True, eq=False)
class SquaredCost(Formulation):
    """Tracking error plus the square of the trading cost."""

    name: ClassVar[str] = "squared_cost"

    def combine(self, tracking_error: FloatArray, trading_cost: FloatArray) -> FloatArray:
        return tracking_error + trading_cost**2

    def model(self, *, integer: bool = True) -> Model:
        data = self.program
        k, box = self._variable(integer)
        error = self._distance(data.factor, k)
        return Model(k, error + cp.square(data.cost @ cp.abs(k - data.previous)), box)

    def tracking_radius(self, value: float) -> float:
        return value

    def cost_budget(self, value: float) -> float:
        return float(np.sqrt(value))

    def normalised(self, value: float) -> tuple[Formulation, float]:
        unit = NORMAL_VALUE / value
        return SquaredCost(self.program.scaled(tracking=unit, cost=float(np.sqrt(unit)))), unit


@dataclass(frozen=True, slots=True, eq=False)
class Floored(Formulation):
    """Tracking error plus trading cost, and never less than a floor."""

    floor: float
    name: ClassVar[str] = "floored"

    def combine(self, tracking_error: FloatArray, trading_cost: FloatArray) -> FloatArray:
        return np.maximum(tracking_error + trading_cost, self.floor)

    def model(self, *, integer: bool = True) -> Model:
        data = self.program
        k, box = self._variable(integer)
        error = self._distance(data.factor, k)
        return Model(k, cp.maximum(error + data.cost @ cp.abs(k - data.previous), self.floor), box)

    def tracking_radius(self, value: float) -> float:
        return value

    def normalised(self, value: float) -> tuple[Formulation, float]:
        unit = NORMAL_VALUE / value
        return Floored(self.program.scaled(tracking=unit, cost=unit), self.floor * unit), unit


class Careless(Penalty):
    """Made out of another formulation, with a value of its own and nothing said about the search."""

    def combine(self, tracking_error: FloatArray, trading_cost: FloatArray) -> FloatArray:
        return tracking_error + 2 * trading_cost


NEW: dict[str, Callable[[TrackingProgram, float], Formulation]] = {
    "squared_cost": lambda program, buffer: SquaredCost(program.scaled(1.0, 10.0)),
    "floored": Floored,
}


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, formulate in NEW.items():
        monkeypatch.setitem(FORMULATIONS, name, formulate)


@pytest.mark.parametrize("name", NEW)
@pytest.mark.usefixtures("recipes")
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exact_scip_and_enumeration_agree_on_it(name: str, data: st.DataObject) -> None:
    problem: Problem = data.draw(problems(most_instruments=3))
    truth = solve(problem, "enumerate", formulation=name, buffer=0.15)
    for optimizer in ("exact", "scip"):
        found = solve(problem, optimizer, formulation=name, buffer=0.15)
        assert found.status is truth.status is Status.OPTIMAL
        assert not found.solver.startswith("branch and bound")
        assert found.objective == pytest.approx(truth.objective, rel=2e-6, abs=1e-15)
        assert found.lower_bound <= truth.objective


@pytest.mark.parametrize("optimizer", ["branch_and_bound", "greedy", lambda problem: problem.previous_positions])
@pytest.mark.parametrize("name", NEW)
@pytest.mark.usefixtures("recipes")
def test_what_is_written_for_other_values_refuses_it(name: str, optimizer: str) -> None:
    problem = Problem(np.eye(2) * 0.04, [0.4, -1.3], [0.5, 0.5], instruments=("A", "B"))
    with pytest.raises(InputError, match="use exact"):
        solve(problem, optimizer, formulation=name, buffer=0.15)


def test_a_search_form_is_not_inherited_with_another_value_and_the_dual_bound_asks_for_it() -> None:
    program = TrackingProgram(np.eye(2), [0.4, 0.2], [0, 0], [0.1, 0.1], [-2, -2], [2, 2])
    assert IntegerHull(program).search_form == Penalty(program).search_form == SearchForm()
    for formulation in (Careless(program), SquaredCost(program), FORMULATIONS["buffer_edge"](program, 1.0)):
        with pytest.raises(ProgramError, match="does not hold for"):
            DualBound(formulation, np.zeros(2), program.lower, program.upper)
    assert Careless(program).search_form is None


@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize("buffer", [0.05, 1.0])
def test_what_is_searched_is_the_value_of_the_formulation(name: str, buffer: float) -> None:
    program = TrackingProgram(np.eye(2), [0.4, 0.2], [0, 0], [0.1, 0.1], [-2, -2], [2, 2])
    formulation = FORMULATIONS[name](program, buffer)
    form = formulation.search_form
    assert form is not None
    grid = [0.0, 1e-9, 0.05, 0.05 * (1 + 1e-9), 0.4, 1.0, 3.0]
    for error in grid:
        for cost in grid:
            searched = value_of.py_func(error, cost, form.buffer, form.edge)
            assert searched == float(formulation.combine(np.array(error), np.array(cost)))
