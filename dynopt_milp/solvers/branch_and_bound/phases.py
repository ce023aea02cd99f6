"""The phases of the search of one task: cone alone, sphere searches where that is weak, hull, everything."""

from __future__ import annotations

import math
from importlib.metadata import version

import numpy as np

from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.branch_and_bound import local_search
from dynopt_milp.solvers.branch_and_bound.addresses import addresses
from dynopt_milp.solvers.branch_and_bound.cropping import crop, open_box
from dynopt_milp.solvers.branch_and_bound.dive import dive
from dynopt_milp.solvers.branch_and_bound.extraction import largest_diagonal
from dynopt_milp.solvers.branch_and_bound.levels import MOST, MOST_NODES, NEXT, SpherePlan, make_levels, no_plan
from dynopt_milp.solvers.branch_and_bound.merge import split_sums, sums_of
from dynopt_milp.solvers.branch_and_bound.node import Node, new_node
from dynopt_milp.solvers.branch_and_bound.prepare import Prepared
from dynopt_milp.solvers.branch_and_bound.root import AHEAD, FIRST_NODES
from dynopt_milp.solvers.branch_and_bound.tree import (
    DONE,
    FLOOR,
    FULL,
    NODES,
    OPEN,
    SPHERES_ENDED,
    SPHERES_TRIED,
    Stack,
    begin,
    claimed_bound,
    grown,
    new_stack,
    search,
)
from dynopt_milp.solvers.branch_and_bound.tuning import (
    CONE_NODES,
    CONE_WORK,
    DIAGONAL_STEPS,
    DIVE_ROUNDS,
    FEW_LEVELS,
    FRACTION_FLOOR,
    HULL_NODES,
    IMPROVE_WORK,
    LEVEL_STEPS,
    MOST_LEVELS,
    NODES_UNCHECKED,
    SECONDS_A_CUBE,
    SECONDS_A_FOURTH,
    SECONDS_A_SPHERE_NODE,
    SECONDS_AN_ENTRY,
    SECONDS_CHECKED,
    SPHERE_WORK,
    STACK_CAPACITY,
    WIDEST,
    WORK_UNCHECKED,
    WORTH_CROPPING,
)
from dynopt_milp.solvers.exchange import GAIN
from dynopt_milp.solvers.settings import EXHAUSTIVE_GAP
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray, IntegerArray
from formulations.integer_hull import WEAK

SOLVER = f"branch and bound (dynopt-milp {version('dynopt-milp')})"
# Share of the value; portfolios that differ by more are told apart, for any gap up to EXHAUSTIVE_GAP.
FINEST = 1e-10


def search_slack(gap: float) -> float:
    """The relative difference below which portfolios are not told apart, for a gap to prove."""
    return gap / 2 if gap > EXHAUSTIVE_GAP else min(FINEST, gap / 2)


