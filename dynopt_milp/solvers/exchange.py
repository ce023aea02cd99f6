"""Local search: trade one contract, or two at once, as long as the value falls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dynopt_milp.solvers.task import Task
from formulations import FloatArray, IntegerArray, TrackingProgram

# A move counts if it gains more than round-off; so the search ends.
GAIN = 1e-12
# How many promising moves of a round are priced, or put to the user's constraints, before the round is given up.
TRIES = 20
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
    self_pull = np.diag(gram)[instrument]
    pair_pull = 2 * np.outer(sign, sign) * gram[np.ix_(instrument, instrument)]
    same = instrument[:, None] == instrument
    positions = start.copy()
    value = formulation.value(positions)
    for _ in range(MOST_ROUNDS):
        if value == 0 or task.seconds_left() == 0:
            break
        square = program.tracking_error(positions) ** 2
        cost = program.separable_cost(positions)
        after = positions[instrument] + sign
        outside = (after < program.lower[instrument]) | (after > program.upper[instrument])
        pull = 2 * sign * (gram @ (positions - program.target))[instrument] + self_pull
        paid = _further_cost(program, positions, instrument, after)
        paid[outside] = np.inf
        one = formulation.combine(np.sqrt(np.maximum(square + pull, 0.0)), cost + paid)
        pulls = square + pull[:, None] + pull + pair_pull
        two = formulation.combine(np.sqrt(np.maximum(pulls, 0.0)), cost + paid[:, None] + paid)
        two[same] = np.inf
        found = _first_improvement(task, positions, value, one, two, instrument, sign, admits)
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
    if program.holding is None and program.tables is None:
        return paid
    here = program.cost_by_instrument(positions)
    up, down = program.cost_by_instrument(positions + 1), program.cost_by_instrument(positions - 1)
    with np.errstate(invalid="ignore"):
        return np.concatenate([up - here, down - here])


def _first_improvement(
    task: Task,
    positions: FloatArray,
    value: float,
    one: FloatArray,
    two: FloatArray,
    instrument: FloatArray,
    sign: FloatArray,
    admits: Callable[[FloatArray], bool],
) -> tuple[FloatArray, float] | None:
    """The most promising move that holds when it is priced; `one` and `two` are estimates by way of the Gram matrix."""
    estimates = np.concatenate([one, two.ravel()])
    promising = np.argpartition(estimates, min(TRIES, estimates.size - 1))[:TRIES]
    for move in promising[np.argsort(estimates[promising], kind="stable")]:
        if not estimates[move] < value:
            return None
        step = positions.copy()
        legs = [move] if move < one.size else divmod(move - one.size, one.size)
        for leg in legs:
            step[instrument[leg]] += sign[leg]
        priced = task.formulation.value(step)
        if priced < value * (1 - GAIN) and admits(step):
            return step, priced
    return None
