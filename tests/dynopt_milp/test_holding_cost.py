"""The cost of holding: in the objective, in what is reported, in every formulation."""

from __future__ import annotations

import numpy as np
import pytest

from dynopt_milp import Limits, Problem, example_problem, rebalance, solve
from dynopt_milp.errors import InputError


def few(capital: float) -> Problem:
    """Six futures of the example."""
    whole = example_problem(capital)
    some = list(range(0, 30, 5))
    return Problem(
        whole.covariance[np.ix_(some, some)], whole.optimal_positions[some], whole.weight_per_contract[some],
        whole.previous_positions[some], whole.cost_in_weight_terms[some],
        instruments=[whole.instruments[place] for place in some],
    )  # fmt: skip


def with_holding(rate: float, **changes: object) -> Problem:
    return example_problem(300_000).replace(holding_cost=rate, **changes)


def test_the_objective_is_the_sum_of_its_parts() -> None:
    task = with_holding(3e-5)
    found = solve(task)
    penalty = task.cost_multiplier * float(np.abs(found.positions) @ (3e-5 * task.weight_per_contract))
    assert found.holding_penalty == pytest.approx(penalty, rel=1e-12)
    assert found.holding_penalty > 0
    parts = found.tracking_error + found.cost_penalty + found.holding_penalty
    assert found.objective == pytest.approx(parts, rel=1e-12)
    assert found.to_dict()["holding_penalty"] == found.holding_penalty
    assert found.status.value == "optimal"


def test_a_larger_cost_of_holding_holds_less() -> None:
    gross = [
        float(np.abs(solve(with_holding(rate)).positions) @ with_holding(rate).weight_per_contract)
        for rate in (0.0, 1e-4, 1e-3, 1.0)
    ]
    assert gross == sorted(gross, reverse=True)
    assert gross[0] > gross[1]
    assert gross[-1] == 0


def test_none_is_the_problem_without() -> None:
    task = example_problem(300_000)
    one, two = solve(task), solve(with_holding(0.0))
    assert one.objective == two.objective
    assert one.positions.equals(two.positions)
    assert one.holding_penalty == 0
    assert task.program().holding is None


@pytest.mark.parametrize("formulation", ["penalty", "deadband", "buffer_edge", "integer_hull"])
def test_scip_finds_the_same(formulation: str) -> None:
    task = few(200_000).replace(holding_cost=2e-4)
    one, two = (solve(task, name, formulation=formulation, buffer=0.02) for name in ("exact", "scip"))
    assert one.status.value == two.status.value == "optimal"
    assert one.objective == pytest.approx(two.objective, rel=2e-6)


def test_the_edge_of_the_buffer_counts_it() -> None:
    task = few(500_000)
    held = solve(task).positions
    plain = task.replace(previous_positions=held, optimal_positions=held * 0.9)
    result = rebalance(plain, buffer_rule="edge", buffer_fraction=0.1)
    dear = rebalance(plain.replace(holding_cost=1.0), buffer_rule="edge", buffer_fraction=0.1)
    assert dear.positions.abs().sum() < result.positions.abs().sum()


def test_what_is_no_cost_is_refused() -> None:
    names = few(200_000).instruments
    with pytest.raises(
        InputError, match=rf"holding_cost of {names[1]}: expected a cost that is not negative, found -1"
    ):
        few(200_000).replace(holding_cost={names[1]: -1.0} | dict.fromkeys([names[0], *names[2:]], 0.0))
    with pytest.raises(InputError, match="holding_cost"):
        few(200_000).replace(holding_cost=np.nan)
    with pytest.raises(InputError, match="penalty for holding a contract"):
        few(200_000).replace(holding_cost=1e200)


def test_from_a_market_it_is_in_money() -> None:
    covariance = np.diag([0.04, 0.01])
    made = Problem.from_market(
        capital=100_000.0, prices=[50.0, 100.0], multipliers=[100.0, 1000.0], covariance=covariance,
        optimal_positions=[2.2, 0.7], holding_cost_per_contract=[1.0, 4.0], cost_per_contract=2.0,
        limits=Limits(), instruments=["A", "B"],
    )  # fmt: skip
    assert made.holding_cost * made.weight_per_contract * 100_000.0 == pytest.approx([1.0, 4.0])
