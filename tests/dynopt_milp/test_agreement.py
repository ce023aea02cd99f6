"""Many optimizers, one truth: enumeration is the oracle."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dynopt_milp import Limits, Problem, Status, StoppedBy, solve
from dynopt_milp.solvers.scip.cone import formulation_cone
from dynopt_milp.solvers.solving import FORMULATIONS
from formulations import Penalty
from tests.random_programs import problems, shuffle

BUFFERS = {"penalty": [0.0], "deadband": [0.0, 0.05, 0.2], "buffer_edge": [0.05, 0.2, 1.0], "integer_hull": [0.0]}
# Examples of each formulation, most instruments of one, and how near the optimum an answer is: `scip_plain` ends at the
# gap it was asked for, the others' local search goes on to the optimum itself.
PROVERS = {"branch_and_bound": (700, 6, 1e-9), "scip": (120, 4, 1e-9), "scip_plain": (40, 4, 1e-6)}
CONSTRAINED = {"scip": 30, "scip_plain": 15}  # examples of each kind of constraint


def assert_that_of_enumeration(problem: Problem, optimizer: str, **how: Any) -> None:
    """The optimum of enumeration, to the accuracy of the optimizer, and no bound above it."""
    truth, found = solve(problem, "enumerate", **how), solve(problem, optimizer, **how)
    if found.stopped_by is StoppedBy.PRECISION:  # an optimum that is zero but for the last digits of what it is made of
        assert found.objective - found.lower_bound < 1e-15
    else:
        assert found.status is truth.status
    if truth.status is Status.OPTIMAL:
        assert found.objective == pytest.approx(truth.objective, rel=PROVERS[optimizer][2], abs=1e-15)
        assert found.lower_bound <= truth.objective


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("optimizer", PROVERS)
def test_the_optimum_is_that_of_enumeration(optimizer: str, formulation: str) -> None:
    examples, size, _ = PROVERS[optimizer]

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(problem=problems(most_instruments=size), buffer=st.sampled_from(BUFFERS[formulation]))
    def agree(problem: Problem, buffer: float) -> None:
        assert_that_of_enumeration(problem, optimizer, formulation=formulation, buffer=buffer)

    agree()


@pytest.mark.parametrize("optimizer", CONSTRAINED)
@pytest.mark.parametrize("kind", ["budget", "norm", "group", "count"])
def test_the_optimum_among_what_constraints_admit_is_that_of_enumeration(kind: str, optimizer: str) -> None:
    @settings(max_examples=CONSTRAINED[optimizer], suppress_health_check=[HealthCheck.too_slow])
    @given(problem=problems(), cap=st.floats(0.5, 3.0))
    def agree(problem: Problem, cap: float) -> None:
        size = len(problem.instruments)
        margin = np.arange(1, size + 1) / 2

        def constraints(positions: cp.Expression) -> list[cp.Constraint]:
            return {
                "budget": [margin @ cp.abs(positions) <= cap],
                "norm": [cp.norm(cp.multiply(margin, positions), 2) <= cap],
                "group": [cp.sum(positions[: (size + 1) // 2]) <= int(cap), cp.sum(positions) >= -1],
                "count": [cp.abs(positions) <= np.floor(cap)],
            }[kind]

        assert_that_of_enumeration(problem, optimizer, constraints=constraints)

    agree()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems(scale=1e-3))
def test_small_objectives_are_no_trap_for_a_plain_model(problem: Problem) -> None:
    assert_that_of_enumeration(problem, "scip_plain")


@settings(max_examples=300)
@given(problem=problems())
def test_greedy_never_beats_the_optimum(problem: Problem) -> None:
    assert solve(problem, "greedy").objective >= solve(problem, "enumerate").objective * (1 - 1e-12)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@settings(max_examples=60)
@given(data=st.data())
def test_the_continuous_relaxation_is_never_above_the_optimum(formulation: str, data: st.DataObject) -> None:
    problem = data.draw(problems())
    buffer = data.draw(st.sampled_from(BUFFERS[formulation]))
    truth = solve(problem, "enumerate", formulation=formulation, buffer=buffer)
    assume(truth.status is Status.OPTIMAL)
    relaxed = FORMULATIONS[formulation](problem.program(), buffer).model(integer=False).problem()
    relaxed.solve(solver="CLARABEL")
    assert relaxed.status == "optimal"
    assert relaxed.value <= truth.objective + 1e-7


@settings(max_examples=200)
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_the_penalty_cone_holds_a_portfolio_from_its_value_on_and_not_below(problem: Problem, seed: int) -> None:
    random = np.random.default_rng(seed)
    formulation = Penalty(problem.program())
    data = formulation.program
    cone, _ = formulation_cone(formulation)
    point = random.integers(data.lower, data.upper + 1).astype(float)
    kinked = (data.cost > 0) & (data.lower < data.previous) & (data.previous < data.upper)
    trades, error = np.abs(point - data.previous), data.tracking_error(point)
    assert cone.whole.tolist() == [place < data.size for place in range(len(cone.cost))]
    for factor in (1.0, 0.9):
        x = np.concatenate([point, trades[kinked] * factor, [error * factor]])
        slack = cone.right - cone.matrix @ x
        inside = slack[: cone.inequalities].min(initial=0.0) >= 0 and (
            np.linalg.norm(slack[cone.inequalities + 1 :]) <= slack[cone.inequalities] * (1 + 1e-12)
        )
        assert inside == (factor == 1.0 or (error == 0 and not trades[kinked].any()))
        if factor == 1.0:
            assert cone.cost @ x + cone.offset == pytest.approx(formulation.value(point), rel=1e-12, abs=1e-14)


@settings(max_examples=60)
@given(problem=problems(most_instruments=6), seed=st.integers(0, 1000))
def test_the_answer_does_not_depend_on_the_order_of_instruments(problem: Problem, seed: int) -> None:
    shuffled = shuffle(problem, seed)
    for optimizer in ("branch_and_bound", "scip", "greedy", "enumerate"):
        one, other = solve(problem, optimizer), solve(shuffled, optimizer)
        assert other.positions.to_dict() == one.positions.to_dict()
        assert other.objective == one.objective


def test_enumeration_breaks_ties_by_least_trade() -> None:
    problem = Problem(
        covariance=np.array([[0.04]]),
        optimal_positions=[0.5],
        weight_per_contract=[1.0],
        previous_positions=[1],
        instruments=("A",),
    )
    assert solve(problem, "enumerate").positions["A"] == 1
    assert solve(problem.replace(previous_positions=[0]), "enumerate").positions["A"] == 0


def test_a_yes_or_no_variable_in_the_constraints_limits_how_many_instruments_are_held() -> None:
    random = np.random.default_rng(0)
    factor = random.normal(size=(4, 4)) * 0.1
    problem = Problem(
        covariance=factor.T @ factor,
        optimal_positions=[1.4, -2.2, 0.8, 1.9],
        weight_per_contract=np.ones(4),
        limits=Limits(lower=-3, upper=3),
        instruments=tuple("ABCD"),
    )

    def at_most_two(positions: cp.Expression) -> list[cp.Constraint]:
        held = cp.Variable(4, boolean=True)
        return [cp.abs(positions) <= 3 * held, cp.sum(held) <= 2]

    found = solve(problem, "scip", constraints=at_most_two)
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 4), axis=-1).reshape(-1, 4)
    grid = grid[(grid != 0).sum(axis=1) <= 2]
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(problem.program().tracking_errors(grid).min(), rel=1e-9)


def wild_problem(seed: int) -> Problem:
    """Scales that no sane portfolio has: nothing said about it may be false, even where nothing can be proved."""
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 5))
    root = random.normal(size=(size, size))
    covariance = root @ root.T * 10 ** random.uniform(-12, 6)
    weight = 10 ** random.uniform(-4, 2, size)
    target = random.normal(size=size) * float(random.choice([2.0, 1e4]))
    deviation = np.sqrt(covariance.diagonal())
    low = np.floor(target) - random.integers(0, 4, size)
    return Problem(
        covariance=covariance,
        optimal_positions=target,
        weight_per_contract=weight,
        previous_positions=np.round(target) * random.integers(0, 2),
        cost_in_weight_terms=deviation * 10 ** random.uniform(-4, 1, size),
        cost_multiplier=float(10 ** random.uniform(-2, 0)),
        limits=Limits(lower=low, upper=low + random.integers(1, 6, size)),
        instruments=tuple("ABCDEFGH"[:size]),
    )


def wild_buffer(seed: int) -> float:
    """A buffer of the scale of that problem."""
    error = wild_problem(seed).program().tracking_error(wild_problem(seed).lower)
    return float(10 ** np.random.default_rng(seed).uniform(-1.5, 1)) * error


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("constrained", [False, True])
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_at_any_scale_scip_claims_nothing_false(formulation: str, constrained: bool, seed: int) -> None:
    problem, buffer = wild_problem(seed), wild_buffer(seed)
    random = np.random.default_rng(seed)
    norms = random.normal(size=(2, len(problem.instruments))) * 10 ** random.uniform(-9, 9)
    cap = 1.1 * float(np.linalg.norm(norms @ problem.lower)) + 1e-300
    constraints = (lambda positions: [cp.norm(norms @ positions) <= cap]) if constrained else None
    truth = solve(problem, "enumerate", formulation=formulation, buffer=buffer, constraints=constraints)
    found = solve(problem, "scip", formulation=formulation, buffer=buffer, constraints=constraints)
    if truth.status is Status.INFEASIBLE:
        assert found.status in (Status.INFEASIBLE, Status.NO_SOLUTION)
        return
    assert found.status is not Status.INFEASIBLE
    assert found.lower_bound <= truth.objective * (1 + 1e-12)
    if found.status is Status.OPTIMAL:
        assert found.objective <= truth.objective * (1 + 1e-6)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_at_any_scale_the_branch_and_bound_finds_the_optimum(formulation: str, seed: int) -> None:
    problem, buffer = wild_problem(seed), wild_buffer(seed)
    truth = solve(problem, "enumerate", formulation=formulation, buffer=buffer)
    found = solve(problem, "branch_and_bound", formulation=formulation, buffer=buffer)
    assert (found.status is Status.INFEASIBLE) == (truth.status is Status.INFEASIBLE)
    if truth.status is not Status.INFEASIBLE:
        assert found.lower_bound <= truth.objective * (1 + 1e-12)
        assert found.objective == pytest.approx(truth.objective, rel=1e-9)


def chain(points: int, *, side: int = 1) -> Problem:
    """A is pinned with an error of 1; each contract of B on that side adds 9e-13 to the value and saves a trade."""
    ends = sorted((0, side * points))
    return Problem(
        covariance=np.array([[1.0, -side], [-side, 1.0]]),
        optimal_positions=[1.0, 0.0],
        weight_per_contract=[1.0, 9e-13],
        previous_positions=[0, side * points],
        limits=Limits(lower=[0, ends[0]], upper=[0, ends[1]]),
        instruments=("A", "B"),
    )


@pytest.mark.parametrize("points", [300, 250_000])  # the latter are several blocks
@pytest.mark.parametrize("side", [1, -1])  # the smallest value comes first, or last
@pytest.mark.parametrize("ruled", [False, True])
def test_enumeration_measures_ties_from_the_smallest_value(points: int, side: int, ruled: bool) -> None:
    least = 7 if ruled else 0
    found = solve(
        chain(points, side=side), "enumerate", constraints=(lambda k: [side * k[1] >= least]) if ruled else None
    )
    assert found.contracts.tolist() == [0, side * (least + 1)]
    assert found.status is Status.OPTIMAL
    assert found.lower_bound == pytest.approx(1 + least * 9e-13, abs=5e-15)
    assert found.lower_bound <= 1 + least * 9e-13


def test_enumeration_takes_no_tie_that_is_wider_than_the_gap() -> None:
    found = solve(chain(300), "enumerate", gap=1e-14)
    assert (found.contracts.tolist(), found.status) == ([0, 0], Status.OPTIMAL)


def test_enumeration_has_more_instruments_than_numpy_has_dimensions() -> None:
    problem = Problem(
        covariance=0.04 * np.eye(70), optimal_positions=np.full(70, 0.6), weight_per_contract=np.ones(70),
        limits=Limits(lower=np.zeros(70), upper=np.repeat([0, 1], [64, 6])),
        instruments=[f"I{place:02d}" for place in range(70)],
    )  # fmt: skip
    assert solve(problem, "enumerate").contracts.tolist() == [0] * 64 + [1] * 6
