"""From what a user has to the program, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import InputError, Problem, Status, solve
from dynopt_milp.errors import CovarianceError
from dynopt_milp.trades.examples import EXAMPLE_CAPITALS, EXAMPLE_CONTRACTS, example_problem


def test_the_program_prices_the_objective_of_the_design() -> None:
    problem = example_problem()
    positions = np.random.default_rng(0).integers(-3, 4, len(problem.instruments))
    error = (problem.optimal_positions - positions) * problem.weight_per_contract
    traded = np.abs(positions - problem.previous_positions) * problem.weight_per_contract
    expected = np.sqrt(error @ problem.covariance @ error) + 50 * problem.cost_in_weight_terms @ traded
    assert problem.program().objective(positions) == pytest.approx(expected, rel=1e-12)


def test_from_market_does_the_arithmetic_of_the_book() -> None:
    problem = Problem.from_market(
        capital=500_000,
        prices={"A": 100.0, "B": 4000.0},
        multipliers={"A": 1000, "B": 50},
        fx={"A": 1.1, "B": 1.0},
        cost_per_contract={"A": 11.0, "B": 5.0},
        covariance=pd.DataFrame([[0.01, 0], [0, 0.04]], index=["A", "B"], columns=["A", "B"]),
        optimal_positions={"B": 1.5, "A": 2.5},
    )
    assert problem.weight_per_contract.tolist() == pytest.approx([0.22, 0.4])
    assert problem.cost_in_weight_terms.tolist() == pytest.approx([11 / 500_000 / 0.22, 5 / 500_000 / 0.4])
    assert problem.optimal_positions.tolist() == [2.5, 1.5]


MADE_FROM: dict[str, Any] = {
    "capital": 300_000.0,
    "prices": {"CRUDE": 17.3, "GOLD": 1711.1, "BUND": 172.7},
    "multipliers": {"CRUDE": 500, "GOLD": 10, "BUND": 1000},
    "fx": {"CRUDE": 1.0, "GOLD": 1.0, "BUND": 1.09},
    "cost_per_contract": {"CRUDE": 7.7, "GOLD": 3.3, "BUND": 12.1},
    "optimal_positions": {"CRUDE": -2.4, "GOLD": 3.7, "BUND": 1.6},
    "previous_positions": {"CRUDE": 1, "GOLD": 2, "BUND": 0},
}
POINTS = pd.Series({"CRUDE": 19.0, "GOLD": 310.0, "BUND": 9.5})  # standard deviation of a year's price changes


def in_units_of(reference: dict[str, float]) -> pd.DataFrame:
    """The covariance of price changes as shares of these prices."""
    volatility = POINTS / pd.Series(reference)
    correlation = np.array([[1.0, 0.2, -0.3], [0.2, 1.0, 0.25], [-0.3, 0.25, 1.0]])
    return pd.DataFrame(correlation * np.outer(volatility, volatility), POINTS.index, POINTS.index)


def test_without_a_reference_price_the_price_counts_to_the_last_bit() -> None:
    prices = MADE_FROM["prices"]
    plain = Problem.from_market(**MADE_FROM, covariance=in_units_of(prices))
    columns = pd.DataFrame(MADE_FROM)
    assert plain.weight_per_contract.tolist() == (
        columns["multipliers"] * columns["prices"] * columns["fx"] / columns["capital"]
    ).tolist()  # fmt: skip
    same: list[Any] = [None, {}, pd.Series(dtype=float), {"GOLD": 1711.1}, pd.Series(prices), list(prices.values())]
    for reference in same:
        found = Problem.from_market(**MADE_FROM, covariance=in_units_of(prices), reference_prices=reference)
        for field in ("weight_per_contract", "cost_in_weight_terms", "covariance"):
            assert getattr(found, field).tobytes() == getattr(plain, field).tobytes()


@pytest.mark.parametrize("price", [-37.63, 0.0])
def test_a_price_that_is_not_positive_counts_by_its_reference_price(price: float) -> None:
    reference = MADE_FROM["prices"] | {"CRUDE": 5.5}
    covariance = in_units_of(reference)
    prices = MADE_FROM["prices"] | {"CRUDE": price}
    found = Problem.from_market(
        **MADE_FROM | {"prices": prices}, covariance=covariance, reference_prices={"CRUDE": 5.5}
    )  # fmt: skip
    weight = {"CRUDE": 500 * 5.5 / 300_000, "GOLD": 10 * 1711.1 / 300_000, "BUND": 1000 * 172.7 * 1.09 / 300_000}
    by_hand = Problem(
        covariance=covariance,
        optimal_positions=MADE_FROM["optimal_positions"],
        weight_per_contract=weight,
        previous_positions=MADE_FROM["previous_positions"],
        cost_in_weight_terms={
            name: cost / 300_000 / weight[name] for name, cost in MADE_FROM["cost_per_contract"].items()
        },
    )
    assert found.weight_per_contract.tolist() == by_hand.weight_per_contract.tolist()
    assert found.cost_in_weight_terms.tolist() == by_hand.cost_in_weight_terms.tolist()
    solution, expected = solve(found), solve(by_hand)
    assert solution.status is Status.OPTIMAL
    assert solution.positions.to_dict() == expected.positions.to_dict()
    assert solution.objective == expected.objective
    # In money: what a trade costs does not depend on the reference price.
    paid = found.cost_in_weight_terms * found.weight_per_contract * 300_000
    assert paid.tolist() == pytest.approx([7.7, 3.3, 12.1], rel=1e-14)


def test_the_answer_does_not_depend_on_the_reference_price_if_the_covariance_is_in_its_unit() -> None:
    prices = MADE_FROM["prices"]
    expected = solve(Problem.from_market(**MADE_FROM, covariance=in_units_of(prices)))
    for share in (0.25, 0.9, 30.0):
        reference = prices | {"CRUDE": share * prices["CRUDE"], "BUND": prices["BUND"] / share}
        found = Problem.from_market(**MADE_FROM, covariance=in_units_of(reference), reference_prices=reference)
        assert found.weight_per_contract[0] == pytest.approx(share * 500 * prices["CRUDE"] / 300_000)
        solution = solve(found)
        assert solution.positions.to_dict() == expected.positions.to_dict()
        assert solution.objective == pytest.approx(expected.objective, rel=1e-12)


def test_labelled_input_is_aligned_by_name() -> None:
    names = ["A", "B", "C"]
    covariance = pd.DataFrame(np.diag([0.01, 0.04, 0.09]), index=names, columns=names)
    problem = Problem(
        covariance=covariance.loc[["C", "A", "B"], ["B", "C", "A"]],
        optimal_positions=pd.Series({"B": 2.2, "C": 3.3, "A": 1.1}),
        weight_per_contract=pd.Series({"C": 3.0, "A": 1.0, "B": 2.0}),
        instruments=names,
    )
    assert problem.covariance.diagonal().tolist() == [0.01, 0.04, 0.09]
    assert problem.optimal_positions.tolist() == [1.1, 2.2, 3.3]
    assert solve(problem, "scip").positions.index.tolist() == names


def test_inputs_are_not_touched_and_fields_are_read_only() -> None:
    covariance = np.eye(2)
    problem = Problem(covariance, [0.5, 0.5], [1.0, 1.0], instruments=("A", "B"))
    covariance[0, 0] = 5
    assert problem.covariance[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        problem.covariance[0, 0] = 1


@pytest.mark.parametrize("capital", EXAMPLE_CAPITALS)
def test_examples_are_the_same_for_the_same_seed_and_realistic(capital: float) -> None:
    problem, again, other = example_problem(capital), example_problem(capital), example_problem(capital, seed=2)
    np.testing.assert_array_equal(problem.covariance, again.covariance)
    np.testing.assert_array_equal(problem.previous_positions, again.previous_positions)
    assert not np.array_equal(problem.optimal_positions, other.optimal_positions)
    assert len(problem.instruments) == EXAMPLE_CONTRACTS == 32
    deviation = np.sqrt(problem.covariance.diagonal())
    correlation = problem.covariance / np.outer(deviation, deviation)
    assert np.linalg.eigvalsh(correlation).min() > 0
    assert problem.previous_positions.any()
    unrounded = problem.optimal_positions * problem.weight_per_contract
    assert 0.05 < np.sqrt(unrounded @ problem.covariance @ unrounded) < 0.6  # annual risk near its target of 20 %


def test_instruments_without_any_risk_or_cost_are_left_alone() -> None:
    problem = Problem(
        covariance=np.diag([0.04, 0.0]), optimal_positions=[1.2, 0.4], weight_per_contract=[1.0, 1.0],
        cost_in_weight_terms=[0.0, 0.001], instruments=("A", "B"),
    )  # fmt: skip
    solution = solve(problem, "scip")
    assert solution.status is Status.OPTIMAL
    assert solution.positions.to_dict() == {"A": 1, "B": 0}


def test_a_field_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match="lamda: is no field of a problem; there are covariance"):
        example_problem(50_000).replace(lamda=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covariance": np.eye(2) * 1e-300}, "covariance of A: the risk of a contract .* is 1e-150, which float64"),
        ({"covariance": np.eye(2) * 1e300}, "covariance of A: the risk of a contract .* is 1e.150, which float64"),
        ({"optimal_positions": [0.0, 1e16]}, "optimal_positions of B: expected at most 4503599627370496 contracts"),
        ({"cost_in_weight_terms": [0.0, 1e150]}, "cost_in_weight_terms of B: the penalty for trading a contract is"),
        ({"cost_in_weight_terms": [0.0, 1e-310]}, "cost_in_weight_terms of B: .* is positive and below 1e-290"),
        ({"covariance": np.diag([1.0, 1e-310])}, "covariance of B: expected variances of at least 1e-300"),
        ({"weight_per_contract": [1.0, 1e-165]}, "covariance of B: the risk of a contract .* cannot square"),
    ],
)
def test_what_float64_cannot_tell_apart_is_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, Any] = {"covariance": np.eye(2), "optimal_positions": [0.5, 1.0], "weight_per_contract": [1.0, 1.0]}
    assert solve(Problem(**good, instruments=("A", "B"))).status is Status.OPTIMAL
    with pytest.raises(InputError, match=message):
        Problem(**good | change, instruments=("A", "B"))


def test_no_risk_at_all_is_a_problem_still() -> None:
    problem = Problem(
        np.zeros((2, 2)), [0.5, 1.0], [1.0, 1.0], cost_in_weight_terms=[1e-4, 1e-4], instruments=("A", "B")
    )
    assert solve(problem).positions.to_list() == [0, 0]


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ([[1e-200, 1e200], [1e200, 1e-200]], r"covariance of A: is 1e\+200 with B, which their variances do not allow"),
        ([[1.0, np.inf], [-np.inf, 1.0]], "covariance of A: expected finite numbers, found inf with B"),
        ([[1e-300, 1e30], [1e30, 1.0]], "covariance of .: is not positive semi-definite"),
        ([[0.0, 0.5e-20], [0.5e-20, 1e-20]], "covariance of A: has no variance but a covariance with B"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_impossible_covariances_are_refused_whatever_their_size(covariance: list[list[float]], message: str) -> None:
    with pytest.raises(CovarianceError, match=message):
        Problem(covariance, [0.3, 0.6], [1.0, 1.0], instruments=("A", "B"))


def test_what_a_problem_holds_is_held_again_as_it_is() -> None:
    """Repairing twins can make others the same: that is done at once, and a copy has the same numbers."""
    a, d, b = 0.1e-14, 1.5e-14, 2.2e-14
    correlation = np.array([[1, 1 - a, 1 - d], [1 - a, 1, 1 - b], [1 - d, 1 - b, 1]])
    problem = Problem(correlation * 0.04, [0.1, 0.2, 0.3], np.ones(3), instruments=("A", "B", "C"))
    assert (problem.covariance == problem.covariance[0, 0]).all()
    assert (problem.replace(cost_multiplier=3.0).covariance == problem.covariance).all()
    apart = Problem(
        [[0.04, 0.04 * (1 - 1e-13)], [0.04 * (1 - 1e-13), 0.04]], [0.1, 0.2], [1, 1], instruments=("A", "B")
    )
    assert apart.covariance[0, 1] == 0.04 * (1 - 1e-13)
