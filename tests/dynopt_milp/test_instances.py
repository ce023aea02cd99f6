"""Problems whose optimum two independent solvers agree on."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dynopt_milp import Limits, Problem, Solution, Status, solve
from tests.conftest import SHARED, shared

NAMES = sorted(path.name.removesuffix(".optimum.json") for path in (SHARED / "instances").glob("*.optimum.json"))
# SCIP takes seconds and more for these; the branch and bound proves all of them.
LONG = ("all_2019-08-13_1000k_lam10", "all_2019-08-13_250k_lam10", "synthetic_n100_500k_lam50")
LIMIT = 60.0


def read(name: str) -> tuple[Problem, dict[str, float]]:
    folder = shared("instances")
    return Problem.from_json(folder / f"{name}.json"), json.loads((folder / f"{name}.optimum.json").read_text())


def test_the_problems_are_there(instances: Path) -> None:
    assert len(NAMES) == 20
    assert set(LONG) < set(NAMES)


@cache
def solved(name: str, optimizer: str) -> Solution:
    return solve(read(name)[0], optimizer, time_limit=LIMIT)


@pytest.mark.parametrize(
    ("optimizer", "name"),
    [("exact", name) for name in NAMES] + [("scip", name) for name in NAMES if name not in LONG],
)
def test_the_stored_optimum_is_found_and_proved(optimizer: str, name: str) -> None:
    problem, stored = read(name)
    solution = solved(name, optimizer)
    assert solution.status is Status.OPTIMAL
    assert problem.program().objective(solution.positions.to_numpy()) == pytest.approx(stored["objective"], rel=1e-7)
    assert solution.lower_bound <= stored["objective"]
    assert solution.gap <= 1e-6


def test_on_a_problem_too_large_for_it_scip_gives_a_true_bound(instances: Path) -> None:
    problem, stored = read("synthetic_n100_500k_lam50")
    solution = solve(problem, "scip", time_limit=5.0)
    assert solution.status in (Status.OPTIMAL, Status.FEASIBLE)
    assert solution.lower_bound <= stored["objective"] <= solution.objective * (1 + 1e-9)
    assert solution.lower_bound > 0.5 * stored["objective"]
    if solution.status is Status.OPTIMAL:
        assert solution.objective == pytest.approx(stored["objective"], rel=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_greedy_is_the_stored_greedy_and_never_below_the_optimum(name: str) -> None:
    problem, stored = read(name)
    solution = solve(problem, "greedy")
    assert solution.status is Status.FEASIBLE
    assert solution.objective == pytest.approx(stored["greedy_objective"], rel=1e-9)
    assert solution.objective >= stored["objective"] * (1 - 1e-12)
    assert solution.lower_bound == 0


@pytest.mark.parametrize(
    "name", ["all_2019-08-13_50k_lam10", "single_2012-06-26_50k_lam50", "single_2012-06-26_250k_lam0"]
)
@pytest.mark.parametrize(
    ("variance", "cost"), [(1 / 256, 1 / 16), (1e-8, 1e-4), (1e4, 1e2)], ids=["daily", "tiny", "percent"]
)
def test_positions_do_not_depend_on_units(name: str, variance: float, cost: float) -> None:
    problem, stored = read(name)
    other = problem.replace(
        covariance=problem.covariance * variance, cost_in_weight_terms=problem.cost_in_weight_terms * cost
    )
    for optimizer in ("exact", "scip"):
        annual, scaled = solved(name, optimizer), solve(other, optimizer)
        assert scaled.status is Status.OPTIMAL
        assert scaled.positions.to_dict() == annual.positions.to_dict()
        assert scaled.objective == pytest.approx(stored["objective"] * np.sqrt(variance), rel=1e-7)


def test_mirrored_problems_have_mirrored_optima(instances: Path) -> None:
    problem, stored = read("single_2016-11-15_100k_lam10")
    mirrored = problem.replace(
        optimal_positions=-problem.optimal_positions, previous_positions=-problem.previous_positions
    )
    assert solve(mirrored, "scip").objective == pytest.approx(stored["objective"], rel=1e-9)


def test_the_same_contracts_added_to_target_and_held_move_the_optimum_along(instances: Path) -> None:
    problem, _ = read("single_2012-06-26_50k_lam50")
    shift = np.arange(len(problem.instruments)) % 3
    moved = problem.replace(
        optimal_positions=problem.optimal_positions + shift, previous_positions=problem.previous_positions + shift
    )
    one, other = solved("single_2012-06-26_50k_lam50", "scip"), solve(moved, "scip")
    assert (other.positions - one.positions).tolist() == shift.tolist()


def test_the_sign_rule_costs_something_and_never_gains(instances: Path) -> None:
    problem, stored = read("single_2012-06-26_250k_lam0")
    solution = solve(problem.replace(limits=Limits(same_side=True)), "scip")
    assert solution.status is Status.OPTIMAL
    assert solution.objective >= stored["objective"] * (1 - 1e-9)
    assert (solution.positions * np.sign(problem.optimal_positions) >= 0).all()


def test_two_sizes_of_one_contract_without_costs_are_solved_with_the_sign_rule(instances: Path) -> None:
    problem, _ = read("all_2019-08-13_50k_lam10")
    free = problem.replace(cost_multiplier=0.0, previous_positions=0, limits=Limits(same_side=True))
    solution = solve(free, "scip", time_limit=LIMIT)
    assert solution.objective <= solve(free, "greedy").objective
    assert solution.lower_bound <= solution.objective
