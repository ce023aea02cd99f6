"""Limits are kept, and what is said at a limit is true."""

from __future__ import annotations

import concurrent.futures
import functools
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from dynopt_milp import Limits, Problem, SolveInterrupted, Status, StoppedBy, rebalance, solve
from dynopt_milp.solvers.incumbent import MOST_GREEDY_STEPS, SHORT_EVALUATIONS
from dynopt_milp.solvers.scip.solver import _optimise
from dynopt_milp.solvers.task import Answer, Task
from dynopt_milp.trades.examples import example_problem
from formulations import Penalty, TrackingProgram
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


def test_an_interrupt_while_a_kernel_is_compiled_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(*_: Any) -> None:
        raise RuntimeError("no compiled object yet for <Library 'search' at 0x7f>")

    problem = Problem(np.eye(2), [0.4, 1.6], [1.0, 1.0], 0, 0.001, instruments=["A", "B"])
    solve(problem)
    monkeypatch.setattr("dynopt_milp.solvers.branch_and_bound.solver.prove_at_root", cut_off)
    with pytest.raises(SolveInterrupted):
        solve(problem)


def pinned_far_away(held: int) -> Problem:
    """Targets near zero; greedy walks from zero to whatever hedges the pinned position."""
    return Problem(
        [[0.04, 0.038], [0.038, 0.04]], [0.3, 0.4], [1e-6, 1e-6], [held, 0], 1e-6, limits=Limits(no_trade=["A"]),
        instruments=("A", "B"),
    )  # fmt: skip


