"""Boxes and bounds are proofs: no random portfolio may contradict them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations import BufferEdge, Deadband, DualBound, Formulation, Penalty, TrackingProgram, bounding_box, restrict

INF = np.inf


def random_program(random: np.random.Generator, *, boxed: bool, singular: bool = False) -> TrackingProgram:
    size = int(random.integers(1, 6))
    factor = random.normal(size=(size, size))
    if singular and size > 1:
        factor[:, 0] = factor[:, 1] * 10
    cost = random.uniform(0, 0.5, size) * (random.random(size) < 0.7)
    lower, upper = np.full(size, -INF), np.full(size, INF)
    if boxed:
        lower, upper = -random.integers(0, 6, size).astype(float), random.integers(0, 6, size).astype(float)
    else:
        lower[random.random(size) < 0.3] = -2.0
        upper[random.random(size) < 0.3] = 3.0
    return TrackingProgram(
        factor=factor,
        target=random.normal(scale=2, size=size),
        previous=random.integers(-3, 4, size),
        cost=cost,
        lower=lower,
        upper=upper,
    )


def formulations(program: TrackingProgram) -> list[Formulation]:
    return [Penalty(program), Deadband(program, 0.3), BufferEdge(program, 2.0)]


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32 - 1), singular=st.booleans())
def test_no_portfolio_outside_the_bounding_box_is_as_good(seed: int, singular: bool) -> None:
    random = np.random.default_rng(seed)
    program = random_program(random, boxed=False, singular=singular)
    for formulation in formulations(program):
        points = np.round(program.target + random.normal(scale=4, size=(400, program.size)))
        points = np.clip(points, program.lower, program.upper)
        values = formulation.values(points)
        value = float(np.min(values))
        if not np.isfinite(value):
            continue
        value *= float(random.uniform(1, 3))
        lower, upper = bounding_box(program, formulation.tracking_radius(value), formulation.cost_budget(value))
        inside = ((points >= lower) & (points <= upper)).all(axis=1)
        assert (values[~inside] > value).all()


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_direction_gives_a_true_bound_and_cuts_off_only_what_is_worse(seed: int) -> None:
    random = np.random.default_rng(seed)
    program = random_program(random, boxed=True)
    axes = [np.arange(low, high + 1) for low, high in zip(program.lower, program.upper, strict=True)]
    points = random.permutation(np.stack(np.meshgrid(*axes), -1).reshape(-1, program.size))[:2000]
    for formulation in (Penalty(program), Deadband(program, 0.3)):
        values = formulation.values(points)
        best = points[int(np.argmin(values))]
        for direction in (random.normal(size=program.size), program.factor @ (best - program.target)):
            bound = DualBound(formulation, direction, program.lower, program.upper)
            assert bound.value() <= values.min() + 1e-12
            value = float(values.min() * random.uniform(1, 1.5))
            lower, upper = bound.tightened(value)
            inside = ((points >= lower) & (points <= upper)).all(axis=1)
            assert (values[~inside] > value * (1 - 1e-12)).all()


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), singular=st.booleans())
def test_a_restriction_has_the_values_of_the_whole_and_no_more_rows_than_variables(seed: int, singular: bool) -> None:
    random = np.random.default_rng(seed)
    program = random_program(random, boxed=True, singular=singular)
    ends = np.sort(random.integers(program.lower, program.upper + 1, (2, program.size)).astype(float), axis=0)
    points = random.integers(ends[0], ends[1] + 1, (50, program.size)).astype(float)
    for formulation in formulations(program):
        small = restrict(formulation, *ends)
        assert small.formulation.program.factor.shape[0] <= (ends[0] < ends[1]).sum() + 1
        free = np.append(points[:, small.free], np.zeros((50, 1)), axis=1)
        assert all(small.formulation.program.contains(point) for point in free)
        np.testing.assert_array_equal([small.whole(point) for point in free], points)
        np.testing.assert_allclose(small.formulation.values(free), formulation.values(points), rtol=1e-12)


def test_the_dual_bound_is_sharp_in_one_dimension() -> None:
    program = TrackingProgram([[2.0]], [0.5], [0], [10.0], [-3], [3])
    assert DualBound(Penalty(program), np.array([-1.0]), program.lower, program.upper).value() == pytest.approx(1.0)


def test_parallel_contracts_without_cost_are_bounded_only_by_limits_or_signs() -> None:
    factor, target = np.array([[1.0, 10.0]]), np.array([12.0, 1.0])
    free = TrackingProgram(factor, target, [0, 0], [0, 0], [-INF, -INF], [INF, INF])
    assert np.isinf(np.array(bounding_box(free, 1.0, 1.0))).all()
    signed = free.with_box([0, 0], [INF, INF])
    lower, upper = bounding_box(signed, 1.0, 1.0)
    assert lower.tolist() == [0, 0]
    assert 23 <= upper[0] < 30
    assert 2 <= upper[1] < 4
    one_limit = free.with_box([-INF, -2], [INF, 2])
    assert np.isfinite(np.array(bounding_box(one_limit, 1.0, 1.0))).all()
