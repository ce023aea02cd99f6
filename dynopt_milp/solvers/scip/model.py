"""Conic data as a SCIP model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscipopt import Model, quicksum, sqrt

from dynopt_milp.solvers.scip.conic import ConicProgram
from formulations import FloatArray
from formulations.formulation import NORMAL_VALUE

# A second-order cone with a bounded right-hand side is scaled to this, as SCIP's tolerances are absolute.
NORMAL_RIGHT = 10.0
# A term of a cone's row that is at most this part of the cone's right-hand side is left out, and the right-hand side
# grows by it: bounds stay bounds. SCIP takes such terms for round-off at one place and fixes variables by them at
# another, and has called a portfolio optimal though there was one worth 30 % less.
NOISE = 1e-7
# No coefficient is scaled beyond this; SCIP takes 1e20 for infinity. A right-hand side that would need more is zero
# to every whole number of contracts.
LARGEST = 1e12


@dataclass(frozen=True, slots=True, eq=False)
class ScipModel:
    """A SCIP model and its variables, in the order of the conic data.

    Attributes
    ----------
    model : pyscipopt.Model
    variables : list of pyscipopt.Variable
    units : ndarray, shape (N,)
        What each variable counts in: its value times this is the value in the conic data.
    """

    model: Model
    variables: list[Any]
    units: FloatArray

    def solutions(self) -> list[FloatArray]:
        """All solutions SCIP kept, best first, shape (N,)."""
        return [
            np.array([self.model.getSolVal(solution, variable) for variable in self.variables]) * self.units
            for solution in self.model.getSols()
        ]


def build_model(
    program: ConicProgram, lower: FloatArray, upper: FloatArray, normal: float = NORMAL_RIGHT
) -> ScipModel:  # fmt: skip
    """Write conic data as a SCIP model.

    Each cone gets a variable for each of its rows and the constraint ``sqrt(Σ yⱼ²) ≤ t``, which SCIP recognises as a
    norm and keeps at its own scale; a dense quadratic under the root it does not, and the squared form meets an
    absolute tolerance squared. Presolve may not replace a variable of a cone by the one position that its row has:
    the norm would become one of squares of positions, which go up to 1e7 and have coefficients to match.

    Parameters
    ----------
    program : ConicProgram
        The data.
    lower, upper : ndarray, shape (N,)
        Bounds of the variables, ±inf where there are none; rows with a single variable are added to them.
    normal : float
        What the bounded right-hand side of a cone is scaled to.
    """
    lower, upper = lower.copy(), upper.copy()
    first_cone = program.equalities + program.inequalities
    rows = [program.matrix.indices[slice(*program.matrix.indptr[row : row + 2])] for row in range(len(program.right))]
    coefficients = [program.matrix.data[slice(*program.matrix.indptr[row : row + 2])] for row in range(len(rows))]
    single = [row for row in range(program.equalities, first_cone) if len(rows[row]) == 1]
    for row in single:  # a x ≤ b
        column, number = rows[row][0], coefficients[row][0]
        limit = program.right[row] / number
        if number > 0:
            upper[column] = min(upper[column], limit)
        else:
            lower[column] = max(lower[column], limit)
    units = _units(program, rows[first_cone:], lower, upper, normal)
    lower, upper = lower / units, upper / units
    coefficients = [numbers * units[columns] for columns, numbers in zip(rows, coefficients, strict=True)]

    model = Model()
    model.hideOutput()
    model.setParam("presolving/donotaggr", True)
    variables = [
        model.addVar(
            vtype="I" if program.whole[column] else "C",
            lb=float(lower[column]) if np.isfinite(lower[column]) else None,
            ub=float(upper[column]) if np.isfinite(upper[column]) else None,
            obj=float(program.cost[column] * units[column]),
        )
        for column in range(len(program.cost))
    ]
    model.addObjoffset(program.offset)

    def terms(row: int, scale: float = 1.0) -> Any:
        return quicksum(
            scale * float(number) * variables[column]
            for column, number in zip(rows[row], coefficients[row], strict=True)
            if number != 0
        )

    farthest = np.maximum(np.abs(lower), np.abs(upper))

    for row in sorted(set(range(first_cone)) - set(single)):
        largest = np.abs(coefficients[row]).max(initial=0.0)
        if largest > 0:
            left, right = terms(row, 1 / largest), float(program.right[row]) / largest
            model.addCons(left == right if row < program.equalities else left <= right)
        elif (row < program.equalities and program.right[row] != 0) or program.right[row] < 0:
            model.addCons(variables[0] >= variables[0] + 1)  # 0 ≤ right is false: no point exists
    start = first_cone
    for size in program.cones:
        heads = rows[start]
        most = 0.0 if not len(heads) else np.inf
        if len(heads) == 1 and coefficients[start][0] < 0:
            most = -coefficients[start][0] * upper[heads[0]]
        lost = _leave_out(
            rows, coefficients, farthest, range(start + 1, start + size), float(program.right[start] + most)
        )
        _add_cone(model, program, rows, coefficients, terms, start, size, float(most), lost, normal)
        start += size
    return ScipModel(model, variables, units)


def _units(
    program: ConicProgram, heads: list[Any], lower: FloatArray, upper: FloatArray, normal: float
) -> FloatArray:  # fmt: skip
    """A unit for each variable: where a cone's bounded right-hand side is one, its bound becomes ``normal``."""
    units = np.ones(len(program.cost))
    start = 0
    for size in program.cones:
        if len(heads[start]) == 1:
            column = heads[start][0]
            if not program.whole[column] and 0 < upper[column] < np.inf and lower[column] in (0.0, -np.inf):
                units[column] = upper[column] / normal
        start += size
    return units


