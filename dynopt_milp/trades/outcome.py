"""What came out of a rebalance: what to trade, what it costs and leaves, and what it was decided from."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.io.versions import versions
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.problem_file import in_order
from dynopt_milp.problem.solution import Solution, Status, StoppedBy, by_name
from dynopt_milp.rules.used import RuleUse, rules_used
from formulations import IntegerArray, set_frozen_state

FORMAT = "dynopt-milp trades 1"
"""What a rebalance as JSON says it is."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rebalance:
    """The trades of one rebalance.

    Attributes
    ----------
    problem : Problem
    optimised : Solution
        What the optimisation alone would hold; with ``"deadband"`` the buffer is part of it.
    contracts : ndarray of int, shape (n,)
        What to hold after the buffer, in the order of the problem's instruments, read-only; inside every limit and
        constraint. ``positions`` is the same by instrument.
    buffer_rule : str or None
    buffer : float
        B, annual standard deviation, share of capital.
    distance : float
        T, the tracking error between held and optimised portfolio, same unit; with ``"deadband"`` between held and
        unrounded portfolio, with ``"book"`` between what limits leave of the held one and the optimised one.
    adjustment_factor : float or None
        α = max((T − B)/T, 0) of the book's rule, 1 without a buffer; None under another rule.
    status : Status
        Of what the rule asked to be solved: both solves of ``"edge"``, one otherwise. It says nothing of the book's
        rounding, which is a rule and not an optimum.
    seconds : float
        Wall time of everything.
    settings : dict
        The other arguments of :func:`rebalance`, by name, as JSON has them: of constraints a description.
    time : datetime
        When it was asked for, UTC.
    """

    problem: Problem
    optimised: Solution
    contracts: IntegerArray
    buffer_rule: str | None
    buffer: float
    distance: float
    adjustment_factor: float | None
    status: Status
    stopped_by: StoppedBy
    seconds: float
    settings: dict[str, Any]
    time: datetime.datetime

    __setstate__ = set_frozen_state

    def __repr__(self) -> str:
        traded = by_name(self.trades[self.trades != 0])
        return f"<Rebalance {self.status.value}: rule {self.buffer_rule}, trades {traded}>"

    @property
    def positions(self) -> pd.Series:
        """What to hold after the buffer, int64, by instrument."""
        return self.problem.labelled(self.contracts.copy())

    @property
    def trades(self) -> pd.Series:
        """Contracts to trade, int64, by instrument; negative sells."""
        return self.positions - self.problem.previous_positions.astype(np.int64)

    @property
    def tracking_error(self) -> float:
        """Between the positions and the unrounded portfolio; annual, share of capital."""
        return self.problem.program().tracking_error(self.contracts)

    @property
    def tracking_error_before(self) -> float:
        """Between what is held and the unrounded portfolio; annual, share of capital."""
        return self.problem.program().tracking_error(self.problem.previous_positions)

    @property
    def held_back(self) -> pd.Series:
        """What the buffer held back, int64, by instrument: the trades to the optimised portfolio that are not done."""
        return self.optimised.positions - self.positions

    @property
    def cost(self) -> float:
        """What the trades cost, share of capital, without the multiplier."""
        return float(self.problem.trading_costs(self.contracts).sum())

    @property
    def costs(self) -> pd.Series:
        """The same by instrument."""
        return self.problem.labelled(self.problem.trading_costs(self.contracts))

    @property
    def rules_used(self) -> list[RuleUse]:
        """What the positions use of the rules that are sums or norms, in the order of the rules."""
        program = self.problem.program()
        held = self.contracts.astype(np.float64)
        return rules_used(
            self.problem.rules, self.problem.parts_of_rules(), held, program.previous, program.zero
        )  # fmt: skip

    @property
    def margin(self) -> float | None:
        """Margin of the positions, share of capital; None where that of one that is held is not known."""
        return self.problem.margin_held(self.contracts)

    @property
    def notional(self) -> pd.Series:
        """What the positions are worth, share of capital, by instrument; negative is short."""
        return self.problem.labelled(self.contracts * self.problem.weight_per_contract)

    @property
    def risk(self) -> dict[str, float]:
        """Annual standard deviation, share of capital.

        Of what is ``held``, of the ``new`` positions, of the ``optimised`` portfolio, and of the unrounded one that is
        ``wanted``.
        """
        program, nothing = self.problem.program(), np.zeros(len(self.problem.instruments))
        portfolios = {
            "held": self.problem.previous_positions, "new": self.contracts,
            "optimised": self.optimised.positions.to_numpy(), "wanted": self.problem.optimal_positions,
        }  # fmt: skip
        return {name: program.distance(contracts, nothing) for name, contracts in portfolios.items()}

    @property
    def fingerprint(self) -> str:
        """The sha256 of the problem and the settings: the same for the same decision, in any order of instruments."""
        order, start = self.problem.order(), self.settings["start"]
        content = {
            "problem": in_order(self.problem.to_dict(), order),
            "settings": self.settings | {"start": None if start is None else [start[place] for place in order]},
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The rebalance as JSON has it: what is traded, what it was decided from, and how."""
        capital = self.problem.capital
        traded, held = self.trades[self.trades != 0], self.problem.previous_positions
        return {
            "format": FORMAT,
            "date": f"{self.time:%Y-%m-%d}",
            "time": self.time.isoformat(timespec="seconds"),
            **({} if capital is None else {"capital": capital}),
            "status": self.status.value,
            "trades": by_name(traded),
            "positions": by_name(self.positions),
            "previous_positions": by_name(self.problem.labelled(held)),
            "targets": _numbers(self.problem.labelled(self.problem.optimal_positions)),
            "held_back": by_name(self.held_back[self.held_back != 0]),
            "buffer_rule": self.buffer_rule,
            "buffer": self.buffer,
            "distance": self.distance,
            "adjustment_factor": self.adjustment_factor,
            "tracking_error": self.tracking_error,
            "tracking_error_before": self.tracking_error_before,
            "risk": self.risk,
            "cost": self.cost,
            "margin": self.margin,
            "rules_used": [asdict(use) for use in self.rules_used],
            **({} if capital is None else {"money": self._money(capital)}),
            "seconds": self.seconds,
            "stopped_by": self.stopped_by.value,
            "optimised": self.optimised.to_dict(),
            "settings": self.settings,
            "versions": versions(),
            "fingerprint": self.fingerprint,
            "problem": self.problem.to_dict(),
        }

    def _money(self, capital: float) -> dict[str, Any]:
        """Costs and values in the base currency."""
        costs, notional = self.costs * capital, self.notional * capital
        return {
            "cost": self.cost * capital,
            "costs": _numbers(costs[costs != 0]),
            "gross_notional": float(notional.abs().sum()),
            "notional": _numbers(notional[notional != 0]),
        }


def is_record(content: Any) -> bool:
    """Whether this is what the JSON of a rebalance says, with trades or without."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def _numbers(series: pd.Series) -> dict[str, float]:
    return {str(name): float(number) for name, number in series.items()}
