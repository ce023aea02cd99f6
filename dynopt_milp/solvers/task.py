"""What a method is given and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.best_known import BestKnown
from formulations import FloatArray, Formulation

Constraints = Callable[[Any], Sequence[Any]]
"""From a cvxpy expression of positions, shape (n,), to cvxpy constraints."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One formulation to solve.

    Parameters
    ----------
    formulation : Formulation
        Instruments stand in the order of their names.
    instruments : tuple of str
        Names, for errors.
    gap : float
        Relative gap to prove.
    deadline : float or None
        When to stop, on the clock of ``time.monotonic``.
    starts : sequence of ndarray, shape (n,)
        Portfolios to begin with, whole and inside the box.
    constraints : callable or None
        The user's constraints.
    known : BestKnown
        What has been reported, in the task's first units.
    offset : ndarray, shape (n,), or 0
        What positions of those units are reduced by here.
    """

    formulation: Formulation
    instruments: tuple[str, ...]
    gap: float
    deadline: float | None = None
    starts: Sequence[FloatArray] = field(default=())
    constraints: Constraints | None = None
    known: BestKnown = field(default_factory=BestKnown)
    offset: FloatArray | float = 0.0

    def shifted(self, offset: FloatArray) -> Task:
        """The same task in k' = k − offset (whole contracts, shape (n,))."""
        own = self.constraints
        return replace(
            self,
            formulation=self.formulation.shifted(offset),
            starts=tuple(start - offset for start in self.starts),
            constraints=None if own is None else lambda positions: own(positions + offset),
            offset=self.offset + offset,
        )

    def report(self, positions: FloatArray, lower_bound: float = 0.0) -> None:
        """Say what is known, for the case of Ctrl-C.

        Parameters
        ----------
        positions : ndarray, shape (n,)
            Whole contracts inside the box that meet the constraints.
        lower_bound : float
            Proved: no portfolio has a smaller value.
        """
        self.known.add(self.formulation.value(positions), positions + self.offset, lower_bound)

    def seconds_left(self) -> float:
        """Until the deadline; +inf if there is none, never negative."""
        return float("inf") if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a method found and what it claims. Claims are checked by :func:`dynopt_milp.solve`.

    Parameters
    ----------
    positions : ndarray, shape (n,), or None
        Whole contracts.
    lower_bound : float
        Claimed: no portfolio has a smaller value. 0 is always true.
    stopped_by : StoppedBy
    solver : str
        Name and version.
    nodes : int
    note : str
        What the claim leaves out, in words.
    """

    positions: FloatArray | None
    lower_bound: float
    stopped_by: StoppedBy
    solver: str
    nodes: int = 0
    note: str = ""


Method = Callable[[Task], Answer]
