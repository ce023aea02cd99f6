"""Exact, by whatever proves it soonest: the package's own branch and bound, or SCIP where constraints are added."""

from __future__ import annotations

from dynopt_milp.errors import UnsupportedError
from dynopt_milp.solution import StoppedBy
from dynopt_milp.solvers.branch_and_bound import solve_branch_and_bound
from dynopt_milp.solvers.task import Answer, Task


def solve_exact(task: Task) -> Answer:
    """Branch and bound if limits are all there is, SCIP with constraints of the user's own.

    What was used is the answer's ``solver``. SCIP also takes what has too many positions for the branch and bound's
    tables, and what it leaves open because of round-off (portfolios on the very edge of a buffer, say).

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If a solver fails before there is any answer.
    """
    if task.constraints is None:
        try:
            answer = solve_branch_and_bound(task)
        except UnsupportedError:
            pass
        else:
            if answer.stopped_by is not StoppedBy.PRECISION:
                return answer
    from dynopt_milp.solvers.scip import solve_scip

    return solve_scip(task)
