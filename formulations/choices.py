"""Positions as a choice: where a cost or a rule is any function of one position, the model picks a point of a table.

    kᵢ = Σⱼ zⱼ·pointⱼ,    Σⱼ zⱼ = 1,    z binary       (nonnegative in the relaxation)

What a point costs, or uses of a rule, is then Σⱼ zⱼ·entryⱼ: in the relaxation the lower convex envelope, of all that is
written over the same choice together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import FloatArray
from formulations.program import ProgramError, TrackingProgram

if TYPE_CHECKING:
    import cvxpy as cp


MOST_POINTS = 100_000  # of a choice: more is not a model that a solver could do anything with


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The points of one position, what each costs beside its kinked lines, and which is chosen."""

    points: FloatArray
    costs: FloatArray
    chosen: cp.Variable


@dataclass(slots=True, eq=False)
class Choices:
    """The choices of one model, each made when it is first asked for.

    Parameters
    ----------
    program : TrackingProgram
    positions : cvxpy.Variable, shape (n,)
    integer : bool
        False for the relaxation.

    Attributes
    ----------
    constraints : list
        What ties positions to what is chosen.
    """

    program: TrackingProgram
    positions: cp.Variable
    integer: bool
    constraints: list[Any] = field(default_factory=list)
    _made: dict[int, Choice] = field(default_factory=dict)

    def of(self, place: int, what: str) -> Choice:
        """The choice of one instrument among the positions that its table and domain allow.

        Raises
        ------
        ProgramError
            If its box is not finite, or too wide; ``what`` is the field that asks for the choice.
        """
        import cvxpy as cp

        if not self.program.upper[place] - self.program.lower[place] < MOST_POINTS:
            raise ProgramError(what, "needs limits, for something that is no convex function of", place)

        if place not in self._made:
            program = self.program
            points, costs = program.beside_kinks(place)
            points, costs = points[np.isfinite(costs)], costs[np.isfinite(costs)]
            chosen = cp.Variable(max(len(points), 1), boolean=self.integer, nonneg=not self.integer)
            if points.size:
                self.constraints += [cp.sum(chosen) == 1, self.positions[place] == points @ chosen]
            else:  # no point exists
                points, costs = np.zeros(1), np.zeros(1)
                self.constraints.append(self.positions[place] >= program.upper[place] + 1)
            self._made[place] = Choice(points, costs, chosen)
        return self._made[place]
