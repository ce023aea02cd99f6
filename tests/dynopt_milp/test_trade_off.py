"""The frontier of tracking error against cost: against enumeration, and against solves at many cost multipliers."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from dynopt_milp import Limits, Problem, Strategy, example_problem, problem_of_day, rules, simulated_market, solve
from dynopt_milp.data.contracts import contracts
from dynopt_milp.errors import InputError, UnboundedError
from dynopt_milp.problem import OrderCosts
from dynopt_milp.problem.solution import NoPortfolioError
from dynopt_milp.why import frontier
from dynopt_milp.why.frontier import FORMAT, TradeOff, trade_off
from tests.conftest import SHARED
from tests.dynopt_milp.test_rules_exact import Drawn
from tests.random_programs import problems, shuffle

EQUAL = 1e-8
"""Relative; ties of enumeration and of the frontier are decided to 1e-9."""


def enumerated(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Tracking errors and costs, by numpy, of all portfolios of a small box that are allowed."""
    program = problem.replace(cost_multiplier=1.0).program()
    ranges = [np.arange(low, high + 1) for low, high in zip(problem.lower, problem.upper, strict=True)]
    points = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, program.size)
    kept = program.keeps_rules(points) & program.one_sided(points)
    points = points[kept & np.isfinite(program.separable_costs(points))]
    away = (points - problem.optimal_positions) * problem.weight_per_contract
    squares = np.maximum(np.einsum("ij,jk,ik->i", away, problem.covariance, away), 0.0)
    traded = np.abs(points - problem.previous_positions)
    costs = traded @ (problem.cost_in_weight_terms * problem.weight_per_contract)
    costs = costs + np.abs(points) @ (problem.holding_cost * problem.weight_per_contract)
    if problem.order_costs is not None:
        costs = costs + np.array([problem.order_costs.of_orders(row).sum() for row in traded])
        rolls = np.asarray(problem.order_costs.rolls)
        costs = costs + np.array([problem.order_costs.of_orders(row) @ rolls for row in np.abs(points)])
    return np.sqrt(squares), costs


def pareto(errors: np.ndarray, costs: np.ndarray, unit: float) -> list[tuple[float, float]]:
    """(T, C) that no other is as close and as cheap as, from the cheapest on; of equal ones the first."""
    kept: list[tuple[float, float]] = []
    for place in np.lexsort((errors, costs)):
        error, cost = errors[place], costs[place]
        if kept and error >= kept[-1][0] - EQUAL * unit:
            continue
        if kept and cost <= kept[-1][1] * (1 + EQUAL):
            kept.pop()
        kept.append((error, cost))
    return kept


def agree(found: TradeOff, errors: np.ndarray, costs: np.ndarray) -> None:
    """Every claim of the frontier, held against all portfolios."""
    points, unit = found.points, float(errors.max()) or 1.0
    program = found.problem.replace(cost_multiplier=1.0).program()
    assert found.finished
    for (_, row), positions in zip(points.iterrows(), found.contracts, strict=True):
        assert program.contains(positions)
        assert row.tracking_error == pytest.approx(program.tracking_error(positions), rel=EQUAL, abs=EQUAL * unit)
        assert row.cost == pytest.approx(program.separable_cost(positions), rel=1e-12, abs=1e-300)
    tiles(found)
    supported = points[points.supported]
    for row in supported.itertuples():
        top = row.lambda_to if np.isfinite(row.lambda_to) else 10 * row.lambda_from + 1.0
        for multiplier in (row.lambda_from, top, (row.lambda_from + top) / 2):
            least = (errors + multiplier * costs).min()
            assert row.tracking_error + multiplier * row.cost <= least * (1 + EQUAL) + EQUAL * unit
    cheapest = costs.min()
    assert points.cost.iloc[0] == pytest.approx(cheapest, rel=EQUAL)
    assert points.tracking_error.iloc[-1] == pytest.approx(errors.min(), rel=EQUAL, abs=EQUAL * unit)
    near = errors[costs <= cheapest * (1 + 1e-12)].min()
    assert points.tracking_error.iloc[0] == pytest.approx(near, rel=EQUAL, abs=EQUAL * unit)
    least = (errors + found.problem.cost_multiplier * costs).min()
    today = points.loc[found.today]
    value = today.tracking_error + found.problem.cost_multiplier * today.cost
    assert value == pytest.approx(least, rel=EQUAL, abs=EQUAL * unit)


