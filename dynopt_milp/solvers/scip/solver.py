"""Exact: a mixed-integer second-order-cone program, solved by SCIP through PySCIPOpt.

SCIP compares with absolute tolerances, so each formulation is first brought to a value of about 100. SCIP's own
objective is never reported: its portfolios are rounded to whole contracts, priced in float64 and improved by a local
search, and its lower bound is lowered by what its tolerances can be worth. If that leaves a gap (the best portfolio
was much better than the one the scale came from), the problem is solved again at the new scale.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from threading import Thread
from typing import Any

import cvxpy as cp
import numpy as np
from pyscipopt import SCIP_PARAMSETTING, Model

from dynopt_milp.errors import SolverError
from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.certificate import TOLERANCE
from dynopt_milp.solvers.constraint_check import ConstraintCheck, all_met, user_constraints
from dynopt_milp.solvers.exchange import exchange
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.incumbent import admitted, best_of, first_incumbent
from dynopt_milp.solvers.modelled import model_of
from dynopt_milp.solvers.scip.cone import formulation_cone
from dynopt_milp.solvers.scip.conic import conic_program
from dynopt_milp.solvers.scip.model import NORMAL_RIGHT, build_model
from dynopt_milp.solvers.scip.relaxation import Relaxation, tightened_box
from dynopt_milp.solvers.scip.thread import run_in_scip_thread
from dynopt_milp.solvers.settings import EXHAUSTIVE_GAP
from dynopt_milp.solvers.task import Answer, Task
from formulations import (
    BufferEdge,
    FloatArray,
    Formulation,
    IntegerHull,
    bounding_box,
    price,
    restrict,
    rule_box,
)
from formulations.formulation import NORMAL_VALUE
from formulations.integer_hull import WEAK

FEASIBILITY_TOLERANCE = 1e-7  # absolute, where the objective is about 100
FINE_TOLERANCE = 1e-9  # where the other leaves a gap open; the linear solver accepts no less
FINE_GAP = 5e-7
# What a reduced cost may be wrong by; times the range of its variable, what a linear program's bound may be.
DUAL_TOLERANCE = 1e-9
# SCIP's bound, less this many tolerances: cuts and rows each hold to one of them. So lowered it is never above a
# true optimum in tests/dynopt_milp/test_agreement.py, at any scale.
TOLERANCES = 5
# SCIP's value of its best portfolio lies above its bound by that many times what its tolerances are worth (norms are
# brought to a right-hand side of 10, the value to 100): it would branch on continuous variables for ever to close that.
CLOSABLE = NORMAL_VALUE / NORMAL_RIGHT
LEAST_GAP = TOLERANCES * FINE_TOLERANCE / NORMAL_VALUE
"""Relative; no run of SCIP can prove less."""
# A portfolio as good as the incumbent must pass the objective limit, or "nothing found" would prove nothing.
LIMIT_SLACK = 1e-6
# SCIP's program is that of the factor, shifted, scaled and rotated: each is another rounding of what is priced.
ROUNDINGS = 4
# Of what the terms of a row add up to: what the simplex method can lose. Where they add up to more than a hundred
# thousand times the value, as with contracts that are held against each other by the thousand, SCIP has been seen to be
# wrong by half, and nothing is left of its bound.
SIMPLEX_ROUND_OFF = 1e-10
MOST_SPREAD = 1e5
# Of a box that is wider SCIP has been seen to overlook what is in it: its tolerances are shares of the bounds.
WIDEST_BELIEVED = 1e6  # contracts
MOST_PASSES = 4
NEAR = 1000.0  # contracts from the target: where a first portfolio is looked for if nothing bounds positions
OTHER_SCALE = 30.0  # of cones, where SCIP has called a problem infeasible
LEAST_NODES, FURTHER_NODES = 10_000, 10  # for that, and for each node of before
LONGEST = 1e20  # seconds; SCIP's infinity
FAILED = "failed"
UNDECIDED = "totalnodelimit"  # SCIP's word


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What one SCIP run found: portfolios, a lower bound in units of the formulation, and how it ended."""

    portfolios: list[FloatArray]
    lower_bound: float
    status: str
    nodes: int


def solve_scip(task: Task) -> Answer:
    """Solve to the gap of the task, or as far as its deadline allows.

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If SCIP fails before there is any answer.
    """
    return _solve(task, plain=False)


