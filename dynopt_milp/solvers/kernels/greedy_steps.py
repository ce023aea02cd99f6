"""Steps of the greedy search, with the square of the tracking error and its slopes carried along.

With d = k − τ and H = F'F, a step of s contracts of instrument i changes d'Hd by 2s(Hd)ᵢ + s²Hᵢᵢ: a candidate costs
O(1), and a step O(n). What is carried is not what the objective of a whole portfolio comes to in float64, but within a
bound of it: no candidate is taken, and no search ended, that this bound leaves in doubt.

The bound. Σ‖Fᵢ‖|dᵢ| is never more than D on the way, and an entry of H is within κ‖Fᵢ‖‖Fⱼ‖ of that of F'F, in exact
arithmetic. A sum of so many terms in float64 is off by its terms' number times 2⁻⁵³ of the sum of their sizes: so are
d'Hd, (Hd)ᵢ, and by as much ‖Fd‖² as the objective has it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dynopt_milp.compiled import compiled, part
from dynopt_milp.solvers.kernels.costs import cost_of, next_allowed
from dynopt_milp.solvers.kernels.rows import term_of
from formulations.exact_norm import UNDERFLOW, UNIT_ROUND_OFF
from formulations.norm_cap import EDGE_ROUND_OFF
from formulations.row import ROW_ROUND_OFF
from formulations.rule_arrays import CapArrays, RowArrays
from formulations.separable_cost import FURTHER, HELD, ORDER_LEAST, ORIGIN, ROLLS, UNIT, Costs

DONE, GOING, DOUBT = range(3)
KEPT, BROKEN, UNSURE = range(3)


class Aims(NamedTuple):
    """What a greedy search makes small, and within what.

    Attributes
    ----------
    gram : ndarray, shape (n, n)
        Hᵢⱼ ÷ (wᵢwⱼ).
    weight : ndarray, shape (n,)
        w.
    target : ndarray, shape (n,)
        τ.
    costs : Costs
    lower, upper : ndarray, shape (n,)
    underlying : ndarray of int, shape (n,)
        Equal numbers stay on one side; −1 is free.
    rows : RowArrays
    caps : CapArrays
    terms : int
        How many terms sums of two products have at most: twice n and the rows of F and all G.
    residual : float
        κ.
    """

    gram: np.ndarray
    weight: np.ndarray
    target: np.ndarray
    costs: Costs
    lower: np.ndarray
    upper: np.ndarray
    underlying: np.ndarray
    rows: RowArrays
    caps: CapArrays
    terms: int
    residual: float


@compiled
def greedy_steps(
    aims: Aims, positions: np.ndarray, direction: np.ndarray, most_steps: int, contenders: np.ndarray, careful: bool
) -> tuple[int, int]:  # fmt: skip
    """Take steps from an admitted portfolio, which is changed in place, as long as none is in doubt.

    Parameters
    ----------
    aims : Aims
    positions : ndarray, shape (n,)
    direction : ndarray, shape (n,)
        −1, 0 or 1.
    most_steps : int
    contenders : ndarray of bool, shape (n,)
        Where the next step is in doubt: the instruments one of which may be the one to move.
    careful : bool
        If not, nothing is in doubt, and what is carried has the last word.

    Returns
    -------
    ended : int
        DONE: no step lowers the objective; GOING: there were ``most_steps``; DOUBT: see ``contenders``.
    steps : int
        How many there were.
    """
    gram, weight, target, costs = aims.gram, aims.weight, aims.target, aims.costs
    size, ruled = target.size, aims.rows.limit.size + aims.caps.limit.size > 0
    pull, length, after, values = np.zeros(size), np.empty(size), np.empty(size), np.empty(size)
    paying, least = np.empty(size), 0.0
    for j in range(size):
        distance = weight[j] * (positions[j] - target[j])
        for i in range(size):
            pull[i] += gram[j, i] * distance
    square, spread, paid = 0.0, 0.0, 0.0
    for i in range(size):
        pull[i] *= weight[i]
        square += pull[i] * (positions[i] - target[i])
        length[i] = math.sqrt(gram[i, i]) * weight[i]
        spread += length[i] * abs(positions[i] - target[i])
        paying[i] = cost_of(costs, i, positions[i])
        paid += paying[i]
        least += costs.lines[ORDER_LEAST, i] * (1 + costs.lines[ROLLS, i])
        after[i] = next_position(aims, i, positions[i], direction[i])
    taken, along, cap_length = what_rules_count(aims, positions)
    terms = aims.terms + 16
    far = spread  # no portfolio on the way was farther: D
    drift = (terms * UNIT_ROUND_OFF + aims.residual) * far * far
    for step in range(most_steps):
        farther = 0.0
        value, nearest = math.sqrt(max(square, 0.0)) + paid, max(square, 0.0)
        for i in range(size):
            to = after[i]
            values[i] = np.inf
            if to == positions[i]:
                continue
            if aims.underlying[i] >= 0 and not joins_side(aims.underlying, costs, positions, i, to):
                continue
            by = to - positions[i]
            square_i = square + 2 * by * pull[i] + length[i] * length[i] * by * by
            if costs.lines[FURTHER, i] == 0:  # a call takes ten times as long
                paid_i = paid + (costs.lines[UNIT, i] * abs(to - costs.lines[HELD, i]) - paying[i])
            else:
                paid_i = paid + (cost_of(costs, i, to) - paying[i])
            if paid_i < np.inf:
                values[i] = math.sqrt(max(square_i, 0.0)) + paid_i
                nearest = min(nearest, max(square_i, 0.0))
                farther = max(farther, length[i] * abs(by))
        error = 0.0
        if careful:
            far_i = far + farther
            off = drift + (4 * (terms + step) * UNIT_ROUND_OFF + aims.residual) * far_i * far_i
            error = min(off / math.sqrt(nearest), math.sqrt(off)) if nearest > 0 else math.sqrt(off)
            error += 2 * (terms + step) * UNIT_ROUND_OFF * (far_i + paid + least + value) + UNDERFLOW
        contenders[:] = False
        chosen, unsure = -1, False
        while True:
            i = int(np.argmin(values))
            if not values[i] < value + 2 * error:
                break
            kept = KEPT
            if ruled:
                kept = keeps_rules(aims, taken, along, cap_length, positions, i, after[i], terms + step)
            contenders[i] = kept != BROKEN
            if kept == KEPT:
                chosen = i
                break
            unsure = unsure or kept == UNSURE
            values[i] = np.inf
        if chosen < 0:
            return (DOUBT if unsure and careful else DONE), step
        if careful:
            best = values[chosen]
            values[chosen] = np.inf
            for i in range(size):
                if values[i] <= best + 2 * error:
                    contenders[i] = unsure = True
            if unsure or not best + error < value - error:
                return DOUBT, step
        by = after[chosen] - positions[chosen]
        square += 2 * by * pull[chosen] + length[chosen] * length[chosen] * by * by
        for i in range(size):
            pull[i] += gram[chosen, i] * weight[i] * (weight[chosen] * by)
        for r in range(len(taken)):
            taken[r, chosen] = term_of(aims.rows, costs, r, chosen, after[chosen])
        for row in range(along.size):
            along[row] += aims.caps.factor[row, chosen] * by
        positions[chosen] = after[chosen]
        paid -= paying[chosen]
        paying[chosen] = cost_of(costs, chosen, positions[chosen])
        paid += paying[chosen]
        after[chosen] = next_position(aims, chosen, positions[chosen], direction[chosen])
        spread += length[chosen] * abs(by)
        far = max(far, spread)
        drift += 4 * UNIT_ROUND_OFF * ((terms + step) * length[chosen] * abs(by) + far) * far
    return GOING, most_steps


@part
def next_position(aims: Aims, i: int, position: float, direction: float) -> float:
    """The next allowed position of instrument i; the same one if there is none."""
    to = position + direction
    if direction != 0 and aims.costs.lines[FURTHER, i] != 0:
        to = next_allowed(aims.costs, i, to, direction)
    return to if aims.lower[i] <= to <= aims.upper[i] else position


@part
def joins_side(underlying: np.ndarray, costs: Costs, positions: np.ndarray, i: int, to: float) -> bool:
    """Whether no other size of the underlying of i is held on the side opposite to a position of it."""
    away = to - costs.lines[ORIGIN, i]
    for j in range(positions.size):
        if j != i and underlying[j] == underlying[i] and (positions[j] - costs.lines[ORIGIN, j]) * away < 0:
            return False
    return True


@part
def what_rules_count(aims: Aims, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """aᵣᵢ of every position, shape (m, n), G(k − o − t) of all caps, one below the other, and ‖Gᵢ‖, shape (q, n)."""
    rows, caps, size = aims.rows, aims.caps, positions.size
    taken = np.zeros((rows.limit.size, size))
    for r in range(len(taken)):
        for i in range(size):
            taken[r, i] = term_of(rows, aims.costs, r, i, positions[i])
    along, length = np.zeros(len(caps.factor)), np.zeros((caps.limit.size, size))
    for s in range(caps.limit.size):
        for row in range(caps.begin[s], caps.begin[s + 1]):
            for i in range(size):
                along[row] += caps.factor[row, i] * (positions[i] - caps.centre[s, i])
                length[s, i] += caps.factor[row, i] * caps.factor[row, i]
        for i in range(size):
            length[s, i] = math.sqrt(length[s, i])
    return taken, along, length


@part
def keeps_rules(
    aims: Aims, taken: np.ndarray, along: np.ndarray, length: np.ndarray, positions: np.ndarray, moved: int, to: float,
    terms: int,
) -> int:  # fmt: skip
    """Whether every row and cap is kept with instrument ``moved`` at ``to``: KEPT, BROKEN or UNSURE."""
    rows, caps, size = aims.rows, aims.caps, positions.size
    kept = KEPT
    for r in range(rows.limit.size):
        total, scale = 0.0, 0.0
        for i in range(size):
            term = term_of(rows, aims.costs, r, i, to) if i == moved else taken[r, i]
            total += term
            scale += abs(term)
        scale += abs(rows.limit[r])
        most, off = rows.limit[r] + ROW_ROUND_OFF * scale, terms * UNIT_ROUND_OFF * scale
        if not total <= most + off:
            return BROKEN
        if not total <= most - off:
            kept = UNSURE
    for s in range(caps.limit.size):
        square, spread = 0.0, 0.0
        for row in range(caps.begin[s], caps.begin[s + 1]):
            here = along[row] + caps.factor[row, moved] * (to - positions[moved])
            square += here * here
        for i in range(size):
            spread += length[s, i] * abs((to if i == moved else positions[i]) - caps.centre[s, i])
        norm, most = math.sqrt(square), caps.limit[s] * (1 + EDGE_ROUND_OFF)
        off = 2 * terms * UNIT_ROUND_OFF * (spread + most) + UNDERFLOW
        left_out = math.sqrt(caps.residual[s]) * spread
        if left_out > 0:
            off += 2 * left_out * (left_out / max(norm - off, left_out))
        if norm > most + off:
            return BROKEN
        if not norm <= most - off:
            kept = UNSURE
    return kept
