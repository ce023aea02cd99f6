"""What the years of the demo let one say of greedy and exact: sentences that follow from the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dynopt_milp.backtests.metrics import ReturnDifference, realised_tracking_error

SIGNIFICANT = 2.0
"""Standard errors; chance alone goes further about once in twenty times."""
LONGEST = 1e5
"""Years; a wait beyond them is not worth telling."""


def claim_tracking(gross: Mapping[str, pd.Series]) -> str:
    """Whether exact stayed closer to the unrounded portfolio than greedy, over all days and year by year.

    Parameters
    ----------
    gross : mapping
        Daily gross returns of ``"unrounded"``, ``"greedy"`` and ``"exact"``.
    """
    ideal = gross["unrounded"]
    year = pd.DatetimeIndex(ideal.index).year
    errors = {name: realised_tracking_error(gross[name], ideal) for name in ("greedy", "exact")}
    yearly = {name: (gross[name] - ideal).groupby(year).std() for name in errors}
    years, closer = len(yearly["exact"]), int((yearly["exact"] < yearly["greedy"]).sum())
    # As if each year were the toss of a coin: heads less tails have a standard deviation of the root of their number.
    lead = (2 * closer - years) / math.sqrt(years)
    if lead >= SIGNIFICANT and errors["exact"] < errors["greedy"]:
        verdict = "Exact stayed closer to the strategy than greedy"
    elif lead <= -SIGNIFICANT and errors["exact"] > errors["greedy"]:
        verdict = "Greedy stayed closer to the strategy than exact"
    else:
        verdict = "Which of the two stays closer to the strategy cannot be told"
    return (
        f"{verdict}: the realised tracking error of exact is {errors['exact']:.2%} a year, that of greedy "
        f"{errors['greedy']:.2%}; exact has the smaller one in {closer} of {years} calendar years."
    )


def claim_costs(greedy: Mapping[str, Any], exact: Mapping[str, Any]) -> str:
    """What each paid for how many contracts, from the performance of its run; of rolls where they are known."""
    return f"Exact paid {_paid(exact, 'of capital a year', ' contracts')}; greedy {_paid(greedy, 'a year', '')}."


def _paid(figures: Mapping[str, Any], unit: str, traded: str) -> str:
    trades = f"to trade {figures['annual_turnover']:,.0f}{traded}"
    if figures["annual_roll_cost"] is None:
        return f"{figures['annual_trading_cost']:.2%} {unit} {trades}"
    return (
        f"{figures['annual_cost']:.2%} {unit}, {figures['annual_trading_cost']:.2%} {trades} and "
        f"{figures['annual_roll_cost']:.2%} to roll {figures['annual_contracts_rolled']:,.0f}"
    )


def claim_distance(above: pd.Series) -> str:
    """How far above the optimum greedy ended along its own path, from the shares by rebalance."""
    missed = int((above > 0).sum())
    if not missed:
        return f"Greedy found the optimum at each of its {len(above):,} rebalances."
    return (
        f"Along its own path greedy missed the optimum at {missed:,} of {len(above):,} rebalances; over all of them "
        f"its objective is {above.median():.1%} higher in the median, {above.mean():.1%} on average and "
        f"{above.max():.1%} at most."
    )


def claim_returns(difference: ReturnDifference) -> str:
    """Whether the years tell the return of exact from that of greedy.

    Parameters
    ----------
    difference : ReturnDifference
        Of exact over greedy, net of costs.
    """
    if math.isnan(difference.t):
        return "Net of costs exact and greedy earned the same."
    direction = "more" if difference.mean >= 0 else "less"
    found = (
        f"Net of costs exact earned {abs(difference.mean):.1%} a year {direction} than greedy, with a standard error "
        f"of {difference.standard_error:.1%} (t = {difference.t:.1f})"
    )
    if abs(difference.t) >= SIGNIFICANT:
        return f"{found}: more than chance explains, on this one market."
    found += ": their returns cannot be told apart."
    if difference.years_to_show > LONGEST:
        return found
    wait = float(f"{difference.years_to_show:.2g}")
    return f"{found} If that were the true difference, it would take about {wait:,.0f} years to show."
