"""Gurobi, CPLEX and COPT, each through its own interface: one thread, started from the greedy answer."""

from __future__ import annotations

import time
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from comparisons.solver_race.claim import ERROR, LICENCE, OPTIMAL, TIME, Claim
from comparisons.solver_race.cone_model import ConeModel, cone_model
from dynopt_milp import Problem
from formulations import FloatArray

GAP = 1e-6
LEAST_TIME = 0.01
GUROBI_TOO_LARGE = 10010
CPLEX_TOO_LARGE = 1016


def run_gurobi(problem: Problem, time_limit: float) -> Claim:
    """Gurobi through gurobipy."""
    gurobi: Any = import_module("gurobipy")
    environment = gurobi_environment()
    began = time.perf_counter()
    model = cone_model(problem)
    data, priced = model.program, model.priced
    try:
        with gurobi.Model(env=environment) as solver:
            k = solver.addMVar(data.size, lb=data.lower, ub=data.upper, vtype="I")
            y = solver.addMVar(len(data.factor), lb=-np.inf)
            t = solver.addVar()
            solver.addConstr(data.factor @ k - y == data.factor @ data.target)
            solver.addConstr(y @ y <= t * t)
            objective = 1.0 * t
            if priced.size:
                u = solver.addMVar(priced.size)
                solver.addConstr(u - k[priced] >= -data.previous[priced])
                solver.addConstr(u + k[priced] >= data.previous[priced])
                objective = objective + data.cost[priced] @ u
            solver.setObjective(objective)
            k.Start = model.start
            solver.Params.TimeLimit = seconds_left(began, time_limit)
            solver.optimize()
            found = np.asarray(k.X) if solver.SolCount else None
            words = {gurobi.GRB.OPTIMAL: OPTIMAL, gurobi.GRB.TIME_LIMIT: TIME}
            claimed = words.get(solver.Status, f"status {solver.Status}")
            return _claim(model, found, claimed, solver.ObjBound, solver.NodeCount, began)
    except gurobi.GurobiError as error:
        return _failed(began, too_large=error.errno == GUROBI_TOO_LARGE)


def run_cplex(problem: Problem, time_limit: float) -> Claim:
    """CPLEX through its own package."""
    cplex: Any = import_module("cplex")
    began = time.perf_counter()
    model = cone_model(problem)
    data, priced = model.program, model.priced
    size, rows, costly = data.size, len(data.factor), priced.size
    infinity = cplex.infinity
    # Variables in this order: k, y, t, u.
    t = size + rows
    right = data.factor @ data.target
    try:
        with cplex.Cplex() as solver:
            for stream in ("log", "results", "warning", "error"):
                getattr(solver, f"set_{stream}_stream")(None)
            solver.variables.add(
                obj=[0.0] * t + [1.0] + data.cost[priced].tolist(),
                lb=data.lower.tolist() + [-infinity] * rows + [0.0] * (1 + costly),
                ub=data.upper.tolist() + [infinity] * (rows + 1 + costly),
                types="I" * size + "C" * (rows + 1 + costly),
            )
            cone_rows = []
            for row in range(rows):
                used = np.flatnonzero(data.factor[row])
                cone_rows.append([[*used.tolist(), size + row], [*data.factor[row, used].tolist(), -1.0]])
            solver.linear_constraints.add(lin_expr=cone_rows, senses="E" * rows, rhs=right.tolist())
            for place, which in enumerate(priced.tolist()):
                held = float(data.previous[which])
                solver.linear_constraints.add(
                    lin_expr=[[[t + 1 + place, which], [1.0, -1.0]], [[t + 1 + place, which], [1.0, 1.0]]],
                    senses="GG",
                    rhs=[-held, held],
                )
            squares = list(range(size, t + 1))
            solver.quadratic_constraints.add(quad_expr=[squares, squares, [1.0] * rows + [-1.0]], sense="L", rhs=0.0)
            effort = solver.MIP_starts.effort_level.solve_fixed
            solver.MIP_starts.add([list(range(size)), model.start.tolist()], effort)
            parameters = solver.parameters
            parameters.threads.set(1)
            parameters.mip.tolerances.mipgap.set(GAP)
            parameters.mip.tolerances.absmipgap.set(0.0)
            parameters.timelimit.set(seconds_left(began, time_limit))
            solver.solve()
            answer = solver.solution
            found = np.asarray(answer.get_values(0, size - 1)) if answer.is_primal_feasible() else None
            status = answer.status
            words = {
                status.MIP_optimal: OPTIMAL, status.optimal_tolerance: OPTIMAL,
                status.MIP_time_limit_feasible: TIME, status.MIP_time_limit_infeasible: TIME,
            }  # fmt: skip
            claimed = words.get(answer.get_status(), answer.get_status_string())
            nodes = answer.progress.get_num_nodes_processed()
            return _claim(model, found, claimed, answer.MIP.get_best_objective(), nodes, began)
    except cplex.exceptions.CplexError as error:
        code = error.args[2] if len(error.args) > 2 else None
        return _failed(began, too_large=code == CPLEX_TOO_LARGE)


