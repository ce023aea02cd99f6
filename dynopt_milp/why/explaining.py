"""Explain a portfolio: every question after a rebalance is a problem of its own, and each is solved exactly."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import not_negative
from dynopt_milp.io.progress import Progress
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, Status, StoppedBy
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_gap, check_time_limit
from dynopt_milp.solvers.solving import formulate, solve
from dynopt_milp.solvers.task import Constraints
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.why.binding import bindings
from dynopt_milp.why.explanation import Explanation
from dynopt_milp.why.greedy_path import greedy_path
from dynopt_milp.why.instruments import instrument_lines
from dynopt_milp.why.portfolios import portfolio_line
from dynopt_milp.why.questions import Questions
from formulations import Formulation

CONSTRAINED_SECONDS = 60.0
"""The time limit where constraints of one's own are given and no limit: SCIP answers then, which takes its time."""
SHARE_OF_OPTIMUM = 0.5
"""Of the time limit, for the optimum where it is not given: the rest is for the questions."""
EXACT = ("exact", "branch_and_bound", "scip")
EXPLAINED = ("penalty", "integer_hull", "deadband")
"""Formulations whose optimum is what a rebalance aims at."""


def explain(
    problem: Problem,
    solution: Solution | Rebalance | None = None,
    *,
    buffer: float = 0.0,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    constraints: Constraints | None = None,
    show_progress: bool = False,
) -> Explanation:
    """Why this portfolio: what every other position would cost, what binds, and where greedy went.

    Parameters
    ----------
    problem : Problem
        The rebalance, with its limits and rules.
    solution : Solution or Rebalance, optional
        What :func:`~dynopt_milp.solve` or :func:`~dynopt_milp.rebalance` said of it. A proved optimum is taken as it
        is, and so is what exact knew when its time was over; of anything else there is a line, and the optimum is
        solved for. Default: solved for.
    buffer : float
        That of a solution of ``"deadband"``; a rebalance has its own.
    gap : float
        Relative gap to prove, of every question; prices are intervals within it.
    time_limit : float, optional
        Seconds for everything. Questions for which it does not suffice are said to be open. Default: none, and with
        constraints a minute.
    constraints : callable, optional
        As in :func:`~dynopt_milp.solve`; SCIP answers then.
    show_progress : bool
        A progress bar on stderr.

    Returns
    -------
    Explanation

    Raises
    ------
    NoPortfolioError
        If there is no portfolio, or none was found in time.
    InputError
        If the solution is of another problem, or minimises something else; otherwise as :func:`~dynopt_milp.solve`.
    """
    began = time.monotonic()
    if not isinstance(problem, Problem):
        raise InputError(f"expected a Problem, found {type(problem).__name__}", field="problem")
    gap, limit = check_gap(gap), check_time_limit(time_limit)
    if limit is None:
        limit = np.inf if constraints is None else CONSTRAINED_SECONDS
    buffer = not_negative(buffer, "buffer")
    given, rebalance = _given(problem, solution, constraints)
    if rebalance is not None:
        buffer = rebalance.buffer
    name = "penalty" if given is None or given.formulation == "integer_hull" else given.formulation
    best = given if given is not None and _is_exact(given, gap) else None
    if best is None:
        best = solve(
            problem, formulation=name, buffer=buffer, gap=gap, constraints=constraints,
            time_limit=None if np.isinf(limit) else SHARE_OF_OPTIMUM * limit,
            start=None if given is None else given.contracts,
        )  # fmt: skip
    if best.contracts is None:
        raise NoPortfolioError(best)
    formulation = formulate(problem, problem.order(), name, buffer)
    with Progress(2 * len(problem.instruments), "questions", show=show_progress) as progress:
        ask = Questions(
            problem, best, buffer, gap, max(limit - (time.monotonic() - began), 0.0), constraints,
            lambda: progress.advance(name),
        )  # fmt: skip
        optimum = ask.found(best)
        new = best.contracts if rebalance is None else rebalance.contracts
        prices = instrument_lines(ask, optimum, new)
        binding, together = bindings(ask, optimum)
    greedy = None
    if formulation.is_sum and constraints is None:
        greedy = greedy_path(problem, best.contracts, proved=best.status is Status.OPTIMAL)
    lines = _lines(problem, formulation, best, given, rebalance, greedy)
    return Explanation(
        problem, best, rebalance, lines, tuple(prices), binding, together, greedy, ask.solves, ask.given_up,
        ask.undecided, time.monotonic() - began,
    )  # fmt: skip


def _given(
    problem: Problem, solution: Any, constraints: Constraints | None
) -> tuple[Solution | None, Rebalance | None]:
    """What was given, as a solution of this problem, and as a rebalance if it is one."""
    if solution is None:
        return None, None
    if not isinstance(solution, (Solution, Rebalance)):
        raise InputError(f"expected a Solution or a Rebalance, found {type(solution).__name__}", field="solution")
    rebalance = solution if isinstance(solution, Rebalance) else None
    found = solution.optimised if isinstance(solution, Rebalance) else solution
    if found.problem is not problem and found.problem.to_dict() != problem.to_dict():
        raise InputError("is of another problem; give the one it was solved for", field="solution")
    if rebalance is not None and rebalance.settings["constraints"] is not None and constraints is None:
        raise InputError("was decided with constraints; give them, too", field="solution")
    if found.formulation not in EXPLAINED:
        raise InputError(
            f"minimises something else: {found.formulation!r}; give one of {', '.join(EXPLAINED)}", field="solution"
        )
    return found, rebalance


def _is_exact(solution: Solution, gap: float) -> bool:
    """Whether a solution is what exact says: the optimum to the gap, or the best it knew when its time was over."""
    if solution.status is Status.OPTIMAL:
        return solution.gap <= gap
    return solution.contracts is not None and solution.optimizer in EXACT and solution.stopped_by is StoppedBy.TIME


def _lines(
    problem: Problem, formulation: Formulation, best: Solution, given: Solution | None, rebalance: Rebalance | None,
    greedy: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """A line a portfolio."""
    target = problem.optimal_positions
    found = [
        portfolio_line("unrounded", problem, formulation, target),
        portfolio_line("rounded", problem, formulation, np.round(target)),
        portfolio_line("held", problem, formulation, problem.previous_positions),
    ]
    if greedy is not None:
        found.append(portfolio_line("greedy", problem, formulation, greedy.contracts.astype(np.float64)))
    if given is not None and given is not best and given.contracts is not None and given.optimizer != "greedy":
        found.append(portfolio_line(given.optimizer, problem, formulation, given.contracts.astype(np.float64), given))
    assert best.contracts is not None
    found.append(portfolio_line("optimised", problem, formulation, best.contracts.astype(np.float64), best))
    if rebalance is not None:
        found.append(portfolio_line("new", problem, formulation, rebalance.contracts.astype(np.float64)))
    return tuple(found)
