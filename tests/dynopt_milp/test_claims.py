"""Claims hold in exact arithmetic: constructions that float64 gets wrong when it is believed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dynopt_milp import (
    Limits,
    Problem,
    Status,
    StoppedBy,
    Strategy,
    UnboundedError,
    problem_of_day,
    rebalance,
    simulated_market,
    solve,
)
from dynopt_milp.solvers.branch_and_bound import solver
from dynopt_milp.solvers.branch_and_bound.held_against import note_on_free_sizes
from dynopt_milp.solvers.branch_and_bound.prepare import Prepared, prepare
from formulations import FloatArray
from tests.attack.exact import ExactValues, Question

PENALTY = Question()


def exact_value(problem: Problem, positions: FloatArray, question: Question = PENALTY) -> float:
    """The value in rational arithmetic, rounded; +inf outside the buffer."""
    values = ExactValues(problem)
    found = values.value(tuple(int(number) for number in positions), question)
    return np.inf if found is None else found[0] / (1 << values.digits)


def kahan_problem() -> tuple[Problem, FloatArray]:
    """Every pivot of the correlations is above 1e-6 and their smallest eigenvalue is 1e-13; and a better portfolio."""
    size, least = 20, 3e-6
    sine = least ** (1 / (2 * (size - 1)))
    upper = np.eye(size) - np.sqrt(1 - sine**2) * np.triu(np.ones((size, size)), 1)
    upper *= sine ** np.arange(size)[:, None]
    correlation = upper.T @ upper
    scale = np.sqrt(np.diag(correlation))
    correlation = correlation / scale / scale[:, None]
    np.fill_diagonal(correlation, 1.0)
    held = np.array([
        616923568, 363211162, 213839047, 125896842, 74121237, 43638566, 25692023, 15126071, 8905411, 5243023, 3086808,
        1817347, 1069960, 629951, 370935, 218564, 129270, 78068, 52467, 52467,
    ], dtype=float)  # fmt: skip
    cost = 2.3e-4 * 1.7 ** np.arange(size)
    problem = Problem(
        correlation, np.zeros(size), np.ones(size), held, cost, 1.0, instruments=[f"I{i:03d}" for i in range(size)]
    )
    better = held.copy()
    better[5] += 1
    return problem, better


def test_an_ill_conditioned_covariance_cuts_off_no_better_portfolio() -> None:
    problem, better = kahan_problem()
    found = solve(problem, time_limit=1)
    assert found.lower_bound <= exact_value(problem, better)
    assert found.objective == pytest.approx(exact_value(problem, found.contracts), rel=1e-9)
    near = Limits(lower=problem.previous_positions - 1, upper=problem.previous_positions + 1)
    for optimizer in ("exact", "branch_and_bound"):
        inside = solve(problem.replace(limits=near), optimizer, time_limit=1)
        worth = exact_value(problem, inside.contracts)
        assert inside.lower_bound <= min(worth, exact_value(problem, better))
        if inside.status is Status.OPTIMAL:
            assert worth <= exact_value(problem, better) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("size", "difference", "contracts"), [(2, 9e-14, 100_000), (40, 1.9e-12, 20_000), (40, 1.9e-12, 5_000)]
)
def test_risk_that_float64_holds_is_not_dropped(size: int, difference: float, contracts: int) -> None:
    """Two of the instruments differ by so little that a rank-revealing factorisation takes them for one."""
    correlation = np.eye(size)
    correlation[0, 1] = correlation[1, 0] = 1 - difference
    target, near = np.zeros(size), np.zeros(size)
    near[:2] = contracts, -contracts
    target[:2] = contracts + 0.3, -contracts - 0.4
    box = Limits(lower=-2 * contracts, upper=2 * contracts)
    problem = Problem(
        correlation, target, np.ones(size), 0, 0, 0, limits=box, instruments=[f"I{i:02d}" for i in range(size)]
    )
    found = solve(problem, time_limit=1)
    worth, best = exact_value(problem, found.contracts), exact_value(problem, near)
    assert found.objective == pytest.approx(worth, rel=1e-12)
    assert worth == pytest.approx(best, rel=1e-9)
    assert found.lower_bound <= best


def hedged(seed: int, size: float) -> Problem:
    """One source of risk, far targets that cancel, and limits that keep the positions from them."""
    random = np.random.default_rng(seed)
    deviation, weight = np.array([0.2, 0.3, 0.25]), random.uniform(0.05, 0.2, 3)
    risk, target = deviation * weight, np.round(random.uniform(-9, 9, 3) * size) + random.uniform(size=3)
    target[1] = -(target[0] * risk[0] + target[2] * risk[2]) / risk[1] + random.uniform(-2, 2)
    return Problem(
        np.outer(deviation, deviation), target, weight, 0, 1e-3, 1.0, limits=Limits(lower=-3, upper=3),
        instruments=tuple("ABC"),
    )  # fmt: skip


@pytest.mark.parametrize("size", [1e3, 1e5, 1e7, 1e9])
@pytest.mark.parametrize("optimizer", ["branch_and_bound", "exact", "enumerate"])
def test_bounds_account_for_the_round_off_of_pricing(optimizer: str, size: float) -> None:
    for seed in range(8):
        problem = hedged(seed, size)
        points = list(itertools.product(range(-3, 4), repeat=3))
        values = {point: exact_value(problem, np.array(point)) for point in points}
        best = min(values.values())
        found = solve(problem, optimizer, time_limit=10)
        worth = values[tuple(found.contracts.tolist())]
        assert found.lower_bound <= best
        assert found.objective == pytest.approx(worth, rel=1e-9)
        if found.status is Status.OPTIMAL:
            assert worth <= best * (1 + 1e-6)
        else:
            assert found.stopped_by is StoppedBy.PRECISION
        if optimizer == "enumerate":  # in whole numbers where it has to
            assert found.status is Status.OPTIMAL


@pytest.mark.parametrize("size", [1e3, 1e5, 1e7])
@pytest.mark.parametrize("optimizer", ["branch_and_bound", "exact", "enumerate"])
def test_no_portfolio_inside_a_buffer_is_overlooked(optimizer: str, size: float) -> None:
    for seed in range(8):
        problem = hedged(seed, size).replace(cost_multiplier=0.0)
        points = list(itertools.product(range(-3, 4), repeat=3))
        buffer = min(exact_value(problem, np.array(point)) for point in points) * (1 + 1e-9)
        problem = problem.replace(cost_multiplier=1.0)
        question = Question("buffer_edge", buffer)
        found = solve(problem, optimizer, formulation="buffer_edge", buffer=buffer, time_limit=10)
        assert found.status is not Status.INFEASIBLE
        if found.contracts is not None:
            assert np.isfinite(exact_value(problem, found.contracts, question))
        if optimizer == "enumerate":
            assert found.status is Status.OPTIMAL


def test_what_is_known_outside_a_proved_box_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a box that has lost its best portfolio nothing is claimed."""
    problem = hedged(0, 1.0).replace(previous_positions=[1, 1, -1])

    def cropped(*given: Any) -> Prepared:
        prepared = prepare(*given)
        assert prepared is not None
        first = prepared.lattice.first.copy()
        first += 100.0
        return replace(prepared, lattice=prepared.lattice._replace(first=first))

    monkeypatch.setattr(solver, "prepare", cropped)
    monkeypatch.setattr(solver, "ROOT_CONTRACTS", 0)
    found = solve(problem, "branch_and_bound")
    assert (found.status, found.lower_bound) == (Status.FEASIBLE, 0.0)
    assert found.stopped_by is StoppedBy.PRECISION