class Search:
    """The search of one task, a few nodes at a time."""

    def __init__(self, task: Task, prepared: Prepared, incumbent: FloatArray | None, value: float) -> None:
        self._task, self._formulation = task, task.formulation
        self._merged, self._lattice, self._claim = prepared.merged, prepared.lattice, prepared.claim
        self._coupling, self._dual = prepared.coupling, prepared.dual
        lattice = self._lattice
        self._widths = lattice.start[1:] - lattice.start[:-1]
        size = self._widths.size
        self._slack = search_slack(task.gap)
        self._stack: Stack = new_stack(size, STACK_CAPACITY, self._dual.multiplier.size)
        self._node: Node = new_node(size, int(self._widths.max()), self._coupling.cap.size > 0)
        self._plan: SpherePlan = no_plan(size)
        self._incumbent, self._value = incumbent, value
        self._ceiling, self._consistent = np.inf, True
        if incumbent is None:  # more than any portfolio can cost, as nothing is pruned against infinity
            costs = np.where(np.isfinite(lattice.cost), lattice.cost, 0.0)
            most = float(np.maximum.reduceat(costs, lattice.start[:-1]).sum())
            if not self._claim.goal.edge:  # and can be away from the target
                ends = np.maximum(
                    np.abs(lattice.first - lattice.target), np.abs(lattice.first + self._widths - 1 - lattice.target)
                )
                most += float(np.sqrt(lattice.gram.diagonal()) @ ends)
            self._ceiling = 2 * most or 1.0
        self._stack.value[0] = min(value, self._ceiling)
        if incumbent is not None:
            self._improve(incumbent)
        begin(self._stack, lattice, self._claim.goal, self._formulation.program.least_cost())

    def _improve(self, incumbent: FloatArray) -> None:
        """Improve the incumbent by local search."""
        lattice, merged = self._lattice, self._merged
        sums = sums_of(merged.variable, merged.ratio, self._widths.size, np.array(incumbent))
        index = (sums - lattice.first).astype(np.int64)
        for place in np.flatnonzero(lattice.gram.diagonal() == 0):  # the box has its one best position
            index[place] = min(max(index[place], 0), self._widths[place] - 1)
        if not ((index >= 0) & (index < self._widths)).all():
            # A box holds every portfolio at least as good as the one it was drawn around. Where it does not hold that
            # one, something is wrong, and nothing that follows from it is claimed.
            self._consistent = False
            return
        self._stack.best[:] = index
        if self._merged.groups.variable.size:
            self._split_again(incumbent, index)
        self._improve_index(index)

    def _split(self, index: IntegerArray) -> FloatArray:
        """The cheapest portfolio of the program that the lattice has at these indices."""
        program, merged, sums = self._formulation.program, self._merged, self._lattice.first + index
        return split_sums(sums, merged.lead, merged.groups, program.costs(), merged.least, merged.most)

    def _split_again(self, incumbent: FloatArray, index: IntegerArray) -> None:
        """Hold the same sums with less trade where that is possible."""
        program, portfolio = self._formulation.program, self._split(index)
        less = np.abs(incumbent - program.previous) - np.abs(portfolio - program.previous)
        if less @ np.abs(self._merged.ratio) > 0:
            value = self._formulation.priced(portfolio).high
            if value <= self._value * (1 + GAIN) and program.in_box(portfolio):
                self._incumbent, self._value = portfolio, value

    def _improve_index(self, index: IntegerArray) -> None:
        """Improve a portfolio of the lattice by local search; ``index`` is changed in place."""
        nothing, edge = np.zeros(index.size, dtype=np.int64), self._claim.goal.edge
        value = np.inf
        most = 10 * index.size
        steps = min(most, 1 + IMPROVE_WORK // index.size**2)
        for _ in range(0, most, steps):
            before = value
            value = local_search.improve(
                self._lattice, nothing, self._widths - 1, index, self._claim.inner, edge, steps
            )
            if not value < before or self._task.seconds_left() == 0:
                break
        if value < self._stack.value[0]:
            self._stack.value[0] = value
            self._stack.best[:] = index
            if edge:  # whether it is inside the buffer, to the last digit, the formulation says
                self._adopt(index)
                self._stack.value[0] = min(self._value, self._ceiling)

    def _adopt(self, index: np.ndarray) -> None:
        """Take a portfolio of the lattice if it is better when priced by the formulation."""
        if not self._stack.value[0] < self._value * (1 - GAIN):
            return
        portfolio = self._split(index)
        if not (np.isfinite(portfolio).all() and self._formulation.program.in_box(portfolio)):  # there is no such split
            return
        value = self._formulation.priced(portfolio).high
        if value < self._value:
            self._incumbent, self._value = portfolio, value
            self._stack.value[0] = min(self._stack.value[0], value)
            self._stack.best[:] = index

    def run(self) -> Answer:
        """Search to the end, the deadline or Ctrl-C."""
        stopped_by = self._search()
        self._adopt(self._stack.best.copy())
        bound = claimed_bound(self._stack, self._stack.value[0], self._slack) if self._consistent else 0.0
        nodes = int(self._stack.state[NODES])
        if self._incumbent is None or not math.isfinite(self._value):
            if stopped_by is None and self._stack.value[0] == self._ceiling and self._stack.value[FLOOR] == np.inf:
                return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER, nodes)
            # A portfolio so close to the edge of the buffer that the formulation does not admit it hid the others.
            return Answer(None, max(bound, 0.0), stopped_by or StoppedBy.PRECISION, SOLVER, nodes)
        worth = self._formulation.priced(self._incumbent)
        bound = max(min(bound, worth.low), 0.0)
        if stopped_by is None:
            closed = relative_gap(worth.high, bound) <= self._task.gap
            stopped_by = StoppedBy.GAP if closed else StoppedBy.PRECISION
        return Answer(self._incumbent, float(bound), stopped_by, SOLVER, nodes)

    def _search(self) -> StoppedBy | None:
        """One phase after the other, until no node is open or something stops it."""
        phases = (self._root, self._sphere_nodes, self._cone_nodes, self._hull_nodes, self._all_nodes)
        stopped = None
        try:
            for phase in phases:
                stopped = phase()
                if stopped is not None or not self._stack.state[OPEN]:
                    break
        except KeyboardInterrupt:
            return StoppedBy.INTERRUPT
        return stopped

    def _root(self) -> StoppedBy | None:
        """Search a few nodes in the whole box, crop it to what is left, and dive from there."""
        stopped = self._nodes(FIRST_NODES, hull=False, ahead=1)
        if stopped is None and self._stack.state[OPEN]:
            self._crop()
            self.dive()
        return stopped

    def _sphere_nodes(self) -> StoppedBy | None:
        """Where the cone is weak, go on with sphere searches as long as they end."""
        stack, state = self._stack, self._stack.state
        if self._claim.goal.edge or stack.bound[: state[OPEN]].min() >= WEAK * stack.value[0]:
            return None
        self._join()
        self._extract()
        self._level()
        stopped = None
        while self._plan.active and stopped is None and state[OPEN] and state[SPHERES_TRIED] == state[SPHERES_ENDED]:
            stopped = self._nodes(1, hull=True)
        self._plan = no_plan(self._widths.size)
        return stopped

    def _cone_nodes(self) -> StoppedBy | None:
        return self._nodes(max(CONE_NODES, CONE_WORK // self._widths.size), hull=False)

    def _hull_nodes(self) -> StoppedBy | None:
        self._extract()
        return self._nodes(HULL_NODES, hull=True)

    def _all_nodes(self) -> StoppedBy | None:
        self._level()
        return self._nodes(None, hull=True)

    def _nodes(self, most: int | None, hull: bool, ahead: int = AHEAD) -> StoppedBy | None:
        """Search ``most`` more nodes, or all if it is None."""
        left = most
        while self._stack.state[OPEN] and (left is None or left > 0):
            seconds = self._task.seconds_left()
            if seconds == 0:
                return StoppedBy.TIME
            budget = self._plan.budget
            budget[MOST] = min(seconds / SECONDS_A_SPHERE_NODE / self._widths.size, MOST_NODES)
            budget[NEXT] = min(budget[NEXT], budget[MOST])
            several = max(NODES_UNCHECKED, WORK_UNCHECKED // self._widths.size)
            chunk = several if seconds > SECONDS_CHECKED else 1
            chunk = chunk if left is None else min(left, chunk)
            ended = search(
                self._lattice,
                self._coupling,
                self._dual,
                self._stack,
                self._node,
                self._claim,
                self._slack,
                hull,
                self._plan,
                ahead,
                chunk,
                addresses(),
            )
            if ended == FULL:
                self._stack = grown(self._stack)
            elif ended == DONE:
                return None
            elif left is not None:
                left -= chunk
        return None

    def _crop(self) -> None:
        """Crop the tables to what open nodes can still use: smaller numbers round less, and searches are shorter."""
        stack, opened = self._stack, int(self._stack.state[OPEN])
        low, high = open_box(stack.low, stack.high, opened)
        if (high - low + 1).sum() > WORTH_CROPPING * self._widths.sum():
            return
        if (stack.best < low).any() or (stack.best > high).any():  # what is known will not be in the tables
            before = stack.value[0]
            self._adopt(stack.best.copy())
            stack.value[0] = min(self._value, self._ceiling)
            if stack.value[0] > before:  # of what was pruned until now no more is known
                stack.value[FLOOR] = min(stack.value[FLOOR], before * (1 - self._slack))
        self._lattice, self._claim = crop(
            self._lattice, self._claim, stack.low, stack.high, opened, stack.best, low, high
        )
        self._widths = high - low + 1
        self._node = new_node(self._widths.size, int(self._widths.max()), self._coupling.cap.size > 0)

    def dive(self) -> None:
        """Dive from the node on top, and search around what is found."""
        stack, size = self._stack, self._widths.size
        if self._task.seconds_left() < size * (SECONDS_A_FOURTH * size**3 + SECONDS_AN_ENTRY * self._widths.sum()):
            return
        index = np.empty(size, dtype=np.int64)
        x = stack.x[int(stack.state[OPEN]) - 1].copy()
        dive(self._lattice, self._node, self._claim.goal, x, stack.value[0], DIVE_ROUNDS, index, addresses())
        self._improve_index(index)

    def _join(self) -> None:
        """Join the few open nodes into one: their bounds are weak, and the sphere search is given the whole."""
        stack, opened = self._stack, int(self._stack.state[OPEN])
        stack.low[0], stack.high[0] = open_box(stack.low, stack.high, opened)
        stack.least[0], stack.most[0] = stack.least[:opened].min(), stack.most[:opened].max()
        stack.bound[0] = stack.bound[:opened].min()
        stack.state[OPEN] = 1

    def _free(self) -> IntegerArray:
        """The variables that some open node has free."""
        opened = int(self._stack.state[OPEN])
        return np.flatnonzero((self._stack.low[:opened] < self._stack.high[:opened]).any(axis=0))

    def _extract(self) -> None:
        """Extract a diagonal for the free variables."""
        free, lattice = self._free(), self._lattice
        self._diagonal = np.zeros(self._widths.size)
        if self._task.seconds_left() < SECONDS_A_CUBE * free.size**3:
            return
        fraction = lattice.target - np.floor(lattice.target)
        self._weight = fraction * (1 - fraction) + FRACTION_FLOOR
        gram = np.ascontiguousarray(lattice.gram[np.ix_(free, free)])
        self._stack.diagonal[:, free] = largest_diagonal(gram, self._weight[free], DIAGONAL_STEPS)
        self._diagonal[:] = self._stack.diagonal[0]

    def _level(self) -> None:
        """Make the levels of the sphere search, if every free variable has a part of the diagonal."""
        free = self._free()
        if (
            self._widths.max() > WIDEST
            or self._claim.goal.edge
            or not 0 < free.size <= MOST_LEVELS
            or not self._diagonal[free].all()
            or self._task.seconds_left() < SECONDS_A_FOURTH * free.size**4
        ):
            return
        stride = 1 if free.size <= FEW_LEVELS else 4
        plan = no_plan(self._widths.size)._replace(active=True)
        make_levels(self._lattice.gram, self._diagonal, self._weight, free, LEVEL_STEPS, stride, plan.rank, plan.levels)
        plan.budget[NEXT] = min(SPHERE_WORK * free.size**2, MOST_NODES)
        self._plan = plan
