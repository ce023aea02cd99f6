"""What is unusual about a run: the guide's typical values and red flags, each with its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

# The guide's monitoring section: typical values and red flags.
TYPICAL_TRACKING_ERROR = (0.001, 0.01)  # annual, share of capital
TYPICAL_ADJUSTMENT = (0.3, 0.8)
TYPICAL_TURNOVER = (50.0, 500.0)  # contracts a year
HIGH_TRACKING_ERROR = 0.02
HIGH_TURNOVER = 1000.0
UNOPTIMISED = ("unrounded", "rounded")
"""Optimizers that do not optimise: hold the target positions, in fractions or rounded."""
SMALL_CAPITAL = 500_000.0  # the guide calls portfolios above this large

LESS_TURNOVER = (
    "raise the cost multiplier (100 to 200), switch buffering on, raise the buffer fraction to 0.08 to 0.10, "
    "or rebalance less often"
)
CLOSER_TRACKING = "use more capital, smaller contracts or fewer instruments, or lower the cost multiplier"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at.

    Parameters
    ----------
    name : str
        What it is about, in a word or two.
    level : {"note", "warning"}
        A note is outside the typical range, a warning is a red flag.
    figure : float
        What was found.
    threshold : str
        What it was held against.
    remedy : str
        What to do.
    """

    name: str
    level: str
    figure: float
    threshold: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return asdict(self)


def findings(performance: Mapping[str, Any], rebalances: pd.DataFrame, settings: Mapping[str, Any]) -> list[Finding]:
    """Everything unusual about a run, warnings first.

    Parameters
    ----------
    performance : mapping
        See :func:`~dynopt_milp.backtests.performance`.
    rebalances : DataFrame
        See :class:`~dynopt_milp.Backtest`.
    settings : mapping
        With ``capital``, ``optimizer`` and ``buffer_rule``.
    """
    found = _unsolved(performance)
    if settings["optimizer"] not in UNOPTIMISED:  # the remedies are those of the optimisation
        found += [
            *_tracking_error(performance),
            *_turnover(performance, settings),
            *_adjustment(rebalances, settings),
        ]
    found += _no_returns(performance)
    return sorted(found, key=lambda finding: finding.level != "warning")


def _unsolved(performance: Mapping[str, Any]) -> list[Finding]:
    found = []
    if performance["num_failed"]:
        found.append(
            Finding(
                "failed rebalances", "warning", performance["num_failed"], "0",
                "see the column 'reason' of the rebalances; held positions were kept on those days",
            )
        )  # fmt: skip
    unproven = performance["num_not_proved"]
    if unproven:
        found.append(
            Finding(
                "rebalances not proven optimal", "warning", unproven, "0",
                "allow more time for each rebalance; the gap says how far from the best they can be",
            )
        )  # fmt: skip
    return found


def _tracking_error(performance: Mapping[str, Any]) -> list[Finding]:
    average = performance["avg_tracking_error"]
    if average is None:
        return []
    if average > HIGH_TRACKING_ERROR:
        return [Finding("tracking error", "warning", average, f"above {HIGH_TRACKING_ERROR:g}", CLOSER_TRACKING)]
    least, most = TYPICAL_TRACKING_ERROR
    if average > most:
        return [Finding("tracking error", "note", average, f"typical {least:g} to {most:g}", CLOSER_TRACKING)]
    return []


def _turnover(performance: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Finding]:
    annual = performance["annual_turnover"]
    if annual is None:
        return []
    if annual > HIGH_TURNOVER and settings["capital"] < SMALL_CAPITAL:
        return [Finding("turnover", "warning", annual, f"above {HIGH_TURNOVER:g} contracts a year", LESS_TURNOVER)]
    least, most = TYPICAL_TURNOVER
    if annual > most:
        return [Finding("turnover", "note", annual, f"typical {least:g} to {most:g} contracts a year", LESS_TURNOVER)]
    if annual < least:
        remedy = "little trades: if forecasts move, lower the cost multiplier or the buffer fraction"
        return [Finding("turnover", "note", annual, f"typical {least:g} to {most:g} contracts a year", remedy)]
    return []


def _adjustment(rebalances: pd.DataFrame, settings: Mapping[str, Any]) -> list[Finding]:
    factors = rebalances["adjustment_factor"].dropna()
    if settings["buffer_rule"] != "book" or factors.empty:
        return []
    average = float(factors.mean())
    if (factors >= 1.0).all():
        remedy = "buffering does nothing: raise the buffer fraction to 0.08 to 0.10"
        return [Finding("adjustment factor", "warning", 1.0, "always 1", remedy)]
    least, most = TYPICAL_ADJUSTMENT
    if not least <= average <= most:
        remedy = "few trades get through: lower the buffer fraction" if average < least else "raise the buffer fraction"
        return [Finding("adjustment factor", "note", average, f"typical {least:g} to {most:g}", remedy)]
    return []


def _no_returns(performance: Mapping[str, Any]) -> list[Finding]:
    if performance["annualized_volatility"]:
        return []
    remedy = (
        "nothing was ever held: check that instruments have prices on the same days, use fewer instruments, longer "
        "data or more capital"
    )
    return [Finding("zero returns", "warning", 0.0, "not 0", remedy)]
