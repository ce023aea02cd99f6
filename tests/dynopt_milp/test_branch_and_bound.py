"""The branch and bound: what its proofs rest on, what it merges, and what it leaves to others."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import cvxpy as cp
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynopt_milp import InputError, Limits, Problem, Status, StoppedBy, UnboundedError, solve
from dynopt_milp.adapters.book import ordinary_day
from dynopt_milp.errors import CertificationError
from dynopt_milp.solvers.branch_and_bound import solver
from dynopt_milp.solvers.branch_and_bound.bounds import CONE_ROUNDS, cone_bound
from dynopt_milp.solvers.branch_and_bound.compiled import forget_stale
from dynopt_milp.solvers.branch_and_bound.extraction import largest_diagonal
from dynopt_milp.solvers.branch_and_bound.goal import Goal
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.levels import make_levels, no_plan
from dynopt_milp.solvers.branch_and_bound.merge import Merged, new_lattice
from dynopt_milp.solvers.branch_and_bound.merged_box import merged_box
from dynopt_milp.solvers.branch_and_bound.node import Node, build_envelopes, load, new_node
from dynopt_milp.solvers.branch_and_bound.root import prove_at_root
from dynopt_milp.solvers.branch_and_bound.solver import solve_branch_and_bound
from dynopt_milp.solvers.branch_and_bound.splits import Groups, nearest_first
from dynopt_milp.solvers.branch_and_bound.tree import search
from dynopt_milp.trades.examples import example_problem
from formulations import FloatArray, Penalty, TrackingProgram
from tests.random_programs import hard_problem

INFINITE = np.full(3, np.inf)


def sizes_problem(seed: int, multiplier: float = 10.0) -> Problem:
    """Three markets: one in three sizes, one in two, one alone; some cheap per unit, some not."""
    random = np.random.default_rng(seed)
    returns = random.normal(size=(3, 3))
    market = [0, 0, 0, 1, 1, 2]
    weight = np.array([1.0, 5.0, 10.0, 1.0, 4.0, 1.0]) * random.uniform(0.1, 0.3)
    return Problem(
        covariance=(returns.T @ returns * 0.05)[np.ix_(market, market)],
        optimal_positions=random.normal(scale=0.8, size=6),
        weight_per_contract=weight,
        previous_positions=random.integers(-1, 2, 6),
        cost_in_weight_terms=random.uniform(0, 0.02, 6),
        cost_multiplier=multiplier,
        limits=Limits(lower=-3, upper=3),
        instruments=tuple("ABCDEF"),
    )


EXACT = Goal(0.0, False, 0.0, 0.0, 0.0)
"""Tracking error and cost, and nothing taken off."""


def merged_in(program: TrackingProgram, lower: FloatArray, upper: FloatArray) -> Merged:
    """The program merged over a box."""
    ends = [np.array(end) for end in (lower, upper)]
    for end in ends:
        end.setflags(write=False)
    gram = program.factor.T @ program.factor
    further = program.arrays()[-3:]
    none = np.zeros((0, 0), dtype=np.bool_)
    return merged_box(program.factor, gram, program.target, program.costs(), *ends, *further, 1e6, np.inf, none)[1]


def listed(groups: Groups) -> list[tuple[int, list[int], list[float]]]:
    """Variable, members and ratios of each group."""
    ends = zip(groups.variable, groups.start[:-1], groups.start[1:], strict=True)
    return [(int(place), list(groups.member[a:b]), list(groups.ratio[a:b])) for place, a, b in ends]


@pytest.mark.parametrize("seed", range(25))
def test_sizes_of_one_contract_are_merged_and_split_as_cheaply_as_can_be(seed: int) -> None:
    problem = sizes_problem(seed)
    program = problem.program()
    merged = merged_in(program, program.lower, program.upper)
    assert {place: members for place, members, _ in listed(merged.groups)} == {0: [0, 1, 2], 1: [3, 4]}
    assert list(merged.lead) == [0, 3, 5]
    truth, found = solve(problem, "enumerate"), solve(problem, "branch_and_bound")
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(truth.objective, rel=1e-9)
    assert found.lower_bound <= truth.objective


def test_ratios_that_are_not_whole_are_not_merged() -> None:
    factor = np.array([[1.0, 2.0, 2.5], [0.5, 1.0, 1.25]])
    program = TrackingProgram(factor, np.zeros(3), np.zeros(3), np.ones(3), -INFINITE, INFINITE)
    merged = merged_in(program, np.full(3, -9.0), np.full(3, 9.0))
    assert list(merged.lead) == [0, 2]
    assert listed(merged.groups) == [(0, [0, 1], [1, 2])]


def test_two_sizes_without_costs_need_no_limits() -> None:
    problem = sizes_problem(1, multiplier=0.0)
    keep = [0, 2, 3, 5]  # each of two markets at most twice
    two = Problem(
        covariance=problem.covariance[np.ix_(keep, keep)],
        optimal_positions=problem.optimal_positions[keep],
        weight_per_contract=problem.weight_per_contract[keep],
        previous_positions=problem.previous_positions[keep],
        instruments=tuple("ABCD"),
    )
    found = solve(two, "branch_and_bound")
    assert found.status is Status.OPTIMAL
    limited = solve(two.replace(limits=Limits(lower=-8, upper=8)), "enumerate")
    assert found.objective == pytest.approx(limited.objective, rel=1e-9)
    assert found.positions["B"] == two.previous_positions[1]  # nothing is traded that need not be


def test_what_nothing_bounds_is_said() -> None:
    returns = np.array([[1.0, 1.1, 0.9]])
    problem = Problem(
        covariance=returns.T @ returns, optimal_positions=[0.5, 0.2, 0.1], weight_per_contract=np.ones(3),
        instruments=tuple("ABC"),
    )  # fmt: skip
    with pytest.raises(UnboundedError, match="nothing bounds"):
        solve(problem, "branch_and_bound")


def test_constraints_go_to_scip_and_all_else_to_the_branch_and_bound() -> None:
    problem = sizes_problem(0)
    assert solve(problem).solver.startswith("branch and bound")
    assert "SCIP" in solve(problem, constraints=lambda k: [k[0] <= 1]).solver
    with pytest.raises(InputError, match="limits only"):
        solve(problem, "branch_and_bound", constraints=lambda k: [k[0] <= 1])


@settings(max_examples=80)
@given(size=st.integers(2, 12), seed=st.integers(0, 2**32 - 1), rank=st.integers(0, 3))
def test_diagonals_leave_a_positive_semidefinite_rest_on_every_level(size: int, seed: int, rank: int) -> None:
    random = np.random.default_rng(seed)
    root = random.normal(size=(size + 2 - rank, size)) * 10 ** random.uniform(-3, 3, size)
    gram, weight = root.T @ root, random.uniform(0.05, 0.3, size)
    scale = np.sqrt(np.diag(gram))
    diagonal = largest_diagonal(gram, weight, 40)
    plan = no_plan(size)
    make_levels(gram, np.maximum(diagonal, 0), weight, np.arange(size), 3, 1, plan.rank, plan.levels)
    for level in range(1, size + 1):
        block = np.flatnonzero(plan.rank < level) if level < size else np.arange(size)
        rest = gram[np.ix_(block, block)] - np.diag(plan.levels[level, block])
        assert (plan.levels[level] >= 0).all()
        assert np.linalg.eigvalsh(rest / np.outer(scale[block], scale[block])).min() > -1e-12 * size
    if rank <= 2:
        assert diagonal.sum() > 0


@numba.njit
def root_bound(lattice: Lattice, node: Node, goal: Goal, start: np.ndarray, cut: float) -> float:
    size, kappa, paid = load(lattice, node, start, np.zeros(start.size))
    build_envelopes(lattice, node, size * 0, size, 0.0)
    bound, _, _ = cone_bound(lattice, node, size, kappa, paid, cut, goal, 1.0, size * 0 + CONE_ROUNDS, size < 0, 0.0)
    return bound


@pytest.mark.parametrize("cost", [0.0, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("own_risk", [1.0, 0.01])
def test_the_cone_bound_reaches_the_relaxation_however_much_alike_instruments_are(own_risk: float, cost: float) -> None:
    random = np.random.default_rng(7)
    problem = hard_problem(30, own_risk).replace(
        limits=Limits(lower=-40, upper=40),
        previous_positions=random.integers(-2, 3, 30),
        cost_in_weight_terms=random.uniform(0.2, 1, 30) * cost,
        cost_multiplier=1.0,
    )
    program = problem.program()
    relaxation = cp.Problem(cp.Minimize((model := Penalty(program).model(integer=False)).objective), model.constraints)
    value = float(relaxation.solve(solver="CLARABEL"))
    merged = merged_in(program, program.lower, program.upper)
    lattice, _ = new_lattice(program.factor, merged, program.costs(), 0.0, False)
    node = new_node(30, 81, second=False)
    node.high[:] = 80
    cut = solve(problem, "branch_and_bound", gap=0.5, time_limit=10).objective
    bound = root_bound(lattice, node, EXACT, program.target.copy(), cut)
    assert bound <= value + 1e-7 * cut
    assert bound >= value - 0.02 * cut


def test_a_low_penalty_takes_hundreds_of_nodes_and_not_thousands() -> None:
    problem = example_problem(1_000_000, cost_multiplier=10.0)
    found = solve(problem, "branch_and_bound")
    assert found.status is Status.OPTIMAL
    assert found.nodes < 1_000


def test_that_no_portfolio_is_inside_the_buffer_is_seen_at_once() -> None:
    problem = Problem(
        covariance=np.eye(20) * 0.04 + 0.01,
        optimal_positions=np.full(20, -0.6),
        weight_per_contract=np.full(20, 0.1),
        cost_in_weight_terms=0.001,
        cost_multiplier=1.0,
        limits=Limits(long_only=True),
        instruments=tuple("ABCDEFGHIJKLMNOPQRST"),
    )
    outside = 0.9 * problem.program().tracking_error(np.zeros(20))  # nothing is closer than nothing
    found = solve(problem, "branch_and_bound", formulation="buffer_edge", buffer=outside)
    assert found.status is Status.INFEASIBLE
    assert found.nodes < 100


def test_a_local_search_that_would_take_seconds_keeps_the_time_limit() -> None:
    size, random = 300, np.random.default_rng(300)
    loadings = random.normal(size=(size, 5))
    top = np.where(random.random(size) < 0.5, 10.0, 2000.0)
    problem = Problem(
        covariance=(loadings @ loadings.T + 0.1 * np.diag(random.uniform(1, 3, size))) * 0.01,
        optimal_positions=random.normal(size=size) * 300,
        weight_per_contract=random.uniform(0.5, 2, size) * 1e-3,
        cost_in_weight_terms=random.uniform(0, 1e-4, size),
        cost_multiplier=1.0,
        limits=Limits(lower=-top, upper=top),
        instruments=tuple(f"F{place:03d}" for place in range(size)),
    )
    solve(sizes_problem(0), "branch_and_bound")
    assert solve(problem, "branch_and_bound", time_limit=0.2).seconds < 1.5  # a promise, not a benchmark


def test_positions_with_millions_of_values_are_left_to_scip() -> None:
    lower, upper = np.full(3, -5.0), np.full(3, 5.0)
    lower[0], upper[0] = 0, 8e7
    problem = Problem(
        covariance=np.eye(3) * 0.04 + 0.01,
        optimal_positions=[4e7 + 0.3, 0.5, 0.5],
        weight_per_contract=[1e-9, 0.01, 0.01],
        limits=Limits(lower=lower, upper=upper),
        instruments=tuple("ABC"),
    )
    with pytest.raises(InputError, match="possible values"):
        solve(problem, "branch_and_bound")
    assert solve(problem, "exact").solver.startswith("SCIP")


def test_what_is_parallel_but_for_a_little_is_not_merged_where_nothing_bounds_it() -> None:
    nearly = Problem(
        covariance=np.full((2, 2), 0.04),
        optimal_positions=[0.5, 0.0],
        weight_per_contract=[1.0, 2 * (1 + 2e-13)],
        instruments=("A", "B"),
    )
    with pytest.raises(UnboundedError):  # held against each other a billion times, they come closer without end
        solve(nearly, "branch_and_bound")


@pytest.mark.parametrize(
    ("reach", "ratios", "merged"), [(3, (1, 399, 400), 3), (200, (1, 399, 400), 2), (40, (1, 5, 50), 3)]
)
def test_a_third_size_is_merged_where_its_table_is_small(reach: int, ratios: tuple[int, ...], merged: int) -> None:
    factor = np.outer([0.3, -0.1], ratios)
    box = np.full(3, float(reach))
    program = TrackingProgram(factor, np.array([0.4, 1.3, -0.2]), np.zeros(3), np.zeros(3), -box, box)
    found = merged_in(program, -box, box)
    assert [len(members) for _, members, _ in listed(found.groups)] == [merged]


@pytest.mark.parametrize("seed", range(12))
def test_the_root_in_one_call_and_the_tree_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = sizes_problem(seed, multiplier=(10.0, 1.0, 0.1)[seed % 3])
    at_root = solve(problem, "branch_and_bound")
    monkeypatch.setitem(solve_branch_and_bound.__globals__, "ROOT_SECONDS", np.inf)
    in_the_tree = solve(problem, "branch_and_bound")
    assert at_root.status is in_the_tree.status is Status.OPTIMAL
    assert at_root.objective == pytest.approx(in_the_tree.objective, rel=1e-9)
    assert max(at_root.lower_bound, in_the_tree.lower_bound) <= at_root.objective * (1 + 1e-12)


def test_columns_almost_too_small_to_square_end_the_search_for_parallel_ones() -> None:
    names, box = tuple("abc"), Limits(lower=-3, upper=3)
    tiny = Problem(np.ones((3, 3)), [0.3, 0.3, 0.6], [1.0, 3.0, 2.3e-130], 0, 0, 0, limits=box, instruments=names)
    assert solve(tiny).objective == pytest.approx(solve(tiny, "enumerate").objective, rel=1e-9)
    with pytest.raises(InputError, match=r"covariance of c: the risk of a contract .* cannot square"):
        tiny.replace(weight_per_contract=[1.0, 3.0, 2.3e-162])


def test_a_problem_out_of_a_pickle_is_read_only_and_compiles_nothing() -> None:
    problem = example_problem(capital=50_000)
    solution = solve(problem)
    before = len(prove_at_root.signatures)
    for copied in (pickle.loads(pickle.dumps(solution)), copy.deepcopy(solution)):
        again = solve(copied.problem)
        assert again.positions.equals(solution.positions)
        for array in (copied.contracts, copied.problem.covariance, copied.problem.program().factor):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
    assert len(prove_at_root.signatures) == before


@pytest.mark.parametrize("held", [-7, 0, 2, 9])
def test_positions_are_tried_from_the_one_nearest_to_what_is_held(held: int) -> None:
    tried = [nearest_first.py_func(float(held), -3.0, 4.0, rank) for rank in range(8)]
    assert tried == sorted(range(-3, 5), key=lambda position: (abs(position - held), position))


def test_the_smallest_numbers_compile_nothing_again() -> None:
    tiny = Problem([[1e-9]], [1.3], 1e-100, 0.0, 0.0, limits=Limits(lower=-4, upper=4), instruments=("A",))
    solve(tiny, "branch_and_bound")
    before = len(search.signatures)
    found = solve(tiny, "branch_and_bound", formulation="buffer_edge", buffer=1e-106)
    assert found.status is Status.INFEASIBLE
    assert len(search.signatures) == before


def test_underlyings_in_another_order_compile_nothing_again() -> None:
    problem = Problem(
        np.full((2, 2), 0.01), [1.2, -2.3], [0.1, 0.2], [0, 1], 1e-4, instruments=["B", "A"], underlying=["U", "U"],
        limits=Limits(lower=-3, upper=3, one_side=True),
    )  # fmt: skip
    solve(problem.replace(instruments=["A", "B"]))
    before = [len(kernel.signatures) for kernel in (prove_at_root, merged_box)]
    for formulation in ("penalty", "deadband"):
        assert solve(problem, formulation=formulation, buffer=0.001).status is Status.OPTIMAL
    assert [len(kernel.signatures) for kernel in (prove_at_root, merged_box)] == before


def test_what_floating_point_leaves_open_is_answered_by_whoever_proved_more() -> None:
    problem = example_problem(capital=250_000)
    own, exact = solve(problem, "branch_and_bound", gap=0), solve(problem, "exact", gap=0)
    assert own.stopped_by is StoppedBy.PRECISION
    assert exact.stopped_by is StoppedBy.PRECISION
    assert exact.gap <= own.gap < 1e-9


def test_kernels_older_than_what_they_are_made_of_are_forgotten(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, made in (("old.nbi", 100), ("new.nbi", 300)):
        (cache / name).touch()
        os.utime(cache / name, (made, made))
    (source := tmp_path / "elsewhere.py").touch()
    os.utime(source, (200, 200))
    forget_stale(tmp_path, [source])
    assert [path.name for path in cache.iterdir()] == ["new.nbi"]
    assert all((ordinary_day.PACKAGE / name).is_file() for name in ordinary_day.CONSTANTS)


@pytest.mark.parametrize(("value", "bound", "refused"), [(0.5, 0.5, False), (2.0, 2.0, True), (1.0, 1.001, True)])
def test_a_kernel_that_prices_wrongly_is_not_believed(
    value: float, bound: float, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value is never reported; and a bound above the true value raises."""
    problem = example_problem(capital=50_000)
    true = solve(problem, "branch_and_bound")

    def wrong(*arguments: Any) -> tuple[bool, FloatArray, float, float, int]:
        proved, portfolio, priced, proved_bound, nodes = prove_at_root(*arguments)
        assert proved
        return proved, portfolio, priced * value, max(priced, proved_bound) * bound, nodes

    monkeypatch.setattr(solver, "prove_at_root", wrong)
    if refused:
        with pytest.raises(CertificationError, match="claims the lower bound"):
            solve(problem, "branch_and_bound")
        return
    found = solve(problem, "branch_and_bound")
    assert found.objective == true.objective == problem.program().objective(found.positions.to_numpy())
    assert found.lower_bound <= found.objective
    assert (found.status is Status.OPTIMAL) == (value == 1.0)
