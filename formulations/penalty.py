"""The book's objective: tracking error plus a penalty on what is traded.

    minimise over k ∈ Zⁿ    ‖F(k − τ)‖₂ + Σᵢ γᵢ|kᵢ − pᵢ|
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

    def combine(self, tracking_error: FloatArray, trading_cost: FloatArray) -> FloatArray:
        """Tracking error + trading cost."""
        return tracking_error + trading_cost

    def model(self, *, integer: bool = True) -> Model:
        """The mixed-integer second-order-cone program in cvxpy."""
        import cvxpy as cp

        data = self.program
        k, box = self._variable(integer)
        tracking_error = self._distance(data.factor, k)
        trading_cost = data.cost @ cp.abs(k - data.previous)
        return Model(k, tracking_error + trading_cost, box)

    @property
    def search_form(self) -> SearchForm:
        """The value is tracking error + trading cost."""
        return SUM

    def tracking_radius(self, value: float) -> float:
        """Costs are not negative, so the tracking error is at most the value."""
        return value

    def normalised(self, value: float) -> tuple[Penalty, float]:
        """Scale tracking error and cost alike: the minimiser does not move."""
        unit = NORMAL_VALUE / value
        return Penalty(self.program.scaled(tracking=unit, cost=unit)), unit