def solve_scip_plain(task: Task) -> Answer:
    """SCIP as it comes, for comparison: how much of the speed of ``scip`` is SCIP's, and how much is what it is given.

    The same conic model at the same scale with the same tolerances, priced and bounded in the same way. But SCIP is
    given all positions in the box that the first portfolio's value proves by formula, that value as an objective limit
    and no portfolio, and every heuristic, separator and presolver is at its default. The first portfolio is that of
    ``scip``; it is the answer if SCIP finds none that is better, and no local search improves what SCIP finds.

    Raises
    ------
    UnboundedError, SolverError
        As :func:`solve_scip`.
    """
    return _solve(task, plain=True)


def _solve(task: Task, *, plain: bool) -> Answer:
    program = task.formulation.program
    check = ConstraintCheck(task.constraints, program)
    incumbent = first_incumbent(task, check)
    # Positions are counted from near the target: SCIP's tolerances are relative to the numbers in a row, and a
    # thousand contracts held would make them a thousand times wider.
    offset: FloatArray = np.round(np.clip(program.target, program.lower, program.upper)).astype(np.float64)
    start = None if incumbent is None else incumbent - offset
    answer = _search(task.shifted(offset), start, check.shifted(offset), plain)
    return answer if answer.positions is None else replace(answer, positions=answer.positions + offset)


def _search(task: Task, incumbent: FloatArray | None, check: ConstraintCheck, plain: bool) -> Answer:
    solver = f"SCIP {_scip_version()} (PySCIPOpt {version('pyscipopt')}){', plain model' if plain else ''}"
    program = task.formulation.program
    nodes = 0
    if incumbent is None:
        sought, everywhere = _sided(task, _wider(task.formulation))
        if sought is None:
            return Answer(None, np.inf, StoppedBy.INFEASIBILITY, solver, nodes)
        run = _run_twice(task, sought, check, any_solution=True, plain=plain)
        nodes += run.nodes
        if not run.portfolios:
            if run.status == FAILED:
                raise SolverError("SCIP's linear solver failed while looking for a first portfolio; give a start")
            if run.status == "infeasible" and not everywhere:
                finite_box(task, np.inf)  # says what is not bounded
            if run.status == "infeasible" and _believed(task.formulation) and _sees_rules(sought):
                return Answer(None, np.inf, StoppedBy.INFEASIBILITY, solver, nodes)
            return Answer(None, 0.0, _limit(run.status) or StoppedBy.PRECISION, solver, nodes)
        incumbent = exchange(task, run.portfolios[0], check.admits)

    task.report(incumbent)
    lower_bound, relaxed_value = task.known.lower_bound, np.inf
    for passed in range(MOST_PASSES):
        value = task.formulation.value(incumbent)
        if relative_gap(value, lower_bound) <= task.gap:
            if passed == 0 and lower_bound > 0 and task.constraints is not None:
                # What SCIP could not be given is refused, needed or not.
                positions = cp.Variable(program.size)
                conic_program(cp.Problem(cp.Minimize(0.0), user_constraints(task.constraints, positions)))
            return Answer(incumbent, lower_bound, StoppedBy.GAP, solver, nodes)
        if task.seconds_left() == 0:
            return Answer(incumbent, lower_bound, StoppedBy.TIME, solver, nodes)
        lower, upper = finite_box(task, value)
        normalised, unit = _normalised(task, value, lower, upper)
        if passed == 0 and not plain:
            relaxed = Relaxation(normalised).minimiser(NORMAL_VALUE * (1 + LIMIT_SLACK), lower, upper)
            if relaxed is not None:
                relaxed_value = normalised.value(relaxed) / unit
                rounded = np.clip(np.round(relaxed), program.lower, program.upper)
                # Where round-off decides whether the known one is admitted, it stays.
                better = best_of(task, admitted(task, [incumbent, rounded], check), check)
                incumbent = incumbent if better is None else better
                if task.formulation.value(incumbent) < value:
                    value = task.formulation.value(incumbent)
                    if value == 0:
                        continue
                    lower, upper = finite_box(task, value)
                    normalised, unit = _normalised(task, value, lower, upper)
        if task.seconds_left() == 0:  # a model takes a part of a second to write
            return Answer(incumbent, lower_bound, StoppedBy.TIME, solver, nodes)
        if not plain:
            lower, upper = tightened_box(task, normalised, NORMAL_VALUE * (1 + LIMIT_SLACK), lower, upper)
            if not (lower > upper).any():
                lower, upper = rule_box(program, lower, upper)
        lower, upper = program.on_side(lower, upper)
        if (lower > upper).any():  # round-off cut off the very portfolio the box was drawn around
            return Answer(incumbent, lower_bound, StoppedBy.PRECISION, solver, nodes)
        fine = passed > 0 or task.gap <= FINE_GAP
        if task.constraints is None and not plain:
            small = restrict(normalised, lower, upper)
            inner = small.formulation
            if inner.is_sum and relaxed_value < WEAK * value:
                inner = IntegerHull(inner.program)
            whole: Callable[[Any], FloatArray] = small.whole
        else:  # constraints are written in all positions
            inner, whole = replace(normalised, program=normalised.program.with_box(lower, upper)), np.array
        run = _run_twice(task, inner, check, fine=fine, plain=plain, whole=whole)
        nodes += run.nodes
        improved = [] if plain else [exchange(task, point, check.admits) for point in run.portfolios[:1]]
        incumbent = min([incumbent, *improved, *run.portfolios], key=task.formulation.value)
        bound = run.lower_bound / unit - _rounded(task.formulation, incumbent, value, lower, upper)
        too_high = bound > task.formulation.priced(incumbent).high * (1 + TOLERANCE)
        if run.status in ("infeasible", FAILED, UNDECIDED) or too_high or not _sees_rules(inner):
            # It gave up, or overlooked or excluded a portfolio that is known, or may have: its bound is worth nothing.
            return Answer(incumbent, lower_bound, StoppedBy.PRECISION, solver, nodes)
        lower_bound = max(lower_bound, bound)
        task.report(incumbent, lower_bound)
        stopped_by = _limit(run.status)
        if stopped_by is not None and relative_gap(task.formulation.value(incumbent), lower_bound) > task.gap:
            return Answer(incumbent, lower_bound, stopped_by, solver, nodes)
        if fine and not task.formulation.value(incumbent) < value:
            break  # another pass would be this one again
    closed = relative_gap(task.formulation.value(incumbent), lower_bound) <= task.gap
    return Answer(incumbent, lower_bound, StoppedBy.GAP if closed else StoppedBy.PRECISION, solver, nodes)


