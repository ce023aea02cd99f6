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


def reach(program: TrackingProgram, radius: float, budget: float) -> tuple[Merged, FloatArray, FloatArray] | None:
    """The program merged in the box that costs leave, and the box that costs and risk leave of the merged one.

    The arguments are those of `formulations.bounding_box`: γᵢ|kᵢ − pᵢ| ≤ budget, and
    |yᵢ − σᵢ| ≤ radius·sqrt((H⁻¹)ᵢᵢ). None if no portfolio is left; ends are infinite where nothing bounds them.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.where(program.cost > 0, budget / program.cost, np.inf)
    paid = paid * (1 + OUTWARD) + OUTWARD
    least = np.maximum(program.lower, np.ceil(program.previous - paid - OUTWARD * np.abs(program.previous)))
    most = np.minimum(program.upper, np.floor(program.previous + paid + OUTWARD * np.abs(program.previous)))
    if (least > most).any():
        return None
    merged = merge(program, (least, most))
    lower, upper = merged.lower.copy(), merged.upper.copy()
    gram = merged.factor.T @ merged.factor
    risky = np.diag(gram) > 0
    alone = np.array([len(group.members) == 1 for group in merged.groups])
    held = np.array([program.previous[group.members[0]] for group in merged.groups])
    idle = ~risky & alone  # without risk there is no better place than where it is held
    lower[idle] = upper[idle] = np.clip(held, lower, upper)[idle]
    if np.isfinite(radius) and risky.any():
        variances = np.full(risky.size, np.inf)
        variances[risky] = inverse_diagonal(np.ascontiguousarray(gram[np.ix_(risky, risky)]), LEAST_PIVOT)
        width = (radius + merged.slip) * np.sqrt(variances) * (1 + INVERSE_ERROR)
        slack = OUTWARD * (1 + np.abs(merged.target))
        lower = np.maximum(lower, np.ceil(merged.target - width - slack))
        upper = np.minimum(upper, np.floor(merged.target + width + slack))
    return merged, lower, upper
