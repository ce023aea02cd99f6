"""A strategy over the years: rebalance, hold, mark, and keep a record of every decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.accounting import profits, trading_costs
from dynopt_milp.backtest_result import Backtest
from dynopt_milp.data.market import Market
from dynopt_milp.errors import (
    BacktestInterrupted,
    DynoptError,
    HistoryError,
    InputError,
    UnknownNameError,
    UnsupportedError,
)
from dynopt_milp.inputs import GONE_AFTER, Inputs, Wanted
from dynopt_milp.journal import Journal
from dynopt_milp.labelled import to_number
from dynopt_milp.limits import Limits
from dynopt_milp.metrics import FAILED, STATIC, performance
from dynopt_milp.problem import BOOK_COST_MULTIPLIER
from dynopt_milp.progress import Progress
from dynopt_milp.rebalance import BOOK_BUFFER_FRACTION, BUFFER_RULES, rebalance
from dynopt_milp.rebalance_days import rebalance_days
from dynopt_milp.solve import DEFAULT_GAP, solve
from dynopt_milp.solvers import find_method
from dynopt_milp.solvers.own import Optimizer, method_name
from dynopt_milp.strategy import Strategy, describe
from dynopt_milp.versions import versions

UNOPTIMISED = ("unrounded", "rounded")
"""Optimizers that do not optimise: hold what is wanted, in fractions or rounded."""

BufferFraction = float | Callable[["Past"], float]
"""A share of the risk target, or a function of what has happened so far."""


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What is known when a rebalance is decided, for buffers that adapt.

    Attributes
    ----------
    day : Timestamp
        Its close is known.
    rebalances : DataFrame by day
        The rebalances before, as in :class:`Backtest`.
    inputs : Inputs
        Prepared for all days; only what is up to ``day`` may be used.
    held : Series, by instrument
        Contracts held.
    """

    day: pd.Timestamp
    rebalances: pd.DataFrame
    inputs: Inputs
    held: pd.Series


