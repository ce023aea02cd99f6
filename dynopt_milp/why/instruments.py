"""A line an instrument: what it adds, what it would cost to hold it otherwise, and why it is held as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.problem.problem import Problem
from dynopt_milp.why.binding import broken_together, forbids
from dynopt_milp.why.price import FREE, Price, forbidden, price_of
from dynopt_milp.why.questions import Found, Questions
from formulations import FloatArray, IntegerArray

QUESTIONS = ("not_traded", "one_more", "one_less", "at_rounded")
"""What is forced, one at a time: what is held stays; a contract more; a contract less; the target, rounded."""
MOST_SUBSTITUTES = 3
BASIS_POINT = 1e-4
"""Of the objective, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentLine:
    """One instrument of a portfolio, and the prices of holding it otherwise.

    Attributes
    ----------
    instrument : str
    target : float
        Unrounded contracts.
    rounded, held, optimised, new : int
        Contracts: the target rounded, held now, optimal before the buffer, and after it.
    tracking_share, risk_share : float
        Of the squared tracking error, and of the variance, of the optimised portfolio; they sum to 1, and what offsets
        others is negative. 0 where there is none.
    cost : float
        Of its trade to the optimised position, share of capital, without λ.
    prices : dict of Price
        By :data:`QUESTIONS`: the optimum with that one position forced, less the optimum.
    changes : dict of dict
        By question, those that were solved: contracts by instrument, the forced optimum less the optimum, others only.
    words : str
        Why it is held as it is.
    """

    instrument: str
    target: float
    rounded: int
    held: int
    optimised: int
    new: int
    tracking_share: float
    risk_share: float
    cost: float
    prices: dict[str, Price]
    changes: dict[str, dict[str, int]]
    words: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        plain = ("instrument", "target", "rounded", "held", "optimised", "new", "tracking_share", "risk_share", "cost")
        return {name: getattr(self, name) for name in plain} | {
            "prices": {name: price.to_dict() for name, price in self.prices.items()},
            "changes": self.changes, "words": self.words,
        }  # fmt: skip


def instrument_lines(ask: Questions, best: Found, new: IntegerArray) -> list[InstrumentLine]:
    """A line for each instrument of a problem, in its order; questions are asked in the order of names.

    Parameters
    ----------
    ask : Questions
    best : Found
        The optimum, which has contracts.
    new : ndarray of int, shape (n,)
        What is held after the buffer.
    """
    problem = ask.problem
    assert best.contracts is not None
    optimum, program = best.contracts.astype(np.float64), problem.program()
    shares = [_shares(problem, away) for away in (optimum - program.target, optimum)]
    costs = problem.trading_costs(optimum)
    lines: list[InstrumentLine | None] = [None] * len(problem.instruments)
    for place in problem.order().tolist():
        rounded, held = int(np.round(program.target[place])), int(program.previous[place])
        now = int(optimum[place])
        forced = {"not_traded": held, "one_more": now + 1, "one_less": now - 1, "at_rounded": rounded}
        prices: dict[str, Price] = {}
        found: dict[str, Found] = {}
        for question in QUESTIONS:
            prices[question], found[question] = _price(ask, best, place, forced[question])
        changes = {
            question: _changes(problem, best, found[question], place)
            for question in QUESTIONS
            if found[question].contracts is not None and forced[question] != now
        }
        words = _words(ask, place, rounded, best, prices["at_rounded"], found["at_rounded"])
        if now == rounded:
            further = "one_more" if program.target[place] >= now else "one_less"
            words += _beside(forced[further], prices[further])
        lines[place] = InstrumentLine(
            problem.instruments[place], float(program.target[place]), rounded, held, now, int(new[place]),
            float(shares[0][place]), float(shares[1][place]), float(costs[place]), prices, changes, words,
        )  # fmt: skip
    return [line for line in lines if line is not None]


def _price(ask: Questions, best: Found, place: int, contracts: int) -> tuple[Price, Found]:
    """The price of one position, and the portfolio that it leads to."""
    problem = ask.problem
    assert best.contracts is not None
    if best.contracts[place] == contracts:
        return FREE, best
    point = best.contracts.astype(np.float64)
    point[place] = contracts
    if why := forbids(ask, point, place):
        return forbidden(why), Found(None, np.inf, np.inf, True)
    found = ask.at(place, contracts)
    if found.contracts is None and found.proved:
        return forbidden(_why_none(problem, point)), found
    return price_of(found, best), found


