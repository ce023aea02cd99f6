"""Gurobi, CPLEX and COPT, given the same model through their own interfaces: one thread, a start where one is known."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from comparisons.rules.mixed_model import MixedModel
from comparisons.solver_race.claim import ERROR, INFEASIBLE, LICENCE, OPTIMAL, TIME, Claim
from comparisons.solver_race.commercial import (
    CPLEX_TOO_LARGE,
    GAP,
    GUROBI_TOO_LARGE,
    copt_environment,
    gurobi_environment,
    seconds_left,
)


def run_gurobi(model: MixedModel, time_limit: float) -> Claim:
    """Gurobi through gurobipy."""
    gurobi: Any = import_module("gurobipy")
    environment = gurobi_environment()
    began = time.perf_counter()
    whole = np.array(model.whole)
    try:
        with gurobi.Model(env=environment) as solver:
            x = solver.addMVar(len(whole), lb=model.lower, ub=model.upper, vtype=np.where(whole, "I", "C"))
            if model.rows:
                senses = np.array([{"L": "<", "G": ">", "E": "="}[row.sense] for row in model.rows])
                solver.addMConstr(_matrix(model), x, senses, np.array([row.right for row in model.rows]))
            y = x[model.norm]
            if model.norm_column is None:
                solver.setObjective(y @ y + model.constant)
            else:
                t = x[model.norm_column]
                solver.addConstr(y @ y <= t * t)
                solver.setObjective(np.array(model.cost) @ x + model.constant)
            for ball in model.balls:
                inside = x[ball.columns]
                right = ball.radius**2 - float(ball.shift @ ball.shift)
                solver.addConstr(inside @ inside + 2 * ball.shift @ inside <= right)
            start = np.array(model.start)[whole]
            if np.isfinite(start).all():
                x[np.flatnonzero(whole)].Start = start
            solver.Params.MIPGap = gap_of(model)
            solver.Params.TimeLimit = seconds_left(began, time_limit)
            solver.optimize()
            found = np.asarray(x.X) if solver.SolCount else None
            codes = gurobi.GRB
            words = {codes.OPTIMAL: OPTIMAL, codes.TIME_LIMIT: TIME, codes.INFEASIBLE: INFEASIBLE,
                     codes.INF_OR_UNBD: INFEASIBLE}  # fmt: skip
            claimed = words.get(solver.Status, f"status {solver.Status}")
            return _claim(model, found, claimed, solver.ObjBound, solver.NodeCount, began)
    except gurobi.GurobiError as error:
        return _failed(began, too_large=error.errno == GUROBI_TOO_LARGE)


def run_cplex(model: MixedModel, time_limit: float) -> Claim:
    """CPLEX through its own package."""
    cplex: Any = import_module("cplex")
    began = time.perf_counter()
    infinity = cplex.infinity
    whole = np.flatnonzero(model.whole)
    try:
        with cplex.Cplex() as solver:
            for stream in ("log", "results", "warning", "error"):
                getattr(solver, f"set_{stream}_stream")(None)
            solver.variables.add(
                obj=model.cost, lb=[max(low, -infinity) for low in model.lower],
                ub=[min(high, infinity) for high in model.upper],
                types="".join("I" if is_whole else "C" for is_whole in model.whole),
            )  # fmt: skip
            solver.linear_constraints.add(
                lin_expr=[[row.columns, row.coefficients] for row in model.rows],
                senses="".join(row.sense for row in model.rows), rhs=[row.right for row in model.rows],
            )  # fmt: skip
            solver.objective.set_offset(model.constant)
            ones = [1.0] * len(model.norm)
            if model.norm_column is None:
                solver.objective.set_quadratic_coefficients([(column, column, 2.0) for column in model.norm])
            else:
                squares = [*model.norm, model.norm_column]
                cone = [squares, squares, [*ones, -1.0]]
                solver.quadratic_constraints.add(quad_expr=cone, sense="L", rhs=0.0)
            for ball in model.balls:
                solver.quadratic_constraints.add(
                    quad_expr=[ball.columns, ball.columns, [1.0] * len(ball.columns)],
                    lin_expr=[ball.columns, (2 * ball.shift).tolist()], sense="L",
                    rhs=ball.radius**2 - float(ball.shift @ ball.shift),
                )  # fmt: skip
            start = np.array(model.start)[whole]
            if np.isfinite(start).all():
                effort = solver.MIP_starts.effort_level.solve_fixed
                solver.MIP_starts.add([whole.tolist(), start.tolist()], effort)
            parameters = solver.parameters
            parameters.threads.set(1)
            parameters.mip.tolerances.mipgap.set(gap_of(model))
            parameters.mip.tolerances.absmipgap.set(0.0)
            parameters.timelimit.set(seconds_left(began, time_limit))
            solver.solve()
            answer = solver.solution
            found = np.asarray(answer.get_values()) if answer.is_primal_feasible() else None
            status = answer.status
            words = {
                status.MIP_optimal: OPTIMAL, status.optimal_tolerance: OPTIMAL,
                status.MIP_time_limit_feasible: TIME, status.MIP_time_limit_infeasible: TIME,
                status.MIP_infeasible: INFEASIBLE, status.MIP_infeasible_or_unbounded: INFEASIBLE,
            }  # fmt: skip
            claimed = words.get(answer.get_status(), answer.get_status_string())
            bound = np.nan if claimed == INFEASIBLE else answer.MIP.get_best_objective()
            return _claim(model, found, claimed, bound, answer.progress.get_num_nodes_processed(), began)
    except cplex.exceptions.CplexError as error:
        code = error.args[2] if len(error.args) > 2 else None
        return _failed(began, too_large=code == CPLEX_TOO_LARGE)


def run_copt(model: MixedModel, time_limit: float) -> Claim:
    """COPT through coptpy."""
    coptpy: Any = import_module("coptpy")
    environment = copt_environment()
    began = time.perf_counter()
    constants = coptpy.COPT
    add = coptpy.quicksum
    try:
        solver = environment.createModel("race")
        solver.setParam("Logging", 0)
        infinity = constants.INFINITY
        x = [
            solver.addVar(max(low, -infinity), min(high, infinity),
                          vtype=constants.INTEGER if is_whole else constants.CONTINUOUS)
            for low, high, is_whole in zip(model.lower, model.upper, model.whole, strict=True)
        ]  # fmt: skip
        for row in model.rows:
            total = add(amount * x[column] for column, amount in zip(row.columns, row.coefficients, strict=True))
            comparisons = {"L": total <= row.right, "G": total >= row.right, "E": total == row.right}
            solver.addConstr(comparisons[row.sense])
        y = [x[column] for column in model.norm]
        if model.norm_column is None:
            solver.setObjective(add(part * part for part in y) + model.constant, constants.MINIMIZE)
        else:
            solver.addCone([x[model.norm_column], *y], constants.CONE_QUAD)
            priced = [(column, price) for column, price in enumerate(model.cost) if price]
            solver.setObjective(add(price * x[column] for column, price in priced) + model.constant, constants.MINIMIZE)
        for ball in model.balls:
            inside = [(x[column], 2 * float(shift)) for column, shift in zip(ball.columns, ball.shift, strict=True)]
            total = add(part * part for part, _ in inside) + add(shift * part for part, shift in inside)
            solver.addQConstr(total <= ball.radius**2 - float(ball.shift @ ball.shift))
        whole = np.flatnonzero(model.whole)
        start = np.array(model.start)[whole]
        if np.isfinite(start).all():
            solver.setMipStart([x[column] for column in whole], start.tolist())
            solver.loadMipStart()
        settings = {"Threads": 1, "RelGap": gap_of(model), "AbsGap": 0.0, "TimeLimit": seconds_left(began, time_limit)}
        for name, setting in settings.items():
            solver.setParam(name, setting)
        solver.solve()
        found = np.array([variable.x for variable in x]) if solver.hasmipsol else None
        words = {constants.OPTIMAL: OPTIMAL, constants.TIMEOUT: TIME, constants.INFEASIBLE: INFEASIBLE,
                 constants.INF_OR_UNB: INFEASIBLE}  # fmt: skip
        claimed = words.get(solver.status, f"status {solver.status}")
        return _claim(model, found, claimed, solver.bestbnd, solver.nodecnt, began)
    except coptpy.CoptError as error:
        return _failed(began, too_large=any(word in str(error).lower() for word in ("license", "size")))


def gap_of(model: MixedModel) -> float:
    """The relative gap to prove; twice that of the norm where its square is minimised."""
    return 2 * GAP if model.norm_column is None else GAP


def _matrix(model: MixedModel) -> csr_array:
    """The coefficients of all rows."""
    starts = np.cumsum([0, *(len(row.columns) for row in model.rows)])
    columns = np.concatenate([row.columns for row in model.rows]).astype(np.int32)
    values = np.concatenate([row.coefficients for row in model.rows])
    return csr_array((values, columns, starts.astype(np.int32)), shape=(len(model.rows), len(model.lower)))


def _claim(model: MixedModel, found: Any, claimed: str, bound: float, nodes: float, began: float) -> Claim:
    seconds = time.perf_counter() - began
    if claimed == INFEASIBLE:
        return Claim(None, claimed, seconds, np.inf, int(nodes))
    positions = None if found is None else model.positions(found)
    return Claim(positions, claimed, seconds, model.bound(bound), int(nodes))


def _failed(began: float, *, too_large: bool) -> Claim:
    return Claim(None, LICENCE if too_large else ERROR, time.perf_counter() - began)
