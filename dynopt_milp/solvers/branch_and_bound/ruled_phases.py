"""The phases of a search with rules for more than one position."""

from __future__ import annotations

import numpy as np

from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.branch_and_bound.coupling import options_of, portfolio_of
from dynopt_milp.solvers.branch_and_bound.merge import sums_of
from dynopt_milp.solvers.branch_and_bound.phases import Search
from dynopt_milp.solvers.branch_and_bound.prepare import Prepared
from dynopt_milp.solvers.branch_and_bound.ruled_local_search import improve_ruled
from dynopt_milp.solvers.branch_and_bound.tree import FLOOR, OPEN, PENALTY
from dynopt_milp.solvers.branch_and_bound.tuning import NODES_UNCHECKED
from dynopt_milp.solvers.exchange import GAIN
from dynopt_milp.solvers.task import Task
from formulations import FloatArray, IntegerArray

FEWER_AHEAD = 8  # candidates looked at before a node is split: with rules a node is split more often
ROUNDS = 400  # of a local search; a portfolio of some dozen contracts is some dozen moves away


class RuledSearch(Search):
    """The search of one task with rules; ``starts``, shape (any, n), need not keep them."""

    def __init__(
        self, task: Task, prepared: Prepared, incumbent: FloatArray | None, value: float, starts: FloatArray
    ) -> None:  # fmt: skip
        assert prepared.rows is not None
        self._starts, self._rows = starts, prepared.rows
        super().__init__(task, prepared, incumbent, value)
        if incumbent is None:
            self._try_starts()

    @property
    def incumbent(self) -> FloatArray | None:
        """The best portfolio that is known."""
        return self._incumbent

    @property
    def value(self) -> float:
        """What it is worth."""
        return self._value

    @property
    def is_empty(self) -> bool:
        """Whether the search has ended without a portfolio that could keep the rules."""
        stack = self._stack
        return not stack.state[OPEN] and stack.value[0] == self._ceiling and bool(stack.value[FLOOR] == np.inf)

    def find(self) -> FloatArray | None:
        """Search until a portfolio that keeps the rules is known; None if there is none in the box, or no time."""
        while self._incumbent is None and self._stack.state[OPEN] and self._task.seconds_left() > 0:
            if self._nodes(NODES_UNCHECKED, hull=True) is not None:
                break
            self._adopt(self._stack.best.copy())
        return self._incumbent

    def _improve(self, incumbent: FloatArray) -> None:
        """Improve the incumbent, and look around the other starts."""
        index, held, inside = self._options(incumbent)
        if not inside:
            self._consistent = False
            return
        self._stack.best[:], self._dual.held[:] = index, held
        self._local(index, held)
        self._try_starts()

    def _try_starts(self) -> None:
        for start in self._starts:
            if self._task.seconds_left() > 0:
                index, held, _ = self._options(start)
                self._local(index, held)

    def _options(self, portfolio: FloatArray) -> tuple[IntegerArray, IntegerArray, bool]:
        """Where a portfolio is in the lattice, its options, and whether it had to be moved to be there."""
        lattice, merged, program = self._lattice, self._merged, self._formulation.program
        point = np.array(portfolio)
        sums = sums_of(merged.variable, merged.ratio, self._widths.size, point)
        index = np.clip(sums - lattice.first, 0, self._widths - 1).astype(np.int64)
        held = np.empty(index.size, dtype=np.int64)
        options_of(self._coupling, lattice, merged, program.costs(), self._rows, point, index, held)
        return index, held, bool((lattice.first + index == sums).all())

    def _local(self, index: IntegerArray, held: IntegerArray) -> None:
        """Local search from options, which are changed in place; what keeps rules and is better is adopted."""
        goal, lattice = self._claim.goal, self._lattice
        nothing = np.zeros(index.size, dtype=np.int64)
        improve_ruled(
            lattice, self._coupling, nothing, self._widths - 1, index, held, self._claim.inner, goal.edge,
            PENALTY * min(self._stack.value[0], self._ceiling), ROUNDS,
        )  # fmt: skip
        portfolio = portfolio_of(self._coupling, self._merged, held, self._formulation.program.size)
        self._take(portfolio, index, held)

    def _take(self, portfolio: FloatArray, index: IntegerArray, held: IntegerArray) -> None:
        """Keep a portfolio if it is within box and rules, and better; sides are looked at elsewhere (`sides`)."""
        program = self._formulation.program
        if not (program.in_box(portfolio) and program.keeps_rules(portfolio)):
            return
        value = self._formulation.priced(portfolio).high
        if value < self._value:
            self._incumbent, self._value = portfolio, value
            self._task.report(portfolio)
        if value < self._stack.value[0]:
            self._stack.value[0] = value
            self._stack.best[:], self._dual.held[:] = index, held

    def _adopt(self, index: np.ndarray) -> None:
        """Take the incumbent of the tree if it is better when priced by the formulation."""
        if self._stack.value[0] < self._value * (1 - GAIN):
            portfolio = portfolio_of(self._coupling, self._merged, self._dual.held, self._formulation.program.size)
            self._take(portfolio, index, self._dual.held.copy())

    def dive(self) -> None:
        """Nothing: the tree rounds its first node, and every twentieth."""

    def _crop(self) -> None:
        """Nothing: a smaller box would need the options of its positions, too."""

    def _sphere_nodes(self) -> None:
        """Nothing: a sphere search has no bound for rules."""

    def _nodes(self, most: int | None, hull: bool, ahead: int = FEWER_AHEAD) -> StoppedBy | None:
        return super()._nodes(most, hull, ahead)
