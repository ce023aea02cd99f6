"""What an explanation is: lines of portfolios, of instruments, of what binds, and the steps of greedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from dynopt_milp.io.versions import versions
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.why.binding import Binding
from dynopt_milp.why.greedy_path import GreedyPath
from dynopt_milp.why.instruments import QUESTIONS, InstrumentLine
from dynopt_milp.why.portfolios import PortfolioLine
from dynopt_milp.why.price import Price
from formulations import set_frozen_state

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
        if self.optimum.status.value != "optimal":
            said.append(
                f"the optimum itself: a portfolio of {self.optimum.objective:.6g} is known, and none is below "
                f"{self.optimum.lower_bound:.6g}"
            )
        for line in self.prices:
            for question, price in line.prices.items():
                if not price.known and not price.forbidden:
                    said.append(f"{line.instrument}, {question}: not found in time")
                elif price.value is not None and price.high is not None and price.high - price.low > self._loose:
                    said.append(f"{line.instrument}, {question}: between {price.low:.3g} and {price.high:.3g}")
        said += [
            f"{one.words}: not found in time" for one in self.binding if not one.price.known and not one.price.forbidden
        ]
        if self.given_up:
            said.append(f"{self.given_up} questions were not asked: the time limit came first")
        return said

    @property
    def _loose(self) -> float:
        """A price is as good as proved if its interval is not longer: what the gaps of two optima allow."""
        return 1e-4 * abs(self.optimum.objective)

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
            "seconds": self.seconds,
            "versions": versions(),
        }