def backtest(
    market: Market,
    strategy: Strategy | None = None,
    *,
    capital: float,
    optimizer: str | Optimizer = "exact",
    frequency: str = "weekly",
    cost_multiplier: float = BOOK_COST_MULTIPLIER,
    buffer_rule: str | None = "book",
    buffer_fraction: BufferFraction = BOOK_BUFFER_FRACTION,
    start: Any = None,
    end: Any = None,
    also: Sequence[str] = (),
    limits: Callable[[list[str]], Limits] | None = None,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    folder: str | Path | None = None,
    show_progress: bool = False,
    inputs: Inputs | None = None,
) -> Backtest:
    """Run a strategy over the years.

    After the close of a rebalance day the trades are decided from what is known then; they are done at the close of the
    market's next day, at that day's cost, and earn from the day after. Capital is fixed: profits are not reinvested.

    Parameters
    ----------
    market : Market
        May begin before ``start``: volatility, forecasts and correlations use what is there.
    strategy : Strategy, optional
        What is wanted. Default: trend following, risk parity.
    capital : float
        Base currency, positive.
    optimizer : str or callable
        ``"exact"``, ``"scip"``, ``"greedy"`` or another method of :func:`~dynopt_milp.solve`; a function of your own
        from a Problem to whole contracts; ``"rounded"`` or ``"unrounded"`` for the wanted positions as they are.
    frequency : {"daily", "weekly", "monthly"}
        Rebalance on every day, or on the last of the week or month.
    cost_multiplier : float
        λ.
    buffer_rule : {"book", "edge", "deadband"} or None
        As in :func:`~dynopt_milp.rebalance`.
    buffer_fraction : float or callable
        Share of the risk target; or a function from :class:`Past` to one.
    start, end : date, optional
        First and last day of the run, both included. It begins with the first rebalance on which there is something
        to hold.
    also : sequence of str
        Further methods to solve every rebalance with, from the same held positions, for comparison only. Their
        objective and seconds are recorded as ``NAME_objective`` and ``NAME_seconds``.
    limits : callable, optional
        From a list of instruments to their limits.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`, for each rebalance.
    folder : path, optional
        Where to keep the record. An interrupted run goes on from there when it is called again with the same
        arguments; a finished one is read back.
    show_progress : bool
        A progress bar on stderr.
    inputs : Inputs, optional
        Prepared before, of the same market, strategy and capital; saves preparing them again.

    Returns
    -------
    Backtest
        A rebalance that could not be solved has the status ``"failed"`` and its reason; the held positions were kept.

    Raises
    ------
    InputError
        If an argument makes no sense.
    HistoryError
        If there is no day on which anything can be held.
    FormatError
        If the folder cannot be used.
    BacktestInterrupted
        On Ctrl-C.
    """
    if strategy is None:
        strategy = Strategy() if inputs is None else inputs.strategy
    _check(market, capital, optimizer, cost_multiplier, buffer_rule, buffer_fraction, also)
    if inputs is None:
        inputs = Inputs(market, strategy, float(capital))
    elif inputs.market is not market or inputs.strategy is not strategy or inputs.capital != capital:
        raise InputError("were prepared for another market, strategy or capital", field="inputs")
    days = _days(market, start, end)
    decisions = _decision_days(inputs, days, frequency)
    settings = {
        "market": market.fingerprint(),
        "strategy": strategy.settings(),
        "capital": float(capital),
        "optimizer": optimizer if isinstance(optimizer, str) else describe(optimizer),
        "frequency": frequency,
        "cost_multiplier": float(cost_multiplier),
        "buffer_rule": buffer_rule,
        "buffer_fraction": describe(buffer_fraction) if callable(buffer_fraction) else float(buffer_fraction),
        "start": f"{days[0]:%Y-%m-%d}",
        "end": f"{days[-1]:%Y-%m-%d}",
        "also": list(also),
        "limits": None if limits is None else describe(limits),
        "gap": gap,
        "time_limit": time_limit,
        "base_currency": market.base_currency,
        "versions": versions(),
    }
    task = _Task(
        inputs, optimizer, float(cost_multiplier), buffer_rule, buffer_fraction, tuple(also), limits, gap, time_limit
    )
    held = pd.Series(0.0, index=list(market.instruments))
    entries: list[dict[str, Any]] = []
    with Journal(Path(folder), settings) if folder is not None else nullcontext() as journal:
        done = {} if journal is None else journal.entries
        try:
            with Progress(len(decisions), "rebalances", show=show_progress) as progress:
                for day in decisions:
                    entry = done.get(f"{day:%Y-%m-%d}")
                    if entry is None:
                        entry = task.decide(day, held, entries)
                        if journal is not None:
                            journal.add(entry)
                    entries.append(entry)
                    held = pd.Series(entry["positions"], dtype=np.float64).reindex(held.index, fill_value=0.0)
                    progress.advance(f"{day:%Y-%m-%d}")
        except KeyboardInterrupt:
            raise BacktestInterrupted(len(entries), len(decisions), folder) from None
        result = _assemble(inputs, days, decisions, entries, settings)
        if folder is not None:
            result.save(folder)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """How each rebalance is decided."""

    inputs: Inputs
    optimizer: str | Optimizer
    cost_multiplier: float
    buffer_rule: str | None
    buffer_fraction: BufferFraction
    also: tuple[str, ...]
    limits: Callable[[list[str]], Limits] | None
    gap: float
    time_limit: float | None

    def decide(self, day: pd.Timestamp, held: pd.Series, before: list[dict[str, Any]]) -> dict[str, Any]:
        """One line of the journal: what is known of the rebalance, and the positions after it."""
        kept = self._without_gone(day, held)
        row: dict[str, Any] = {"method": method_name(self.optimizer)}
        fraction = self._fraction(day, held, before)  # outside: what is wrong here is wrong on every day
        try:
            wanted = self.inputs.wanted(day)
            row |= {"idm": wanted.multiplier, "instruments": len(wanted.weights)}
            if isinstance(self.optimizer, str) and self.optimizer in UNOPTIMISED:
                positions = self._static(wanted, kept, row)
            else:
                positions = self._optimised(wanted, kept, fraction, row)
        except (UnknownNameError, UnsupportedError):
            raise  # an argument is at fault; every other day would fail too
        except DynoptError as error:
            row |= {"status": FAILED, "reason": " ".join(str(error).split())}
            positions = kept
        costs = self.inputs.costs.loc[day]
        traded = (positions - held).abs()
        row["trades"] = float(traded.sum())
        row["cost"] = float((traded * costs).where(traded > 0, 0.0).to_numpy().sum()) / self.inputs.capital
        kept_positions = {str(name): float(number) for name, number in positions.items() if number != 0}
        return {"date": f"{day:%Y-%m-%d}"} | {name: _finite(value) for name, value in row.items()} | {
            "positions": kept_positions
        }  # fmt: skip

    def _fraction(self, day: pd.Timestamp, held: pd.Series, before: list[dict[str, Any]]) -> float:
        if not callable(self.buffer_fraction):
            return self.buffer_fraction
        fraction = to_number(self.buffer_fraction(Past(day, _rows(before), self.inputs, held)), "buffer_fraction")
        if fraction < 0:
            raise InputError(f"wants a number that is not negative, found {fraction:g}", field="buffer_fraction")
        return fraction

    def _without_gone(self, day: pd.Timestamp, held: pd.Series) -> pd.Series:
        """Held positions, without those whose market is gone: they are closed at the last price."""
        age = self.inputs.age(day)
        return held.where(~((age > GONE_AFTER) & (held != 0)), 0.0)

    def _static(self, wanted: Wanted, held: pd.Series, row: dict[str, Any]) -> pd.Series:
        target = wanted.optimal_positions
        positions = held.copy()
        traded = [name for name in target.index if name not in wanted.closed]
        positions[traded] = target[traded] if self.optimizer == "unrounded" else target[traded].round()
        row |= {"status": STATIC, "adjustment_factor": 1.0, "tracking_error": 0.0}
        if not positions[target.index].equals(target):
            program = self.inputs.problem(wanted.day, held[target.index].round()).program()
            names = list(wanted.weights.index[(wanted.weights > 0) | (held[target.index].round() != 0)])
            row["tracking_error"] = program.tracking_error(positions[names].to_numpy())
        return positions

    def _optimised(self, wanted: Wanted, held: pd.Series, fraction: float, row: dict[str, Any]) -> pd.Series:
        problem = self.inputs.problem(
            wanted.day, held[wanted.weights.index], cost_multiplier=self.cost_multiplier, limits=self.limits
        )
        row["buffer"] = fraction * self.inputs.strategy.risk_target if self.buffer_rule is not None else 0.0
        result = rebalance(
            problem, self.optimizer, buffer_rule=self.buffer_rule,  # type: ignore[arg-type]  # checked at the door
            buffer_fraction=fraction, risk_target=self.inputs.strategy.risk_target, gap=self.gap,
            time_limit=self.time_limit,
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
            "adjustment_factor": result.adjustment_factor,
            "seconds": result.seconds,
        }
        for name in self.also:
            other = solve(problem, name, gap=self.gap, time_limit=self.time_limit)
            row |= {f"{name}_objective": other.objective, f"{name}_seconds": other.seconds}
        positions = held.copy()
        positions[list(problem.instruments)] = result.positions.to_numpy(dtype=np.float64)
        return positions


