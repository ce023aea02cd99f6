"""Correlations shrunk where they are given: in the swap-ins, with targets from elsewhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, Problem, Strategy, rebalance, simulated_market, solve
from dynopt_milp.adapters.book import BookAlgorithm, ordinary_day
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.data import Market
from dynopt_milp.errors import CovarianceError, InputError
from dynopt_milp.problem.shrinkage import shrunk
from dynopt_milp.strategy.correlation import ExponentialCorrelation
from dynopt_milp.trades.from_targets import problem_of_day_and_targets, problem_of_targets
from formulations import FloatArray
from tests.command_line import read_json, run
from tests.random_days import RandomDay, as_the_book_has_it, random_day

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "EUR_micro", "CRUDE_mini", "CORN"]


def by_hand(covariance: FloatArray, shrinkage: float) -> FloatArray:
    """Volatilities and correlations apart, with loops."""
    made = covariance.copy()
    for row in range(len(made)):
        for column in range(len(made)):
            volatility = np.sqrt(covariance[row, row]) * np.sqrt(covariance[column, column])
            if row != column:
                made[row, column] = covariance[row, column] / volatility * (1 - shrinkage) * volatility
    return made


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=NAMES, start="2010-01-01", end="2017-12-31")


# What it is


@pytest.mark.parametrize("shrinkage", [0.3, 1, np.float64(0.5)])
def test_correlations_go_down_by_the_share_and_variances_stay(shrinkage: float) -> None:
    given = random_day(1).covariance
    before = given.copy()
    found = shrunk(given, shrinkage)
    np.testing.assert_allclose(found, by_hand(given, shrinkage), rtol=1e-14)
    np.testing.assert_array_equal(found.diagonal(), given.diagonal())
    np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(shrunk(np.array([given, 2 * given]), shrinkage), [found, 2 * found])


def test_nothing_is_done_where_the_share_is_zero_and_to_what_is_not_finite() -> None:
    given = np.array([[0.04, np.nan, 0.01], [np.inf, 0.09, -np.inf], [0.01, 0.0, np.nan]])
    assert shrunk(given, 0.0) is given
    for shrinkage, kept in ((0.5, 0.005), (1.0, 0.0)):
        expected = [[0.04, np.nan, kept], [np.inf, 0.09, -np.inf], [kept, 0.0, np.nan]]
        np.testing.assert_array_equal(shrunk(given, shrinkage), expected)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, np.nan, np.inf, "0.5", None, True])
def test_what_is_no_share_is_refused_at_every_door(shrinkage: Any) -> None:
    targets = pd.DataFrame({"position": [1.5], "weight_per_contract": 0.1, "cost_in_weight_terms": 0.0}, ["CORN"])
    doors = (
        lambda: shrunk(np.eye(2), shrinkage),
        lambda: BookAlgorithm(shrinkage=shrinkage),
        lambda: ObjectiveFunction(**objective_arguments(random_day(1)), shrinkage=shrinkage),
        lambda: problem_of_targets(targets, pd.DataFrame([[0.04]], ["CORN"], ["CORN"]), shrinkage=shrinkage),
    )
    for door in doors:
        with pytest.raises(InputError, match=r"^shrinkage: expected a ") as caught:
            door()
        assert caught.value.field == "shrinkage"


# The swap-ins


def objective_arguments(day: RandomDay, **changes: Any) -> dict[str, Any]:
    return {
        "contracts_optimal": pd.Series(day.target, day.names),
        "covariance_matrix": pd.DataFrame(day.covariance, day.names, day.names),
        "per_contract_value": pd.Series(day.unit, day.names), "costs": pd.Series(day.cost, day.names),
        "speed_control": SimpleNamespace(trade_shadow_cost=10.0, tracking_error_buffer=0.02),
        "previous_positions": pd.Series(day.held, day.names),
    } | changes  # fmt: skip


@pytest.mark.filterwarnings("ignore::dynopt_milp.errors.DataWarning")
@pytest.mark.parametrize("optimizer", ["exact", "greedy", "scip"])
def test_the_books_days_are_decided_by_shrunk_correlations(optimizer: str) -> None:
    moved = 0
    for seed in range(15 if optimizer == "scip" else 60):
        day = random_day(seed)
        given, there = as_the_book_has_it(day), as_the_book_has_it(day)
        there.covariance_matrix = by_hand(day.covariance, 0.5)
        for settings in ({}, {"buffer": 0.01}, {"limits": Limits(lower=-3, upper=3)}):
            found = BookAlgorithm(optimizer, shrinkage=0.5, **settings)(given)  # type: ignore[arg-type]
            expected = BookAlgorithm(optimizer, **settings)(there)  # type: ignore[arg-type]
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=f"seed {seed}, {settings}")
            moved += not np.allclose(found, BookAlgorithm(optimizer, **settings)(given))  # type: ignore[arg-type]
    assert moved > 10


def test_a_shrunk_day_goes_the_short_way_and_what_was_indefinite_may_not_be_any_more(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    seed = next(seed for seed in range(100) if random_day(seed).indefinite and random_day(seed).valid.all())
    day = random_day(seed)
    given, share = as_the_book_has_it(day), 0.9  # correlations of -0.09 among at most eight
    answers, ordinary = [], ordinary_day.ordinary_day

    def counted(*arguments: Any, **more: Any) -> Any:
        answers.append(ordinary(*arguments, **more))
        return answers[-1]

    monkeypatch.setattr(ordinary_day, "ordinary_day", counted)
    found = BookAlgorithm(shrinkage=share)(given)
    assert len(answers) == 1
    assert answers[0] is not None
    assert not recwarn.list
    problem = Problem(
        by_hand(day.covariance, share), day.target, day.unit, day.held, day.cost, instruments=day.names
    )  # fmt: skip
    best = solve(problem, "scip", gap=1e-9)
    assert problem.program().objective(found / day.unit) == pytest.approx(best.objective, rel=1e-6)
    BookAlgorithm()(given)
    assert len(answers) == 2
    assert answers[1] is None
    assert "negative eigenvalues were set to zero" in str(recwarn.pop().message)


def test_pysystemtrades_object_works_with_shrunk_correlations() -> None:
    moved = 0
    for seed in (seed for seed in range(60) if random_day(seed).valid.all()):
        day = random_day(seed)
        sigma = by_hand(day.covariance, 0.3)
        arguments = objective_arguments(day)
        there = objective_arguments(day, covariance_matrix=pd.DataFrame(sigma, day.names, day.names))
        one, other = ObjectiveFunction(**arguments, shrinkage=0.3), ObjectiveFunction(**there)
        assert one.optimise_positions().to_dict() == other.optimise_positions().to_dict()
        moved += one.optimise_positions().to_dict() != ObjectiveFunction(**arguments).optimise_positions().to_dict()
        np.testing.assert_array_equal(one.covariance_matrix_as_np, day.covariance)
        if not day.indefinite:
            away = day.target * day.unit
            assert one.tracking_error_against_optimal(np.zeros(len(away))) == pytest.approx(
                np.sqrt(away @ sigma @ away)
            )
        one.covariance_matrix_as_np = 2 * day.covariance
        other.covariance_matrix_as_np = 2 * sigma
        assert one.optimise_positions().to_dict() == other.optimise_positions().to_dict()
    assert moved > 5


# Targets from elsewhere


@pytest.fixture
def files(tmp_path: Path) -> Path:
    day = random_day(
        next(seed for seed in range(60) if random_day(seed).valid.all() and len(random_day(seed).unit) > 4)
    )
    targets = {"position": day.target, "weight_per_contract": day.unit, "cost_in_weight_terms": day.cost}
    pd.DataFrame(targets, pd.Index(day.names, name="instrument")).to_csv(tmp_path / "targets.csv")
    pd.Series(day.held, pd.Index(day.names, name="instrument"), name="position").to_csv(tmp_path / "held.csv")
    pd.DataFrame(day.covariance, day.names, day.names).to_csv(tmp_path / "covariance.csv")
    Problem(day.covariance, day.target, day.unit, day.held, day.cost, instruments=day.names).to_json(
        tmp_path / "problem.json"
    )
    return tmp_path


def test_targets_with_a_covariance_and_a_shrinkage(files: Path) -> None:
    command = [
        "rebalance", "--targets", files / "targets.csv", "--held", files / "held.csv", "--covariance",
        files / "covariance.csv", "--json",
    ]  # fmt: skip
    plain, problem = read_json(run(*command).stdout), Problem.from_json(files / "problem.json")
    done = run(*command, "--shrinkage", 0.6)
    assert (done.returncode, done.stderr) == (0, "")
    expected = rebalance(problem.replace(covariance=by_hand(problem.covariance, 0.6)))
    found = read_json(done.stdout)
    assert found["positions"] == expected.positions.to_dict() != plain["positions"]
    assert found["distance"] == pytest.approx(expected.distance)
    refused = run(*command, "--shrinkage", 1.5)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: shrinkage: expected a share between 0 and 1, found 1.5\n"
    refused = run(*command, "--correlation-span", 50)
    assert "--correlation-span: makes no sense where a covariance is given" in refused.stderr
    refused = run("rebalance", files / "problem.json", "--shrinkage", 0.5)
    assert "--shrinkage: makes no sense where a problem file says all that is minimised" in refused.stderr


def test_a_shrinkage_makes_no_covariance_valid_that_was_not(files: Path) -> None:
    covariance = pd.read_csv(files / "covariance.csv", index_col=0)
    targets = pd.read_csv(files / "targets.csv", index_col="instrument")
    covariance.iloc[0, 1] = covariance.iloc[1, 0] = 1.2 * np.sqrt(covariance.iloc[0, 0] * covariance.iloc[1, 1])
    with pytest.raises(CovarianceError, match="is not positive semi-definite"):
        problem_of_targets(targets, covariance, shrinkage=0.9)


def test_targets_with_prices_and_a_shrinkage(market: Market) -> None:
    targets = pd.DataFrame({"position": [2.4, -1.7, 3.3]}, ["US10", "ES_micro", "CORN"])
    strategies = [Strategy(correlation=ExponentialCorrelation(25, share)) for share in (0.0, 0.5)]
    problems = [problem_of_day_and_targets(market, one, 5e5, targets) for one in strategies]
    np.testing.assert_allclose(problems[1].covariance, by_hand(problems[0].covariance, 0.5), rtol=1e-9)
    calls: list[int] = []

    def counted(weekly: pd.DataFrame) -> FloatArray:
        calls.append(len(weekly))
        return ExponentialCorrelation()(weekly)

    problem_of_day_and_targets(market, Strategy(multiplier_correlation=counted), 5e5, targets)
    assert not calls  # it sizes positions, and these come from elsewhere
