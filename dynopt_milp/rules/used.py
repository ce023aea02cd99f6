"""How much of each house rule a portfolio uses, and what rules are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dynopt_milp.rules.among import names_in
from dynopt_milp.rules.rule import Rule
from formulations import FloatArray, Rules

MOST_NAMES = 6  # that a rule is told by


@dataclass(frozen=True, slots=True)
class RuleUse:
    """What a portfolio uses of one bound of a rule.

    Attributes
    ----------
    rule : str
        Its name (:func:`rule_names`).
    used, limit : float
        In the unit of the rule.
    at_least : bool
        Whether the limit is a lower one.
    """

    rule: str
    used: float
    limit: float
    at_least: bool


def rule_names(rules: Iterable[Rule]) -> list[str]:
    """What rules are called: the function that makes them, what it names, and a number where that repeats.

    The same from day to day, whatever the numbers of the day.
    """
    found = []
    for rule in rules:
        named = () if rule.kind in BY_ALL else tuple(names_in(rule))[:MOST_NAMES]
        found.append(" ".join([rule.kind, ", ".join(named)]).rstrip())
    total, seen, called = Counter(found), Counter[str](), []
    for name in found:
        seen[name] += 1
        called.append(name if total[name] == 1 else f"{name} ({seen[name]})")
    return called


BY_ALL = ("margin", "exposure", "lot", "min_position", "min_order", "max_order", "tracking_error")
"""Rules whose numbers by instrument are no choice of instruments."""


def rules_used(
    rules: Sequence[Rule], parts: Sequence[Rules], positions: FloatArray, previous: FloatArray, origin: FloatArray
) -> list[RuleUse]:
    """What a portfolio, shape (n,), uses of the rules that are sums or norms; those of single positions have no sum.

    Parameters
    ----------
    rules, parts : sequence
        The rules, and what each is in the program.
    positions, previous, origin : ndarray, shape (n,)
        k, p and the position that counts as none.
    """
    found = []
    for name, rule, part in zip(rule_names(rules), rules, parts, strict=True):
        for number, row in enumerate(part.rows):
            least = getattr(rule, "lower", None) is not None and number == len(part.rows) - 1
            total = float(np.sum(row.terms(positions, previous, origin)))
            found.append(RuleUse(name, *((-total, -row.limit) if least else (total, row.limit)), least))
        found += [
            RuleUse(name, float(cap.norms((positions - origin)[None])[0]), cap.limit, at_least=False)
            for cap in part.caps
        ]
    return found
