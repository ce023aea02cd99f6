"""What came out of a solve: what is held, what it is worth, what is proved."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import DynoptError, Portable
from dynopt_milp.problem.conflict import Conflict
from dynopt_milp.problem.problem import Problem
from formulations import IntegerArray, Price, accurate_price, set_frozen_state


class Status(enum.Enum):
    """What is known about the positions of a solution."""

    OPTIMAL = "optimal"
    """No portfolio is better by more than the gap asked for; proved, in float64 with bounds of its round-off. What
    :func:`dynopt_milp.solvers.prove` makes is verified in exact arithmetic.
    """
    FEASIBLE = "feasible"
    """An answer within the limits; how far from the best it can be is what the gap says."""
    NO_SOLUTION = "no_solution"
    """A limit was hit before any answer was found, floating point cannot tell whether there is one, or greedy ended at
    a portfolio that breaks a rule."""
    INFEASIBLE = "infeasible"
    """Limits, rules and constraints leave no portfolio; proved likewise."""


class StoppedBy(enum.Enum):
    """Why a solve ended."""

    GAP = "gap closed"
    INFEASIBILITY = "no portfolio exists"
    TIME = "time limit"
    INTERRUPT = "interrupted"
    PRECISION = "floating point cannot close the gap"
    HEURISTIC = "end of the heuristic"
    """The optimizer makes no claim of optimality."""

    @property
    def is_limit(self) -> bool:
        """Whether the optimizer would have gone on."""
        return self in (StoppedBy.TIME, StoppedBy.INTERRUPT, StoppedBy.PRECISION)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Solution:
    """The outcome of one solve. The objective is recomputed from the positions, never taken from a solver.

    Attributes
    ----------
    problem : Problem
        What was solved.
    contracts : ndarray of int, shape (n,), or None
        Whole contracts to hold, in the order of the problem's instruments, read-only; None if there is no answer.
        ``positions`` is the same by instrument, and raises where there is no answer.
    objective : float
        The formulation's value of the portfolio; +inf if there is none.
    lower_bound : float
        No portfolio is better than this.
    status : Status
    stopped_by : StoppedBy
    optimizer, formulation : str
    solver : str
        Name and version.
    seconds : float
        Wall time of the whole solve.
    nodes : int
        Nodes of the search, 0 if there was none.
    notes : tuple of str
        What was repaired in the problem, and what the claim leaves out, in words.
    conflict : Conflict or None
        Which rules and limits leave no portfolio, and what would do; None if there is one, there are no rules, or it
        was not found in time.
    """

    problem: Problem
    contracts: IntegerArray | None
    objective: float
    lower_bound: float
    status: Status
    stopped_by: StoppedBy
    optimizer: str
    formulation: str
    solver: str
    seconds: float
    nodes: int
    notes: tuple[str, ...] = ()
    conflict: Conflict | None = None

    __setstate__ = set_frozen_state

    def __repr__(self) -> str:
        return (
            f"<Solution {self.status.value}: objective {self.objective:.6g}, lower bound {self.lower_bound:.6g}, "
            f"{self.optimizer} {self.formulation}, {self.seconds:.2f} s>"
        )

    @property
    def positions(self) -> pd.Series:
        """Whole contracts to hold, int64, by instrument.

        Raises
        ------
        NoPortfolioError
            If there are no positions; the status says why.
        """
        return self.problem.labelled(self._whole().copy())

    @property
    def trades(self) -> pd.Series:
        """Contracts to trade, int64, by instrument: positions less those held now."""
        return self.positions - self.problem.previous_positions.astype(np.int64)

    @property
    def gap(self) -> float:
        """(objective − lower bound) ÷ |objective|: how much better the best could be, at most."""
        return relative_gap(self.objective, self.lower_bound)

    @property
    def tracking_error(self) -> float:
        """Annual standard deviation of the difference to the unrounded portfolio, share of capital."""
        return float(self._price().tracking_error)

    @property
    def cost_penalty(self) -> float:
        """Cost multiplier × cost of the trades, share of capital."""
        return self.problem.program().trading_cost(self._whole().astype(np.float64))

    @property
    def holding_penalty(self) -> float:
        """Cost multiplier × cost of holding the positions until the next rebalance, share of capital."""
        return self.problem.program().holding_cost(self._whole().astype(np.float64))

    def _price(self) -> Price:
        return accurate_price(self.problem.program(), self._whole().astype(np.float64))

    def _whole(self) -> IntegerArray:
        """The contracts, shape (n,); raises where there are none."""
        if self.contracts is None:
            raise NoPortfolioError(self)
        return self.contracts

    def _by_name(self, contracts: IntegerArray) -> dict[str, int]:
        """Whole numbers by instrument, for JSON."""
        return dict(zip(self.problem.instruments, contracts.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The solution as JSON has it; what does not exist is None."""
        found = self.contracts is not None
        return {
            "status": self.status.value,
            "objective": self.objective if found else None,
            "lower_bound": self.lower_bound if math.isfinite(self.lower_bound) else None,
            "gap": self.gap if math.isfinite(self.gap) else None,
            "tracking_error": self.tracking_error if found else None,
            "cost_penalty": self.cost_penalty if found else None,
            "holding_penalty": self.holding_penalty if found else None,
            "positions": self._by_name(self._whole()) if found else None,
            "trades": self._by_name(self._whole() - self.problem.previous_positions.astype(np.int64))
            if found
            else None,
            "optimizer": self.optimizer,
            "formulation": self.formulation,
            "solver": self.solver,
            "seconds": self.seconds,
            "nodes": self.nodes,
            "stopped_by": self.stopped_by.value,
            "notes": list(self.notes),
            "conflict": None if self.conflict is None else self.conflict.to_dict(),
        }


def relative_gap(objective: float, lower_bound: float) -> float:
    """(objective − lower bound) ÷ |objective|; 0 if they are equal, +inf without an answer."""
    if not math.isfinite(objective):
        return math.inf
    if objective == lower_bound:
        return 0.0
    return (objective - lower_bound) / abs(objective) if objective else math.inf


def by_name(series: pd.Series) -> dict[str, int]:
    """Whole numbers by instrument, for JSON."""
    return {str(name): int(number) for name, number in series.items()}


class NoPortfolioError(DynoptError):
    """There are no positions: none exist within the limits, or none were found in time.

    Attributes
    ----------
    solution : Solution
        The outcome, with its status and lower bound.
    """

    def __init__(self, solution: Solution) -> None:
        remedy = "allow more time, or give a start" if solution.status.value == "no_solution" else "relax one of them"
        if solution.status.value == "infeasible":
            what = "limits, rules and constraints leave none"
            if solution.formulation == "buffer_edge":
                what = "no whole contracts are within the buffer, the limits and the constraints"
        elif solution.stopped_by is StoppedBy.PRECISION:
            what, remedy = "floating point cannot tell whether there is one", "widen the buffer or the limits"
        elif solution.stopped_by is StoppedBy.HEURISTIC:
            what, remedy = f"{solution.optimizer} ended at one that breaks a rule", "use exact"
        else:
            what = "none was found in time"
        why = f"{what}; {remedy}" if solution.conflict is None else str(solution.conflict)
        super().__init__(f"no portfolio, the outcome is {solution.status.value}: {why}")
        self.solution = solution


class SolveInterrupted(Portable, KeyboardInterrupt):
    """Ctrl-C ended a solve.

    Attributes
    ----------
    solution : Solution
        The best answer and the lower bound when it did.
    """

    def __init__(self, solution: Solution) -> None:
        super().__init__("interrupted")
        self.solution = solution
