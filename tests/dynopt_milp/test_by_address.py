"""Kernels that are called by their address are compiled once, for the arguments that they are given."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from dynopt_milp import Problem, Status, rules, solve
from dynopt_milp.solvers.branch_and_bound import by_address
from dynopt_milp.solvers.branch_and_bound.addresses import addresses
from dynopt_milp.solvers.branch_and_bound.by_address import address_of, call, call_later


@numba.njit
def scaled(array: np.ndarray, by: float) -> tuple[float, int]:
    array *= by
    if by < 0:
        raise ValueError("negative")
    return array.sum(), array.size


@numba.njit
def caller(address: int, array: np.ndarray, by: float) -> tuple[float, int, float, int]:
    one, size = call(address, scaled, array, by)
    two, again = call_later(address, scaled, (0.0, size), array, by)
    return one, size, two, again


def test_a_call_by_address_is_the_call() -> None:
    array = np.arange(4.0)
    scaled(np.ones(1), 1.0)
    assert caller(address_of(scaled), array, 2.0) == (12.0, 4, 24.0, 4)
    assert array.tolist() == [0.0, 4.0, 8.0, 12.0]
    with pytest.raises(ValueError, match="negative"):
        caller(address_of(scaled), array, -1.0)


def test_other_arguments_than_a_kernel_was_compiled_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled(np.ones(1), 1.0)
    monkeypatch.setitem(by_address.EXPECTED, "scaled", {(numba.int64,)})
    with pytest.raises(TypeError, match="scaled is for arguments"):
        address_of(scaled)


def test_all_kernels_have_an_address_once_there_are_rules() -> None:
    problem = Problem(np.eye(2) * 0.04, [2.6, -3.2], [1.0, 1.0], instruments=["A", "B"], rules=rules.gross(3))
    assert solve(problem, "branch_and_bound").status is Status.OPTIMAL
    assert addresses().all()
    assert np.unique(addresses()).size == addresses().size
