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
    """

    start: dict[str, int]
    steps: tuple[tuple[str, int, float], ...]
    parts: int
    contracts: IntegerArray
    reaches: bool

    @property
    def words(self) -> str:
        """Where the optimum parts, in a sentence."""
        if self.reaches:
            return f"greedy ends at the optimum, after {len(self.steps)} steps"
        if self.parts == len(self.steps):
            return (
                f"all {len(self.steps)} steps of greedy are on the way to the optimum; it ends there because no single "
                "step lowers the objective"
            )
        name, contracts, _ = self.steps[self.parts]
        return (
            f"the optimum parts from greedy at step {self.parts + 1} of {len(self.steps)}, which takes {name} by "
            f"{contracts:+d} beyond it"
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


def greedy_path(problem: Problem, optimum: IntegerArray) -> GreedyPath:
    """The steps of the greedy search of a problem with the objective of the book.

    Parameters
    ----------
    problem : Problem
    optimum : ndarray of int, shape (n,)
        What it is compared with.
    """
    order = problem.order()
    program, best = problem.program().permuted(order), optimum[order]
    positions = nearest_allowed(program, np.zeros(program.size))
    direction = direction_from(positions, program.target)
    names = [problem.instruments[place] for place in order]
    start = {name: int(number) for name, number in zip(names, positions, strict=True) if number}
    steps: list[tuple[str, int, float]] = []
    parts: int | None = None
    while True:
        after, _ = greedy_search(program, start=positions, direction=direction, most_steps=1)
        moved = np.flatnonzero(after != positions)
        if not moved.size:
            break
        place = int(moved[0])
        beyond = abs(after[place]) > abs(best[place]) or after[place] * best[place] < 0
        if parts is None and beyond:
            parts = len(steps)
        steps.append((names[place], int(after[place] - positions[place]), program.objective(after)))
        positions = after
    contracts = np.empty(positions.size, dtype=np.int64)
    contracts[order] = positions
    return GreedyPath(
        start, tuple(steps), len(steps) if parts is None else parts, contracts, bool((positions == best).all())
    )  # fmt: skip
