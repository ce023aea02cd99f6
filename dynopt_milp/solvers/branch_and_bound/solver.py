"""Branch and bound written for this problem: the method, its two steps, and the warm-up.

The root is tried in one compiled call (see `root`). What that does not prove goes through the tree: a first portfolio,
a lattice (contracts of one market merged, a finite box, tables; see `prepare`), and the phases of the search (see
`phases`). The first nodes are bounded by the cone alone, which is all that most rebalances with costs need. Then a
diagonal is extracted, for the hull bound and for the sphere search. Where the cone is weak at the root, as without
costs, the sphere search comes first.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.problem.solution import StoppedBy, relative_gap
from dynopt_milp.solvers.best_known import BestKnown
from dynopt_milp.solvers.branch_and_bound import local_search
from dynopt_milp.solvers.branch_and_bound.addresses import addresses, load_ruled
from dynopt_milp.solvers.branch_and_bound.compiled import announced
from dynopt_milp.solvers.branch_and_bound.extraction import largest_diagonal
from dynopt_milp.solvers.branch_and_bound.held_against import note_on_free_sizes
from dynopt_milp.solvers.branch_and_bound.levels import make_levels, no_plan
from dynopt_milp.solvers.branch_and_bound.phases import SOLVER, Search, search_slack
from dynopt_milp.solvers.branch_and_bound.prepare import prepare
from dynopt_milp.solvers.branch_and_bound.root import prove_at_root
from dynopt_milp.solvers.branch_and_bound.ruled_phases import RuledSearch
from dynopt_milp.solvers.branch_and_bound.sides import on_one_side
from dynopt_milp.solvers.branch_and_bound.tuning import (
    DIAGONAL_STEPS,
    GREEDY_STEPS,
    LEVEL_STEPS,
    NEARBY,
    ROOT_CONTRACTS,
    ROOT_SECONDS,
    ROOT_WORK,
)
from dynopt_milp.solvers.constraint_check import ConstraintCheck
from dynopt_milp.solvers.greedy import nearest_allowed
from dynopt_milp.solvers.incumbent import first_incumbent
from dynopt_milp.solvers.scaled_starts import FEW_SCALES, SCALES, best_scaled
from dynopt_milp.solvers.settings import EXHAUSTIVE_GAP
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray, NormCap, Penalty, ProgramArrays, Row, Rules, TrackingProgram, refuted, rule_box
from formulations.row import TURNOVER

ROUGH_GAP = 0.5  # of a portfolio that keeps the rules, to begin with


def solve_branch_and_bound(task: Task) -> Answer:
    """Solve to the gap of the task, or as far as its deadline allows.

    Raises
    ------
    UnsupportedError
        With constraints of the user's own, for a formulation without a search form, or if positions have millions of
        possible values.
    UnboundedError
        If nothing bounds some of the positions.
    """
    if task.constraints is not None:
        raise UnsupportedError("the branch and bound knows limits only, no constraints; use exact", field="constraints")
    if task.formulation.search_form is None:
        raise UnsupportedError(
            f"the branch and bound cannot search {task.formulation.name!r}, which has no search form; use exact",
            field="formulation",
        )
    began = time.monotonic()
    warm_up()
    rules = task.formulation.program.rules
    if rules is not None and rules.coupled:
        warm_up_ruled()
    if task.deadline is not None:  # the time limit is for solving
        task = replace(task, deadline=task.deadline + time.monotonic() - began)
    answer = on_one_side(task, _root_or_tree)
    note = note_on_free_sizes(task.formulation.program, task.instruments)
    return replace(answer, note=note) if note else answer


def _root_or_tree(task: Task) -> Answer:
    program = task.formulation.program
    if program.rules is not None and program.rules.coupled:
        return _prove_ruled(task)
    if task.formulation.is_sum and program.size <= ROOT_CONTRACTS and task.seconds_left() > ROOT_SECONDS:
        answer, best = prove_root(program.arrays(), task.gap, _starts(task))
        if answer is not None:
            return answer
        task = replace(task, starts=(*task.starts, best))
    return prove_tree(task)


def prove_root(arrays: ProgramArrays, gap: float, starts: FloatArray) -> tuple[Answer | None, FloatArray]:
    """The optimum of a `penalty` program if a few nodes prove it: one compiled call.

    Parameters
    ----------
    arrays : tuple of ndarray
        Of the program, as `TrackingProgram.arrays` has them: of its layout, and read-only.
    gap : float
        Relative gap to prove.
    starts : ndarray, shape (any, n)
        Portfolios to begin with.

    Returns
    -------
    answer : Answer or None
        None if the gap is still open.
    portfolio : ndarray, shape (n,)
        The best that was found in any case.
    """
    slack = search_slack(gap)
    proved, portfolio, most, bound, nodes = prove_at_root(*arrays, starts, slack, GREEDY_STEPS, ROOT_WORK, addresses())
    if proved and relative_gap(most, bound) <= gap:
        return Answer(portfolio, bound, StoppedBy.GAP, SOLVER, nodes), portfolio
    return None, portfolio


def prove_tree(task: Task) -> Answer:
    """Solve a task by the tree: where the root does not prove it, or the value is not tracking error + trading cost.

    The task has no constraints and its formulation has a search form; :func:`warm_up` has been called.
    """
    formulation = task.formulation
    gram = formulation.program.factor.T @ formulation.program.factor
    incumbent = _first(task, gram)
    # With a buffer alone a portfolio may not exist; the tree looks for one, in the box that the buffer leaves.
    value = np.inf if incumbent is None else formulation.priced(incumbent).high
    if not np.isfinite(value):  # beyond the edge by less than float64 can tell, perhaps
        incumbent = None
    if value == 0:
        return Answer(incumbent, 0.0, StoppedBy.GAP, SOLVER)
    if task.seconds_left() == 0:
        return Answer(incumbent, 0.0, StoppedBy.TIME, SOLVER)
    if incumbent is not None:
        task.report(incumbent)
    prepared = prepare(task, gram, value)
    if prepared is None:
        if incumbent is not None:  # round-off has cut off what is known
            return Answer(incumbent, 0.0, StoppedBy.PRECISION, SOLVER)
        return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER)
    return Search(task, prepared, incumbent, value).run()


def _prove_ruled(task: Task) -> Answer:
    """Solve a task with rules for more than one position: without them first, which often keeps them already."""
    formulation, program = task.formulation, task.formulation.program
    bound, starts = 0.0, _starts(task)
    if formulation.is_sum and program.size <= ROOT_CONTRACTS and task.seconds_left() > ROOT_SECONDS:
        answer, best = prove_root(program.arrays(), task.gap, starts)
        if answer is not None:
            if program.keeps_rules(best):
                return answer
            bound = answer.lower_bound
        starts = np.concatenate([starts, best[None]])
    incumbent = _scaled(task, starts, FEW_SCALES)
    form = formulation.search_form
    if incumbent is None and not formulation.is_sum and form is not None and not form.edge:
        # Whatever keeps the rules is a portfolio of this value, too.
        rough = replace(task, formulation=Penalty(program), gap=ROUGH_GAP, known=BestKnown())
        incumbent = _prove_ruled(rough).positions
    nearby = _nearby(task, starts) if incumbent is None else None
    if nearby is not None:
        if nearby.positions is None:
            return nearby
        incumbent = nearby.positions
    found = _search_ruled(task, starts, incumbent, bound)
    if found.stopped_by.is_limit:  # no answer is worse than what anybody would hold
        simple = _scaled(task, starts, SCALES)
        if simple is not None and (
            found.positions is None or formulation.priced(simple).high < formulation.priced(found.positions).high
        ):  # fmt: skip
            found = replace(found, positions=simple)
    return replace(found, lower_bound=max(found.lower_bound, bound))


def _search_ruled(task: Task, starts: FloatArray, incumbent: FloatArray | None, bound: float) -> Answer:
    """The tree with rules; ``starts``, shape (any, n), need not keep them. Nothing is worth less than ``bound``."""
    formulation, program = task.formulation, task.formulation.program
    value = np.inf if incumbent is None else formulation.priced(incumbent).high
    if not value < np.inf:  # beyond the edge by less than float64 can tell, perhaps
        incumbent = None
    if incumbent is not None:
        task.report(incumbent)
    if relative_gap(value, bound) <= task.gap:
        return Answer(incumbent, bound, StoppedBy.GAP, SOLVER)
    if task.seconds_left() == 0:
        return Answer(incumbent, bound, StoppedBy.TIME, SOLVER)
    gram = program.factor.T @ program.factor
    if incumbent is not None:  # a better one first: tables are as large as it is bad
        target = np.clip(np.rint(program.target), program.lower, program.upper)
        starts = np.concatenate([starts, target[None]])
        near = prepare(task, gram, value, np.concatenate([incumbent[None], starts]))
        if near is not None:
            search = RuledSearch(task, near, incumbent, value, starts)
            if relative_gap(search.value, bound) <= task.gap:
                return Answer(search.incumbent, bound, StoppedBy.GAP, SOLVER)
            if near.whole:
                return search.run()
            incumbent, value, starts = search.incumbent, search.value, starts[:0]
    if incumbent is None and refuted(program, *rule_box(program, program.lower, program.upper)):
        return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER)
    prepared = prepare(task, gram, value)
    if prepared is None:
        if incumbent is not None:  # round-off has cut off what is known
            return Answer(incumbent, 0.0, StoppedBy.PRECISION, SOLVER)
        return Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER)
    return RuledSearch(task, prepared, incumbent, value, starts).run()


def _nearby(task: Task, starts: FloatArray) -> Answer | None:
    """A portfolio that keeps the rules not far from the target, what is held or a start, if rules leave no finite box.

    Without one nothing would bound the others. INFEASIBILITY, where rules count positions and do not measure them, so
    that one far away would be as good. None if rules leave a finite box, or nothing was found.
    """
    program = task.formulation.program
    lower, upper = rule_box(program, program.lower, program.upper)
    loose = ~(np.isfinite(lower) & np.isfinite(upper))
    if not loose.any() or (lower > upper).any():
        return None
    known = np.concatenate([starts, program.previous[None], program.zero[None], np.rint(program.target)[None]])
    # What is bounded is searched whole: rules may ask for a position far from all of these.
    near_lower = np.where(loose, np.minimum(np.maximum(lower, known.min(axis=0) - NEARBY), upper), lower)
    near_upper = np.where(loose, np.maximum(np.minimum(upper, known.max(axis=0) + NEARBY), near_lower), upper)
    near = replace(task, formulation=replace(task.formulation, program=program.with_box(near_lower, near_upper)))
    try:
        prepared = prepare(near, program.factor.T @ program.factor, np.inf)
    except UnsupportedError:
        return None
    if prepared is not None:
        search = RuledSearch(near, prepared, None, np.inf, starts)
        if search.find() is not None:
            return Answer(search.incumbent, 0.0, StoppedBy.HEURISTIC, SOLVER)
        if not search.is_empty:
            return None
    form = task.formulation.search_form
    measured = form is None or form.edge or not _counts(program, loose)
    return None if measured else Answer(None, np.inf, StoppedBy.INFEASIBILITY, SOLVER)


def _counts(program: TrackingProgram, loose: NDArray[np.bool_]) -> bool:
    """Whether rules see of these instruments only if they are held, and traded, and on which side."""
    rules, domain = program.rules, program.domain
    if rules is None:
        return True
    sums = all(row.tables is None and not row.coefficients[: TURNOVER + 1, loose].any() for row in rules.rows)
    norms = all(not cap.factor[:, loose].any() for cap in rules.caps)
    near = domain is None or bool((domain.lot + domain.least + domain.least_order <= NEARBY)[loose].all())
    return sums and norms and near


def _scaled(task: Task, starts: FloatArray, scales: FloatArray) -> FloatArray | None:
    """The best of what is held, the starts, and these and the target scaled down, that keeps sides and rules."""
    formulation, program = task.formulation, task.formulation.program
    known = [np.clip(one, program.lower, program.upper) for one in (program.previous, *starts)]
    known = [one for one in known if program.contains(one)]
    known += best_scaled(task, [program.target, *starts], ConstraintCheck(None, program), scales)
    known = [one for one in known if formulation.value(one) < np.inf]
    return min(known, key=formulation.value) if known else None


@cache
def warm_up() -> None:
    """Compile the kernels, or load them from the cache, at the first call in a process."""
    with announced():
        none = np.zeros(2)
        program = TrackingProgram(np.eye(2), none + 0.4, none, none + 0.01, none - 1, none + 1)
        task = Task(Penalty(program), ("A", "B"), EXHAUSTIVE_GAP)
        incumbent = _first(task, np.eye(2))
        assert incumbent is not None
        value = task.formulation.value(incumbent)
        prepared = prepare(task, np.eye(2), value)
        assert prepared is not None
        prove_root(program.arrays(), task.gap, _starts(task))
        search = Search(task, prepared, incumbent, value)
        search.dive()
        search.run()
        gram, plan = np.eye(2), no_plan(2)
        diagonal = largest_diagonal(gram, none + 1, DIAGONAL_STEPS)
        make_levels(gram, diagonal, none + 1, np.arange(2), LEVEL_STEPS, 1, plan.rank, plan.levels)
        sizes = Penalty(replace(program, factor=np.array([[1.0, 2.0]])))
        prepared = prepare(Task(sizes, ("A", "B"), EXHAUSTIVE_GAP), sizes.program.factor.T @ sizes.program.factor, 1.0)
        assert prepared is not None
        Search(Task(sizes, ("A", "B"), EXHAUSTIVE_GAP), prepared, none, 1.0)  # sums are split


@cache
def warm_up_ruled() -> None:
    """The same for what only rules for more than one position need."""
    with announced():
        load_ruled()
        none = np.zeros(2)
        rules = Rules((Row.of(2, 1.0, gross=1.0),), (NormCap(np.eye(2), none, 1.0),))
        program = TrackingProgram(
            np.eye(2), none + 2.4, none, none + 0.01, none - 4, none + 4, rules=rules
        )  # fmt: skip
        _prove_ruled(Task(Penalty(program), ("A", "B"), EXHAUSTIVE_GAP))


def _first(task: Task, gram: FloatArray) -> FloatArray | None:
    """The best simple portfolio; for `penalty` never worse than the greedy search's."""
    program = task.formulation.program
    if not task.formulation.is_sum:
        known = first_incumbent(task, ConstraintCheck(None, program))
        allowed = nearest_allowed(program, np.rint(program.target)) if known is None else known
        return allowed if program.contains(allowed) and task.formulation.value(allowed) < np.inf else None
    best, _, _ = local_search.simple_start(
        program.factor,
        gram,
        program.target,
        program.costs(),
        program.lower,
        program.upper,
        program.arrays()[-3],
        program.arrays()[-1],
        _starts(task),
        GREEDY_STEPS,
    )
    return best


def _starts(task: Task) -> FloatArray:
    """The user's portfolios, a row each."""
    return np.array(task.starts).reshape(-1, task.formulation.program.size)