def test_sizes_that_nothing_keeps_apart_are_said() -> None:
    problem = Problem(np.full((2, 2), 0.04), [0.52, 0.0], [1.0, 0.1], instruments=("full", "micro"))
    found = solve(problem)
    assert found.contracts.tolist() == [0, 5]
    assert "full, micro: sizes of one contract" in found.notes[0]
    assert found.to_dict()["notes"] == list(found.notes)
    for limits in (Limits(same_side=True), Limits(lower={"micro": 0}), Limits(lower=-5, upper=5)):
        some = solve(problem.replace(limits=limits))
        open_ended = limits.lower is not None and isinstance(limits.lower, dict)
        assert bool(some.notes) == open_ended  # the full size down, the micro up
    assert not solve(problem.replace(cost_in_weight_terms=1e-4)).notes
    assert not note_on_free_sizes(problem.replace(covariance=np.diag([0.04, 0.04])).program(), ("full", "micro"))


@pytest.mark.parametrize("least", [-1e8, -1e10])
def test_a_limit_on_one_side_far_from_the_target_counts(least: float) -> None:
    """A hundred million of the one can be held against the other, whose columns are parallel to 1e-13."""
    problem = Problem(
        np.full((2, 2), 0.04), [0.5, 0.0], [1.0, 1.0 + 9e-14], 0, 0.0, 50,
        limits=Limits(lower={"A": least, "B": 0.0}), instruments=("A", "B"),
    )  # fmt: skip
    for optimizer in ("branch_and_bound", "exact"):
        assert solve(problem, optimizer).lower_bound <= exact_value(problem, np.array([least, -least]))


