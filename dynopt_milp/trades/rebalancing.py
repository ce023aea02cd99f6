"""Solve, then the buffer: which trades to do today."""

from __future__ import annotations

import datetime
import time
from itertools import chain
from typing import Any

import numpy as np

from dynopt_milp.io.describe import describe
from dynopt_milp.io.labelled import not_negative, one_of, to_whole
from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION, BOOK_RISK_TARGET
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.plausible import MOST_FRACTION, MOST_RISK
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, Status
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.solving import solve
from dynopt_milp.solvers.task import Constraints
from dynopt_milp.strategy.presets import BUFFER_RULES, BufferRule
from dynopt_milp.trades.buffer import adjustment_factor, buffered_trades, later_factors
from dynopt_milp.trades.outcome import Rebalance
from formulations import FloatArray, IntegerArray


def rebalance(
    problem: Problem,
    optimizer: str | Optimizer = "exact",
    *,
    buffer_rule: BufferRule | None = "book",
    buffer_fraction: float = BOOK_BUFFER_FRACTION,
    risk_target: float = BOOK_RISK_TARGET,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    start: Any = None,
    constraints: Constraints | None = None,
) -> Rebalance:
    """Solve, then apply a buffer of B = buffer fraction × risk target.

    Parameters
    ----------
    problem : Problem
        The rebalance.
    optimizer, gap, time_limit, start, constraints
        Arguments of :func:`~dynopt_milp.solve`; the time limit holds for everything together.
    buffer_rule : {"book", "edge", "deadband"} or None
        ``"book"``: trade round(α(k° − p)), α = max((T − B)/T, 0), T the distance from p to k°. What is held outside its
        limits is traded first: p is then the nearest position within, and for sizes of an underlying on opposite
        sides, which are to be on one, k°. Where rounding leaves such sizes on opposite sides they go to k°. Where the
        portfolio that is so left would break a rule or a constraint, α is the first from there up to 1 that leaves
        none broken. ``"edge"``: the cheapest whole-contract trade to within B of k°. ``"deadband"``: one solve, of
        tracking error beyond B plus cost. ``None``: trade to k°.
    buffer_fraction, risk_target : float
        Not negative; 0.05 and 0.2 in the book.

    Returns
    -------
    Rebalance

    Raises
    ------
    NoPortfolioError
        If there is no portfolio within limits and constraints, or none was found in time.
    InputError, SolverError, CertificationError, SolveInterrupted
        If :func:`~dynopt_milp.solve` raises it, or an argument of the buffer is out of range.
    """
    began, asked = time.monotonic(), datetime.datetime.now(datetime.UTC)
    if buffer_rule is not None:
        one_of(buffer_rule, BUFFER_RULES, "buffer_rule", other="None")
    seconds = None if time_limit is None else not_negative(time_limit, "time_limit", infinite=True)
    fraction = not_negative(buffer_fraction, "buffer_fraction", most=MOST_FRACTION)
    target = not_negative(risk_target, "risk_target", most=MOST_RISK)
    buffer = fraction * target

    def solved(task: Problem, formulation: str, start: Any) -> Solution:
        left = None if seconds is None else max(seconds - (time.monotonic() - began), 0.0)
        return solve(
            task, optimizer, formulation=formulation, buffer=buffer, gap=gap, time_limit=left, start=start,
            constraints=constraints,
        )  # fmt: skip

    check = ConstraintCheck(constraints, problem.program())

    def admitted(positions: IntegerArray | FloatArray) -> bool:
        if check.decidable:
            return check.admits(positions)
        fixed = problem.replace(limits=Limits(lower=positions, upper=positions))
        return solved(fixed, "penalty", None).contracts is not None

    optimised = solved(problem, "deadband" if buffer_rule == "deadband" else "penalty", start)
    best = _found(optimised)
    held, order = problem.previous_positions, problem.order()
    program = problem.program().permuted(order)  # sums in the order of names: the buffer decides by the last digit
    final: IntegerArray | FloatArray = best
    outcome = optimised
    adjustment: float | None
    if buffer_rule == "book":
        near = _on_one_side(problem, np.clip(held, problem.lower, problem.upper), best)
        distance = program.distance(near[order], best[order])
        adjustment = adjustment_factor(distance, buffer)
        later = later_factors(near, best, adjustment) if check.decidable else (1.0,)
        for tried in chain((adjustment,), later):
            adjustment, final = tried, _on_one_side(problem, near + buffered_trades(near, best, tried), best)
            if tried == 1 or admitted(final):
                break
    elif buffer_rule == "deadband":
        distance, adjustment = program.tracking_error(held[order]), None
    else:
        distance, adjustment = program.distance(held[order], best[order]), 1.0
    if buffer_rule == "edge":
        adjustment = None
        if buffer > 0:
            # The limits as numbers: limits such as same_side refer to the target, which is another here; so do rules.
            limits = Limits(lower=problem.lower, upper=problem.upper, one_side=problem.limits.one_side)
            wanted = dict(zip(problem.instruments, problem.optimal_positions.tolist(), strict=True))
            around_best = problem.replace(
                optimal_positions=best, limits=limits, cost_multiplier=1.0,
                rules=[rule.with_target(wanted) for rule in problem.rules],
            )  # fmt: skip
            outcome = solved(around_best, "buffer_edge", best)
            final = _found(outcome)
    contracts = final.astype(np.int64)
    contracts.setflags(write=False)
    proved = optimised.status is Status.OPTIMAL and outcome.status is Status.OPTIMAL
    first_limit = optimised.stopped_by if optimised.stopped_by.is_limit else outcome.stopped_by
    return Rebalance(
        problem=problem,
        optimised=optimised,
        contracts=contracts,
        buffer_rule=buffer_rule,
        buffer=buffer,
        distance=distance,
        adjustment_factor=adjustment,
        status=Status.OPTIMAL if proved else Status.FEASIBLE,
        stopped_by=first_limit,
        seconds=time.monotonic() - began,
        settings={
            "optimizer": optimised.optimizer,
            "buffer_rule": buffer_rule,
            "buffer_fraction": fraction,
            "risk_target": target,
            "gap": float(gap),
            "time_limit": seconds if seconds is not None and np.isfinite(seconds) else None,
            "start": None if start is None else to_whole(start, problem.instruments, "start").astype(int).tolist(),
            "constraints": None if constraints is None else describe(constraints),
        },
        time=asked,
    )


def _on_one_side(problem: Problem, positions: FloatArray, best: IntegerArray) -> FloatArray:
    """The positions, with those sizes of an underlying at the optimum that are not on one side and have to be."""
    moved = positions.copy()
    for sizes in problem.program().opposite(moved):
        moved[sizes] = best[sizes]
    return moved


def _found(solution: Solution) -> IntegerArray:
    if solution.contracts is None:
        raise NoPortfolioError(solution)
    return solution.contracts
