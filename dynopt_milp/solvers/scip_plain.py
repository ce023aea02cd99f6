"""SCIP as it comes, for comparison: how much of the speed of `scip` is SCIP's, and how much is what it is given.

The same conic model at the same scale with the same tolerances, priced and bounded in the same way. But SCIP is given
all positions in the box that the first portfolio's value proves by formula, that value as an objective limit and no
portfolio, and every heuristic, separator and presolver is at its default. The first portfolio is that of `scip`; it is
the answer if SCIP finds none that is better, and no local search improves what SCIP finds.
"""

from __future__ import annotations

from dynopt_milp.solvers.scip import solve_with_scip
from dynopt_milp.solvers.task import Answer, Task


def solve_scip_plain(task: Task) -> Answer:
    """Solve to the gap asked for, or say how far it got.

    Raises
    ------
    UnboundedError
        If nothing bounds some of the positions.
    SolverError
        If SCIP fails before there is any answer.
    """
    return solve_with_scip(task, plain=True)
