"""A good portfolio to begin with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.exchange import exchange
from dynopt_milp.solvers.greedy import greedy_search
from dynopt_milp.solvers.scaled_starts import best_scaled
from dynopt_milp.solvers.task import Task
from formulations import FloatArray

# The greedy search trades one contract a step. Beyond this many its answer is worth less as a start than it costs; the
# target says where it goes, unless it offsets what is pinned, so the steps it takes are limited, too.
MOST_GREEDY_STEPS = 5000
SHORT_EVALUATIONS = 20_000  # about a quarter of a second
SHORT_WORK = 2e9  # evaluations × n², as much where n is in the hundreds


def first_incumbent(task: Task, check: ConstraintCheck) -> FloatArray | None:
    """The best of: the user's starts, what is held, nothing, the rounded target and the greedy answer, improved.

    With rules or constraints also: the target, the starts and the greedy answer scaled down until they are admitted.
    None if rules and constraints admit none of them.
    """
    program = task.formulation.program
    good = admitted(task, simple_starts(task), check)
    for start in good:
        task.report(start)
    greedy: list[FloatArray] = []
    if task.formulation.is_sum and float(np.abs(program.target).sum()) <= MOST_GREEDY_STEPS:
        greedy = [_greedy(task)]
        good += admitted(task, greedy, check)
    if program.rules or task.constraints is not None:
        scaled = best_scaled(task, [program.target, *task.starts, *greedy], check)
        for start in scaled:
            task.report(start)
        good += scaled
    return best_of(task, good, check)


def simple_starts(task: Task) -> list[FloatArray]:
    """The user's starts, what is held, the rounded target and nothing, inside the box."""
    program = task.formulation.program
    simple = (program.previous, np.round(program.target), np.zeros(program.size))
    return [*task.starts, *(np.clip(start, program.lower, program.upper) for start in simple)]


def _greedy(task: Task) -> FloatArray:
    """Where the greedy search ends, or is stopped by the deadline or for being long.

    A short one is finished whatever the deadline: no answer is then worse than the book's.
    """
    program = task.formulation.program
    if program.rules:
        program = replace(program, rules=None)
    short = min(SHORT_EVALUATIONS, SHORT_WORK / program.size**2) / program.size
    asked = 0

    def goes_on(_: FloatArray) -> bool:
        nonlocal asked
        asked += 1
        return asked <= short or task.seconds_left() > 0

    return greedy_search(program, goes_on=goes_on, most_steps=MOST_GREEDY_STEPS)[0]


def best_of(task: Task, starts: Iterable[FloatArray], check: ConstraintCheck) -> FloatArray | None:
    """The best portfolio that the local search reaches from the starts, which are admitted."""
    best: FloatArray | None = None
    best_value = np.inf
    for start in starts:
        found = exchange(task, start, check.admits)
        value = task.formulation.value(found)
        if value < best_value:
            best, best_value = found, value
        if value == 0:
            break
    return best


def admitted(task: Task, starts: Iterable[FloatArray], check: ConstraintCheck) -> list[FloatArray]:
    """Those of the starts that formulation and constraints admit."""
    return [start for start in starts if np.isfinite(task.formulation.value(start)) and check.admits(start)]
