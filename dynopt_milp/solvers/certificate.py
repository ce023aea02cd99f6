"""The check that every answer goes through."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.errors import CertificationError
from dynopt_milp.problem.solution import Status, StoppedBy, relative_gap
from dynopt_milp.solvers.broken_rule import broken_rule
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray

# A lower bound above the objective by less than this part of it is a solver's tolerance, and lowered.
TOLERANCE = 1e-9


class Certified(NamedTuple):
    """An answer that has been checked.

    Attributes
    ----------
    positions : ndarray, shape (n,), or None
    objective : float
        Recomputed by the formulation; +inf without positions.
    lower_bound : float
        No portfolio is worth less, and never above the exact value of the positions.
    status : Status
    stopped_by : StoppedBy
    """

    positions: FloatArray | None
    objective: float
    lower_bound: float
    status: Status
    stopped_by: StoppedBy


def certify(task: Task, answer: Answer) -> Certified:
    """Check an answer: its objective, recomputed, its lower bound, rounded down, and its status.

    OPTIMAL only if the gap between the largest value that the positions can have in exact arithmetic and the lower
    bound is at most the task's.

    Raises
    ------
    CertificationError
        If positions are not whole or break a limit, rule or constraint, or the lower bound lies above the objective.
    """
    positions, stopped_by = answer.positions, answer.stopped_by
    if positions is None:
        none_exists = stopped_by is StoppedBy.INFEASIBILITY
        status = Status.INFEASIBLE if none_exists else Status.NO_SOLUTION
        return Certified(None, np.inf, answer.lower_bound, status, stopped_by)
    if not task.formulation.program.contains(positions):
        broken = broken_rule(task.formulation.program, task.instruments, positions)
        what = f"break a rule: {broken}" if broken else "are not whole or break a limit"
        raise CertificationError(f"{answer.solver} returned positions that {what}")
    worth = task.formulation.priced(positions)
    if not math.isfinite(worth.value) and math.isfinite(task.formulation.bounds(positions[None])[1][0]):
        # Beyond the edge of the buffer by less than float64 can tell.
        return Certified(None, np.inf, max(answer.lower_bound, 0.0), Status.NO_SOLUTION, StoppedBy.PRECISION)
    if not math.isfinite(worth.value) or not _admitted(task, positions):
        raise CertificationError(f"{answer.solver} returned positions that break a constraint")
    if answer.lower_bound > worth.high * (1 + TOLERANCE):
        raise CertificationError(
            f"{answer.solver} claims the lower bound {answer.lower_bound:.9g} and found a portfolio of "
            f"{worth.value:.9g}"
        )
    bound = min(answer.lower_bound, worth.low)
    if relative_gap(worth.high, bound) <= task.gap:
        return Certified(positions, worth.value, bound, Status.OPTIMAL, stopped_by)
    if stopped_by is StoppedBy.GAP:
        stopped_by = StoppedBy.PRECISION
    return Certified(positions, worth.value, bound, Status.FEASIBLE, stopped_by)


def _admitted(task: Task, positions: FloatArray) -> bool:
    """Whether the user's constraints hold, as far as that can be decided here."""
    if task.constraints is None:
        return True
    check = ConstraintCheck(task.constraints, task.formulation.program)
    return not check.decidable or check.admits(positions)
