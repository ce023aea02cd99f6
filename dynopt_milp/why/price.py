"""What something costs in the objective: a difference of two optima, each proved to a gap."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from dynopt_milp.why.questions import Found


class Price(NamedTuple):
    """How much worse one optimum is than another, in the unit of the objective; never negative.

    Attributes
    ----------
    value : float or None
        None where it does not exist, or was not found in time.
    low, high : float or None
        Between what it lies: both optima are proved to a gap. ``high`` is None where nothing bounds it.
    forbidden : str
        Why it does not exist.
    """

    value: float | None
    low: float
    high: float | None
    forbidden: str = ""

    @property
    def known(self) -> bool:
        """Whether it exists, and was found."""
        return self.value is not None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return self._asdict()


FREE = Price(0.0, 0.0, 0.0)
"""That of what is so anyway."""


def forbidden(why: str) -> Price:
    """That of what is not allowed."""
    return Price(None, 0.0, None, why)


def price_of(worse: Found, better: Found) -> Price:
    """How much worse one is than the other, where both were asked for and have portfolios if they were found."""
    low = max(worse.lower_bound - better.objective, 0.0)
    if worse.contracts is None or better.contracts is None:
        return Price(None, low if math.isfinite(low) else 0.0, None)
    value = max(worse.objective - better.objective, 0.0)
    return Price(value, min(low, value), max(worse.objective - better.lower_bound, value))
