"""Positions as a choice: where a cost or a rule is any function of one position, the model picks a point of a table.

    kᵢ = Σⱼ zⱼ·pointⱼ,    Σⱼ zⱼ = 1,    z binary       (nonnegative in the relaxation)

What a point costs, or uses of a rule, is then Σⱼ zⱼ·entryⱼ: in the relaxation the lower convex envelope, of all that is
written over the same choice together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import FloatArray
from formulations.program import TrackingProgram

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The points of one position, what its tables say that each costs, and which is chosen."""

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

    def of(self, place: int) -> Choice:
        """The choice of one instrument, whose box is finite, among the positions that tables and domain allow."""
        import cvxpy as cp

        if place not in self._made:
            program = self.program
            bare = replace(program, cost=np.zeros(program.size), holding=None)
            points, costs = bare.table_of(place)
            points, costs = points[np.isfinite(costs)], costs[np.isfinite(costs)]
            chosen = cp.Variable(max(len(points), 1), boolean=self.integer, nonneg=not self.integer)
            if points.size:
                self.constraints += [cp.sum(chosen) == 1, self.positions[place] == points @ chosen]
            else:  # no point exists
                points, costs = np.zeros(1), np.zeros(1)
                self.constraints.append(self.positions[place] >= program.upper[place] + 1)
            self._made[place] = Choice(points, costs, chosen)
        return self._made[place]
