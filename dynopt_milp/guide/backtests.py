"""The guide's backtests, and static against dynamic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dynopt_milp.backtests.accounting import contracts_traded
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.data import market_from_guide_frames
from dynopt_milp.guide.current import current, replaceable, replacement
from dynopt_milp.guide.positions import check_history, weights_among
from dynopt_milp.guide.replacements import ReplacedInputs, chosen_optimizer, refuse_replaced, replaced_costs
from dynopt_milp.problem.limits import LimitsLike
from dynopt_milp.solvers.own_optimizer import Optimizer
from dynopt_milp.strategy.costs import Costs, quoted_costs
from dynopt_milp.strategy.forecasts import Forecasts, long_only
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import BOOK
from dynopt_milp.strategy.rules_of_day import DayRules, of_market
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.strategy.volatility import (
    BOOK_LONG_RUN_WEIGHT,
    EwmaVolatility,
)

Frames = Mapping[str, pd.DataFrame]
START, END = "2000-01-01", "2025-01-01"  # the guide's defaults


@replaceable
def backtest_portfolio_with_dynamic_optimization(
    portfolio_weights: Mapping[str, float],
    data: Frames,
    instruments_df: pd.DataFrame,
    capital: float = 50_000_000,
    risk_target: float = 0.2,
    start_date: Any = START,
    end_date: Any = END,
    cost_multiplier: float = 50,
    use_buffering: bool = True,
    buffer_fraction: float = 0.05,
    rebalance_frequency: str = "daily",
    *,
    optimizer: str | Optimizer | None = None,
    limits: LimitsLike | None = None,
    rules: DayRules | None = None,
    forecasts: Forecasts = long_only,
    costs: Costs = quoted_costs,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Hold a static portfolio in whole contracts, chosen by dynamic optimisation.

    Parameters
    ----------
    portfolio_weights : mapping
        Shares of risk by instrument; those without data are left out, the others renormalised.
    data : mapping
        Frames by instrument, by day, with ``Last`` and optionally ``returns``, ``FX`` and ``Contract_Month`` (where it
        changes, what is held is rolled, at the cost of a trade; without it rolls cost nothing).
    instruments_df : DataFrame
        With ``Symbol``, ``Multiplier`` and ``SR_cost``.
    capital, risk_target, cost_multiplier, buffer_fraction : float
    start_date, end_date : date
    use_buffering : bool
        Whether to apply the book's buffer.
    rebalance_frequency : {"daily", "weekly", "monthly"}
    optimizer : str or callable, optional
        The name of an optimizer or a function, as :func:`~dynopt_milp.backtest` takes it. Default: ``"exact"``; or,
        where ``run_greedy_algorithm`` or ``run_exact_algorithm`` was replaced, that.
    limits : Limits or callable, optional
        As :func:`~dynopt_milp.backtest` takes them.
    rules : list of Rule, Rule or callable, optional
        House rules as :func:`~dynopt_milp.backtest` takes them, which hold for a search that was replaced, too: where
        its positions break one, the rebalance fails and positions stay. Names of instruments in ``data`` that are not
        in the portfolio are left out; a function uses the names of its day.
    forecasts, costs : callable
        As a :class:`~dynopt_milp.Strategy` takes them. Default: 10 always, and the costs of ``SR_cost``.
    show_progress : bool
        A progress bar on stderr.

    Returns
    -------
    dict
        ``data`` (by day: ``portfolio_returns`` net of the costs that the figure ``costs_counted`` names,
        ``position_SYMBOL``, ``tracking_error``, ``adjustment_factor``, ``daily_turnover`` without rolls),
        ``performance`` (figures of :func:`~dynopt_milp.backtests.performance`, net of the same costs;
        ``max_drawdown_pct`` is of the peak),
        ``portfolio_weights``, ``final_positions`` (contracts by instrument), ``optimization_type``, ``findings`` (what
        is unusual, a dict each: ``name``, ``level``, ``figure``, ``threshold``, ``remedy``, ``changes``), and
        ``backtest``, the :class:`~dynopt_milp.Backtest` it was taken from.

    Raises
    ------
    HistoryError
        If no instrument has data, no two have returns on one day, or none has 50 returns before the last rebalance.
    InputError
        If :func:`~dynopt_milp.backtest` refuses an argument.
    UnsupportedError
        If a function of the guide was replaced that would have no effect.
    """
    refuse_replaced("calculate_dynamic_portfolio_positions", use_buffering=use_buffering)
    run, weights, _ = _run(
        portfolio_weights, data, instruments_df, capital, risk_target, forecasts, costs,
        start=start_date, end=end_date, optimizer=chosen_optimizer(optimizer, limits), limits=limits,
        rules=rules, frequency=rebalance_frequency, cost_multiplier=cost_multiplier,
        buffer_rule="book" if use_buffering else None, buffer_fraction=buffer_fraction, show_progress=show_progress,
    )  # fmt: skip
    performance = _performance(run) | {
        "rebalance_frequency": rebalance_frequency,
        "cost_multiplier": cost_multiplier,
        "use_buffering": use_buffering,
        "buffer_fraction": buffer_fraction,
    }
    last = run.positions.iloc[-1]
    return {
        "data": _daily(run),
        "performance": performance,
        "portfolio_weights": weights,
        "final_positions": {str(name): int(last.get(name, 0)) for name in weights},
        "optimization_type": "dynamic",
        "findings": _findings(run),
        "backtest": run,
    }


