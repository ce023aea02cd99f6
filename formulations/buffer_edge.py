"""The cheapest whole-contract trade to the edge of the buffer.

    minimise over k ∈ Zⁿ    Σᵢ cᵢ(kᵢ)                         (cᵢ: see `separable_cost`)
    subject to              ‖F(k − k°)‖₂ ≤ B,   lower ≤ k ≤ upper

where k° is the optimised portfolio. For: the step after the optimisation. The book trades the share
α = max((T − B)/T, 0) of the way, T = ‖F(p − k°)‖₂, and rounds; the rounded portfolio can miss the buffer or spend
more than it needs to. This is what that rule approximates, solved exactly. The norm is a constraint here and the
cost the objective: for some multiplier on the norm it is `penalty` with target k°.

Source: the buffer of R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from formulations.arrays import FloatArray
from formulations.formulation import NORMAL_VALUE, Formulation, Model
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.program import ProgramError
from formulations.search_form import SearchForm


@dataclass(frozen=True, slots=True, eq=False)
class BufferEdge(Formulation):
    """Minimise the cost within a distance of the optimised portfolio.

    Parameters
    ----------
    program : TrackingProgram
        The data; its ``target`` is the optimised portfolio k°.
    buffer : float
        B > 0, in the unit of the tracking error.

    Raises
    ------
    ProgramError
        If the buffer is not positive and finite.
    """

    buffer: float
    name: ClassVar[str] = "buffer_edge"

    def __post_init__(self) -> None:
        if not 0 < self.buffer < np.inf:
            raise ProgramError("buffer", f"expected a positive finite number, found {self.buffer}")

    def combine(self, tracking_error: FloatArray, cost: FloatArray) -> FloatArray:
        """The cost, +inf beyond the buffer."""
        return np.where(tracking_error <= self.buffer * (1 + EDGE_ROUND_OFF), cost, np.inf)

    def model(self, *, integer: bool = True) -> Model:
        """The mixed-integer second-order-cone program in cvxpy."""
        data = self.program
        k, box = self._variable(integer)
        distance = self._distance(data.factor, k)
        cost, rules = self._cost(k, integer)
        return Model(k, cost, [*box, *rules, distance <= self.buffer])

    @property
    def search_form(self) -> SearchForm:
        """The value is the cost, with the tracking error at most the buffer."""
        return SearchForm(self.buffer, edge=True)

    def tracking_radius(self, value: float) -> float:
        """The buffer, whatever the value."""
        return self.buffer * (1 + EDGE_ROUND_OFF)

    def normalised(self, value: float) -> tuple[BufferEdge, float]:
        """Scale the cost to the value and the distance to the buffer: they are never added, each has its own unit."""
        unit = NORMAL_VALUE / value
        distance_unit = NORMAL_VALUE / self.buffer
        return BufferEdge(self.program.scaled(tracking=distance_unit, cost=unit), NORMAL_VALUE), unit
