"""House rules of a backtest: a list for all days, or a function of the day."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dynopt_milp.errors import RulesError
from dynopt_milp.io.describe import describe
from dynopt_milp.rules.among import rules_among
from dynopt_milp.rules.rule import Rule


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RebalanceDay:
    """What a function of house rules is told of the day.

    Attributes
    ----------
    date : Timestamp
        Its close is known.
    capital : float
        What positions are sized by, base currency.
    held : Series, by instrument
        Contracts held, of the instruments of the rebalance.
    values : Series, by instrument
        Notional of one contract, base currency.
    volatility : Series, by instrument
        Annual standard deviation of percentage returns.
    costs : Series, by instrument
        Of trading one contract, base currency.
    margins : Series, by instrument
        Of one contract, base currency, as the specifications have them; NaN where they do not.
    """

    date: pd.Timestamp
    capital: float
    held: pd.Series
    values: pd.Series
    volatility: pd.Series
    costs: pd.Series
    margins: pd.Series

    def __repr__(self) -> str:
        return f"<RebalanceDay {self.date:%Y-%m-%d}, {len(self.held)} instruments>"

    @property
    def instruments(self) -> list[str]:
        """Names of the instruments of the rebalance: alive, and with a share of risk or held."""
        return list(self.held.index)


DayRules = Rule | Sequence[Rule] | Callable[[RebalanceDay], Rule | Sequence[Rule] | None]
"""House rules, or one; or a function of the day that returns them."""


def rules_of_day(rules: DayRules | None, day: RebalanceDay, known: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of a day, among its instruments.

    Parameters
    ----------
    rules : list of Rule, Rule, callable or None
        Names that the day does not have are left out.
    day : RebalanceDay
    known : sequence of str
        All instruments of the market.

    Raises
    ------
    RulesError
        If it is anything else, or names an instrument that the market does not have.
    """
    of_day: Any = rules
    if is_function(rules):
        of_day = of_day(day)
    return rules_among(of_day, day.instruments, known)


def of_market(rules: DayRules | None, instruments: Sequence[str], known: Sequence[str]) -> DayRules | None:
    """The rules among some instruments of a market, checked; a function, which is asked on each day, as it is.

    Raises
    ------
    RulesError
        If they are no rules, or a function that takes something else than a day.
    """
    if is_function(rules):
        _check_signature(rules)
        return rules
    return None if rules is None else rules_among(rules, instruments, known)


def _check_signature(rules: Any) -> None:
    """Refuse a function that cannot be called with a day alone."""
    try:
        signature = inspect.signature(rules)
    except (TypeError, ValueError):  # what cannot say is tried
        return
    try:
        signature.bind(None)
    except TypeError:
        raise RulesError(
            f"expected a function of the day (a RebalanceDay) alone, found {describe(rules)}{signature}", field="rules"
        ) from None


def is_function(rules: Any) -> bool:
    """Whether the rules of a day are asked for on each day."""
    return callable(rules) and not isinstance(rules, Rule)


def rules_described(rules: DayRules | None, known: Sequence[str]) -> Any:
    """The rules as settings have them: a list, as problem files have it, or the function in words; None without."""
    if rules is None or is_function(rules):
        return None if rules is None else describe(rules)
    return [rule.to_dict() for rule in rules_among(rules, known, known)] or None
