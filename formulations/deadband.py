"""The buffer inside the objective: tracking error is free up to B.

    minimise over k ∈ Zⁿ    max(‖F(k − τ)‖₂ − B, 0) + Σᵢ cᵢ(kᵢ)       (cᵢ: see `separable_cost`)
    subject to              lower ≤ k ≤ upper

For: trading less. Inside the buffer nothing trades, outside it trades only as far as pays; there is one decision
where the book has two (optimise, then buffer). `penalty` is the case B = 0, and its optimum is never smaller than
this one's nor larger than this one's plus B.

Source: the no-trade region of M. H. A. Davis, A. R. Norman, *Portfolio selection with transaction costs* (1990),
and the buffer of R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five, as one program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from formulations.arrays import FloatArray
from formulations.formulation import NORMAL_VALUE, Formulation, Model
from formulations.program import ProgramError
from formulations.search_form import SearchForm


@dataclass(frozen=True, slots=True, eq=False)
class Deadband(Formulation):
    """Minimise the tracking error beyond a buffer plus trading cost.

    Parameters
    ----------
    program : TrackingProgram
        The data.
    buffer : float
        B ≥ 0, in the unit of the tracking error.

    Raises
    ------
    ProgramError
        If the buffer is negative or not finite.
    """

    buffer: float
    name: ClassVar[str] = "deadband"

    def __post_init__(self) -> None:
        if not 0 <= self.buffer < np.inf:
            raise ProgramError("buffer", f"expected a finite number that is not negative, found {self.buffer}")

    def combine(self, tracking_error: FloatArray, cost: FloatArray) -> FloatArray:
        """max(tracking error − B, 0) + cost."""
        return np.maximum(tracking_error - self.buffer, 0.0) + cost

    def model(self, *, integer: bool = True) -> Model:
        """The mixed-integer second-order-cone program in cvxpy."""
        import cvxpy as cp

        data = self.program
        k, box = self._variable(integer)
        tracking_error = self._distance(data.factor, k)
        cost, rules = self._cost(k, integer)
        return Model(k, cp.pos(tracking_error - self.buffer) + cost, [*box, *rules])

    @property
    def search_form(self) -> SearchForm:
        """The value is tracking error beyond the buffer + cost."""
        return SearchForm(self.buffer)

    def tracking_radius(self, value: float) -> float:
        """B beyond what is left of the value when the least cost is paid."""
        return max(value - self.program.least_cost(), 0.0) + self.buffer

    def normalised(self, value: float) -> tuple[Deadband, float]:
        """Scale tracking error, buffer and cost alike: the minimiser does not move."""
        unit = NORMAL_VALUE / value
        return Deadband(self.program.scaled(tracking=unit, cost=unit), self.buffer * unit), unit
