"""Proved within a few nodes, as most rebalances with costs are: from the program to the answer in one compiled call.

The kernels are those of `prepare` and `phases`: merged contracts and box, tables, first node, cropping, claimed bound.
What is saved is what takes the time of a small rebalance, two hundred calls from Python. What is larger, or not closed
by then, is left to the tree, which begins with the portfolio found here.
"""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.by_address import BOX, IMPROVE, SEARCH, START, call
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.coupling import no_coupling
from dynopt_milp.solvers.branch_and_bound.cropping import crop, open_box
from dynopt_milp.solvers.branch_and_bound.levels import MOST_NODES, SpherePlan
from dynopt_milp.solvers.branch_and_bound.local_search import improve, simple_start
from dynopt_milp.solvers.branch_and_bound.merge import new_lattice, split_sums, sums_of
from dynopt_milp.solvers.branch_and_bound.merged_box import merged_box
from dynopt_milp.solvers.branch_and_bound.multipliers import new_dual
from dynopt_milp.solvers.branch_and_bound.node import new_node
from dynopt_milp.solvers.branch_and_bound.pricing import priced
from dynopt_milp.solvers.branch_and_bound.tree import DONE, NODES, OPEN, begin, claimed_bound, new_stack, search
from dynopt_milp.solvers.exchange import GAIN
from dynopt_milp.solvers.kernels.costs import least_cost
from formulations.integer_hull import WEAK
from formulations.separable_cost import HELD, Costs

ROOT_VARIABLES, ROOT_ENTRIES = 64, 20_000  # variables, and positions of all of them
ROOT_CAPACITY = 64
FIRST_NODES = 3
# Where the cone's bound is weak, so many nodes after them with few variables, and none with more: sphere searches do
# better.
WEAK_SIZE, WEAK_NODES = 16, 60
AHEAD = 40  # candidates looked at before a node is split


