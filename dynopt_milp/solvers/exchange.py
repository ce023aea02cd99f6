"""Local search: trade one contract, or two at once, as long as the value falls.

Where only some positions are allowed (lots, least sizes), a trade is one to the next that is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dynopt_milp.solvers.task import Task
from formulations import FloatArray, IntegerArray, TrackingProgram

# A move counts if it gains more than round-off; so the search ends.
GAIN = 1e-12
# How many promising moves of a round are priced, or put to the user's constraints, before the round is given up.
TRIES = 20
RULED_TRIES = 2000  # of which those that keep the rules are tried: beside a budget or a cap most do not
# Each round trades one contract or two; starts that are further than this from good are not worth the walk.
MOST_ROUNDS = 200


def exchange(task: Task, start: FloatArray, admits: Callable[[FloatArray], bool]) -> FloatArray:
    """The portfolio where no single contract and no pair of contracts improves the value any more.

    Parameters
    ----------
    task : Task
        The formulation and the deadline.
    start : ndarray, shape (n,)
        Admitted, whole and inside the box.
    admits : callable
        The user's constraints.
    """
    formulation = task.formulation
    program = formulation.program
    if task.seconds_left() == 0:
        return start.copy()
    gram = program.factor.T @ program.factor
    size = program.size
    instrument = np.concatenate([np.arange(size), np.arange(size)])
    sign = np.repeat([1.0, -1.0], size)
    fixed = program.domain is None or not program.domain.some.any()
    both = 2 * gram[np.ix_(instrument, instrument)]
    pair_pull = np.outer(sign, sign) * both
    same = instrument[:, None] == instrument
    positions = start.copy()
    value = formulation.value(positions)
    for _ in range(MOST_ROUNDS):
        if value == 0 or task.seconds_left() == 0:
            break
        square = program.tracking_error(positions) ** 2
        cost = program.separable_cost(positions)
        after, step = positions[instrument] + sign, sign
        outside = (after < program.lower[instrument]) | (after > program.upper[instrument])
        if not fixed:
            after = np.concatenate(program.neighbours(positions))
            outside = (after < program.lower[instrument]) | (after > program.upper[instrument]) | ~np.isfinite(after)
            after = np.where(outside, positions[instrument], after)
            step = after - positions[instrument]
            pair_pull = np.outer(step, step) * both
        pull = 2 * step * (gram @ (positions - program.target))[instrument] + step**2 * np.diag(gram)[instrument]
        paid = _further_cost(program, positions, instrument, after)
        paid[outside] = np.inf
        one = formulation.combine(np.sqrt(np.maximum(square + pull, 0.0)), cost + paid)
        pulls = square + pull[:, None] + pull + pair_pull
        two = formulation.combine(np.sqrt(np.maximum(pulls, 0.0)), cost + paid[:, None] + paid)
        two[same] = np.inf
        found = _first_improvement(task, positions, value, one, two, instrument, step, admits)
        if found is None:
            break
        positions, value = found
        task.report(positions)
    return positions


def _further_cost(
    program: TrackingProgram, positions: FloatArray, instrument: IntegerArray, after: FloatArray
) -> FloatArray:
    """What moving each of these instruments alone, to these positions, adds to the cost."""
    held = program.previous[instrument]
    paid: FloatArray = program.cost[instrument] * (np.abs(after - held) - np.abs(positions[instrument] - held))
    if program.holding is None and not program.listed.any() and program.domain is None:
        return paid
    here = program.cost_by_instrument(positions)
    up, down = after.reshape(2, -1)
    with np.errstate(invalid="ignore"):
        return np.concatenate([program.cost_by_instrument(up) - here, program.cost_by_instrument(down) - here])


def _first_improvement(
    task: Task,
    positions: FloatArray,
    value: float,
    one: FloatArray,
    two: FloatArray,
    instrument: FloatArray,
    step: FloatArray,
    admits: Callable[[FloatArray], bool],
) -> tuple[FloatArray, float] | None:
    """The most promising move that holds when it is priced; `one` and `two` are estimates by way of the Gram matrix."""
    estimates = np.concatenate([one, two.ravel()])
    program = task.formulation.program
    tries = RULED_TRIES if program.rules else TRIES
    promising = np.argpartition(estimates, min(tries, estimates.size - 1))[:tries]
    promising = promising[np.argsort(estimates[promising], kind="stable")]
    promising = promising[estimates[promising] < value]
    moved = np.tile(positions, (promising.size, 1))
    each, pair = np.arange(promising.size), promising >= one.size
    first, second = np.divmod(promising - one.size, one.size)
    first = np.where(pair, first, promising)
    moved[each, instrument[first]] += step[first]
    moved[each[pair], instrument[second[pair]]] += step[second[pair]]
    for after in moved[program.keeps_rules(moved)][:TRIES]:
        priced = task.formulation.value(after)
        if priced < value * (1 - GAIN) and admits(after):
            return after, priced
    return None
