"""Proved within a few nodes, as most rebalances with costs are: from the program to the answer in one compiled call.

The same steps as `solver`'s, first portfolio, merged contracts, box, tables, local search and the first nodes, without
what takes the time of a small rebalance: two hundred calls from Python. What is larger, or not closed by then, is left
to `solver`, which begins anew.
"""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.bounds import UNIT_ROUND_OFF, Goal, round_off
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, part
from dynopt_milp.solvers.branch_and_bound.extraction import SHIFT
from dynopt_milp.solvers.branch_and_bound.incumbents import GAIN, exchange, simple_start
from dynopt_milp.solvers.branch_and_bound.lattice import Lattice, cropped, tables
from dynopt_milp.solvers.branch_and_bound.levels import MOST_NODES, SpherePlan
from dynopt_milp.solvers.branch_and_bound.merge import merged_columns, parallels
from dynopt_milp.solvers.branch_and_bound.node import new_node
from dynopt_milp.solvers.branch_and_bound.pricing import priced
from dynopt_milp.solvers.branch_and_bound.reach import within_costs, within_risk
from dynopt_milp.solvers.branch_and_bound.splits import fill_tables, split_sums
from dynopt_milp.solvers.branch_and_bound.tree import DONE, new_stack, search

LARGEST, MOST_ENTRIES = 64, 20_000  # variables, and positions of all of them
CAPACITY = 64
FIRST_NODES = 3
# Where the cone's bound is below this share of the value, so many nodes after them with few variables, and none with
# more: sphere searches do better.
WEAK, WEAK_SIZE, WEAK_NODES = 0.6, 16, 60
AHEAD = 40  # candidates looked at before a node is split


