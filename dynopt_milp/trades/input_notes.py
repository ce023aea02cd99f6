"""What is odd about the input of a rebalance and is taken all the same, a line each."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.data.rows import STALE_ROWS
from dynopt_milp.io.first_few import first_few
from dynopt_milp.problem.plausible import LITTLE_RISK
from dynopt_milp.problem.problem import Problem
from dynopt_milp.strategy.inputs import CLOSED_AFTER
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.from_targets import wanted_risk
from dynopt_milp.trades.last_day import is_apart, names_of_last_day
from dynopt_milp.trades.left_out import missing_inputs

MUCH_RISK = 1.0
"""A year, share of capital; five times what the book aims at."""
DEAR = 0.05
"""Cost of a trade as a share of the annual risk of the contract: twenty times that of 42 futures in the median."""
FEWEST_EQUAL = 3
"""Equal closes in a row that are worth a line."""


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
    of_one = problem.trading_costs(problem.previous_positions + 1) / problem.weight_per_contract
    shares = np.divide(of_one, volatility, out=np.zeros_like(volatility), where=risky)
    dear = [f"{name} ({share:.1%})" for name, share in zip(problem.instruments, shares, strict=True) if share > DEAR]
    if dear:
        yield (
            f"a trade costs more than {DEAR:.0%} of the annual risk of its contract: {', '.join(dear)}; are costs in "
            "the right units?"
        )
    if problem.margin is not None:
        above = problem.margin > problem.weight_per_contract
        large = [name for name, more in zip(problem.instruments, above, strict=True) if more]
        if large:
            yield (
                f"the margin of a contract is more than its notional: {first_few(large)}; is it money where a share of "
                "capital is asked for?"
            )
    for rule, part in zip(problem.rules, problem.parts_of_rules(), strict=True):
        margins = part.rows[0].coefficients.max(axis=0) if rule.kind == "margin" else np.zeros(1)
        if margins.any() and 0 < part.rows[0].limit < margins[margins > 0].min():
            yield f"{rule}: the budget is less than the margin of any contract; are both money, or both shares?"


def notes_of_covariance(covariance: pd.DataFrame, targets: pd.DataFrame) -> Iterator[str]:
    """The instruments that only the covariance has."""
    others = [str(name) for name in covariance.columns if name not in targets.index]
    if others:
        yield f"the covariance has {first_few(others)} without a target, which {_are(others)} left out"


def notes_of_held(held: pd.Series, targets: pd.DataFrame, file: str) -> Iterator[str]:
    """The instruments with a target that what is held does not name."""
    others = [str(name) for name in targets.index if name not in held.index]
    if others:
        yield f"not named in {file}, {'counts' if len(others) == 1 else 'count'} as not held: {first_few(others)}"


def notes_of_left_out(known: Market, names: Sequence[str], problem: Problem, strategy: Strategy) -> Iterator[str]:
    """The instruments of these names that are not in the problem: why, and their last price, a line for each reason."""
    absent = [name for name in names if name not in problem.instruments]
    lacks, alike = missing_inputs(known, strategy, absent), dict[str, list[str]]()
    for name in absent:
        alike.setdefault(lacks.get(name, "no share of risk from the strategy"), []).append(name)
    for reason, names in alike.items():
        yield f"left out, {reason}: {first_few([_with_last_price(known, name) for name in names])}"


def _with_last_price(known: Market, name: str) -> str:
    if name not in known.instruments:
        return name
    prices = known.prices[name].dropna()
    return f"{name} (last price {prices.iloc[-1]:.10g} of {prices.index[-1]:%Y-%m-%d})"


def notes_of_last_day(known: Market, today: datetime.date) -> Iterator[str]:
    """Whether the last day lies in the future, or hardly any instrument has it: a mistyped date, perhaps."""
    last, names = known.days[-1], first_few(names_of_last_day(known))
    if last.date() > today:
        yield f"the last day, {last:%Y-%m-%d}, is later than today, {today}: that of {names}; is the date mistyped?"
    elif is_apart(known):
        yield (
            f"most instruments have their last price more than {CLOSED_AFTER} days before the last day, "
            f"{last:%Y-%m-%d}: that of {names}; is the date mistyped?"
        )


def notes_of_prices(known: Market, problem: Problem) -> Iterator[str]:
    """The instruments without a price of the last day, but for suspect ones: what becomes of those that are closed."""
    day, priced, suspect = known.days[-1], known.last_priced(), known.frozen().iloc[-1]
    stale, equal = [], []
    for place, name in enumerate(problem.instruments):
        if suspect[name]:  # which is said where the price is
            continue
        last = priced[name]
        age = (day - last).days
        count, first = _equal_closes(known, name)
        shown, new = last, ""
        if count >= FEWEST_EQUAL:
            equal.append(f"the last {count} closes of {name} are equal, since {first:%Y-%m-%d}")
            shown, new = first, "new "
        days = (day - shown).days
        if age > CLOSED_AFTER:
            held, target = problem.previous_positions[place], problem.optimal_positions[place]
            tilts = "" if held == target else f"; the others offset its target of {target:.3g}: drop it if it is old"
            since = f"no {new}price since {shown:%Y-%m-%d} ({days} days)"
            yield f"{name}: {since}: it is closed and stays at {held:.0f}{tilts}"
        elif age > 0:
            stale.append(f"{name} ({days} {'day' if days == 1 else 'days'})")
    if stale:
        yield f"no price of {day:%Y-%m-%d}, the last one is taken: {first_few(stale)}"
    yield from equal


def _equal_closes(known: Market, name: str) -> tuple[int, pd.Timestamp]:
    """How many of the last closes are equal, both prices, and the first of them.

    Repetitions that the reader has dropped count: days after as many as it keeps, up to as many rows as it dropped.
    """
    closes = pd.DataFrame({"price": known.prices[name], "adjusted": known.adjusted[name]}).dropna()
    differs = (closes != closes.iloc[-1]).any(axis=1).to_numpy()
    count = int(np.argmax(differs[::-1])) if differs.any() else len(closes)
    since = closes.index[-count]
    if count > STALE_ROWS:
        dropped = sum(note.rows for note in known.notes if note.instrument == name and note.rule == "stale")
        count += min(dropped, int((known.days > closes.index[-1]).sum()))
    return count, since


def notes_of_rates(known: Market) -> Iterator[str]:
    """Exchange rates that have not changed for as long as makes a market count as closed."""
    for currency in known.fx.columns:
        rate = known.fx[currency]
        changed = known.days[rate.ne(rate.shift())][-1]
        age = (known.days[-1] - changed).days
        if currency != known.base_currency and age > CLOSED_AFTER:
            yield f"the rate of {currency} is that of {changed:%Y-%m-%d} ({age} days), {rate.iloc[-1]:.6g}"


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


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