@pytest.mark.parametrize("limit", [0.0, None])
def test_the_greedy_search_for_a_start_ends_however_far_it_has_to_go(
    limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = []
    plain = TrackingProgram.objective
    monkeypatch.setattr(TrackingProgram, "objective", lambda self, k: priced.append(1) or plain(self, k))
    solution = solve(pinned_far_away(-2_000_000), "scip", time_limit=limit)
    assert solution.status is not Status.NO_SOLUTION
    assert len(priced) <= (SHORT_EVALUATIONS if limit == 0 else 2 * MOST_GREEDY_STEPS) + 2


@pytest.mark.parametrize("how", [{"optimizer": "scip"}, {"constraints": lambda k: [k[1] <= 10**7]}, {}])
def test_a_position_that_is_held_far_away_does_not_stretch_a_time_limit(how: dict[str, Any]) -> None:
    solve(pinned_far_away(-3), **how)
    began = time.monotonic()
    solution = solve(pinned_far_away(-2_000_000), time_limit=1.0, **how)
    assert time.monotonic() - began < 1.0 + GRACE
    assert solution.lower_bound <= solution.objective < np.inf


@pytest.mark.parametrize("seed", range(5))
def test_an_answer_at_once_is_no_worse_than_that_of_greedy(seed: int) -> None:
    problem = example_problem(250_000, seed=seed)
    assert solve(problem, "scip", time_limit=0.0).objective <= solve(problem, "greedy").objective


def interrupting(monkeypatch: pytest.MonkeyPatch, name: str, after: int = 0) -> None:
    """Ctrl-C in a function, at its first call or after some."""
    module, _, path = name.partition(":")
    *owners, attribute = path.split(".")
    place: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    plain, calls = getattr(place, attribute), []

    def interrupted(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == after + 1:
            raise KeyboardInterrupt
        return plain(*given, **named)

    monkeypatch.setattr(place, attribute, interrupted)


SCIP = "dynopt_milp.solvers.scip"
WHERE = [
    ("scip", "dynopt_milp.solvers.incumbent:greedy_search", 0),
    ("scip", "dynopt_milp.solvers.incumbent:exchange", 0),
    ("scip", "dynopt_milp.solvers.exchange:_first_improvement", 1),
    ("scip", f"{SCIP}.solver:finite_box", 0),
    ("scip", f"{SCIP}.solver:Relaxation.minimiser", 0),
    ("scip", f"{SCIP}.relaxation:Relaxation.extreme", 3),
    ("scip", f"{SCIP}.solver:build_model", 0),
    ("scip", f"{SCIP}.solver:run_in_scip_thread", 0),
    ("scip", f"{SCIP}.model:ScipModel.solutions", 0),
    ("scip_plain", f"{SCIP}.solver:build_model", 0),
    ("exact", "dynopt_milp.solvers.branch_and_bound.solver:prepare", 0),
    ("exact", "dynopt_milp.solvers.branch_and_bound.solver:prove_root", 0),
    ("exact", "dynopt_milp.solvers.solving:certify", 0),
    ("greedy", "formulations:TrackingProgram.objective", 0),
    ("greedy", "dynopt_milp.solvers.carried_steps:CarriedSteps.take", 0),
    ("cvxpy:SCIP", "cvxpy:Problem.solve", 0),
    ("cvxpy:SCIP", "dynopt_milp.solvers.cvxpy:finite_box", 0),
]


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize(("optimizer", "where", "after"), WHERE, ids=[f"{one}-{name}" for one, name, _ in WHERE])
def test_ctrl_c_anywhere_carries_the_best_portfolio(
    optimizer: str, where: str, after: int, constrained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = example_problem(1_000_000, cost_multiplier=1.0)
    how: dict[str, Any] = {"constraints": lambda k: [k[0] <= 5]} if constrained else {}
    if constrained and (optimizer in ("exact", "greedy") or "Relaxation.extreme" in where):
        how = {"formulation": "integer_hull"}
    monkeypatch.setattr("dynopt_milp.solvers.branch_and_bound.solver.ROOT_WORK", 0)  # the root proves nothing
    interrupting(monkeypatch, where, after)
    with pytest.raises(SolveInterrupted) as stop:
        solve(problem, optimizer, **how)
    solution = stop.value.solution
    assert solution.status is (Status.OPTIMAL if where.endswith("certify") else Status.FEASIBLE)
    assert solution.lower_bound <= solution.objective < np.inf
    assert solution.contracts is not None
    assert "constraints" not in how or solution.contracts[0] <= 5
    held = problem.program().objective(np.zeros(len(problem.instruments)))
    assert solution.objective <= held


def test_ctrl_c_after_the_branch_and_bound_keeps_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = example_problem(100_000)
    proved = solve(problem, "branch_and_bound")
    open_still = Answer(proved.contracts[problem.order()].astype(float), 0.99 * proved.lower_bound,
                        StoppedBy.PRECISION, "own")  # fmt: skip
    monkeypatch.setattr("dynopt_milp.solvers.exact.solve_branch_and_bound", lambda task: open_still)
    for name, after in ((f"{SCIP}.solver:tightened_box", 0), ("dynopt_milp.solvers.incumbent:exchange", 0)):
        with monkeypatch.context() as patch:
            interrupting(patch, name, after)
            with pytest.raises(SolveInterrupted) as stop:
                solve(problem)
        assert stop.value.solution.lower_bound == 0.99 * proved.lower_bound
        assert stop.value.solution.objective == proved.objective


def test_ctrl_c_in_enumeration_carries_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(
        0.04 * np.eye(3), [45.4, 2.0, 1.6], np.ones(3), limits=Limits(lower=0, upper=99),
        instruments=("A", "B", "C"),
    )  # fmt: skip
    interrupting(monkeypatch, "formulations:Penalty.bounds", 6)
    with pytest.raises(SolveInterrupted) as stop:
        solve(problem, "enumerate")
    assert stop.value.solution.contracts.tolist() == [45, 2, 2]
    assert stop.value.solution.lower_bound == 0


def test_ctrl_c_in_an_optimizer_of_ones_own_leaves_what_it_had_or_what_is_held() -> None:
    problem = example_problem(100_000)

    def alone(_: Problem) -> Any:
        raise KeyboardInterrupt

    def solving(given: Problem) -> Any:
        raise SolveInterrupted(solve(given))

    for optimizer, value in ((alone, problem.program().objective(problem.previous_positions)),
                             (solving, solve(problem).objective)):  # fmt: skip
        with pytest.raises(SolveInterrupted) as stop:
            solve(problem, optimizer)
        assert stop.value.solution.problem is problem
        assert stop.value.solution.stopped_by is StoppedBy.INTERRUPT
        assert stop.value.solution.objective == value


def test_ctrl_c_before_anything_is_known_has_no_portfolio(monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(SolveInterrupted) as stop:
        solve(example_problem(100_000), constraints=rule)
    assert stop.value.solution.status is Status.NO_SOLUTION
    assert stop.value.solution.contracts is None
    interrupting(monkeypatch, "dynopt_milp.solvers.solving:find_method")
    with pytest.raises(SolveInterrupted) as stop:
        solve(example_problem(100_000))
    assert (stop.value.solution.status, stop.value.solution.lower_bound) == (Status.NO_SOLUTION, 0)


def test_a_second_ctrl_c_leaves_and_scip_is_stopped_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    asked: list[int] = []

    class Stubborn:
        """Stops when it is told for the fifth time."""

        def optimizeNogil(self) -> None:  # noqa: N802  # as SCIP has it
            while len(asked) < 5:
                time.sleep(0.001)
            ended.set()

        def interruptSolve(self) -> None:  # noqa: N802
            asked.append(1)

    main = threading.current_thread()

    def waiting(running: Any, timeout: float | None = None) -> Any:
        if threading.current_thread() is main:
            time.sleep(0.02)  # it has begun
            raise KeyboardInterrupt
        return concurrent.futures.wait(running, timeout=0.01)

    monkeypatch.setattr(f"{SCIP}.solver.wait", waiting)
    program = TrackingProgram(np.eye(1), [0.4], [0.0], [0.0], [-1.0], [1.0])
    with pytest.raises(KeyboardInterrupt):
        _optimise(Stubborn(), Task(Penalty(program), ("A",), 1e-6))  # type: ignore[arg-type]
    assert ended.wait(10)


def small_box() -> Problem:
    """Eighty portfolios; two of them differ by less than 1e-12 of their value."""
    covariance = [
        [0.0786384493744132, 0.0, 0.0, 0.0],
        [0.0, 0.00011602502593153036, -0.0017242613334358303, -0.0002397776276183519],
        [0.0, -0.0017242613334358303, 0.025624447157946803, 0.0035633630641830802],
        [0.0, -0.0002397776276183519, 0.0035633630641830802, 0.0004955250838746931],
    ]
    return Problem(
        covariance, [-0.267, 0.462, -0.246, -0.546],
        [2.322404114961817e-06, 3.717650233772589e-07, 45.201360219195394, 2.25758081586631e-07], [3, 0, -3, 7],
        [0.0, 0.002183110950186096, 0.0, 0.0], 1.0, Limits(lower=[-1, -5, -1, -3], upper=[3, -4, 0, 0]),
        ("I001", "I003", "I000", "I002"),
    )  # fmt: skip


@pytest.mark.parametrize("formulation", ["penalty", "integer_hull"])
@pytest.mark.parametrize("optimizer", ["exact", "scip", "branch_and_bound"])
def test_no_gap_at_all_ends_where_floating_point_does(optimizer: str, formulation: str) -> None:
    truth = solve(small_box(), "enumerate").lower_bound
    for gap in (0.0, 1e-15, 1e-12):
        solution = solve(small_box(), optimizer, formulation=formulation, gap=gap, time_limit=60.0)
        assert solution.stopped_by in (StoppedBy.PRECISION, StoppedBy.GAP)
        assert (solution.status is Status.OPTIMAL) == (solution.stopped_by is StoppedBy.GAP)
        assert solution.nodes < 10_000
        assert solution.lower_bound <= truth * (1 + 1e-15)
        assert solution.objective == pytest.approx(truth, rel=1e-12)
