"""Which setting is recommended: a rule, for the years before the split alone.

Candidates are exact, count the cost of holding in the objective (what is charged is counted) and cost no more than
rounding does. The one that tracks closest wins; all whose realised tracking error is within 5 % of it count as as
close, and of these the one wins that is best calibrated: realised over expected next to 1. Ratios within their standard
error of 1 count as calibrated alike, and the closest of them wins.
"""

from __future__ import annotations

import math

import pandas as pd

from comparisons.frontier.settings import CAPITAL, INSTRUMENTS, Choice
from comparisons.frontier.study import PERIODS
from dynopt_milp.problem.book import DAYS_A_YEAR

CHOSEN_ON = next(iter(PERIODS))
AS_CLOSE = 1.05
YEARS = 8
NOISE = 1 / math.sqrt(2 * YEARS * DAYS_A_YEAR)
"""The standard error of the logarithm of a volatility, of daily returns that are independent and normal."""


def candidates(results: pd.DataFrame) -> pd.DataFrame:
    """The rows that the rule looks at, the closest first, with ``cost`` and ``ratio`` (realised over expected)."""
    there = (results["capital"] == CAPITAL) & (results["instruments"] == INSTRUMENTS)
    rows: pd.DataFrame = results[there & (results["period"] == CHOSEN_ON)]
    rows = rows.assign(cost=rows["trading_cost"] + rows["roll_cost"], ratio=rows["realised"] / rows["expected"])
    most = rows.loc[rows["holder"] == "rounded", "cost"].item()
    chosen = rows[(rows["holder"] == "exact") & rows["holding_cost"] & (rows["cost"] <= most)]
    return pd.DataFrame(chosen).sort_values("realised", ignore_index=True)


def choose(results: pd.DataFrame) -> Choice:
    """The setting that the rule recommends."""
    rows = candidates(results)
    rows = rows[rows["realised"] <= AS_CLOSE * rows["realised"].min()]
    away = rows["ratio"].map(lambda ratio: abs(math.log(ratio)))
    best = rows.assign(away=away.clip(lower=NOISE)).sort_values(["away", "realised"]).iloc[0]
    return Choice(best["covariance"], best["buffer"], float(best["cost_multiplier"]), bool(best["holding_cost"]))
