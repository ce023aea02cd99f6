"""The greedy search, step by step, and where the optimum parts from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.problem.problem import Problem
from dynopt_milp.solvers.greedy import direction_from, greedy_search, nearest_allowed
from formulations import IntegerArray


@dataclass(frozen=True, slots=True, eq=False)
class GreedyPath:
    """What the greedy search bought, in its order.

    Attributes
    ----------
    start : dict
        Contracts by instrument that it began with, zeros left out: it begins at none where none is allowed.
    steps : tuple of (str, int, float)
        Instrument, contracts, and the objective after it.
    parts : int
        The number of steps that are on the way to the optimum, counted from the first: the one after them takes a
        position beyond the optimum's, or to the other side of zero. All of them, if the search only ends too soon.
    contracts : ndarray of int, shape (n,)
        Where it ends.
    reaches : bool
        Whether that is the optimum.
    proved : bool
        Whether the optimum is proved to be one; else it is the best portfolio that is known.
    beyond : tuple of int or None
        Of the instrument at which the optimum parts: contracts before and after that step, and those of the optimum.
    """

    start: dict[str, int]
    steps: tuple[tuple[str, int, float], ...]
    parts: int
    contracts: IntegerArray
    reaches: bool
    proved: bool
    beyond: tuple[int, int, int] | None

    @property
    def words(self) -> str:
        """Where the optimum parts, in a sentence."""
        best = "the optimum" if self.proved else "the best portfolio that is known"
        steps = f"{len(self.steps)} {'step' if len(self.steps) == 1 else 'steps'}"
        if self.reaches:
            return f"greedy ends at {best}, after {steps}"
        if self.beyond is None:
            why = "it ends there because no single step lowers the objective"
            return f"all {steps} of greedy are on the way to {best}; {why}"
        before, after, there = self.beyond
        return (
            f"at step {self.parts + 1} of {len(self.steps)} greedy takes {self.steps[self.parts][0]} from {before} to "
            f"{after}; {best} holds {there}"
        )

    @property
    def table(self) -> pd.DataFrame:
        """A row a step: instrument, contracts, objective after it, and whether it is on the way to the optimum."""
        frame = pd.DataFrame(self.steps, columns=["instrument", "contracts", "objective"])
        frame["on_the_way"] = np.arange(len(frame)) < self.parts
        frame.index = pd.RangeIndex(1, len(frame) + 1, name="step")
        return frame

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        keys = ("instrument", "contracts", "objective")
        return {
            "start": self.start,
            "steps": [dict(zip(keys, step, strict=True)) for step in self.steps],
            "parts_after": self.parts,
            "reaches_optimum": self.reaches,
            "words": self.words,
        }


def greedy_path(problem: Problem, optimum: IntegerArray, *, proved: bool = True) -> GreedyPath:
    """The steps of the greedy search of a problem with the objective of the book.

    Parameters
    ----------
    problem : Problem
    optimum : ndarray of int, shape (n,)
        What it is compared with.
    proved : bool
        Whether it is proved to be the optimum.
    """
    order = problem.order()
    program, best = problem.program().permuted(order), optimum[order]
    positions = nearest_allowed(program, np.zeros(program.size))
    direction = direction_from(positions, program.target)
    names = [problem.instruments[place] for place in order]
    start = {name: int(number) for name, number in zip(names, positions, strict=True) if number}
    steps: list[tuple[str, int, float]] = []
    parts: int | None = None
    beyond: tuple[int, int, int] | None = None
    while True:
        after, _ = greedy_search(program, start=positions, direction=direction, most_steps=1)
        moved = np.flatnonzero(after != positions)
        if not moved.size:
            break
        place = int(moved[0])
        if parts is None and (abs(after[place]) > abs(best[place]) or after[place] * best[place] < 0):
            parts, beyond = len(steps), (int(positions[place]), int(after[place]), int(best[place]))
        steps.append((names[place], int(after[place] - positions[place]), program.objective(after)))
        positions = after
    contracts = np.empty(positions.size, dtype=np.int64)
    contracts[order] = positions
    return GreedyPath(
        start, tuple(steps), len(steps) if parts is None else parts, contracts, bool((positions == best).all()),
        proved, beyond,
    )  # fmt: skip
