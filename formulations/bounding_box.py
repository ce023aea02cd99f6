"""A finite box that holds every portfolio worth looking at.

Every k with ‖F(k − τ)‖ ≤ R, trades that cost C at most and lower ≤ k ≤ upper lies in it. With R and C from a known
portfolio's value, that is every portfolio at least as good. Four arguments, each a proof:

1. cost: γᵢ|kᵢ − pᵢ| ≤ C and, where an order has an impact, ιᵢ|kᵢ − pᵢ|^{3/2} ≤ C.
2. risk: for any Y, with M ≥ |I − YF|, |dᵢ| ≤ ‖Yᵢ‖R + Σⱼ Mᵢⱼ|dⱼ|, d = k − τ. Where F has full column rank, Y is its
   pseudo-inverse and M next to nothing: with θ = max Σⱼ Mᵢⱼ‖Yⱼ‖/‖Yᵢ‖ < 1, |dᵢ| ≤ ‖Yᵢ‖R ÷ (1 − θ).
3. signs: for variables that have one limit only, with Q the projection away from those that have none and G = QF:
   a vector v with Gⱼ'v ≥ [j = i] for those limited below (≤ for those limited above) bounds dᵢ = kᵢ − τᵢ, as
   dᵢ = v'Gd − Σⱼ(Gⱼ'v − [j = i])dⱼ and every term on the right is bounded from above.
4. what is left: argument 2 for the columns of F that have no bound yet, with the bounded ones moved to the right side.

All four grow with R along straight lines from zero or above, so that what float64 loses, and what the factor leaves of
the covariance, can be checked afterwards: if that is at most εR in the box for (1 + ε)R, the box holds every portfolio
of R.

What none of them bounds is returned infinite: along such a direction contracts can be added without end, free of
cost and risk (two sizes of one contract, say, one long and one short), and only a limit helps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from formulations.arrays import FloatArray
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.program import TrackingProgram

# Outward, relative to the size of the number: what the float64 steps above can lose, with room to spare.
OUTWARD = 1e-9
# Columns of length one count as independent if their smallest singular value is above this. Two sizes of one contract
# leave round-off, 1e-16; a basis of less than this would itself be mostly round-off.
INDEPENDENT = 1e-7
MOST_THETA = 0.1  # with more, the pseudo-inverse is none
WIDER = (1e-3, 1.0, 1e3)  # ε, one after the other
LOST = 1e-13  # of Σ ‖Fᵢ‖|dᵢ|: what sums of up to some hundred terms lose
# How far inside its inequalities the vector of argument 3 has to lie, so that the linear solver's tolerance (1e-7)
# cannot spoil the proof; checked afterwards.
STRICT = 1e-5


def bounding_box(program: TrackingProgram, radius: float, budget: float) -> tuple[FloatArray, FloatArray]:
    """The box of the program, made as small as four closed-form arguments allow.

    Parameters
    ----------
    program : TrackingProgram
        The data.
    radius : float
        R, the largest tracking error of a portfolio that matters.
    budget : float
        C, the largest trading cost of a portfolio that matters.

    Returns
    -------
    lower, upper : ndarray, shape (n,)
        Whole numbers; −inf or +inf where nothing bounds the variable. Where no portfolio matters, they may cross.
    """
    kept = math.sqrt(program.residual.size) if program.residual is not None else 0.0
    for wider in WIDER:
        lower, upper = _box(program, radius * (1 + wider), budget)
        finite = (np.isfinite(lower) & np.isfinite(upper)).all()
        if not finite or (kept + LOST) * program.spread(lower, upper) <= wider * radius:
            return lower, upper
    return _box(program, np.inf, budget)


def _box(program: TrackingProgram, radius: float, budget: float) -> tuple[FloatArray, FloatArray]:
    """The box by all four arguments, in float64."""
    lower, upper = program.lower.copy(), program.upper.copy()
    costly = program.cost > 0
    distance = budget / program.cost[costly]
    _tighten(lower, upper, costly, program.previous[costly] - distance, program.previous[costly] + distance)
    if program.orders is not None:
        moved = program.orders.impact > 0
        distance = (budget / program.orders.impact[moved]) ** (2 / 3)
        _tighten(lower, upper, moved, program.previous[moved] - distance, program.previous[moved] + distance)

    if not np.isfinite(radius):
        return lower, upper
    _tighten_by_risk(program, radius, lower, upper, np.ones(program.size, dtype=bool))
    if not (np.isfinite(lower) & np.isfinite(upper)).all():
        _tighten_by_sign(program, radius, lower, upper)
        unbounded = ~(np.isfinite(lower) & np.isfinite(upper))
        if unbounded.any():
            _tighten_by_risk(program, radius, lower, upper, unbounded)
    return lower, upper


def _tighten(
    lower: FloatArray, upper: FloatArray, which: NDArray[np.bool_], least: FloatArray, most: FloatArray
) -> None:
    """Intersect the box with [least, most], rounded outwards to whole numbers."""
    lower[which] = np.maximum(lower[which], np.ceil(least - OUTWARD * (1 + np.abs(least))))
    upper[which] = np.minimum(upper[which], np.floor(most + OUTWARD * (1 + np.abs(most))))


def _independent(columns: FloatArray) -> bool:
    """Whether the columns have full rank, with a margin that leaves their pseudo-inverse accurate."""
    lengths = np.linalg.norm(columns, axis=0)
    if columns.shape[0] < columns.shape[1] or not (lengths > 0).all():
        return False
    return bool(np.linalg.svd(columns / lengths, compute_uv=False).min() > INDEPENDENT)


def _tighten_by_risk(
    program: TrackingProgram, radius: float, lower: FloatArray, upper: FloatArray, free: NDArray[np.bool_]
) -> None:
    """Arguments 2 and 4: ``free`` marks independent columns, all other variables are bounded."""
    columns, lengths = program.factor[:, free], program.lengths[free]
    if not (lengths > 0).all() or columns.shape[0] < columns.shape[1]:
        return
    rows = np.linalg.pinv(columns / lengths)
    reach = np.linalg.norm(rows, axis=1)
    unit = (len(columns) + 12) * UNIT_ROUND_OFF
    missing = np.abs(np.eye(len(lengths)) - rows @ (columns / lengths)) + unit * reach[:, None]
    theta = float((missing @ reach / reach).max(initial=0.0))
    if not theta < MOST_THETA:
        return
    pull = -rows @ program.factor[:, ~free]
    below, above = lower[~free] - program.target[~free], upper[~free] - program.target[~free]
    most = np.maximum(pull * below, pull * above).sum(axis=1)
    least = np.minimum(pull * below, pull * above).sum(axis=1)
    farthest = float(((np.maximum(most, -least) + radius * reach) / reach).max(initial=0.0)) / (1 - theta)
    distance = (radius * reach + missing @ reach * farthest) / lengths
    most, least = most / lengths, least / lengths
    target = program.target[free]
    _tighten(lower, upper, free, target + least - distance, target + most + distance)


def _tighten_by_sign(program: TrackingProgram, radius: float, lower: FloatArray, upper: FloatArray) -> None:
    """Argument 3, for every variable that has exactly one limit."""
    below, above = np.isfinite(lower), np.isfinite(upper)
    unlimited = ~below & ~above
    one_sided = np.flatnonzero(below ^ above)
    if not one_sided.size:
        return
    lengths = np.linalg.norm(program.factor, axis=0)
    if not (lengths[unlimited | (below ^ above)] > 0).all():
        return  # a free position without risk: nothing can bound it
    columns = program.factor / np.where(lengths > 0, lengths, 1.0)
    if unlimited.any():
        if not _independent(columns[:, unlimited]):
            return
        basis = np.linalg.qr(columns[:, unlimited])[0]
        columns = columns - basis @ (basis.T @ columns)
    # In units of risk, and flipped so that every one-sided variable is limited from below.
    flip = np.where(below, 1.0, -1.0)
    limit = np.where(below, lower - program.target, program.target - upper)[one_sided] * lengths[one_sided]
    sides = (columns * flip)[:, one_sided]
    both = np.flatnonzero(below & above)
    new_most = np.full(one_sided.size, np.inf)
    for place in range(one_sided.size):
        unit = np.zeros(one_sided.size)
        unit[place] = 1.0
        found = linprog(  # the smallest Σ|v| with sides'v ≥ unit, strictly; v = v⁺ − v⁻
            np.ones(2 * len(columns)), A_ub=np.hstack([-sides.T, sides.T]), b_ub=-(unit + STRICT), bounds=(0, None)
        )
        if found.status != 0 or found.x is None:
            continue
        vector = found.x[: len(columns)] - found.x[len(columns) :]
        slack = sides.T @ vector - unit
        if slack.min() <= 0:
            continue
        pull = -(columns[:, both].T @ vector) * lengths[both]
        ends = pull * (lower[both] - program.target[both]), pull * (upper[both] - program.target[both])
        # What does not depend on R counts if it is against the bound alone: else the check of R would not be one.
        constant = max(float(np.maximum(*ends).sum()) - float(slack @ limit), 0.0)
        distance = radius * float(np.linalg.norm(vector)) + constant
        new_most[place] = distance / lengths[one_sided[place]]
    for place, variable in enumerate(one_sided):
        which = np.zeros(program.size, dtype=bool)
        which[variable] = True
        edge = np.array([program.target[variable] + flip[variable] * new_most[place]])
        nothing = np.array([np.inf])
        _tighten(lower, upper, which, *((-nothing, edge) if flip[variable] > 0 else (edge, nothing)))