def _normalised(task: Task, value: float, lower: FloatArray, upper: FloatArray) -> tuple[Formulation, float]:
    """The formulation at SCIP's scale; where positions have to be listed, or have a side, in the box for that."""
    normalised, unit = task.formulation.normalised(value)
    program = normalised.program
    if program.underlyings() or program.rules or program.listed.any():
        normalised = replace(normalised, program=normalised.program.with_box(lower, upper))
    return normalised, unit


def _sided(task: Task, formulation: Formulation) -> tuple[Formulation | None, bool]:
    """The formulation before any portfolio is known; with rules, costs of orders or underlyings, in a box for them.

    None if the box is empty. Where nothing bounds a position, the box is one around the target, unless underlyings have
    a side; the second result is whether that leaves nothing out.

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    """
    program = formulation.program
    listed = bool(program.listed.any())
    if not program.underlyings() and not program.rules and not listed:
        return formulation, True
    everywhere = True
    lower, upper = bounding_box(program, formulation.tracking_radius(np.inf), np.inf)
    if (program.rules or listed) and not (lower > upper).any():
        if program.rules:
            lower, upper = rule_box(program, lower, upper)
        if (lower > upper).any():
            return None, True
        everywhere = bool((np.isfinite(lower) & np.isfinite(upper)).all())
        near = np.round(program.target)
        lower = np.where(np.isneginf(lower), np.minimum(near, upper) - NEAR, lower)
        upper = np.where(np.isposinf(upper), np.maximum(near, lower) + NEAR, upper)
    if program.underlyings() and not (np.isfinite(lower) & np.isfinite(upper)).all():
        lower, upper = finite_box(task, np.inf)  # says which
    empty = (lower > upper).any()
    return None if empty else replace(formulation, program=program.with_box(lower, upper)), everywhere


def _believed(formulation: Formulation) -> bool:
    """Whether SCIP can tell that no portfolio is inside the buffer."""
    if not isinstance(formulation, BufferEdge):
        return True
    lower, upper = bounding_box(formulation.program, formulation.tracking_radius(0.0), np.inf)
    near = formulation.program.spread(lower, upper) <= MOST_SPREAD * formulation.buffer
    return near and bool((upper - lower <= WIDEST_BELIEVED).all())


def _sees_rules(formulation: Formulation) -> bool:
    """Whether SCIP can tell who keeps the rules: its rows and cones are as exact as the box around them is narrow."""
    program = formulation.program
    if not program.rules:
        return True
    if (program.upper - program.lower > WIDEST_BELIEVED).any():
        return False
    lower, upper = program.lower - program.zero, program.upper - program.zero
    for cap in program.rules.caps:  # the terms of a norm may cancel to less than SCIP holds
        away = np.maximum(np.abs(lower - cap.centre), np.abs(upper - cap.centre))
        if float(cap.lengths @ away) > MOST_SPREAD * max(cap.limit, float(cap.lengths.max(initial=0.0))):
            return False
    return True


