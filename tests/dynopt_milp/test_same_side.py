"""Positions on the side of their targets, wherever the rule is taken."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, Market, Problem, Strategy, backtest, simulated_market, solve
from dynopt_milp.adapters.book import BookAlgorithm
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.backtests import run_comparison
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.errors import FormatError, LimitsError, SolverError
from dynopt_milp.gap import GapGrid, run_gap_study, write_report
from dynopt_milp.guide import calculate_dynamic_portfolio_positions, run_exact_algorithm
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import BOOK
from formulations import FloatArray
from tests.command_line import read_json, run

# Two bonds that move together and an index. The first bond is held and cannot be traded; without the rule the other one
# is sold to offset it, against its forecast.
NAMES = ["BUND", "OAT", "STOCK"]
VOLATILITY = np.array([0.05, 0.055, 0.17])
SIGMA = np.array([[1, 0.9, -0.2], [0.9, 1, -0.1], [-0.2, -0.1, 1]]) * np.outer(VOLATILITY, VOLATILITY)
UNIT, WANTED, HELD = np.array([0.5, 0.55, 0.1]), np.array([-1.2, 0.3, 4.4]), np.array([3, 0, 4])
FREE, KEPT = {"BUND": 3, "OAT": -3, "STOCK": 5}, {"BUND": 3, "OAT": 0, "STOCK": 6}
FROZEN = Limits(no_trade=["BUND"])
SAME_SIDE = Limits(same_side=True)


def the_problem(limits: Limits) -> Problem:
    return Problem(SIGMA, WANTED, UNIT, HELD, 2e-5, 20.0, limits, NAMES)


def series(numbers: Any) -> pd.Series:
    return pd.Series(numbers, NAMES)


def objective_function(**changes: Any) -> ObjectiveFunction:
    return ObjectiveFunction(**{
        "contracts_optimal": series(WANTED), "covariance_matrix": pd.DataFrame(SIGMA, NAMES, NAMES),
        "per_contract_value": series(UNIT), "costs": series(2e-5), "previous_positions": series(HELD),
        "speed_control": SimpleNamespace(trade_shadow_cost=20, tracking_error_buffer=0.0),
        "constraints": SimpleNamespace(no_trade_keys=["BUND"], reduce_only_keys=[], long_only_keys=[]),
    } | changes)  # fmt: skip


def sold(problem: Problem) -> FloatArray:
    """Against the forecast, as far as the limits let it."""
    return np.maximum(np.clip([3, -5, 6], problem.lower, problem.upper), -9)


def careless(problem: Problem) -> FloatArray:
    return np.array([3.0, -5.0, 6.0])


def test_the_optimum_in_the_library() -> None:
    assert solve(the_problem(FROZEN)).positions.to_dict() == FREE
    assert solve(the_problem(FROZEN & SAME_SIDE)).positions.to_dict() == KEPT


def test_rebalance(tmp_path: Path) -> None:
    the_problem(Limits()).to_json(tmp_path / "problem.json")
    columns = {"position": WANTED, "weight_per_contract": UNIT, "cost_in_weight_terms": 2e-5}
    pd.DataFrame(columns, NAMES).to_csv(tmp_path / "targets.csv", index_label="instrument")
    series(HELD).rename("position").to_csv(tmp_path / "held.csv", index_label="instrument")
    pd.DataFrame(SIGMA, NAMES, NAMES).to_csv(tmp_path / "covariance.csv")
    targets = (
        "--targets", tmp_path / "targets.csv", "--held", tmp_path / "held.csv", "--covariance",
        tmp_path / "covariance.csv", "--cost-multiplier", 20,
    )  # fmt: skip
    for source in ((tmp_path / "problem.json",), targets):
        for options, expected in (((), FREE), (("--same-side", "all"), KEPT), (("--same-side", "OAT,STOCK"), KEPT)):
            done = run("rebalance", *source, "--no-trade", "BUND", "--buffer-rule", "none", "--json", *options)
            assert done.returncode == 0, done.stderr
            assert read_json(done.stdout)["positions"] == expected


def test_pysystemtrade() -> None:
    assert objective_function().optimise_positions().to_dict() == FREE
    kept = objective_function(limits=SAME_SIDE)
    assert kept.optimise_positions().to_dict() == KEPT
    assert kept.result is not None
    assert kept.result.status.value == "optimal"
    np.testing.assert_allclose(kept.minima_as_np, [1.5, 0.0, 0.0])
    np.testing.assert_allclose(kept.maxima_as_np, [1.5, 999.0, 999.0])
    asked: list[list[str]] = []

    def some(names: list[str]) -> Limits:
        asked.append(names)
        return Limits(same_side=names)

    assert objective_function(limits=some).optimise_positions().to_dict() == KEPT
    assert asked
    assert all(names == NAMES for names in asked)


@pytest.mark.parametrize(
    "further",
    [
        {"optimizer": "greedy"},
        {"optimizer": sold},
        {"optimizer": "greedy", "constraint_function": lambda weights: 10.0 * max(weights["OAT"] + 0.55, 0.0)},
    ],
    ids=["greedy", "function", "constraint function"],
)
def test_pysystemtrade_by_other_ways(further: dict[str, Any]) -> None:
    """What is held is on the wrong side, so that greedy has something to keep to."""
    given = {"previous_positions": series([3, -4, 4]), "constraints": None} | further
    frozen = objective_function(**given | {"constraints": SimpleNamespace(no_trade_keys=["OAT"], reduce_only_keys=[])})
    assert frozen.optimise_positions()["OAT"] == -4
    kept = objective_function(**given, limits=SAME_SIDE).optimise_positions()
    assert (kept * WANTED >= 0).all()
    assert kept["OAT"] >= 0
    near = SimpleNamespace(trade_shadow_cost=20, tracking_error_buffer=9.0)  # within the buffer, and on the wrong side
    inside = objective_function(**given | {"speed_control": near}, limits=SAME_SIDE).optimise_positions()
    assert (inside * WANTED >= 0).all()


def test_pysystemtrade_has_its_own_limits_beside_it() -> None:
    both = objective_function(
        maximum_positions={"STOCK": 5.5, "OAT": 2}, limits=Limits(upper={"STOCK": 9, "OAT": 1}, same_side=["OAT"])
    )
    np.testing.assert_allclose(both.maxima_as_np, [1.5, 0.55, 0.5])
    np.testing.assert_allclose(both.minima_as_np, [1.5, 0.0, -0.5])
    held = objective_function(maximum_positions={"BUND": 1}, constraints=None, limits=FROZEN)
    assert held.optimise_positions()["BUND"] == 3  # no trade, whatever the maximum
    gone = objective_function(contracts_optimal=series([np.nan, 0.3, 4.4]), constraints=None, limits=FROZEN & SAME_SIDE)
    assert gone.keys_with_valid_data == ["OAT", "STOCK"]  # a limit of an instrument without valid data is left out
    assert gone.optimise_positions()["BUND"] == 0
    with pytest.raises(LimitsError, match="same_side of GILT: is not among the instruments"):
        objective_function(limits=Limits(same_side=["GILT"]))
    with pytest.raises(LimitsError, match="limits: expected Limits, or a function"):
        objective_function(limits=["OAT"])
    with pytest.raises(SolverError, match="outside"):
        objective_function(limits=SAME_SIDE, optimizer=careless).optimise_positions()


def test_the_book() -> None:
    day = SimpleNamespace(
        covariance_matrix=SIGMA, unrounded_optimal_position_weights=WANTED * UNIT, weight_per_contract=UNIT,
        previous_position_weights=HELD * UNIT, starting_weights=np.array([3, -3, 0]) * UNIT,
        direction_as_np=np.array([0, 1, 1]),
        cost_in_weight_terms_as_np=np.full(3, 2e-5),
    )  # fmt: skip
    frozen = {"lower": [3, -np.inf, -np.inf], "upper": [3, np.inf, np.inf]}
    for rule, expected in ((False, FREE), (["instrument 1", "instrument 2"], KEPT)):
        algorithm = BookAlgorithm("exact", cost_multiplier=20, limits=Limits(**frozen, same_side=rule))
        assert dict(zip(NAMES, np.round(algorithm(day) / UNIT), strict=True)) == expected
    starts_below = BookAlgorithm("greedy", cost_multiplier=20, limits=Limits(**frozen))
    assert round(starts_below(day)[1] / UNIT[1]) < 0
    for optimizer in ("greedy", sold):
        limits = Limits(same_side=["instrument 1", "instrument 2"])
        found = BookAlgorithm(optimizer, cost_multiplier=20, buffer=0.01, limits=limits)(day)
        assert (found[1:] >= 0).all()
    with pytest.raises(SolverError, match="outside"):
        BookAlgorithm(careless, limits=SAME_SIDE)(day)


def test_the_guide() -> None:
    given = [dict(zip(NAMES, numbers, strict=True)) for numbers in (WANTED, HELD, UNIT)]
    rest = (pd.DataFrame(SIGMA, NAMES, NAMES), dict.fromkeys(NAMES, 2e-5), 20)
    assert run_exact_algorithm(*given, *rest, limits=FROZEN) == FREE
    assert run_exact_algorithm(*given, *rest, limits=FROZEN & SAME_SIDE) == KEPT
    days = pd.date_range("2020-01-01", periods=400, freq="B")
    returns = pd.DataFrame(np.random.default_rng(1).normal(0, 0.01, (400, 3)), days, NAMES)
    about = {"price": 100.0, "volatility": 0.16, "specs": {"multiplier": 100, "sr_cost": 0.001}}
    found = calculate_dynamic_portfolio_positions(
        dict.fromkeys(NAMES, about), 250_000, {"OAT": -9}, dict.fromkeys(NAMES, 1 / 3), returns, use_buffering=False,
        cost_multiplier=1e6, limits=Limits(same_side=["OAT"]),
    )  # fmt: skip
    assert found["positions"] == {"BUND": 0, "OAT": 0, "STOCK": 0}


# Backtests and studies

FUTURES = ["US10", "BUND", "ES_micro", "NQ_micro", "EUR_micro", "GOLD_micro", "GOLD", "CORN", "CRUDE_mini"]
SPAN: dict[str, Any] = {"start": "2017-01-01", "end": "2017-04-30"}


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(3, instruments=FUTURES)


def opposite(run: Backtest, inputs: Inputs) -> int:
    """How many positions that the optimizer wanted are opposite to their targets, of all days."""
    count = 0
    for row in run.portfolios.to_dict("records"):
        targets = inputs.target_positions(row["date"]).optimal_positions
        count += sum(number * targets[name] < 0 for name, number in row["positions"].items())
    return count


def mirrored(problem: Problem) -> FloatArray:
    """On the wrong side wherever that is allowed."""
    return np.clip(-np.round(problem.optimal_positions), problem.lower, problem.upper)


@pytest.mark.parametrize("optimizer", ["exact", "greedy", mirrored], ids=["exact", "greedy", "function"])
def test_backtests(market: Market, optimizer: Any) -> None:
    strategy = BOOK.of(Strategy())
    inputs = Inputs(market, strategy, 500_000)
    common: dict[str, Any] = SPAN | {
        "preset": BOOK,
        "strategy": strategy, "capital": 500_000, "inputs": inputs, "portfolios": True, "optimizer": optimizer,
    }  # fmt: skip
    if optimizer != "greedy":
        assert opposite(backtest(market, one_side=False, **common), inputs) > 0
    kept = backtest(market, limits=SAME_SIDE, **common)
    assert len(kept.rebalances) == 16
    assert kept.failures.empty
    assert opposite(kept, inputs) == 0
    assert kept.settings["limits"] == {"same_side": "True"}


def test_comparisons_measure_against_the_target_positions(market: Market) -> None:
    strategies = {"risk parity": Strategy()}
    runs = run_comparison(
        market, strategies, ["unrounded", "rounded", "exact"], capital=500_000, limits=SAME_SIDE, **SPAN
    )
    free = run_comparison(market, strategies, ["unrounded", "rounded", "exact"], capital=500_000, **SPAN)
    for name, same in (("unrounded", True), ("rounded", True), ("exact", False)):
        one, other = runs["risk parity", name].positions, free["risk parity", name].positions
        assert one.equals(other) == same


def test_the_commands(tmp_path: Path) -> None:
    common = (
        "--instruments", "BUND,US10,ES_micro,NQ_micro,CORN", "--start", "2018-01-01", "--end", "2018-02-28",
        "--same-side", "all", "--out",
    )  # fmt: skip
    for words in (
        ("backtest", "--beside", "unrounded,rounded"),
        ("compare", "--portfolios", "risk-parity", "--optimizers", "rounded,greedy"),
        ("gap",),
    ):
        out = tmp_path / words[0]
        done = run(*words, *common, out)
        assert (done.returncode, done.stderr) == (0, "")
        settings = next(path for path in sorted(out.rglob("settings.json")))
        assert json.loads(settings.read_text())["limits"] == {"same_side": "True"}
        unknown = run(*words, *common[:-3], "--same-side", "CORN,COCOA", "--out", tmp_path / "other")
        assert unknown.returncode == 2
        assert "same_side of COCOA: is not among the instruments" in unknown.stderr


def test_gap_studies(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(500_000,), sizes=(4, 9), paths=("exact",), start="2017-01-01", end="2017-02-28")
    run_gap_study(market, grid, tmp_path / "free")
    free = pd.read_parquet(tmp_path / "free" / "rebalances.parquet")
    assert (free["same_side_objective"] > free["exact_objective"] * 1.001).any()
    for name, limits in (("all", SAME_SIDE), ("named", Limits(same_side=FUTURES))):
        run_gap_study(market, grid, tmp_path / name, limits=limits)
        rows = pd.read_parquet(tmp_path / name / "rebalances.parquet")
        assert len(rows) == len(free)
        np.testing.assert_allclose(rows["same_side_objective"], rows["exact_objective"], rtol=3e-6)
    assert "<dt>limits</dt><dd>same_side True</dd>" in write_report(tmp_path / "all").read_text(encoding="utf-8")
    assert "<dt>limits</dt><dd>none</dd>" in write_report(tmp_path / "free").read_text(encoding="utf-8")
    with pytest.raises(FormatError, match="limits is not set there and"):
        run_gap_study(market, grid, tmp_path / "free", limits=SAME_SIDE)
    with pytest.raises(LimitsError, match="same_side of COCOA: is not among"):
        run_gap_study(market, grid, tmp_path / "none", limits=Limits(same_side=["COCOA"]))
    assert not (tmp_path / "none").exists()
