"""Sums with coefficients of one's own: margin, and exposure to anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import InputError
from dynopt_milp.rules.arguments import (
    Amounts,
    amounts,
    bounds,
    by_instrument,
    number,
    of_rule,
    share,
    shown,
    shown_between,
)
from dynopt_milp.rules.rule import Rule, rows_between
from dynopt_milp.rules.setting import Setting
from formulations import FloatArray, Rules

MOST_MARGIN = 1.0
"""Of capital. What is more looks like per cent."""


@dataclass(frozen=True, slots=True, repr=False)
class Margin(Rule):
    """Σ mᵢ|kᵢ| ≤ b; see :func:`margin`."""

    per_contract: Amounts | None
    budget: float
    kind: ClassVar[str] = "margin"
    raised: ClassVar[tuple[str, ...]] = ("budget",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ mᵢ|kᵢ| ≤ {shown(self.budget)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        per_contract = margins_of(self.per_contract, setting, np.ones(setting.size, dtype=bool))
        return rows_between(setting, None, self.budget, "gross", per_contract)


@dataclass(frozen=True, slots=True, repr=False)
class Exposure(Rule):
    """l ≤ Σ aᵢkᵢ ≤ b; see :func:`exposure`."""

    coefficients: Amounts
    lower: float | None
    upper: float | None
    kind: ClassVar[str] = "exposure"
    raised: ClassVar[tuple[str, ...]] = ("upper",)
    lowered: ClassVar[tuple[str, ...]] = ("lower",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return shown_between("Σ aᵢkᵢ", self.lower, self.upper)

    def parts(self, setting: Setting) -> Rules:
        """A row for each bound."""
        coefficients = by_instrument(self.coefficients, setting.instruments, "coefficients", missing=0.0)
        return rows_between(setting, self.lower, self.upper, "net", coefficients)


def margin(per_contract: Any = None, budget: float | None = None) -> Rule:
    """Margin of all positions at most: Σ mᵢ|kᵢ| ≤ budget.

    Parameters
    ----------
    per_contract : number, Series or dict, optional
        m ≥ 0, for all, or by instrument; then every instrument of the problem has one. Default: ``Problem.margin``, the
        margin column of a market's specifications or of targets.
    budget : float
        Not negative, in the currency of ``per_contract``; without one a share of capital.

    Raises
    ------
    RulesError
        If a number is negative, not finite or none, or a share of capital looks like per cent.
    """
    with of_rule("margin"):
        if budget is None:
            raise InputError("is missing", field="budget")
        if per_contract is None:
            return Margin(None, share(budget, "budget", MOST_MARGIN))
        return Margin(amounts(per_contract, "per_contract", least=0.0), number(budget, "budget", least=0.0))


def margins_of(per_contract: Amounts | None, setting: Setting, needed: NDArray[np.bool_]) -> FloatArray:
    """The margins of a rule, or those of the problem, shape (n,); zero where one is not ``needed``.

    Raises
    ------
    InputError
        If one that is needed is not known.
    """
    if per_contract is not None:
        found = by_instrument(per_contract, setting.instruments, "per_contract", missing=None if needed.all() else 0.0)
    elif setting.margin is None:
        raise InputError(
            "is missing, and no margins are known; give it, or them (the column margin of targets or specifications, "
            "Problem.margin)",
            field="per_contract",
        )
    else:
        found = setting.margin
    lacking = needed & np.isnan(found)
    if lacking.any():
        name = setting.instruments[int(np.argmax(lacking))]
        raise InputError("has no margin; give it one (the column margin of targets or specifications, Problem.margin)",
                         field="per_contract", instrument=name)  # fmt: skip
    return np.where(needed, found, 0.0)


def exposure(coefficients: Any, lower: float | None = None, upper: float | None = None) -> Rule:
    """Exposure to anything between bounds: lower ≤ Σ aᵢkᵢ ≤ upper, with a beta, DV01 or currency of a contract.

    Parameters
    ----------
    coefficients : number, Series or dict
        a, for all, or by instrument; that of instruments without a label is zero.
    lower, upper : float, optional
        In the unit of ``coefficients``; at least one of them.

    Raises
    ------
    RulesError
        If a number is not finite or none, no bound is given, or they cross.
    """
    with of_rule("exposure"):
        return Exposure(amounts(coefficients, "coefficients"), *bounds(lower, upper))
