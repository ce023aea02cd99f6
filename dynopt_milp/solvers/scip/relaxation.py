"""The continuous relaxation, solved by Clarabel: starts for the search, and directions for the dual bound."""

from __future__ import annotations

from dataclasses import replace

import clarabel
import numpy as np
from scipy.sparse import csc_array, csr_array, vstack

from dynopt_milp.solvers.scip.cone import formulation_cone
from dynopt_milp.solvers.task import Task
from formulations import DualBound, FloatArray, Formulation, Penalty, restrict

# Nothing rests on the accuracy of these solves: the dual bound is valid for any direction, only less sharp.
ACCURACY = 1e-6
# Beyond this many instruments a pass over all of them costs more than it saves.
MOST_TIGHTENED = 150
# What the first pass cuts off sharpens the directions of the second; a third finds next to nothing.
PASSES = 2


class Relaxation:
    """A formulation without integrality, as conic data that are solved again and again.

    Parameters
    ----------
    formulation : Formulation
        Normalised. Of `integer_hull` the relaxation of `penalty` is taken, and rules are left out: the dual bound knows
        no more.
    """

    def __init__(self, formulation: Formulation) -> None:
        if formulation.is_sum:
            formulation = Penalty(formulation.program)
        if formulation.program.rules:  # directions are as valid without
            formulation = replace(formulation, program=replace(formulation.program, rules=None))
        size = formulation.program.size
        data, self._positions = formulation_cone(formulation)
        self._cost, self._offset = data.cost, data.offset
        places = np.arange(size)
        unit = csr_array((np.ones(size), (places, self._positions.start + places)), shape=(size, data.cost.size))
        first = data.equalities + data.inequalities
        extra = vstack([csr_array(data.cost[None]), unit, -unit])  # the value, and the box
        matrix = csc_array(vstack([data.matrix[:first], extra, data.matrix[first:]]))
        self._extra = slice(first, first + 1 + 2 * size)
        self._right = np.concatenate([data.right[:first], np.zeros(1 + 2 * size), data.right[first:]])
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = ACCURACY
        settings.iterative_refinement_enable = False  # half of the time, for digits that are not needed
        settings.presolve_enable = False  # it would forbid updates
        cones = [
            *([clarabel.ZeroConeT(data.equalities)] if data.equalities else []),
            clarabel.NonnegativeConeT(data.inequalities + 1 + 2 * size),
            *(clarabel.SecondOrderConeT(rows) for rows in data.cones),
        ]
        empty = csc_array((data.cost.size, data.cost.size))
        self._solver = clarabel.DefaultSolver(empty, data.cost, matrix, self._right, cones, settings)

    def minimiser(self, value: float, lower: FloatArray, upper: FloatArray) -> FloatArray | None:
        """Where the relaxation is smallest inside the box, shape (n,), given that it is at most ``value`` there.

        None if Clarabel fails.
        """
        return self._solve(self._cost, value, lower, upper)

    def extreme(
        self, instrument: int, sign: float, value: float, lower: FloatArray, upper: FloatArray
    ) -> FloatArray | None:
        """The point of at most this value, inside the box, that is largest in sign × position of the instrument."""
        objective = np.zeros(self._cost.size)
        objective[self._positions.start + instrument] = -sign
        return self._solve(objective, value, lower, upper)

    def _solve(self, objective: FloatArray, value: float, lower: FloatArray, upper: FloatArray) -> FloatArray | None:
        self._right[self._extra] = np.concatenate([[value - self._offset], upper, -lower])
        self._solver.update(q=objective, b=self._right)
        found = self._solver.solve()
        point = np.array(found.x)[self._positions]
        return point if np.isfinite(point).all() and str(found.status) in ("Solved", "AlmostSolved") else None


def tightened_box(
    task: Task, formulation: Formulation, value: float, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The box without positions that only portfolios above ``value`` have.

    Parameters
    ----------
    task : Task
        For its deadline.
    formulation : Formulation
        Normalised; the box stays as it is where the dual bound does not hold (`buffer_edge`, or no search form).
    value : float
        Of a known portfolio.
    lower, upper : ndarray, shape (n,)
        A finite box that holds every portfolio of at most this value; what is returned may be empty.
    """
    form = formulation.search_form
    if form is None or form.edge or formulation.program.size > MOST_TIGHTENED:
        return lower, upper
    lower, upper = lower.copy(), upper.copy()
    for _ in range(PASSES):
        lower, upper = formulation.program.on_side(lower, upper)
        free = lower < upper
        if not free.any() or (lower > upper).any() or task.seconds_left() == 0:
            break
        small = restrict(formulation, lower, upper).formulation
        least, most = _pushed(task, small, value)
        lower[free], upper[free] = least[:-1], most[:-1]
    return lower, upper


def _pushed(task: Task, formulation: Formulation, value: float) -> tuple[FloatArray, FloatArray]:
    """One pass: each variable is pushed as far as the relaxation lets it go.

    The residual there is the direction in which the dual bound is sharpest for that variable, and the dual bound
    decides what is cut off.
    """
    program = formulation.program
    lower, upper = program.lower, program.upper
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
