"""Wanted positions scaled down until they are allowed: what there is to begin with under rules and constraints.

Where a cap or a budget says how much may be held, the portfolio that is wanted without it, made smaller and rounded, is
what anybody would hold. No answer is to be worse.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.task import Task
from formulations import FloatArray

SCALES = np.linspace(0.0, 1.2, 121)  # beyond 1 for what is rounded down


FEW_SCALES = SCALES[::5]


def best_scaled(
    task: Task, wanted: Iterable[FloatArray], check: ConstraintCheck, scales: FloatArray = SCALES
) -> list[FloatArray]:  # fmt: skip
    """Of the portfolios that are wanted, scaled and rounded either way, the best that is admitted; none if none is.

    Parameters
    ----------
    task : Task
    wanted : iterable of ndarray, shape (n,)
        Positions, whole or not.
    check : ConstraintCheck
    scales : ndarray
        What they are multiplied by.
    """
    program = task.formulation.program
    # From the position that counts as none, nearest to which a box without it begins.
    none = np.clip(program.zero, program.lower, program.upper)
    scaled = np.concatenate([none + scales[:, None] * (one - none) for one in wanted])
    whole = np.concatenate([none + np.trunc(scaled - none), np.round(scaled)])
    whole = np.clip(whole, program.lower, program.upper)
    whole = whole[program.keeps_rules(whole) & program.one_sided(whole)]
    values = task.formulation.values(whole)
    for tried, place in enumerate(np.argsort(values, kind="stable")):
        if not np.isfinite(values[place]) or (tried and task.seconds_left() == 0):  # one in any case
            break
        if check.settles(whole[place]):
            return [whole[place]]
    return []
