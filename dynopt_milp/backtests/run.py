"""A strategy over the years: rebalance, hold, mark, and keep a record of every decision."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.accounting import Accounts
from dynopt_milp.backtests.data_digest import DataDigest
from dynopt_milp.backtests.decision import BufferFraction, Decisions
from dynopt_milp.backtests.diagnostics import BUFFERED, UNOPTIMISED
from dynopt_milp.backtests.execution import Execution
from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.backtests.journal import Journal
from dynopt_milp.backtests.record import Record
from dynopt_milp.backtests.result import BESIDE, FORMAT, Backtest
from dynopt_milp.backtests.same_side import SAME_SIDE
from dynopt_milp.data.days import to_day
from dynopt_milp.data.market import Market
from dynopt_milp.errors import BacktestInterrupted, FormatError, HistoryError, InputError, UnsupportedError
from dynopt_milp.io.describe import describe
from dynopt_milp.io.labelled import not_negative, one_of, positive, to_share, true_or_false
from dynopt_milp.io.progress import Progress
from dynopt_milp.io.versions import versions
from dynopt_milp.problem.holding import ROLL_TRADES
from dynopt_milp.problem.limits import Limits, LimitsLike, described, limits_of, with_one_side
from dynopt_milp.problem.plausible import MOST_CAPITAL, MOST_FRACTION, MOST_MULTIPLIER, MOST_ROLL_TRADES
from dynopt_milp.solvers.own_optimizer import Optimizer, distinct_names, optimizer_name
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_gap, check_optimizer, check_time_limit
from dynopt_milp.strategy.inputs import Inputs, same
from dynopt_milp.strategy.market_notes import market_notes
from dynopt_milp.strategy.presets import BUFFER_RULES, DEFAULT, OF_PRESET, Preset, preset_of
from dynopt_milp.strategy.rules_of_day import DayRules, of_market, rules_described
from dynopt_milp.strategy.strategy import Strategy

KEPT_BY_TARGETS = ("same_side",)
"""Limits that the target positions keep by themselves, in fractions and rounded, without a buffer."""


def backtest(
    market: Market,
    strategy: Strategy | None = None,
    *,
    capital: float,
    optimizer: str | Optimizer = "exact",
    frequency: str = "weekly",
    preset: str | Preset = DEFAULT,
    cost_multiplier: float | None = None,
    buffer_rule: str | None = OF_PRESET,
    buffer_fraction: BufferFraction | None = None,
    start: Any = None,
    end: Any = None,
    also: Sequence[str | Optimizer] = (),
    beside: Sequence[str | Optimizer] = (),
    portfolios: bool = False,
    limits: LimitsLike | None = None,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    out: str | Path | None = None,
    show_progress: bool = False,
    inputs: Inputs | None = None,
    roll_trades: float = ROLL_TRADES,
    compound: bool = False,
    one_side: bool = True,
    holding_cost: bool | None = None,
    rules: DayRules | None = None,
    price_rules: bool = False,
    verify_share: float = 0.0,
) -> Backtest:
    """Run a strategy over the years.

    After the close of a rebalance day the trades are decided from what is known then; each is done at the next close of
    its own market, at that day's cost, and earns from the day after. On the first day with another contract month, what
    was held at the close before is rolled, at that day's cost. What orders cost beside their contracts, by the market's
    specifications, is part of both. Capital is fixed, unless it is to ``compound``.

    Parameters
    ----------
    market : Market
        May begin before ``start``: volatility, forecasts and correlations use what is there.
    strategy : Strategy, optional
        Default: trend following, risk parity.
    capital : float
        Base currency, positive.
    optimizer : str or callable
        ``"exact"``, ``"scip"``, ``"greedy"`` or another optimizer of :func:`~dynopt_milp.solve`; a function of your own
        from a Problem to whole contracts; ``"unrounded"`` or ``"rounded"`` for the target positions as they are, and
        ``"buffered"`` for those rounded within the book's position buffer, a tenth of an average position either way.
    frequency : {"daily", "weekly", "monthly"}
        Rebalance on every day, or on the last of the week or month.
    preset : {"recommended", "book", "pysystemtrade"} or Preset
        Sets what is not given: λ, the correlations of a strategy that has none of its own, the cost of holding, and the
        buffer.
    cost_multiplier : float, optional
        λ.
    buffer_rule : {"book", "edge", "deadband"} or None, optional
        As in :func:`~dynopt_milp.rebalance`.
    buffer_fraction : float or callable, optional
        Share of the risk target; or a function from :class:`RebalanceHistory` to one.
    start, end : date, optional
        First and last day of the run, both included. It begins with the first rebalance on which there is something
        to hold.
    also : sequence of str or callable
        Further optimizers to solve every rebalance with, from the same held positions, for comparison only. Their
        objective and seconds are recorded as ``NAME_objective`` and ``NAME_seconds``. ``"same_side"`` is the exact
        optimum under the greedy search's sign rule, the best it could reach.
    beside : sequence of str or callable
        Further optimizers to run over the same days, each along its own path with an account of its own:
        ``Backtest.beside``, kept in ``out/beside/NAME``. Unlike ``also``, which is asked at the positions of this run.
    portfolios : bool
        Keep what each of them would hold before the buffer, too: ``Backtest.portfolios``.
    limits : Limits or callable, optional
        Limits of instruments of the market, of which those count that can be held on the day; or a function from a list
        of instruments to their limits. Target positions know none but ``same_side``, which they keep by themselves,
        within a buffer not even that.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`, for each rebalance; the greedy search is always run to its end.
    out : path, optional
        Where to keep the record. An interrupted run goes on from there when it is called again with the same
        arguments; a finished one is read back. Either is extended when the end is later, or the market has further
        days: everything before must be as it was, but for the level of back-adjusted prices. Of what was interrupted
        that holds up to its last decision, and its end may be any, not before that of finished results.
    show_progress : bool
        A progress bar on stderr.
    inputs : Inputs, optional
        Prepared before, of the same market, strategy and capital; saves preparing them again.
    roll_trades : float
        Trades that a roll costs: 1, that of a spread; 2 for two legs. A market without contract months has no rolls.
    compound : bool
        Size positions by the account, marked on the day of the decision, instead of by a fixed capital. Returns are
        then shares of the account of the day before. From the first close at which nothing is left of the account,
        everything is closed at its next trade, nothing is decided any more, and figures are of the days until then
        (``performance["account_lost"]``).
    one_side : bool
        Hold no two sizes of one underlying (``Market.specifications``) with opposite signs; ``Limits.one_side`` can
        name some instead. Targets that are held as they are do not keep to it.
    holding_cost : bool, optional
        Count in the objective what the rolls until the next rebalance cost, from the rolls a year that are known on
        the day (:func:`~dynopt_milp.holding_cost`).
    rules : list of Rule, Rule or callable, optional
        House rules (:mod:`dynopt_milp.rules`) that every decision keeps, after the buffer, by the data of its day; or
        a function from a :class:`~dynopt_milp.strategy.RebalanceDay` to those of the day. Of instruments that are not
        in a rebalance names and numbers are left out; what is held of them does not count. What is held can leave the
        rules until the next decision, as markets move and orders wait for a price: ``rules_broken`` of the rebalances.
        Target positions know none, and stand ``beside`` without. A rule binds if the optimum without any rule breaks
        it: how often, and what it costs in the objective, is in ``performance["rules"]``.
    price_rules : bool
        Where several rules bind, solve again without each, for the price of each: on all of these days, not on one in
        four. Where a rule binds alone its price is known anyway.
    verify_share : float
        Of so large a share of the rebalances, chosen by their dates, the optimum is proved
        (:func:`~dynopt_milp.solvers.prove`) and the proof verified in exact arithmetic: ``performance["proofs"]``. It
        is that of ``optimizer``, or of the first of ``also`` that claims to be optimal.

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
        If the folder holds another run, one whose data have changed since or that ends later, or is damaged.
    FileError
        If the folder is in use by another run, or cannot be written to.
    BacktestInterrupted
        On Ctrl-C.
    """
    if strategy is None:
        strategy = Strategy() if inputs is None else inputs.strategy
    preset = preset_of(preset)
    cost_multiplier = preset.cost_multiplier if cost_multiplier is None else cost_multiplier
    buffer_rule = preset.buffer_rule if buffer_rule == OF_PRESET else buffer_rule
    buffer_fraction = preset.buffer_fraction if buffer_fraction is None else buffer_fraction
    holding_cost = preset.holding_cost if holding_cost is None else holding_cost
    if isinstance(strategy, Strategy):
        strategy = preset.of(strategy)
    check_optimizer(optimizer, others=UNOPTIMISED)
    switches = {"portfolios": portfolios, "compound": compound, "one_side": one_side, "holding_cost": holding_cost,
                "price_rules": price_rules}  # fmt: skip
    switches = {name: true_or_false(value, name) for name, value in switches.items()}
    _check(market, strategy, capital, optimizer, cost_multiplier, buffer_rule, buffer_fraction, also, limits, rules)
    roll_trades = not_negative(roll_trades, "roll_trades", most=MOST_ROLL_TRADES)
    if isinstance(beside, str) or beside is None:
        raise InputError(f"expected a list of optimizers, found {beside!r}", field="beside")
    for name in map(optimizer_name, beside):
        if not re.fullmatch(r"\w[\w.:+-]{0,99}", name):
            raise InputError(f"expected a name that can be that of a folder, found {name!r}", field="beside")
    others = dict(zip(distinct_names((optimizer, *beside), "beside")[1:], beside, strict=True))
    for other in beside:
        check_optimizer(other, "beside", UNOPTIMISED)
        known = None if other in UNOPTIMISED else rules
        _check(market, strategy, capital, other, cost_multiplier, buffer_rule, buffer_fraction, (), limits, known)
    gap, time_limit = check_gap(gap), check_time_limit(time_limit)
    verify_share = to_share(verify_share, "verify_share")
    if verify_share and (buffer_rule == "deadband" or optimizer in UNOPTIMISED):
        raise InputError("is for the book's objective; the deadband and static portfolios have another",
                         field="verify_share")  # fmt: skip
    if switches["price_rules"] and rules is None:
        raise InputError("makes no sense without rules", field="price_rules")
    if inputs is None:
        inputs = Inputs(market, strategy, float(capital))
    else:
        _check_prepared(inputs, market, strategy, capital)
    alone = partial(
        backtest, market, strategy, capital=capital, frequency=frequency, cost_multiplier=cost_multiplier,
        buffer_rule=buffer_rule, buffer_fraction=buffer_fraction, start=start, end=end, limits=limits, gap=gap,
        time_limit=time_limit, show_progress=show_progress, inputs=inputs, roll_trades=roll_trades, compound=compound,
        one_side=one_side, holding_cost=holding_cost, rules=rules, price_rules=price_rules,
        verify_share=verify_share,
    )  # fmt: skip
    days = _days(market, start, end)
    decisions = _decision_days(inputs, days, frequency)
    settings = {
        "format": FORMAT,
        "market": market.between(end=days[-1]).fingerprint(),
        "strategy": strategy.settings(),
        "capital": float(capital),
        "optimizer": _described(optimizer),
        "frequency": frequency,
        "preset": preset.name,
        "cost_multiplier": float(cost_multiplier),
        "buffer_rule": buffer_rule,
        "buffer_fraction": describe(buffer_fraction) if callable(buffer_fraction) else float(buffer_fraction),
        "start": f"{days[0]:%Y-%m-%d}",
        "end": f"{days[-1]:%Y-%m-%d}",
        "also": [_described(optimizer) for optimizer in also],
        "portfolios": switches["portfolios"],
        "limits": described(limits),
        "gap": gap,
        "time_limit": None if time_limit is None or math.isinf(time_limit) else time_limit,
        "roll_trades": roll_trades,
        **{name: switches[name] for name in ("compound", "one_side", "holding_cost")},
        "base_currency": market.base_currency,
        "simulated": market.simulated,
        "versions": versions(),
    }
    if rules is not None:  # a run without them has the settings that it has had before there were any
        settings["rules"] = rules_described(rules, list(market.instruments))
        settings["price_rules"] = switches["price_rules"]
    if verify_share:
        settings["verify_share"] = verify_share
    task = Decisions(
        inputs,
        optimizer,
        float(cost_multiplier),
        buffer_rule,
        buffer_fraction,
        tuple(also),
        portfolios,
        with_one_side(limits) if one_side else limits,
        gap,
        time_limit,
        frequency if holding_cost else None,
        roll_trades,
        rules,
        switches["price_rules"],
        verify_share,
    )
    names = list(market.instruments)
    ends = [int(market.days.searchsorted(day)) for day in (*decisions, days[-1])]
    accounts = Accounts(market, inputs.costs, roll_trades, inputs.order_costs)
    record = Record(inputs, Execution(market), accounts, ends[0], compound=compound)
    entries: list[dict[str, Any]] = []
    with Journal(Path(out), settings) if out is not None else nullcontext() as journal:
        done = {} if journal is None else journal.entries
        extended = None if journal is None else journal.extend(DataDigest.of(market, days[0], days[-1]))
        try:
            with Progress(len(decisions), f"{optimizer_name(optimizer)}: rebalances", show=show_progress) as progress:
                for place, day in enumerate(decisions):
                    if record.lost:
                        record.close(ends[place], ends[place + 1])
                        progress.advance(f"{day:%Y-%m-%d}")
                        continue
                    entry = done.get(f"{day:%Y-%m-%d}")
                    sized_by = record.account if compound else float(capital)
                    targets = task.targets(day, sized_by)
                    if entry is None:
                        entry = task.decide(day, record.held, entries, sized_by, targets)
                        if journal is not None:
                            journal.add(entry)
                    elif unknown := [name for name in entry["positions"] if name not in names]:
                        raise FormatError(
                            f"its line of {day:%Y-%m-%d} has {unknown[0]}, unknown to the market; use another folder",
                            field=str(out),
                        )
                    entries.append(entry)
                    wanted = np.array([entry["positions"].get(name, 0.0) for name in names])
                    unoptimised = task.unoptimised(day, record.targets, targets)
                    record.add(wanted, unoptimised, ends[place], ends[place + 1])
                    progress.advance(f"{day:%Y-%m-%d}")
        except KeyboardInterrupt:
            raise BacktestInterrupted(len(entries), len(decisions), out) from None
        notes = market_notes(market, float(capital), days[-1])
        result = replace(record.result(entries, settings), extended_from=extended, notes=notes)
        if out is not None:
            result.save(out)
    runs = {}
    for name, other in others.items():
        known = None if other in UNOPTIMISED else rules
        runs[name] = alone(
            optimizer=other, out=None if out is None else Path(out) / BESIDE / name, rules=known,
            price_rules=price_rules and known is not None, verify_share=0.0 if other in UNOPTIMISED else verify_share,
        )  # fmt: skip
    return replace(result, beside=runs)


def _described(optimizer: str | Optimizer) -> str:
    return optimizer if isinstance(optimizer, str) else describe(optimizer)


def _days(market: Market, start: Any, end: Any) -> pd.DatetimeIndex:
    first = market.days[0] if start is None else to_day(start, "start")
    last = market.days[-1] if end is None else to_day(end, "end")
    days = market.days[(market.days >= first) & (market.days <= last)]
    if len(days) < 2:
        raise HistoryError(
            f"fewer than two days from {first.date()} to {last.date()}; the market has {market.days[0].date()} to "
            f"{market.days[-1].date()}",
            field="start and end",
        )
    return days


def _check_prepared(inputs: Inputs, market: Market, strategy: Strategy, capital: float) -> None:
    """Refuse inputs that were prepared for something else; what is equal will do."""
    different = {
        "market": inputs.market is not market and inputs.market.fingerprint() != market.fingerprint(),
        "strategy": not same(inputs.strategy, strategy),
        "capital": inputs.capital != capital,
    }
    for what, other in different.items():
        if other:
            raise InputError(f"were prepared for another {what}", field="inputs")


def _decision_days(inputs: Inputs, days: pd.DatetimeIndex, frequency: str) -> pd.DatetimeIndex:
    """Rebalance days from the first on which something can be held; never the last day, whose trades come after."""
    decisions = rebalance_days(days, frequency)
    decisions = decisions[decisions < days[-1]]
    problem: HistoryError | None = None
    for place, day in enumerate(decisions):
        try:
            inputs.target_positions(day)
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
    market: Any, strategy: Any, capital: Any, optimizer: Any, cost_multiplier: Any, buffer_rule: Any, fraction: Any,
    also: Any, limits: Any, rules: Any,
) -> None:  # fmt: skip
    """Refuse what would fail on every day, before any work."""
    if not isinstance(market, Market):
        raise InputError(f"expected a Market, found {type(market).__name__}", field="market")
    if not isinstance(strategy, Strategy):
        raise InputError(f"expected a Strategy, found {type(strategy).__name__}", field="strategy")
    if not callable(limits):  # a function is asked on each day, of what there is then
        limits_of(limits, market.instruments, market.instruments)
    known = () if optimizer == BUFFERED else KEPT_BY_TARGETS  # what is kept within the buffer may be on the other side
    kept = limits is None or (isinstance(limits, Limits) and set(limits.given) <= set(known))
    if optimizer in UNOPTIMISED and not kept:
        but = "".join(f" but {name}" for name in known)
        raise UnsupportedError(
            f"{optimizer!r} holds the target positions and knows no limits{but}; use exact", field="limits"
        )
    of_market(rules, market.instruments, market.instruments)
    if optimizer in UNOPTIMISED and rules is not None:
        raise UnsupportedError(f"{optimizer!r} holds the target positions and knows no rules; use exact", field="rules")
    positive(capital, "capital", most=MOST_CAPITAL)
    not_negative(cost_multiplier, "cost_multiplier", most=MOST_MULTIPLIER)
    if not callable(fraction):
        not_negative(fraction, "buffer_fraction", most=MOST_FRACTION)
    if buffer_rule is not None:
        one_of(buffer_rule, BUFFER_RULES, "buffer_rule", other="None")
    if isinstance(also, str):
        raise InputError(f"expected a list of optimizers, found {also!r}", field="also")
    for other in also:
        check_optimizer(other, "also", (SAME_SIDE,))
    if also and (buffer_rule == "deadband" or optimizer in UNOPTIMISED):
        raise UnsupportedError(
            "optimizers are compared by the book's objective; the deadband and static portfolios have another",
            field="also",
        )
    distinct_names((optimizer, *also), "also")
