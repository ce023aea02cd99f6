"""The book's objective with a tighter relaxation: integrality is used on a diagonal part of the covariance.

With F'F = L'L + D, D = diag(d) ≥ 0 (see `diagonal`), and fᵢ = τᵢ − ⌊τᵢ⌋,

    minimise over k ∈ Zⁿ    t + Σᵢ cᵢ(kᵢ)                     (cᵢ: see `separable_cost`)
    subject to              sqrt(‖L(k − τ)‖² + Σᵢ dᵢsᵢ²) ≤ t
                            sᵢ ≥ |kᵢ − τᵢ|,   sᵢ ≥ (1 − 2fᵢ)(kᵢ − ⌊τᵢ⌋) + fᵢ
                            lower ≤ k ≤ upper

The last inequality is the chord of |k − τ| between the two whole numbers next to τᵢ; a whole k meets it with sᵢ =
|kᵢ − τᵢ|, so that values and minimiser are those of `penalty`. Between them it keeps sᵢ from falling to zero: at
kᵢ = τᵢ it is 2fᵢ(1 − fᵢ). The relaxation is never below that of `penalty`, and above it where capital is small or λ is
low, which is where `penalty` searches longest. For: every mixed-integer conic solver, as it needs nothing but cones.

Source: conic mixed-integer rounding, A. Atamtürk, V. Narayanan (2010); diagonal extraction, A. Frangioni, C. Gentile
(2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from formulations.arrays import FloatArray
from formulations.diagonal import extract_diagonal, remainder
from formulations.formulation import NORMAL_VALUE, Model
from formulations.penalty import Penalty

# The chord is worth dᵢ·4f²(1 − f)² at τᵢ and less beside it, where costs hold the position: weights f(1 − f), and a
# little for those that τ says nothing about.
LEAST_WEIGHT = 0.05
# A relaxation below this part of the best known value is weak: there integrality on a diagonal pays. SCIP, processor
# time on 25 problems of 27 to 42 futures, λ from 0 to 50: below 0.6 the hull takes 0.78 of the time (geometric mean of
# 15; 0.61 at λ = 0, where long searches gain most, 0.91 otherwise) and 0.2 to 0.8 of the nodes; above 0.6 1.05 of the
# time (of 10), as its cone is larger. The variance-lifted form (beside the plain cone, a chord of the squared norm
# against the squares of positions, or their secants) saved as many nodes and took longer on most.
WEAK = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class IntegerHull(Penalty):
    """Minimise tracking error plus trading cost, with the hull of a diagonal part.

    Parameters
    ----------
    program : TrackingProgram
        The data.
    diagonal : array_like, shape (n,), or None
        d, for this program alone; None extracts one whenever a model is made, so that it also fits the program over a
        smaller box (`restrict`), where more can be extracted.

    Raises
    ------
    ProgramError
        If d has another shape, a negative entry or F'F − D is indefinite beyond round-off.
    """

    diagonal: FloatArray | None = None
    name: ClassVar[str] = "integer_hull"

    def __post_init__(self) -> None:
        if self.diagonal is not None:
            diagonal = np.array(self.diagonal, dtype=np.float64)
            remainder(self.program.factor, diagonal)
            diagonal.setflags(write=False)
            object.__setattr__(self, "diagonal", diagonal)

    def extracted(self) -> FloatArray:
        """d, shape (n,): the one given, or one with large Σ(fᵢ(1 − fᵢ) + 0.05)dᵢ over where the chord can matter."""
        if self.diagonal is not None:
            return self.diagonal
        program = self.program
        floor = np.floor(program.target)
        fraction = program.target - floor
        between = (fraction > 0) & (program.lower <= floor) & (floor < program.upper)  # the box has both neighbours
        weight = np.where(between, fraction * (1 - fraction) + LEAST_WEIGHT, 0.0)
        return extract_diagonal(program.factor, weight)

    def norm_parts(self) -> tuple[FloatArray, FloatArray]:
        """L and d of the diagonal that is extracted."""
        diagonal = self.extracted()
        return remainder(self.program.factor, diagonal), diagonal

    def model(self, *, integer: bool = True) -> Model:
        """The mixed-integer second-order-cone program in cvxpy."""
        import cvxpy as cp

        data = self.program
        left, diagonal = self.norm_parts()
        k, box = self._variable(integer)
        tracking_error = self._distance(left, k)
        some = diagonal > 0
        if some.any():
            target, floor = data.target[some], np.floor(data.target[some])
            fraction = target - floor
            chord = cp.multiply(1 - 2 * fraction, k[some] - floor) + fraction
            s = cp.maximum(cp.abs(k[some] - target), chord)
            tracking_error = cp.norm(cp.hstack([tracking_error, cp.multiply(np.sqrt(diagonal[some]), s)]), 2)
        cost, rules = self._cost(k, integer)
        return Model(k, tracking_error + cost, [*box, *rules])

    def normalised(self, value: float) -> tuple[IntegerHull, float]:
        """Scale tracking error and cost alike: the minimiser does not move."""
        unit = NORMAL_VALUE / value
        diagonal = None if self.diagonal is None else self.diagonal * unit**2
        return IntegerHull(self.program.scaled(tracking=unit, cost=unit), diagonal), unit
