"""The cvxpy model of a task's formulation, or an error that says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.task import Task
from formulations import Formulation, Model, ProgramError


def model_of(task: Task, formulation: Formulation) -> Model:
    """The model of the task's formulation, or of one that was made of it.

    Raises
    ------
    UnboundedError
        If a rule, or a cost of orders, needs limits where nothing bounds a position.
    UnsupportedError
        If it has too many positions to choose among.
    """
    with choices_in_words():
        try:
            return formulation.model()
        except ProgramError:
            if not (np.isfinite(formulation.program.lower) & np.isfinite(formulation.program.upper)).all():
                finite_box(task, np.inf)  # says which
            raise


@contextmanager
def choices_in_words() -> Iterator[None]:
    """Whatever inside is too much to choose among is an error that says what to do.

    Raises
    ------
    UnsupportedError
        Where a rule, or a cost of orders, has too many positions.
    """
    try:
        yield
    except ProgramError as error:
        if error.field not in ("rules", "orders"):
            raise
        raise UnsupportedError(
            "solvers that are given the model cannot choose among so many positions; give limits (lower and upper)",
            field="rules" if error.field == "rules" else "order_costs",
        ) from None
