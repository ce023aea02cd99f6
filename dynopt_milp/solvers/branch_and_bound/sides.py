"""Underlyings whose sizes are not merged: branching on the side that they are held on.

Sizes with whole ratios are one variable of the search, and its table has the splits of one side alone (see `splits`).
What the search does not merge it lets stand on both sides. Where the best portfolio does, the program is solved twice,
with that underlying not short and not long, and so on, the half with the smaller bound first: the smallest bound of
what is open is one for all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np

from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.incumbent import simple_starts
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray, TrackingProgram


def on_one_side(task: Task, solve: Callable[[Task], Answer]) -> Answer:
    """The best portfolio that holds no underlying with opposite signs.

    Parameters
    ----------
    task : Task
    solve : callable
        From a task to an answer whose bound holds, but which may hold underlyings with opposite signs.
    """
    answer = solve(task)
    program = task.formulation.program
    if answer.positions is None or program.one_sided(answer.positions):
        return answer
    best, worth = _first(task)
    tick = count()  # boxes and answers are not compared
    halves = [(answer.lower_bound, next(tick), program, answer)]
    bound, nodes, stopped_by = np.inf, answer.nodes, StoppedBy.GAP
    while halves:
        least, _, whole, found = heapq.heappop(halves)
        assert found.positions is not None
        if relative_gap(worth, min(bound, least, worth)) <= task.gap / 2 or found.stopped_by.is_limit:
            bound = min(bound, least)  # the others have no smaller one
            stopped_by = found.stopped_by if found.stopped_by.is_limit else stopped_by
            break
        for half in _halves(whole, found.positions):
            inside = () if best is None or not half.in_box(best) else (best,)
            formulation = replace(task.formulation, program=half)
            other = solve(replace(task, formulation=formulation, starts=(*_inside(task, half), *inside)))
            nodes += other.nodes
            if other.positions is None:
                if other.stopped_by is not StoppedBy.INFEASIBILITY:
                    bound, stopped_by = min(bound, other.lower_bound), other.stopped_by
                continue
            if not program.one_sided(other.positions):
                heapq.heappush(halves, (other.lower_bound, next(tick), half, other))
                continue
            bound = min(bound, other.lower_bound)
            value = task.formulation.priced(other.positions).high
            if value < worth:
                best, worth = other.positions, value
                task.report(best)
            if other.stopped_by is not StoppedBy.GAP:
                stopped_by = other.stopped_by
    bound = min([bound, *(half[0] for half in halves)])
    if best is None and not np.isfinite(bound):
        return replace(answer, positions=None, lower_bound=np.inf, stopped_by=StoppedBy.INFEASIBILITY, nodes=nodes)
    return replace(answer, positions=best, lower_bound=float(bound), stopped_by=stopped_by, nodes=nodes)


def _halves(program: TrackingProgram, positions: FloatArray) -> list[TrackingProgram]:
    """The program with the first underlying that is held with opposite signs not short, and not long, if not empty."""
    members = program.opposite(positions)[0]
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[members] = np.maximum(lower[members], program.zero[members])
    upper[members] = np.minimum(upper[members], program.zero[members])
    boxes = [(lower, program.upper), (program.lower, upper)]
    return [program.with_box(low, high) for low, high in boxes if (low <= high).all()]


def _inside(task: Task, program: TrackingProgram) -> list[FloatArray]:
    """The starts that lie in a half."""
    return [start for start in task.starts if program.in_box(start)]


def _first(task: Task) -> tuple[FloatArray | None, float]:
    """A simple portfolio that keeps sides and rules, and what it is worth at most."""
    program = task.formulation.program
    best: FloatArray | None = None
    worth = np.inf
    for portfolio in filter(program.contains, simple_starts(task)):
        value = task.formulation.priced(portfolio).high
        if value < worth:
            best, worth = portfolio, value
    return best, worth
