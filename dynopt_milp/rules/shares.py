"""Shares of capital: gross and net notional, what is traded, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dynopt_milp.rules.arguments import MOST_RISK, MOST_SHARES, bounds, of_rule, share, shown, shown_between
from dynopt_milp.rules.rule import Rule, rows_between
from dynopt_milp.rules.setting import Setting
from formulations import Rules


@dataclass(frozen=True, slots=True, repr=False)
class Gross(Rule):
    """Σ uᵢ|kᵢ| ≤ b; see :func:`gross`."""

    limit: float
    kind: ClassVar[str] = "gross"
    raised: ClassVar[tuple[str, ...]] = ("limit",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ uᵢ|kᵢ| ≤ {shown(self.limit)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        return rows_between(setting, None, self.limit, "gross", setting.weight)


@dataclass(frozen=True, slots=True, repr=False)
class Net(Rule):
    """l ≤ Σ uᵢkᵢ ≤ b; see :func:`net`."""

    lower: float | None
    upper: float | None
    kind: ClassVar[str] = "net"
    raised: ClassVar[tuple[str, ...]] = ("upper",)
    lowered: ClassVar[tuple[str, ...]] = ("lower",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return shown_between("Σ uᵢkᵢ", self.lower, self.upper)

    def parts(self, setting: Setting) -> Rules:
        """A row for each bound."""
        return rows_between(setting, self.lower, self.upper, "net", setting.weight)


@dataclass(frozen=True, slots=True, repr=False)
class Turnover(Rule):
    """Σ uᵢ|kᵢ − pᵢ| ≤ b; see :func:`turnover`."""

    limit: float
    kind: ClassVar[str] = "turnover"
    raised: ClassVar[tuple[str, ...]] = ("limit",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ uᵢ|kᵢ − pᵢ| ≤ {shown(self.limit)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        return rows_between(setting, None, self.limit, "turnover", setting.weight)


@dataclass(frozen=True, slots=True, repr=False)
class Cost(Rule):
    """Σ cᵢuᵢ|kᵢ − pᵢ| ≤ b; see :func:`cost`."""

    budget: float
    kind: ClassVar[str] = "cost"
    raised: ClassVar[tuple[str, ...]] = ("budget",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ cᵢuᵢ|kᵢ − pᵢ| ≤ {shown(self.budget)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        with np.errstate(over="ignore"):
            each = setting.cost * setting.weight
        return rows_between(setting, None, self.budget, "turnover", each)


def gross(limit: float) -> Rule:
    """Gross notional at most: Σ uᵢ|kᵢ| ≤ limit.

    Parameters
    ----------
    limit : float
        Share of capital, not negative, at most 100.

    Raises
    ------
    RulesError
        If it is anything else; above 100 it looks like per cent.
    """
    with of_rule("gross"):
        return Gross(share(limit, "limit", MOST_SHARES))


def net(lower: float | None = None, upper: float | None = None) -> Rule:
    """Net notional between bounds: lower ≤ Σ uᵢkᵢ ≤ upper.

    Parameters
    ----------
    lower, upper : float, optional
        Shares of capital, −100 to 100; at least one of them.

    Raises
    ------
    RulesError
        If one is anything else, none is given, or they cross.
    """
    with of_rule("net"):
        return Net(*bounds(lower, upper, most=MOST_SHARES))


def turnover(limit: float) -> Rule:
    """Notional that is traded in this rebalance at most: Σ uᵢ|kᵢ − pᵢ| ≤ limit.

    Parameters
    ----------
    limit : float
        Share of capital, not negative, at most 100.

    Raises
    ------
    RulesError
        If it is anything else; above 100 it looks like per cent.
    """
    with of_rule("turnover"):
        return Turnover(share(limit, "limit", MOST_SHARES))


def cost(budget: float) -> Rule:
    """Cost of the trades of this rebalance at most: Σ cᵢuᵢ|kᵢ − pᵢ| ≤ budget, without λ.

    Parameters
    ----------
    budget : float
        Share of capital, not negative, at most 5.

    Raises
    ------
    RulesError
        If it is anything else; above 5 it looks like per cent.
    """
    with of_rule("cost"):
        return Cost(share(budget, "budget", MOST_RISK))
