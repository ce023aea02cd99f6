"""What can be done about a finding: which setting to change, and in which direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HIGHER, LOWER, ON = "higher", "lower", "on"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing to change.

    Parameters
    ----------
    words : str
        What helps, for people.
    setting : str
        What is changed.
    direction : {"higher", "lower", "on"}
        How.
    """

    words: str
    setting: str
    direction: str


MORE_CAPITAL = Remedy("more capital", "capital", HIGHER)
SMALLER_CONTRACTS = Remedy("smaller contracts", "contract_size", LOWER)
FEWER_INSTRUMENTS = Remedy("fewer instruments", "instruments", LOWER)
LOWER_RISK = Remedy("a lower risk target (`--risk-target`)", "risk_target", LOWER)
FINER_POSITIONS = (MORE_CAPITAL, SMALLER_CONTRACTS, FEWER_INSTRUMENTS)
"""What makes a whole contract a smaller step; says nothing of how eagerly to trade."""

LOWER_MULTIPLIER = Remedy("a lower cost multiplier", "cost_multiplier", LOWER)
LOWER_FRACTION = Remedy("a lower buffer fraction", "buffer_fraction", LOWER)
TRADE_MORE = (LOWER_MULTIPLIER, LOWER_FRACTION)
"""What trades more and tracks closer."""

HIGHER_MULTIPLIER = Remedy("a higher cost multiplier (100 to 200 in the guide)", "cost_multiplier", HIGHER)
BUFFER_ON = Remedy("buffering", "buffer_rule", ON)
HIGHER_FRACTION = Remedy("a higher buffer fraction (0.08 to 0.10 in the guide)", "buffer_fraction", HIGHER)
LESS_OFTEN = Remedy("rarer rebalances", "frequency", LOWER)
TRADE_LESS = (HIGHER_MULTIPLIER, BUFFER_ON, HIGHER_FRACTION, LESS_OFTEN)
"""What trades less and lets the tracking error grow."""

LONGER_CORRELATION = Remedy("a covariance over longer (`--correlation-span`)", "correlation_span", HIGHER)
SHRUNK_CORRELATION = Remedy("shrunk correlations (`--shrinkage`)", "shrinkage", HIGHER)
FEWER_ROLLS = Remedy("less of what rolls many times a year (volatility, energy)", "contracts_rolled", LOWER)
LESS_GROSS = Remedy("less gross exposure", "gross_notional", LOWER)
ONE_SIZE = Remedy("one of two sizes of a contract left out", "instruments", LOWER)
ONE_SIDE = Remedy("limits (`--same-side`, or `long_only` where no target is short)", "limits", ON)
ONE_UNDERLYING = Remedy("sizes of one underlying on one side (`--one-side`)", "one_side", ON)
MORE_TIME = Remedy("more time for each rebalance", "time_limit", HIGHER)


def trade_more(settings: Mapping[str, Any]) -> tuple[Remedy, ...]:
    """Those of :data:`TRADE_MORE` that a run has left."""
    multiplier = settings.get("cost_multiplier") != 0
    fraction = settings["buffer_rule"] is not None and settings.get("buffer_fraction") != 0
    return (LOWER_MULTIPLIER,) * multiplier + (LOWER_FRACTION,) * fraction


def trade_less(settings: Mapping[str, Any]) -> tuple[Remedy, ...]:
    """Those of :data:`TRADE_LESS` that a run has left."""
    buffer = BUFFER_ON if settings["buffer_rule"] is None else HIGHER_FRACTION
    return (HIGHER_MULTIPLIER, buffer) + (LESS_OFTEN,) * (settings.get("frequency") != "monthly")


def listed(remedies: tuple[Remedy, ...]) -> str:
    """In words: a, b or c."""
    *most, last = (remedy.words for remedy in remedies)
    return f"{', '.join(most)} or {last}" if most else last
