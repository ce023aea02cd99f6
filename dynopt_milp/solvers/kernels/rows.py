"""What one position takes of a row (see `formulations.row`)."""

from __future__ import annotations

import numpy as np

from dynopt_milp.compiled import part
from formulations.row import GROSS, HOLDINGS, NET, ORDERS, TURNOVER
from formulations.rule_arrays import RowArrays
from formulations.separable_cost import HELD, ORIGIN, Costs


@part
def term_of(rows: RowArrays, costs: Costs, r: int, i: int, position: float) -> float:
    """aᵣᵢ of a position of contract i."""
    by = rows.coefficients
    away, traded = position - costs.lines[ORIGIN, i], position - costs.lines[HELD, i]
    term: float = by[r, NET, i] * away + by[r, GROSS, i] * abs(away) + by[r, TURNOVER, i] * abs(traded)
    if away != 0:
        term += by[r, HOLDINGS, i]
    if traded != 0:
        term += by[r, ORDERS, i]
    begin, end = rows.start[r, i], rows.start[r, i + 1]
    if end > begin:
        entry = min(max(np.int64(position - rows.first[r, i]), 0), end - begin - 1)
        term += rows.table[begin + entry]
    return term