def _wider(formulation: Formulation) -> Formulation:
    """With a buffer that is wider than its tolerances, so that "infeasible" says something about its own."""
    if not isinstance(formulation, BufferEdge):
        return formulation
    program = formulation.program
    near: FloatArray = np.round(np.clip(program.target, program.lower, program.upper)).astype(np.float64)
    doubt = price(program, near).error
    return replace(formulation, buffer=formulation.buffer * (1 + LIMIT_SLACK) + ROUNDINGS * float(doubt))


def _run_twice(task: Task, formulation: Formulation, check: ConstraintCheck, **how: Any) -> _Run:
    """One SCIP solve, and with rules or constraints another at another scale where the first finds nothing.

    SCIP has called cones infeasible that hold portfolios. What it says twice is said; where the second solve takes many
    more nodes than the first nothing is.
    """
    run = _run(task, formulation, check, **how)
    plain = task.constraints is None and not formulation.program.rules
    if plain or run.portfolios or run.status not in ("infeasible", FAILED):
        return run
    other = _run(task, formulation, check, **how, most_nodes=LEAST_NODES + FURTHER_NODES * run.nodes)
    return replace(other, nodes=run.nodes + other.nodes)


def _run(
    task: Task,
    formulation: Formulation,
    check: ConstraintCheck,
    *,
    fine: bool = False,
    any_solution: bool = False,
    plain: bool = False,
    most_nodes: int | None = None,
    whole: Callable[[FloatArray], FloatArray] = np.copy,
) -> _Run:
    """One SCIP solve over the formulation's box; with ``any_solution`` it looks for any portfolio that is admitted.

    ``plain`` leaves SCIP's strategy at its default; with ``most_nodes`` cones are brought
    to another scale than without; ``whole`` makes a portfolio of the task from one of the
    formulation.
    """
    own: list[Any] = []
    unconstrained = task.constraints is None and not any_solution and not formulation.program.rules
    if unconstrained:
        program, columns = formulation_cone(formulation)
    else:
        model = model_of(task, formulation)
        own = [] if task.constraints is None else user_constraints(task.constraints, model.positions)
        if any_solution:
            model = replace(model, objective=cp.Constant(0.0))
        program = conic_program(model.problem(*own))
        columns = program.columns[model.positions.id]
    lower, upper = formulation.program.lower, formulation.program.upper
    least, most = np.full(len(program.cost), -np.inf), np.full(len(program.cost), np.inf)
    least[columns], most[columns] = lower, upper
    scip = build_model(program, least, most, NORMAL_RIGHT * (1.0 if most_nodes is None else OTHER_SCALE))
    if not unconstrained:
        # The step of it that would aggregate takes the row away where it may not: SCIP's best then broke that row by 1.
        scip.model.setParam("constraints/linear/dualpresolving", False)
    elif not plain:
        # The first portfolio is good and the box is tight: SCIP's own heuristics, slower separators, restarts, bound
        # tightening and long rounds at the root took three quarters of its time on weekly problems of 27 to 42
        # futures. With constraints the local search sees less, and they are of use.
        scip.model.setHeuristics(SCIP_PARAMSETTING.OFF)
        scip.model.setSeparating(SCIP_PARAMSETTING.FAST)
        scip.model.setParam("presolving/maxrestarts", 0)
        scip.model.setParam("propagating/obbt/freq", -1)
        scip.model.setParam("separating/maxroundsroot", 10)  # of 5, 7, 10 and no limit the best on the whole

    tolerance = FINE_TOLERANCE if fine else FEASIBILITY_TOLERANCE
    settings: dict[str, float | int] = {
        "numerics/feastol": tolerance,
        "numerics/dualfeastol": DUAL_TOLERANCE,
        "timing/clocktype": 2,  # wall time
        "misc/catchctrlc": False,  # SCIP would print about it on stdout
        "limits/gap": task.gap / 2 if task.gap > EXHAUSTIVE_GAP else 0.0,
    }
    if most_nodes is not None:
        settings["limits/totalnodes"] = most_nodes
    if any_solution:
        settings["limits/solutions"] = 1
    else:
        settings["limits/absgap"] = CLOSABLE * _slack(formulation, FINE_TOLERANCE)
        scip.model.setObjlimit(NORMAL_VALUE * (1 + LIMIT_SLACK))
    for name, setting in settings.items():
        scip.model.setParam(name, setting)
    status, ran = _optimise(scip.model, task)
    if status == FAILED or not ran:
        return _Run([], 0.0, status, 0)

    portfolios = []
    for solution in scip.solutions():
        positions = np.clip(np.round(solution[columns]), lower, upper)
        if check.decidable:
            admitted = check.admits(whole(positions))
        else:
            for variable in {item.id: item for part in own for item in part.variables()}.values():
                place = program.columns[variable.id]
                values = np.where(program.whole[place], np.round(solution[place]), solution[place])
                variable.value = values.reshape(variable.shape, order="F")
            model.positions.value = positions
            admitted = all_met(own) and check.keeps(whole(positions))
        if admitted and np.isfinite(task.formulation.value(whole(positions))):
            portfolios.append(whole(positions))
    bound = 0.0
    if abs(scip.model.getDualbound()) < scip.model.infinity():
        bound = max(scip.model.getDualbound() - _slack(formulation, tolerance), 0.0)
    return _Run(portfolios, bound, status, int(scip.model.getNTotalNodes()))


