"""Solve, then the buffer: which trades to do today."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION, BOOK_RISK_TARGET
from dynopt_milp.problem.labelled import not_negative, one_of
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.plausible import MOST_FRACTION, MOST_RISK
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, Status, StoppedBy, by_name
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.solvers.settings import DEFAULT_GAP
from dynopt_milp.solvers.solving import solve
from dynopt_milp.solvers.task import Constraints
from dynopt_milp.trades.buffer import adjustment_factor, buffered_trades
from formulations import FloatArray, IntegerArray, set_frozen_state

BufferRule = Literal["book", "edge", "deadband"]
"""The name of a buffer rule."""
BUFFER_RULES: tuple[str, ...] = get_args(BufferRule)
"""The buffer rules there are."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rebalance:
    """The trades of one rebalance.

    Attributes
    ----------
    problem : Problem
    optimised : Solution
        What the optimisation alone would hold; with ``"deadband"`` the buffer is part of it.
    contracts : ndarray of int, shape (n,)
        What to hold after the buffer, in the order of the problem's instruments, read-only; inside every limit and
        constraint. ``positions`` is the same by instrument.
    buffer_rule : str or None
    buffer : float
        B, annual standard deviation, share of capital.
    distance : float
        T, the tracking error between held and optimised portfolio, same unit; with ``"deadband"`` between held and
        unrounded portfolio, with ``"book"`` between what limits leave of the held one and the optimised one.
    adjustment_factor : float or None
        α = max((T − B)/T, 0) of the book's rule, 1 without a buffer; None under another rule.
    status : Status
        Of what the rule asked to be solved: both solves of ``"edge"``, one otherwise. It says nothing of the book's
        rounding, which is a rule and not an optimum.
    seconds : float
        Wall time of everything.
    """

    problem: Problem
    optimised: Solution
    contracts: IntegerArray
    buffer_rule: str | None
    buffer: float
    distance: float
    adjustment_factor: float | None
    status: Status
    stopped_by: StoppedBy
    seconds: float

    __setstate__ = set_frozen_state

    def __repr__(self) -> str:
        traded = by_name(self.trades[self.trades != 0])
        return f"<Rebalance {self.status.value}: rule {self.buffer_rule}, trades {traded}>"

    @property
    def positions(self) -> pd.Series:
        """What to hold after the buffer, int64, by instrument."""
        return self.problem.labelled(self.contracts.copy())

    @property
    def trades(self) -> pd.Series:
        """Contracts to trade, int64, by instrument; negative sells."""
        return self.positions - self.problem.previous_positions.astype(np.int64)

    @property
    def tracking_error(self) -> float:
        """Between the positions and the unrounded portfolio; annual, share of capital."""
        return self.problem.program().tracking_error(self.contracts)

    @property
    def cost(self) -> float:
        """What the trades cost, share of capital, without the multiplier."""
        unit = self.problem.cost_in_weight_terms * self.problem.weight_per_contract
        return float(np.abs(self.contracts - self.problem.previous_positions) @ unit)

    def to_dict(self) -> dict[str, Any]:
        """The rebalance as JSON has it."""
        return {
            "status": self.status.value,
            "trades": by_name(self.trades[self.trades != 0]),
            "positions": by_name(self.positions),
            "previous_positions": {
                name: int(held)
                for name, held in zip(self.problem.instruments, self.problem.previous_positions, strict=True)
            },
            "buffer_rule": self.buffer_rule,
            "buffer": self.buffer,
            "distance": self.distance,
            "adjustment_factor": self.adjustment_factor,
            "tracking_error": self.tracking_error,
            "cost": self.cost,
            "seconds": self.seconds,
            "stopped_by": self.stopped_by.value,
            "optimised": self.optimised.to_dict(),
        }


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
        sides, which are to be on one, k°. Where rounding leaves such sizes on opposite sides they go to k°, and where
        it breaks a constraint, all positions do. ``"edge"``: the cheapest whole-contract trade to within B of
        k°. ``"deadband"``: one solve, of tracking error beyond B plus cost. ``None``: trade to k°.
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
    began = time.monotonic()
    if buffer_rule is not None:
        one_of(buffer_rule, BUFFER_RULES, "buffer_rule", other="None")
    seconds = None if time_limit is None else not_negative(time_limit, "time_limit", infinite=True)
    buffer = not_negative(buffer_fraction, "buffer_fraction", most=MOST_FRACTION)
    buffer *= not_negative(risk_target, "risk_target", most=MOST_RISK)

    def solved(task: Problem, formulation: str, start: Any) -> Solution:
        left = None if seconds is None else max(seconds - (time.monotonic() - began), 0.0)
        return solve(
            task, optimizer, formulation=formulation, buffer=buffer, gap=gap, time_limit=left, start=start,
            constraints=constraints,
        )  # fmt: skip

    def admitted(positions: IntegerArray | FloatArray) -> bool:
        check = ConstraintCheck(constraints, problem.program())
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
        final = _on_one_side(problem, near + buffered_trades(near, best, adjustment), best)
        if not admitted(final):
            final, adjustment = best, 1.0
    elif buffer_rule == "deadband":
        distance, adjustment = program.tracking_error(held[order]), None
    else:
        distance, adjustment = program.distance(held[order], best[order]), 1.0
    if buffer_rule == "edge":
        adjustment = None
        if buffer > 0:
            # The limits as numbers: rules such as same_side refer to the target, which is another here.
            limits = Limits(lower=problem.lower, upper=problem.upper, one_side=problem.limits.one_side)
            around_best = problem.replace(optimal_positions=best, limits=limits, cost_multiplier=1.0)
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
