"""Every optimizer as a function from a Problem to whole contracts, for code that takes a function."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from dynopt_milp.problem.problem import Problem
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_settings
from dynopt_milp.solvers.solving import solve


@dataclass(frozen=True, slots=True)
class MethodOptimizer:
    """An optimizer with its settings; calling it on a Problem gives the contracts to hold, a Series by instrument.

    Where this package takes an optimizer, give its name instead: a function claims nothing, and a name keeps the proof.

    Parameters
    ----------
    optimizer : str
        As in :func:`~dynopt_milp.solve`, as are the next two.
    gap : float
        Relative gap to prove, between 0 and 1.
    time_limit : float, optional
        Seconds.

    Raises
    ------
    UnknownNameError, InputError
        If there is no such optimizer, or a setting is out of range.
    NoPortfolioError
        When it is called, if there is no portfolio within the limits, or none was found in time.
    """

    optimizer: str
    gap: float = DEFAULT_GAP
    time_limit: float | None = None

    def __post_init__(self) -> None:
        check_settings(self.optimizer, self.gap, self.time_limit)

    def __call__(self, problem: Problem) -> pd.Series:
        """Whole contracts to hold, int64, by instrument."""
        return solve(problem, self.optimizer, gap=self.gap, time_limit=self.time_limit).positions

    @property
    def __name__(self) -> str:  # what results call it
        return self.optimizer


exact = MethodOptimizer("exact")
"""The proven optimum."""
greedy = MethodOptimizer("greedy")
"""The book's greedy search."""
branch_and_bound = MethodOptimizer("branch_and_bound")
"""The package's own branch and bound."""
scip = MethodOptimizer("scip")
"""SCIP."""
