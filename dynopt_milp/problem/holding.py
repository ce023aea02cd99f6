"""What it costs to hold a contract until the next rebalance: its rolls."""

from __future__ import annotations

from typing import Any

from dynopt_milp.io.labelled import not_negative, one_of
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.problem.plausible import MOST_ROLL_TRADES

ROLL_TRADES = 1.0
"""Trades that a roll costs: one, that of a spread, as pysystemtrade counts; 2 for two legs at the market."""
REBALANCES_A_YEAR = {"daily": DAYS_A_YEAR, "weekly": 52, "monthly": 12}


def holding_cost(rolls_a_year: Any, cost: Any, frequency: str = "weekly", *, roll_trades: float = ROLL_TRADES) -> Any:
    """Rolls a year × trades of a roll × cost of a trade ÷ rebalances a year.

    Parameters
    ----------
    rolls_a_year : number, Series or array
        How often the contract changes in a year.
    cost : number, Series or array
        Of trading one contract: in weight terms for ``Problem(holding_cost=)``, in money for
        ``Problem.from_market(holding_cost_per_contract=)``.
    frequency : {"daily", "weekly", "monthly"}
        Of rebalances: until the next one is a 256th, a 52nd or a twelfth of a year.
    roll_trades : float
        1 for a spread, 2 for two legs.

    Returns
    -------
    number, Series or array
        In the unit of the cost.

    Notes
    -----
    In the objective it is multiplied by λ, as the cost of a trade is. A trade is paid once, whenever it is made; so at
    λ = 50 a year of rolls counts 50/52 = 0.96 times with weekly rebalances, 0.2 times with daily and 4.2 times with
    monthly ones.
    """
    trades = not_negative(roll_trades, "roll_trades", most=MOST_ROLL_TRADES)
    share = trades / REBALANCES_A_YEAR[one_of(frequency, REBALANCES_A_YEAR, "frequency")]
    return rolls_a_year * share * cost