def _assemble(
    inputs: Inputs, days: pd.DatetimeIndex, decisions: pd.DatetimeIndex, entries: list[dict[str, Any]], settings: Any
) -> Backtest:
    """Positions, marks and figures from the record of decisions."""
    names = list(inputs.market.instruments)
    # The market's next day after each decision; the last decision always has one.
    done_on = days[days.searchsorted(decisions) + 1]
    decided = pd.DataFrame([entry["positions"] for entry in entries], index=done_on).reindex(columns=names)
    positions = decided.fillna(0.0).reindex(days[days.searchsorted(decisions[0]) :]).ffill().fillna(0.0)
    positions = positions.rename_axis(index="date", columns="instrument").astype(np.float64)
    gross = profits(inputs.market, positions).sum(axis=1) / inputs.capital
    cost = trading_costs(inputs.costs, positions).sum(axis=1) / inputs.capital
    returns = pd.DataFrame({"gross": gross, "cost": cost, "net": gross - cost}).rename_axis(index="date")
    rebalances = _rows(entries)
    return Backtest(
        positions=positions,
        rebalances=rebalances,
        returns=returns,
        performance=performance(returns, positions, rebalances),
        settings=settings,
    )


COLUMNS = (
    "objective", "lower_bound", "gap", "status", "method", "tracking_error_before", "tracking_error",
    "adjustment_factor", "trades", "cost", "seconds", "instruments", "idm", "buffer", "stopped_by", "reason",
)  # fmt: skip
TEXT = ("status", "method", "stopped_by", "reason")


