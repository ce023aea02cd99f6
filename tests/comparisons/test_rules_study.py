"""The study of rules: problems are made right, everybody is given the same one, and what is told is what came out."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparisons.page import BEGIN, END
from comparisons.rules import study
from comparisons.rules.__main__ import main
from comparisons.rules.as_constraints import as_constraints
from comparisons.rules.cases import FIVE, PAIRS, SINGLE, VARIANTS, made
from comparisons.rules.instances import (
    ALONE,
    MINLPLIB,
    PAIR,
    PARTS,
    TABLE,
    RuledInstance,
    all_instances,
    best,
    count,
    library_instances,
    table_instances,
    with_least_eigenvalue,
)
from comparisons.rules.known import known
from comparisons.rules.mixed_model import MixedModel, mixed_model, small_factor
from comparisons.rules.racers import EXACT, FREE, GUROBI, RACERS, SCIP, RuleRacer, starters
from comparisons.solver_race.claim import ERROR, INFEASIBLE, LICENCE, OPTIMAL, TIME, Claim
from comparisons.stored import csv_text
from comparisons.universe import synthetic_problem
from dynopt_milp import Limits, Problem, rules, solve
from dynopt_milp.data import simulated_market
from formulations import FloatArray

RULES = SINGLE | VARIANTS


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Four instruments in a box that enumeration can look through."""
    free = synthetic_problem(4, 250_000.0, 10.0, 6)
    target = np.round(free.optimal_positions)
    held = target + np.array([1, 1, -1, 4])  # an even number of some
    return free.replace(limits=Limits(lower=target - 4, upper=target + 4), previous_positions=held)


def allowed(problem: Problem) -> FloatArray:
    """All portfolios of a small box that keep the rules, a row each."""
    program = problem.program()
    ranges = [np.arange(low, high + 1) for low, high in zip(program.lower, program.upper, strict=True)]
    points = np.array(list(product(*ranges)))
    return points[program.keeps_rules(points)]


def values(problem: Problem, points: FloatArray) -> FloatArray:
    program = problem.program()
    return program.tracking_errors(points) + program.separable_costs(points)


def enumerated(problem: Problem) -> FloatArray | None:
    """The best portfolio of a small box."""
    points = allowed(problem)
    return points[np.argmin(values(problem, points))] if len(points) else None


def ruled(case: str, problem: Problem) -> RuledInstance:
    makers = [RULES[kind] for kind in case.split(" + ")]
    return RuledInstance(ALONE, "small", case, made(makers, problem, enumerated), problem)


def test_the_rules_are_those_of_the_library() -> None:
    assert set(SINGLE) == set(rules.__all__) - {"Rule", "rule_from_dict"}
    assert len(PAIRS) == len(SINGLE) * (len(SINGLE) - 1) / 2
    assert (len(FIVE), set(study.TITLES)) == (5, set(PARTS))


def test_the_five_cases_are_relative_to_the_free_optimum(instances: Path) -> None:
    found = list(table_instances(instances))
    assert len(found) == count((TABLE,)) == 25
    assert [instance.case for instance in found[:5]] == list(FIVE)
    margin, risk, both, holdings, orders = (instance.problem.program() for instance in found[:5])
    free = found[0].free.program()
    optimum = solve(found[0].free).positions.to_numpy(float)
    assert free.rules is None
    assert margin.rules is not None
    assert margin.rules.rows[0].limit == pytest.approx(0.8 * np.abs(optimum) @ found[0].free.weight_per_contract)
    length = np.linalg.norm(free.factor @ optimum)
    assert risk.rules is not None
    assert risk.rules.caps[0].limit == pytest.approx(0.8 * length)
    assert both.rules is not None
    assert both.rules.rows[0].limit == pytest.approx(0.8 * np.abs(optimum) @ found[0].free.weight_per_contract)
    assert holdings.rules is not None
    assert holdings.rules.rows[0].limit == max(3, int(0.6 * np.count_nonzero(optimum)))
    assert orders.rules is not None
    assert orders.rules.rows[0].limit == 4
    assert not any(program.keeps_rules(optimum) for program in (margin, risk, both, holdings))


def test_the_library_portfolios_have_their_rows_and_optima(instances: Path) -> None:
    found = list(library_instances(instances))
    assert len(found) == count((MINLPLIB,)) == 60
    for instance in found[::15]:
        program = instance.problem.program()
        assert program.rules is not None
        assert len(program.rules.rows) == 3
        assert np.isfinite(program.upper).all()
        assert (program.lower == 0).all()
        assert instance.cost_multiplier == 0
        assert np.linalg.eigvalsh(instance.problem.covariance).min() > 0
    quick = next(library_instances(instances, quick=True))
    assert (quick.name, quick.optimum) == (found[0].name, found[0].optimum)