def tiles(found: TradeOff) -> None:
    """Intervals cover [0, ∞) without overlap; costs rise and tracking errors fall."""
    points = found.points
    wide = points[points.supported & (points.lambda_from < points.lambda_to)]
    assert wide.lambda_from.iloc[-1] == 0
    assert wide.lambda_to.iloc[0] == np.inf
    assert wide.lambda_from.tolist()[:-1] == wide.lambda_to.tolist()[1:]
    assert (np.diff(points.cost) > 0).all()
    assert (np.diff(points.tracking_error) < 0).all()
    assert points.lambda_from.isna().tolist() == (~points.supported).tolist()


def all_agree(problem: Problem) -> None:
    errors, costs = enumerated(problem)
    agree(trade_off(problem), errors, costs)
    found = trade_off(problem, complete=True)
    agree(found, errors, costs)
    known = pareto(errors, costs, float(errors.max()) or 1.0)
    assert len(found.points) == len(known)
    unit = float(errors.max()) or 1.0
    assert found.points.tracking_error.to_numpy() == pytest.approx([t for t, _ in known], rel=EQUAL, abs=EQUAL * unit)
    assert found.points.cost.to_numpy() == pytest.approx([c for _, c in known], rel=EQUAL, abs=1e-300)
    assert found.complete == found.points.proved.all()


def sized(size: int, seed: int, **changes: Any) -> Problem:
    """Some instruments in a box of seven positions each."""
    random = np.random.default_rng(seed)
    returns = random.normal(size=(size + 1, size)) * 0.1
    put: dict[str, Any] = {
        "covariance": returns.T @ returns,
        "optimal_positions": random.normal(size=size) * 1.8,
        "weight_per_contract": random.uniform(0.1, 0.5, size),
        "previous_positions": random.integers(-2, 3, size),
        "cost_in_weight_terms": random.uniform(0.0005, 0.003, size),
        "cost_multiplier": 10.0,
        "limits": Limits(lower=-3, upper=3),
        "instruments": tuple("DBCAE"[:size]),
    }
    return Problem(**(put | changes))


@given(problems())
@settings(max_examples=40)
def test_small_frontiers_are_those_of_enumeration(problem: Problem) -> None:
    all_agree(problem)


