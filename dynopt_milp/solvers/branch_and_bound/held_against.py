"""Contracts that nothing keeps from being held against each other: two sizes of one, free of cost and without limits.

Adding a hundred of the one and selling a thousand of the other changes neither risk nor cost, as far as float64 can
tell. In exact arithmetic it does, by what round-off is worth, so that the best of all portfolios may be billions of
contracts away. Nobody wants that one: it is not looked for, and that is said.
"""

from __future__ import annotations

import numpy as np

from dynopt_milp.solvers.branch_and_bound.merge import FARTHEST, PARALLEL
from formulations import TrackingProgram


def note_on_free_sizes(program: TrackingProgram, instruments: tuple[str, ...]) -> str:
    """What has to be said of such contracts; empty if there are none."""
    if program.cost.min() > 0:
        return ""
    free = np.flatnonzero(
        (program.cost == 0) & (program.lengths > 0) & (np.isinf(program.lower) | np.isinf(program.upper))
    )
    if free.size < 2:
        return ""
    columns = program.factor[:, free] / program.lengths[free]
    product = columns.T @ columns
    up, down = np.isinf(program.upper[free]), np.isinf(program.lower[free])
    apart = (up[:, None] & down) | (down[:, None] & up)  # one up, the other down
    together = (up[:, None] & up) | (down[:, None] & down)
    against = ((product > PARALLEL) & apart) | ((product < -PARALLEL) & together)
    np.fill_diagonal(against, False)
    names = [instruments[place] for place in free[against.any(axis=1)]]
    if not names:
        return ""
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return (
        f"{listed}: sizes of one contract, free to trade and without limits, so that nothing bounds what is held of "
        f"one against the other; portfolios more than {FARTHEST:,.0f} contracts from the target were not looked at"
    )
