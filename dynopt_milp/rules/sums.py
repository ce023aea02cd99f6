"""Sums with coefficients of one's own: margin, and exposure to anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dynopt_milp.rules.arguments import Amounts, amounts, bounds, by_instrument, number, of_rule, shown, shown_between
from dynopt_milp.rules.rule import Rule, rows_between
from dynopt_milp.rules.setting import Setting
from formulations import Rules


@dataclass(frozen=True, slots=True, repr=False)
class Margin(Rule):
    """Σ mᵢ|kᵢ| ≤ b; see :func:`margin`."""

    per_contract: Amounts
    budget: float
    kind: ClassVar[str] = "margin"
    raised: ClassVar[tuple[str, ...]] = ("budget",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ mᵢ|kᵢ| ≤ {shown(self.budget)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        per_contract = by_instrument(self.per_contract, setting.instruments, "per_contract")
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


def margin(per_contract: Any, budget: float) -> Rule:
    """Margin of all positions at most: Σ mᵢ|kᵢ| ≤ budget.

    Parameters
    ----------
    per_contract : number, Series or dict
        m ≥ 0, for all, or by instrument; then every instrument of the problem has one.
    budget : float
        Not negative, in the currency of ``per_contract``.

    Raises
    ------
    RulesError
        If a number is negative, not finite or none.
    """
    with of_rule("margin"):
        return Margin(amounts(per_contract, "per_contract", least=0.0), number(budget, "budget", least=0.0))


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
