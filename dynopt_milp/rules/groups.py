"""A sum over some instruments: a sector, a currency, an exchange."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.io.first_few import first_few
from dynopt_milp.io.labelled import one_of
from dynopt_milp.rules.arguments import (
    MOST_SHARES,
    Amounts,
    amounts,
    bounds,
    members,
    names_of,
    of_rule,
    shown_between,
)
from dynopt_milp.rules.rule import Rule, rows_between
from dynopt_milp.rules.setting import Setting
from dynopt_milp.rules.sums import margins_of
from formulations import Rules

TERMS = {"net": "uᵢkᵢ", "gross": "uᵢ|kᵢ|", "contracts": "kᵢ", "margin": "mᵢ|kᵢ|"}
"""What is added up, by what ``of`` calls it."""
FORMS = {"net": "net", "gross": "gross", "contracts": "net", "margin": "gross"}
"""The form of the row."""


@dataclass(frozen=True, slots=True, repr=False)
class Group(Rule):
    """A sum over some instruments between bounds; see :func:`group`."""

    names: tuple[str, ...]
    lower: float | None
    upper: float | None
    of: str
    per_contract: Amounts | None
    kind: ClassVar[str] = "group"
    raised: ClassVar[tuple[str, ...]] = ("upper",)
    lowered: ClassVar[tuple[str, ...]] = ("lower",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return shown_between(f"Σ {TERMS[self.of]} of {first_few(self.names)}", self.lower, self.upper)

    def parts(self, setting: Setting) -> Rules:
        """A row for each bound."""
        chosen = members(self.names, setting.instruments)
        each = np.ones(setting.size)
        if self.of in ("net", "gross"):
            each = setting.weight
        elif self.of == "margin":
            each = margins_of(self.per_contract, setting, chosen)
        return rows_between(setting, self.lower, self.upper, FORMS[self.of], np.where(chosen, each, 0.0))


def group(
    names: Iterable[str], lower: float | None = None, upper: float | None = None, of: str = "net",
    per_contract: Any = None,
) -> Rule:  # fmt: skip
    """A sum over some instruments between bounds.

    Parameters
    ----------
    names : list of str
        The instruments.
    lower, upper : float, optional
        At least one of them; shares of capital for ``"net"`` and ``"gross"``.
    of : {"net", "gross", "contracts", "margin"}
        Σ uᵢkᵢ, Σ uᵢ|kᵢ|, Σ kᵢ (a signed sum) or Σ mᵢ|kᵢ|.
    per_contract : number, Series or dict, optional
        m ≥ 0, for ``"margin"`` alone, of all of ``names``; bounds are in its currency. Default: as in
        :func:`~dynopt_milp.rules.margin`; bounds are shares of capital then.

    Raises
    ------
    RulesError
        If there are no names or one is repeated, a number is not finite or none, a bound of a sum that cannot be
        negative is, or looks like per cent, no bound is given, or they cross.
    """
    with of_rule("group"):
        chosen, what = names_of(names), one_of(of, TERMS, "of")
        least = 0.0 if FORMS[what] == "gross" else -math.inf
        shares = what in ("net", "gross") or (what == "margin" and per_contract is None)
        most = MOST_SHARES if shares else math.inf
        low, high = bounds(lower, upper, least=least, most=most)
        if per_contract is not None and what != "margin":
            raise InputError("is for of='margin' alone", field="per_contract")
        if per_contract is None:
            return Group(chosen, low, high, what, None)
        each = amounts(per_contract, "per_contract", least=0.0)
        lacking = set(chosen) - {name for name, _ in each} if isinstance(each, tuple) else set()
        if lacking:
            raise InputError("is missing; give every name a number", field="per_contract", instrument=min(lacking))
        return Group(chosen, low, high, what, each)