@pytest.mark.parametrize("ends", [np.inf, 1e11])
def test_three_sizes_of_which_two_can_be_anything_end(ends: float) -> None:
    problem = Problem(
        np.full((3, 3), 0.04), [0.5, 0.2, 0.1], [1.0, 1.0, 1.0 - 2**-53], 0, 0.0, 50,
        limits=Limits(lower=[-ends, -ends, -1], upper=[ends, ends, 1]), instruments=tuple("ABC"),
    )  # fmt: skip
    if np.isinf(ends):
        with pytest.raises(UnboundedError, match="nothing bounds A, B"):
            solve(problem, time_limit=5)
        return
    found = solve(problem, time_limit=5)
    assert found.lower_bound <= exact_value(problem, found.contracts)


@pytest.mark.parametrize("optimizer", ["scip", "branch_and_bound"])
def test_a_long_thin_buffer_is_searched_to_its_end(optimizer: str) -> None:
    """With squares of positions in the place of squares of risks SCIP's linear programs fail here, without a word."""
    problem = Problem(
        covariance=[[0.007297785355304547, 0.018891832318262854], [0.018891832318262854, 0.04897040615567883]],
        optimal_positions=[0.9999999955840119, -1.999999995584012],
        weight_per_contract=[0.0011485478263778492, 0.035023324836141],
        previous_positions=[806569, 440016],
        cost_in_weight_terms=[5.850369124414533e-09, 0.0004969402800521698],
        cost_multiplier=1.0,
        instruments=["A", "B"],
    )
    buffer = 0.015696909385920783
    found = solve(problem, optimizer, formulation="buffer_edge", buffer=buffer, gap=1e-6)
    better = exact_value(problem, np.array([-4135.0, 51.0]), Question("buffer_edge", buffer=buffer))
    assert found.status is Status.OPTIMAL
    assert found.lower_bound <= better
    assert found.objective <= better * (1 + 1e-6)


@pytest.mark.parametrize("capital", [50_000.0, 250_000.0, 1_000_000.0])
@pytest.mark.parametrize("day", ["2012-03-01", "2016-06-01", "2019-09-02"])
def test_what_a_factor_leaves_out_is_nothing_in_a_rebalance(day: str, capital: float) -> None:
    problem = problem_of_day(simulated_market(), Strategy(), capital, day)
    program, found = problem.program(), solve(problem)
    spread = program.spread(found.contracts, found.contracts)
    residual = program.residual
    assert residual is not None
    assert found.status is Status.OPTIMAL
    assert found.tracking_error < spread < 100 * found.tracking_error
    assert residual.size * spread**2 < 1e-10 * found.tracking_error**2


