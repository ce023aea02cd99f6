"""A finite box to search, or an error that says what is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import UnboundedError
from dynopt_milp.io.first_few import first_few
from dynopt_milp.solvers.task import Task
from formulations import FloatArray, bounding_box, rule_box


def finite_box(task: Task, value: float) -> tuple[FloatArray, FloatArray]:
    """The smallest box known to hold every portfolio of at most this value that keeps the rules; it may be empty.

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    """
    formulation = task.formulation
    lower, upper = formulation.program.lower, formulation.program.upper
    if np.isfinite(value):
        lower, upper = bounding_box(
            formulation.program, formulation.tracking_radius(value), formulation.cost_budget(value)
        )
    if formulation.program.rules and not (lower > upper).any():
        lower, upper = rule_box(formulation.program, lower, upper)
        if (lower > upper).any():  # no portfolio is left, whatever bounds the others
            return np.zeros(lower.size), np.full(lower.size, -1.0)
    loose = np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper)))
    if loose.size:
        names = [task.instruments[place] for place in _dependent(formulation.program.factor, loose)]
        listed = first_few(names, 5)
        if not np.isfinite(value):
            raise UnboundedError(
                f"nothing bounds {listed}: a portfolio that keeps {_kept(task)} would, and none is known; give a start "
                "that does, or limits (lower and upper)",
                field="limits",
                instrument=names[0],
            )
        raise UnboundedError(
            f"nothing bounds {listed}: trading them is free, and they can be held against each other without risk, "
            "so that contracts could be added without end; give them a cost or limits (lower and upper, same_side)",
            field="limits",
            instrument=names[0],
        )
    return lower, upper


def _kept(task: Task) -> str:
    """What a portfolio has to keep beside limits."""
    asked = {"rules": task.formulation.program.rules, "constraints": task.constraints}
    return " and ".join([name for name, there in asked.items() if there]) or "within the buffer"


def _dependent(factor: FloatArray, loose: NDArray[np.intp]) -> NDArray[np.intp]:
    """The unbounded variables whose risk the others can offset entirely; all unbounded ones if there are none."""
    rank = np.linalg.matrix_rank(factor)
    found = [place for place in loose if np.linalg.matrix_rank(np.delete(factor, place, axis=1)) == rank]
    return np.array(found, dtype=np.intp) if found else loose
