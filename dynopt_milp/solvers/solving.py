"""One rebalance: from a problem to a checked solution."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import DynoptError, InputError, ProofError, UnknownNameError
from dynopt_milp.io.atomic import check_writable
from dynopt_milp.io.labelled import to_number, to_whole
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, SolveInterrupted, Status, StoppedBy
from dynopt_milp.solvers.certificate import Certified, certify
from dynopt_milp.solvers.interrupts import MAYBE, is_interrupt
from dynopt_milp.solvers.methods import find_method
from dynopt_milp.solvers.own_optimizer import Optimizer, optimizer_name, own_method
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_gap, check_time_limit
from dynopt_milp.solvers.task import Answer, Constraints, Task
from formulations import (
    BufferEdge,
    Deadband,
    FloatArray,
    Formulation,
    IntegerHull,
    Penalty,
    ProgramError,
    TrackingProgram,
)

if TYPE_CHECKING:
    from dynopt_milp.proof.proof import Proof

DEFAULT_BUFFER = 0.01  # 0.05 × 0.2: buffer fraction × annual risk target, both the book's
CONFLICT_SECONDS = 5.0
"""At most, to find out which rules and limits leave no portfolio: what somebody waits for an explanation."""

PROVABLE = ("penalty", "integer_hull")
"""The formulations that minimise tracking error plus cost, of which there are proofs."""

Formulate = Callable[[TrackingProgram, float], Formulation]
FORMULATIONS: dict[str, Formulate] = {
    "penalty": lambda program, buffer: Penalty(program),
    "deadband": Deadband,
    "buffer_edge": BufferEdge,
    "integer_hull": lambda program, buffer: IntegerHull(program),
}
"""The formulations by name, each made from a program and a buffer."""


def solve(
    problem: Problem,
    optimizer: str | Optimizer = "exact",
    *,
    formulation: str = "penalty",
    buffer: float = DEFAULT_BUFFER,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    start: Any = None,
    constraints: Constraints | None = None,
    proof: str | Path | None = None,
) -> Solution:
    """Which whole contracts to hold.

    Parameters
    ----------
    problem : Problem
        The rebalance.
    optimizer : str or callable
        ``"exact"`` (proven optimum, by branch and bound, or by SCIP with constraints), ``"branch_and_bound"``,
        ``"scip"``, ``"scip_plain"`` (for comparison), ``"greedy"`` (the book's search), ``"enumerate"``
        (all points of a small box), ``"cvxpy:NAME"`` (another mixed-integer solver, as a referee). Or an optimizer of
        your own, from a Problem to whole contracts (Series, dict or array in the order of its instruments); its answer
        is checked and priced like any other, and claims nothing.
    formulation : str
        ``"penalty"`` (the book's objective), ``"deadband"`` (tracking error beyond a buffer plus cost),
        ``"buffer_edge"`` (the cheapest trade to within the buffer around the target) or ``"integer_hull"``
        (``"penalty"`` with a tighter relaxation, for solvers that are given the model).
    buffer : float
        Annual standard deviation, share of capital; for ``"deadband"`` and ``"buffer_edge"``.
    gap : float
        Relative gap to prove, between 0 and 1.
    time_limit : float, optional
        Seconds; the best answer by then is returned.
    start : Series, dict or array_like, optional
        A portfolio to begin with.
    constraints : callable, optional
        From a cvxpy expression of the positions (contracts, shape (n,), in the order of ``problem.instruments``)
        to a list of convex cvxpy constraints: a margin budget, a risk cap, a limit on a group.
    proof : str or Path, optional
        A file for a proof of the answer, which ``dynopt-milp verify`` checks in exact arithmetic; see
        :func:`dynopt_milp.solvers.prove`. With a time limit it has what is left of it. Not with constraints, or a
        formulation that minimises something else.

    Returns
    -------
    Solution
        With its status, a recomputed objective and a proved lower bound; where rules leave no portfolio, with the
        conflict, for which up to five seconds more of the time limit are used. Instruments are put in the order of
        their names before anything is computed, so the answer does not depend on the order they come in.

    Raises
    ------
    InputError
        If an argument is unknown, of the wrong kind or out of range; subclasses say which.
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If a solver fails.
    CertificationError
        If an answer fails the check; nothing is claimed then.
    ProofError
        If there is no proof of the answer: it is not optimal to the gap, or time does not suffice. It carries the
        solution; no file is written.
    SolveInterrupted
        On Ctrl-C; it carries the solution so far.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"expected a Problem, found {type(problem).__name__}", field="problem")
    if constraints is not None and not callable(constraints):
        raise InputError("expected a function from positions to cvxpy constraints", field="constraints")
    if proof is not None:
        check_provable(formulation, constraints is not None)
        if not isinstance(proof, (str, Path)):
            raise InputError(f"expected a path, found {type(proof).__name__}", field="proof")
        check_writable(Path(proof))
    began = time.monotonic()
    name = optimizer_name(optimizer)
    task: Task | None = None
    answer: Answer | None = None

    def solution() -> Solution:
        """What the answer comes to."""
        assert answer is not None
        unchecked = Certified(None, np.inf, 0.0, Status.NO_SOLUTION, answer.stopped_by)
        checked = unchecked if task is None else certify(task, answer)
        contracts = None
        if checked.positions is not None:
            contracts = np.empty(checked.positions.size, dtype=np.int64)
            contracts[problem.order()] = checked.positions
            contracts.setflags(write=False)
        return Solution(
            problem=problem,
            contracts=contracts,
            objective=checked.objective,
            lower_bound=checked.lower_bound,
            status=checked.status,
            stopped_by=checked.stopped_by,
            optimizer=name,
            formulation=formulation,
            solver=answer.solver,
            seconds=time.monotonic() - began,
            nodes=answer.nodes,
            notes=(*problem.notes, *filter(None, (answer.note,))),
        )

    try:
        run = own_method(optimizer, problem) if callable(optimizer) else find_method(optimizer)
        began = time.monotonic()  # the time limit is for solving, not for loading a solver
        order = problem.order()
        task = Task(
            formulation=formulate(problem, order, formulation, buffer),
            instruments=tuple(map(problem.instruments.__getitem__, order.tolist())),
            gap=check_gap(gap),
            deadline=None if time_limit is None else began + check_time_limit(time_limit),
            starts=() if start is None else (_start(start, problem)[order],),
            constraints=None if constraints is None else lambda positions: constraints(positions[np.argsort(order)]),
        )
        answer = run(task)
        if answer.stopped_by is not StoppedBy.INTERRUPT:
            found = solution()
            if found.status is Status.INFEASIBLE and problem.rules and optimizer in ("exact", "branch_and_bound"):
                found = _explained(found, task, answer, began)
            return found if proof is None else _with_proof(found, task, Path(proof))
    except MAYBE as error:
        if not is_interrupt(error):
            raise
    answer = _so_far(task, answer, name)
    raise SolveInterrupted(solution())


def check_provable(formulation: str, constrained: bool) -> None:
    """Refuse what there are no proofs of.

    Raises
    ------
    InputError
    """
    if formulation not in PROVABLE:
        raise InputError(f"is for {' and '.join(PROVABLE)}, found {formulation!r}", field="proof")
    if constrained:
        raise InputError("is not for constraints of one's own; house rules have proofs", field="proof")


def _with_proof(solution: Solution, task: Task, path: Path) -> Solution:
    """The solution, after its proof was written."""
    try:
        checked_proof(solution.problem, solution, task.gap, task.seconds_left()).to_file(path)
    except ProofError as error:
        raise ProofError(str(error), solution) from None
    return solution


def proofs_of_solution(
    problem: Problem, solution: Solution, gap: float, seconds: float, watch: Callable[[int], None] | None = None
) -> Iterator[Proof]:
    """Proofs of what a solution claims of the problem, not yet checked: the first that a checker accepts counts.

    Raises
    ------
    ProofError
        If it claims nothing, or there is none.
    """
    from dynopt_milp.proof.proving import proofs_of  # which loads numba

    if solution.contracts is None and solution.status is not Status.INFEASIBLE:
        raise ProofError(f"there is nothing to prove: the outcome is {solution.status.value}")
    return proofs_of(problem, solution.contracts, gap, seconds, watch)


def checked_proof(
    problem: Problem, solution: Solution, gap: float, seconds: float, watch: Callable[[int], None] | None = None
) -> Proof:
    """The proof of what a solution claims, checked in exact arithmetic before anyone gets it.

    Raises
    ------
    ProofError
        If there is none, time does not suffice, or what float64 took for enough is refused.
    """
    from dynopt_milp.proof.proof import accepted
    from proof_checker import Refused

    deadline = time.monotonic() + seconds

    def in_time(lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if time.monotonic() > deadline:
                raise ProofError("the time limit came first, while it was checked")
            yield line

    try:
        proofs = proofs_of_solution(problem, solution, gap, seconds, watch)
        return accepted(proofs, lambda proof: proof.verify(in_time))[0]
    except Refused as error:
        raise ProofError(f"float64 lost too much: {error}") from None


def _explained(solution: Solution, task: Task, answer: Answer, began: float) -> Solution:
    """The same with what is in conflict, as far as it is found in time; nothing where SCIP said that there is none."""
    from dynopt_milp.solvers.branch_and_bound.phases import SOLVER
    from dynopt_milp.solvers.conflict import find_conflict

    seconds = min(task.seconds_left(), CONFLICT_SECONDS)
    if answer.solver != SOLVER or seconds == 0:
        return solution
    formulation = task.formulation
    try:
        conflict = find_conflict(
            solution.problem,
            time_limit=seconds,
            buffer=formulation.buffer if isinstance(formulation, BufferEdge) else None,
            constraints=task.constraints is not None,
        )
    except DynoptError:  # what is proved stays proved
        return solution
    return replace(solution, conflict=conflict, seconds=time.monotonic() - began)


def _so_far(task: Task | None, answer: Answer | None, name: str) -> Answer:
    """The best of what a method had reported, and answered if it got so far, when Ctrl-C came."""
    if answer is not None and answer.stopped_by is not StoppedBy.INTERRUPT:  # Ctrl-C came while it was checked
        return answer
    answer = answer or Answer(None, 0.0, StoppedBy.INTERRUPT, name)
    if task is None:
        return answer
    if answer.positions is not None:
        task.report(answer.positions, answer.lower_bound)
    if task.constraints is None:  # what is held, or a start, is better than nothing
        program = task.formulation.program
        for simple in (*task.starts, np.clip(program.previous, program.lower, program.upper)):
            if program.one_sided(simple) and program.keeps_rules(simple):
                task.report(simple)
    known = task.known
    return replace(answer, positions=known.portfolio[1], lower_bound=max(known.lower_bound, answer.lower_bound))


def formulate(problem: Problem, order: NDArray[np.intp], name: str, buffer: float) -> Formulation:
    """The formulation of a problem, its instruments in another order.

    Raises
    ------
    UnknownNameError, InputError
        If there is no such formulation, or its buffer makes no sense.
    """
    if not isinstance(name, str) or name not in FORMULATIONS:
        raise UnknownNameError(f"there is no {name!r}; there are {', '.join(FORMULATIONS)}", field="formulation")
    try:
        return FORMULATIONS[name](problem.program().permuted(order), to_number(buffer, "buffer"))
    except ProgramError as error:
        raise InputError(str(error).split(": ", 1)[-1], field=error.field) from None


def _start(start: Any, problem: Problem) -> FloatArray:
    return np.clip(to_whole(start, problem.instruments, "start"), problem.lower, problem.upper)
