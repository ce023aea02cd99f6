"""Rules as a user wrote them before there were any: cvxpy constraints on the positions, with binary variables.

What is counted needs a binary variable z for each instrument, and finite limits l ≤ k ≤ h: l z ≤ k ≤ h z.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from comparisons.rules.known import Known
from formulations import Domain, FloatArray, Row, Rules, TrackingProgram
from formulations.row import GROSS, HOLDINGS, NET, ORDERS, TURNOVER


def as_constraints(program: TrackingProgram, box: Known) -> Callable[[Any], list[Any]]:
    """The rules of a program as a function for ``solve(constraints=)``.

    Parameters
    ----------
    program : TrackingProgram
        With rules; positions that count as none are zero.
    box : Known
        Its limits are those of the binary variables.

    Returns
    -------
    callable
        From the positions, a cvxpy expression of shape (n,), to a list of constraints.
    """
    rules = Rules() if program.rules is None else program.rules
    assert all(convex(row) for row in rules.rows)

    def constraints(k: Any) -> list[Any]:
        import cvxpy as cp

        made: list[Any] = []
        counted: dict[int, Any] = {}

        def differs(form: int, centre: FloatArray) -> Any:
            """Binary variables that are one where k is not the centre."""
            if form not in counted:
                z = counted[form] = cp.Variable(program.size, boolean=True)
                made.append(k - centre <= cp.multiply(np.maximum(box.upper - centre, 0.0), z))
                made.append(k - centre >= cp.multiply(np.minimum(box.lower - centre, 0.0), z))
            return counted[form]

        for row in rules.rows:
            total: Any = 0.0
            by = row.coefficients
            if by[NET].any():
                total += by[NET] @ k
            if by[GROSS].any():
                total += by[GROSS] @ cp.abs(k)
            if by[TURNOVER].any():
                total += by[TURNOVER] @ cp.abs(k - program.previous)
            if by[HOLDINGS].any():
                total += by[HOLDINGS] @ differs(HOLDINGS, np.zeros(program.size))
            if by[ORDERS].any():
                total += by[ORDERS] @ differs(ORDERS, program.previous)
            if not np.isscalar(total):
                made.append(total <= row.limit)
        made += [cp.norm(cap.factor @ k - cap.factor @ cap.centre) <= cap.limit for cap in rules.caps]
        if rules.domain is not None:
            made += _of_sizes(rules.domain, k, program, box)
        return made

    return constraints


def convex(row: Row) -> bool:
    """Whether a row is convex but for what it counts, and has no table."""
    return row.tables is None and bool((row.coefficients[GROSS:] >= 0).all())


def _of_sizes(domain: Domain, k: Any, program: TrackingProgram, box: Known) -> list[Any]:
    """Lots, least positions and orders, and largest orders."""
    import cvxpy as cp

    made: list[Any] = []
    lots = np.flatnonzero(domain.lot > 1)
    if lots.size:
        made.append(k[lots] == cp.multiply(domain.lot[lots], cp.Variable(lots.size, integer=True)))
    limited = np.flatnonzero(np.isfinite(domain.most_order))
    if limited.size:
        made.append(cp.abs(k[limited] - program.previous[limited]) <= domain.most_order[limited])
    least = np.flatnonzero(domain.least > 1)
    if least.size:
        long, short = (cp.Variable(least.size, boolean=True) for _ in range(2))
        size, low, high = domain.least[least], box.lower[least], box.upper[least]
        made.append(k[least] >= cp.multiply(size, long) + cp.multiply(np.minimum(low, 0.0), short))
        made.append(k[least] <= cp.multiply(np.maximum(high, 0.0), long) - cp.multiply(size, short))
        made.append(long + short <= 1)
    orders = np.flatnonzero(domain.least_order > 1)
    if orders.size:
        bought, sold, closed = (cp.Variable(orders.size, boolean=True) for _ in range(3))
        size, held = domain.least_order[orders], program.previous[orders]
        low, high = np.minimum(box.lower[orders] - held, 0.0), np.maximum(box.upper[orders] - held, 0.0)
        traded = k[orders] - held + cp.multiply(held, closed)  # a close is the one small order that is allowed
        made.append(traded >= cp.multiply(size, bought) + cp.multiply(low, sold))
        made.append(traded <= cp.multiply(high, bought) - cp.multiply(size, sold))
        made.append(bought + sold + closed <= 1)
    return made
