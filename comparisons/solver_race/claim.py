"""What a solver says."""

from __future__ import annotations

import math
from dataclasses import dataclass

from formulations import FloatArray

OPTIMAL, INFEASIBLE, TIME, LICENCE, ERROR = "optimal", "infeasible", "time limit", "licence", "error"


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """The answer of one solver and what it says of it.

    Attributes
    ----------
    positions : array of float, shape (n,), or None
        Whole contracts, in the order of the problem's instruments.
    claimed : str
        ``optimal``, ``infeasible``, ``time limit``, ``licence`` (it does not allow this size), ``error``, or the
        solver's own word.
    seconds : float
        Wall time of building and solving.
    lower_bound : float
        In units of the problem; nan where it tells none.
    nodes : int
    """

    positions: FloatArray | None
    claimed: str
    seconds: float = math.nan
    lower_bound: float = math.nan
    nodes: int = 0
