"""A decision that was written as JSON, read to be made again."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynopt_milp.errors import FormatError
from dynopt_milp.io.labelled import positive
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.problem_file import read_content
from dynopt_milp.trades.outcome import FORMAT, Rebalance, is_record

SETTINGS = (
    "optimizer", "buffer_rule", "buffer_fraction", "risk_target", "gap", "time_limit", "start", "constraints",
)  # fmt: skip
ABOUT = ("date", "capital", "base_currency", "preset", "reference_prices", "suspects", "days_since_price")


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """What a file of trades says.

    Attributes
    ----------
    problem : Problem
    settings : dict
        The further arguments of :func:`~dynopt_milp.rebalance`.
    about : dict
        ``date``, ``capital``, ``base_currency``, ``preset`` (in words), ``reference_prices``, ``suspects`` and
        ``days_since_price``, as far as they are there.
    notes : tuple of str
        What was said of the input when it was decided.
    trades : dict
        Contracts traded, by instrument.
    fingerprint : str
        Of the problem and the settings when it was written.
    """

    problem: Problem
    settings: dict[str, Any]
    about: dict[str, Any]
    notes: tuple[str, ...]
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


def read_decision(path: str | Path) -> StoredDecision:
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
    return decision_of(read_content(Path(path)), str(path))


def decision_of(content: Any, source: str) -> StoredDecision:
    """The decision of the content of a file; ``source`` names it in errors.

    Raises
    ------
    FormatError, InputError
        As :func:`read_decision`.
    """
    if not is_record(content):
        raise FormatError(f"expected the format {FORMAT!r}", field=source)
    if "problem" not in content:
        status, reason = content.get("status"), content.get("reason")
        raise FormatError(
            f"has no trades to make again; {reason if status == 'running' else f'its run ended: {status}, {reason}'}",
            field=source,
        )
    for name, kind in (("settings", dict), ("trades", dict), ("fingerprint", str)):
        if not isinstance(content.get(name), kind):
            raise FormatError("is missing, or no trades were written with it", field=f"{source}: {name}")
    problem = Problem.from_dict(content["problem"], f"{source}: problem")
    _check_about(content, problem, source)
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
        problem=problem,
        settings={name: settings[name] for name in SETTINGS},
        about={name: content[name] for name in ABOUT if name in content},
        notes=tuple(map(str, content.get("notes") or ())),
        trades=content["trades"],
        fingerprint=content["fingerprint"],
    )


def _check_about(content: dict[str, Any], problem: Problem, source: str) -> None:
    """Refuse what is said beside the problem where it cannot be true."""
    if "capital" in content:
        capital = positive(content["capital"], f"{source}: capital")
        if problem.capital is not None and capital != problem.capital:
            raise FormatError(
                f"is {capital:.15g}, and that of the problem {problem.capital:.15g}; one of them was changed",
                field=f"{source}: capital",
            )
    if "base_currency" in content:
        currency = content["base_currency"]
        if not isinstance(currency, str) or not currency.strip():
            raise FormatError(f"expected a currency such as USD, found {currency!r}", field=f"{source}: base_currency")
    if "date" in content:
        date = content["date"]
        try:
            datetime.datetime.fromisoformat(date)
        except (TypeError, ValueError):
            raise FormatError(f"expected a date such as 2026-01-31, found {date!r}", field=f"{source}: date") from None
    if "reference_prices" in content:
        prices = content["reference_prices"]
        if not isinstance(prices, dict):
            raise FormatError(
                f"expected a number for each of some instruments, found {prices!r}", field=f"{source}: reference_prices"
            )
        for name, price in prices.items():
            if name not in problem.instruments:
                raise FormatError("is no instrument of the problem", field=f"{source}: reference_prices: {name}")
            positive(price, f"{source}: reference_prices: {name}")
