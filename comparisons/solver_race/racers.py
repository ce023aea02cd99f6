"""Who races."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from comparisons.solver_race.claim import ERROR, Claim
from comparisons.solver_race.commercial import GAP, run_copt, run_cplex, run_gurobi
from dynopt_milp import Problem, Solution, solve
from dynopt_milp.errors import DynoptError, UnknownNameError
from dynopt_milp.problem.solution import SolveInterrupted, Status
from dynopt_milp.solvers import find_method
from dynopt_milp.solvers.greedy import greedy_search
from formulations import Penalty


@dataclass(frozen=True, slots=True)
class Racer:
    """One way to solve a rebalance.

    Attributes
    ----------
    name : str
    run : callable
        From a problem and a time limit in seconds to what it claims.
    own : bool
        Whether it is an optimizer of this package: these are warmed up, and short calls are repeated.
    needs : str
        The package or the optimizer without which it cannot start.
    """

    name: str
    run: Callable[[Problem, float], Claim]
    own: bool
    needs: str

    def missing(self) -> str | None:
        """Why it cannot start, or None."""
        if self.own:
            try:
                find_method(self.needs)
            except UnknownNameError:
                return f"there is no optimizer {self.needs!r}"
            return None
        return None if find_spec(self.needs) else f"{self.needs} is not installed"


def own_method(name: str) -> Racer:
    """An optimizer of this package, the whole call."""

    def run(problem: Problem, time_limit: float) -> Claim:
        return claim_of(lambda: solve(problem, name, gap=GAP, time_limit=time_limit))

    return Racer(name, run, own=True, needs=name)


def claim_of(run: Callable[[], Solution]) -> Claim:
    """What a call of this package claims, and its wall time."""
    began = time.perf_counter()
    try:
        solution = run()
    except SolveInterrupted:
        raise
    except DynoptError:
        return Claim(None, ERROR, time.perf_counter() - began)
    seconds = time.perf_counter() - began
    positions = None if solution.contracts is None else solution.contracts.astype(np.float64)
    return Claim(positions, solution.status.value, seconds, solution.lower_bound, solution.nodes)


def run_greedy_in_full(problem: Problem, _: float) -> Claim:
    """The book's search as it is written: every candidate's objective afresh; it has no time limit."""
    began = time.perf_counter()
    program = problem.program()
    positions = greedy_search(program, program.objective)[0]
    return Claim(positions, Status.FEASIBLE.value, time.perf_counter() - began)


def run_cvxpy_scip(problem: Problem, time_limit: float) -> Claim:
    """The formulation as it stands, in its own units, through cvxpy to SCIP with its default settings."""
    import cvxpy as cp

    began = time.perf_counter()
    model = Penalty(problem.program()).model()
    asked = model.problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            asked.solve(solver="SCIP", scip_params={"limits/time": time_limit})
        except cp.error.SolverError:
            return Claim(None, ERROR, time.perf_counter() - began)
    seconds = time.perf_counter() - began
    values = model.positions.value
    return Claim(None if values is None else np.round(values), str(asked.status), seconds)


RACERS = {
    racer.name: racer
    for racer in (
        own_method("branch_and_bound"),
        own_method("scip"),
        own_method("scip_plain"),
        own_method("greedy"),
        Racer("greedy_in_full", run_greedy_in_full, own=True, needs="greedy"),
        Racer("cvxpy_scip", run_cvxpy_scip, own=False, needs="pyscipopt"),
        Racer("gurobi", run_gurobi, own=False, needs="gurobipy"),
        Racer("cplex", run_cplex, own=False, needs="cplex"),
        Racer("copt", run_copt, own=False, needs="coptpy"),
    )
}


def starters(names: Iterable[str] = tuple(RACERS)) -> tuple[list[Racer], dict[str, str]]:
    """Those that can start, and why the others cannot."""
    reasons = {name: RACERS[name].missing() for name in names}
    return (
        [RACERS[name] for name, reason in reasons.items() if reason is None],
        {name: reason for name, reason in reasons.items() if reason is not None},
    )