def singular_covariance(seed: int) -> FloatArray:
    """Of fewer returns than instruments, some of them sizes of one contract, with round-off and without variance."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 7))
    returns = random.normal(size=(int(random.integers(1, size + 2)), size)) * 10.0 ** random.uniform(-2, 1, size)
    if size > 2 and random.random() < 0.5:
        returns[:, 1] = returns[:, 0] * random.uniform(0.5, 2)
    covariance = returns.T @ returns
    covariance *= 1 + random.normal(size=(size, size)) * 10.0 ** random.uniform(-17, -13)
    if random.random() < 0.2:
        covariance[0, :] = covariance[:, 0] = 0
    return covariance


def test_what_a_problem_holds_is_held_again_to_the_last_bit() -> None:
    near = [
        [0.05539999999999694, 0.055399999999999436, 0.055400000000001885],
        [0.055399999999999436, 0.055399999999997486, 0.05539999999999913],
        [0.055400000000001885, 0.05539999999999913, 0.05539999999999906],
    ]
    for covariance in [np.array(near), *map(singular_covariance, range(500))]:
        size = len(covariance)
        first = Problem(covariance, np.zeros(size), np.ones(size), instruments=tuple("ABCDEFG"[:size]))
        again = first.replace()
        assert (again.covariance == first.covariance).all()
        one, other = first.program(), again.program()
        assert one.residual is not None
        assert other.residual is not None
        assert (one.residual.twin == other.residual.twin).all()
        assert one.factor.shape == other.factor.shape
        assert (one.factor == other.factor).all()


def test_a_buffer_on_the_edge_of_rounding_does_not_depend_on_the_order() -> None:
    covariance = np.array([
        [3.89, -0.03, -0.39, 0.04], [-0.03, 0.8, -0.28, -0.29], [-0.39, -0.28, 1.54, 1.35], [0.04, -0.29, 1.35, 2.93],
    ])  # fmt: skip
    target, held, names = np.array([2.0, -3, -1, 2]), np.array([1.0, -2, 0, 3]), np.array(list("ABCD"))
    found = []
    for order in itertools.permutations(range(4)):
        places = np.array(order)
        problem = Problem(
            covariance[np.ix_(places, places)], target[places], np.ones(4), held[places], instruments=names[places]
        )
        done = rebalance(problem, buffer_fraction=1.6941074346097416, risk_target=1.0)  # a share of 0.5
        found.append((done.positions.sort_index().tolist(), done.adjustment_factor))
    assert all(answer == found[0] for answer in found)


def test_scip_is_not_given_terms_that_are_round_off() -> None:
    """Two sizes whose covariances differ by 3e-9: a term of 2e-7 fixed a position, and 30 % of the value was missed."""
    c = 0.04301934374851919
    problem = Problem(
        covariance=[
            [c, 0.043019343656173395, -0.011026303337804211, 0.011352532331823852],
            [0.043019343656173395, c, -0.011026303337804211, 0.011352532331823852],
            [-0.011026303337804211, -0.011026303337804211, 0.08877223342309856, 0.0074651215968262906],
            [0.011352532331823852, 0.011352532331823852, 0.0074651215968262906, 0.026604513485669265],
        ],
        optimal_positions=[9.5, 2.5, -5.5, -3.5],
        weight_per_contract=[0.02019537982658547, 0.2019537982658547, 0.006222769995947749, 0.02961307486224629],
        previous_positions=[12, 2, -3, -6],
        instruments=list("ABCD"),
        limits=Limits(lower=[7, -1, -7, -4], upper=[12, 4, -3, -4]),
    )
    found = solve(problem, gap=0.0, constraints=lambda k: [np.array([1, 2, 3, 1]) @ k <= -10])
    better = exact_value(problem, np.array([7.0, 3.0, -7.0, -4.0]))
    assert found.lower_bound <= better
    assert found.contracts.tolist() == [7, 3, -7, -4]


def test_constraints_are_checked_as_they_were_written_where_positions_are_counted_from_elsewhere() -> None:
    covariance = np.eye(4)
    covariance[0, 1] = covariance[1, 0] = 1 - 5e-14
    problem = Problem(
        covariance, [693696430.957887, -693696431.4094646, 0.69, -1.07], np.ones(4),
        limits=Limits(lower=-(10**10), upper=10**10), instruments=list("ABCD"),
    )  # fmt: skip
    weights = np.array([1, 1, 0, 1])
    found = solve(problem, gap=0.0, time_limit=0.5, constraints=lambda k: [weights @ k <= -4])
    assert found.contracts is None or weights @ found.contracts <= -4


def test_scip_is_not_believed_that_a_very_wide_box_is_empty() -> None:
    problem = Problem(
        covariance=[[1.12, -1.24, 1.57], [-1.24, 3.68, -3.09], [1.57, -3.09, 9.21]],
        optimal_positions=[-0.0016, 182414297.4, -101.28],
        weight_per_contract=[398.0, 1.27e-10, 0.0114],
        cost_in_weight_terms=[0.56, 1.19, 0.00078],
        cost_multiplier=1.0,
        instruments=["A", "B", "C"],
        limits=Limits(long_only=["A", "C"]),
    )
    question = Question("buffer_edge", buffer=3.7755509959412055)
    assert np.isfinite(exact_value(problem, np.array([0.0, 9463450512.0, 0.0]), question))
    found = solve(problem, "scip", formulation="buffer_edge", buffer=question.buffer, time_limit=1.0)
    assert found.status is not Status.INFEASIBLE
