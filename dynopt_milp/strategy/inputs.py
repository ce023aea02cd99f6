"""The inputs of every rebalance of a strategy, prepared once for all days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.data.market import Market
from dynopt_milp.data.suspects import Suspect
from dynopt_milp.errors import DataError, HistoryError, InputError
from dynopt_milp.io.labelled import positive, to_whole
from dynopt_milp.problem.holding import ROLL_TRADES, holding_cost
from dynopt_milp.problem.limits import Limits, LimitsLike, limits_of
from dynopt_milp.problem.one_side import beside_kept
from dynopt_milp.problem.order_costs import order_costs_of
from dynopt_milp.problem.plausible import MOST_CAPITAL
from dynopt_milp.problem.problem import Problem
from dynopt_milp.rules.rule import Rule
from dynopt_milp.strategy.checked_frame import checked_frame
from dynopt_milp.strategy.correlation import Correlation, of_market, weekly_returns
from dynopt_milp.strategy.costs import contract_values, sr_costs
from dynopt_milp.strategy.forecasts import AVERAGE_FORECAST
from dynopt_milp.strategy.order_costs import DailyOrderCosts
from dynopt_milp.strategy.presets import RECOMMENDED
from dynopt_milp.strategy.rules_of_day import DayRules, RebalanceDay, rules_of_day
from dynopt_milp.strategy.shares import shares_in_order
from dynopt_milp.strategy.sizing import diversification_multiplier, optimal_positions
from dynopt_milp.strategy.static_portfolios import FixedShares, Universe
from dynopt_milp.strategy.strategy import Strategy
from formulations import FloatArray

# Longer than any holiday (Christmas and Chinese New Year are up to 10 calendar days): without a price for longer than
# that a market is taken for closed.
CLOSED_AFTER = 10
# The longest gap after which a market came back was 61 days, in 42 futures of pysystemtrade's data, 2000 to 2019.
GONE_AFTER = 90


@dataclass(frozen=True, slots=True, eq=False)
class TargetPositions:
    """The fractional positions of a strategy after the close of one day.

    Attributes
    ----------
    date : Timestamp
    instruments : tuple of str
        Everything that is alive on that day, k of them.
    places : ndarray of int, shape (k,)
        Of these among the market's instruments.
    shares : ndarray, shape (k,)
        Shares of risk.
    multiplier : float
        Diversification multiplier (IDM).
    contracts : ndarray, shape (k,)
        Unrounded.
    closed : tuple of str
        Alive, and cannot be traded now: without a price for more than ten calendar days, or the last one was set aside
        (``Market.frozen``).
    sized : callable
        From forecasts, shape (k,), to unrounded contracts.
    """

    date: pd.Timestamp
    instruments: tuple[str, ...]
    places: NDArray[np.intp]
    shares: FloatArray
    multiplier: float
    contracts: FloatArray
    closed: tuple[str, ...]
    sized: Callable[[FloatArray], FloatArray]

    @property
    def weights(self) -> pd.Series:
        """Shares of risk, by instrument."""
        return self._labelled(self.shares)

    @property
    def optimal_positions(self) -> pd.Series:
        """Unrounded contracts, by instrument."""
        return self._labelled(self.contracts)

    @property
    def average_positions(self) -> pd.Series:
        """Unrounded contracts for an average forecast, +10, by instrument."""
        return self._labelled(self.sized(np.full(len(self.instruments), AVERAGE_FORECAST)))

    def _labelled(self, numbers: FloatArray) -> pd.Series:
        return pd.Series(numbers, list(self.instruments), copy=True)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Inputs:
    """Volatility, forecasts, correlations, costs and values of a market for all its days.

    Nothing of a day depends on later days. An instrument is *alive* on a day if it had a price within the last ninety
    calendar days and has had a volatility, a forecast and a cost; it can be traded if it had one within the last ten,
    unless a later one was set aside (``Market.frozen``).
    Where a function of the strategy says NaN, what it said before stays. What orders cost beside their contracts is of
    the market's specifications (:attr:`order_costs`; None where it is nothing), and so are the margins of contracts.

    Parameters
    ----------
    market : Market
    strategy : Strategy
        One without correlations of its own gets those of the preset ``recommended``.
    capital : float
        Base currency, positive.

    Raises
    ------
    InputError
        If a function of the strategy returns something else than it should.
    """

    market: Market
    strategy: Strategy
    capital: float
    names: tuple[str, ...] = field(init=False)
    volatility: pd.DataFrame = field(init=False)
    forecasts: pd.DataFrame = field(init=False)
    costs: pd.DataFrame = field(init=False)
    values: pd.DataFrame = field(init=False)
    sr_costs: pd.DataFrame = field(init=False)
    order_costs: DailyOrderCosts | None = field(init=False)
    margins: pd.DataFrame = field(init=False)
    _underlyings: tuple[str, ...] = field(init=False)
    _days: pd.DatetimeIndex = field(init=False)
    _rows: dict[pd.Timestamp, int] = field(init=False)
    _weeks: pd.DatetimeIndex = field(init=False)
    _correlations: FloatArray = field(init=False)
    _multiplier_correlations: FloatArray = field(init=False)
    _arrays: dict[str, FloatArray] = field(init=False)
    _age: FloatArray = field(init=False)
    _alive: NDArray[np.bool_] = field(init=False)
    _frozen: NDArray[np.bool_] = field(init=False)
    _closed: NDArray[np.bool_] = field(init=False)
    _shares: dict[tuple[int, bytes], FloatArray] = field(init=False, default_factory=dict)
    _rolls: list[FloatArray] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        market, strategy = self.market, RECOMMENDED.of(self.strategy)
        object.__setattr__(self, "strategy", strategy)
        if isinstance(strategy.weights, FixedShares):
            strategy.weights.check(market.instruments)
        positive(self.capital, "capital", most=MOST_CAPITAL)
        volatility = checked_frame(strategy.volatility(market), market, "volatility", least=0.0).ffill()
        forecasts = checked_frame(strategy.forecasts(market), market, "forecasts").ffill()
        costs = checked_frame(strategy.costs(market), market, "costs", least=0.0).ffill()
        values = contract_values(market)
        weekly = weekly_returns(market)
        correlations = _correlations(of_market(RECOMMENDED.correlation_of(strategy), market), weekly, "correlation")
        of_multiplier = correlations
        if not same(strategy.multiplier_correlation, strategy.correlation):
            estimator = of_market(strategy.multiplier_correlation, market)
            of_multiplier = _correlations(estimator, weekly, "multiplier_correlation")
        age, frozen = _days_without_price(market), market.frozen().to_numpy()
        alive = (volatility > 0) & forecasts.notna() & costs.notna() & (age <= GONE_AFTER)
        frames = {
            "volatility": volatility, "forecasts": forecasts, "costs": costs, "values": values,
            "sr_costs": sr_costs(costs, values, volatility),
            "margins": market.rates() * market.specifications["margin"].to_numpy(),
        }  # fmt: skip
        prepared = {
            "names": market.instruments, "_underlyings": tuple(market.specifications["underlying"]),
            "_days": market.days, "_rows": {day: row for row, day in enumerate(market.days)},
            "_weeks": pd.DatetimeIndex(weekly.index),
            "_correlations": correlations, "_multiplier_correlations": of_multiplier,
            "_age": age, "_alive": alive.to_numpy(), "_frozen": frozen, "_closed": (age > CLOSED_AFTER) | frozen,
            "_arrays": {name: frame.to_numpy() for name, frame in frames.items()},
            "order_costs": DailyOrderCosts.of(market, costs),
        }  # fmt: skip
        for name, content in (frames | prepared).items():
            object.__setattr__(self, name, content)

    def __repr__(self) -> str:
        return f"<Inputs of {self.market!r}, capital {self.capital:,.0f}>"

    def sized_by(self, capital: float) -> Inputs:
        """The same with another capital, base currency, positive; nothing is prepared again."""
        made = copy(self)
        object.__setattr__(made, "capital", positive(capital, "capital", most=MOST_CAPITAL))
        return made

    def alive(self, date: pd.Timestamp) -> list[str]:
        """Instruments that are alive on a day, in the order of names."""
        return [self.names[place] for place in np.flatnonzero(self._alive[self._row(date)])]

    def gone(self, date: pd.Timestamp) -> NDArray[np.bool_]:
        """Which instruments of the market had no price for ninety calendar days on a day, or never, shape (n,)."""
        return np.asarray(self._age[self._row(date)] > GONE_AFTER)

    def frozen(self, date: pd.Timestamp) -> dict[str, Suspect]:
        """The prices for which instruments keep their positions on a day (``Market.frozen``), by instrument."""
        names = [self.names[place] for place in np.flatnonzero(self._frozen[self._row(date)])]
        found = {suspect.instrument: suspect for suspect in self.market.suspects if suspect.date <= date}
        return {name: found[name] for name in names}

    def correlation(self, date: pd.Timestamp) -> pd.DataFrame:
        """Correlations of the optimisation known after the close of a day, n × n: of the last week that ended by then.

        Raises
        ------
        HistoryError
            If no week has ended by then.
        """
        return self._of_pairs(self._correlations[self._week(date)])

    def multiplier_correlation(self, date: pd.Timestamp) -> pd.DataFrame:
        """Correlations of the diversification multiplier known after the close of a day, n × n, likewise.

        Raises
        ------
        HistoryError
            If no week has ended by then.
        """
        return self._of_pairs(self._multiplier_correlations[self._week(date)])

    def covariance(self, date: pd.Timestamp) -> pd.DataFrame:
        """Annual covariance of percentage returns, n × n: volatility × correlation of the optimisation × volatility.

        Raises
        ------
        HistoryError
            If no week has ended by then.
        """
        return self._of_pairs(self._covariance(date, np.arange(len(self.names))))

    def _of_pairs(self, matrix: FloatArray) -> pd.DataFrame:
        """A copy of a matrix, n × n, by instrument."""
        names = self.market.prices.columns
        return pd.DataFrame(matrix, index=names, columns=names, copy=True)

    def weights(self, date: pd.Timestamp) -> pd.Series:
        """Shares of risk of the instruments alive on a day; they sum to 1.

        Raises
        ------
        HistoryError
            If the strategy gives none of them a share.
        """
        row = self._row(date)
        shares = self._shares_of(row)
        places = np.flatnonzero(self._alive[row])
        return pd.Series(shares[places], index=self.market.prices.columns[places])

    def target_positions(self, date: pd.Timestamp, *, capital: float | None = None) -> TargetPositions:
        """The fractional positions of a day.

        Parameters
        ----------
        date : Timestamp
            One of the market's days; its close is known.
        capital : float, optional
            That of the day, base currency, positive. Default: the field.

        Raises
        ------
        HistoryError
            If there is nothing to hold, or no correlation yet.
        """
        row = self._row(date)
        places = np.flatnonzero(self._alive[row])
        shares = self._shares_of(row)[places]
        now = {name: array[row, places] for name, array in self._arrays.items()}
        multiplier = diversification_multiplier(
            shares,
            self._multiplier_correlations[self._week(date)][np.ix_(places, places)],
            cap=self.strategy.multiplier_cap,
            floor=self.strategy.floor_correlations,
        )
        sized = partial(
            optimal_positions,
            capital=self.capital if capital is None else capital,
            multiplier=multiplier,
            weights=shares,
            risk_target=self.strategy.risk_target,
            contract_values=now["values"],
            volatility=now["volatility"],
        )
        names = tuple(self.names[place] for place in places)
        closed = tuple(self.names[place] for place in places if self._closed[row, place])
        return TargetPositions(date, names, places, shares, multiplier, sized(now["forecasts"]), closed, sized)

    def problem(
        self,
        date: pd.Timestamp,
        held: Any = 0.0,
        *,
        cost_multiplier: float = RECOMMENDED.cost_multiplier,
        limits: LimitsLike | None = None,
        capital: float | None = None,
        without: Sequence[str] = (),
        holding: str | None = None,
        roll_trades: float = ROLL_TRADES,
        rules: DayRules | None = None,
        targets: TargetPositions | None = None,
    ) -> Problem:
        """The rebalance of a day, of everything that has a share of risk or is held and alive.

        Parameters
        ----------
        date : Timestamp
            One of the market's days; its close is known.
        held : Series, dict or number
            Whole contracts by instrument; what is not named is not held.
        cost_multiplier : float
            λ. Default: that of the preset ``recommended``.
        limits : Limits or callable, optional
            Limits of instruments of the market, or a function from the instruments of the day to theirs. Instruments
            whose market is closed do not trade in any case.
        capital : float, optional
            That of the day, base currency, positive. Default: the field.
        without : sequence of str
            Instruments to leave out.
        holding : {"daily", "weekly", "monthly"}, optional
            How often is rebalanced, for the cost of holding until then: that of the rolls a year that are known on the
            day (``Market.rolls_a_year``; nothing where they are not). Default: no cost of holding.
        roll_trades : float
            Trades that a roll costs.
        rules : list of Rule, Rule or callable, optional
            House rules of instruments of the market, of which those count that are in the rebalance; or a function from
            a :class:`~dynopt_milp.strategy.RebalanceDay` to rules.
        targets : TargetPositions, optional
            Those of the day and the capital, where they are known already.

        Raises
        ------
        HistoryError
            If no instrument can be held, or there is no history yet.
        InputError
            If :class:`~dynopt_milp.Problem` refuses a number, or a name is unknown.
        """
        row = self._row(date)
        contracts = to_whole(held, self.names, "held", missing=0.0)
        money = self.capital if capital is None else capital
        targets = self.target_positions(date, capital=money) if targets is None else targets
        places = targets.places
        kept = (targets.shares > 0) | (contracts[places] != 0)
        if without:
            kept &= ~np.isin(targets.instruments, without)
        places, target = places[kept], targets.contracts[kept]
        names, now = [self.names[place] for place in places], contracts[places]
        own = limits_of(limits, names, self.names)
        shut = self._closed[row, places]
        if shut.any():
            # Rules become numbers first: where nothing trades, nothing else holds.
            lower, upper = own.box(tuple(names), target, now)
            frozen = Limits(lower=np.where(shut, now, lower), upper=np.where(shut, now, upper))
            own = replace(frozen, one_side=own.one_side)
        underlyings = tuple(self._underlyings[place] for place in places)
        left = contracts != 0
        left[places] = False
        if own.one_side and left.any():
            others = [self.names[place] for place in np.flatnonzero(left)]
            ruled = np.flatnonzero(left)[limits_of(limits, others, self.names).one_side_of(tuple(others))]
            kept = [(self._underlyings[place], contracts[place]) for place in ruled]
            own = beside_kept(own, tuple(names), underlyings, target, now, kept)
        value, cost, volatility = (self._arrays[name][row, places] for name in ("values", "costs", "volatility"))
        house: tuple[Rule, ...] = ()
        if rules is not None:
            margins = self._arrays["margins"][row, places]
            series = (pd.Series(numbers, names, copy=True) for numbers in (now, value, volatility, cost, margins))
            house = rules_of_day(rules, RebalanceDay(date, money, *series), self.names)
        rolls: FloatArray | float = 0.0
        if holding is not None:
            rolls = holding_cost(self._rolls_a_year(row)[places], 1.0, holding, roll_trades=roll_trades)
        return Problem(
            covariance=self._covariance(date, places),
            optimal_positions=target,
            weight_per_contract=value / money,
            previous_positions=now,
            cost_in_weight_terms=cost / value,
            cost_multiplier=cost_multiplier,
            limits=own,
            instruments=tuple(names),
            holding_cost=0.0
            if holding is None
            else holding_cost(self._rolls_a_year(row)[places], cost / value, holding, roll_trades=roll_trades),
            order_costs=order_costs_of(
                None if self.order_costs is None else self.order_costs.on_day(row, places, rolls), tuple(names), money
            ),
            underlying=underlyings,
            capital=money,
            rules=house,
            margin=self._arrays["margins"][row, places] / money,
        )

    def _rolls_a_year(self, row: int) -> FloatArray:
        """Rolls a year known on a day, zero where nothing is known, shape (n,)."""
        if not self._rolls:
            self._rolls.append(self.market.rolls_a_year().fillna(0.0).to_numpy())
        return np.asarray(self._rolls[0][row])

    def _covariance(self, date: pd.Timestamp, places: NDArray[np.intp]) -> FloatArray:
        sigma = self._arrays["volatility"][self._row(date), places]
        rho: FloatArray = self._correlations[self._week(date)][np.ix_(places, places)]
        return rho * np.outer(sigma, sigma)

    def _shares_of(self, row: int) -> FloatArray:
        """Shares of risk of all instruments on a day, zero for those not alive, shape (n,)."""
        alive, year = self._alive[row], self._days[row].year
        key = (year, alive.tobytes())
        if key not in self._shares:
            # The first day of the year with these instruments decides, wherever a run begins.
            rows = np.flatnonzero(self._days[: row + 1].year == year)
            first = int(rows[(self._alive[rows] == alive).all(axis=1)][0])
            names = self.market.prices.columns[alive]
            universe = Universe(
                asset_classes=self.market.specifications["asset_class"][names],
                sr_costs=self.sr_costs.iloc[first][names],
                underlyings=self.market.specifications["underlying"][names],
            )
            shares = np.zeros(alive.size)
            if alive.any():
                shares[alive] = shares_in_order(self.strategy.weights(universe), list(names))  # type: ignore[operator]
            self._shares[key] = shares
        if not self._shares[key].sum() > 0:
            raise HistoryError(
                f"on {self._days[row].date()} no instrument of the strategy has a price, a volatility (it takes 50 "
                "returns), a forecast and a cost; start later, or give longer data",
                field="weights",
            )
        return self._shares[key]

    def _week(self, date: pd.Timestamp) -> int:
        week = int(self._weeks.searchsorted(date, side="right")) - 1
        if week < 0:
            raise HistoryError(
                f"no week of returns has ended by {date.date()}; start later or give longer data", field="correlation"
            )
        return week

    def _row(self, date: pd.Timestamp) -> int:
        row = self._rows.get(date)
        if row is None:
            before = max(int(self._days.searchsorted(date)) - 1, 0)
            raise DataError(
                f"{pd.Timestamp(date).date()} is not a day of this market ({self._days[0].date()} to "
                f"{self._days[-1].date()}); the last one before it is {self._days[before].date()}",
                field="date",
            )
        return row


def _correlations(function: Correlation, weekly: pd.DataFrame, field: str) -> FloatArray:
    """What a function of the strategy says, weeks × n × n, checked."""
    found = np.asarray(function(weekly), dtype=np.float64)
    weeks, size = weekly.shape
    if found.shape != (weeks, size, size) or not np.isfinite(found).all():
        raise InputError(
            f"expected finite correlations of shape {(weeks, size, size)}, found {found.shape}", field=field
        )
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two functions, or strategies of functions, are one, or equal; those that cannot say so (fields that are
    arrays) are not.
    """
    try:
        return one is other or bool(one == other)
    except ValueError:
        return False


def _days_without_price(market: Market) -> FloatArray:
    """Calendar days since the last price, days × instruments; +inf before the first."""
    number = (market.days - market.days[0]).days.to_numpy(dtype=np.float64)
    last = pd.DataFrame(np.where(market.prices.notna(), number[:, None], np.nan)).ffill().to_numpy()
    return np.where(np.isnan(last), np.inf, number[:, None] - last)
