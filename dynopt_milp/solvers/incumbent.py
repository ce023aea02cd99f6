"""A good portfolio to begin with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.exchange import exchange
from dynopt_milp.solvers.greedy import greedy_positions
from dynopt_milp.solvers.task import Task
from formulations import FloatArray

# The greedy search adds contracts one at a time; beyond this many it costs more than its answer is worth as a start.
MOST_GREEDY_STEPS = 5000
SHORT_EVALUATIONS = 20_000  # about a quarter of a second


def first_incumbent(task: Task, check: ConstraintCheck) -> FloatArray | None:
    """The best of: the user's starts, what is held, nothing, the rounded target and the greedy answer, improved.

    None if the constraints admit none of them.
    """
    program = task.formulation.program
    simple = (program.previous, np.round(program.target), np.zeros(program.size))
    starts = [*task.starts, *(np.clip(start, program.lower, program.upper) for start in simple)]
    steps = float(np.abs(program.target).sum())
    if task.formulation.is_sum and steps <= MOST_GREEDY_STEPS:
        # A short greedy search is finished whatever the deadline: no answer is then worse than the book's.
        short = steps * program.size <= SHORT_EVALUATIONS
        starts.append(greedy_positions(program, None if short else task)[0])
    return best_of(task, starts, check)


def best_of(task: Task, starts: Iterable[FloatArray], check: ConstraintCheck) -> FloatArray | None:
    """The best portfolio that the local search reaches from those of the starts that are admitted."""
    best: FloatArray | None = None
    best_value = np.inf
    for start in starts:
        if not np.isfinite(task.formulation.value(start)) or not check.admits(start):
            continue
        found = exchange(task, start, check.admits)
        value = task.formulation.value(found)
        if value < best_value:
            best, best_value = found, value
        if value == 0:
            break
    return best