def test_small_eigenvalues_are_set() -> None:
    matrix = np.array([[1.0, 1.0], [1.0, 1.0 - 1e-7]])
    assert np.linalg.eigvalsh(matrix)[0] < 0
    repaired = with_least_eigenvalue(matrix, 1e-9)
    assert np.linalg.eigvalsh(repaired)[0] == pytest.approx(1e-9, rel=1e-6)
    np.testing.assert_allclose(repaired, matrix, atol=1e-7)
    assert with_least_eigenvalue(repaired + np.eye(2), 1e-9) is not None


def test_weekly_problems_have_every_rule_and_pair() -> None:
    names = ["US10", "BUND", "ES", "ES_micro", "EUR_micro", "GOLD_micro"]
    market = simulated_market(instruments=names)
    found = list(all_instances((ALONE, PAIR), market, Path(), quick=True))
    assert len(found) == count((ALONE, PAIR), quick=True)
    for instance in found:
        assert len(instance.problem.rules) == (1 if instance.part == ALONE else 2)
        assert not instance.free.rules
        for case, rule in zip(instance.case.split(" + "), instance.problem.rules, strict=True):
            assert case.startswith(rule.kind)


@pytest.mark.parametrize("kind", [*RULES])
def test_each_model_allows_what_the_rules_allow(problem: Problem, kind: str) -> None:
    """The constraints of a user and the mixed model, put to portfolios near the target."""
    import cvxpy as cp

    instance = ruled(kind, problem)
    program, box = instance.problem.program(), known(instance)
    model = mixed_model(program, box)
    k = cp.Variable(program.size)
    constraints = as_constraints(program, box)(k)
    draw = np.random.default_rng(1)
    inside = np.clip(np.round(program.previous), box.lower, box.upper)
    points = [np.clip(inside + draw.integers(-2, 3, program.size), box.lower, box.upper) for _ in range(12)]
    for point in points:
        expected = program.contains(point)
        asked = cp.Problem(cp.Minimize(0), [*constraints, k == point])
        asked.solve(solver="SCIP" if asked.is_mixed_integer() else "CLARABEL")
        assert (asked.status in ("optimal", "optimal_inaccurate")) == expected, point
        assert feasible(model, point - model.offset) == expected, point


def feasible(model: MixedModel, position: FloatArray) -> bool:
    """Whether positions can be completed to a solution of a mixed model, by SCIP."""
    import cvxpy as cp

    size = len(model.lower)
    whole = np.flatnonzero(model.whole)
    x = cp.Variable(size)
    low, high = np.array(model.lower), np.array(model.upper)
    kept = [x[np.isfinite(low)] >= low[np.isfinite(low)], x[np.isfinite(high)] <= high[np.isfinite(high)]]
    for row in model.rows:
        total = np.array(row.coefficients) @ x[row.columns] if row.columns else cp.Constant(0.0)
        kept.append({"L": total <= row.right, "G": total >= row.right, "E": total == row.right}[row.sense])
    kept += [cp.norm(x[ball.columns] + ball.shift) <= ball.radius for ball in model.balls]
    kept += [x[whole] == cp.Variable(len(whole), integer=True), x[: model.size] == position]
    asked = cp.Problem(cp.Minimize(0), kept)
    asked.solve(solver="SCIP")
    return asked.status in ("optimal", "optimal_inaccurate")


@pytest.mark.parametrize("kind", ["margin", "max_orders", "min_order", "risk"])
def test_a_start_keeps_every_row_of_the_mixed_model_and_has_its_value(problem: Problem, kind: str) -> None:
    instance = ruled(kind, problem)
    program, box = instance.problem.program(), known(instance)
    assert box.start is not None
    assert program.contains(box.start)
    model = mixed_model(program, box)
    start = np.array(model.start)
    for row in model.rows:
        total, slack = float(np.array(row.coefficients) @ start[row.columns]), 1e-9 * max(1.0, abs(row.right))
        assert {"L": total <= row.right + slack, "G": total >= row.right - slack,
                "E": abs(total - row.right) <= slack}[row.sense]  # fmt: skip
    for ball in model.balls:
        assert np.linalg.norm(start[ball.columns] + ball.shift) <= ball.radius * (1 + 1e-9)
    value = float(np.array(model.cost) @ start) + model.constant
    assert value == pytest.approx(model.unit * program.objective(box.start))
    assert 1 <= value < 10 + 1e-9
    assert (model.positions(start) == box.start).all()


