"""A portfolio that is allowed, and the box that its value proves: what the other solvers are given."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from comparisons.rules.instances import RuledInstance, best
from dynopt_milp.solvers.exchange import exchange
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.task import Task
from formulations import FloatArray, Penalty, TrackingProgram, bounding_box

FAR = 100.0
"""Where nothing bounds a position, this many times the largest number of contracts wanted or held does."""
SEARCH_LIMIT = 10.0
STEPS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known before the race.

    Attributes
    ----------
    start : array of float, shape (n,), or None
        The free optimum, that scaled down, what is held, nothing or the rounded target, whichever is allowed and best,
        improved by a local search; None if none is allowed.
    value : float
        Of it; where there is none, the optimum that a library states, or, if limits leave some positions without
        bounds, that of the branch and bound's answer; else nan.
    lower, upper : array of float, shape (n,)
        A finite box: every portfolio that is as good as the known one lies in it.
    """

    start: FloatArray | None
    value: float
    lower: FloatArray
    upper: FloatArray


@lru_cache(maxsize=4)
def known(instance: RuledInstance) -> Known:
    """What is known of a problem; the same object for the same one."""
    program = instance.problem.program()
    allowed = [point for point in _simple(instance, program) if program.contains(point)]
    start = min(allowed, key=program.objective, default=None)
    if start is not None:
        start = exchange(_task(instance), start, program.contains)
    lower, upper, value = program.lower, program.upper, instance.optimum
    portfolio = start
    if start is None and np.isnan(value) and not (np.isfinite(lower) & np.isfinite(upper)).all():
        portfolio = best(instance.problem)
    if portfolio is not None:
        value = program.objective(portfolio)
        lower, upper = bounding_box(program, value, value)
        lower, upper = np.minimum(lower, portfolio), np.maximum(upper, portfolio)  # but for round-off it is inside
    far = np.ceil(FAR * max(1.0, float(np.abs(program.target).max()), float(np.abs(program.previous).max())))
    lower, upper = np.where(np.isfinite(lower), lower, -far), np.where(np.isfinite(upper), upper, far)
    return Known(start, value, lower, upper)


def _simple(instance: RuledInstance, program: TrackingProgram) -> Iterator[FloatArray]:
    """Portfolios that come to mind, inside the limits."""
    points = [program.previous, np.zeros(program.size), np.round(program.target)]
    free = best(instance.free)
    if free is not None:
        points += [np.trunc(free * share / STEPS) for share in range(STEPS, 0, -1)]
    for point in points:
        yield np.clip(point, program.lower, program.upper)


def _task(instance: RuledInstance) -> Task:
    """That of the local search: in the order of the problem's own instruments."""
    deadline = time.monotonic() + SEARCH_LIMIT
    return Task(Penalty(instance.problem.program()), instance.problem.instruments, DEFAULT_GAP, deadline)
