"""Which contracts of a program its rules tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.solvers.branch_and_bound.merge import PARALLEL, WHOLE_RATIO
from formulations import FloatArray, Rules, TrackingProgram


def told_apart(program: TrackingProgram, gram: FloatArray) -> NDArray[np.bool_]:
    """Which pairs of contracts a norm cap does not see as whole multiples of each other, as the tracking error does.

    Shape (n, n), or empty if there is no rule for more than one position.
    """
    rules = program.rules or Rules()
    if not rules.coupled:
        return np.zeros((0, 0), dtype=np.bool_)
    unlike = np.zeros((program.size, program.size), dtype=np.bool_)
    length = np.sqrt(gram.diagonal())
    alike = (np.abs(gram) > PARALLEL * np.outer(length, length)) & (gram != 0)
    for one, other in zip(*np.nonzero(np.triu(alike, 1)), strict=True):
        short, long = (one, other) if length[one] <= length[other] else (other, one)
        ratio = np.rint(gram[long, short] / gram[short, short])
        for cap in rules.caps:
            apart = np.linalg.norm(cap.factor[:, long] - ratio * cap.factor[:, short])
            if apart > WHOLE_RATIO * np.linalg.norm(cap.factor[:, long]):
                unlike[one, other] = unlike[other, one] = True
    return unlike
