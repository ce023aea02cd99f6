"""SCIP runs in one thread a process: its expression library numbers threads and has room for sixty-four."""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dynopt_milp import Status, solve
from dynopt_milp.problem.problem import Problem
from dynopt_milp.solvers.scip.thread import run_in_scip_thread
from dynopt_milp.trades.examples import example_problem


def thread_used() -> int | None:
    seen: list[int | None] = []
    run_in_scip_thread(lambda: seen.append(threading.get_ident())).result()
    return seen[0]


def small_problem() -> Problem:
    whole = example_problem(250_000)
    few = slice(0, 6)
    return Problem(
        covariance=whole.covariance[few, few], optimal_positions=whole.optimal_positions[few],
        weight_per_contract=whole.weight_per_contract[few], previous_positions=whole.previous_positions[few],
        cost_in_weight_terms=whole.cost_in_weight_terms[few], instruments=whole.instruments[few],
    )  # fmt: skip


def solve_in_child(answers: Any) -> None:
    answers.put(solve(small_problem(), "scip").objective)


def test_all_callers_share_one_thread_that_is_not_their_own() -> None:
    with ThreadPoolExecutor(8) as callers:
        used = {call.result() for call in [callers.submit(thread_used) for _ in range(40)]}
    assert len(used) == 1
    assert used != {threading.get_ident()}


def test_what_a_run_raises_is_not_lost() -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_scip_thread(lambda: 1 // 0).result()  # type: ignore[arg-type, return-value]
    assert thread_used() is not None


def test_solves_from_several_threads_all_end_with_the_same_answer() -> None:
    problem = small_problem()
    with ThreadPoolExecutor(4) as callers:
        found = [call.result() for call in [callers.submit(solve, problem, "scip") for _ in range(8)]]
    assert {solution.status for solution in found} == {Status.OPTIMAL}
    assert len({tuple(solution.positions) for solution in found}) == 1


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_thread_of_its_own() -> None:
    expected = solve(small_problem(), "scip").objective
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=solve_in_child, args=(answers,))
    child.start()
    assert answers.get(timeout=60) == expected
    child.join(10)
    assert child.exitcode == 0


def test_a_time_limit_is_kept_while_another_solve_has_the_thread() -> None:
    release = threading.Event()
    busy = run_in_scip_thread(lambda: release.wait(30) and None)
    try:
        began = time.monotonic()
        solution = solve(small_problem(), "scip", time_limit=0.5)
        assert time.monotonic() - began < 5.0
        assert solution.status in (Status.FEASIBLE, Status.OPTIMAL)
        assert solution.lower_bound <= solution.objective
    finally:
        release.set()
        busy.result()
