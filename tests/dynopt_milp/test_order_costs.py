"""Costs of orders beside their contracts: a fee, a least commission, an impact; problems, files, rules, rebalances."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from dynopt_milp import InputError, Limits, OrderCosts, Problem, RulesError, example_problem, rebalance, rules, solve
from dynopt_milp.errors import FormatError
from formulations import FloatArray

NAMES = ["BUND", "ES", "GOLD"]
ORDERS = OrderCosts(
    per_order={"BUND": 1.0, "ES": 0.0, "GOLD": 2.0}, minimum=4.0, commission=1.5, impact=[0.0, 0.5, 2.0]
)
"""Base currency."""


def problem(**changes: object) -> Problem:
    given: dict[str, object] = {
        "capital": 200_000.0, "prices": [130.0, 4000.0, 1800.0], "multipliers": [1000.0, 50.0, 100.0],
        "covariance": np.diag([0.06, 0.16, 0.15]) ** 2 + 0.0004, "optimal_positions": [1.4, -0.7, 0.9],
        "previous_positions": [0, 1, 0], "cost_per_contract": [8.0, 9.0, 12.0], "cost_multiplier": 20.0,
        "instruments": NAMES, "order_costs": ORDERS,
    }  # fmt: skip
    return Problem.from_market(**(given | changes))  # type: ignore[arg-type]


def money(positions: FloatArray, held: FloatArray) -> float:
    """What the trades cost, written out."""
    per_order, impact = {"BUND": 1.0, "ES": 0.0, "GOLD": 2.0}, {"BUND": 0.0, "ES": 0.5, "GOLD": 2.0}
    paid = 0.0
    for name, contract, now, before in zip(NAMES, (8.0, 9.0, 12.0), positions, held, strict=True):
        traded = abs(now - before)
        if traded:
            spread = contract - 1.5
            paid += (
                traded * spread + max(traded * 1.5, 4.0) + per_order[name] + impact[name] * traded * math.sqrt(traded)
            )
    return paid


def test_an_order_costs_its_fee_its_least_commission_and_its_impact() -> None:
    made, held = problem(), np.array([0.0, 1.0, 0.0])
    program = made.program()
    for point in itertools.product(range(-1, 6), repeat=3):
        positions = np.array(point, dtype=float)
        assert made.trading_costs(positions).sum() * 200_000 == pytest.approx(money(positions, held), rel=1e-13)
        assert program.trading_cost(positions) == pytest.approx(20 * money(positions, held) / 200_000, rel=1e-13)


def test_solve_and_rebalance_count_it() -> None:
    made, held = problem(), np.array([0.0, 1.0, 0.0])
    points = np.array(list(itertools.product(range(-3, 5), repeat=3)), dtype=float)
    errors = made.program().tracking_errors(points)
    values = [error + 20 * money(point, held) / 200_000 for error, point in zip(errors, points, strict=True)]
    best = points[int(np.argmin(values))]
    for optimizer in ("exact", "scip", "enumerate", "branch_and_bound"):
        found = solve(made.replace(limits=Limits(lower=-3, upper=4)), optimizer)
        assert found.status.value == "optimal"
        assert found.objective == pytest.approx(min(values), rel=1e-6)
    unlimited = solve(made)
    assert unlimited.positions.tolist() == best.tolist()
    assert unlimited.cost_penalty == pytest.approx(20 * money(best, held) / 200_000, rel=1e-13)
    done = rebalance(made, buffer_rule=None)
    assert done.cost * 200_000 == pytest.approx(money(done.contracts, held), rel=1e-13)
    assert done.costs.sum() == pytest.approx(done.cost)
    free = solve(made.replace(order_costs=None))
    assert free.objective < unlimited.objective


def test_rolls_pay_for_their_orders_too() -> None:
    weekly = 4 / 52
    made = problem(
        holding_cost_per_contract=np.array([8.0, 9.0, 12.0]) * weekly,
        order_costs=OrderCosts(per_order=3.0, minimum=4.0, commission=1.5, rolls=weekly),
    )
    found = solve(made)
    positions = found.positions.to_numpy()
    orders = sum(3 + max(4 - 1.5 * abs(q), 0) for q in positions if q)
    contracts = np.abs(positions) @ np.array([8.0, 9.0, 12.0])
    assert found.holding_penalty == pytest.approx(20 * weekly * (orders + contracts) / 200_000, rel=1e-12)


def test_a_file_keeps_it_to_the_last_bit(tmp_path: Path) -> None:
    made, path = problem(), tmp_path / "P.json"
    made.to_json(path)
    again = Problem.from_json(path)
    assert again.to_dict() == made.to_dict()
    assert sorted(made.to_dict()["order_costs"]) == ["commission", "impact", "minimum", "per_order"]
    assert solve(again).objective == solve(made).objective
    assert "order_costs" not in problem(order_costs=OrderCosts()).to_dict()
    content = json.loads(path.read_text())
    for bad, said in (
        ({"order_costs": [1]}, "order_costs: expected an object"),
        ({"order_costs": {"fee": [1, 1, 1]}}, "order_costs: fee: is not one of per_order, minimum"),
        ({"order_costs": {"minimum": [1, 1]}}, "order_costs: minimum: expected 3 entries"),
        ({"format": "dynopt-milp problem 1"}, "is not a field of 'dynopt-milp problem 1'"),
    ):
        with pytest.raises(FormatError, match=said):
            Problem.from_dict(content | bad)
    with pytest.raises(InputError, match="impact of ES: expected a number that is not negative, at most"):
        Problem.from_dict(content | {"order_costs": {"impact": [0, -1, 0]}})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"order_costs": OrderCosts(per_order=-1)}, "per_order of BUND: expected a number that is not negative"),
        ({"order_costs": OrderCosts(per_order=1e300)}, "per_order of BUND: expected .* at most 1e.15, found 1e"),
        ({"margin_per_contract": 1e300}, "margin of BUND: expected a number that is not negative, at most"),
        ({"order_costs": OrderCosts(minimum={"BUND": 1})}, "minimum of ES: is missing"),
        ({"order_costs": OrderCosts(impact={"X": 1})}, "impact of X: is not among the instruments"),
        ({"order_costs": OrderCosts(minimum=4, commission=10)}, "commission of BUND: expected at most the cost of a"),
        ({"order_costs": OrderCosts(minimum=4, commission=1, rolls=1)}, "give holding_cost, too"),
        ({"order_costs": OrderCosts(per_order=float("nan"))}, "per_order: expected a finite number|finite number"),
        ({"order_costs": {"per_order": 1}}, "order_costs: expected OrderCosts, found dict"),
        ({"previous_positions": [2_000_000, 0, 0]}, "at most 1000000 contracts where orders have a cost"),
        ({"order_costs": OrderCosts(per_order=1e-300)}, "the penalty for an order is positive and below"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        problem(**changes)


def test_a_budget_for_costs_counts_orders() -> None:
    held = np.array([0.0, 1.0, 0.0])
    points = np.array(list(itertools.product(range(-4, 6), repeat=3)), dtype=float)
    paid = np.array([money(point, held) for point in points])
    for budget in (15.0, 28.0, 40.0):
        made = problem(cost_multiplier=0.0, rules=rules.cost(budget / 200_000))
        best = made.program().tracking_errors(points)[paid <= budget * (1 + 1e-12)].min()
        for optimizer in ("exact", "scip"):
            found = solve(made, optimizer)
            assert found.status.value == "optimal"
            assert found.objective == pytest.approx(best, rel=1e-6)
            assert money(found.positions.to_numpy(), held) <= budget * (1 + 1e-12)
        greedy = solve(made, "greedy")
        assert greedy.objective >= best * (1 - 1e-9)
        assert money(greedy.positions.to_numpy(), held) <= budget * (1 + 1e-12)


def test_a_budget_that_admits_too_many_contracts_asks_for_limits() -> None:
    cheap = {"cost_per_contract": 1e-3, "order_costs": OrderCosts(minimum=4, commission=1e-3)}
    with pytest.raises(RulesError, match="cost: budget: the budget admits more contracts than can be listed"):
        problem(**cheap, rules=rules.cost(0.05))
    assert solve(problem(**cheap, rules=rules.cost(0.05), limits=Limits(lower=-5, upper=5))).status.value == "optimal"


def test_the_order_of_instruments_changes_nothing() -> None:
    made = problem()
    other = ["GOLD", "BUND", "ES"]
    places = [NAMES.index(name) for name in other]
    moved = Problem(
        made.covariance[np.ix_(places, places)], made.optimal_positions[places], made.weight_per_contract[places],
        made.previous_positions[places], made.cost_in_weight_terms[places], made.cost_multiplier, instruments=other,
        order_costs=OrderCosts(*(part[places] for part in made.order_costs.arrays())),
    )  # fmt: skip
    assert solve(moved).positions[NAMES].tolist() == solve(made).positions.tolist()
    assert rebalance(moved).fingerprint == rebalance(made.replace(capital=None)).fingerprint


@pytest.mark.parametrize(
    "orders", [OrderCosts(impact=4e-6), OrderCosts(minimum=2e-5, commission=4e-7), OrderCosts(per_order=8e-6), None]
)
def test_a_budget_for_costs_that_conflicts_is_named_with_what_would_do(orders: OrderCosts | None) -> None:
    house = [rules.cost(0.00005), rules.tracking_error(0.03)]
    limits = Limits(lower=-50, upper=50)
    made = example_problem(250_000).replace(order_costs=orders, limits=limits, rules=house)
    found = solve(made)
    assert found.status.value == "infeasible"
    assert found.conflict is not None
    remedy = next(one for one in found.conflict.remedies if one.what == "cost, budget")
    assert remedy.after is not None
    enough = made.replace(rules=[rules.cost(remedy.after), house[1]])
    answer = solve(enough)
    assert answer.status.value == "optimal"
    assert enough.trading_costs(answer.contracts).sum() <= remedy.after * (1 + 1e-9)


def test_greedy_that_cannot_leave_two_sides_has_no_answer() -> None:
    stuck = Problem(
        np.diag([0.01, 0.01]), [-0.9, 1.6], [0.5, 0.5], [-1, 2], 1e-4, instruments=["A", "B"], underlying=["X", "X"],
        limits=Limits(one_side=True, lower=-5, upper=5), rules=rules.max_order(0), order_costs=OrderCosts(impact=1e-4),
    )  # fmt: skip
    assert solve(stuck, "greedy").status.value == "no_solution"
    assert solve(stuck).status.value == "infeasible"
