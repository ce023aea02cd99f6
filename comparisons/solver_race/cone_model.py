"""The penalty formulation as a commercial solver is best given it.

    minimise t + Σᵢ γᵢuᵢ    subject to    ‖y‖ ≤ t,  y = R(k − τ),  uᵢ ≥ |kᵢ − pᵢ|,  lower ≤ k ≤ upper,  k whole

R is triangular, with R'R the covariance; positions are counted from the rounded target, and the greedy answer, with
which the solver starts, has a value between 1 and 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynopt_milp import Problem
from dynopt_milp.solvers.greedy import greedy_search
from formulations import FloatArray, TrackingProgram, bounding_box

FAR = 100.0
"""Where nothing bounds a position, this many times the largest number of contracts wanted or held does."""


@dataclass(frozen=True, slots=True, eq=False)
class ConeModel:
    """The arrays of the model.

    Attributes
    ----------
    program : TrackingProgram
        Scaled, shifted and with a finite box; its factor is triangular.
    start : array of float, shape (n,)
        The greedy answer, shifted.
    offset : array of float, shape (n,)
        What positions are counted from.
    unit : float
        What objectives were multiplied by.
    """

    program: TrackingProgram
    start: FloatArray
    offset: FloatArray
    unit: float

    @property
    def priced(self) -> NDArray[np.intp]:
        """The places of those whose trades cost something; only they have a u."""
        return np.flatnonzero(self.program.cost > 0)

    def positions(self, values: FloatArray) -> FloatArray:
        """Whole contracts of the problem, from a solver's values of k."""
        return np.round(np.asarray(values, dtype=np.float64)) + self.offset


def cone_model(problem: Problem) -> ConeModel:
    """The model of a problem."""
    program = problem.program()
    greedy = greedy_search(program)[0]
    value = program.objective(greedy)
    lower, upper = bounding_box(program, value, value)
    far = FAR * max(1.0, float(np.abs(program.target).max()), float(np.abs(program.previous).max()))
    lower = np.where(np.isfinite(lower), lower, -np.ceil(far))
    upper = np.where(np.isfinite(upper), upper, np.ceil(far))
    # The greedy answer lies in its own box but for round-off.
    lower, upper = np.minimum(lower, greedy), np.maximum(upper, greedy)
    unit = 10.0 ** -math.floor(math.log10(value)) if value > 0 else 1.0
    offset = np.clip(np.round(program.target), lower, upper)
    boxed = program.with_box(lower, upper).shifted(offset).scaled(tracking=unit, cost=unit)
    triangular = np.linalg.qr(boxed.factor).R
    small = TrackingProgram(triangular, boxed.target, boxed.previous, boxed.cost, boxed.lower, boxed.upper)
    return ConeModel(small, greedy - offset, offset, unit)
