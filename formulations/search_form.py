"""How a value depends on tracking error t and cost c, where a search written for this family knows it.

    value = max(t − B, 0) + c                    (`penalty`, with B = 0, and `deadband`)
    value = c if t ≤ B, +inf beyond              (`buffer_edge`)

The branch and bound, the greedy search and the dual bound are written for these two and for no other value. A
formulation whose value is neither has no search form, and is solved through its cvxpy model.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchForm:
    """One of the two values above.

    Attributes
    ----------
    buffer : float
        B ≥ 0, the tracking error that costs nothing, in the unit of the tracking error.
    edge : bool
        Whether the tracking error is a constraint, t ≤ B, and not part of the value.
    """

    buffer: float = 0.0
    edge: bool = False


SUM = SearchForm()
"""Tracking error + cost."""
