"""The program, its value and its cvxpy model are one and the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations import BufferEdge, Deadband, Formulation, Penalty, ProgramError, TrackingProgram


def program(size: int = 3, seed: int = 0) -> TrackingProgram:
    random = np.random.default_rng(seed)
    return TrackingProgram(
        factor=random.normal(size=(size, size)),
        target=random.normal(size=size),
        previous=random.integers(-2, 3, size),
        cost=random.uniform(0, 1, size),
        lower=np.full(size, -5),
        upper=np.full(size, 5),
    )


def all_formulations(data: TrackingProgram, buffer: float) -> list[Formulation]:
    return [Penalty(data), Deadband(data, buffer), BufferEdge(data, buffer)]


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), buffer=st.floats(0.1, 5.0))
def test_the_cvxpy_model_and_the_value_agree_at_every_point(seed: int, buffer: float) -> None:
    data = program(seed=seed)
    point = np.random.default_rng(seed).integers(-4, 5, 3)
    for formulation in all_formulations(data, buffer):
        model = formulation.model()
        model.positions.value = point
        admitted = all(np.max(item.violation()) == 0 for item in model.constraints)
        assert np.isfinite(formulation.value(point)) == admitted
        if admitted:
            assert float(model.objective.value) == pytest.approx(formulation.value(point), rel=1e-12)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), value=st.floats(1e-9, 1e9))
def test_normalising_scales_every_value_by_the_unit_it_gives(seed: int, value: float) -> None:
    points = np.random.default_rng(seed).integers(-4, 5, (20, 3))
    for formulation in all_formulations(program(seed=seed), 2.0):
        other, unit = formulation.normalised(value)
        assert unit * value == pytest.approx(100.0)
        np.testing.assert_allclose(other.values(points), formulation.values(points) * unit, rtol=1e-9)


def test_deadband_lies_between_penalty_less_the_buffer_and_penalty() -> None:
    data = program()
    points = np.random.default_rng(1).integers(-4, 5, (200, 3))
    penalty, deadband = Penalty(data).values(points), Deadband(data, 0.7).values(points)
    assert (deadband <= penalty).all()
    assert (deadband >= penalty - 0.7 - 1e-12).all()
    np.testing.assert_array_equal(Deadband(data, 0.0).values(points), penalty)


@pytest.mark.parametrize(
    ("field", "value", "index"),
    [
        ("target", [0.0, np.nan, 0.0], 1),
        ("previous", [0.0, 0.0, 0.5], 2),
        ("cost", [0.0, -1.0, 0.0], 1),
        ("lower", [0.5, 0.0, 0.0], 0),
        ("lower", [0.0, 0.0, 6.0], 2),
        ("upper", [0.0, np.nan, 0.0], 1),
        ("target", [0.0], None),
        ("factor", [1.0, 2.0, 3.0], None),
    ],
)
def test_arrays_that_are_no_program_are_refused_by_name(field: str, value: list[float], index: int | None) -> None:
    good = program()
    arrays = {name: getattr(good, name) for name in ("factor", "target", "previous", "cost", "lower", "upper")}
    with pytest.raises(ProgramError) as error:
        TrackingProgram(**(arrays | {field: value}))
    assert (error.value.field, error.value.index) == (field, index)


@pytest.mark.parametrize("buffer", [-1.0, np.nan, np.inf])
def test_a_buffer_that_is_none_is_refused(buffer: float) -> None:
    for formulation in (Deadband, BufferEdge):
        with pytest.raises(ProgramError, match="buffer"):
            formulation(program(), buffer)


def test_arrays_are_copies_and_read_only() -> None:
    target = np.zeros(2)
    data = TrackingProgram(np.eye(2), target, [0, 0], [0, 0], [-1, -1], [1, 1])
    target[0] = 7
    assert data.target[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        data.target[0] = 1