@replaceable
def backtest_portfolio_with_individual_data(
    portfolio_weights: Mapping[str, float],
    data: Frames,
    instruments_df: pd.DataFrame,
    capital: float = 1_000_000,
    risk_target: float = 0.2,
    start_date: Any = START,
    end_date: Any = END,
    *,
    forecasts: Forecasts = long_only,
    costs: Costs = quoted_costs,
) -> dict[str, Any]:
    """Hold a static portfolio in fractions of contracts, sized anew every day.

    Parameters are those of :func:`backtest_portfolio_with_dynamic_optimization`.

    Returns
    -------
    dict
        ``data`` (by day: ``portfolio_returns`` net of the costs that the figure ``costs_counted`` names,
        ``position_SYMBOL``), ``performance``, ``portfolio_weights``, ``correlation_matrix`` and the ``idm`` of it (of
        the last day), ``findings``, ``backtest``.

    Raises
    ------
    HistoryError, InputError
        If there are too little data, or an argument is out of range.
    """
    run, weights, inputs = _run(
        portfolio_weights, data, instruments_df, capital, risk_target, forecasts, costs,
        start=start_date, end=end_date, optimizer="unrounded", frequency="daily", buffer_rule=None,
    )  # fmt: skip
    last = run.positions.index[-1]
    return {
        "data": _daily(run).drop(columns=["tracking_error", "adjustment_factor", "daily_turnover"]),
        "performance": _performance(run),
        "portfolio_weights": weights,
        "correlation_matrix": inputs.multiplier_correlation(last),
        "idm": inputs.target_positions(last).multiplier,
        "findings": _findings(run),
        "backtest": run,
    }


@replaceable
def compare_static_vs_dynamic_optimization(
    capital: float = 1_000_000,
    risk_target: float = 0.2,
    max_instruments: int = 15,
    cost_multiplier: float = 50,
    use_buffering: bool = True,
    *,
    optimizer: str | Optimizer | None = None,
    limits: LimitsLike | None = None,
    rules: DayRules | None = None,
    start_date: Any = START,
    end_date: Any = END,
    data_directory: Any = None,
    forecasts: Forecasts = long_only,
    costs: Costs = quoted_costs,
    show_progress: bool = False,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every portfolio of :func:`run_portfolio_comparison`, static (fractions, daily) and dynamic (weekly).

    Parameters are those of :func:`run_portfolio_comparison` and :func:`backtest_portfolio_with_dynamic_optimization`;
    ``limits`` and ``rules`` are of the dynamic ones.

    Returns
    -------
    dict
        By portfolio, ``{"static": ..., "dynamic": ...}``, each what the two backtests return.
    """
    strategies, data, instruments_df, _ = current("run_portfolio_comparison")(
        capital, risk_target, max_instruments, data_directory=data_directory
    )
    found = {}
    given = {"forecasts": (forecasts, long_only), "costs": (costs, quoted_costs)}
    own = {name: function for name, (function, default) in given.items() if function is not default}
    house = {} if rules is None else {"rules": rules}  # a replacement need not know of them
    for name, weights in strategies.items():
        dynamic = current("backtest_portfolio_with_dynamic_optimization")(
            weights, data, instruments_df, capital, risk_target, start_date, end_date, cost_multiplier,
            use_buffering, rebalance_frequency="weekly", optimizer=optimizer, limits=limits,
            show_progress=show_progress, **house, **own,
        )  # fmt: skip
        first = dynamic["backtest"].positions.index[0]  # the first weekly rebalance: both begin there
        static = current("backtest_portfolio_with_individual_data")(
            weights, data, instruments_df, capital, risk_target, first, end_date, **own
        )
        found[name] = {"static": static, "dynamic": dynamic}
    return found


def _run(
    portfolio_weights: Mapping[str, float], data: Frames, instruments_df: pd.DataFrame, capital: float,
    risk_target: float, forecasts: Forecasts, costs: Costs, rules: DayRules | None = None, **settings: Any,
) -> tuple[Backtest, dict[str, float], Inputs]:  # fmt: skip
    weights = weights_among(portfolio_weights, list(data))
    market = market_from_guide_frames({name: data[name] for name in weights}, instruments_df)
    check_history(market.returns())
    strategy = Strategy(
        forecasts=forecasts,
        weights=weights,
        volatility=EwmaVolatility(long_run_weight=BOOK_LONG_RUN_WEIGHT),
        correlation=BOOK.correlation,
        costs=replaced_costs(costs, capital),
        risk_target=risk_target,
    )
    replaced = [replacement(f"calculate_{name}") for name in ("optimal_unrounded_position", "weight_per_contract")]
    kind = Inputs if replaced == [None, None] else ReplacedInputs
    inputs = kind(market, strategy, capital)
    settings |= {"rules": of_market(rules, list(weights), list(data))}
    settings |= {"preset": BOOK, "one_side": False}  # the guide has no such rule
    run = backtest(market, capital=capital, inputs=inputs, **settings)
    return run, weights, inputs


def _findings(run: Backtest) -> list[dict[str, Any]]:
    return [finding.to_dict() for finding in run.findings]


def _performance(run: Backtest) -> dict[str, Any]:
    """The figures of a run, with the drawdown under the guide's name."""
    return run.performance | {"max_drawdown_pct": run.performance["max_drawdown_of_peak_pct"]}


def _daily(run: Backtest) -> pd.DataFrame:
    """The run by day as the guide has it; between rebalances the last figures stay."""
    days = run.positions.index
    table = pd.DataFrame({"portfolio_returns": run.returns["net"]}, index=days)
    table = pd.concat([table, run.positions.add_prefix("position_")], axis=1)
    for name in ("tracking_error", "adjustment_factor"):
        table[name] = run.rebalances[name].reindex(days).ffill()
    table["daily_turnover"] = contracts_traded(run.positions).sum(axis=1)
    return table.rename_axis(columns=None)