def _rows(entries: list[dict[str, Any]]) -> pd.DataFrame:
    """The record of decisions as a frame by day; numbers that do not exist are NaN, texts empty."""
    further = [name for entry in entries for name in entry if name.endswith(("_objective", "_seconds"))]
    columns = [*COLUMNS[:11], *dict.fromkeys(further), *COLUMNS[11:]]
    frame = pd.DataFrame(
        [[entry.get(name) for name in columns] for entry in entries],
        columns=columns,
        index=pd.DatetimeIndex([entry["date"] for entry in entries], name="date"),
    )
    for name in columns:
        frame[name] = frame[name].fillna("").astype(str) if name in TEXT else frame[name].astype(np.float64)
    return frame


def _days(market: Market, start: Any, end: Any) -> pd.DatetimeIndex:
    try:
        first = market.days[0] if start is None else pd.Timestamp(start)
        last = market.days[-1] if end is None else pd.Timestamp(end)
        days = market.days[(market.days >= first) & (market.days <= last)]
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot be read as a date: {error}", field="start or end") from None
    if len(days) < 2:
        raise HistoryError(
            f"fewer than two days from {start} to {end}; the market has {market.days[0].date()} to "
            f"{market.days[-1].date()}",
            field="start and end",
        )
    return days


def _decision_days(inputs: Inputs, days: pd.DatetimeIndex, frequency: str) -> pd.DatetimeIndex:
    """Rebalance days from the first on which something can be held; never the last day, whose trades come after."""
    decisions = rebalance_days(days, frequency)
    decisions = decisions[decisions < days[-1]]
    problem: HistoryError | None = None
    for place, day in enumerate(decisions):
        try:
            inputs.wanted(day)
        except HistoryError as error:
            problem = error
        else:
            return decisions[place:]
    if problem is not None:
        raise HistoryError(
            f"there is no day on which anything can be held; the last attempt: {problem}", field="market"
        )
    raise HistoryError(
        f"there is no {frequency} rebalance between {days[0].date()} and {days[-1].date()}", field="market"
    )


def _check(
    market: Any, capital: Any, optimizer: Any, cost_multiplier: Any, buffer_rule: Any, fraction: Any, also: Any
) -> None:
    """Refuse what would fail on every day, before any work."""
    if not isinstance(market, Market):
        raise InputError(f"wants a Market, found {type(market).__name__}", field="market")
    if not to_number(capital, "capital") > 0:
        raise InputError(f"wants a positive amount, found {capital:g}", field="capital")
    if not to_number(cost_multiplier, "cost_multiplier") >= 0:
        raise InputError(f"wants a number that is not negative, found {cost_multiplier:g}", field="cost_multiplier")
    if not callable(fraction) and not to_number(fraction, "buffer_fraction") >= 0:
        raise InputError(f"wants a number that is not negative, found {fraction:g}", field="buffer_fraction")
    if buffer_rule is not None and buffer_rule not in BUFFER_RULES:
        raise UnknownNameError(f"there is no {buffer_rule!r}; there are {', '.join(BUFFER_RULES)}", field="buffer_rule")
    if not callable(optimizer) and optimizer not in UNOPTIMISED:
        find_method(optimizer)
    if isinstance(also, str):
        raise InputError(f"wants a list of methods, found {also!r}", field="also")
    for name in also:
        find_method(name)
    if also and (buffer_rule == "deadband" or optimizer in UNOPTIMISED):
        raise UnsupportedError(
            "comparing methods wants the book's objective; the deadband and static portfolios have another",
            field="also",
        )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
