"""The options of house rules: a file of them, and the common ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dynopt_milp.commands.panels import of_rules
from dynopt_milp.rules import margin as margin_within
from dynopt_milp.rules import max_holdings as at_most_held
from dynopt_milp.rules import min_order as order_at_least
from dynopt_milp.rules import risk
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.rules_file import read_rules

RulesFile = Annotated[
    Path | None, of_rules("--rules", metavar="FILE", help="House rules, .toml or .json: a table or object a rule.")
]
MarginBudget = Annotated[
    float | None,
    of_rules(
        "--margin", help="Margin of all positions at most, share of capital; by the column margin.", show_default="none"
    ),
]
MaxRisk = Annotated[
    float | None, of_rules(help="Annual risk of the portfolio at most, share of capital.", show_default="none")
]
MaxHoldings = Annotated[int | None, of_rules(help="Instruments held at most.", show_default="none")]
MinOrder = Annotated[
    int | None, of_rules(help="Contracts of an order at least; closing is allowed.", show_default="none")
]


PriceRules = Annotated[
    bool,
    of_rules(
        "--price-rules", help="Where several rules bind, solve again for the price of each, not on one day in four."
    ),
]


def chosen_rules(
    rules: Path | None, *, margin: float | None = None, max_risk: float | None = None, max_holdings: int | None = None,
    min_order: int | None = None,
) -> tuple[Rule, ...]:  # fmt: skip
    """The rules of the file and of the options, in that order; none if none was given.

    Raises
    ------
    FileError, FormatError, RulesError
        If the file or a number is refused.
    """
    found = [] if rules is None else read_rules(rules)
    found += [] if margin is None else [margin_within(budget=margin)]
    found += [] if max_risk is None else [risk(max_risk)]
    found += [] if max_holdings is None else [at_most_held(max_holdings)]
    found += [] if min_order is None else [order_at_least(min_order)]
    return tuple(found)