def _why_none(problem: Problem, point: FloatArray) -> str:
    """Which rules the optimum with one position changed breaks, where no portfolio has that position."""
    broken = broken_together(problem, point)
    return f"no portfolio with it keeps {' and '.join(broken) if broken else 'all limits and rules'}"


def _changes(problem: Problem, best: Found, found: Found, place: int) -> dict[str, int]:
    """Contracts of the others: the forced optimum less the optimum, what moves most risk first."""
    assert best.contracts is not None
    assert found.contracts is not None
    moved = found.contracts - best.contracts
    moved[place] = 0
    risk = np.abs(moved) * problem.program().lengths
    order = problem.order()
    places = order[np.argsort(-risk[order], kind="stable")]
    return {problem.instruments[other]: int(moved[other]) for other in places if moved[other]}


def _shares(problem: Problem, away: FloatArray) -> FloatArray:
    """What each position adds to ‖Fd‖², as a share of it, shape (n,); sums are in the order of names."""
    order, shares = problem.order(), np.zeros(away.size)
    factor = problem.program().permuted(order).factor
    residual = factor @ away[order]
    total = float(residual @ residual)
    if total > 0:
        shares[order] = away[order] * (residual @ factor) / total
    return shares


def _words(ask: Questions, place: int, rounded: int, best: Found, price: Price, found: Found) -> str:
    """Why a position is not at its rounded target, or that it is; costs are λ times those of trades and of holding."""
    assert best.contracts is not None
    problem = ask.problem
    now, held = int(best.contracts[place]), int(problem.previous_positions[place])
    if now == rounded:
        return "at its rounded target" if now != held else "stays at its rounded target"
    if price.forbidden:
        return f"not at {rounded}: {price.forbidden}"
    if found.contracts is None:
        return f"not at {rounded}: whether that is worse was not found in time"
    optimum = best.contracts.astype(np.float64)
    alone = optimum.copy()
    alone[place] = rounded
    worth = f"{rounded} would be {_points(price.value)} worse"
    if broken := broken_together(problem, alone):
        return f"held at {now} by {' and '.join(broken)}; {worth}"
    (error, paid), (other_error, other_paid) = ask.parts(optimum), ask.parts(alone)
    closer, dearer = error - other_error, other_paid - paid
    moved = list(_changes(problem, best, found, place))[:MOST_SUBSTITUTES]
    if dearer > closer > 0:
        beside = f"; with {_listed(moved)} moved, too, {worth}" if moved else f"; {worth}"
        return (
            f"too dear to trade to {rounded}: alone it costs {_points(dearer)} and is {_points(closer)} closer{beside}"
        )
    over = _beyond_targets(problem, optimum)
    others = [name for name in moved if over[problem.instruments.index(name)] != over[place]]
    if others:
        return f"{'stands in for' if over[place] else 'stood in for by'} {_listed(others)}; {worth}"
    if moved:
        return f"goes with {_listed(moved)}; {worth}"
    return f"{now} is closer beside the others; {worth}"


def _beyond_targets(problem: Problem, optimum: FloatArray) -> NDArray[np.bool_]:
    """Which instruments are held beyond their targets, or against them, shape (n,); the others are short of them."""
    target = problem.optimal_positions
    return np.asarray((np.abs(optimum) > np.abs(target)) | (optimum * target < 0))


def _listed(names: Sequence[str]) -> str:
    """Names with commas between, and an ``and`` before the last."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _beside(contracts: int, price: Price) -> str:
    """What a contract more towards the target, or away from zero, would cost, in words."""
    if price.forbidden:
        return f"; {contracts} is not allowed: {price.forbidden}"
    return "" if price.value is None else f"; {contracts} would be {_points(price.value)} worse"


def _points(value: float | None) -> str:
    """In basis points of capital a year."""
    scaled = (value or 0.0) / BASIS_POINT
    return f"{scaled:,.0f} bp" if scaled >= 100 else f"{scaled:.3g} bp"
