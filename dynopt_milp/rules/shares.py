"""Shares of capital: gross and net notional, what is traded, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.rules.arguments import MOST_RISK, MOST_SHARES, bounds, of_rule, share, shown, shown_between
from dynopt_milp.rules.rule import Rule, rows_between
from dynopt_milp.rules.setting import Setting
from formulations import OUTWARD, CostTables, Domain, FloatArray, OrderCost, Row, Rules
from formulations.row import ORDERS

MOST_ENTRIES = 100_000
"""Positions of one instrument that a budget for costs may admit where an order's cost has to be listed."""


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
    """Σ cᵢuᵢ|kᵢ − pᵢ| ≤ b, with what orders cost beside; see :func:`cost`."""

    budget: float
    kind: ClassVar[str] = "cost"
    raised: ClassVar[tuple[str, ...]] = ("budget",)

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"Σ cᵢuᵢ|kᵢ − pᵢ| ≤ {shown(self.budget)}"

    def parts(self, setting: Setting) -> Rules:
        """A row, with a table where the cost of an order has a minimum or an impact."""
        with np.errstate(over="ignore"):
            each = setting.cost * setting.weight
        made = rows_between(setting, None, self.budget, "turnover", each)
        return made if setting.orders is None else self._with_orders(made.rows[0], setting, setting.orders, each)

    def _with_orders(self, row: Row, setting: Setting, orders: OrderCost, each: FloatArray) -> Rules:
        """The row with what orders cost, too, and how many contracts of each the budget admits at most."""
        most = np.full(setting.size, np.inf)
        with np.errstate(divide="ignore"):
            for unit, power in ((each, 1), (orders.impact, 2 / 3)):
                paid = (self.budget / unit[unit > 0]) ** power
                most[unit > 0] = np.minimum(most[unit > 0], np.floor(paid * (1 + OUTWARD)))
        falls = (orders.least > 0) & (orders.commission > 0)
        listed, tables = falls | (orders.impact > 0), {}
        for place in np.flatnonzero(listed):
            held = setting.previous[place]
            first = max(held - most[place], setting.lower[place])
            last = min(held + most[place], setting.upper[place])
            if not last - first < MOST_ENTRIES:
                raise InputError(
                    "the budget admits more contracts than can be listed, and their orders have a minimum or an "
                    "impact; give limits (lower and upper)", field="budget", instrument=setting.instruments[place],
                )  # fmt: skip
            points = np.arange(first, max(first, last) + 1)
            least = orders.least[place] if falls[place] else 0.0
            bare = OrderCost.of(1, least=least, commission=orders.commission[place], impact=orders.impact[place])
            tables[int(place)] = first, bare.of_orders(np.abs(points - held)[:, None])[:, 0]
        by = row.coefficients.copy()
        by[ORDERS] = orders.fee + np.where(falls, 0.0, orders.least)
        made = Row(by, row.limit, CostTables.of(setting.size, tables) if tables else None)
        domain = Domain.of(setting.size, most_order=np.where(listed, most, np.inf))
        return Rules(rows=(made,), domain=domain if domain.some.any() else None)


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

    What orders cost beside their contracts (``OrderCosts``) is part of it.

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