def test_the_box_holds_every_portfolio_that_is_as_good(problem: Problem) -> None:
    instance = ruled("gross + max_holdings", problem)
    box = known(instance)
    points = allowed(instance.problem)
    good = points[values(instance.problem, points) <= box.value * (1 + 1e-12)]
    assert len(good)
    assert ((good >= box.lower) & (good <= box.upper)).all()


def test_a_small_factor_has_the_rank_of_the_covariance() -> None:
    draw = np.random.default_rng(3)
    factor = draw.normal(size=(6, 3)) @ draw.normal(size=(3, 5))
    small = small_factor(factor)
    assert small.shape == (3, 5)
    np.testing.assert_allclose(small.T @ small, factor.T @ factor, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in RACERS if name != FREE])
def test_everybody_finds_what_enumeration_finds(problem: Problem, name: str) -> None:
    if not starters([name])[0]:
        pytest.skip(f"{RACERS[name].needs} is not installed")
    for case in ("margin", "risk", "group + max_holdings", "turnover + min_order"):
        instance = ruled(case, problem)
        best_known = enumerated(instance.problem)
        assert best_known is not None
        claim = RACERS[name].run(instance, 20.0)
        row = study.row(instance, name, claim)
        assert (claim.claimed, row["kept"]) == (OPTIMAL, True), case
        assert row["objective"] == pytest.approx(instance.problem.program().objective(best_known), rel=1e-6), case
    none = problem.replace(rules=[rules.gross(0.5), rules.group(problem.instruments, lower=40, of="contracts")])
    assert not len(allowed(none))
    assert RACERS[name].run(RuledInstance(ALONE, "small", "none", none, problem), 20.0).claimed == INFEASIBLE


@pytest.fixture(scope="module")
def raced(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RuledInstance], pd.DataFrame]:
    path = tmp_path_factory.mktemp("rules") / "results.csv"
    instances = [ruled(case, problem) for case in ("margin", "gross + one_of")]
    racers = [RACERS[name] for name in (EXACT, FREE, SCIP)]
    return path, instances, study.race(instances, racers, time_limit=20.0, path=path)


def test_a_race_stores_every_problem_and_racer(raced: tuple[Path, list[RuledInstance], pd.DataFrame]) -> None:
    path, _, rows = raced
    assert len(pd.read_csv(path)) == len(rows) == 6
    assert [*pd.read_csv(path).columns] == [*study.MEASURED]
    assert rows["kept"].all()
    assert (rows["claimed"] == OPTIMAL).all()
    assert study.disagreements(rows) == []
    free, kept = (rows[rows["racer"] == name]["objective"].to_numpy() for name in (FREE, EXACT))
    assert (free <= kept).all()


def test_a_race_goes_on_and_solves_again_what_has_changed(
    problem: Problem, raced: tuple[Path, list[RuledInstance], pd.DataFrame], tmp_path: Path
) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(raced[0].read_bytes())

    def refuse(instance: RuledInstance, time_limit: float) -> Claim:
        raise AssertionError("solved again")

    refusing = [replace(RACERS[name], run=refuse) for name in (EXACT, FREE, SCIP)]
    again = study.race(raced[1], refusing, path=path)
    assert csv_text(again, study.DIGITS) == csv_text(pd.read_csv(raced[0], dtype={"held": str}), study.DIGITS)
    first = raced[1][0]
    changed = replace(first, problem=problem.replace(rules=[rules.max_holdings(2)]))
    assert changed.held != first.held
    one = RuleRacer("other", lambda *_: Claim(None, TIME, 1.0), own=False, needs="numpy")
    rows = study.race([changed], [one], path=path)
    assert list(rows.loc[rows["case"] == first.case, "racer"]) == ["other"]
    assert len(rows) == 4


def rows_of(*lines: tuple[str, str, str, float, str, float, float]) -> pd.DataFrame:
    """Instance, case, racer, seconds, claimed, objective, lower bound; λ = 50."""
    return pd.DataFrame([
        {"part": TABLE, "instance": instance, "case": case, "held": "a", "racer": racer, "size": 4,
         "cost_multiplier": 50.0, "seconds": seconds, "claimed": claimed, "kept": np.isfinite(objective),
         "objective": objective, "lower_bound": bound, "nodes": 1, "library": np.nan}
        for instance, case, racer, seconds, claimed, objective, bound in lines
    ])  # fmt: skip


