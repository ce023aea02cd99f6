"""A line a portfolio: targets, what is held, what greedy and exact find, and what is new after the buffer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution
from dynopt_milp.why.binding import broken_together
from formulations import FloatArray, Formulation


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioLine:
    """One portfolio, shares of capital.

    Attributes
    ----------
    name : str
        ``unrounded``, ``rounded``, ``held``, ``greedy``, ``optimised`` or ``new`` (after the buffer); or the optimizer
        of a solution that is not the optimum.
    objective : float or None
        None where it is not known: there is no such portfolio, or it is not allowed what it costs to be.
    tracking_error, risk : float
        Annual standard deviations.
    cost : float
        Of the trades to it, without λ.
    holding_cost : float
        Of holding it until the next rebalance, without λ.
    margin : float or None
        None where that of one that is held is not known.
    broken : str
        What it breaks, in words; empty if it may be held.
    """

    name: str
    objective: float | None
    tracking_error: float
    cost: float
    holding_cost: float
    risk: float
    margin: float | None
    broken: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        names = ("name", "objective", "tracking_error", "cost", "holding_cost", "risk", "margin", "broken")
        return {name: getattr(self, name) for name in names}


def portfolio_line(
    name: str, problem: Problem, formulation: Formulation, contracts: FloatArray, solution: Solution | None = None
) -> PortfolioLine:  # fmt: skip
    """The line of contracts, shape (n,), fractional or whole; numbers of a solution are those that it states.

    Sums are in the order of names, as those of the formulation are.
    """
    program, order = formulation.program, problem.order()
    there = contracts[order]
    error = program.tracking_error(there) if solution is None else solution.tracking_error
    paid = program.trading_cost(there) + program.holding_cost(there)
    value = float(formulation.combine(np.float64(error), np.float64(paid)))  # type: ignore[arg-type]  # as arrays
    whole = bool((contracts == np.round(contracts)).all())
    if solution is None and whole and program.contains(there):
        value = formulation.priced(there).value  # to the last digit that a solution has
    elif solution is not None:
        value = solution.objective
    return PortfolioLine(
        name, value if math.isfinite(value) else None, error, float(problem.trading_costs(contracts)[order].sum()),
        _holding(problem, contracts), program.distance(there, np.zeros(program.size)), problem.margin_held(contracts),
        "" if not whole else _broken(problem, contracts),
    )  # fmt: skip


def _holding(problem: Problem, contracts: FloatArray) -> float:
    """What holding a portfolio until the next rebalance costs, without λ."""
    order, multiplier = problem.order(), problem.cost_multiplier
    plain = problem if multiplier > 0 else problem.replace(cost_multiplier=1.0)
    return plain.program().permuted(order).holding_cost(contracts[order]) / (multiplier or 1.0)


def _broken(problem: Problem, contracts: FloatArray) -> str:
    """Which limits and rules a portfolio breaks, in words."""
    outside = (contracts < problem.lower) | (contracts > problem.upper)
    found = [f"limits of {name}" for name, out in zip(problem.instruments, outside, strict=True) if out]
    return "; ".join([*found, *broken_together(problem, contracts)])
