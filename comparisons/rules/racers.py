"""Who races: this package with rules and without, SCIP with the rules as constraints, and commercial solvers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from comparisons.rules.as_constraints import as_constraints
from comparisons.rules.commercial import run_copt, run_cplex, run_gurobi
from comparisons.rules.instances import MINLPLIB, RuledInstance
from comparisons.rules.known import known
from comparisons.rules.mixed_model import MixedModel, mixed_model
from comparisons.solver_race.claim import Claim
from comparisons.solver_race.commercial import GAP
from comparisons.solver_race.racers import claim_of
from dynopt_milp import Problem, Solution, solve

EXACT, FREE, SCIP, GUROBI, CPLEX, COPT = "exact", "free", "scip_constraints", "gurobi", "cplex", "copt"


@dataclass(frozen=True, slots=True)
class RuleRacer:
    """One way to solve a problem with rules.

    Attributes
    ----------
    name : str
    run : callable
        From an instance and a time limit in seconds to what it claims.
    own : bool
        Whether it is the branch and bound: it is warmed up, and short calls are repeated.
    needs : str
        The package without which it cannot start.
    """

    name: str
    run: Callable[[RuledInstance, float], Claim]
    own: bool
    needs: str

    def races(self, instance: RuledInstance) -> bool:
        """Whether there is something to solve: without rules nothing is the best of the library's portfolios."""
        return not (self.name == FREE and instance.part == MINLPLIB)


def run_exact(instance: RuledInstance, time_limit: float) -> Claim:
    """The problem with its rules, the whole call."""
    return claim_of(lambda: _solve(instance.problem, time_limit))


def run_free(instance: RuledInstance, time_limit: float) -> Claim:
    """The same problem without rules, the whole call."""
    return claim_of(lambda: _solve(instance.free, time_limit))


def run_scip_constraints(instance: RuledInstance, time_limit: float) -> Claim:
    """SCIP, given the rules as constraints of a user's own: what there was before rules, the whole call."""
    constraints = as_constraints(instance.problem.program(), known(instance))
    return claim_of(lambda: solve(instance.free, "scip", gap=GAP, time_limit=time_limit, constraints=constraints))


RACERS = {
    racer.name: racer
    for racer in (
        RuleRacer(EXACT, run_exact, own=True, needs="numba"),
        RuleRacer(FREE, run_free, own=True, needs="numba"),
        RuleRacer(SCIP, run_scip_constraints, own=False, needs="pyscipopt"),
        RuleRacer(GUROBI, lambda instance, limit: run_gurobi(_model(instance), limit), own=False, needs="gurobipy"),
        RuleRacer(CPLEX, lambda instance, limit: run_cplex(_model(instance), limit), own=False, needs="cplex"),
        RuleRacer(COPT, lambda instance, limit: run_copt(_model(instance), limit), own=False, needs="coptpy"),
    )
}


def starters(names: Iterable[str] = tuple(RACERS)) -> tuple[list[RuleRacer], list[str]]:
    """Those that can start, and the packages that the others need."""
    racers = [RACERS[name] for name in names]
    missing = [racer.needs for racer in racers if find_spec(racer.needs) is None]
    return [racer for racer in racers if racer.needs not in missing], missing


def _model(instance: RuledInstance) -> MixedModel:
    return mixed_model(instance.problem.program(), known(instance))


def _solve(problem: Problem, time_limit: float) -> Solution:
    return solve(problem, gap=GAP, time_limit=time_limit)
