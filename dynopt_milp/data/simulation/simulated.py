"""A simulated market: the futures of ``contracts.csv`` over 20 years, drawn from a seed.

Every number is simulated; only the specifications of the contracts are real. What a strategy meets in real futures is
there: correlation by asset class and sector, volatility that clusters, trends, risk premia, contracts that roll,
holidays, late starts, full-size and micro contracts of one underlying, currencies. With x the log return of one day
less its expectation,

    x = σ/16 · e^{h} · L z        L: loadings on factors, z: standard normal, h: log volatility, common and own
    drift = σ/256 · (s + t L a)   s: Sharpe ratio of holding it, a: trends, autoregressions of unit variance

The traded price moves with the return, and at each roll jumps by the carry from one contract to the next. Carry is
what holding earns on average and a share of the distance of the price from the typical one (``carry``): a price far
above it is expected to fall, and its next contract is cheaper. So prices are pulled to the level of the real
contract, while returns are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.data.contracts import contracts
from dynopt_milp.data.days import to_day
from dynopt_milp.data.market import Market
from dynopt_milp.data.simulation.factors import factor_loadings
from dynopt_milp.data.simulation.holidays import closed
from dynopt_milp.errors import DataError
from dynopt_milp.io.labelled import whole_number
from dynopt_milp.problem.book import DAYS_A_YEAR
from formulations import FloatArray

FIRST_DAY, LAST_DAY = pd.Timestamp("2004-01-01"), pd.Timestamp("2023-12-31")

# Daily returns of futures have a kurtosis of 5 to 10; log volatility with these standard deviations gives about 6.
COMMON_VOLATILITY, OWN_VOLATILITY = 0.3, 0.3
COMMON_HALF_LIFE, OWN_HALF_LIFE = 60, 30  # days; of log volatility
# Tuned: a trend follower of the whole universe earns a Sharpe ratio of 0.5 to 1 after costs, as such funds have.
TREND_SHARPE, TREND_HALF_LIFE = 0.5, 125  # standard deviation of the annual Sharpe ratio of a trend; days
# Annual Sharpe ratios of holding each asset class: rough long-run averages; insurance costs what buys it.
PREMIUM = {
    "Bond": 0.25, "Equity": 0.3, "FX": 0.05, "Energy": 0.1, "Metal": 0.1, "Agriculture": 0.0, "Volatility": -0.4,
}  # fmt: skip

# Twenty years are short, and chance moves every Sharpe ratio by 0.2. Of the streams 0 to 9 this is the one in which the
# market of seed 1, which the documentation shows, comes nearest to the averages over many seeds.
STREAM = 7

# Where prices settle: the standard deviation of their logs around the typical price, and the slowest pull there.
PRICE_SPREAD, SLOWEST_HALF_LIFE = 0.25, 4.0  # three standard deviations are a factor of 2.1; years
ROLLS_A_YEAR = {"Energy": 12, "Volatility": 12}  # these expire every month; of the others the quarterly ones are held
QUARTERLY = 4
ROLL_DAY = 10  # of the month, or the first open day after it: before the expiry of most contracts
CURRENCY_VOLATILITY, CURRENCY_HALF_LIFE = 0.08, 3.0  # of major currencies to the dollar, annual; years


def simulated_market(
    seed: int = 1, *, instruments: Iterable[str] | None = None, start: Any = "2004-01-01", end: Any = "2023-12-31"
) -> Market:
    """The simulated market of a seed, in US dollars, from 2004 to 2023.

    The numbers of one instrument on one day depend on the seed alone, not on what else is asked for: back-adjusted
    prices are the traded ones at the end of 2023, wherever the market is cut.

    Parameters
    ----------
    seed : int
        Same seed, same market.
    instruments : iterable of str, optional
        Symbols of :func:`~dynopt_milp.data.contracts.contracts`; all if not given.
    start, end : date-like
        The first and the last day, both included. Without ``instruments``, those that start later are left out.

    Returns
    -------
    Market
        Rates of currencies are simulated too, on their own: they do not follow the currency futures.

    Raises
    ------
    InputError
        If the seed is not a whole number, or is negative.
    DataError
        If an instrument is not known or has no price between the two days, or a day is outside the 20 years.
    """
    number = whole_number(seed, "seed")
    first, last = _day(start, "start"), _day(end, "end")
    if first > last:
        raise DataError(f"is after the end, {last.date()}; found {first.date()}", field="start")
    market = _whole_market(number)
    if instruments is None:
        return market.between(first, last)
    names = [instruments] if isinstance(instruments, str) else sorted(set(instruments))
    chosen = market.select(names)
    there = chosen.prices.loc[first:last].notna().any()
    for name in names:
        if not there[name]:
            begins = chosen.days[chosen.prices[name].notna()][0]
            raise DataError(
                f"has no price from {first.date()} to {last.date()}; its first is of {begins.date()}",
                field="instruments", instrument=name,
            )  # fmt: skip
    return chosen.between(first, last)


def carry(price: FloatArray, typical: FloatArray, volatility: FloatArray, premium: FloatArray) -> FloatArray:
    """What a contract is expected to earn in a year if spot prices stay: the slope of its futures curve.

    Parameters
    ----------
    price, typical : array
        Traded price now, and where it is pulled to.
    volatility : array
        Of annual returns.
    premium : array
        Annual Sharpe ratio of holding it.

    Returns
    -------
    array
        Annual, share of the price; positive where the next contract is cheaper (backwardation).
    """
    # Trends make the variance of a year larger than 256 times that of a day, by 2 t² times their mean life in years.
    life = TREND_HALF_LIFE / DAYS_A_YEAR / np.log(2)
    long_run_variance = volatility**2 * (1 + 2 * TREND_SHARPE**2 * life)
    # An Ornstein-Uhlenbeck process with variance v a year and pull κ settles at the variance v / 2κ.
    pull = np.maximum(np.log(2) / SLOWEST_HALF_LIFE, long_run_variance / (2 * PRICE_SPREAD**2))
    # A log return is half a variance less than a return: without that, prices would settle below the typical ones.
    slope: FloatArray = premium * volatility - volatility**2 / 2 + pull * np.log(price / typical)
    return slope


def _day(value: Any, field: str) -> pd.Timestamp:
    day = to_day(value, field)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise DataError(
            f"the simulation is from {FIRST_DAY.date()} to {LAST_DAY.date()}, found {day.date()}", field=field
        )
    return day


def _whole_market(seed: int) -> Market:
    table = contracts()
    with (files("dynopt_milp.data") / "simulation.csv").open(encoding="utf-8") as file:
        plan = pd.read_csv(file, index_col="symbol").loc[table.index]
    days = pd.bdate_range(FIRST_DAY, LAST_DAY)
    # One series an underlying, by its first contract: full size and micro have the same prices.
    series = table.join(plan).drop_duplicates("underlying").set_index("underlying")
    shut = {region: closed(region, days) for region in series["region"].unique()}
    open_days = ~np.column_stack([shut[region] for region in series["region"]])

    random = np.random.default_rng([seed, STREAM])
    returns = _between_open_days(_log_returns(series, len(days), random), open_days)
    a_year = np.asarray(series["asset_class"].map(ROLLS_A_YEAR).fillna(QUARTERLY), dtype=np.float64)
    rolls = _rolls(a_year, days, open_days)
    traded, adjusted = _prices(series, returns, rolls, random)
    currencies = _currencies(table, days, random)

    column = series.index.get_indexer(pd.Index(table["underlying"]))
    here = open_days[:, column] & (days.year.to_numpy()[:, None] >= plan["first_year"].to_numpy())
    some = np.flatnonzero(here.any(axis=1))  # a market has no days on which everything is closed

    def frame(values: FloatArray) -> pd.DataFrame:
        there = np.where(here, values[:, column], np.nan)
        return pd.DataFrame(there[some], index=days[some], columns=table.index)

    specifications = table[["name", "multiplier", "currency", "asset_class", "underlying", "commission"]].assign(
        half_spread=table["spread"] / 2, rolls_a_year=a_year[column]
    )
    return Market(
        prices=frame(traded), adjusted=frame(adjusted), fx=currencies.iloc[some], specifications=specifications,
        contract_months=frame(_contract_months(rolls, a_year, days)), simulated=True,
    )  # fmt: skip


def _log_returns(series: pd.DataFrame, steps: int, random: np.random.Generator) -> FloatArray:
    """Log returns of every business day, days × series."""
    loadings = factor_loadings(series, random)
    count, factors = loadings.shape
    volatility = series["volatility"].to_numpy(dtype=np.float64) / np.sqrt(DAYS_A_YEAR)
    premium = np.asarray(series["asset_class"].map(PREMIUM), dtype=np.float64)
    shocks = _spread(random.normal(size=(steps, factors)), loadings)
    level = COMMON_VOLATILITY * _autoregression(steps, 1, COMMON_HALF_LIFE, random)
    level = level + OWN_VOLATILITY * _autoregression(steps, count, OWN_HALF_LIFE, random)
    # Less its variance: then the mean of the square of e^level is 1, and volatility is on average what it should be.
    today = volatility * np.exp(level - COMMON_VOLATILITY**2 - OWN_VOLATILITY**2)
    trends = TREND_SHARPE * _spread(_autoregression(steps, factors, TREND_HALF_LIFE, random), loadings)
    drift: FloatArray = volatility * (premium + trends) / np.sqrt(DAYS_A_YEAR)
    log_returns: FloatArray = today * shocks + drift - today**2 / 2
    return log_returns


def _autoregression(steps: int, count: int, half_life: float, random: np.random.Generator) -> FloatArray:
    """Independent stationary autoregressions of unit variance, steps × count."""
    keep = 0.5 ** (1 / half_life)
    path = random.normal(size=(steps, count))
    path[1:] *= np.sqrt(1 - keep**2)
    for step in range(1, steps):
        path[step] += keep * path[step - 1]
    return path


def _between_open_days(log_returns: FloatArray, open_days: NDArray[np.bool_]) -> FloatArray:
    """What happened while an exchange was closed comes with its next open day."""
    total = pd.DataFrame(np.cumsum(log_returns, axis=0)).where(open_days).ffill().fillna(0.0).to_numpy()
    return np.diff(total, axis=0, prepend=0.0)


def _rolls(a_year: FloatArray, days: pd.DatetimeIndex, open_days: NDArray[np.bool_]) -> FloatArray:
    """The share of a year from one contract to the next on days on which it is rolled, else 0; days × series."""
    month, first = days.month.to_numpy(), np.zeros(open_days.shape, dtype=np.bool_)
    late = open_days & (days.day.to_numpy() >= ROLL_DAY)[:, None]
    for _, rows in pd.Series(np.arange(len(days))).groupby([days.year, days.month]):
        first[rows.to_numpy()[late[rows].argmax(axis=0)], np.arange(a_year.size)] = True
    return np.where(first & (month[:, None] % (12 / a_year) == 0), 1 / a_year, 0.0)


def _contract_months(rolls: FloatArray, a_year: FloatArray, days: pd.DatetimeIndex) -> FloatArray:
    """The month in which the contract held at the close expires, as 20040300, days × series."""
    apart = 12 / a_year
    begin = days[0].year * 12 + days[0].month  # months since the year 0; the first contract is the next to expire
    number = np.ceil(begin / apart) * apart + apart * np.cumsum(rolls > 0, axis=0)
    year, month = np.divmod(number - 1, 12)
    return np.asarray(1e4 * year + 100 * (month + 1))


def _prices(
    series: pd.DataFrame, log_returns: FloatArray, rolls: FloatArray, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Traded and back-adjusted prices, days × series."""
    typical = series["price"].to_numpy(dtype=np.float64)
    volatility = series["volatility"].to_numpy(dtype=np.float64)
    premium = np.asarray(series["asset_class"].map(PREMIUM), dtype=np.float64)
    traded, earned = np.empty_like(log_returns), np.empty_like(log_returns)
    held = typical * np.exp(random.normal(0, PRICE_SPREAD / 2, len(series)))  # not all start where they are pulled to
    for day, (log_return, roll) in enumerate(zip(log_returns, rolls, strict=True)):
        before = held
        held = np.asarray(before * np.exp(log_return), dtype=np.float64)
        earned[day] = held - before
        if roll.any():
            held = held * np.exp(-roll * carry(held, typical, volatility, premium))
        traded[day] = held
    total = np.cumsum(earned, axis=0)
    adjusted: FloatArray = traded[-1] + (total - total[-1])
    return traded, adjusted


def _currencies(table: pd.DataFrame, days: pd.DatetimeIndex, random: np.random.Generator) -> pd.DataFrame:
    """US dollars per unit on every business day: Ornstein-Uhlenbeck in logs around the typical rate."""
    level = table.groupby("currency")["fx"].first().sort_index()
    spread = CURRENCY_VOLATILITY * np.sqrt(CURRENCY_HALF_LIFE / (2 * np.log(2)))
    path = _autoregression(len(days), len(level), CURRENCY_HALF_LIFE * DAYS_A_YEAR, random)
    rates = pd.DataFrame(level.to_numpy() * np.exp(spread * path), index=days, columns=level.index.to_list())
    rates["USD"] = 1.0
    return rates


def _spread(moves: FloatArray, loadings: FloatArray) -> FloatArray:
    """Moves of the factors, days × factors, as moves of the instruments, days × n.

    Not a matrix product: its last digits would depend on how many threads the linear algebra library takes.
    """
    spread: FloatArray = np.einsum("tf,if->ti", moves, loadings)
    return spread
