"""The same problem, asked again with something forced or left out; every answer is checked like that of a solve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dynopt_milp.errors import SolverError, UnboundedError, UnsupportedError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.solvers.best_known import BestKnown
from dynopt_milp.solvers.certificate import Certified, certify
from dynopt_milp.solvers.conflict_members import members_of
from dynopt_milp.solvers.solving import formulate, solve
from dynopt_milp.solvers.task import Constraints, Task
from formulations import FloatArray, IntegerArray, bounding_box


class Found(NamedTuple):
    """What came of a question.

    Attributes
    ----------
    contracts : ndarray of int, shape (n,), or None
        In the order of the problem's instruments; None where there is no portfolio, or none was found in time.
    objective : float
        +inf without contracts.
    lower_bound : float
        No portfolio that the question allows is worth less; +inf where there is none.
    proved : bool
        Whether it is the optimum to the gap, or there is none.
    """

    contracts: IntegerArray | None
    objective: float
    lower_bound: float
    proved: bool


REACH = 1000.0
"""Contracts from the optimum, within which a first portfolio is looked for where nothing bounds positions."""
SHARE = 0.25
"""Of the time that is left, for one question at most."""
NOTHING = Found(None, np.inf, 0.0, False)
"""What is known of a question that was not asked."""


class Questions:
    """Asks a problem again, in the formulation of its optimum.

    Parameters
    ----------
    problem : Problem
    best : Solution
        What the answers are compared with; its formulation is that of every question.
    buffer : float
        That of the formulation, where it has one.
    gap : float
        Relative, of every question.
    seconds : float
        For all of them together; +inf if there is no limit.
    constraints : callable or None
        cvxpy constraints of the user's own, as in :func:`~dynopt_milp.solve`.
    watch : callable
        Called after each question.

    Attributes
    ----------
    members : list of Member
        The limits and rules of the problem, one by one.
    solves, given_up : int
        Questions that were asked, and that the time limit left unasked.
    undecided : int
        Limits and rules of which it was not found in time whether they bind.
    """

    def __init__(
        self, problem: Problem, best: Solution, buffer: float, gap: float, seconds: float,
        constraints: Constraints | None, watch: Callable[[], None],
    ) -> None:  # fmt: skip
        self.problem, self.best, self.gap = problem, best, gap
        self.members = members_of(problem)
        self.solves, self.given_up, self.undecided = 0, 0, 0
        self._buffer, self._constraints, self._watch = buffer, constraints, watch
        self._deadline = time.monotonic() + seconds
        self._order = problem.order()
        self._names = tuple(problem.instruments[place] for place in self._order)
        self._own = None if constraints is None else lambda k: constraints(k[np.argsort(self._order)])
        self._base = formulate(problem, self._order, best.formulation, buffer)
        self._box: tuple[FloatArray, FloatArray] | None = None
        self._known: dict[tuple[int, int], Found] = {}

    def seconds_left(self) -> float:
        """Until the time for all questions is over."""
        return max(self._deadline - time.monotonic(), 0.0)

    def at(self, place: int, contracts: int) -> Found:
        """The best portfolio with one position given; limits and rules leave it, or there is none."""
        if (place, contracts) not in self._known:
            self._known[place, contracts] = self._at(place, contracts)
        return self._known[place, contracts]

    def of(self, problem: Problem) -> Found | None:
        """The optimum of another problem of the same instruments; None where nothing bounds it."""
        if (left := self._seconds()) == 0:
            return NOTHING
        try:
            return self.found(
                solve(
                    problem, formulation=self.best.formulation, buffer=self._buffer, gap=self.gap,
                    time_limit=None if np.isinf(left) else left, start=self.best.contracts,
                    constraints=self._constraints,
                )
            )  # fmt: skip
        except UnboundedError:
            return None
        except (UnsupportedError, SolverError):
            return NOTHING
        finally:
            self._watch()

    def box(self) -> tuple[FloatArray, FloatArray] | None:
        """Between what the positions of every portfolio lie that is as good as the optimum, whatever limits and rules
        there are, shape (n,) each; None where nothing bounds them.
        """
        if self._box is None:
            free = self.problem.replace(limits=Limits(), rules=[])
            base = formulate(free, np.arange(len(self._order)), self.best.formulation, self._buffer)
            most = base.priced(np.asarray(self.best.contracts)).high
            self._box = bounding_box(base.program, base.tracking_radius(most), base.cost_budget(most))
        return self._box if np.isfinite(self._box).all() else None

    def parts(self, contracts: FloatArray) -> tuple[float, float]:
        """What tracking, and what costs, add to the objective of contracts, shape (n,)."""
        program, there = self._base.program, contracts[self._order]
        error, paid = program.tracking_error(there), program.trading_cost(there) + program.holding_cost(there)
        alone = float(self._base.combine(np.float64(error), np.float64(0.0)))  # type: ignore[arg-type]  # as arrays
        return alone, paid

    @staticmethod
    def found(solution: Solution) -> Found:
        """What a solution says."""
        if solution.status is Status.INFEASIBLE:
            return Found(None, np.inf, np.inf, True)
        proved = solution.status is Status.OPTIMAL
        return Found(solution.contracts, solution.objective, solution.lower_bound, proved)

    def _at(self, place: int, contracts: int) -> Found:
        if (left := self._seconds()) == 0:
            return NOTHING
        program = self._base.program
        here = int(np.flatnonzero(self._order == place)[0])
        lower, upper = program.lower.copy(), program.upper.copy()
        lower[here] = upper[here] = contracts
        program = program.with_box(lower, upper)
        starts = []
        if self.best.contracts is not None:
            start = self.best.contracts[self._order].astype(np.float64)
            start[here] = contracts
            if program.contains(start):
                starts.append(start)
        deadline = None if np.isinf(left) else time.monotonic() + left
        formulation = replace(self._base, program=program)
        task = Task(formulation, self._names, self.gap, deadline, starts, self._own)
        try:
            checked = self._checked(task)
        except (UnboundedError, UnsupportedError, SolverError):
            return NOTHING
        finally:
            self._watch()
        if checked.positions is None:
            none = checked.status is Status.INFEASIBLE
            return Found(None, np.inf, np.inf if none else checked.lower_bound, none)
        positions = np.empty(checked.positions.size, dtype=np.int64)
        positions[self._order] = checked.positions
        return Found(positions, checked.objective, checked.lower_bound, checked.status is Status.OPTIMAL)

    def _checked(self, task: Task) -> Certified:
        """The checked answer to a task; where nothing bounds positions before one portfolio is known, one is looked for
        near the optimum first.
        """
        from dynopt_milp.solvers.exact import solve_exact  # which loads numba

        try:
            return certify(task, solve_exact(task))
        except UnboundedError:
            program = task.formulation.program
            assert self.best.contracts is not None
            best = self.best.contracts[self._order]
            near = program.with_box(
                np.maximum(program.lower, np.minimum(best - REACH, program.upper)),
                np.minimum(program.upper, np.maximum(best + REACH, program.lower)),
            )
            formulation = replace(task.formulation, program=near)
            first = certify(task, solve_exact(replace(task, formulation=formulation, known=BestKnown())))
            if first.positions is None:
                raise
            return certify(task, solve_exact(replace(task, starts=(first.positions,), known=BestKnown())))

    def _seconds(self) -> float:
        """For the next question, at most a share of what is left; it counts as asked, or as given up."""
        left = self.seconds_left()
        if left == 0:
            self.given_up += 1
        else:
            self.solves += 1
        return SHARE * left
