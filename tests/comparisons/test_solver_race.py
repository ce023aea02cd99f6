"""The race counts what it says it counts, and goes on where it stopped."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparisons.solver_race import scale
from comparisons.solver_race.__main__ import main
from comparisons.solver_race.claim import LICENCE, OPTIMAL, Claim
from comparisons.solver_race.cone_model import cone_model
from comparisons.solver_race.instances import Grid, Instance, one_size, real_instances, synthetic_instances
from comparisons.solver_race.racers import RACERS, Racer, starters
from comparisons.solver_race.study import JUDGED, MEASURED, family, picture, race, table
from comparisons.universe import synthetic_problem
from dynopt_milp import Problem, solve
from dynopt_milp.data import simulated_market

NAMES = ("branch_and_bound", "greedy", "scip")
GRID = Grid((250_000.0,), (10.0, 50.0), ("2018-06-01",), 2, (8,), (1,))
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def instances() -> list[Instance]:
    return list(synthetic_instances(GRID))


@pytest.fixture(scope="module")
def raced(instances: list[Instance], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    path = tmp_path_factory.mktemp("race") / "results.csv"
    return path, race(instances, starters(NAMES)[0], time_limit=20.0, path=path)


def of(run: Callable[[Problem, float], Claim], name: str = "liar") -> Racer:
    return Racer(name, run, own=False, needs="numpy")


def test_a_race_writes_every_instance_and_racer(raced: tuple[Path, pd.DataFrame]) -> None:
    path, results = raced
    assert [*results.columns] == [*MEASURED, *JUDGED]
    stored = pd.read_csv(path)
    assert [*stored.columns] == [*results.columns]
    assert set(stored["instance"]) == {"synthetic_n8_250k_lam10_seed1", "synthetic_n8_250k_lam50_seed1"}
    assert len(stored) == len(results) == 2 * len(NAMES)
    assert (stored["seconds"] > 0).all()
    assert (stored["size"] == 8).all()


def test_exact_methods_are_proved_and_correct_and_greedy_never(raced: tuple[Path, pd.DataFrame]) -> None:
    results = raced[1].set_index("racer")
    for name in ("branch_and_bound", "scip"):
        assert results.loc[name, "proved"].all()
        assert results.loc[name, "correct"].all()
    assert not results.loc["greedy", "proved"].any()
    assert not results.loc["greedy", "correct"].any()


def test_a_race_goes_on_without_solving_again(
    instances: list[Instance], raced: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(raced[0].read_bytes())

    def refuse(problem: Problem, time_limit: float) -> Claim:
        raise AssertionError("solved again")

    again = race(instances, [replace(RACERS[name], run=refuse) for name in NAMES], path=path)
    assert len(again) == len(raced[1])
    assert path.read_bytes() == raced[0].read_bytes()


def test_an_instance_from_which_something_else_is_held_is_solved_again(
    instances: list[Instance], raced: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(raced[0].read_bytes())
    moved = instances[0].problem.replace(previous_positions=instances[0].problem.previous_positions + 1)
    results = race([replace(instances[0], problem=moved)], [RACERS["greedy"]], path=path)
    mine = results[results["instance"] == instances[0].name]
    assert list(mine["racer"]) == ["greedy"]
    assert len(results) == len(raced[1]) - len(NAMES) + 1


def test_the_table_has_a_row_for_each_family_multiplier_and_racer(raced: tuple[Path, pd.DataFrame]) -> None:
    shown = table(raced[1])
    assert len(shown) == 2 * len(NAMES)
    assert {"family", "cost_multiplier", "racer", "count", "median_seconds", "times", "proved", "correct"} <= {
        *shown.columns
    }
    first = shown.set_index(["racer", "cost_multiplier"])
    assert first.loc[("branch_and_bound", 50.0), "times"] == pytest.approx(1.0)
    assert first.loc[("branch_and_bound", 50.0), "correct"] == 1.0
    assert first.loc[("greedy", 50.0), "proved"] == 0.0


def test_a_wrong_claim_is_proved_and_not_correct_and_a_licence_does_not_count(
    instances: list[Instance], raced: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(raced[0].read_bytes())
    liar = of(lambda problem, _: Claim(problem.previous_positions + 5, OPTIMAL, 0.1))
    fraction = of(lambda problem, _: Claim(problem.optimal_positions, OPTIMAL, 0.1), "fraction")
    unlicensed = of(lambda *_: Claim(None, LICENCE, 0.1), "unlicensed")
    results = race(instances, [liar, fraction, unlicensed], path=path)
    shown = table(results).set_index("racer")
    for name in ("liar", "fraction"):
        assert (shown.loc[name, ["proved", "correct"]] == [1.0, 0.0]).all(axis=None)
    assert (shown.loc["unlicensed", ["count", "no_licence"]] == [0, 1]).all(axis=None)
    assert results.loc[results["racer"] == "fraction", "objective"].isna().all()
    assert (shown.loc["branch_and_bound", "correct"] == 1.0).all()


def test_the_picture_is_one(raced: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    picture(raced[1], tmp_path / "race.png")
    assert (tmp_path / "race.png").read_bytes().startswith(PNG)


def test_real_instances_walk_week_by_week() -> None:
    names = ["US10", "BUND", "ES", "ES_micro", "EUR_micro", "GOLD_micro"]
    found = list(real_instances(simulated_market(instruments=names), GRID))
    assert len(found) == GRID.real
    assert [instance.name for instance in found[:2]] == ["real_250k_lam10_2018-06-08", "real_250k_lam10_2018-06-15"]
    assert any(instance.problem.previous_positions.any() for instance in found)
    first, second = (instance.problem for instance in found[:2])
    answer = solve(first, "branch_and_bound").positions
    assert np.array_equal(second.previous_positions, answer[list(second.instruments)])


def test_without_costs_only_the_smallest_size_of_a_contract_is_left() -> None:
    assert one_size(("GOLD", "GOLD_micro", "CORN", "KOSPI_mini", "KOSPI")) == ["GOLD_micro", "CORN", "KOSPI_mini"]


def test_families_are_read_from_the_names() -> None:
    assert family("real_250k_lam10_2018-06-15") == "real"
    assert family("synthetic_n100_1000k_lam50_seed3") == "synthetic_n100"


def test_the_cone_model_prices_portfolios_as_the_problem_does() -> None:
    problem = synthetic_problem(8, 250_000.0, 10.0, 2)
    model, program = cone_model(problem), problem.program()
    start = model.program.objective(model.start)
    assert 1 <= start < 10
    assert start == pytest.approx(model.unit * program.objective(solve(problem, "greedy").positions))
    best = solve(problem, "branch_and_bound").positions.to_numpy()
    assert model.program.contains(best - model.offset)
    assert model.program.objective(best - model.offset) == pytest.approx(model.unit * program.objective(best))


@pytest.mark.parametrize("name", ["gurobi", "cplex", "copt", "cvxpy_scip"])
def test_the_other_solvers_agree_where_they_are_installed(name: str) -> None:
    reason = RACERS[name].missing()
    if reason is not None:
        pytest.skip(reason)
    problem = synthetic_problem(8, 250_000.0, 50.0, 1)
    claim = RACERS[name].run(problem, 20.0)
    best = solve(problem, "branch_and_bound").objective
    assert claim.claimed == OPTIMAL
    assert claim.positions is not None
    assert problem.program().objective(claim.positions) == pytest.approx(best, rel=1e-6)
    assert np.isnan(claim.lower_bound) or best * (1 - 2e-6) <= claim.lower_bound <= best * (1 + 1e-6)


def test_a_racer_that_cannot_start_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RACERS, "greedy", replace(RACERS["greedy"], needs="no_such"))
    monkeypatch.setitem(RACERS, "copt", replace(RACERS["copt"], needs="no_such_package"))
    racers, reasons = starters(("branch_and_bound", "greedy", "copt"))
    assert [racer.name for racer in racers] == ["branch_and_bound"]
    assert reasons == {"greedy": "there is no optimizer 'no_such'", "copt": "no_such_package is not installed"}


def test_importing_the_study_loads_no_solver() -> None:
    code = (
        "import sys, comparisons.solver_race.__main__;"
        "print(sorted({'gurobipy', 'cplex', 'coptpy', 'pyscipopt', 'cvxpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_sweep_goes_on_where_it_stopped_and_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, plan = tmp_path / "scale.csv", scale.Sweep((5, 8), (50.0,), (100_000.0,), (0, 1), 5.0)
    rows = scale.sweep(plan, path)
    assert [*pd.read_csv(path).columns] == list(scale.SWEEP_COLUMNS)
    shown = scale.table(rows)
    assert list(shown["n"]) == [5, 8]
    assert (shown["proved"] == 2).all()
    monkeypatch.setattr(scale, "solve", None)
    assert len(scale.sweep(plan, path)) == 4
    scale.picture(rows, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(PNG)


def test_the_sweep_leaves_out_what_is_larger_than_a_size_of_which_nothing_was_proved(tmp_path: Path) -> None:
    path = tmp_path / "scale.csv"
    stored = {"n": 5, "capital": 1e5, "cost_multiplier": 50.0, "seed": 0, "seconds": 5.0, "nodes": 9,
              "status": "feasible", "gap": 0.1}  # fmt: skip
    pd.DataFrame([stored]).to_csv(path, index=False)
    heard: list[str] = []
    rows = scale.sweep(scale.Sweep((5, 8), (50.0,), (100_000.0,), (0,), 5.0), path, heard.append)
    assert len(rows) == 1
    assert heard == ["n = 5", "n = 8, left out"]


def test_without_a_folder_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module("comparisons.solver_race.__main__").main is main
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
