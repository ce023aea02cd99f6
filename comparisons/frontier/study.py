"""One backtest of the study, and all of them, several at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from comparisons.frontier.settings import BEFORE, BUFFERS, COVARIANCES, END, OPTIMISED, SPLIT, START, Setting
from comparisons.stored import load
from dynopt_milp import Limits
from dynopt_milp.backtests import Backtest, backtest, realised_tracking_error, sharpe_ratio
from dynopt_milp.data import Market, read_market
from dynopt_milp.gap.grid import take_in_turn
from dynopt_milp.problem.book import DAYS_A_YEAR
from dynopt_milp.strategy import Strategy
from dynopt_milp.strategy.inputs import Inputs

FOLDER = Path(__file__).parent
RESULTS, ENVIRONMENT, PICTURE = FOLDER / "results.csv", FOLDER / "environment.txt", FOLDER / "frontier.png"
PERIODS = {"2005-2012": slice(None, BEFORE), "2013-2019": slice(SPLIT, None)}
FIGURES = (
    "expected", "realised", "trading_cost", "roll_cost", "gross_sharpe_ratio", "sharpe_ratio", "against_forecast",
    "rebalances", "proved", "failed",
)  # fmt: skip
COLUMNS = (*Setting._fields, "period", *FIGURES)
SUBSET_SEED = 1
PREPARED = 2  # inputs that a process keeps
TIME_LIMIT = 20.0  # seconds a rebalance; one that takes longer is kept with what was found


def run(setting: Setting, market: Market, also: tuple[str, ...] = ()) -> Backtest:
    """The backtest of a setting: weekly, trend following with risk parity, capital fixed."""
    inputs = prepared(market, setting)
    options: dict[str, Any] = {"capital": setting.capital, "start": START, "end": END, "inputs": inputs}
    if setting.holder not in OPTIMISED:
        return backtest(inputs.market, inputs.strategy, optimizer=setting.holder, **options)
    rule, fraction = BUFFERS[setting.buffer]
    sided = setting.holder == "same_side"
    return backtest(
        inputs.market, inputs.strategy, optimizer="exact" if sided else setting.holder,
        limits=Limits(same_side=True) if sided else None, cost_multiplier=setting.cost_multiplier, buffer_rule=rule,
        buffer_fraction=fraction, holding_cost=setting.holding_cost, time_limit=TIME_LIMIT, also=also,
        **options,
    )  # fmt: skip


_kept: dict[tuple[float, int, str], Inputs] = {}


def prepared(market: Market, setting: Setting) -> Inputs:
    """Those of a place and a covariance, the last ones kept."""
    key = (setting.capital, setting.instruments, setting.covariance)
    if key not in _kept:
        while len(_kept) >= PREPARED:
            del _kept[next(iter(_kept))]
        names = sorted(take_in_turn(market, SUBSET_SEED)[: setting.instruments])
        part = market if len(names) == len(market.instruments) else market.select(names)
        strategy = Strategy(correlation=COVARIANCES[setting.covariance or "exponential 25 (book)"]())
        _kept[key] = Inputs(part, strategy, setting.capital)
    return _kept[key]


def rows_of(setting: Setting, found: Backtest, forecast: pd.DataFrame) -> list[dict[str, Any]]:
    """What a backtest came to, a row for each period.

    ``expected`` and ``realised`` are tracking errors, annual, shares of capital: the mean of what the covariance (the
    book's where nothing is optimised) expected after each rebalance, and what came of it against the unrounded run,
    gross. ``against_forecast`` is the share of positions held, on any day, that stand against the sign of the unrounded
    ones.
    """
    rows = []
    for period, days in PERIODS.items():
        returns, decided = found.returns.loc[days], found.rebalances.loc[days]
        held, target = found.positions.loc[days], forecast.loc[days].reindex(columns=found.positions.columns)
        status = decided["status"]
        figures = {
            "expected": float(decided["tracking_error"].mean()),
            "realised": realised_tracking_error(returns["gross"], returns["unrounded"]),
            "trading_cost": returns["trading_cost"].mean() * DAYS_A_YEAR,
            "roll_cost": returns["roll_cost"].mean() * DAYS_A_YEAR,
            "gross_sharpe_ratio": sharpe_ratio(returns["gross"]),
            "sharpe_ratio": sharpe_ratio(returns["net"]),
            "against_forecast": float((held * target < 0).sum().sum() / (held != 0).sum().sum()),
            "rebalances": len(decided),
            "proved": int((status == "optimal").sum()),
            "failed": int((status == "failed").sum()),
        }
        rows.append(setting._asdict() | {"period": period} | figures)
    return rows


def missing(settings: Sequence[Setting], results: pd.DataFrame) -> list[Setting]:
    """Those without results, each once, those that share their inputs in a row."""
    done = {Setting(*values) for values in results[list(Setting._fields)].itertuples(index=False)}
    left = dict.fromkeys(setting for setting in settings if setting not in done)
    return sorted(left, key=lambda setting: (setting.capital, setting.instruments, setting.covariance))


def stored(path: Path = RESULTS) -> pd.DataFrame:
    """The rows of all backtests so far."""
    results = load(path, COLUMNS)
    for name in ("holder", "covariance", "buffer"):
        results[name] = results[name].fillna("").astype(str)
    return results.astype({"holding_cost": bool})


def in_order(results: pd.DataFrame) -> pd.DataFrame:
    """Rows sorted by what was run, so that the file does not depend on which worker was first."""
    return results.sort_values([*Setting._fields, "period"], ignore_index=True)


def run_all(settings: Sequence[Setting], folder: Path, workers: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of backtests, in the order in which they end."""
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(
        delayed(rows_for)(setting, folder) for setting in settings
    )


def rows_for(setting: Setting, folder: Path) -> list[dict[str, Any]]:
    """Run one setting of a price folder."""
    market = price_market(folder)
    return rows_of(setting, run(setting, market), _forecast(folder, setting.capital, setting.instruments))


@cache
def price_market(folder: Path) -> Market:
    """The market of a price folder, read once."""
    return read_market(folder)


@cache
def _forecast(folder: Path, capital: float, instruments: int) -> pd.DataFrame:
    """The unrounded positions of a place, whose signs are those of forecasts."""
    market = price_market(folder)
    inputs = prepared(market, Setting(capital, instruments, "unrounded"))
    return backtest(
        inputs.market, inputs.strategy, optimizer="unrounded", capital=capital, start=START, end=END, inputs=inputs
    ).positions  # fmt: skip
