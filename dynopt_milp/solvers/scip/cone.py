"""A formulation without further constraints as conic data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from dynopt_milp.solvers.modelled import choices_in_words
from dynopt_milp.solvers.scip.conic import ConicProgram, conic_program
from formulations import FloatArray, Formulation, IntegerArray, TrackingProgram


def formulation_cone(formulation: Formulation) -> tuple[ConicProgram, slice]:
    """The formulation's conic data, without its box, and the columns of the positions.

    Points outside the box have no meaning: what is simpler inside it is written in the simpler way.

    Raises
    ------
    UnsupportedError
        Where a rule, or a cost of orders, has too many positions to choose among.
    """
    program = formulation.program
    kinked = not program.listed.any() and not program.underlyings() and not program.rules  # kinked lines in a box
    if formulation.is_sum and kinked:
        return _sum_cone(formulation), slice(0, program.size)
    nowhere = np.full(program.size, np.inf)
    written = replace(formulation, program=program.with_box(-nowhere, nowhere)) if kinked else formulation
    with choices_in_words():
        model = written.model()
    compiled = conic_program(model.problem())
    return compiled, compiled.columns[model.positions.id]


def _sum_cone(formulation: Formulation) -> ConicProgram:
    """Columns k, u, s, t: minimise t + γ'u with ‖rows‖ ≤ t and −u ≤ k − p ≤ u; a tenth of the time cvxpy takes.

    There is a u only where the box has positions on both sides of p: elsewhere |k − p| is linear. The same holds for
    the cost of holding and its kink, at the origin. The rows of `penalty` are F(k − τ), and there is no s. Those of
    `integer_hull` are L(k − τ) and √dᵢsᵢ. Where the box has no more than the two whole numbers next to τᵢ the chord
    alone bounds sᵢ; it stays an inequality, as SCIP would put an equation of k and s into the norm and no longer see
    that it is one (five to ten times the nodes).
    """
    program = formulation.program
    size = program.size
    held, at, incurred = _kinks(program, program.cost, program.previous)
    offset = -float(incurred @ program.previous)
    slope, kinked, kink, price = incurred, held, at, program.cost[held]
    if program.holding is not None:
        others, at, incurred = _kinks(program, program.holding, program.zero)
        offset -= float(incurred @ program.zero)
        slope = slope + incurred
        kinked, kink = np.concatenate([kinked, others]), np.concatenate([kink, at])
        price = np.concatenate([price, program.holding[others]])
    norm, diagonal = formulation.norm_parts()
    some = np.flatnonzero(diagonal)
    root = np.sqrt(diagonal[some])
    target, floor = program.target[some], np.floor(program.target[some])
    tilt = 1 - 2 * (target - floor)
    wide = (program.lower[some] < floor) | (floor + 1 < program.upper[some])
    sides = [  # slope·position − variable ≤ right
        (kinked, np.ones(len(kinked)), np.arange(len(kinked)), kink),
        (kinked, -np.ones(len(kinked)), np.arange(len(kinked)), -kink),
    ]
    place = len(kinked) + np.arange(len(some))
    sides += [
        (some, tilt, place, tilt * floor - (target - floor)),
        (some[wide], np.ones(wide.sum()), place[wide], target[wide]),
        (some[wide], -np.ones(wide.sum()), place[wide], -target[wide]),
    ]
    chosen, incline, variable, right = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    inequalities = len(right)
    whole = np.arange(size + len(kinked) + len(some) + 1) < size
    matrix = np.zeros((inequalities + 1 + len(norm) + len(some), len(whole)))
    each = np.arange(inequalities)
    matrix[each, chosen] = incline
    matrix[each, size + variable] = -1.0
    matrix[inequalities, -1] = -1.0
    cone = matrix[inequalities + 1 :]
    cone[: len(norm), :size] = -norm
    cone[len(norm) + np.arange(len(some)), size + place] = -root
    return ConicProgram(
        cost=np.concatenate([slope, price, np.zeros(len(some)), [1.0]]),
        offset=offset,
        matrix=csr_array(matrix),
        right=np.concatenate([right, [0.0], -norm @ program.target, np.zeros(len(some))]),
        equalities=0,
        inequalities=inequalities,
        cones=(1 + len(norm) + len(some),),
        whole=whole,
        columns={},
    )


def _kinks(program: TrackingProgram, cost: FloatArray, at: FloatArray) -> tuple[IntegerArray, FloatArray, FloatArray]:
    """Where costᵢ|kᵢ − atᵢ| has its kink inside the box: the places and kinks; and the slopes, zero there."""
    kinked = np.flatnonzero((cost > 0) & (program.lower < at) & (at < program.upper))
    slope = np.where(program.lower >= at, cost, -cost)
    slope[kinked] = 0.0
    return kinked, at[kinked], slope
