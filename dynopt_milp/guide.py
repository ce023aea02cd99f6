"""The functions of the dynamic-optimisation guide, by the names and arguments its users know.

Each is a thin wrapper: dictionaries come in and go out, the work is done elsewhere in the package. What is added is the
argument ``optimizer``. What is different, and why:

- What the guide's functions print and replace by zeros or simple rounding raises a typed error here.
- ``initial_positions`` of the optimizers are the contracts held, from which trades are charged.
- α = max((T − B) ÷ T, 0) with T the tracking error, as the guide's text has it.
- Positions are sized with a forecast of 10 on average, as in the book; the portfolios of the guide hold it always.
- Trades decided after one close are done at the next of their market, and their costs are taken off the returns; the
  guide's backtest charges none.
- As in the guide, ``run_portfolio_comparison`` chooses instruments by their cost at the end of the data, which a
  backtest from the beginning could not have known.
- Capital is fixed and profits are not reinvested; ``annualized_return`` is 256 times the mean daily return.
- Volatility is the book's blend (0.7 × current + 0.3 × ten-year average), correlation is exponentially weighted, and
  the diversification multiplier is capped at 2.5, with negative correlations taken for zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.accounting import contracts_traded
from dynopt_milp.backtest import backtest
from dynopt_milp.backtest_result import Backtest
from dynopt_milp.correlation import ExponentialCorrelation
from dynopt_milp.data import guide_frames, market_from_guide_frames, read_guide_folder, simulated_market
from dynopt_milp.errors import HistoryError, InputError
from dynopt_milp.forecasts import AVERAGE_FORECAST, long_only
from dynopt_milp.guide_formulas import (
    calculate_adjustment_factor,
    calculate_cost_in_weight_terms,
    calculate_optimal_unrounded_position,
    calculate_required_trades_with_buffering,
    calculate_tracking_error_buffer,
    calculate_tracking_error_std,
    calculate_weight_per_contract,
    positive,
    run_exact_algorithm,
    run_greedy_algorithm,
)
from dynopt_milp.inputs import Inputs
from dynopt_milp.problem import Problem
from dynopt_milp.rebalance import rebalance
from dynopt_milp.sizing import diversification_multiplier
from dynopt_milp.solvers.own import Optimizer
from dynopt_milp.static_portfolios import (
    JUMBO,
    SR_COST_LIMIT,
    Universe,
    all_weather,
    cheapest,
    groups,
    jumbo,
    normalised,
    risk_parity,
    select_by_cost,
    single_best,
)
from dynopt_milp.strategy import Strategy
from dynopt_milp.volatility import BOOK_LONG_RUN_WEIGHT, BOOK_SPAN, DAYS_A_YEAR, MINIMUM_HISTORY, EwmaVolatility

__all__ = [
    "backtest_portfolio_with_dynamic_optimization",
    "backtest_portfolio_with_individual_data",
    "calculate_adjustment_factor",
    "calculate_cost_in_weight_terms",
    "calculate_dynamic_portfolio_positions",
    "calculate_optimal_unrounded_position",
    "calculate_required_trades_with_buffering",
    "calculate_tracking_error_buffer",
    "calculate_tracking_error_std",
    "calculate_weight_per_contract",
    "compare_static_vs_dynamic_optimization",
    "run_exact_algorithm",
    "run_greedy_algorithm",
    "run_portfolio_comparison",
]

Frames = Mapping[str, pd.DataFrame]
START, END = "2000-01-01", "2025-01-01"  # the guide's defaults


def run_portfolio_comparison(
    capital: float = 1_000_000, risk_target: float = 0.2, max_instruments: int = 20, *, data_directory: Any = None
) -> tuple[dict[str, dict[str, float]], dict[str, pd.DataFrame], pd.DataFrame, dict[str, list[str]]]:
    """The static portfolios, and the data they are made of.

    Parameters
    ----------
    capital, risk_target : float
        Accepted for the guide's sake; the portfolios do not depend on them.
    max_instruments : int
        Of the optimized selection.
    data_directory : path, optional
        The guide's folder, ``{symbol}_daily_data.csv`` with ``instruments.csv``. Default: the simulated market.

    Returns
    -------
    strategies : dict
        Shares of risk by instrument for ``"Risk Parity"``, ``"All Weather"``, ``"Optimized Selection"``,
        ``"Single Best"`` and, where there are 50 instruments, ``"Jumbo Portfolio"``.
    data : dict
        For each instrument a frame by day with ``Last`` and ``returns``.
    instruments_df : DataFrame
        ``Symbol``, ``Name``, ``Multiplier``, ``SR_cost``...
    asset_classes : dict
        Instruments by asset class.

    Raises
    ------
    DataError
        If the folder cannot be read.
    HistoryError
        If no instrument costs at most 0.01 Sharpe ratio points a trade.
    """
    positive(capital, "capital")
    positive(risk_target, "risk_target")
    if isinstance(max_instruments, bool) or not isinstance(max_instruments, int) or max_instruments < 1:
        raise InputError(f"wants a whole number of at least 1, found {max_instruments!r}", field="max_instruments")
    market = simulated_market() if data_directory is None else read_guide_folder(data_directory)
    data, instruments_df = guide_frames(market)
    costs = instruments_df.set_index("Symbol")["SR_cost"]
    suitable = sorted(select_by_cost(costs))
    if not suitable:
        raise HistoryError(
            f"no instrument costs at most {SR_COST_LIMIT:g} Sharpe ratio points a trade", field="SR_cost"
        )
    universe = Universe(market.specifications["asset_class"][suitable], costs[suitable])
    rules = {"Risk Parity": risk_parity(universe), "All Weather": all_weather(universe)}
    rules["Optimized Selection"] = cheapest(universe, count=max_instruments)
    rules["Single Best"] = single_best(universe)
    if len(suitable) >= JUMBO[0]:
        rules["Jumbo Portfolio"] = jumbo(universe)
    strategies = {
        name: {str(symbol): float(share) for symbol, share in shares.items()} for name, shares in rules.items()
    }
    return strategies, {name: data[name] for name in suitable}, instruments_df, groups(universe.asset_classes)


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
    optimizer: str | Optimizer = "exact",
    show_progress: bool = False,
) -> dict[str, Any]:
    """Hold a static portfolio in whole contracts, chosen by dynamic optimisation.

    Parameters
    ----------
    portfolio_weights : mapping
        Shares of risk by instrument; those without data are left out, the others renormalised.
    data : mapping
        Frames by instrument, by day, with ``Last`` and optionally ``returns`` and ``FX``.
    instruments_df : DataFrame
        With ``Symbol``, ``Multiplier`` and ``SR_cost``.
    capital, risk_target, cost_multiplier, buffer_fraction : float
    start_date, end_date : date
    use_buffering : bool
        The book's buffer, or none.
    rebalance_frequency : {"daily", "weekly", "monthly"}
    optimizer : str or callable
        As in :func:`~dynopt_milp.backtest.backtest`.
    show_progress : bool
        A progress bar on stderr.

    Returns
    -------
    dict
        ``data`` (by day: ``portfolio_returns`` net of costs, ``position_SYMBOL``, ``tracking_error``,
        ``adjustment_factor``, ``daily_turnover``), ``performance``, ``portfolio_weights``, ``final_positions``
        (contracts by instrument), ``optimization_type``, and ``backtest``, the :class:`~dynopt_milp.backtest.Backtest`
        it was taken from.

    Raises
    ------
    HistoryError
        If no instrument has data, no two have returns on one day, or none has 50 returns before the last rebalance.
    InputError
        As :func:`~dynopt_milp.backtest.backtest`.
    """
    run, weights, _ = _run(
        portfolio_weights, data, instruments_df, capital, risk_target,
        start=start_date, end=end_date, optimizer=optimizer, frequency=rebalance_frequency,
        cost_multiplier=cost_multiplier, buffer_rule="book" if use_buffering else None,
        buffer_fraction=buffer_fraction, show_progress=show_progress,
    )  # fmt: skip
    performance = run.performance | {
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
        "backtest": run,
    }


def backtest_portfolio_with_individual_data(
    portfolio_weights: Mapping[str, float],
    data: Frames,
    instruments_df: pd.DataFrame,
    capital: float = 1_000_000,
    risk_target: float = 0.2,
    start_date: Any = START,
    end_date: Any = END,
) -> dict[str, Any]:
    """Hold a static portfolio in fractions of contracts, sized anew every day.

    Parameters are those of :func:`backtest_portfolio_with_dynamic_optimization`.

    Returns
    -------
    dict
        ``data`` (by day: ``portfolio_returns``, ``position_SYMBOL``), ``performance``, ``portfolio_weights``,
        ``correlation_matrix`` and ``idm`` (of the last day), ``backtest``.

    Raises
    ------
    HistoryError, InputError
        As there.
    """
    run, weights, inputs = _run(
        portfolio_weights, data, instruments_df, capital, risk_target,
        start=start_date, end=end_date, optimizer="unrounded", frequency="daily", buffer_rule=None,
    )  # fmt: skip
    last = run.positions.index[-1]
    return {
        "data": _daily(run).drop(columns=["tracking_error", "adjustment_factor", "daily_turnover"]),
        "performance": run.performance,
        "portfolio_weights": weights,
        "correlation_matrix": inputs.correlation(last),
        "idm": inputs.wanted(last).multiplier,
        "backtest": run,
    }


def compare_static_vs_dynamic_optimization(
    capital: float = 1_000_000,
    risk_target: float = 0.2,
    max_instruments: int = 15,
    cost_multiplier: float = 50,
    use_buffering: bool = True,
    *,
    optimizer: str | Optimizer = "exact",
    start_date: Any = START,
    end_date: Any = END,
    data_directory: Any = None,
    show_progress: bool = False,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every portfolio of :func:`run_portfolio_comparison`, static (fractions, daily) and dynamic (weekly).

    Parameters are those of :func:`run_portfolio_comparison` and :func:`backtest_portfolio_with_dynamic_optimization`.

    Returns
    -------
    dict
        By portfolio, ``{"static": ..., "dynamic": ...}``, each what the two backtests return.
    """
    strategies, data, instruments_df, _ = run_portfolio_comparison(
        capital, risk_target, max_instruments, data_directory=data_directory
    )
    found = {}
    for name, weights in strategies.items():
        dynamic = backtest_portfolio_with_dynamic_optimization(
            weights, data, instruments_df, capital, risk_target, start_date, end_date, cost_multiplier,
            use_buffering, rebalance_frequency="weekly", optimizer=optimizer, show_progress=show_progress,
        )  # fmt: skip
        first = dynamic["backtest"].positions.index[0]  # the first weekly rebalance: both begin there
        static = backtest_portfolio_with_individual_data(
            weights, data, instruments_df, capital, risk_target, first, end_date
        )
        found[name] = {"static": static, "dynamic": dynamic}
    return found


