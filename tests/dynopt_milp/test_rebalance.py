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
