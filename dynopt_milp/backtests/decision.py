"""How one rebalance of a backtest is decided, and what is recorded of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.binding import KEPT, PRICES, SHARE_PRICED, prices_of_rules
from dynopt_milp.backtests.diagnostics import BUFFERED, ROUNDED, UNOPTIMISED, UNROUNDED
from dynopt_milp.backtests.metrics import (
    FAILED,
    MARGIN,
    MARGIN_USED,
    OF_RULES,
    RULES_BIND,
    RULES_BROKEN,
    RULES_COST,
    STATIC,
    TEXTS,
)
from dynopt_milp.backtests.proved_days import PROOF, is_chosen, proof_of_day
from dynopt_milp.backtests.same_side import SAME_SIDE, reachable
from dynopt_milp.errors import (
    DynoptError,
    InputError,
    LimitsError,
    RulesError,
    UnknownNameError,
    UnsupportedError,
)
from dynopt_milp.io.labelled import not_negative
from dynopt_milp.io.whole import whole
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.problem.limits import LimitsLike
from dynopt_milp.problem.plausible import MOST_FRACTION
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import Solution
from dynopt_milp.solvers.own_optimizer import Optimizer, optimizer_name
from dynopt_milp.solvers.solving import solve
from dynopt_milp.strategy.inputs import Inputs, TargetPositions
from dynopt_milp.strategy.rules_of_day import DayRules
from dynopt_milp.strategy.sizing import buffered
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance
from formulations import FloatArray

BufferFraction = float | Callable[["RebalanceHistory"], float]
"""A share of the risk target, or a function of what has happened so far."""


@dataclass(frozen=True, slots=True, eq=False)
class RebalanceHistory:
    """What is known when a rebalance is decided, for buffers that adapt.

    Attributes
    ----------
    date : Timestamp
        Its close is known.
    rebalances : DataFrame by day
        The rebalances before, as in :class:`~dynopt_milp.Backtest`.
    held : Series, by instrument
        Contracts held.
    volatility, forecasts, costs, values : DataFrame, days × instruments
        As in :class:`~dynopt_milp.Inputs`, up to the day and no further.
    """

    date: pd.Timestamp
    rebalances: pd.DataFrame
    held: pd.Series
    volatility: pd.DataFrame
    forecasts: pd.DataFrame
    costs: pd.DataFrame
    values: pd.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """How the rebalances of a backtest are decided; the fields are arguments of it.

    An entry, which is what :meth:`decide` returns, is a dict of ``date``, those of :data:`REBALANCE_COLUMNS` that
    exist, ``positions`` (contracts by instrument, zeros left out) and, if asked for, ``portfolios``: what each
    optimizer would hold before the buffer (see :data:`PORTFOLIO_COLUMNS`).
    """

    inputs: Inputs
    optimizer: str | Optimizer
    cost_multiplier: float
    buffer_rule: str | None
    buffer_fraction: BufferFraction
    also: tuple[str | Optimizer, ...]
    portfolios: bool
    limits: LimitsLike | None
    gap: float
    time_limit: float | None
    holding: str | None = None
    roll_trades: float = ROLL_TRADES
    rules: DayRules | None = None
    price_rules: bool = False
    verify_share: float = 0.0

    def decide(
        self, date: pd.Timestamp, held: FloatArray, before: list[dict[str, Any]], capital: float,
        targets: TargetPositions | DynoptError,
    ) -> dict[str, Any]:  # fmt: skip
        """The entry of one day: what is known of the rebalance, and the positions after it.

        Parameters
        ----------
        date : Timestamp
            Its close is known.
        held : ndarray, shape (n,)
            Contracts held of the market's instruments.
        before : list of dict
            The entries of the rebalances before.
        capital : float
            What positions are sized by, base currency, positive.
        targets : TargetPositions or DynoptError
            Those of the day, or why there are none: :meth:`targets`.

        Raises
        ------
        UnknownNameError, UnsupportedError, RulesError
            If an argument is at fault. Whatever else goes wrong is the entry's ``reason``.
        """
        kept, names = self._without_gone(date, held), self.inputs.names
        known = {"optimizer": optimizer_name(self.optimizer), "capital": capital}
        row: dict[str, Any] = dict(known)
        fraction = self._fraction(date, held, before)  # outside: what is wrong here is wrong on every day
        try:
            if isinstance(targets, DynoptError):
                raise targets
            row |= {"idm": targets.multiplier, "instruments": len(targets.instruments)}
            if isinstance(self.optimizer, str) and self.optimizer in UNOPTIMISED:
                positions = self._static(targets, kept, row)
            else:
                positions = self._optimised(targets, kept, fraction, row)
            self._say_frozen(targets, kept, row)
        except (UnknownNameError, UnsupportedError, RulesError):
            raise  # an argument is at fault; every other day would fail too
        except DynoptError as error:
            row = known | {"status": FAILED, "reason": " ".join(str(error).split())}
            positions = kept
        else:
            alive = np.zeros(kept.size, dtype=bool)
            alive[targets.places] = True
            unknown = np.flatnonzero((kept != 0) & ~alive).tolist()
            reasons = [
                f"{names[place]} keeps its position: it has no volatility, forecast or cost" for place in unknown
            ]
            row["reason"] = "; ".join(filter(None, [row.get("reason"), *reasons]))
        place = int(self.inputs.market.days.searchsorted(date))
        traded = np.abs(positions - held)
        # Exact sums: an instrument that comes later, and is zero until then, changes no bit of what was kept before.
        row["trades"] = whole(math.fsum(traded))
        paid = np.where(traded > 0, traded * self.inputs.costs.to_numpy()[place], 0.0)
        if (orders := self.inputs.order_costs) is not None:
            paid = paid + orders.paid(traded[None], slice(place, place + 1))[0]
        row["cost"] = math.fsum(paid) / capital
        kept_positions = {name: whole(number) for name, number in zip(names, positions.tolist(), strict=True) if number}
        return {"date": f"{date:%Y-%m-%d}"} | {name: _finite(value) for name, value in row.items()} | {
            "positions": kept_positions
        }  # fmt: skip

    def problem_of(self, date: pd.Timestamp, held: FloatArray, capital: float) -> Problem:
        """What :meth:`decide` solves, with the same arguments.

        Raises
        ------
        HistoryError
            If there is nothing to hold.
        """
        targets = self.inputs.target_positions(date, capital=capital)
        return self._asked(targets, self._without_gone(date, held), {"capital": capital})

    def _asked(self, targets: TargetPositions, held: FloatArray, row: dict[str, Any]) -> Problem:
        return self._problem(
            targets, held, row, cost_multiplier=self.cost_multiplier, limits=self.limits, holding=self.holding,
            roll_trades=self.roll_trades, rules=self.rules,
        )  # fmt: skip

    def _say_frozen(self, targets: TargetPositions, held: FloatArray, row: dict[str, Any]) -> None:
        """Add to the reason the instruments that keep their positions because of a suspect price."""
        frozen = self.inputs.frozen(targets.date)
        if not frozen:
            return
        counted = (targets.shares > 0) | (held[targets.places] != 0)
        known = {name for name, counts in zip(targets.instruments, counted.tolist(), strict=True) if counts}
        said = [f"{name} keeps its position: {suspect}" for name, suspect in frozen.items() if name in known]
        if said:
            row["reason"] = "; ".join([row["reason"], *said] if "reason" in row else said)

    def _fraction(self, date: pd.Timestamp, held: FloatArray, before: list[dict[str, Any]]) -> float:
        if not callable(self.buffer_fraction):
            return self.buffer_fraction
        known = {
            name: getattr(self.inputs, name).loc[:date].copy()
            for name in ("volatility", "forecasts", "costs", "values")
        }
        contracts = pd.Series(held, list(self.inputs.names), copy=True)
        fraction = self.buffer_fraction(RebalanceHistory(date, rows(before), contracts, **known))
        return not_negative(fraction, "buffer_fraction", most=MOST_FRACTION)

    def _without_gone(self, date: pd.Timestamp, held: FloatArray) -> FloatArray:
        """Held positions, shape (..., n), without those whose market is gone: they are closed at the last price."""
        return np.where(self.inputs.gone(date) & (held != 0), 0.0, held)

    def targets(self, date: pd.Timestamp, capital: float) -> TargetPositions | DynoptError:
        """The target positions of a day, or why there are none."""
        try:
            return self.inputs.target_positions(date, capital=capital)
        except DynoptError as error:
            return error

    def unoptimised(
        self, date: pd.Timestamp, held: FloatArray, targets: TargetPositions | DynoptError
    ) -> tuple[FloatArray, FloatArray]:
        """The target positions of a day, in fractions and rounded; what cannot be traded stays as it is held.

        Parameters
        ----------
        date : Timestamp
            Its close is known.
        held : ndarray, shape (2, n)
            Held in fractions, and rounded.
        targets : TargetPositions or DynoptError
            As in :meth:`decide`.
        """
        kept = self._without_gone(date, held)
        if isinstance(targets, DynoptError):
            return kept[0], kept[1]
        return self._towards(targets, kept[0], UNROUNDED), self._towards(targets, kept[1], ROUNDED)

    def _towards(self, targets: TargetPositions, held: FloatArray, how: str) -> FloatArray:
        """The target positions of the market's instruments, shape (n,); what cannot be traded stays as it is held."""
        target, positions = targets.contracts, held.copy()
        traded = np.isfinite(target)
        if targets.closed:
            traded &= ~np.isin(targets.instruments, targets.closed)
        places = targets.places[traded]
        if how == BUFFERED:
            least, most = buffered(target, targets.average_positions.to_numpy())
            positions[places] = np.clip(held[places], least[traded], most[traded])
        else:
            positions[places] = target[traded] if how == UNROUNDED else np.round(target[traded])
        return positions

    def _static(self, targets: TargetPositions, held: FloatArray, row: dict[str, Any]) -> FloatArray:
        target = targets.contracts
        positions = self._towards(targets, held, str(self.optimizer))
        row |= {"status": STATIC, "adjustment_factor": 1.0, "tracking_error": 0.0}
        unknown = [targets.instruments[place] for place in np.flatnonzero(~np.isfinite(target))]
        if unknown:
            row["reason"] = "; ".join(f"{name} keeps its position: its target is no number" for name in unknown)
        if not np.array_equal(positions[targets.places], target, equal_nan=True):
            problem = self._problem(targets, np.round(held), row)
            row["tracking_error"] = problem.program().tracking_error(positions[self._places(problem)])
        return positions

    def _places(self, problem: Problem) -> list[int]:
        """The places of a problem's instruments among the market's."""
        places = {name: place for place, name in enumerate(self.inputs.names)}
        return [places[name] for name in problem.instruments]

    def _problem(
        self, targets: TargetPositions, held: FloatArray, row: dict[str, Any], **settings: Any
    ) -> Problem:  # fmt: skip
        """The rebalance of the day; instruments whose numbers make no problem keep their positions, which is said."""
        refused: dict[str, str] = {}
        while True:
            try:
                problem = self.inputs.problem(
                    targets.date,
                    held,
                    capital=row["capital"],
                    targets=targets,
                    without=tuple(refused),
                    **settings,
                )
            except (LimitsError, UnknownNameError, UnsupportedError, RulesError):
                raise
            except InputError as error:
                if error.instrument in refused or error.instrument not in targets.instruments:
                    raise
                refused[str(error.instrument)] = " ".join(str(error).split())
            else:
                if refused:
                    row["reason"] = "; ".join(f"{name} keeps its position: {why}" for name, why in refused.items())
                return problem

    def _optimised(
        self, targets: TargetPositions, held: FloatArray, fraction: float, row: dict[str, Any]
    ) -> FloatArray:
        problem = self._asked(targets, held, row)
        if self.rules is not None:
            row[RULES_BROKEN] = len(problem.broken_rules(problem.previous_positions))
        row["buffer"] = fraction * self.inputs.strategy.risk_target if self.buffer_rule is not None else 0.0
        result = rebalance(
            problem, self.optimizer, buffer_rule=self.buffer_rule,  # type: ignore[arg-type]  # checked at the door
            buffer_fraction=fraction, risk_target=self.inputs.strategy.risk_target, gap=self.gap,
            time_limit=self._limit(self.optimizer),
        )  # fmt: skip
        best = result.optimised
        row |= {
            "objective": best.objective,
            "lower_bound": best.lower_bound,
            "gap": best.gap,
            "status": result.status.value,
            "stopped_by": result.stopped_by.value,
            "tracking_error_before": problem.program().tracking_error(problem.previous_positions),
            "tracking_error": result.tracking_error,
            "rounded_tracking_error": problem.program().tracking_error(np.round(problem.optimal_positions)),
            "adjustment_factor": result.adjustment_factor,
            "seconds": result.seconds,
        }
        found: dict[str, dict[str, Any]] = {}
        solutions = [best]
        if self.portfolios:
            found[optimizer_name(self.optimizer)] = _portfolio(best)
        for optimizer in self.also:
            name = optimizer_name(optimizer)
            try:
                other = self._compared(optimizer, problem)
            except DynoptError as error:  # an optimizer that is there for comparison only must not stop the trade
                row |= {f"{name}_objective": None, f"{name}_seconds": None}
                found[name] = {"status": FAILED, "reason": " ".join(str(error).split())}
            else:
                row |= {f"{name}_objective": other.objective, f"{name}_seconds": other.seconds}
                if self.portfolios:
                    found[name] = _portfolio(other)
                if optimizer != SAME_SIDE:
                    solutions.append(other)
        if is_chosen(f"{targets.date:%Y-%m-%d}", self.verify_share):
            row[PROOF] = proof_of_day(problem, solutions, self.gap)
        if self.portfolios:
            row["portfolios"] = found
        row |= self._of_rules(targets.date, problem, result)
        positions = held.copy()
        positions[self._places(problem)] = result.contracts
        return positions

    def _of_rules(self, date: pd.Timestamp, problem: Problem, result: Rebalance) -> dict[str, Any]:
        """What rules cost, and the margin of what was decided, where either is known."""
        found: dict[str, Any] = {}
        margin = problem.margin_held(result.contracts)
        if margin is not None:
            found[MARGIN] = margin
        budgets = [use for use in result.rules_used if use.rule.startswith("margin") and use.limit > 0]
        if budgets:
            found[MARGIN_USED] = max(use.used / use.limit for use in budgets)
        if problem.rules:
            measured = prices_of_rules(
                problem, result.optimised, result.buffer,
                each=self.price_rules or date.toordinal() % SHARE_PRICED == 0, gap=self.gap,
                time_limit=self.time_limit,
            )  # fmt: skip
            if measured is not None:
                found[RULES_COST], found[PRICES], found[KEPT] = measured
                found[RULES_BIND] = len(found[PRICES])
        return found

    def _compared(self, optimizer: str | Optimizer, problem: Problem) -> Solution:
        if optimizer == SAME_SIDE:
            return solve(reachable(problem), "exact", gap=self.gap, time_limit=self.time_limit)
        return solve(problem, optimizer, gap=self.gap, time_limit=self._limit(optimizer))

    def _limit(self, optimizer: str | Optimizer) -> float | None:
        """Greedy cut off in the middle is not greedy: it is run to its end."""
        return None if optimizer == "greedy" else self.time_limit


