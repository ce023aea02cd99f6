"""Which sizes a position or an order may have: lots, least and largest ones.

Instruments that have one position left by their limits are exempt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dynopt_milp.rules.arguments import Amounts, amounts, by_instrument, of_rule, shown_amounts
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.setting import Setting
from formulations import Domain, Rules


class Size(Rule):
    """A rule of each position by itself; ``contracts`` are those of the instruments that it is for.

    Attributes
    ----------
    form : str
        The argument of ``Domain.of``.
    free : float
        What that is where there is no rule.
    """

    __slots__ = ()
    contracts: Amounts
    form: ClassVar[str]
    free: ClassVar[float]

    def parts(self, setting: Setting) -> Rules:
        """A domain."""
        contracts = by_instrument(self.contracts, setting.instruments, "contracts", missing=self.free)
        return Rules(domain=Domain.of(setting.size, **{self.form: np.where(setting.frozen, self.free, contracts)}))


@dataclass(frozen=True, slots=True, repr=False)
class Lot(Size):
    """kᵢ a multiple of ℓᵢ; see :func:`lot`."""

    contracts: Amounts
    kind: ClassVar[str] = "lot"
    form: ClassVar[str] = "lot"
    free: ClassVar[float] = 1.0

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"kᵢ a multiple of {shown_amounts(self.contracts, 'ℓᵢ')}"


@dataclass(frozen=True, slots=True, repr=False)
class MinPosition(Size):
    """kᵢ = 0 or |kᵢ| ≥ mᵢ; see :func:`min_position`."""

    contracts: Amounts
    kind: ClassVar[str] = "min_position"
    lowered: ClassVar[tuple[str, ...]] = ("contracts",)
    form: ClassVar[str] = "least"
    free: ClassVar[float] = 0.0

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"kᵢ = 0 or |kᵢ| ≥ {shown_amounts(self.contracts, 'mᵢ')}"


@dataclass(frozen=True, slots=True, repr=False)
class MinOrder(Size):
    """kᵢ = pᵢ, kᵢ = 0 or |kᵢ − pᵢ| ≥ sᵢ; see :func:`min_order`."""

    contracts: Amounts
    kind: ClassVar[str] = "min_order"
    lowered: ClassVar[tuple[str, ...]] = ("contracts",)
    form: ClassVar[str] = "least_order"
    free: ClassVar[float] = 0.0

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"kᵢ = pᵢ, kᵢ = 0 or |kᵢ − pᵢ| ≥ {shown_amounts(self.contracts, 'sᵢ')}"


@dataclass(frozen=True, slots=True, repr=False)
class MaxOrder(Size):
    """|kᵢ − pᵢ| ≤ Sᵢ; see :func:`max_order`."""

    contracts: Amounts
    kind: ClassVar[str] = "max_order"
    raised: ClassVar[tuple[str, ...]] = ("contracts",)
    form: ClassVar[str] = "most_order"
    free: ClassVar[float] = math.inf

    @property
    def formula(self) -> str:
        """In symbols."""
        return f"|kᵢ − pᵢ| ≤ {shown_amounts(self.contracts, 'Sᵢ')}"


def lot(contracts: Any) -> Rule:
    """Positions are multiples of a lot.

    Parameters
    ----------
    contracts : int, Series or dict
        At least 1, for all, or by instrument; those without a label have no rule.

    Raises
    ------
    RulesError
        If a lot is zero, negative, fractional or no number.
    """
    with of_rule("lot"):
        return Lot(amounts(contracts, "contracts", least=1.0, whole=True))


def min_position(contracts: Any) -> Rule:
    """A position is zero, or has at least so many contracts, long or short.

    Parameters
    ----------
    contracts : int, Series or dict
        Not negative, for all, or by instrument; those without a label have no rule.

    Raises
    ------
    RulesError
        If a number is negative, fractional or none.
    """
    with of_rule("min_position"):
        return MinPosition(amounts(contracts, "contracts", least=0.0, whole=True))


def min_order(contracts: Any) -> Rule:
    """An order has at least so many contracts, unless it closes the position.

    Parameters
    ----------
    contracts : int, Series or dict
        Not negative, for all, or by instrument; those without a label have no rule.

    Raises
    ------
    RulesError
        If a number is negative, fractional or none.
    """
    with of_rule("min_order"):
        return MinOrder(amounts(contracts, "contracts", least=0.0, whole=True))


def max_order(contracts: Any) -> Rule:
    """An order has at most so many contracts; to close a larger position then takes several rebalances.

    Parameters
    ----------
    contracts : int, Series or dict
        Not negative, for all, or by instrument; those without a label have no rule.

    Raises
    ------
    RulesError
        If a number is negative, fractional or none.
    """
    with of_rule("max_order"):
        return MaxOrder(amounts(contracts, "contracts", least=0.0, whole=True))