def _leave_out(rows: list[Any], coefficients: list[Any], farthest: FloatArray, cone: range, bound: float) -> float:
    """Set terms of a cone's rows to zero that are round-off beside its bound; what the norm can lose by it."""
    least = NOISE * (max(bound, 0.0) if bound < np.inf else NORMAL_VALUE)
    lost = 0.0
    for row in cone:
        with np.errstate(invalid="ignore"):  # zero × no limit
            most = np.abs(coefficients[row]) * farthest[rows[row]]
        small = (most <= least) & (coefficients[row] != 0)
        lost += float(most[small].sum())
        coefficients[row] = np.where(small, 0.0, coefficients[row])
    return lost


def _add_cone(
    model: Model,
    program: ConicProgram,
    rows: list[Any],
    coefficients: list[Any],
    terms: Any,
    start: int,
    size: int,
    most: float,
    lost: float,
    normal: float,
) -> None:
    """‖(b − Ax) of the rows after the first‖ ≤ (b − Ax) of the first + ``lost``, at most right + ``most``."""
    constant = not len(rows[start])
    right = float(program.right[start]) + lost
    bound = right + most
    if bound == 0:
        _add_nothing(model, program, coefficients, terms, range(start + 1, start + size))
        if not constant:
            model.addCons(terms(start) <= right)
        return
    largest = max(float(np.abs(coefficients[row]).max(initial=0.0)) for row in range(start, start + size))
    scale = float(normal / bound) if 0 < bound < np.inf else 1.0
    scale = min(scale, LARGEST / largest) if largest > 0 else scale
    parts = []
    for row in range(start + 1, start + size):
        part = model.addVar(vtype="C", lb=None, ub=None)
        model.addCons(terms(row, scale) + part == scale * float(program.right[row]))
        parts.append(part)
    squares = quicksum(part * part for part in parts)
    if constant:
        model.addCons(squares <= (scale * right) ** 2 if right >= 0 else parts[0] >= parts[0] + 1)
        return
    head = model.addVar(vtype="C", lb=0.0, ub=None)
    model.addCons(terms(start, scale) + head == scale * right)
    model.addCons(sqrt(squares) <= head)


def _add_nothing(model: Model, program: ConicProgram, coefficients: list[Any], terms: Any, cone: range) -> None:
    """Nothing in any row: no scale brings a norm of at most nothing to where SCIP can tell it from little."""
    for row in cone:
        largest = np.abs(coefficients[row]).max(initial=0.0)
        right = float(program.right[row])
        if largest > 0:
            model.addCons(terms(row, 1 / largest) == right / largest)
        elif right != 0:
            one = model.addVar(vtype="C", lb=1.0, ub=1.0)
            model.addCons(one <= 0.0)  # no point exists
