"""A proof of a portfolio, whoever found it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from dynopt_milp.errors import InputError
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_gap, check_time_limit
from dynopt_milp.solvers.solving import check_provable, checked_proof, solve

SAME = 1e-6  # relative, or of the risk of a contract of each: what two objectives of one portfolio differ by at most

if TYPE_CHECKING:
    from dynopt_milp.proof.proof import Proof


def prove(
    problem: Problem, solution: Solution | None = None, *, gap: float = DEFAULT_GAP, time_limit: float | None = None,
    watch: Callable[[int], None] | None = None,
) -> Proof:  # fmt: skip
    """A proof that a portfolio is optimal, which needs no trust in whoever found it.

    Parameters
    ----------
    problem : Problem
        The rebalance.
    solution : Solution, optional
        Of it, by any optimizer, of tracking error plus cost. Default: ``solve(problem, gap=gap)``.
    gap : float
        Relative gap to prove, between 0 and 1.
    time_limit : float, optional
        Seconds, for the proof alone, and its check.
    watch : callable, optional
        Is told how many nodes the proof has, now and then.

    Returns
    -------
    Proof
        That no portfolio is better by more than the gap; or, of a solution that is infeasible, that there is none. It
        was checked in exact arithmetic.

    Raises
    ------
    ProofError
        If there is none: the portfolio is not optimal to the gap, time or a million nodes do not suffice, nothing
        bounds positions in exact arithmetic, or what float64 found is refused there.
    InputError
        If an argument is out of range, or the solution is of another problem or minimises something else.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"expected a Problem, found {type(problem).__name__}", field="problem")
    if solution is not None and not isinstance(solution, Solution):
        raise InputError(f"expected a Solution, found {type(solution).__name__}", field="solution")
    gap, seconds = check_gap(gap), math.inf if time_limit is None else check_time_limit(time_limit)
    if solution is None:
        solution = solve(problem, gap=gap)
    check_of(problem, solution)
    return checked_proof(problem, solution, gap, seconds, watch)


def check_of(problem: Problem, solution: Solution) -> None:
    """Refuse a solution that is one of another problem, or of another objective."""
    check_provable(solution.formulation, constrained=False)
    if solution.problem.instruments != problem.instruments:
        raise InputError("is one of other instruments", field="solution")
    if solution.contracts is not None:
        worth = problem.program().objective(solution.contracts)
        if not math.isclose(worth, solution.objective, rel_tol=SAME, abs_tol=SAME * problem.program().lengths.sum()):
            raise InputError(
                f"is one of another problem: its objective is {solution.objective:.9g}, and {worth:.9g} here",
                field="solution",
            )
