"""Solve, then the buffer."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynopt_milp import Limits, NoPortfolioError, Problem, Status, rebalance, solve
from dynopt_milp.trades.examples import example_problem
from tests.random_programs import problems

RULES = ["book", "edge", "deadband", None]


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=40)
@given(data=st.data())
def test_no_rule_ever_breaks_a_limit(rule: str | None, data: st.DataObject) -> None:
    problem = data.draw(problems())
    result = rebalance(problem, "scip", buffer_rule=rule, buffer_fraction=data.draw(st.sampled_from([0.0, 0.3, 2.0])))
    positions = result.positions.to_numpy()
    assert (positions >= problem.lower).all()
    assert (positions <= problem.upper).all()
    assert (problem.previous_positions + result.trades.to_numpy() == positions).all()


@settings(max_examples=40)
@given(problem=problems(), fraction=st.sampled_from([0.05, 0.5, 2.0]))
def test_the_edge_costs_no_more_than_any_trade_into_the_buffer(problem: Problem, fraction: float) -> None:
    result = rebalance(problem, "scip", buffer_rule="edge", buffer_fraction=fraction)
    best = result.optimised.positions.to_numpy()
    grid = np.stack(
        np.meshgrid(*[np.arange(low, high + 1) for low, high in zip(problem.lower, problem.upper, strict=True)]), -1
    ).reshape(-1, len(best))
    around = replace(problem.program(), target=best)
    inside = grid[around.tracking_errors(grid) <= result.buffer]
    unit = problem.cost_in_weight_terms * problem.weight_per_contract
    cheapest = (np.abs(inside - problem.previous_positions) @ unit).min()
    assert around.tracking_error(result.positions.to_numpy()) <= result.buffer * (1 + 1e-9)
    assert result.cost == pytest.approx(cheapest, rel=1e-6, abs=1e-12)


def test_the_books_rule_trades_the_rounded_share_of_the_way() -> None:
    problem = example_problem(1_000_000)
    result = rebalance(problem)
    best = solve(problem).positions.to_numpy()
    held = problem.previous_positions
    residual = (best - held) * problem.weight_per_contract
    distance = float(np.sqrt(residual @ problem.covariance @ residual))
    alpha = max((distance - 0.05 * 0.2) / distance, 0)
    assert result.distance == pytest.approx(distance, rel=1e-9)
    assert result.adjustment_factor == pytest.approx(alpha, rel=1e-9)
    assert result.trades.to_numpy().tolist() == np.round(alpha * (best - held)).astype(int).tolist()


@pytest.mark.parametrize("rule", ["book", "edge"])
def test_inside_the_buffer_nothing_trades(rule: str) -> None:
    problem = example_problem(250_000)
    held = solve(problem).positions
    result = rebalance(problem.replace(previous_positions=held), buffer_rule=rule)
    assert result.distance < result.buffer
    assert not result.trades.any()


def test_the_deadband_does_not_trade_while_the_target_is_near() -> None:
    problem = example_problem(250_000)
    held = solve(problem).positions
    near = problem.replace(previous_positions=held)
    wide = near.program().tracking_error(held.to_numpy()) * 1.01
    result = rebalance(near, buffer_rule="deadband", buffer_fraction=wide, risk_target=1.0)
    assert not result.trades.any()
    assert result.optimised.objective == 0
    assert result.status is Status.OPTIMAL


def test_without_a_rule_or_a_buffer_it_trades_to_the_optimum() -> None:
    problem = example_problem(50_000)
    best = solve(problem).positions
    assert rebalance(problem, buffer_rule=None).positions.equals(best)
    assert rebalance(problem, buffer_rule="edge", buffer_fraction=0).positions.equals(best)


@pytest.mark.parametrize("rule", RULES)
def test_a_position_held_outside_its_limits_is_brought_inside(rule: str | None) -> None:
    problem = example_problem(250_000)
    name = problem.instruments[int(np.argmax(np.abs(problem.optimal_positions)))]
    outside = problem.labelled(problem.previous_positions)
    outside[name] = 9
    limited = problem.replace(previous_positions=outside, limits=Limits(upper={name: 2}))
    result = rebalance(limited, buffer_rule=rule, buffer_fraction=50)
    assert result.positions[name] <= 2


@pytest.mark.parametrize("rule", RULES)
def test_user_constraints_hold_after_the_buffer(rule: str | None) -> None:
    problem = example_problem(250_000)
    unit = problem.weight_per_contract

    def budget(positions: cp.Expression) -> list[cp.Constraint]:
        return [unit @ cp.abs(positions) <= 1.5]

    held = problem.labelled(np.sign(problem.optimal_positions))
    result = rebalance(
        problem.replace(previous_positions=held), "scip", buffer_rule=rule, constraints=budget, buffer_fraction=2
    )
    assert unit @ np.abs(result.positions.to_numpy()) <= 1.5 * (1 + 1e-8)


def test_constraints_that_leave_nothing_are_infeasible_and_a_rebalance_says_so() -> None:
    problem = example_problem(50_000)

    def impossible(positions: cp.Expression) -> list[cp.Constraint]:
        return [positions[0] + positions[1] >= 1, positions[0] + positions[1] <= 0]

    solution = solve(problem, "scip", constraints=impossible)
    assert solution.status is Status.INFEASIBLE
    assert solution.to_dict()["objective"] is None
    with pytest.raises(NoPortfolioError, match="infeasible"):
        solution.positions  # noqa: B018
    with pytest.raises(NoPortfolioError):
        rebalance(problem, "scip", constraints=impossible)


TWO_SIZES = ("SP500", "SP500_micro", "US10")


def two_sizes(limits: Limits) -> Problem:
    """Held against each other, which costs much to undo and nothing to keep."""
    volatility = np.array([0.18, 0.18, 0.06])
    correlation = np.array([[1, 1, -0.2], [1, 1, -0.2], [-0.2, -0.2, 1]])
    return Problem(
        correlation * np.outer(volatility, volatility), [0.3, 3.4, 2.6], [1.0, 0.1, 0.45], [-2, 27, 3], 2e-4, 50.0,
        limits, TWO_SIZES, underlying={"SP500": "S&P 500", "SP500_micro": "S&P 500"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "limits",
    [
        Limits(same_side=True), Limits(close=["SP500"]), Limits(upper={"SP500_micro": 10}), Limits(lower={"SP500": 0}),
        Limits(same_side=True, one_side=True), Limits(one_side=True), Limits(reduce_only=True, lower={"SP500": -1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["book", "edge", None])
def test_what_a_limit_takes_away_is_not_left_without_what_offset_it(limits: Limits, rule: str | None) -> None:
    problem = two_sizes(limits)
    result = rebalance(problem, buffer_rule=rule)
    program, best = problem.program(), result.optimised.contracts
    assert program.contains(result.contracts)
    assert program.distance(result.contracts, best) <= result.buffer + program.distance([0, 1, 0], [0, 0, 0])
    if rule == "book":
        near = np.clip(problem.previous_positions, problem.lower, problem.upper)
        if not program.opposite(near):
            assert result.distance == program.distance(near, best)


@settings(max_examples=60)
@given(problem=problems(), fraction=st.sampled_from([0.0, 0.05, 0.5]), seed=st.integers(0, 99))
def test_the_books_rule_goes_on_from_what_limits_leave(problem: Problem, fraction: float, seed: int) -> None:
    anywhere = np.random.default_rng(seed).integers(-9, 10, size=len(problem.instruments))
    problem = problem.replace(previous_positions=anywhere, limits=Limits(lower=problem.lower, upper=problem.upper))
    result = rebalance(problem, "scip", buffer_fraction=fraction)
    near, best = np.clip(anywhere, problem.lower, problem.upper), result.optimised.contracts
    distance = problem.program().distance(near, best)
    assert result.distance == pytest.approx(distance, rel=1e-12)
    alpha = max((distance - result.buffer) / distance, 0) if distance > 0 else 0.0
    assert result.contracts.tolist() == (near + np.rint(alpha * (best - near))).astype(int).tolist()
