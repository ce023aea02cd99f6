"""Folders of files that are in order, and what is read from them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from dynopt_milp import Problem, Strategy
from dynopt_milp.commands.problem_source import ProblemSource
from dynopt_milp.data import Market, read_market
from dynopt_milp.strategy.market_notes import market_notes
from dynopt_milp.strategy.presets import BOOK, Preset
from tests.fuzz.tables import Table, table

CAPITAL = 250_000.0
NAMES = ("CORN", "ES", "GOLD", "US10")


@dataclass(frozen=True)
class Answer:
    """What a reader makes of the files, whatever their order, and what it says of them."""

    values: dict[str, Any]
    notes: frozenset[str]


@dataclass(frozen=True)
class Source:
    """Files by their path in a folder, and their reader."""

    files: dict[str, Table]
    read: Callable[[Path], Answer]

    def write(self, folder: Path) -> None:
        """Put the files into a folder."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content.text(), encoding="utf-8")


def live() -> Source:
    """Targets, holdings and a covariance, as ``rebalance`` reads them."""
    rho = np.array([[1, 0.1, 0.2, 0.0], [0.1, 1, 0.2, -0.3], [0.2, 0.2, 1, 0.1], [0.0, -0.3, 0.1, 1]])
    volatility = np.array([0.25, 0.18, 0.15, 0.06])
    matrix = pd.DataFrame(rho * np.outer(volatility, volatility), list(NAMES), list(NAMES))
    return Source(
        {
            "targets.csv": table(
                "instrument,position,weight_per_contract,cost_in_weight_terms,lower,upper,underlying\n"
                "ES,1.6,0.3,2e-4,-3,4,ES\nUS10,3.4,0.5,1e-4,,,\nGOLD,-2.3,0.4,3e-4,-2,,\nCORN,1.7,0.1,4e-4,,7,\n",
                "position weight_per_contract cost_in_weight_terms", names="instrument",
            ),
            "held.csv": table("instrument,position\nGOLD,-3\nES,1\nUS10,2\nCORN,0\n", "position", names="instrument"),
            "covariance.csv": table(matrix.to_csv(index_label="name"), " ".join(NAMES), names="name"),
        },
        _read_live,
    )  # fmt: skip


def _read_live(folder: Path) -> Answer:
    source = ProblemSource(
        problem=None, targets=folder / "targets.csv", covariance=folder / "covariance.csv", period=None, data=None,
        capital=None, date=None, held=folder / "held.csv", instruments=None, base_currency="USD", strategy=_of_nothing,
        preset=BOOK, shrinkage=0.0, risk_target=0.2, limits=None, rules=(), frequency="weekly", roll_trades=1.0,
        notes=False, given=frozenset(), on_suspect="freeze", instruments_table=None,
    )  # fmt: skip
    problem, known = source.read(Console(file=io.StringIO()))
    return Answer(_of_problem(problem), frozenset(known["notes"]))


def _of_nothing(preset: Preset) -> Strategy:
    return preset.of(Strategy())


def _of_problem(problem: Problem) -> dict[str, Any]:
    order = sorted(problem.instruments)
    place = [problem.instruments.index(name) for name in order]
    fields = (
        "optimal_positions",
        "weight_per_contract",
        "previous_positions",
        "cost_in_weight_terms",
        "lower",
        "upper",
    )
    vectors = {field: getattr(problem, field)[place].tolist() for field in fields}
    underlying = [problem.underlying[one] for one in place]
    covariance = problem.covariance[np.ix_(place, place)].tolist()
    return {"instruments": order, "covariance": covariance, "underlying": underlying} | vectors


def pysystemtrade() -> Source:
    """A folder of pysystemtrade: gold in dollars, the Bund in euros."""
    files, days = {}, [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2021-01-04", periods=70)]
    random = np.random.default_rng(2)
    for name, level, sigma in (("GOLD", 1500.0, 0.01), ("BUND", 170.0, 0.004)):
        prices = np.round(level * np.exp(random.normal(0, sigma, len(days)).cumsum()), 3)
        lines = [f"{day} 23:00:00,{price - level / 4:.3f}" for day, price in zip(days, prices, strict=True)]
        files[f"adjusted_prices_csv/{name}.csv"] = table("\n".join(["DATETIME,price", *lines]), "price", "DATETIME")
        lines = [
            f"{day} 23:00:00,{price + 1:.3f},20210900,{price:.3f},20210600"
            for day, price in zip(days, prices, strict=True)
        ]
        head = "DATETIME,CARRY,CARRY_CONTRACT,PRICE,PRICE_CONTRACT"
        files[f"multiple_prices_csv/{name}.csv"] = table("\n".join([head, *lines]), "PRICE", "DATETIME")
    rates = np.round(1.2 + random.normal(0, 0.003, len(days)).cumsum(), 5)
    lines = [f"{day} 23:00:00,{rate}" for day, rate in zip(days, rates, strict=True)]
    files["fx_prices_csv/EURUSD.csv"] = table("\n".join(["DATETIME,PRICE", *lines]), "PRICE", "DATETIME")
    files["csvconfig/instrumentconfig.csv"] = table(
        "Instrument,Pointsize,AssetClass,Currency,Slippage,PerBlock,Percentage,PerTrade,Description,Region\n"
        "GOLD,100,Metals,USD,0.1,2.3,0,0,Gold,US\nBUND,1000,Bond,EUR,0.005,2,0,0,German bond,EU\n",
        "Pointsize Slippage PerBlock Percentage PerTrade", names="Instrument",
    )  # fmt: skip
    return Source(files, _read_market)


def guide() -> Source:
    """A folder of the guide."""
    files, days = {}, [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2021-01-04", periods=70)]
    random = np.random.default_rng(3)
    for name, level in (("es", 4000.0), ("zn", 130.0)):
        prices = np.round(level * np.exp(random.normal(0, 0.008, len(days)).cumsum()), 3)
        lines = [f"{day},{price:.3f},20210600,x" for day, price in zip(days, prices, strict=True)]
        files[f"{name}_daily_data.csv"] = table("\n".join(["Time,Last,Contract_Month,Source", *lines]), "Last", "Time")
    files["instruments.csv"] = table(
        "Symbol,Name,Multiplier,SR_cost,Currency,Asset_Class,Underlying,Exchange\n"
        "ES,E-mini S&P 500,50,0.0008,USD,Equity,ES,CME\nZN,US 10 year note,1000,0.001,USD,Bond,,CBOT\n",
        "Multiplier SR_cost", names="Symbol",
    )  # fmt: skip
    return Source(files, _read_market)


def _read_market(folder: Path) -> Answer:
    market: Market = read_market(folder)
    notes = {f"{note.instrument} {note.rule} {note.rows} {note.reason}" for note in market.notes}
    return Answer({"fingerprint": market.fingerprint()}, frozenset(notes.union(market_notes(market, CAPITAL))))


SOURCES = {"live": live, "pysystemtrade": pysystemtrade, "guide": guide}
