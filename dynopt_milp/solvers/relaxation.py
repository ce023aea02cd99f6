"""The continuous relaxation, solved by Clarabel: starts for the search, and directions for the dual bound."""

from __future__ import annotations

import clarabel
import numpy as np
from scipy.sparse import csc_array, csr_array, vstack

from dynopt_milp.solvers.conic import conic_program
from dynopt_milp.solvers.task import Task
from formulations import BufferEdge, DualBound, FloatArray, Formulation

# Nothing rests on the accuracy of these solves: the dual bound is valid for any direction, only less sharp.
ACCURACY = 1e-6
# Beyond this many instruments a pass over all of them costs more than it saves.
MOST_INSTRUMENTS = 150


class Relaxation:
    """A formulation without integrality, as conic data that can be solved with other objectives.

    Parameters
    ----------
    formulation : Formulation
        Normalised.
    """

    def __init__(self, formulation: Formulation) -> None:
        model = formulation.model(integer=False)
        data = conic_program(model.problem())
        self._data = data
        self.positions = data.columns[model.positions.id]

    def minimiser(self) -> FloatArray | None:
        """Where the relaxation is smallest, shape (n,); None if Clarabel fails."""
        return self._solve(self._data.cost, self._data.matrix, self._data.right, self._data.inequalities)

    def extreme(
        self, instrument: int, sign: float, value: float, lower: FloatArray, upper: FloatArray
    ) -> FloatArray | None:
        """The point of at most this value, inside the box, that is largest in sign × position of the instrument."""
        size = self._data.cost.size
        objective = np.zeros(size)
        objective[self.positions.start + instrument] = -sign
        unit = csr_array(np.eye(size)[self.positions])
        first = self._data.equalities + self._data.inequalities
        matrix, right = self._data.matrix, self._data.right
        extra = vstack([csr_array(self._data.cost[None]), unit, -unit])
        return self._solve(
            objective,
            csr_array(vstack([matrix[:first], extra, matrix[first:]])),
            np.concatenate([right[:first], [value - self._data.offset], upper, -lower, right[first:]]),
            self._data.inequalities + 1 + 2 * lower.size,
        )

    def _solve(
        self, objective: FloatArray, matrix: csr_array, right: FloatArray, inequalities: int
    ) -> FloatArray | None:
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = ACCURACY
        cones = [
            *([clarabel.ZeroConeT(self._data.equalities)] if self._data.equalities else []),
            *([clarabel.NonnegativeConeT(inequalities)] if inequalities else []),
            *(clarabel.SecondOrderConeT(size) for size in self._data.cones),
        ]
        empty = csc_array((objective.size, objective.size))
        found = clarabel.DefaultSolver(empty, objective, csc_array(matrix), right, cones, settings).solve()
        point = np.array(found.x)[self.positions]
        return point if np.isfinite(point).all() and str(found.status) in ("Solved", "AlmostSolved") else None


def tightened_box(
    task: Task, formulation: Formulation, value: float, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The box without positions that only portfolios above ``value`` have.

    Each variable in turn is pushed as far as the relaxation lets it go; the residual there is the direction in which
    the dual bound is sharpest for that variable, and the dual bound decides what is cut off.

    Parameters
    ----------
    task : Task
        For its deadline.
    formulation : Formulation
        Normalised; `buffer_edge` is left as it is.
    value : float
        Of a known portfolio.
    lower, upper : ndarray, shape (n,)
        A finite box that holds every portfolio of at most this value.
    """
    program = formulation.program
    if isinstance(formulation, BufferEdge) or program.size > MOST_INSTRUMENTS or not (lower < upper).any():
        return lower, upper
    relaxation = Relaxation(formulation)
    reached_low, reached_high = np.full(program.size, np.inf), np.full(program.size, -np.inf)
    for instrument in np.argsort(lower - upper, kind="stable"):
        for sign in (1.0, -1.0):
            known = reached_high if sign > 0 else reached_low
            limit = upper if sign > 0 else lower
            if (lower > upper).any():
                return lower, upper
            if lower[instrument] == upper[instrument] or sign * (limit - known)[instrument] < 1:
                continue
            if task.seconds_left() == 0:
                return lower, upper
            point = relaxation.extreme(int(instrument), sign, value, lower, upper)
            if point is None:
                continue
            reached_low, reached_high = np.minimum(reached_low, point), np.maximum(reached_high, point)
            residual = program.factor @ (point - program.target)
            length = float(np.linalg.norm(residual))
            if length > 0:
                lower, upper = DualBound(formulation, residual / length, lower, upper).tightened(value)
    return lower, upper
