"""The check that every answer goes through."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.errors import CertificationError
from dynopt_milp.problem.solution import Status, StoppedBy, relative_gap
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray

# A lower bound above the objective by less than this part of it is round-off in the pricing.
PRICING_ROUND_OFF = 1e-9


def certify(task: Task, answer: Answer) -> tuple[float, Status]:
    """Check an answer: its objective, recomputed, and its status.

    Returns
    -------
    objective : float
        Recomputed by the formulation, in float64; +inf without positions.
    status : Status
        OPTIMAL only if the gap between the recomputed objective and the lower bound is at most the task's.

    Raises
    ------
    CertificationError
        If positions are not whole or break a limit or constraint, or the lower bound lies above the objective.
    """
    if answer.positions is None:
        none_exists = answer.stopped_by is StoppedBy.INFEASIBILITY
        return np.inf, Status.INFEASIBLE if none_exists else Status.NO_SOLUTION
    if not task.formulation.program.contains(answer.positions):
        raise CertificationError(f"{answer.solver} returned positions that are not whole or break a limit")
    objective = task.formulation.value(answer.positions)
    if not math.isfinite(objective) or not _admitted(task, answer.positions):
        raise CertificationError(f"{answer.solver} returned positions that break a constraint")
    if answer.lower_bound > objective * (1 + PRICING_ROUND_OFF):
        raise CertificationError(
            f"{answer.solver} claims the lower bound {answer.lower_bound:.9g} and found a portfolio of {objective:.9g}"
        )
    proved = relative_gap(objective, min(answer.lower_bound, objective)) <= task.gap
    return objective, Status.OPTIMAL if proved else Status.FEASIBLE


def _admitted(task: Task, positions: FloatArray) -> bool:
    """Whether the user's constraints hold, as far as that can be decided here."""
    if task.constraints is None:
        return True
    check = ConstraintCheck(task.constraints, positions.size)
    return not check.decidable or check.admits(positions)
