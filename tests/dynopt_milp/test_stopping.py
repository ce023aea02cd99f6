"""Limits are kept, and what is said at a limit is true."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from dynopt_milp import Problem, SolveInterrupted, Status, StoppedBy, rebalance, solve
from dynopt_milp.trades.examples import example_problem
from tests.random_programs import hard_problem

GRACE = 2.0  # seconds a time limit may be exceeded by: a promise to users, not a benchmark
GRACE_OF_OWN = 0.7  # the branch and bound asks for the time more often


HARD = [("scip", hard_problem()), ("branch_and_bound", hard_problem(100, own_risk=0.01))]


@cache
def best_known(problem: Problem) -> float:
    """The value of the best portfolio that the branch and bound finds in a second: no true bound is above it."""
    return solve(problem, "branch_and_bound", time_limit=1.0).objective


@pytest.mark.parametrize(
    ("optimizer", "problem", "limit"),
    [(*one, limit) for one in HARD for limit in (0.0, 0.5, 3.0)] + [("scip_plain", hard_problem(), 0.5)],
)
def test_a_time_limit_is_kept_and_gives_an_answer_with_a_true_bound(
    optimizer: str, problem: Problem, limit: float
) -> None:
    solve(hard_problem(2), optimizer)  # compiles
    began = time.monotonic()
    solution = solve(problem, optimizer, time_limit=limit)
    assert time.monotonic() - began < limit + (GRACE_OF_OWN if optimizer == "branch_and_bound" else GRACE)
    assert solution.status is Status.FEASIBLE
    assert solution.stopped_by is StoppedBy.TIME
    assert 0 <= solution.lower_bound < solution.objective
    assert solution.lower_bound <= best_known(problem)
    assert solution.objective <= solve(problem, "greedy").objective or limit == 0


def test_a_time_limit_holds_for_a_whole_rebalance() -> None:
    began = time.monotonic()
    result = rebalance(hard_problem(), "scip", buffer_rule="edge", time_limit=1.0)
    assert time.monotonic() - began < 1.0 + GRACE
    assert result.status is Status.FEASIBLE
    assert result.stopped_by is StoppedBy.TIME


def test_a_large_problem_keeps_its_time_limit() -> None:
    problem = hard_problem(250)
    began = time.monotonic()
    solution = solve(problem, "scip", time_limit=2.0)
    assert time.monotonic() - began < 2.0 + GRACE
    assert solution.lower_bound <= solution.objective


def test_ctrl_c_before_there_is_a_tree_gives_what_is_known() -> None:
    solve(hard_problem(2), "branch_and_bound", formulation="deadband", buffer=0.01)
    problem = hard_problem(300)  # the local search before the tree takes seconds
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(SolveInterrupted) as stop:
        solve(problem, "branch_and_bound", formulation="deadband", buffer=1e-4)
    timer.join()
    assert stop.value.solution.stopped_by is StoppedBy.INTERRUPT
    assert stop.value.solution.nodes == 0
    assert stop.value.solution.lower_bound == 0


@pytest.mark.parametrize(("optimizer", "problem"), HARD)
def test_ctrl_c_ends_the_solve_and_carries_the_best_answer(optimizer: str, problem: Problem) -> None:
    solve(hard_problem(2), optimizer)
    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(SolveInterrupted) as stop:
        solve(problem, optimizer)
    assert time.monotonic() - began < 3.0 + GRACE
    solution = stop.value.solution
    assert isinstance(stop.value, KeyboardInterrupt)
    assert solution.stopped_by is StoppedBy.INTERRUPT
    assert solution.status is Status.FEASIBLE
    assert solution.lower_bound < solution.objective < np.inf


def test_a_wide_gap_stops_early_and_is_proved() -> None:
    problem = example_problem(1_000_000, cost_multiplier=10.0)
    wide, narrow = solve(problem, "scip", gap=0.2), solve(problem, "scip")
    assert wide.status is narrow.status is Status.OPTIMAL
    assert wide.lower_bound <= narrow.objective <= wide.objective
    assert narrow.objective >= (1 - 0.2) * wide.objective


def test_a_gap_that_floating_point_cannot_prove_is_not_claimed() -> None:
    solution = solve(example_problem(50_000), "scip", gap=0.0)
    assert solution.status is Status.FEASIBLE
    assert solution.stopped_by is StoppedBy.PRECISION
    assert solution.gap < 1e-8


def test_an_interrupt_that_numba_makes_another_error_of_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def loading(cause: BaseException) -> Callable[..., Any]:
        def load(*_: Any) -> None:
            try:
                raise cause
            except BaseException as inner:
                raise SystemError("returned a result with an exception set") from inner

        return load

    problem = Problem(np.eye(2), [0.4, 1.6], [1.0, 1.0], 0, 0.001, instruments=["A", "B"])
    solve(problem)
    for kernel in ("prove_at_root", "prepare"):
        monkeypatch.setattr(f"dynopt_milp.solvers.branch_and_bound.solver.{kernel}", loading(KeyboardInterrupt()))
        with pytest.raises(SolveInterrupted):
            solve(problem, formulation="penalty" if kernel == "prove_at_root" else "deadband")
        monkeypatch.setattr(f"dynopt_milp.solvers.branch_and_bound.solver.{kernel}", loading(ValueError()))
        with pytest.raises(SystemError):
            solve(problem, formulation="penalty" if kernel == "prove_at_root" else "deadband")
