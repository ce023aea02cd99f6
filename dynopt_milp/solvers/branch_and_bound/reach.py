"""How far from the target a position can be, after contracts of one market are merged."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from dynopt_milp.solvers.branch_and_bound.lattice import Merged, merge
from formulations import FloatArray, TrackingProgram

# Outward, relative: what rounding the ends of a box can lose.
OUTWARD = 1e-9
# The inverse of a correlation matrix is accurate to size × 1e-16 times its condition number, which is below
# size ÷ smallest pivot; below this pivot the slower arguments of `bounding_box` are asked.
LEAST_PIVOT = 1e-7
INVERSE_ERROR = 1e-5


def reach(
    program: TrackingProgram, radius: float, budget: float
) -> tuple[TrackingProgram | None, Merged, FloatArray, FloatArray]:
    """The program in the box that costs leave, merged, and the box that costs and risk leave of the merged one.

    The arguments are those of `formulations.bounding_box`: γᵢ|kᵢ − pᵢ| ≤ budget, and
    |yᵢ − σᵢ| ≤ radius·sqrt((H⁻¹)ᵢᵢ). The first returned is None if no portfolio is left; ends are infinite where
    nothing bounds them.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.where(program.cost > 0, budget / program.cost, np.inf)
    paid = paid * (1 + OUTWARD) + OUTWARD
    least = np.maximum(program.lower, np.ceil(program.previous - paid - OUTWARD * np.abs(program.previous)))
    most = np.minimum(program.upper, np.floor(program.previous + paid + OUTWARD * np.abs(program.previous)))
    if (least > most).any():
        return None, merge(program), program.lower, program.upper
    boxed = program.with_box(least, most)
    merged = merge(boxed)
    lower, upper = merged.lower.copy(), merged.upper.copy()
    gram = merged.factor.T @ merged.factor
    length = np.sqrt(np.diag(gram))
    if np.isfinite(radius) and (length > 0).all():
        triangle, failed = dpotrf(gram / np.outer(length, length), lower=1)
        if not failed and float(np.diag(triangle).min()) ** 2 > LEAST_PIVOT:
            inverse, failed = dpotri(triangle, lower=1)
            if not failed:
                width = radius * np.sqrt(np.diag(inverse)) / length * (1 + INVERSE_ERROR)
                slack = OUTWARD * (1 + np.abs(merged.target))
                lower = np.maximum(lower, np.ceil(merged.target - width - slack))
                upper = np.minimum(upper, np.floor(merged.target + width + slack))
    return boxed, merged, lower, upper
