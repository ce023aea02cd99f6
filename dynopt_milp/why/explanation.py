"""What an explanation is: lines of portfolios, of instruments, of what binds, and the steps of greedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from dynopt_milp.io.versions import versions
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution, Status
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.why.binding import Binding
from dynopt_milp.why.greedy_path import GreedyPath
from dynopt_milp.why.instruments import QUESTIONS, InstrumentLine
from dynopt_milp.why.portfolios import PortfolioLine
from dynopt_milp.why.price import Price
from formulations import set_frozen_state

LOOSE = 1e-4
"""Of what two optima are worth: a price whose interval is no longer is taken for known."""
MOST_NAMED = 5
"""Prices that are named where many are not proved."""
FORMAT = "dynopt-milp explanation 1"
"""What an explanation as JSON says it is."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """Why a portfolio is what it is.

    Prices are in the unit of the objective (share of capital a year), against the optimum before the buffer.

    Attributes
    ----------
    problem : Problem
    optimum : Solution
        k°, before the buffer.
    rebalance : Rebalance or None
        With the buffer, if that was given.
    lines : tuple of PortfolioLine
    prices : tuple of InstrumentLine
        In the order of the problem's instruments.
    binding : tuple of Binding
        Those that cost most first.
    together : Price
        What all limits and rules cost together.
    greedy : GreedyPath or None
        None where greedy has another objective, or knows no such constraints.
    solves : int
        Questions that were answered by a solve.
    given_up : int
        Those that the time limit left without one.
    undecided : int
        Limits and rules of which it was not found in time whether they bind.
    seconds : float
    """

    problem: Problem
    optimum: Solution
    rebalance: Rebalance | None
    lines: tuple[PortfolioLine, ...]
    prices: tuple[InstrumentLine, ...]
    binding: tuple[Binding, ...]
    together: Price
    greedy: GreedyPath | None
    solves: int
    given_up: int
    undecided: int
    seconds: float

    __setstate__ = set_frozen_state

    def __repr__(self) -> str:
        return (
            f"<Explanation of {len(self.prices)} instruments: optimum {self.optimum.objective:.6g}, "
            f"{len(self.binding)} binding, {self.solves} solves>"
        )

    @property
    def portfolios(self) -> pd.DataFrame:
        """A row a portfolio, by name: objective, tracking error, cost, risk, margin, and what it breaks."""
        return pd.DataFrame([line.to_dict() for line in self.lines]).set_index("name")

    @property
    def instruments(self) -> pd.DataFrame:
        """A row an instrument, by name; prices that do not exist are NaN."""
        rows = []
        for line in self.prices:
            row = {name: value for name, value in line.to_dict().items() if name not in ("prices", "changes", "words")}
            values = {question: line.prices[question].value for question in QUESTIONS}
            rows.append(row | values | {"words": line.words})
        frame = pd.DataFrame(rows).set_index("instrument")
        return frame.astype(dict.fromkeys(QUESTIONS, "float64"))

    @property
    def not_proved(self) -> list[str]:
        """What was not proved within the gap or the time limit, in words, a line each."""
        said = []
        if self.optimum.status is not Status.OPTIMAL:
            said.append(
                "the optimum: what is called so is the best portfolio that is known, "
                f"{self.optimum.objective:.6g}; none is below {self.optimum.lower_bound:.6g}"
            )
        prices = [(f"{line.instrument} {name}", price) for line in self.prices for name, price in line.prices.items()]
        prices += [(one.words, one.price) for one in self.binding]
        missing = [name for name, price in prices if not price.known and not price.forbidden]
        if missing:
            said.append(f"{_counted(missing)} not found in time")
        loose = [
            f"{name} (between {price.low:.3g} and {price.high:.3g})" for name, price in prices
            if price.high is not None and price.high - price.low > LOOSE * (abs(self.optimum.objective) + price.high)
        ]  # fmt: skip
        if loose:
            said.append(f"{_counted(loose)} known to an interval only")
        if self.undecided:
            said.append(f"whether {self.undecided} of the limits and rules bind: not found in time")
        if self.given_up:
            said.append(f"{self.given_up} questions in all were not asked: the time limit came first")
        return said

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON has it; what does not exist is None."""
        return {
            "format": FORMAT,
            **({} if self.problem.capital is None else {"capital": self.problem.capital}),
            "cost_multiplier": self.problem.cost_multiplier,
            "optimum": self.optimum.to_dict(),
            "portfolios": [line.to_dict() for line in self.lines],
            "instruments": [line.to_dict() for line in self.prices],
            "binding": [one.to_dict() for one in self.binding],
            "together": self.together.to_dict(),
            "greedy": None if self.greedy is None else self.greedy.to_dict(),
            "not_proved": self.not_proved,
            "solves": self.solves,
            "given_up": self.given_up,
            "undecided": self.undecided,
            "seconds": self.seconds,
            "versions": versions(),
        }


def _counted(names: list[str]) -> str:
    """How many prices, and the first of them."""
    more = len(names) - MOST_NAMED
    listed = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)} {'price' if len(names) == 1 else 'prices'} ({listed})"
