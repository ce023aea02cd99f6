"""The rebalance towards targets that come from elsewhere, with covariances from a file or from prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError, LimitsError
from dynopt_milp.io.known_columns import refuse_unknown
from dynopt_milp.io.labelled import NUMBERS, as_number, one_of, to_vector
from dynopt_milp.problem.book import BOOK_COST_MULTIPLIER
from dynopt_milp.problem.holding import REBALANCES_A_YEAR, ROLL_TRADES, holding_cost
from dynopt_milp.problem.limits import Limits, LimitsLike, limits_of
from dynopt_milp.problem.order_costs import OrderCosts
from dynopt_milp.problem.plausible import MOST_VARIANCE, not_annual
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.shrinkage import check_shrinkage, shrunk
from dynopt_milp.strategy.forecasts import long_only
from dynopt_milp.strategy.presets import RECOMMENDED
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.from_prices import known_day, problem_of_day
from dynopt_milp.trades.input_files import TARGET_COLUMNS, TERMS, UNDERLYING
from dynopt_milp.trades.left_out import cannot_be_held, not_in_data

PERIODS = {"daily": REBALANCES_A_YEAR["daily"], "weekly": REBALANCES_A_YEAR["weekly"], "annual": 1}
"""What a covariance can be of, and how many of them a year has."""


def problem_of_targets(
    targets: pd.DataFrame,
    covariance: pd.DataFrame,
    held: pd.Series | None = None,
    *,
    capital: float | None = None,
    cost_multiplier: float = BOOK_COST_MULTIPLIER,
    limits: LimitsLike | None = None,
    shrinkage: float = 0.0,
    period: str | None = None,
    holding: str | None = None,
    roll_trades: float = ROLL_TRADES,
) -> Problem:
    """A rebalance from targets and a covariance.

    Parameters
    ----------
    targets : DataFrame, by instrument
        ``position`` (unrounded contracts), and either ``weight_per_contract`` and ``cost_in_weight_terms`` or, with a
        capital, ``price``, ``multiplier`` and ``cost_per_contract`` (base currency) and perhaps ``fx`` and
        ``reference_price`` (see :func:`reference_prices`). ``lower`` and ``upper`` are limits, ``underlying`` says
        which are sizes of one contract (see ``Limits.one_side``), ``rolls_a_year`` how often each rolls. What orders
        cost beside their contracts: ``per_order``, ``minimum`` (with ``commission``, what of the cost of a contract
        counts towards it) and ``impact``, see :class:`~dynopt_milp.OrderCosts`; and ``margin`` of a contract, NaN where
        it is not known: base currency, or shares of capital beside ``weight_per_contract``. A column ``note`` is not
        looked at, and others are refused.
    covariance : DataFrame
        Annual (or see ``period``), of percentage returns, or of price changes as shares of the reference price where
        there is one; instruments without a target are left out.
    held : Series, by instrument
        Whole contracts; every one that is held needs a target.
    capital : float, optional
        Base currency.
    cost_multiplier : float
        λ.
    limits : Limits or callable, optional
        What positions may be, or a function from the instruments, in the order of the targets, to that. Numbers come
        with the targets or here, not both.
    holding : {"daily", "weekly", "monthly"}, optional
        How often is rebalanced, for the cost of holding until then: that of the rolls. Default: none.
    roll_trades : float
        Trades that a roll costs.
    shrinkage : float
        Share of the way of the correlations towards zero, from 0 to 1; volatilities stay. It is the covariance as it is
        given that has to be a valid one.
    period : {"daily", "weekly", "annual"}, optional
        What the covariance is of: one of returns of a day is multiplied by 256, of a week by 52. Default: annual, and
        one that can hardly be is refused: a diagonal of ones, or a most volatile instrument below 1 % for each that
        there is (at least 3 %, at most 15 %) with targets whose risk is below 4 % of capital. ``"annual"`` takes it as
        it is.

    Raises
    ------
    InputError
        If a column is missing or not known, something is held without a target, an instrument has no covariance, a
        price is not positive and has no reference price, the covariance can hardly be annual, the shrinkage is no
        share, or :class:`~dynopt_milp.Problem` refuses a number.
    """
    share = check_shrinkage(shrinkage)
    if period is not None:
        one_of(period, PERIODS, "period")
    _check_columns(targets)
    names = [str(name) for name in targets.index]
    for name in names:
        if name not in covariance.index or name not in covariance.columns:
            raise InputError("has a target and is not in the covariance", field="covariance", instrument=name)
    reference = reference_prices(targets)
    usual = _in_units_of_price(targets, names, reference)  # by another price any volatility is possible
    a_year = PERIODS[period or "annual"]
    variance = np.diag(covariance.loc[usual, usual].to_numpy())
    if variance.size and variance.dtype.kind in NUMBERS and (median := np.median(variance) * a_year) > MOST_VARIANCE:
        raise InputError(
            f"volatility is {np.sqrt(median):.0%} a year in the median: give it of returns as shares, not in per cent, "
            "and annual", field="covariance",
        )  # fmt: skip
    common: dict[str, Any] = {
        "covariance": covariance.loc[names, names], "optimal_positions": targets["position"],
        "previous_positions": _held(held, names), "cost_multiplier": cost_multiplier,
        "limits": _limits(targets, limits), "instruments": names, "underlying": targets.get("underlying"),
    }  # fmt: skip
    rolls = _rolls_a_year(targets, holding)
    orders, margin = _order_costs(targets, rolls, holding, roll_trades), targets.get("margin")
    if "weight_per_contract" in targets:
        values = ("price", "reference_price", "multiplier", "fx", "cost_per_contract")
        _unused(targets, values, "there is weight_per_contract")
        if capital is not None:
            raise InputError("is for targets with prices; weight_per_contract has it inside", field="capital")
        _needs_cost(targets, "cost_in_weight_terms", cost_multiplier)
        cost = targets.get("cost_in_weight_terms", 0.0)
        given = Problem(
            weight_per_contract=targets["weight_per_contract"], cost_in_weight_terms=cost,
            holding_cost=holding_cost(rolls, cost, holding, roll_trades=roll_trades) if holding else 0.0,
            order_costs=orders, margin=margin, **common,
        )  # fmt: skip
        return _with_shrinkage(_annual(given, usual, period), share)
    for column in ("price", "multiplier"):
        if column not in targets:
            raise InputError(
                "give the targets a column weight_per_contract, or price and multiplier and a capital", field=column
            )
    _unused(targets, ("cost_in_weight_terms",), "there are prices; give cost_per_contract")
    _needs_cost(targets, "cost_per_contract", cost_multiplier)
    if capital is None:
        raise InputError("is needed with prices", field="capital")
    cost = targets.get("cost_per_contract", 0.0)
    given = Problem.from_market(
        capital=capital, prices=targets["price"], reference_prices=reference,
        multipliers=targets["multiplier"], fx=targets.get("fx", 1.0),
        cost_per_contract=cost,
        holding_cost_per_contract=holding_cost(rolls, cost, holding, roll_trades=roll_trades) if holding else 0.0,
        order_costs=orders, margin_per_contract=margin, **common,
    )  # fmt: skip
    return _with_shrinkage(_annual(given, usual, period), share)


def reference_prices(targets: pd.DataFrame) -> pd.Series:
    """What stands in for the price in the weight of a contract, where targets say so.

    Parameters
    ----------
    targets : DataFrame, by instrument
        Perhaps with ``price`` and ``reference_price`` (positive, in the same unit); NaN, or no such column, means the
        price itself.

    Returns
    -------
    Series, by instrument
        Those that are not the price itself.
    """
    columns = ["price", "reference_price"]
    given = targets.reindex(columns=columns).dropna()
    return given["reference_price"][given["reference_price"] != given["price"]]


def problem_of_day_and_targets(
    market: Market,
    strategy: Strategy,
    capital: float,
    targets: pd.DataFrame,
    date: Any = None,
    held: pd.Series | None = None,
    *,
    cost_multiplier: float = RECOMMENDED.cost_multiplier,
    limits: LimitsLike | None = None,
    holding: str | None = None,
    roll_trades: float = ROLL_TRADES,
) -> Problem:
    """A rebalance from targets, with covariances, values and costs from prices; see the two it is made of.

    Of the strategy its volatility, correlation and costs count. Of the targets ``position``, ``lower``, ``upper`` and
    ``margin`` (base currency, in place of the market's); what a contract is worth the market says, and columns of that
    are refused.

    Raises
    ------
    InputError
        If a column is not known, something is held without a target, or an instrument with a target cannot be valued on
        that day; otherwise as :func:`~dynopt_milp.problem_of_day`.
    """
    _check_columns(targets)
    names = [str(name) for name in targets.index]
    for name in names:
        if name not in market.instruments:
            raise InputError(f"has a target and {not_in_data(market, name)}", field="targets", instrument=name)
    said = [name for name in (*TERMS, UNDERLYING) if name != "margin"]
    _unused(targets, said, "the prices say what a contract is worth and costs")
    contracts = _held(held, names)
    equal = replace(
        strategy, forecasts=long_only, weights=dict.fromkeys(names, 1.0 / len(names)),
        multiplier_correlation=RECOMMENDED.correlation_of(strategy),  # what it sizes is not used
    )  # fmt: skip
    problem = problem_of_day(
        market.select(names), equal, capital, date, contracts, cost_multiplier=cost_multiplier, holding=holding,
        roll_trades=roll_trades,
    )  # fmt: skip
    for name in names:
        if name not in problem.instruments:
            known = market.between(end=known_day(market.select(names), date))
            raise InputError(
                f"has a target and {cannot_be_held(known, equal, name)}; leave it out of the targets",
                field="targets", instrument=name,
            )  # fmt: skip
    margin = problem.margin
    if "margin" in targets:
        margin = np.array([targets["margin"][name] / capital for name in problem.instruments])
    return problem.replace(
        optimal_positions=targets["position"], limits=_within(problem, targets, limits), margin=margin
    )  # fmt: skip


def _check_columns(targets: pd.DataFrame) -> None:
    if "position" not in targets:
        found = ", ".join(map(str, targets.columns))
        raise InputError(f"the column position is missing; the columns are {found}", field="targets")
    refuse_unknown(targets.columns, TARGET_COLUMNS, "targets", InputError)


def _annual(problem: Problem, usual: list[str], period: str | None) -> Problem:
    """The problem with its covariance made annual; one that can hardly be is refused if nobody says of what it is."""
    if period in ("daily", "weekly"):
        return problem.replace(covariance=problem.covariance * PERIODS[period])
    if period is None:
        places = [problem.instruments.index(name) for name in usual]
        volatility = np.sqrt(problem.covariance.diagonal()[places])
        fault = not_annual(volatility, wanted_risk(problem))
        if fault:
            raise InputError(f"{fault} (period=, --period)", field="covariance")
    return problem


def wanted_risk(problem: Problem) -> float:
    """The risk of the unrounded portfolio; standard deviation of a year, share of capital."""
    return problem.program().tracking_error(np.zeros(len(problem.instruments)))


def _rolls_a_year(targets: pd.DataFrame, holding: str | None) -> pd.Series | None:
    """The column of the targets, where holding costs."""
    if holding is None:
        return None
    if "rolls_a_year" not in targets:
        raise InputError(
            "is no column of the targets; give it, or no cost of holding (--no-holding-cost)", field="rolls_a_year"
        )
    rolls = targets["rolls_a_year"]
    for name in rolls.index[~(rolls >= 0)]:
        raise InputError(f"expected a number that is not negative, found {rolls[name]:g}", field="rolls_a_year",
                         instrument=str(name))  # fmt: skip
    return rolls


def _order_costs(
    targets: pd.DataFrame, rolls: pd.Series | None, holding: str | None, roll_trades: float
) -> OrderCosts | None:
    """What orders cost beside their contracts, where columns of the targets say so."""
    given = {name: targets[name] for name in ("per_order", "minimum", "commission", "impact") if name in targets}
    if "minimum" in given and "commission" not in given:
        raise InputError(
            "is no column of the targets; give what of the cost of a contract counts towards the minimum",
            field="commission",
        )
    if "commission" in given and "minimum" not in given:
        raise InputError("is not used without a column minimum", field="commission")
    if not given:
        return None
    return OrderCosts(
        **given, rolls=holding_cost(rolls, 1.0, holding, roll_trades=roll_trades) if holding is not None else 0.0
    )


def _with_shrinkage(problem: Problem, share: float) -> Problem:
    """The problem with its correlations shrunk."""
    return problem.replace(covariance=shrunk(problem.covariance, share)) if share else problem


def _unused(targets: pd.DataFrame, columns: Iterable[str], reason: str) -> None:
    """Refuse columns that would be left aside: somebody counts on them."""
    for name in columns:
        if name in targets:
            raise InputError(f"is not used where {reason}", field=name)


def _in_units_of_price(targets: pd.DataFrame, names: list[str], reference: pd.Series) -> list[str]:
    """The instruments whose covariance is in units of their price; a price that is not positive is none."""
    prices = targets.get("price", pd.Series(1.0, targets.index))
    return [
        name
        for name, price in zip(names, prices, strict=True)
        if name not in reference.index and as_number(price, "prices", name) > 0
    ]


def _needs_cost(targets: pd.DataFrame, column: str, cost_multiplier: float) -> None:
    if cost_multiplier and column not in targets:
        raise InputError("is no column of the targets; give it (0 where trading is free)", field=column)


def _held(held: pd.Series | None, names: list[str]) -> dict[str, float]:
    given = {} if held is None else {str(name): as_number(number, "held", str(name)) for name, number in held.items()}
    for name, number in given.items():
        if number and name not in names:
            raise InputError(
                "is held and has no target; give it one (a target of 0 does not close it: add it to close, or on the "
                "command line to --close)", field="targets", instrument=name,
            )  # fmt: skip
    return {name: given.get(name, 0.0) for name in names}


def _limits(targets: pd.DataFrame, limits: LimitsLike | None) -> Limits:
    """The limits in the order of the targets."""
    rules = limits_of(limits, [str(name) for name in targets.index])
    sides = {side: targets[side] for side in ("lower", "upper") if side in targets}
    for side in sides:
        if getattr(rules, side) is not None:
            raise LimitsError("is a column of the targets and given beside them; give one of the two", field=side)
    return replace(rules, **sides)


def _within(problem: Problem, targets: pd.DataFrame, limits: LimitsLike | None) -> Limits:
    """The limits of the targets, and those of the day: where a market is closed nothing trades."""
    target = to_vector(targets["position"][list(problem.instruments)], problem.instruments, "optimal_positions")
    held = problem.previous_positions
    among_targets = _limits(targets, limits).among(problem.instruments, [str(name) for name in targets.index])
    lower, upper = among_targets.box(problem.instruments, target, held)
    closed = problem.lower == problem.upper
    numbers = {"lower": np.where(closed, held, lower), "upper": np.where(closed, held, upper)}
    return Limits(**numbers, one_side=among_targets.one_side)