def calculate_dynamic_portfolio_positions(
    instruments_data: Mapping[str, Mapping[str, Any]],
    capital: float,
    current_positions: Mapping[str, float],
    portfolio_weights: Mapping[str, float],
    returns_matrix: pd.DataFrame,
    risk_target: float = 0.2,
    cost_multiplier: float = 50,
    use_buffering: bool = True,
    buffer_fraction: float = 0.05,
    *,
    optimizer: str | Optimizer = "exact",
) -> dict[str, Any]:
    """The positions of one day.

    Parameters
    ----------
    instruments_data : mapping
        By instrument ``price``, ``volatility`` (annual) and ``specs`` with ``multiplier`` and ``sr_cost``.
    capital : float
    current_positions : mapping
        Whole contracts held; what is not named is not held.
    portfolio_weights : mapping
        Shares of risk; those without data are left out, the others renormalised.
    returns_matrix : DataFrame, days × instruments
        Daily percentage returns, at least 50.
    risk_target, cost_multiplier, buffer_fraction : float
    use_buffering : bool
    optimizer : str or callable

    Returns
    -------
    dict
        ``positions`` (by instrument; what is held and has no data stays), ``optimal_unrounded``, ``idm``,
        ``tracking_error`` (of the positions held, the distance the buffer is held against, as the guide has it),
        ``adjustment_factor``, ``buffer``, ``covariance_matrix``, ``weight_per_contract``, and ``rebalance``, the
        :class:`~dynopt_milp.Rebalance`.

    Raises
    ------
    HistoryError
        If no instrument has data and returns, there are fewer than 50 days, or no two instruments have returns on one.
    InputError
        As :class:`~dynopt_milp.Problem`.
    """
    if not isinstance(returns_matrix, pd.DataFrame) or not isinstance(returns_matrix.index, pd.DatetimeIndex):
        raise InputError("wants a DataFrame with days (a DatetimeIndex) as its rows", field="returns_matrix")
    weights = _weights_among(portfolio_weights, [name for name in instruments_data if name in returns_matrix])
    names = list(weights)
    current_positions = dict(current_positions or {})
    try:
        returns = returns_matrix[names].sort_index().astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("wants numbers", field="returns_matrix") from None
    _check_history(returns)
    sigma = returns.ewm(span=BOOK_SPAN).std().iloc[-1] * np.sqrt(DAYS_A_YEAR)
    rho = ExponentialCorrelation()(returns.resample("W-FRI").sum(min_count=1))[-1]
    shares = np.array(list(weights.values()))
    idm = diversification_multiplier(shares, rho)
    optimal, per_contract, cost = {}, {}, {}
    for name in names:
        entry = _entry(instruments_data[name], name)
        specs = entry["specs"]
        optimal[name] = calculate_optimal_unrounded_position(
            capital, AVERAGE_FORECAST, idm, weights[name], entry["volatility"], specs["multiplier"], entry["price"],
            1.0, risk_target,
        )  # fmt: skip
        per_contract[name] = calculate_weight_per_contract(specs["multiplier"], entry["price"], 1.0, capital)
        # sr_cost is a share of annual risk, so this is the cost as a share of the contract's value.
        cost[name] = specs["sr_cost"] * entry["volatility"]
    covariance = pd.DataFrame(rho * np.outer(sigma, sigma), index=names, columns=names)
    problem = Problem(
        covariance=covariance,  # type: ignore[arg-type]  # labelled input is aligned
        optimal_positions=optimal,  # type: ignore[arg-type]
        weight_per_contract=per_contract,  # type: ignore[arg-type]
        previous_positions={name: current_positions.get(name, 0) for name in names},  # type: ignore[arg-type]
        cost_in_weight_terms=cost,  # type: ignore[arg-type]
        cost_multiplier=cost_multiplier,
    )
    result = rebalance(
        problem, optimizer, buffer_rule="book" if use_buffering else None, buffer_fraction=buffer_fraction,
        risk_target=risk_target,
    )  # fmt: skip
    return {
        "positions": {name: int(held) for name, held in current_positions.items()}
        | {name: int(result.positions[name]) for name in names},
        "optimal_unrounded": optimal,
        "idm": idm,
        "tracking_error": result.distance,
        "adjustment_factor": result.adjustment_factor,
        "buffer": result.buffer if use_buffering else 0.0,
        "covariance_matrix": covariance,
        "weight_per_contract": per_contract,
        "rebalance": result,
    }


