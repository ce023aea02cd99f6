"""The rules of a problem: the list at the door, and all of them as parts of one program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dynopt_milp.errors import RulesError
from dynopt_milp.rules.arguments import of_rule
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.setting import Setting
from formulations import Domain, Rules

LARGEST_LOT = 2.0**53
"""Of a multiple of several lots: no position but zero is a multiple of that."""


def rules_of(value: Any, instruments: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules that a problem is given: a list of them, one alone, or None.

    Parameters
    ----------
    value : list or tuple of Rule, Rule, or None
    instruments : tuple of str
        Of the problem, in its order.

    Raises
    ------
    RulesError
        If it is anything else.
    """
    if value is None:
        return ()
    if isinstance(value, Rule):
        value = (value,)
    if not isinstance(value, (list, tuple)):
        raise RulesError(
            f"expected a list of rules, such as [rules.gross(5)], found {type(value).__name__}", field="rules"
        )
    found = []
    for rule in value:
        if not isinstance(rule, Rule):
            name = getattr(rule, "__qualname__", type(rule).__name__)
            raise RulesError(f"expected rules that dynopt_milp.rules makes, found {name}", field="rules")
        with of_rule(rule.kind):
            found.append(rule.labelled(instruments))
    return tuple(found)


def parts_of(rules: Iterable[Rule], setting: Setting) -> tuple[Rules, ...]:
    """What each rule is in a program: rows and caps, or a domain.

    Raises
    ------
    RulesError
        If one names an instrument that the problem does not have, or lacks a number.
    CovarianceError
        If that of one is not a covariance.
    """
    rules, parts = tuple(rules), []
    kinds = [rule.kind for rule in rules]
    for place, rule in enumerate(rules):
        with of_rule(rule.kind if kinds.count(rule.kind) == 1 else f"{rule.kind} (rule {place + 1})"):
            parts.append(rule.parts(setting))
    return tuple(parts)


def combined(parts: Sequence[Rules]) -> Rules | None:
    """All parts in one, rows and caps in their order; None if nothing is left to keep."""
    made = Rules(
        tuple(row for part in parts for row in part.rows),
        tuple(cap for part in parts for cap in part.caps),
        _domain([part.domain for part in parts if part.domain is not None]),
    )
    return made if made else None


def _domain(domains: Sequence[Domain]) -> Domain | None:
    """What all of them allow; None if that is every whole number."""
    if not domains:
        return None
    lots = [math.lcm(*(int(lot) for lot in of_one)) for of_one in zip(*(each.lot for each in domains), strict=True)]
    made = Domain(
        np.array([min(lot, LARGEST_LOT) for lot in lots], dtype=float),
        np.max([each.least for each in domains], axis=0),
        np.max([each.least_order for each in domains], axis=0),
        np.min([each.most_order for each in domains], axis=0),
    )
    return made if made.some.any() else None