def _portfolio(solution: Solution) -> dict[str, Any]:
    """What an optimizer would hold, as JSON has it; nothing where it found nothing."""
    if solution.contracts is None:
        return {"status": solution.status.value, "seconds": solution.seconds}
    content = solution.to_dict()
    kept = {name: content[name] for name in PORTFOLIO_COLUMNS}
    return kept | {"positions": {name: number for name, number in content["positions"].items() if number}}


PORTFOLIO_COLUMNS = ("objective", "lower_bound", "status", "tracking_error", "cost_penalty", "seconds")
"""What is kept of a portfolio that an optimizer would hold, beside its ``positions``."""

REBALANCE_COLUMNS = (
    "objective", "lower_bound", "gap", "status", "optimizer", "tracking_error_before", "tracking_error",
    "adjustment_factor", "trades", "cost", "seconds", "instruments", "idm", "buffer", "capital",
    "rounded_tracking_error", "stopped_by", "reason",
)  # fmt: skip


def rows(entries: list[dict[str, Any]]) -> pd.DataFrame:
    """The record of decisions as a frame by day; numbers that do not exist are NaN, texts empty."""
    further = [
        name for entry in entries for name in entry if name.endswith(("_objective", "_seconds")) or name in OF_RULES
    ]
    columns = [*REBALANCE_COLUMNS[:11], *dict.fromkeys(further), *REBALANCE_COLUMNS[11:]]
    frame = pd.DataFrame(
        [[entry.get(name) for name in columns] for entry in entries],
        columns=columns,
        index=pd.DatetimeIndex([entry["date"] for entry in entries], name="date").as_unit("us"),
    )
    for name in columns:
        frame[name] = frame[name].fillna("").astype(str) if name in TEXTS else frame[name].astype(np.float64)
    return frame


def portfolios_by_day(entries: list[dict[str, Any]]) -> pd.DataFrame:
    """What each optimizer would hold before the buffer, a row a day and optimizer; empty if that was not kept."""
    columns = ["date", "optimizer", *PORTFOLIO_COLUMNS, "reason", "positions"]
    found = [
        {"date": pd.Timestamp(entry["date"]), "optimizer": name} | portfolio
        for entry in entries
        for name, portfolio in entry.get("portfolios", {}).items()
    ]
    return pd.DataFrame(found, columns=columns)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
