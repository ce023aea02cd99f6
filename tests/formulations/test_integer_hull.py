"""The hull of a diagonal: the program of `penalty`, its optimum, and a tighter relaxation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynopt_milp import Problem, solve
from dynopt_milp.solvers.scip.cone import formulation_cone
from formulations import FloatArray, IntegerHull, Penalty, ProgramError, TrackingProgram, extract_diagonal, restrict
from formulations.diagonal import remainder
from tests.random_programs import problems

SLOW = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def grid(program: TrackingProgram, most: int = 300) -> FloatArray:
    axes = [np.arange(low, high + 1) for low, high in zip(program.lower, program.upper, strict=True)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, program.size)[:most]


def relaxed(formulation: Penalty) -> float:
    problem = formulation.model(integer=False).problem()
    problem.solve(solver="CLARABEL")
    assert problem.status == "optimal"
    return float(problem.value)


@SLOW
@given(problem=problems())
def test_the_relaxation_lies_between_that_of_penalty_and_the_optimum(problem: Problem) -> None:
    penalty, hull = Penalty(problem.program()), IntegerHull(problem.program())
    optimum = solve(problem, "enumerate").objective
    assert relaxed(penalty) - 1e-6 <= relaxed(hull) <= optimum + 1e-6


def test_the_relaxation_pays_where_that_of_penalty_does_not() -> None:
    none = np.zeros(1)
    program = TrackingProgram([[1.0]], [0.5], none, none, none - 3, none + 3)
    assert relaxed(Penalty(program)) == pytest.approx(0, abs=1e-6)
    assert relaxed(IntegerHull(program)) == pytest.approx(0.5, abs=1e-6)  # the optimum
    assert relaxed(IntegerHull(program, none)) == pytest.approx(0, abs=1e-6)


@SLOW
@given(problem=problems())
def test_values_models_and_cones_are_those_of_penalty_at_every_whole_point(problem: Problem) -> None:
    penalty, hull = Penalty(problem.program()), IntegerHull(problem.program())
    points = grid(penalty.program)
    np.testing.assert_array_equal(hull.values(points), penalty.values(points))
    model = hull.model()
    for point in points[:: max(len(points) // 20, 1)]:
        model.positions.value = point
        assert all(np.max(item.violation()) == 0 for item in model.constraints)
        assert float(model.objective.value) == pytest.approx(hull.value(point), rel=1e-9, abs=1e-9)


@SLOW
@given(problem=problems(), restricted=st.booleans(), seed=st.integers(0, 10**6))
def test_the_cone_holds_a_portfolio_from_its_value_on_and_not_below(
    problem: Problem, restricted: bool, seed: int
) -> None:
    program = problem.program()
    hull = IntegerHull(program)
    if restricted:  # to a part of the box, as solvers do
        middle = np.random.default_rng(seed).integers(program.lower, program.upper + 1)
        hull = restrict(hull, np.maximum(program.lower, middle - 1), np.minimum(program.upper, middle)).formulation
    program = hull.program
    cone, columns = formulation_cone(hull)
    some = np.flatnonzero(hull.extracted())
    kinked = (program.cost > 0) & (program.lower < program.previous) & (program.previous < program.upper)
    for point in grid(program, 50):
        for factor in (1.0, 0.9):
            x = np.concatenate([
                point,
                np.abs(point - program.previous)[kinked],
                np.abs(point - program.target)[some],
                [program.tracking_error(point) * factor],
            ])  # fmt: skip
            slack = cone.right - cone.matrix @ x
            length, head = np.linalg.norm(slack[cone.inequalities + 1 :]), slack[cone.inequalities]
            assert slack[: cone.inequalities].min(initial=0.0) >= -1e-12
            assert (length <= head * (1 + 1e-9) + 1e-9) == (factor == 1.0 or program.tracking_error(point) < 1e-8)
            if factor == 1.0:
                assert cone.cost @ x + cone.offset == pytest.approx(hull.value(point), rel=1e-9, abs=1e-12)
    assert columns == slice(0, program.size)


@settings(max_examples=100)
@given(problem=problems(most_instruments=7), seed=st.integers(0, 10**6))
def test_what_is_extracted_leaves_a_semidefinite_rest(problem: Problem, seed: int) -> None:
    factor = problem.program().factor
    random = np.random.default_rng(seed)
    weight = random.uniform(0.05, 0.3, factor.shape[1]) * (random.random(factor.shape[1]) < 0.8)
    d = extract_diagonal(factor, weight)
    gram = factor.T @ factor
    size = max(float(gram.diagonal().max()), 1e-300)
    assert (d >= 0).all()
    assert not d[weight == 0].any()
    assert np.linalg.eigvalsh(gram - np.diag(d)).min() >= -1e-13 * size
    left = remainder(factor, d)
    np.testing.assert_allclose(left.T @ left + np.diag(d), gram, rtol=0, atol=1e-12 * size)


def test_what_is_extracted_is_nearly_the_most_there_is() -> None:
    assert extract_diagonal(np.diag([1.0, 3.0]), [0.3, 0.05]) == pytest.approx([1.0, 9.0], rel=0.01)
    # [[2, 1], [1, 2]] − D ⪰ 0 means (2 − d₁)(2 − d₂) ≥ 1; of equal weights the best is d = 1
    factor = np.linalg.cholesky([[2.0, 1.0], [1.0, 2.0]]).T
    assert extract_diagonal(factor, [0.1, 0.1]).sum() == pytest.approx(2.0, rel=0.01)


def test_duplicates_and_columns_without_risk_have_none_and_others_keep_theirs() -> None:
    factor = np.array([[1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])
    d = extract_diagonal(factor, np.full(4, 0.25))
    assert d[[0, 1, 3]].tolist() == [0, 0, 0]
    assert d[2] == pytest.approx(4.0, rel=0.01)
    assert not extract_diagonal(np.ones((1, 3)), np.full(3, 0.25)).any()
    assert not extract_diagonal(np.zeros((2, 2)), np.full(2, 0.25)).any()
    with pytest.raises(ProgramError, match=r"diagonal\[1\]"):
        remainder(factor, [0.0, 1e-9, 0.0, 0.0])


@pytest.mark.parametrize(
    "diagonal",
    [[1.1, 0.0], [-0.1, 0.0], [np.nan, 0.0], [0.5], [[0.5, 0.5]]],
    ids=["large", "negative", "nan", "1", "2d"],
)
def test_a_diagonal_that_is_none_is_refused(diagonal: list[float]) -> None:
    none = np.zeros(2)
    program = TrackingProgram(np.eye(2), none, none, none, none - 1, none + 1)
    with pytest.raises(ProgramError, match="diagonal"):
        IntegerHull(program, np.array(diagonal))
    assert IntegerHull(program, np.array([1.0, 0.5])).extracted().tolist() == [1.0, 0.5]


@pytest.mark.parametrize("weight", [[1.0], [-1.0, 1.0], [np.inf, 1.0]])
def test_weights_that_are_none_are_refused(weight: list[float]) -> None:
    with pytest.raises(ProgramError, match="weight"):
        extract_diagonal(np.eye(2), weight)


def test_scaling_and_shifting_keep_the_diagonal_valid() -> None:
    random = np.random.default_rng(2)
    factor = random.normal(size=(4, 3))
    data = TrackingProgram(factor, random.normal(size=3), np.zeros(3), np.ones(3), np.full(3, -4), np.full(3, 4))
    hull = IntegerHull(data, extract_diagonal(factor, np.ones(3)))
    other, unit = hull.normalised(hull.value(np.ones(3)))
    assert other.value(np.ones(3)) == pytest.approx(100.0)
    np.testing.assert_allclose(other.extracted(), hull.extracted() * unit**2)
    assert relaxed(other) == pytest.approx(relaxed(hull) * unit, rel=1e-5)
    assert relaxed(hull.shifted(np.array([3, -1, 2]))) == pytest.approx(relaxed(hull), rel=1e-5)
