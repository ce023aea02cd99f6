"""What is odd about the input of a rebalance and is taken all the same, a line each."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.problem.plausible import LITTLE_RISK
from dynopt_milp.problem.problem import Problem
from dynopt_milp.strategy.inputs import CLOSED_AFTER
from dynopt_milp.trades.from_targets import wanted_risk

MUCH_RISK = 1.0
"""A year, share of capital; five times what the book aims at."""
DEAR = 0.05
"""Cost of a trade as a share of the annual risk of the contract, in the median: twenty times that of 42 futures."""
NAMED = 6
"""How many instruments a line names."""


def notes_of_problem(problem: Problem) -> Iterator[str]:
    """What was repaired in it, and numbers that are for another account or in other units, perhaps."""
    yield from problem.notes
    program = problem.program()
    wanted, held = wanted_risk(problem), program.distance(problem.previous_positions, 0 * problem.previous_positions)
    if wanted > MUCH_RISK or 0 < wanted < LITTLE_RISK:
        size = "much" if wanted > MUCH_RISK else "little"
        yield (
            f"the targets risk {wanted:.2%} of capital a year, which is {size}; are positions, capital, weights and "
            "covariance in the right units?"
        )
    if held > MUCH_RISK:
        yield f"what is held risks {held:.0%} of capital a year, which is much; is it of this account?"
    volatility = np.sqrt(problem.covariance.diagonal())
    risky = volatility > 0
    dear = float(np.median(problem.cost_in_weight_terms[risky] / volatility[risky])) if risky.any() else 0.0
    if dear > DEAR:
        yield (
            f"a trade costs {dear:.0%} of the annual risk of its contract in the median, which is much; are costs in "
            "the right units?"
        )


def notes_of_covariance(covariance: pd.DataFrame, targets: pd.DataFrame) -> Iterator[str]:
    """The instruments that only the covariance has."""
    others = [str(name) for name in covariance.columns if name not in targets.index]
    if others:
        yield f"the covariance has {_some(others)} without a target, which {_are(others)} left out"


def notes_of_prices(market: Market, problem: Problem, day: pd.Timestamp) -> Iterator[str]:
    """The instruments without a price of the day, but for suspect ones: what becomes of those that count as closed."""
    known = market.between(end=day)
    stale, suspect = [], known.frozen().iloc[-1]
    for place, name in enumerate(problem.instruments):
        if suspect[name]:  # which is said where the price is
            continue
        last = known.days[known.prices[name].notna()][-1]
        age = (day - last).days
        if age > CLOSED_AFTER:
            held, target = problem.previous_positions[place], problem.optimal_positions[place]
            tilts = "" if held == target else f"; the others offset its target of {target:.3g}: drop it if it is old"
            yield f"{name}: no price since {last:%Y-%m-%d} ({age} days): it is closed and stays at {held:.0f}{tilts}"
        elif age > 0:
            stale.append(f"{name} ({age} {'day' if age == 1 else 'days'})")
    if stale:
        yield f"no price of {day:%Y-%m-%d}, the last one is taken: {_some(stale)}"


def notes_of_date(day: pd.Timestamp, asked: str | None, today: datetime.date) -> Iterator[str]:
    """Whether the decision is of another day than was asked for, or of one that is long past."""
    if asked is not None and pd.Timestamp(asked).date() != day.date():
        yield f"{asked} has no prices; decided after the close of {day:%Y-%m-%d}"
    age = (today - day.date()).days
    if age > CLOSED_AFTER:
        yield f"{day:%Y-%m-%d} is {age:,} days ago; the trades are of that close"


def notes_of_buffer(buffer_rule: str | None, buffer_fraction: float) -> Iterator[str]:
    """Whether the buffer is so wide that it decides alone."""
    if buffer_rule is not None and buffer_fraction >= 1:
        yield (
            f"the buffer is {buffer_fraction:g} times the risk target: about as far from the optimum as holding "
            "nothing at all, or more, and hardly anything trades (0.05 is five per cent)"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