def run_copt(problem: Problem, time_limit: float) -> Claim:
    """COPT through coptpy."""
    coptpy: Any = import_module("coptpy")
    environment = copt_environment()
    began = time.perf_counter()
    constants = coptpy.COPT
    model = cone_model(problem)
    data, priced = model.program, model.priced
    try:
        solver = environment.createModel("race")
        solver.setParam("Logging", 0)
        whole = range(data.size)
        k = [solver.addVar(lb=data.lower[i], ub=data.upper[i], vtype=constants.INTEGER) for i in whole]
        y = [solver.addVar(lb=-constants.INFINITY) for _ in data.factor]
        t = solver.addVar()
        for row, right, part in zip(data.factor, data.factor @ data.target, y, strict=True):
            total = coptpy.quicksum(row[i] * k[i] for i in np.flatnonzero(row))
            solver.addConstr(total - part == right)
        solver.addCone([t, *y], constants.CONE_QUAD)
        objective = 1.0 * t
        for i in priced:
            u = solver.addVar()
            solver.addConstr(u - k[i] >= -data.previous[i])
            solver.addConstr(u + k[i] >= data.previous[i])
            objective += data.cost[i] * u
        solver.setObjective(objective, constants.MINIMIZE)
        solver.setMipStart(k, model.start.tolist())
        solver.loadMipStart()
        settings = {"Threads": 1, "RelGap": GAP, "AbsGap": 0.0, "TimeLimit": seconds_left(began, time_limit)}
        for name, setting in settings.items():
            solver.setParam(name, setting)
        solver.solve()
        found = np.array([variable.x for variable in k]) if solver.hasmipsol else None
        words = {constants.OPTIMAL: OPTIMAL, constants.TIMEOUT: TIME}
        claimed = words.get(solver.status, f"status {solver.status}")
        return _claim(model, found, claimed, solver.bestbnd, solver.nodecnt, began)
    except coptpy.CoptError as error:
        return _failed(began, too_large=any(word in str(error).lower() for word in ("license", "size")))


@cache
def gurobi_environment() -> Any:
    """Gurobi's environment, of which a process wants one: it looks for the licence."""
    settings = {"OutputFlag": 0, "Threads": 1, "MIPGap": GAP, "MIPGapAbs": 0.0}
    return import_module("gurobipy").Env(params=settings)


@cache
def copt_environment() -> Any:
    """COPT's environment; it says on stdout where it looked for a licence."""
    coptpy: Any = import_module("coptpy")
    quiet = coptpy.EnvrConfig()
    quiet.set("nobanner", "1")
    return coptpy.Envr(quiet)


def seconds_left(began: float, time_limit: float) -> float:
    """Of a limit that began at this time of ``time.perf_counter``; never none at all."""
    return max(time_limit - (time.perf_counter() - began), LEAST_TIME)


def _claim(model: ConeModel, found: FloatArray | None, claimed: str, bound: float, nodes: float, began: float) -> Claim:
    positions = None if found is None else model.positions(found)
    return Claim(positions, claimed, time.perf_counter() - began, bound / model.unit, int(nodes))


def _failed(began: float, *, too_large: bool) -> Claim:
    return Claim(None, LICENCE if too_large else ERROR, time.perf_counter() - began)
