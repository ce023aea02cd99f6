"""A finite box to search, or an error that says what is missing."""

from __future__ import annotations

import numpy as np

from dynopt_milp.errors import UnboundedError
from dynopt_milp.solvers.task import Task
from formulations import FloatArray, bounding_box


def search_box(task: Task, value: float) -> tuple[FloatArray, FloatArray]:
    """The smallest box known to hold every portfolio of at most this value.

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
    loose = np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper)))
    if loose.size:
        names = [task.instruments[place] for place in loose]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise UnboundedError(
            f"nothing bounds {listed}: trading them is free, and they can be held against each other without risk, "
            "so that contracts could be added without end; give them a cost or limits (lower and upper, same_side)",
            field="limits",
            instrument=names[0],
        )
    return lower, upper