ORDERS = OrderCosts(per_order=0.0005, minimum=0.0004, commission=0.00003)
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "holding cost": {"holding_cost": 0.001},
    "dear to hold": {"holding_cost": 0.01},
    "orders": {"order_costs": OrderCosts(per_order=0.0005)},
    "orders with a minimum": {"order_costs": ORDERS},
    "impact": {"order_costs": OrderCosts(impact=0.0004)},
    "some trades are free": {"cost_in_weight_terms": {"A": 0.0, "B": 0.001, "C": 0.0, "D": 0.002}},
    "held outside limits": {"previous_positions": [5, -4, 0, 1]},
    "no zero": {"limits": Limits(lower=1, upper=4)},
    "whole targets": {"optimal_positions": [1, -2, 3, 0]},
    "held is wanted": {"optimal_positions": [1, -2, 3, 0], "previous_positions": [1, -2, 3, 0]},
    "one side": {"limits": Limits(lower=-3, upper=3, one_side=True), "underlying": list("XXYY")},
    "few holdings": {"rules": [rules.max_holdings(2)]},
    "few orders": {"rules": [rules.max_orders(2)]},
    "a group": {"rules": [rules.group(["A", "B"], lower=0.2, upper=0.5)]},
    "risk": {"rules": [rules.risk(0.08)]},
    "no small orders": {"rules": [rules.min_order(2)], "holding_cost": 0.002},
    "lots": {"rules": [rules.lot(2), rules.max_holdings(3)]},
    "a budget": {"rules": [rules.cost(0.002)]},
    "everything": {
        "rules": [rules.max_holdings(3), rules.risk(0.12), rules.net(-0.5, 0.5)], "holding_cost": 0.0005,
        "order_costs": OrderCosts(per_order=0.0002), "limits": Limits(lower=-3, upper=3, one_side=True),
        "underlying": list("XXYZ"),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_costs_limits_and_rules_of_every_kind(name: str) -> None:
    problem = sized(4, 7, **CASES[name])
    all_agree(problem)
    found = trade_off(problem, complete=True)
    assert found.complete
    held = problem.previous_positions
    if not problem.program().contains(held):
        assert found.held is None
    else:
        assert found.held is not None
        program = problem.replace(cost_multiplier=1.0).program()
        assert found.held == pytest.approx((program.tracking_error(held), program.separable_cost(held)))


def test_random_rules_where_they_leave_a_portfolio() -> None:
    random, some = np.random.default_rng(5), 0
    for _ in range(25):
        drawn = Drawn.of(random)
        used = abs(drawn.one) @ drawn.problem.weight_per_contract
        names, _ = drawn.some()
        put = [rules.gross(float(used)), rules.max_orders(int(random.integers(0, 3))), rules.group(names, lower=-0.1)]
        problem = drawn.problem.replace(rules=[put[place] for place in random.permutation(3)[:2]])
        if not len(enumerated(problem)[0]):
            with pytest.raises(NoPortfolioError):
                trade_off(problem)
        else:
            some += 1
            all_agree(problem)
    assert some > 10


def test_identical_instruments_and_ties() -> None:
    twins = np.array([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]]) * 0.04
    for costs in (0.001, 0.0, [0.001, 0.001, 0.0], [0.001, 0.002, 0.001]):
        all_agree(sized(3, 3, covariance=twins, cost_in_weight_terms=costs, weight_per_contract=0.25))
    square = np.eye(3) * 0.04  # half-way between contracts: every rounding is as good
    all_agree(sized(3, 1, covariance=square, optimal_positions=[0.5, -1.5, 2.5], weight_per_contract=0.25))
    points = trade_off(sized(3, 1, covariance=square, optimal_positions=[2, 2, 2], weight_per_contract=0.25,
                             previous_positions=0, cost_in_weight_terms=0.001), complete=True).points  # fmt: skip
    assert points.supported.sum() >= 2
    assert not points.supported.all()  # a norm of equal steps falls slowly at first: corners lie below


def test_without_costs_there_is_one_point() -> None:
    problem = sized(4, 2, cost_in_weight_terms=0.0)
    for complete in (False, True):
        found = trade_off(problem, complete=complete)
        row = found.points.iloc[0]
        assert len(found.points) == 1
        assert (row.cost, row.lambda_from, row.lambda_to, row.proved) == (0.0, 0.0, np.inf, True)
        assert found.complete is complete
    assert row.tracking_error == pytest.approx(solve(problem).objective)


def test_costs_too_small_for_any_multiplier_are_not_proved_to_be_weighed() -> None:
    problem = sized(4, 7)
    small = problem.replace(cost_in_weight_terms=problem.cost_in_weight_terms * 1e-13)
    found = trade_off(small)
    tiles(found)
    assert found.finished
    assert found.points.proved.iloc[-1] == (found.points.lambda_to.iloc[-1] <= 1e9)
    assert not found.points.proved.iloc[0]
    whole = trade_off(small, complete=True).points
    assert whole.cost.to_numpy() == pytest.approx(trade_off(problem, complete=True).points.cost * 1e-13)


def test_what_costs_nothing_to_hold_outside_limits_has_no_held_portfolio() -> None:
    found = trade_off(sized(4, 7, previous_positions=[5, 0, 0, 0]))
    assert found.held is None
    assert found.points.cost.iloc[0] > 0


def test_unlimited_positions_without_risk() -> None:
    riskless = np.diag([0.04, 0.0, 0.01])
    problem = Problem(riskless, [1.3, 2.0, -0.7], 0.3, [0, 1, 0], 0.001, 1.0, instruments=list("ABC"))
    found = trade_off(problem)
    assert (found.positions["B"] == 1).all()
    singular = np.random.default_rng(0).normal(size=(3, 5)) * 0.1
    free = Problem(singular.T @ singular, [1.3, 2.0, -0.7, 3.1, 1.8], 0.3, 0, 0.001, 1.0, instruments=list("ABCDE"))
    with pytest.raises(UnboundedError):
        trade_off(free)
    assert solve(free).contracts is not None


