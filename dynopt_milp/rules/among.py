"""Rules of some instruments of a market: who is not there on a day is left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from typing import Any

from dynopt_milp.errors import RulesError
from dynopt_milp.rules.combined import rules_of
from dynopt_milp.rules.risks import Covariance
from dynopt_milp.rules.rule import Rule


def rules_among(value: Any, instruments: Sequence[str], known: Sequence[str]) -> tuple[Rule, ...]:
    """The rules as they are for some instruments: names and numbers of others are left out, and rules of others alone.

    Parameters
    ----------
    value : list or tuple of Rule, Rule, or None
    instruments : sequence of str
        That are there.
    known : sequence of str
        That could be; arrays have their order.

    Raises
    ------
    RulesError
        If it is anything else, or names an instrument that is not known.
    """
    there, every, found = frozenset(instruments), frozenset(known), []
    for rule in rules_of(value, tuple(known)):
        for name in names_in(rule):
            if name not in every:
                raise RulesError(f"{rule.kind}: is not among the instruments", field="rules", instrument=name)
        left = _left_of(rule, there)
        found += [] if left is None else [left]
    return tuple(found)


def names_in(rule: Rule) -> list[str]:
    """All instruments that a rule names, in its lists and by its numbers."""
    return [name for field in fields(rule) for name in _names(getattr(rule, field.name))]  # type: ignore[arg-type]


def _left_of(rule: Rule, there: Collection[str]) -> Rule | None:
    """The rule without the names of others; None if an argument would name nobody."""
    changed: dict[str, Any] = {}
    for field in fields(rule):  # type: ignore[arg-type]
        value = getattr(rule, field.name)
        names = _names(value)
        if not names or all(name in there for name in names):
            continue
        if not any(name in there for name in names):
            return None
        if isinstance(value, Covariance):
            places = [place for place, name in enumerate(names) if name in there]
            rows = tuple(tuple(value.rows[row][column] for column in places) for row in places)
            changed[field.name] = Covariance(tuple(names[place] for place in places), rows)
        else:
            changed[field.name] = tuple(entry for entry, name in zip(value, names, strict=True) if name in there)
    return replace(rule, **changed) if changed else rule  # type: ignore[type-var]


def _names(value: Any) -> tuple[str, ...]:
    """Those of an argument: of a list of them, of numbers by instrument, of a covariance."""
    if isinstance(value, Covariance):
        return value.instruments
    if not isinstance(value, tuple):
        return ()
    return tuple(entry if isinstance(entry, str) else entry[0] for entry in value)