def _run(
    portfolio_weights: Mapping[str, float], data: Frames, instruments_df: pd.DataFrame, capital: float,
    risk_target: float, **settings: Any,
) -> tuple[Backtest, dict[str, float], Inputs]:  # fmt: skip
    weights = _weights_among(portfolio_weights, list(data))
    market = market_from_guide_frames({name: data[name] for name in weights}, instruments_df)
    _check_history(market.returns())
    inputs = Inputs(market, _strategy(weights, risk_target), capital)
    return backtest(market, capital=capital, inputs=inputs, **settings), weights, inputs


def _strategy(weights: Mapping[str, float], risk_target: float) -> Strategy:
    return Strategy(
        forecasts=long_only,
        weights=weights,
        volatility=EwmaVolatility(long_run_weight=BOOK_LONG_RUN_WEIGHT),
        risk_target=risk_target,
    )


def _weights_among(portfolio_weights: Mapping[str, float], there: list[str]) -> dict[str, float]:
    """Positive weights of instruments with data, summing to 1, in the order of names."""
    try:
        given = pd.Series(dict(portfolio_weights), dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("wants shares of risk by instrument, a dict or a Series", field="portfolio_weights") from None
    if given.empty:
        raise InputError("is empty; give shares of risk by instrument", field="portfolio_weights")
    for name, share in given.items():
        if not np.isfinite(share) or share < 0:
            raise InputError(
                f"wants a share that is not negative, found {share:g}", field="portfolio_weights", instrument=str(name)
            )
    kept = given[[name for name in sorted(given.index) if name in there and given[name] > 0]]
    if kept.empty:
        raise HistoryError(
            f"no instrument of it has data; there are data of {', '.join(sorted(there)[:5]) or 'none'}",
            field="portfolio_weights",
        )
    return {str(name): float(share) for name, share in normalised(kept).items()}


def _entry(entry: Any, name: str) -> Mapping[str, Any]:
    """The data of an instrument, with everything in it that is needed."""
    for key in ("price", "volatility", "specs"):
        if not isinstance(entry, Mapping) or key not in entry:
            raise InputError(f"has no {key!r}", field="instruments_data", instrument=name)
    for key in ("multiplier", "sr_cost"):
        if not isinstance(entry["specs"], Mapping) or key not in entry["specs"]:
            raise InputError(f"its specs have no {key!r}", field="instruments_data", instrument=name)
    return dict(entry)


def _check_history(returns: pd.DataFrame) -> None:
    """Refuse what the guide's troubleshooting lists: too few days, no overlap."""
    days = int(returns.notna().any(axis=1).sum())
    if days < MINIMUM_HISTORY:
        raise HistoryError(
            f"there are {days} days of returns and {MINIMUM_HISTORY} are needed; give longer data", field="data"
        )
    if returns.shape[1] > 1 and int((returns.notna().sum(axis=1) > 1).sum()) == 0:
        raise HistoryError(
            "no two instruments have returns on one day, so there are no correlations; give data of the same days",
            field="data",
        )


def _daily(run: Backtest) -> pd.DataFrame:
    """The run by day as the guide has it; between rebalances the last figures stay."""
    days = run.positions.index
    table = pd.DataFrame({"portfolio_returns": run.returns["net"]}, index=days)
    table = pd.concat([table, run.positions.add_prefix("position_")], axis=1)
    for name in ("tracking_error", "adjustment_factor"):
        table[name] = run.rebalances[name].reindex(days).ffill()
    table["daily_turnover"] = contracts_traded(run.positions).sum(axis=1)
    return table.rename_axis(columns=None)
