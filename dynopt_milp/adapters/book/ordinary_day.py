"""An ordinary day of the book's code, most of the time in two compiled calls: less than the search they replace.

A day is ordinary if nothing is missing, nothing has to be repaired, there are no limits, and the branch and bound
proves the optimum. For any other day there is no answer here: the way through :class:`~dynopt_milp.Problem` and
:func:`~dynopt_milp.rebalance` solves it, or says what is wrong.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from dynopt_milp.adapters.valid_instruments import ROUND_OFF, WHOLE
from dynopt_milp.errors import DynoptError
from dynopt_milp.io.labelled import MOST_CONTRACTS
from dynopt_milp.problem.covariance_factor import ASYMMETRY, SCALING, TWINS
from dynopt_milp.problem.plausible import MOST_VARIANCE
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import SolveInterrupted, Status, StoppedBy
from dynopt_milp.solvers.branch_and_bound import prove_root, prove_tree, warm_up
from dynopt_milp.solvers.branch_and_bound.compiled import compiled, forget_stale, part
from dynopt_milp.solvers.certificate import certify
from dynopt_milp.solvers.interrupts import MAYBE, is_interrupt
from dynopt_milp.solvers.solving import solve
from dynopt_milp.solvers.task import Task
from dynopt_milp.trades.buffer import adjustment_factor, buffered_trades
from formulations import FloatArray, IntegerArray, Penalty, Residual, TrackingProgram
from formulations.exact_norm import UNIT_ROUND_OFF
from formulations.program import free_sides
from formulations.separable_cost import HELD, LINES, UNIT, no_tables

# Variances, weights per contract and costs of an ordinary day; others are no error, but take the other way.
LEAST_NUMBER, MOST_NUMBER = 1e-60, 1e60
CLEAR_PIVOT = 1e-6
MOST_ORDINARY = 100  # with more the checks of the other way take little beside the search

DayArrays = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntegerArray, float]
"""F, τ, the lines of the costs, lower, upper, classes of twins and κ."""

# Numbers of these files are compiled into the kernels here.
PACKAGE = Path(__file__).parents[2]
CONSTANTS = (
    "adapters/valid_instruments.py", "problem/covariance_factor.py", "io/labelled.py", "problem/plausible.py",
    "solvers/branch_and_bound/compiled.py",
)  # fmt: skip
forget_stale(Path(__file__).parent, (PACKAGE / name for name in CONSTANTS))


def ordinary_day(
    covariance: FloatArray, wanted: FloatArray, held: FloatArray, unit: FloatArray, cost: FloatArray, *,
    cost_multiplier: float, buffer: float, gap: float, instruments: tuple[str, ...],
) -> FloatArray | None:  # fmt: skip
    """Contracts to hold after the buffer, shape (n,); None if the day is not ordinary.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
    wanted, held : ndarray, shape (n,)
        Weights.
    unit, cost : ndarray, shape (n,)
        Weight per contract, and cost in weight terms.
    cost_multiplier, buffer, gap : float
    instruments : tuple of str
        Names.

    Raises
    ------
    SolveInterrupted
        On Ctrl-C; it carries the best portfolio so far.
    """
    best: FloatArray | None = None
    try:
        compile_all()
        ordinary, day = program_of_day(covariance, wanted, held, unit, cost, cost_multiplier)
        if not ordinary:
            return None
        for array in day[:-1]:
            array.setflags(write=False)  # as those of a TrackingProgram: for others all would be compiled once more
        factor, target, lines, lower, upper, twin, residual = day
        previous, tables = lines[HELD], no_tables(len(unit))
        arrays = (
            factor, target, lines, tables.start, tables.table, lower, upper, free_sides(len(unit)), twin, residual,
        )  # fmt: skip
        answer, best = prove_root(arrays, gap, np.empty((0, len(unit))))
        if answer is None:
            task = Task(Penalty(_program(day, covariance, unit)), instruments, gap, starts=(best,))
            answer = prove_tree(task)
            best = best if answer.positions is None else answer.positions
            if answer.stopped_by is StoppedBy.INTERRUPT:
                raise KeyboardInterrupt
            if certify(task, answer).status is not Status.OPTIMAL:
                return None
        away = factor @ (best - previous)
        trades = buffered_trades(previous, best, adjustment_factor(math.sqrt(away @ away), buffer))
        return np.asarray(previous + trades)
    except DynoptError:  # the long way names the instruments
        return None
    except MAYBE as error:
        if not is_interrupt(error):
            raise
        if best is None:  # before there was a problem
            raise KeyboardInterrupt from None
    problem = Problem(covariance, target, unit, previous, cost, cost_multiplier, instruments=instruments)
    raise SolveInterrupted(replace(solve(problem, time_limit=0.0, start=best), stopped_by=StoppedBy.INTERRUPT))


def _program(day: DayArrays, covariance: FloatArray, unit: FloatArray) -> TrackingProgram:
    """The program of a day, with the covariance as a Problem would hold it."""
    factor, target, lines, lower, upper, twin, residual = day
    twins = bool((twin < np.arange(twin.size)).any())
    symmetric = covariance / 2 + covariance.T / 2
    held = symmetric[twin[:, None], twin] if twins else symmetric
    return TrackingProgram.unchecked(
        Residual(held, unit.copy(), residual, twin, twins), factor=factor, target=target, previous=lines[HELD],
        cost=lines[UNIT], lower=lower, upper=upper,
    )  # fmt: skip


@cache
def compile_all() -> None:
    """Compile all kernels, or load them from the cache, at the first call in a process."""
    warm_up()
    one = np.ones(1)
    program_of_day(np.eye(1), one, one, one, one, 1.0)  # two seconds


@compiled
def program_of_day(
    covariance: np.ndarray, wanted: np.ndarray, held: np.ndarray, unit: np.ndarray, cost: np.ndarray, multiplier: float
) -> tuple[bool, DayArrays]:
    """Whether the day is ordinary, and the arrays of its program; limits are infinite."""
    size = unit.size
    target, deviation, lines = np.empty(size), np.empty(size), np.zeros((LINES, size))
    previous, penalty = lines[HELD], lines[UNIT]
    correlation, factor, limit = np.empty((size, size)), np.zeros((size, size)), np.full(size, np.inf)
    twin = np.empty(size, dtype=np.int64)
    ordinary, large, residual = 0 < size <= MOST_ORDINARY, 0, (size + 8) * UNIT_ROUND_OFF + SCALING
    for i in range(size):
        variance = covariance[i, i]
        ordinary &= LEAST_NUMBER < variance < MOST_NUMBER and LEAST_NUMBER < unit[i] < MOST_NUMBER
        target[i], number = wanted[i] / unit[i], held[i] / unit[i]
        previous[i] = np.rint(number) + 0.0
        ordinary &= abs(target[i]) <= MOST_CONTRACTS and abs(number) <= MOST_CONTRACTS
        ordinary &= abs(number - previous[i]) <= WHOLE + ROUND_OFF * abs(number)
        penalty[i] = multiplier * cost[i] * unit[i]
        ordinary &= 0 <= cost[i] < MOST_NUMBER and 0 <= penalty[i] < MOST_NUMBER
        ordinary &= cost[i] == 0 or multiplier == 0 or min(multiplier * cost[i], penalty[i]) > 1 / MOST_NUMBER
        deviation[i] = math.sqrt(max(variance, 0.0))
        large += variance > MOST_VARIANCE
        twin[i] = i
    if not ordinary or 2 * large >= size:
        return False, (factor, target, lines, -limit, limit, twin, residual)
    for i in range(size):
        for j in range(size):
            correlation[i, j] = (covariance[i, j] / 2 + covariance[j, i] / 2) / deviation[i] / deviation[j]
            difference = abs(covariance[i, j] - covariance[j, i]) / deviation[i] / deviation[j]
            ordinary &= difference <= ASYMMETRY and abs(correlation[i, j]) <= 2
    if ordinary:
        find_twins(correlation, deviation, twin)
    if not ordinary or not definite(correlation, twin, factor):
        return False, (factor, target, lines, -limit, limit, twin, residual)
    for j in range(size):
        for i in range(size):  # what is below the diagonal is zero
            factor[i, j] = factor[i, twin[j]] * deviation[twin[j]] * unit[j] if twin[j] < j else factor[i, j]
    for j in range(size):
        if twin[j] == j:
            for i in range(j + 1):
                factor[i, j] *= deviation[j] * unit[j]
    return True, (factor, target, lines, -limit, limit, twin, residual)


@part
def find_twins(correlation: np.ndarray, deviation: np.ndarray, twin: np.ndarray) -> None:
    """Put the first place with the same covariances into ``twin``, as the first pass of `covariance_factor` does."""
    size = len(correlation)
    for first in range(size):
        if twin[first] != first:
            continue
        for second in range(first + 1, size):
            if not (correlation[first, second] > 1 - TWINS and twin[second] == second):
                continue
            same = abs(deviation[second] / deviation[first] - 1) <= TWINS
            for other in range(size):
                same &= abs(correlation[first, other] - correlation[second, other]) <= TWINS
            if same:
                twin[second] = first


@part
def definite(matrix: np.ndarray, twin: np.ndarray, upper: np.ndarray) -> bool:
    """U with U'U the matrix, whose upper half is used up; False unless every pivot but a twin's is clearly positive.

    The columns of twins are left as they are.
    """
    size = len(matrix)
    for j in range(size):
        if twin[j] != j:
            continue
        pivot = matrix[j, j]
        if not pivot > CLEAR_PIVOT:
            return False
        root = math.sqrt(pivot)
        for i in range(j, size):
            upper[j, i] = matrix[j, i] / root
        for k in range(j + 1, size):
            by = upper[j, k]
            for i in range(k, size):
                matrix[k, i] -= upper[j, i] * by
    return True