def _rounded(
    formulation: Formulation, incumbent: FloatArray, value: float, lower: FloatArray, upper: FloatArray
) -> float:  # fmt: skip
    """What SCIP's numbers in this box can be wrong by, with what the factor leaves out at the incumbent."""
    program = formulation.program
    here, spread = price(program, incumbent), program.spread(lower, upper)
    edge = isinstance(formulation, BufferEdge)  # the value is cost, and tracking errors are compared with the buffer
    if not spread <= MOST_SPREAD * (formulation.tracking_radius(value) if edge else value):
        return np.inf
    return ROUNDINGS * float(here.error + here.cost_error) + SIMPLEX_ROUND_OFF * spread


def _slack(formulation: Formulation, tolerance: float) -> float:
    """What SCIP's bound can be too high by, for a normalised formulation in a finite box."""
    # With a buffer, tracking errors can be much larger than the value they are compared for.
    size = max(formulation.tracking_radius(NORMAL_VALUE) / NORMAL_VALUE, 1.0)
    widths = formulation.program.upper - formulation.program.lower
    return TOLERANCES * tolerance * size + DUAL_TOLERANCE * float(widths.sum())


def _optimise(model: Model, task: Task) -> tuple[str, bool]:
    """Run SCIP in its thread, so that Ctrl-C reaches Python; say how it ended, and whether it ran at all.

    It does not run if the time is over, or Ctrl-C comes, while another solve has the thread.
    """

    def solve() -> None:
        if np.isfinite(task.seconds_left()):
            model.setParam("limits/time", min(task.seconds_left(), LONGEST))
        model.optimizeNogil()

    interrupted = False
    running = run_in_scip_thread(solve)
    try:
        while not running.done():
            wait([running], timeout=min(max(task.seconds_left(), 0.001), 0.1))
            if task.seconds_left() == 0 and running.cancel():
                return "timelimit", False
    except KeyboardInterrupt:
        if running.cancel():
            return "userinterrupt", False
        interrupted = True
        # In a thread of its own: a second Ctrl-C leaves, and SCIP is stopped all the same; the next solve waits for it.
        Thread(target=_stop, args=(model, running), daemon=True).start()
        wait([running])
    if running.exception() is not None:  # PySCIPOpt raises Exception itself, for errors of the linear solver say
        return FAILED, True
    status = str(model.getStatus())
    if status in ("unbounded", "inforunbd"):  # positions have limits: its arithmetic has failed
        return FAILED, True
    return "userinterrupt" if interrupted else status, True  # SCIP may call an interrupt "unknown"


def _stop(model: Model, running: Future[None]) -> None:
    """Stop a run; SCIP forgets an interrupt that comes before it has begun."""
    while not running.done():
        model.interruptSolve()
        wait([running], timeout=0.1)


def _limit(status: str) -> StoppedBy | None:
    """Which limit SCIP's status stands for, None if it ended by itself.

    Raises
    ------
    SolverError
        If the status is not understood.
    """
    table = {
        "optimal": None,
        "gaplimit": None,
        "sollimit": None,
        "bestsollimit": None,
        UNDECIDED: None,
        "infeasible": None,
        "timelimit": StoppedBy.TIME,
        "userinterrupt": StoppedBy.INTERRUPT,
    }
    if status not in table:
        raise SolverError(f"SCIP ended with the status {status!r}, which means nothing here")
    return table[status]


@cache
def _scip_version() -> str:
    model = Model()
    return f"{model.getMajorVersion()}.{model.getMinorVersion()}.{model.getTechVersion()}"
