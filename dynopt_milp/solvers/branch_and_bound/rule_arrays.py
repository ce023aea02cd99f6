"""The rules of a program as arrays for compiled code, and which of its contracts rules tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.solvers.branch_and_bound.coupling import CapArrays, RowArrays
from dynopt_milp.solvers.branch_and_bound.merge import PARALLEL, WHOLE_RATIO
from formulations import FloatArray, Rules, TrackingProgram

NO_RULES = Rules()


def row_arrays(program: TrackingProgram) -> RowArrays:
    """The rows."""
    rows, size = (program.rules or NO_RULES).rows, program.size
    coefficients, limit = np.zeros((len(rows), 5, size)), np.zeros(len(rows))
    first, start = np.zeros((len(rows), size)), np.zeros((len(rows), size + 1), dtype=np.int64)
    tables: list[FloatArray] = []
    entries = 0
    for r, row in enumerate(rows):
        coefficients[r], limit[r] = row.coefficients, row.limit
        if row.tables is not None:
            first[r], start[r] = row.tables.first, row.tables.start + entries
            tables.append(row.tables.table)
            entries += row.tables.table.size
    return RowArrays(coefficients, limit, first, start, np.concatenate([np.empty(0), *tables]))


def cap_arrays(program: TrackingProgram) -> CapArrays:
    """The norm caps."""
    caps, size = (program.rules or NO_RULES).caps, program.size
    factor = np.ascontiguousarray(np.concatenate([np.empty((0, size)), *(cap.factor for cap in caps)]))
    begin = np.concatenate([[0], np.cumsum([len(cap.factor) for cap in caps])]).astype(np.int64)
    centre = np.zeros((len(caps), size))
    for s, cap in enumerate(caps):
        centre[s] = program.zero + cap.centre
    limit = np.array([cap.limit for cap in caps], dtype=np.float64)
    residual = np.array([0.0 if cap.residual is None else cap.residual.size for cap in caps], dtype=np.float64)
    return CapArrays(factor, begin, centre, limit, residual)


def told_apart(program: TrackingProgram, gram: FloatArray) -> NDArray[np.bool_]:
    """Which pairs of contracts a norm cap does not see as whole multiples of each other, as the tracking error does.

    Shape (n, n), or empty if there is no rule for more than one position.
    """
    rules = program.rules or NO_RULES
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
