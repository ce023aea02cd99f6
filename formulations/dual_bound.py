"""Lower bounds that hold whatever they are computed from.

The value is the cost (`separable_cost`) plus tracking error beyond a buffer B (`penalty` with B = 0, `deadband`). As
‖F(k − τ)‖ ≥ θ'F(k − τ) for every ‖θ‖ ≤ 1, every vector ψ with ‖ψ‖ ≤ 1 bounds the value of every integer point of a box
from below,

    value(k) ≥ −ψ'Fτ − ‖ψ‖B + Σᵢ ((F'ψ)ᵢ kᵢ + cᵢ(kᵢ)) ≥ −ψ'Fτ − ‖ψ‖B + Σᵢ minimum of term i over [lᵢ, uᵢ]

and the minimum of a term sits at lᵢ, uᵢ or a kink of cᵢ, unless it has a table or a cost of orders. No solver has to be
believed: it only proposes ψ. The terms also give reduced-cost bounds: a position at which the sum exceeds the value of
a known portfolio can be cut off the box.

Source: the dual of the square-root lasso, A. Belloni, V. Chernozhukov, L. Wang (2011); gap-safe rules, E. Ndiaye et
al. (2017).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from formulations.arrays import FloatArray
from formulations.bounding_box import OUTWARD
from formulations.formulation import Formulation
from formulations.program import ProgramError

# Float64 evaluates the sums below to about n·1e-16 of the sum of their terms' sizes, of which ‖ψ‖ ≤ 1 and the lengths
# of F's columns are bounds; this is that with n = 10⁴.
BOUND_ROUND_OFF = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class DualBound:
    """What a vector ψ proves about the integer points of a box.

    Parameters
    ----------
    formulation : Formulation
        With a search form whose tracking error is part of the value (``edge`` is false).
    direction : ndarray, shape (m,)
        ψ; it is shortened to length 1 if it is longer.
    lower, upper : ndarray, shape (n,)
        The box, finite.

    Raises
    ------
    ProgramError
        If the formulation has no such search form: its value is bounded by something else.
    """

    formulation: Formulation
    direction: FloatArray
    lower: FloatArray
    upper: FloatArray

    def __post_init__(self) -> None:
        form = self.formulation.search_form
        if form is None or form.edge:
            raise ProgramError("formulation", f"the dual bound does not hold for {self.formulation.name!r}")

    def value(self) -> float:
        """The lower bound, less what round-off can add to it."""
        constant, slopes = self._line()
        least = self._least(slopes)
        program = self.formulation.program
        farthest = np.maximum(np.abs(self.lower), np.abs(self.upper))
        size = program.lengths @ (np.abs(program.target) + farthest)
        size += program.cost @ (farthest + np.abs(program.previous))
        if program.holding is not None:
            size += program.holding @ (farthest + np.abs(program.zero))
        return float(constant + least.sum() - BOUND_ROUND_OFF * (abs(constant) + size))

    def tightened(self, value: float) -> tuple[FloatArray, FloatArray]:
        """The box without positions that only portfolios above ``value`` can have; it may come out empty."""
        program = self.formulation.program
        _, slopes = self._line()
        spare = value - self.value() + BOUND_ROUND_OFF * abs(value)
        allowed = spare + self._least(slopes)  # term i may be this large
        if spare < 0:
            return self.upper + 1.0, self.upper
        room = allowed - slopes * program.previous
        up, down = slopes + program.cost, slopes - program.cost  # the term's slopes above and below the held position
        held_allowed = room >= 0  # where it is not, nothing is cut off: rare, and still true
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(held_allowed & (up > 0), room / up, np.inf)
            least = np.where(held_allowed & (down < 0), room / down, -np.inf)
        new_lower = np.ceil(program.previous + least - OUTWARD * (1 + np.abs(least)))
        new_upper = np.floor(program.previous + most + OUTWARD * (1 + np.abs(most)))
        return np.maximum(self.lower, new_lower), np.minimum(self.upper, new_upper)

    def _line(self) -> tuple[float, FloatArray]:
        """The constant −ψ'Fτ − ‖ψ‖B and the slopes F'ψ."""
        program, form = self.formulation.program, self.formulation.search_form
        assert form is not None
        length = float(np.linalg.norm(self.direction))
        psi = self.direction / (max(length, 1.0) * (1 + BOUND_ROUND_OFF))
        constant = -float(psi @ (program.factor @ program.target))
        return constant - min(length, 1.0) * form.buffer, program.factor.T @ psi

    def _least(self, slopes: FloatArray) -> FloatArray:
        """The minimum of each term over its interval."""
        program = self.formulation.program
        if program.rules is not None:  # without them: at the corners a domain may have no position
            program = replace(program, rules=None)
        kinks = np.clip(np.stack([program.previous, program.zero]), self.lower, self.upper)
        corners = np.stack([self.lower, self.upper, *kinks])
        least = np.asarray((slopes * corners + program.cost_by_instrument(corners)).min(axis=0))
        for place in np.flatnonzero(program.listed):
            points, costs = program.with_box(self.lower, self.upper).table_of(int(place))
            least[place] = (slopes[place] * points + costs).min(initial=np.inf)
        return least
