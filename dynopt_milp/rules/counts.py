"""How many: positions held, orders, and one of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dynopt_milp.io.first_few import first_few
from dynopt_milp.rules.arguments import members, names_of, number, of_rule, shown
from dynopt_milp.rules.rule import Rule, rows_between
from dynopt_milp.rules.setting import Setting
from formulations import Rules


@dataclass(frozen=True, slots=True, repr=False)
class MaxHoldings(Rule):
    """Σ 1[kᵢ ≠ 0] ≤ b; see :func:`max_holdings`."""

    most: float
    kind: ClassVar[str] = "max_holdings"
    raised: ClassVar[tuple[str, ...]] = ("most",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ 1[kᵢ ≠ 0] ≤ {shown(self.most)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        return rows_between(setting, None, self.most, "holdings", 1.0)


@dataclass(frozen=True, slots=True, repr=False)
class MaxOrders(Rule):
    """Σ 1[kᵢ ≠ pᵢ] ≤ b; see :func:`max_orders`."""

    most: float
    kind: ClassVar[str] = "max_orders"
    raised: ClassVar[tuple[str, ...]] = ("most",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ 1[kᵢ ≠ pᵢ] ≤ {shown(self.most)}"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        return rows_between(setting, None, self.most, "orders", 1.0)


@dataclass(frozen=True, slots=True, repr=False)
class OneOf(Rule):
    """Σ 1[kᵢ ≠ 0] of some instruments at most one; see :func:`one_of`."""

    names: tuple[str, ...]
    kind: ClassVar[str] = "one_of"

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ 1[kᵢ ≠ 0] of {first_few(self.names)} ≤ 1"

    def parts(self, setting: Setting) -> Rules:
        """A row."""
        return rows_between(setting, None, 1.0, "holdings", np.where(members(self.names, setting.instruments), 1.0, 0))


def max_holdings(most: int) -> Rule:
    """At most so many instruments are held: Σ 1[kᵢ ≠ 0] ≤ most.

    Parameters
    ----------
    most : int
        Not negative.

    Raises
    ------
    RulesError
        If it is negative, fractional or no number.
    """
    with of_rule("max_holdings"):
        return MaxHoldings(number(most, "most", least=0.0, whole=True))


def max_orders(most: int) -> Rule:
    """At most so many instruments trade in this rebalance: Σ 1[kᵢ ≠ pᵢ] ≤ most.

    Parameters
    ----------
    most : int
        Not negative.

    Raises
    ------
    RulesError
        If it is negative, fractional or no number.
    """
    with of_rule("max_orders"):
        return MaxOrders(number(most, "most", least=0.0, whole=True))


def one_of(names: Iterable[str]) -> Rule:
    """At most one of these instruments is held.

    Parameters
    ----------
    names : list of str
        Two or more.

    Raises
    ------
    RulesError
        If there are fewer, or one is repeated.
    """
    with of_rule("one_of"):
        return OneOf(names_of(names, least=2))
