"""The kernels that are called by their address, compiled or loaded once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import cone_bound, hull_bound
from dynopt_milp.solvers.branch_and_bound.branching import choose
from dynopt_milp.solvers.branch_and_bound.by_address import address_of
from dynopt_milp.solvers.branch_and_bound.coupling import no_coupling
from dynopt_milp.solvers.branch_and_bound.goal import Claim, Drift, Goal
from dynopt_milp.solvers.branch_and_bound.keeping import close_leaf
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice
from dynopt_milp.solvers.branch_and_bound.levels import no_plan
from dynopt_milp.solvers.branch_and_bound.local_search import improve, simple_start
from dynopt_milp.solvers.branch_and_bound.merged_box import merged_box
from dynopt_milp.solvers.branch_and_bound.multipliers import new_dual, raise_bound
from dynopt_milp.solvers.branch_and_bound.node import new_node
from dynopt_milp.solvers.branch_and_bound.ruled_local_search import improve_ruled
from dynopt_milp.solvers.branch_and_bound.sphere import search_sphere
from dynopt_milp.solvers.branch_and_bound.tree import new_stack, search, try_rounded
from formulations import IntegerArray, TrackingProgram


@cache
def addresses() -> IntegerArray:
    """The address of each, at the places that `by_address` names."""
    one, no, real, whole, table = 1, 0.0, np.zeros(1), np.zeros(1, dtype=np.int64), np.zeros((1, 1))
    lattice, coupling, plan = Lattice(table, table, real, real, whole, real), no_coupling(), no_plan(one)
    dual, stack, node = new_dual(lattice, coupling), new_stack(one, 4, 0), new_node(one, one, False)
    goal = Goal(no, False, no, no, no)
    claim = Claim(goal, no, no, Drift(no, no, no, no, no))
    program = TrackingProgram(table + 1, real, real, real, real, real)
    factor, target, _, _, _, lower, upper, underlying, twin, _ = program.arrays()
    kernels = np.zeros(12, dtype=np.int64)  # those that call others after them
    cone = _loaded(cone_bound, lattice, node, one, no, no, no, goal, no, one, False, no)
    hull = _loaded(hull_bound, lattice, node, one, no, no, no, goal, no, no, one)
    chosen = _loaded(choose, lattice, node, one, no, no, no, goal, no, no, no, no, whole, real, False, no, kernels)
    sphere = _loaded(search_sphere, lattice, node, one, no, no, real, whole, claim, no, plan, no, no)
    raised = _loaded(
        raise_bound,
        lattice,
        coupling,
        dual,
        node,
        one,
        no,
        no,
        no,
        no,
        goal,
        goal,
        no,
        no,
        no,
        no,
        no,
        one,
        one,
        kernels,
    )
    better = _loaded(improve, lattice, whole, whole, whole, no, False, one)
    ruled = _loaded(improve_ruled, lattice, coupling, whole, whole, whole, whole, no, False, no, one)
    rounded = _loaded(try_rounded, lattice, coupling, dual, stack, node, one, whole, claim, False, one, kernels)
    leaf = _loaded(close_leaf, lattice, coupling, real, whole, whole, whole, whole, claim, no)
    tree = _loaded(search, lattice, coupling, dual, stack, node, claim, no, False, plan, one, one, kernels)
    box = _loaded(
        merged_box, factor, table, target, program.costs(), lower, upper, underlying, twin, no, no, no,
        np.zeros((0, 0), dtype=np.bool_),
    )  # fmt: skip
    start = _loaded(
        simple_start, factor, table, target, program.costs(), lower, upper, underlying, no, table, one
    )  # fmt: skip
    kernels[:] = tree, box, chosen, sphere, raised, rounded, leaf, cone, hull, start, better, ruled
    return kernels


def _loaded(kernel: Any, *arguments: Any) -> int:
    """Compile a kernel, or load it, for arguments of these kinds; its address."""
    if not numba.config.DISABLE_JIT:
        kernel.compile(tuple(numba.typeof(argument) for argument in arguments))
    return address_of(kernel)
