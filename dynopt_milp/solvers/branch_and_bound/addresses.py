"""The kernels that are called by their address, compiled or loaded once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import cone_bound, hull_bound
from dynopt_milp.solvers.branch_and_bound.branching import choose
from dynopt_milp.solvers.branch_and_bound.by_address import (
    BOX,
    CHOOSE,
    CONE,
    HULL,
    IMPROVE,
    IMPROVE_RULED,
    LEAF,
    RAISE,
    ROUNDED,
    SEARCH,
    SPHERE,
    START,
    address_of,
)
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
from dynopt_milp.solvers.branch_and_bound.tree import new_stack, search, try_ruled
from formulations import IntegerArray, TrackingProgram


@cache
def addresses() -> IntegerArray:
    """The address of each, at the places that `by_address` names; those that rules need are 0 before `load_ruled`."""
    one, no, real, whole, table = _kinds()
    lattice, coupling, dual, stack, node, claim = _examples()
    plan, goal = no_plan(one), claim.goal
    program = TrackingProgram(table + 1, real, real, real, real, real)
    factor, target, _, _, _, lower, upper, underlying, twin, _ = program.arrays()
    kernels = np.zeros(12, dtype=np.int64)
    # Those that call others come after them.
    kernels[CONE] = _loaded(cone_bound, lattice, node, one, no, no, no, goal, no, one, False, no)
    kernels[HULL] = _loaded(hull_bound, lattice, node, one, no, no, no, goal, no, no, one)
    kernels[CHOOSE] = _loaded(
        choose, lattice, node, one, no, no, no, goal, no, no, no, no, whole, real, False, no
    )  # fmt: skip
    kernels[SPHERE] = _loaded(search_sphere, lattice, node, one, no, no, real, whole, claim, no, plan, no, no)
    kernels[IMPROVE] = _loaded(improve, lattice, whole, whole, whole, no, False, one)
    kernels[SEARCH] = _loaded(
        search, lattice, coupling, dual, stack, node, claim, no, False, plan, one, one, kernels
    )  # fmt: skip
    kernels[BOX] = _loaded(
        merged_box, factor, table, target, program.costs(), lower, upper, underlying, twin, no, no, no,
        np.zeros((0, 0), dtype=np.bool_),
    )  # fmt: skip
    kernels[START] = _loaded(
        simple_start, factor, table, target, program.costs(), lower, upper, underlying, no, table, one
    )  # fmt: skip
    return kernels


@cache
def load_ruled() -> None:
    """Compile, or load, what only rules need, and put its addresses where :func:`addresses` has them."""
    kernels = addresses()
    one, no, _, whole, _ = _kinds()
    lattice, coupling, dual, stack, node, claim = _examples()
    goal, value = claim.goal, stack.value
    kernels[IMPROVE_RULED] = _loaded(
        improve_ruled, lattice, coupling, whole, whole, whole, whole, no, False, no, one
    )  # fmt: skip
    kernels[RAISE] = _loaded(
        raise_bound, lattice, coupling, dual, node, one, no, no, no, no, goal, goal, no, no, no, no, no, one, one,
        kernels,
    )  # fmt: skip
    kernels[ROUNDED] = _loaded(
        try_ruled, lattice, coupling, dual, stack, whole, whole, whole, claim, one, kernels
    )  # fmt: skip
    kernels[LEAF] = _loaded(close_leaf, lattice, coupling, value, whole, whole, whole, whole, claim, no)


def _kinds() -> tuple[Any, ...]:
    """A number and arrays of each kind."""
    return 1, 0.0, np.zeros(1), np.zeros(1, dtype=np.int64), np.zeros((1, 1))


def _examples() -> tuple[Any, ...]:
    """A lattice, rules, a dual, a stack, a node and a claim."""
    one, no, real, whole, table = _kinds()
    lattice, coupling = Lattice(table, table, real, real, whole, real), no_coupling()
    claim = Claim(Goal(no, False, no, no, no), no, no, Drift(no, no, no, no, no))
    return lattice, coupling, new_dual(lattice, coupling), new_stack(one, 4, 0), new_node(one, one, False), claim


def _loaded(kernel: Any, *arguments: Any) -> int:
    """Compile a kernel, or load it, for arguments of these kinds; its address."""
    if not numba.config.DISABLE_JIT:
        kernel.compile(tuple(numba.typeof(argument) for argument in arguments))
    return address_of(kernel)