@compiled
def prove_at_root(
    factor: np.ndarray, target: np.ndarray, held: np.ndarray, unit: np.ndarray, lower: np.ndarray, upper: np.ndarray,
    starts: np.ndarray, slack: float, greedy_steps: int, work: int,
) -> tuple[bool, np.ndarray, float, float, int]:  # fmt: skip
    """The optimum of a `penalty` program, if a few nodes prove it.

    Parameters
    ----------
    factor, target, held, unit, lower, upper : ndarray
        As `TrackingProgram` has them; ``unit`` is its cost.
    starts : ndarray, shape (any, n)
        Portfolios to begin with.
    slack : float
        Everything of at least (1 − slack) × the best value counts as pruned.
    greedy_steps : int
        At most.
    work : int
        Nodes at most after the first few, times the variables.

    Returns
    -------
    proved : bool
    portfolio : ndarray, shape (n,)
        The best that was found in any case.
    value, bound : float
    nodes : int
    """
    size = target.size
    # Not literals: numba would compile what is called once more for each.
    zero, hull = greedy_steps * 0, greedy_steps < 0
    capacity, one, few, ahead = zero + CAPACITY, zero + 1, zero + FIRST_NODES, zero + AHEAD
    gram = np.zeros((size, size))
    for row in range(len(factor)):
        for i in range(size):
            for j in range(size):
                gram[i, j] += factor[row, i] * factor[row, j]
    best, value = simple_start(factor, gram, target, held, unit, lower, upper, starts, greedy_steps)
    if value == 0:
        return True, best, 0.0, 0.0, 0
    least, most = within_costs(held, unit, lower, upper, value)
    for i in range(size):
        if least[i] > most[i]:
            return False, best, value, 0.0, 0
    base, ratio, apart = parallels(factor, gram, least, most)
    lead, variable, ratio, groups, merged_gram, sums, first, last, slip = merged_columns(
        base, ratio, apart, gram, target, least, most
    )
    for a in range(lead.size):
        if not merged_gram[a, a] > 0:  # without risk there is no better place than where it is held
            first[a] = last[a] = min(max(held[lead[a]], first[a]), last[a])
    within_risk(merged_gram, sums, value + slip, first, last)
    at, widest, entries = np.zeros(lead.size), 0.0, 0.0
    for i in range(size):
        at[variable[i]] += ratio[i] * best[i]
    for a in range(lead.size):
        width = last[a] - first[a] + 1
        widest = max(widest, width)
        entries += width
        if not first[a] <= at[a] <= last[a]:
            return False, best, value, 0.0, 0
    if lead.size > LARGEST or not entries <= MOST_ENTRIES:
        return False, best, value, 0.0, 0
    start, table = tables(first, last, held[lead], unit[lead])
    fill_tables(first, start, table, groups, held, unit, least, most)
    columns = np.empty((len(factor), lead.size))
    largest = 0.0
    for a in range(lead.size):
        for row in range(len(factor)):
            columns[row, a] = factor[row, lead[a]]
    for entry in range(table.size):
        if largest < table[entry] < np.inf:
            largest = table[entry]
    lattice = Lattice(columns, merged_gram, sums, first, start, table)
    error = round_off(len(factor), merged_gram, sums, first, start, SHIFT)
    goal = Goal(0.0, hull, error, 16 * UNIT_ROUND_OFF * size * size * largest)

    stack, node = new_stack(lead.size, capacity), new_node(lead.size, int(widest))
    nothing, budget = np.zeros(lead.size, dtype=np.int64), np.array([0, 0, 0, MOST_NODES])
    plan = SpherePlan(hull, nothing, np.zeros((lead.size + 1, lead.size)), budget)
    index, highest = np.empty(lead.size, dtype=np.int64), np.empty(lead.size, dtype=np.int64)
    for a in range(lead.size):
        highest[a] = np.int64(last[a] - first[a])
        index[a] = stack.best[a] = np.int64(at[a] - first[a])
        stack.high[0, a] = highest[a]
        stack.x[0, a] = min(max(sums[a], first[a]), last[a])
    stack.value[0] = value
    found = exchange(lattice, nothing, highest, index, 0.0, hull, 10 * lead.size)
    if found < value:
        stack.value[0] = found
        stack.best[:] = index
    stack.most[0], stack.omega[0], stack.state[0] = stack.value[0], 1.0, 1
    ended = search(lattice, stack, node, goal, slack, hull, plan, one, few)
    known, known_value = first + stack.best, stack.value[0]
    if ended != DONE:
        # Tables of what is open alone: nodes take less, and numbers are smaller.
        opened = stack.state[0]
        low, high = stack.low[0].copy(), stack.high[0].copy()
        for k in range(opened):
            for a in range(lead.size):
                low[a], high[a] = min(low[a], stack.low[k, a]), max(high[a], stack.high[k, a])
        lattice = cropped(lattice, low, high)
        first = lattice.first
        for a in range(lead.size):
            for k in range(opened):
                stack.low[k, a] -= low[a]
                stack.high[k, a] -= low[a]
            stack.best[a] = min(max(stack.best[a] - low[a], 0), high[a] - low[a])
        node = new_node(lead.size, (high - low).max() + 1)
        error = round_off(len(factor), merged_gram, sums, first, lattice.start, SHIFT)
        goal = Goal(0.0, hull, error, goal.cost_error)
        weak = stack.bound[:opened].min() < WEAK * stack.value[0]
        more = work // lead.size
        if weak:
            more = WEAK_NODES if lead.size <= WEAK_SIZE else 0
        ended = search(lattice, stack, node, goal, slack, hull, plan, ahead, more)
    proved = ended == DONE
    if stack.value[0] < known_value * (1 - GAIN):
        known = first + stack.best
    portfolio = split_sums(known, lead, groups, held, unit, least, most)
    worth = priced(factor, target, held, unit, portfolio)
    # Nothing is traded that need not be, even where it costs nothing.
    if worth < value or (worth <= value * (1 + GAIN) and traded(ratio, held, portfolio) < traded(ratio, held, best)):
        best, value = portfolio, worth
    bound = min(stack.value[0], value) * (1 - slack) - slip
    bound -= 8 * UNIT_ROUND_OFF * lead.size * abs(bound)
    return proved, best, value, max(bound, 0.0) if proved else 0.0, stack.state[1]


@part
def traded(ratio: np.ndarray, held: np.ndarray, portfolio: np.ndarray) -> float:
    """How much is traded, in contracts of the size that each group is counted in."""
    total = 0.0
    for i in range(ratio.size):
        total += abs(ratio[i] * (portfolio[i] - held[i]))
    return total
