"""How far from the target a position can be, after contracts of one market are merged."""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.extraction import inverse_diagonal
from dynopt_milp.solvers.branch_and_bound.lattice import Merged, merge
from formulations import FloatArray, TrackingProgram

# Outward, relative: what rounding the ends of a box can lose.
OUTWARD = 1e-9
# The inverse of a correlation matrix is accurate to size × 1e-16 times its condition number, which is below
# size ÷ smallest pivot; below this pivot the slower arguments of `bounding_box` are asked.
LEAST_PIVOT = 1e-7
INVERSE_ERROR = 1e-5


def reach(
    program: TrackingProgram, gram: FloatArray, radius: float, budget: float
) -> tuple[Merged, FloatArray, FloatArray] | None:
    """The program merged in the box that costs leave, and the box that costs and risk leave of the merged one.

    The arguments are those of `formulations.bounding_box`: γᵢ|kᵢ − pᵢ| ≤ budget, and
    |yᵢ − σᵢ| ≤ radius·sqrt((H⁻¹)ᵢᵢ). ``gram`` is F'F, shape (n, n). None if no portfolio is left; ends are infinite
    where nothing bounds them.
    """
    held = program.previous
    paid = np.full(program.size, np.inf)
    with np.errstate(over="ignore"):
        np.divide(budget * (1 + OUTWARD), program.cost, out=paid, where=program.cost > 0)
    paid += OUTWARD * (1 + np.abs(held))
    least = np.maximum(program.lower, np.ceil(held - paid))
    most = np.minimum(program.upper, np.floor(held + paid))
    if (least > most).any():
        return None
    merged = merge(program, gram, (least, most))
    lower, upper = merged.lower.copy(), merged.upper.copy()
    risky = merged.gram.diagonal() > 0
    if not risky.all():
        idle = ~risky  # without risk there is no better place than where it is held
        idle[list(merged.groups)] = False
        lower[idle] = upper[idle] = np.clip(held[merged.lead], lower, upper)[idle]
    if np.isfinite(radius) and risky.any():
        variances = np.full(risky.size, np.inf)
        variances[risky] = inverse_diagonal(merged.gram[np.ix_(risky, risky)], LEAST_PIVOT)
        width = (radius + merged.slip) * (1 + INVERSE_ERROR) * np.sqrt(variances)
        width += OUTWARD * (1 + np.abs(merged.target))
        lower = np.maximum(lower, np.ceil(merged.target - width))
        upper = np.minimum(upper, np.floor(merged.target + width))
    return merged, lower, upper
