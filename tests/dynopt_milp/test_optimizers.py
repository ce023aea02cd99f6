"""Methods as functions, and functions wherever there is an optimizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import InputError, Market, Problem, Status, Strategy, backtest, simulated_market, solve
from dynopt_milp.backtests.compare import run_comparison
from dynopt_milp.errors import UnknownNameError
from dynopt_milp.gap import GapGrid, run_gap_study, write_report
from dynopt_milp.solvers.optimizers import MethodOptimizer, branch_and_bound, exact, greedy, scip
from dynopt_milp.trades.examples import example_problem

NAMES = ["US10", "BUND", "ES_micro", "EUR_micro", "GOLD_micro", "CORN"]


def test_a_comparison_takes_functions(market: Market, tmp_path: Path) -> None:
    runs = run_comparison(
        market, {"trend": Strategy()}, [rounded, "greedy"], capital=250_000, out=tmp_path, start="2017-01-01",
        end="2017-02-28",
    )  # fmt: skip
    assert set(runs) == {("trend", "rounded"), ("trend", "greedy")}
    assert (tmp_path / "trend" / "rounded" / "positions.csv").exists()
    with pytest.raises(InputError, match="optimizers: 'greedy' appears more than once"):
        run_comparison(market, {"trend": Strategy()}, ["greedy", greedy], capital=250_000)


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(3, instruments=NAMES)


def rounded(problem: Problem) -> np.ndarray:
    return np.clip(np.round(problem.optimal_positions), problem.lower, problem.upper)


@pytest.mark.parametrize("optimizer", [exact, greedy, branch_and_bound, scip])
def test_a_function_gives_what_its_method_gives(optimizer: MethodOptimizer) -> None:
    problem = example_problem(100_000)
    pd.testing.assert_series_equal(optimizer(problem), solve(problem, optimizer.optimizer).positions)
    again = solve(problem, optimizer)
    assert again.optimizer == optimizer.optimizer
    assert again.status is Status.FEASIBLE  # a function proves nothing
    assert again.objective == solve(problem, optimizer.optimizer).objective


def test_a_method_that_does_not_exist_is_no_function() -> None:
    with pytest.raises(UnknownNameError, match="there is no 'gready'"):
        MethodOptimizer("gready")


def test_a_backtest_compares_functions(market: Market) -> None:
    year = {"capital": 250_000, "start": "2017-01-01", "end": "2017-02-28"}
    run = backtest(market, also=[rounded, greedy, "scip"], **year)  # type: ignore[arg-type]
    named = backtest(market, also=["greedy"], **year)  # type: ignore[arg-type]
    pd.testing.assert_series_equal(run.rebalances["greedy_objective"], named.rebalances["greedy_objective"])
    assert (run.rebalances["rounded_objective"] >= run.rebalances["objective"] * (1 - 1e-9)).all()
    with pytest.raises(InputError, match="'greedy' appears more than once"):
        backtest(market, also=[greedy, "greedy"], **year)  # type: ignore[arg-type]


def seldom(problem: Problem) -> np.ndarray:
    """The held positions if few are held; raises otherwise."""
    if np.abs(problem.previous_positions).sum() > 3:
        raise ValueError("too hard")
    return problem.previous_positions


def test_an_optimizer_that_fails_does_not_look_good(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(250_000,), paths=("greedy",), start="2017-01-01", end="2017-03-31")
    line = run_gap_study(market, grid, tmp_path, also=[seldom]).iloc[0]
    rows = pd.read_parquet(tmp_path / "rebalances.parquet")
    failed = rows["seldom_objective"].isna()
    assert line["seldom_failed"] == failed.sum() > 0
    assert line["seldom_optimal"] <= 1 - failed.mean()


def test_a_gap_study_prices_functions_too(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(100_000, 250_000), sizes=(6,), paths=("greedy",), start="2017-01-01", end="2017-02-28")
    summary = run_gap_study(market, grid, tmp_path, also=[rounded, "scip"])
    rows = pd.read_parquet(tmp_path / "rebalances.parquet")
    worse = rows["rounded_objective"] / rows["exact_objective"] - 1
    assert (worse > -1e-9).all()
    assert summary["mean_rounded_gap"].to_numpy() == pytest.approx(worse.groupby(rows["capital"]).mean().to_numpy())
    assert (summary["scip_optimal"] == 1).all()
    assert rows["rounded_tracking_error"].to_numpy() + rows["rounded_cost"].to_numpy() == pytest.approx(
        rows["rounded_objective"].to_numpy()
    )
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Other optimizers" in page
    assert page.count(">rounded</td>") == 2
    with pytest.raises(InputError, match="also: 'greedy' or one of its columns is there"):
        run_gap_study(market, grid, tmp_path / "other", also=[greedy])
    with pytest.raises(UnknownNameError):
        run_gap_study(market, grid, tmp_path / "other", also=["gready"])
    for name in ("held", "sign", "exact_objective"):
        optimizer = lambda problem: problem.previous_positions  # noqa: E731
        optimizer.__name__ = name
        with pytest.raises(InputError, match=f"{name!r} or one of its columns is there already"):
            run_gap_study(market, grid, tmp_path / "other", also=[optimizer])
    assert not (tmp_path / "other").exists()
