"""Any mixed-integer conic solver that cvxpy knows, as a referee.

cvxpy passes on no lower bound, and solvers meet constraints and compare objectives with tolerances of their own. So
the portfolio is taken, rounded and priced like every other, and of the claim that it is optimal nothing is kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dynopt_milp.errors import SolverError, UnknownNameError
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.solvers.constraint_check import ConstraintCheck, all_met, user_constraints
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.incumbent import first_incumbent
from dynopt_milp.solvers.modelled import model_of
from dynopt_milp.solvers.task import Answer, Task

# How each solver calls its time limit, in seconds.
TIME_LIMITS = {
    "SCIP": "limits/time",
    "GUROBI": "TimeLimit",
    "COPT": "TimeLimit",
    "MOSEK": "MSK_DPAR_MIO_MAX_TIME",
    "XPRESS": "maxtime",
}


def solve_cvxpy(task: Task, solver: str = "SCIP") -> Answer:
    """Solve through cvxpy, normalised and with a finite box.

    Raises
    ------
    UnknownNameError
        If cvxpy does not know the solver, it is not installed, or it does not do mixed-integer cone programs.
    SolverError
        If the solver fails, or returns a portfolio that breaks the constraints.
    """
    import cvxpy as cp
    from cvxpy.reductions.solvers.defines import INSTALLED_MI_SOLVERS, MI_SOCP_SOLVERS

    usable = sorted(set(INSTALLED_MI_SOLVERS) & set(MI_SOCP_SOLVERS))
    name = solver.upper()
    if name not in usable:
        raise UnknownNameError(
            f"{solver!r} is not an installed solver of mixed-integer cone programs; installed: {', '.join(usable)}",
            field="optimizer",
        )
    program = task.formulation.program
    check = ConstraintCheck(task.constraints, program)
    incumbent = first_incumbent(task, check)
    value = np.inf if incumbent is None else task.formulation.value(incumbent)
    if incumbent is not None and value == 0:
        return Answer(incumbent, 0.0, StoppedBy.GAP, f"{name} through cvxpy (not needed)")
    lower, upper = finite_box(task, value)
    if (lower > upper).any():
        ended = StoppedBy.INFEASIBILITY if incumbent is None else StoppedBy.PRECISION
        return Answer(incumbent, 0.0, ended, f"{name} through cvxpy (not needed)")
    formulation, _ = task.formulation.normalised(value) if np.isfinite(value) else (task.formulation, 1.0)
    model = model_of(task, replace(formulation, program=formulation.program.with_box(lower, upper)))
    own = [] if task.constraints is None else user_constraints(task.constraints, model.positions)
    problem = model.problem(*own)
    try:
        with np.errstate(invalid="ignore"):  # cvxpy bounds expressions by interval arithmetic: nothing × no limit
            problem.solve(solver=name, **_time_limit(name, task.seconds_left()))
    except Exception as error:  # every solver raises its own kinds, licence limits among them
        if incumbent is not None and task.seconds_left() == 0:  # cvxpy calls it a failure, too
            return Answer(incumbent, 0.0, StoppedBy.TIME, f"{name} through cvxpy {cp.__version__} (nothing in time)")
        raise SolverError(f"{name} through cvxpy failed: {str(error).strip() or type(error).__name__}") from error
    label = f"{name} through cvxpy {cp.__version__} (says {problem.status})"
    stopped_by = StoppedBy.TIME if task.seconds_left() == 0 else StoppedBy.HEURISTIC
    if model.positions.value is None:
        return Answer(None, 0.0, stopped_by, label)
    positions = np.clip(np.round(model.positions.value), program.lower, program.upper)
    model.positions.value = positions
    kept = all_met(own) and check.keeps(positions)
    if not kept or not np.isfinite(task.formulation.value(positions)):
        raise SolverError(f"{name} through cvxpy returned a portfolio that breaks the constraints")
    return Answer(positions, 0.0, stopped_by, label)


def _time_limit(name: str, seconds: float) -> dict[str, object]:
    if not np.isfinite(seconds):
        return {}
    if name == "SCIP":
        return {"scip_params": {TIME_LIMITS[name]: seconds}}
    if name == "CPLEX":
        return {"cplex_params": {"timelimit": seconds}}
    if name == "MOSEK":
        return {"mosek_params": {TIME_LIMITS[name]: seconds}}
    return {TIME_LIMITS[name]: seconds} if name in TIME_LIMITS else {}
