"""The book's objective: tracking error plus a penalty on what is traded.

    minimise over k ∈ Zⁿ    ‖F(k − τ)‖₂ + Σᵢ cᵢ(kᵢ)           cᵢ(k) = γᵢ|k − pᵢ| (in the book)
    subject to              lower ≤ k ≤ upper

For: which whole contracts to hold today. Its continuous relaxation is a square-root lasso centred on p, so
instruments whose trade does not pay stay exactly where they are. `deadband` with B = 0 is this program.

Source: R. Carver, *Advanced Futures Trading Strategies* (2023), strategy twenty-five.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from formulations.arrays import FloatArray
from formulations.formulation import NORMAL_VALUE, Formulation, Model
from formulations.search_form import SUM, SearchForm


@dataclass(frozen=True, slots=True, eq=False)
class Penalty(Formulation):
    """Minimise tracking error plus trading cost.

    Parameters
    ----------
    program : TrackingProgram
        The data.
    """

    name: ClassVar[str] = "penalty"

    def combine(self, tracking_error: FloatArray, cost: FloatArray) -> FloatArray:
        """Tracking error + cost."""
        return tracking_error + cost

    def model(self, *, integer: bool = True) -> Model:
        """The mixed-integer second-order-cone program in cvxpy."""
        data = self.program
        k, box = self._variable(integer)
        tracking_error = self._distance(data.factor, k)
        cost, rules = self._cost(k, integer)
        return Model(k, tracking_error + cost, [*box, *rules])

    @property
    def search_form(self) -> SearchForm:
        """The value is tracking error + cost."""
        return SUM

    def tracking_radius(self, value: float) -> float:
        """What is left of the value when the least cost is paid."""
        return max(value - self.program.least_cost(), 0.0)

    def normalised(self, value: float) -> tuple[Penalty, float]:
        """Scale tracking error and cost alike: the minimiser does not move."""
        unit = NORMAL_VALUE / value
        return Penalty(self.program.scaled(tracking=unit, cost=unit)), unit
