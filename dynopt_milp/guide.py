"""The functions of the dynamic-optimisation guide, by the names and arguments its users know.

Each is a thin wrapper: dictionaries come in and go out, the work is done elsewhere in the package. What is added is the
argument ``optimizer``. What is different, and why:

- What the guide's functions print and replace by zeros or simple rounding raises a typed error here.
- ``initial_positions`` of the optimizers are the contracts held, from which trades are charged.
- α = max((T − B) ÷ T, 0) with T the tracking error, as the guide's text has it.
- Positions are sized with a forecast of 10 on average, as in the book; the portfolios of the guide hold it always.
- Trades decided after one close are done at the next, and their costs are taken off the returns; the guide's
  backtest charges none.
- Capital is fixed and profits are not reinvested; ``annualized_return`` is 256 times the mean daily return.
- Volatility is the book's blend (0.7 × current + 0.3 × ten-year average), correlation is exponentially weighted, and
  the diversification multiplier is capped at 2.5, with negative correlations taken for zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtest import backtest
from dynopt_milp.backtest_result import Backtest
from dynopt_milp.correlation import ExponentialCorrelation
from dynopt_milp.data import guide_frames, market_from_guide_frames, read_guide_folder, simulated_market
from dynopt_milp.errors import HistoryError, InputError
from dynopt_milp.forecasts import AVERAGE_FORECAST, long_only
from dynopt_milp.inputs import Inputs
from dynopt_milp.labelled import to_number
from dynopt_milp.problem import Problem
from dynopt_milp.rebalance import rebalance
from dynopt_milp.sizing import diversification_multiplier, optimal_positions
from dynopt_milp.solve import solve
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
    _positive(capital, "capital")
    _positive(risk_target, "risk_target")
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
    run, weights = _run(
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
    run, weights = _run(
        portfolio_weights, data, instruments_df, capital, risk_target,
        start=start_date, end=end_date, optimizer="unrounded", frequency="daily", buffer_rule=None,
    )  # fmt: skip
    market = market_from_guide_frames({name: data[name] for name in weights}, instruments_df)
    inputs = Inputs(market.between(end=run.positions.index[-1]), _strategy(weights, risk_target), float(capital))
    last = inputs.market.days[-1]
    table = _daily(run)
    return {
        "data": table[[name for name in table if not str(name).startswith(("tracking", "adjustment", "daily"))]],
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
    show_progress: bool = False,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every portfolio of :func:`run_portfolio_comparison`, static (fractions, daily) and dynamic (weekly).

    Parameters are those of :func:`run_portfolio_comparison` and :func:`backtest_portfolio_with_dynamic_optimization`.

    Returns
    -------
    dict
        By portfolio, ``{"static": ..., "dynamic": ...}``, each what the two backtests return.
    """
    strategies, data, instruments_df, _ = run_portfolio_comparison(capital, risk_target, max_instruments)
    return {
        name: {
            "static": backtest_portfolio_with_individual_data(
                weights, data, instruments_df, capital, risk_target, start_date, end_date
            ),
            "dynamic": backtest_portfolio_with_dynamic_optimization(
                weights, data, instruments_df, capital, risk_target, start_date, end_date, cost_multiplier,
                use_buffering, rebalance_frequency="weekly", optimizer=optimizer, show_progress=show_progress,
            ),
        }
        for name, weights in strategies.items()
    }  # fmt: skip


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
        ``positions`` and ``optimal_unrounded`` (by instrument), ``idm``, ``tracking_error`` (of the positions held, the
        distance the buffer is held against, as the guide has it), ``adjustment_factor``, ``buffer``,
        ``covariance_matrix``, ``weight_per_contract``, and ``rebalance``, the :class:`~dynopt_milp.Rebalance`.

    Raises
    ------
    HistoryError
        If no instrument has data and returns, there are fewer than 50 days, or no two instruments have returns on one.
    InputError
        As :class:`~dynopt_milp.Problem`.
    """
    weights = _weights_among(portfolio_weights, [name for name in instruments_data if name in returns_matrix])
    names = list(weights)
    returns = returns_matrix[names].sort_index()
    _check_history(returns)
    sigma = returns.ewm(span=BOOK_SPAN).std().iloc[-1] * np.sqrt(DAYS_A_YEAR)
    rho = ExponentialCorrelation()(returns.resample("W-FRI").sum(min_count=1))[-1]
    shares = np.array(list(weights.values()))
    idm = diversification_multiplier(shares, rho)
    optimal, per_contract, cost = {}, {}, {}
    for name in names:
        entry = instruments_data[name]
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
        "positions": {name: int(result.positions[name]) for name in names},
        "optimal_unrounded": optimal,
        "idm": idm,
        "tracking_error": result.distance,
        "adjustment_factor": result.adjustment_factor,
        "buffer": result.buffer if use_buffering else 0.0,
        "covariance_matrix": covariance,
        "weight_per_contract": per_contract,
        "rebalance": result,
    }


def run_greedy_algorithm(
    optimal_positions: Mapping[str, float],
    initial_positions: Mapping[str, float],
    weight_per_contract: Mapping[str, float],
    covariance_matrix: pd.DataFrame,
    cost_weight_terms: Mapping[str, float],
    cost_multiplier: float = 50,
) -> dict[str, int]:
    """Whole contracts to hold, by the book's greedy search.

    Parameters
    ----------
    optimal_positions : mapping
        Unrounded contracts wanted.
    initial_positions : mapping
        Whole contracts held now; trades from them are charged. What is not named is not held.
    weight_per_contract : mapping
    covariance_matrix : DataFrame
        Annual, of percentage returns.
    cost_weight_terms : mapping
        (Cost of one contract ÷ capital) ÷ weight per contract.
    cost_multiplier : float
    """
    return _run_algorithm(
        "greedy", optimal_positions, initial_positions, weight_per_contract, covariance_matrix, cost_weight_terms,
        cost_multiplier,
    )  # fmt: skip


def run_exact_algorithm(
    optimal_positions: Mapping[str, float],
    initial_positions: Mapping[str, float],
    weight_per_contract: Mapping[str, float],
    covariance_matrix: pd.DataFrame,
    cost_weight_terms: Mapping[str, float],
    cost_multiplier: float = 50,
) -> dict[str, int]:
    """Whole contracts to hold, the proven optimum; arguments as in :func:`run_greedy_algorithm`."""
    return _run_algorithm(
        "exact", optimal_positions, initial_positions, weight_per_contract, covariance_matrix, cost_weight_terms,
        cost_multiplier,
    )  # fmt: skip


def calculate_optimal_unrounded_position(
    capital: float,
    combined_forecast: float,
    idm: float,
    weight: float,
    sigma_pct: float,
    multiplier: float,
    price: float,
    fx_rate: float = 1.0,
    risk_target: float = 0.2,
) -> float:
    """N = capped forecast × capital × IDM × weight × τ ÷ (10 × multiplier × price × fx × σ), contracts.

    Raises
    ------
    InputError
        If capital, volatility, multiplier, price or rate is not positive.
    """
    positive = {
        "capital": capital, "sigma_pct": sigma_pct, "multiplier": multiplier, "price": price, "fx_rate": fx_rate,
    }  # fmt: skip
    for name, value in positive.items():
        _positive(value, name)
    position = optimal_positions(
        np.array([to_number(combined_forecast, "combined_forecast")]),
        capital=capital,
        multiplier=to_number(idm, "idm"),
        weights=np.array([to_number(weight, "weight")]),
        risk_target=to_number(risk_target, "risk_target"),
        contract_values=np.array([multiplier * price * fx_rate]),
        volatility=np.array([sigma_pct]),
    )
    return float(position[0])


def calculate_weight_per_contract(multiplier: float, price: float, fx_rate: float, capital: float) -> float:
    """Multiplier × price × fx ÷ capital.

    Raises
    ------
    InputError
        If one of them is not positive.
    """
    for name, value in (("multiplier", multiplier), ("price", price), ("fx_rate", fx_rate), ("capital", capital)):
        _positive(value, name)
    return float(multiplier * price * fx_rate / capital)


def calculate_cost_in_weight_terms(
    spread_cost_currency: float, commission_currency: float, capital: float, weight_per_contract: float
) -> float:
    """((Spread cost + commission) ÷ capital) ÷ weight per contract; both costs for one contract, base currency.

    Raises
    ------
    InputError
        If capital or weight per contract is not positive, or the cost is negative.
    """
    _positive(capital, "capital")
    _positive(weight_per_contract, "weight_per_contract")
    cost = to_number(spread_cost_currency, "spread_cost_currency") + to_number(
        commission_currency, "commission_currency"
    )
    if cost < 0:
        raise InputError(f"wants costs that are not negative, found {cost:g}", field="spread_cost_currency")
    return cost / capital / weight_per_contract


def calculate_tracking_error_std(tracking_error_weights: Any, covariance_matrix: pd.DataFrame) -> float:
    """sqrt(e'Σe), annual standard deviation.

    Parameters
    ----------
    tracking_error_weights : Series or mapping, by instrument
        e, wanted less held weights; instruments of the covariance that are not named have none.
    covariance_matrix : DataFrame
        Σ.

    Raises
    ------
    InputError
        If a weight has no row in the covariance.
    """
    weights = dict(tracking_error_weights)
    names = [str(name) for name in covariance_matrix.index]
    for name in weights:
        if name not in names:
            raise InputError("is not in the covariance", field="tracking_error_weights", instrument=str(name))
    wanted = {name: weights.get(name, 0.0) for name in names}
    problem = Problem(covariance_matrix, wanted, dict.fromkeys(names, 1.0))  # type: ignore[arg-type]
    return problem.program().tracking_error(np.zeros(len(names)))


def calculate_tracking_error_buffer(average_risk_target: float, buffer_fraction: float = 0.05) -> float:
    """B = buffer fraction × risk target."""
    return to_number(buffer_fraction, "buffer_fraction") * to_number(average_risk_target, "average_risk_target")


def calculate_adjustment_factor(
    current_tracking_error: float, buffer: float, risk_target: float | None = None
) -> float:
    """α = max((T − B) ÷ T, 0), T the tracking error between held and optimised portfolio; 0 where T is 0.

    ``risk_target`` is accepted for the guide's sake; the formula has none.
    """
    if risk_target is not None:
        to_number(risk_target, "risk_target")
    error, width = to_number(current_tracking_error, "current_tracking_error"), to_number(buffer, "buffer")
    return max((error - width) / error, 0.0) if error > 0 else 0.0


def calculate_required_trades_with_buffering(
    current_positions: Mapping[str, float], optimal_positions: Mapping[str, float], adjustment_factor: float
) -> dict[str, int]:
    """Round(α × (optimised − held)) by instrument; halves go to the even number."""
    factor = to_number(adjustment_factor, "adjustment_factor")
    return {
        name: round(factor * (to_number(wanted, "optimal_positions") - current_positions.get(name, 0)))
        for name, wanted in optimal_positions.items()
    }


def _run(
    portfolio_weights: Mapping[str, float], data: Frames, instruments_df: pd.DataFrame, capital: float,
    risk_target: float, **settings: Any,
) -> tuple[Backtest, dict[str, float]]:  # fmt: skip
    weights = _weights_among(portfolio_weights, list(data))
    market = market_from_guide_frames({name: data[name] for name in weights}, instruments_df)
    _check_history(market.returns())
    run = backtest(market, _strategy(weights, risk_target), capital=capital, **settings)
    return run, weights


def _strategy(weights: Mapping[str, float], risk_target: float) -> Strategy:
    return Strategy(
        forecasts=long_only,
        weights=weights,
        volatility=EwmaVolatility(long_run_weight=BOOK_LONG_RUN_WEIGHT),
        risk_target=risk_target,
    )


def _weights_among(portfolio_weights: Mapping[str, float], there: list[str]) -> dict[str, float]:
    """Positive weights of instruments with data, summing to 1, in the order of names."""
    if not portfolio_weights:
        raise InputError("is empty; give shares of risk by instrument", field="portfolio_weights")
    given = pd.Series(dict(portfolio_weights), dtype=np.float64)
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
    traded = run.positions.diff().abs().sum(axis=1)
    traded.iloc[0] = run.positions.iloc[0].abs().sum()
    table["daily_turnover"] = traded
    return table.rename_axis(columns=None)


def _run_algorithm(
    method: str, optimal: Mapping[str, float], held: Mapping[str, float], per_contract: Mapping[str, float],
    covariance: pd.DataFrame, costs: Mapping[str, float], cost_multiplier: float,
) -> dict[str, int]:  # fmt: skip
    problem = Problem(
        covariance=covariance,  # type: ignore[arg-type]  # labelled input is aligned
        optimal_positions=dict(optimal),  # type: ignore[arg-type]
        weight_per_contract=dict(per_contract),  # type: ignore[arg-type]
        previous_positions={name: held.get(name, 0) for name in optimal},  # type: ignore[arg-type]
        cost_in_weight_terms=dict(costs),  # type: ignore[arg-type]
        cost_multiplier=cost_multiplier,
    )
    found = solve(problem, method).positions
    return {str(name): int(found[name]) for name in optimal}


def _positive(value: float, field: str) -> None:
    if not to_number(value, field) > 0:
        raise InputError(f"wants a positive number, found {value:g}", field=field)