@compiled
def prove_at_root(
    factor: np.ndarray, target: np.ndarray, lines: np.ndarray, table_start: np.ndarray, table: np.ndarray,
    lower: np.ndarray, upper: np.ndarray, underlying: np.ndarray, twin: np.ndarray, residual: float, starts: np.ndarray,
    slack: float, greedy_steps: int, work: int, kernels: np.ndarray,
) -> tuple[bool, np.ndarray, float, float, int]:  # fmt: skip
    """The optimum of a `penalty` program, if a few nodes prove it.

    Parameters
    ----------
    factor, target, ..., residual : ndarray and float
        As `TrackingProgram.arrays` has them. An underlying whose sizes are not all merged has no side here.
    starts : ndarray, shape (any, n)
        Portfolios to begin with.
    slack : float
        Everything of at least (1 − slack) × the best value counts as pruned.
    greedy_steps : int
        At most.
    work : int
        Nodes at most after the first few, times the variables.
    kernels : ndarray of int
        Their addresses.

    Returns
    -------
    proved : bool
    portfolio : ndarray, shape (n,)
        The best that was found in any case.
    value, bound : float
        The largest value that the portfolio can have in exact arithmetic, and what no portfolio is below.
    nodes : int
    """
    size = target.size
    costs = Costs(lines, table_start, table)
    # Not literals: numba would compile what is called once more for each.
    zero, hull = greedy_steps * 0, greedy_steps < 0
    capacity, one, few, ahead = zero + ROOT_CAPACITY, zero + 1, zero + FIRST_NODES, zero + AHEAD
    gram = np.zeros((size, size))
    for row in range(len(factor)):
        for i in range(size):
            for j in range(size):
                gram[i, j] += factor[row, i] * factor[row, j]
    best, value, doubt = call(
        kernels[START], simple_start,
        factor, gram, target, costs, lower, upper, underlying, residual, starts, greedy_steps,
    )  # fmt: skip
    most = value + doubt
    if value == 0:  # where risks cancel to nothing, whole numbers have to say whether they do
        return most == 0, best, most, 0.0, 0
    if not most < np.inf:
        return False, best, most, 0.0, 0
    spent = least_cost(costs, lower, upper)
    radius = max(most - spent, 0.0)
    unlike = np.zeros((zero, zero), dtype=np.bool_)
    some, merged = call(
        kernels[BOX], merged_box,
        factor, gram, target, costs, lower, upper, underlying, twin, residual, radius, most, unlike,
    )  # fmt: skip
    first, last, ratio = merged.lower, merged.upper, merged.ratio
    sums, widest, entries = sums_of(merged.variable, ratio, first.size, best), 0.0, 0.0
    for a in range(sums.size):
        width = last[a] - first[a] + 1
        widest = max(widest, width)
        entries += width
        some &= first[a] <= sums[a] <= last[a]
    if not some or sums.size > ROOT_VARIABLES or not entries <= ROOT_ENTRIES:
        return False, best, most, 0.0, 0
    lattice, claim = new_lattice(factor, merged, costs, 0.0, hull)

    size = sums.size
    coupling = no_coupling()
    dual, stack = new_dual(lattice, coupling), new_stack(size, capacity, zero)
    node = new_node(size, int(widest), hull)
    nothing, budget = np.zeros(size, dtype=np.int64), np.array([0, MOST_NODES])
    plan = SpherePlan(hull, nothing, np.zeros((size + 1, size)), budget)
    index, highest = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    for a in range(size):
        highest[a] = np.int64(last[a] - first[a])
        index[a] = stack.best[a] = np.int64(sums[a] - first[a])
    stack.value[0] = value
    found = call(kernels[IMPROVE], improve, lattice, nothing, highest, index, 0.0, hull, 10 * size)
    if found < value:
        stack.value[0] = found
        for a in range(size):
            stack.best[a] = index[a]
    begin(stack, lattice, claim.goal, spent)
    ended = call(
        kernels[SEARCH], search,
        lattice, coupling, dual, stack, node, claim, slack, hull, plan, one, few, kernels,
    )  # fmt: skip
    known, known_value = first + stack.best, stack.value[0]
    if ended != DONE:
        opened = stack.state[OPEN]
        low, high = open_box(stack.low, stack.high, opened)
        lattice, claim = crop(lattice, claim, stack.low, stack.high, opened, stack.best, low, high)
        longest, least = 0, np.inf
        for a in range(size):
            longest = max(longest, high[a] - low[a])
        for k in range(opened):
            least = min(least, stack.bound[k])
        node = new_node(size, longest + 1, hull)
        weak = least < WEAK * stack.value[0]
        more = work // size
        if weak:
            more = WEAK_NODES if size <= WEAK_SIZE else 0
        ended = call(
            kernels[SEARCH], search,
            lattice, coupling, dual, stack, node, claim, slack, hull, plan, ahead, more, kernels,
        )  # fmt: skip
    proved = ended == DONE
    if stack.value[0] < known_value * (1 - GAIN):
        known = lattice.first + stack.best
    portfolio = split_sums(known, merged.lead, merged.groups, costs, merged.least, merged.most)
    worth, worth_doubt = priced(factor, gram, target, costs, residual, portfolio)
    # Nothing is traded that need not be, even where it costs nothing.
    less = traded(ratio, lines[HELD], portfolio) < traded(ratio, lines[HELD], best)
    if worth < value or (worth <= value * (1 + GAIN) and less):
        best, value, doubt = portfolio, worth, worth_doubt
    bound = claimed_bound(stack, min(stack.value[0], value), slack)
    return proved, best, value + doubt, max(bound, 0.0) if proved else 0.0, stack.state[NODES]


@part
def traded(ratio: np.ndarray, held: np.ndarray, portfolio: np.ndarray) -> float:
    """How much is traded, in contracts of the size that each group is counted in."""
    total = 0.0
    for i in range(ratio.size):
        total += abs(ratio[i] * (portfolio[i] - held[i]))
    return total