GOOD = rows_of(
    ("a", "margin", EXACT, 0.01, OPTIMAL, 1.0, 1.0), ("a", "margin", FREE, 0.001, OPTIMAL, 0.9, 0.9),
    ("a", "margin", SCIP, 1.0, OPTIMAL, 1.0, 1.0), ("a", "margin", GUROBI, 0.2, LICENCE, np.nan, np.nan),
    ("a", "risk", EXACT, 0.04, OPTIMAL, 1.0, 1.0), ("a", "risk", FREE, 0.002, OPTIMAL, 0.9, 0.9),
    ("a", "risk", SCIP, 16.0, TIME, 1.1, 0.5), ("a", "risk", GUROBI, 0.4, OPTIMAL, 1.0, 1.0),
)  # fmt: skip


def test_the_summary_counts_and_averages() -> None:
    (line,) = study.summary(GOOD).to_dict("records")
    assert (line["part"], line["count"], line["proved"], line["infeasible"]) == (TABLE, 2, 2, 0)
    assert line[SCIP] == pytest.approx(200.0)  # of 100 and 400
    assert line[GUROBI] == pytest.approx(10.0)
    assert (line[f"{SCIP}_proved"], line[f"{GUROBI}_proved"], line[f"{GUROBI}_licence"]) == (0.5, 1.0, 1)
    assert line["over_free"] == pytest.approx(15.0)  # of 10 and 20
    assert line["median_seconds"] == pytest.approx(0.025)
    table = study.page_tables(GOOD)
    assert "| five cases of shared problems | 50 | 2 of 2 | 25; 40 | 15 × | ≥ 200 × (50% proved) |" in table
    assert "| a (free: 1.5) | branch and bound | 10 | 40 |" in table
    assert "|  | SCIP | 1,000 | 16,000 (time limit) |" in table
    assert "Disagreements: **0** on 2 problems." in table


def test_an_error_is_no_fast_answer() -> None:
    failed = GOOD.assign(claimed=GOOD["claimed"].where((GOOD["racer"] != EXACT) | (GOOD["case"] != "risk"), ERROR))
    (line,) = study.summary(failed).to_dict("records")
    assert (line["proved"], line["count"]) == (1, 2)
    assert line[SCIP] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": 1.0 + 5e-6}, "optimal are exact 1.000005, scip_constraints 1"),
        ({"claimed": INFEASIBLE, "objective": np.nan, "lower_bound": np.inf}, "infeasible, says exact"),
        ({"lower_bound": 1.0 + 1e-8}, "the bound of exact is above a portfolio"),
        ({"kept": False, "objective": np.nan}, "the optimal portfolio of exact breaks a rule"),
        ({"library": 1.01}, "exact found 1, the library states"),
    ],
)
def test_disagreements_are_told(changes: dict[str, object], said: str) -> None:
    assert study.disagreements(GOOD) == []
    wrong = GOOD.copy()
    for column, value in changes.items():
        wrong.loc[0, column] = value
    assert any(said in line for line in study.disagreements(wrong))


def test_what_both_say_within_the_gap_agrees() -> None:
    near = GOOD.copy()
    near.loc[0, "objective"] = 1.0 + 5e-7
    assert study.disagreements(near) == []


def test_tables_go_between_the_marks_of_the_page() -> None:
    page = study.PAGE.read_text(encoding="utf-8")
    once = study.with_tables(page, GOOD)
    assert study.page_tables(GOOD) in once
    assert study.with_tables(once, GOOD) == once
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    assert once.startswith(before)
    assert once.endswith(after)


def test_the_page_has_the_tables_of_the_committed_results() -> None:
    if not study.RESULTS.exists():
        pytest.skip("the study has not been run")
    rows = pd.read_csv(io.StringIO(study.RESULTS.read_text(encoding="utf-8")), dtype={"held": str})
    page = study.PAGE.read_text(encoding="utf-8")
    assert study.with_tables(page, rows) == page
    assert study.disagreements(rows) == []
    parts = [part for part in PARTS if (rows["part"] == part).any()]
    assert "table" in parts
    assert len(rows[study.KEY].drop_duplicates()) == count(parts)


def test_the_best_portfolio_of_a_problem_is_found_once(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    found = best(problem)
    assert found is not None
    monkeypatch.setattr("comparisons.rules.instances.solve", None)
    assert best(problem.replace()) is found


def test_importing_the_study_loads_no_solver() -> None:
    code = (
        "import sys, comparisons.rules.__main__;"
        "print(sorted({'gurobipy', 'cplex', 'coptpy', 'pyscipopt', 'cvxpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_folder_of_problems_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([str(tmp_path), "--parts", "table", "--quick", "--instances", str(tmp_path / "none")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main([]) == 2