def test_unlimited_positions_with_rules_and_free_trades() -> None:
    problem = sized(3, 4, limits=None, cost_in_weight_terms=[0.0, 0.001, 0.002], rules=[rules.net(0.3, 0.5)])
    found, boxed = trade_off(problem), trade_off(problem.replace(limits=Limits(lower=-9, upper=9)))
    tiles(found)
    assert found.points.cost.tolist() == boxed.points.cost.tolist()
    assert found.points.tracking_error.tolist() == boxed.points.tracking_error.tolist()


REAL = {
    "example": lambda: example_problem(),
    "large": lambda: example_problem(1_000_000.0, seed=2),
    "held with costs": lambda: example_problem(50_000.0, seed=4).replace(holding_cost=0.0002),
    "simulated": lambda: problem_of_day(
        simulated_market(instruments=contracts().index[:32:2], start="2012-01-01", end="2015-06-01"),
        Strategy(), 250_000.0,
    ),
    "ruled": lambda: example_problem(100_000.0).replace(rules=[rules.max_holdings(6), rules.risk(0.15)]),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_sweep_of_multipliers_finds_the_same(name: str) -> None:
    problem = REAL[name]()
    found = trade_off(problem)
    assert found.points.proved.all()
    assert found.finished
    assert not found.complete
    tiles(found)
    points = found.points
    for multiplier in [0.0, *np.geomspace(0.1, 3000, 40), problem.cost_multiplier]:
        row = points[(points.lambda_from <= multiplier) & (multiplier <= points.lambda_to)].iloc[0]
        solution = solve(problem.replace(cost_multiplier=multiplier))
        assert row.tracking_error + multiplier * row.cost == pytest.approx(solution.objective, rel=1e-9)
    assert solution.objective == pytest.approx(
        points.tracking_error[found.today] + problem.cost_multiplier * points.cost[found.today], rel=1e-9
    )


@pytest.mark.parametrize("name", ["all_2019-08-13_50k_lam10", "single_2012-06-26_250k_lam50"])
def test_real_futures(name: str, instances: Any) -> None:
    problem = Problem.from_json(SHARED / "instances" / f"{name}.json")
    found = trade_off(problem)
    tiles(found)
    points = found.points
    assert points.gap.max() < 1e-7  # several sizes of a contract: float64 proves no more where costs hardly count
    assert points.proved[:-1].all()
    assert trade_off(problem, gap=1e-6).points.proved.all()
    for low, high in points.loc[: len(points) - 2, ["lambda_from", "lambda_to"]].to_numpy():
        middle = np.sqrt(low * high) if np.isfinite(high) else 2 * low
        row = points[(points.lambda_from <= middle) & (middle <= points.lambda_to)].iloc[0]
        solution = solve(problem.replace(cost_multiplier=middle))
        assert row.tracking_error + middle * row.cost == pytest.approx(solution.objective, rel=1e-9)


def test_the_order_of_instruments_does_not_matter() -> None:
    for problem, complete in ((sized(5, 11), True), (example_problem(100_000.0), False)):
        one = trade_off(problem, complete=complete)
        other = trade_off(shuffle(problem, 3), complete=complete)
        pd.testing.assert_frame_equal(one.points, other.points, check_exact=True)
        pd.testing.assert_frame_equal(one.positions, other.positions[list(problem.instruments)])
        assert (one.today, one.solves, one.held) == (other.today, other.solves, other.held)


def test_corners_are_where_neighbours_are_equal() -> None:
    found = trade_off(example_problem())
    for (_, cheap), (_, close) in pairwise(found.points.iterrows()):
        multiplier = cheap.lambda_from
        assert cheap.tracking_error + multiplier * cheap.cost == pytest.approx(
            close.tracking_error + multiplier * close.cost, rel=1e-12
        )


@pytest.mark.parametrize("seconds", [0, 1e-6, 0.005, 0.02])
def test_time_that_does_not_suffice(seconds: float) -> None:
    for complete in (False, True):
        found = trade_off(example_problem(1_000_000.0), complete=complete, time_limit=seconds)
        assert not found.finished
        assert not found.complete
        assert not found.points.proved.all()
        assert found.seconds < seconds + 2
        tiles(found)
        json.dumps(found.to_dict(), allow_nan=False)
    none = sized(4, 7, rules=[rules.net(0.1, 0.1001)])
    with pytest.raises(NoPortfolioError):
        trade_off(none, time_limit=seconds)


def test_claims_of_an_unfinished_frontier_are_true() -> None:
    problem = example_problem(1_000_000.0)
    whole = trade_off(problem)
    for seconds in (0.03, 0.1, 0.3):
        points = trade_off(problem, time_limit=seconds).points
        for row in points[points.proved].itertuples():
            multiplier = row.lambda_from
            at = whole.points[(whole.points.lambda_from <= multiplier) & (multiplier <= whole.points.lambda_to)].iloc[0]
            value = at.tracking_error + multiplier * at.cost
            assert row.tracking_error + multiplier * row.cost == pytest.approx(value, rel=1e-8)


def test_a_complete_frontier_is_cut_off_where_asked() -> None:
    problem = sized(5, 11)
    whole, supported = trade_off(problem, complete=True), trade_off(problem)
    assert whole.complete
    assert len(whole.points) > len(supported.points) + 3
    cut = trade_off(problem, complete=True, most=len(supported.points) + 2)
    assert len(cut.points) == len(supported.points) + 2
    assert not cut.complete
    assert cut.finished
    wide = cut.points[cut.points.supported]
    assert wide.tracking_error.tolist() == supported.points.tracking_error.tolist()
    assert not cut.points.proved.all()  # of the last one nobody has looked whether one is closer at no more cost
    assert len(trade_off(problem, complete=True, most=1).points) == len(supported.points)


def test_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    problem = sized(5, 11)
    found = trade_off(problem, complete=True, show_progress=True)
    assert capsys.readouterr().out == ""
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["format"] == FORMAT == "dynopt-milp trade-off 1"
    assert content["points"][0]["lambda_to"] is None
    assert [row["contracts"] for row in content["points"]] == found.contracts.tolist()
    assert content["held"]["cost"] == 0
    assert found.positions.columns.tolist() == list(problem.instruments)
    assert not found.contracts.flags.writeable
    assert repr(found).startswith(f"<TradeOff of {len(found.points)} portfolios, ")
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert not again.contracts.flags.writeable
        pd.testing.assert_frame_equal(again.points, found.points)
    none = trade_off(sized(4, 7, previous_positions=[5, 0, 0, 0])).to_dict()
    assert none["held"] is None


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("complete", {"complete": 1}),
        ("gap", {"gap": -1.0}),
        ("gap", {"gap": np.nan}),
        ("time_limit", {"time_limit": -1}),
        ("most", {"most": 0}),
        ("most", {"most": 2.5}),
        ("show_progress", {"show_progress": "yes"}),
    ],
)
def test_bad_arguments(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        trade_off(sized(3, 1), **arguments)
    assert error.value.field == field


def test_what_is_no_problem_is_refused() -> None:
    with pytest.raises(InputError) as error:
        trade_off("problem")  # type: ignore[arg-type]
    assert error.value.field == "problem"


def test_importing_it_compiles_nothing() -> None:
    code = (
        "import importlib.util as u, sys\n"
        "spec = u.spec_from_file_location('alone', sys.argv[1])\n"  # without the rest of its wing
        "sys.modules['alone'] = module = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print({'numba', 'cvxpy', 'pyscipopt'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(frontier.__file__)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()"]


def test_sizes_with_a_rule_have_a_frontier_whose_closest_end_is_not_proved() -> None:
    covariance = np.eye(3) * 0.04
    covariance[0, 1] = covariance[1, 0] = 0.04
    problem = Problem(
        covariance, [2.5, 0.1, -1.7], [0.1, 0.01, 0.05], 0, 1e-4, 50.0, Limits(one_side=True), list("ABC"),
        underlying=["x", "x", "z"], rules=[rules.max_orders(1)],
    )  # fmt: skip
    found = trade_off(problem)
    assert not found.points["proved"].iloc[-1]
    assert found.points["proved"].iloc[0]
    best = solve(problem)
    assert found.contracts[found.today].tolist() == best.positions.tolist()
