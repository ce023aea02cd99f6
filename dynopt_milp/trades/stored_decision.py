"""A decision that was written as JSON, read to be made again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynopt_milp.errors import FormatError
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.problem_file import read_content
from dynopt_milp.trades.outcome import FORMAT, Rebalance

SETTINGS = (
    "optimizer", "buffer_rule", "buffer_fraction", "risk_target", "gap", "time_limit", "start", "constraints",
)  # fmt: skip
ABOUT = ("date", "capital", "base_currency", "reference_prices")


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """What a file of trades says.

    Attributes
    ----------
    problem : Problem
    settings : dict
        The further arguments of :func:`~dynopt_milp.rebalance`.
    about : dict
        ``date``, ``capital``, ``base_currency`` and ``reference_prices``, as far as they are there.
    trades : dict
        Contracts traded, by instrument.
    fingerprint : str
        Of the problem and the settings when it was written.
    """

    problem: Problem
    settings: dict[str, Any]
    about: dict[str, Any]
    trades: dict[str, Any]
    fingerprint: str

    def difference(self, again: Rebalance) -> str:
        """In words, how a rebalance differs from this one; empty if it is the same to the same trades."""
        now = again.to_dict()
        if now["fingerprint"] != self.fingerprint:
            return "the problem or the settings are not those that the file was written with: their fingerprint differs"
        if now["trades"] != self.trades:
            return f"the same problem and settings had other trades when the file was written: {self.trades}"
        return ""


def read_decision(path: Path) -> StoredDecision:
    """Read the trades that :func:`~dynopt_milp.trades.write_trades` wrote as JSON.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    FormatError
        If it is not such a file, or has no trades because the run had failed.
    InputError
        If what it says is not a problem.
    """
    return decision_of(read_content(path), str(path))


def is_decision(content: Any) -> bool:
    """Whether this is the content of a file of trades."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def decision_of(content: Any, source: str) -> StoredDecision:
    """The decision of the content of a file; ``source`` names it in errors.

    Raises
    ------
    FormatError, InputError
        As :func:`read_decision`.
    """
    if not is_decision(content):
        raise FormatError(f"expected the format {FORMAT!r}", field=source)
    if "problem" not in content:
        raise FormatError(
            f"has no trades to make again; its run ended: {content.get('status')}, {content.get('reason')}",
            field=source,
        )
    for name, kind in (("settings", dict), ("trades", dict), ("fingerprint", str)):
        if not isinstance(content.get(name), kind):
            raise FormatError("is missing, or no trades were written with it", field=f"{source}: {name}")
    settings = content["settings"]
    for name in (*SETTINGS, *settings):
        if name not in settings or name not in SETTINGS:
            what = "is missing" if name not in settings else f"is not known; there are {', '.join(SETTINGS)}"
            raise FormatError(what, field=f"{source}: settings: {name}")
    if settings["constraints"] is not None:
        raise FormatError(
            f"the trades were decided with constraints in Python ({settings['constraints']}); make them again there",
            field=f"{source}: settings: constraints",
        )
    return StoredDecision(
        problem=Problem.from_dict(content["problem"], f"{source}: problem"),
        settings={name: settings[name] for name in SETTINGS},
        about={name: content[name] for name in ABOUT if name in content},
        trades=content["trades"],
        fingerprint=content["fingerprint"],
    )
