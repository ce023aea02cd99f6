"""Contracts that nothing keeps from being held against each other: two sizes of one, free of cost and without limits.

Adding a hundred of the one and selling a thousand of the other changes neither risk nor cost, as far as float64 can
tell. In exact arithmetic it does, by what round-off is worth, so that the best of all portfolios may be billions of
contracts away. Nobody wants that one: it is not looked for, and that is said.
"""

from __future__ import annotations

import itertools

import numpy as np

from dynopt_milp.io.first_few import first_few
from dynopt_milp.solvers.branch_and_bound.merge import FARTHEST, WHOLE_RATIO
from formulations import TrackingProgram


def note_on_free_sizes(program: TrackingProgram, instruments: tuple[str, ...]) -> str:
    """What has to be said of such contracts; empty if there are none."""
    costly = program.cost if program.holding is None else program.cost + program.holding
    if np.count_nonzero(costly) == program.size:
        return ""
    free = np.flatnonzero((costly == 0) & (program.lengths > 0) & (np.isinf(program.lower) | np.isinf(program.upper)))
    if free.size < 2:
        return ""
    up, down = np.isinf(program.upper), np.isinf(program.lower)
    against = set()
    for one, other in itertools.combinations(free[np.argsort(program.lengths[free], kind="stable")], 2):
        short, long = program.factor[:, one], program.factor[:, other]
        ratio = np.rint(long @ short / (short @ short))
        apart = float(np.linalg.norm(long - ratio * short))
        if ratio == 0 or apart > WHOLE_RATIO * program.lengths[other]:
            continue
        rises, falls = (up, down) if ratio > 0 else (down, up)  # whether the risk of the other does without limit
        if (up[one] and falls[other]) or (down[one] and rises[other]):
            against |= {one, other}
    names = [instruments[place] for place in sorted(against)]
    if not names:
        return ""
    return (
        f"{first_few(names)}: sizes of one contract, free to trade and without limits, so that nothing bounds what is "
        "held of one against the other; portfolios more "
        f"than {FARTHEST:,.0f} contracts from the target were not looked at"
    )
