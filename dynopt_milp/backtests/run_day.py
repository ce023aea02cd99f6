"""The rebalance of one day of a finished run, as the problem that it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.decision import Decisions
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.data.days import to_day
from dynopt_milp.data.market import Market
from dynopt_milp.errors import FormatError, InputError
from dynopt_milp.problem.limits import LimitsLike, described, with_one_side
from dynopt_milp.problem.problem import Problem
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import PRESETS, RECOMMENDED
from dynopt_milp.strategy.rules_of_day import DayRules, of_market, rules_described
from dynopt_milp.strategy.strategy import Strategy


def problem_of_run(
    run: Backtest, market: Market, strategy: Strategy, date: Any, *, limits: LimitsLike | None = None,
    rules: DayRules | None = None,
) -> Problem:  # fmt: skip
    """The problem of a rebalance of a finished run, from what the run was made of.

    A run keeps figures and a hash of its data, not the data: market, strategy, limits and rules are given again, and
    have to be the same.

    Parameters
    ----------
    run : Backtest
        :meth:`Backtest.load <dynopt_milp.Backtest.load>` reads one.
    market, strategy, limits, rules
        Those that it was made with, or equal ones; the market may be longer. A strategy without correlations of its own
        gets those of the run's preset.
    date : date
        One of ``run.rebalances``.

    Raises
    ------
    InputError
        If the day is no rebalance of the run, or something is not what the run was made with.
    FormatError
        If the rebalance of the day had failed.
    """
    day, settings = to_day(date, "date"), run.settings
    if day not in run.rebalances.index:
        near = min(run.rebalances.index, key=lambda one: abs(one - day))
        raise InputError(f"{day:%Y-%m-%d} is no rebalance of the run; one near it is {near:%Y-%m-%d}", field="date")
    row = run.rebalances.loc[day].to_dict()
    if row["status"] == "failed":
        raise FormatError(f"the rebalance of {day:%Y-%m-%d} had failed: {row['reason']}", field="date")
    names = list(market.instruments)
    strategy = PRESETS.get(settings.get("preset", ""), RECOMMENDED).of(strategy)
    known = {
        "market": market.between(end=settings["end"]).fingerprint(), "strategy": strategy.settings(),
        "limits": described(limits), "rules": rules_described(of_market(rules, names, names), names),
    }  # fmt: skip
    for what, now in known.items():
        then = settings.get(what)
        if now != then:
            said = "" if what == "market" else f": the run has {then}, found {now}"
            raise InputError(f"is not that of the run{said}; give what the run was made with", field=what)
    capital = float(row["capital"])
    inputs = Inputs(market, strategy, capital)
    held = run.positions.reindex(columns=names).loc[day].to_numpy(dtype=np.float64)
    task = Decisions(
        inputs, "exact", float(settings["cost_multiplier"]), None, 0.0, (), False,
        with_one_side(limits) if settings["one_side"] else limits, settings["gap"], None,
        settings["frequency"] if settings["holding_cost"] else None, settings["roll_trades"], rules,
    )  # fmt: skip
    return task.problem_of(pd.Timestamp(day), held, capital)
