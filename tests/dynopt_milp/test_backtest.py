"""A strategy over the years: accounting, decisions, records, interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, Problem, solve
from dynopt_milp.backtests.decision import RebalanceHistory
from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.backtests.journal import Journal
from dynopt_milp.backtests.metrics import account_of, max_drawdown, performance, sharpe_ratio
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.data import Market, read_pysystemtrade, simulated_market
from dynopt_milp.errors import (
    BacktestInterrupted,
    FileError,
    FormatError,
    HistoryError,
    InputError,
    SolverError,
    UnknownNameError,
    UnsupportedError,
)
from dynopt_milp.show.pictures import draw_backtests
from dynopt_milp.solvers.greedy import greedy_search
from dynopt_milp.strategy.forecasts import long_only
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.static_portfolios import risk_parity
from dynopt_milp.strategy.strategy import Strategy
from tests.conftest import real_futures, shared

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "EUR_micro", "CRUDE_mini", "CORN", "NIKKEI_micro"]
YEAR: dict[str, Any] = {"capital": 500_000.0, "start": "2016-01-01", "end": "2016-12-31"}


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=NAMES, start="2013-01-01", end="2017-12-31")


@pytest.fixture(scope="module")
def greedy(market: Market) -> Backtest:
    return backtest(market, optimizer="greedy", **YEAR)


def without_seconds(run: Backtest) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    columns = [name for name in run.rebalances if not str(name).endswith("seconds")]
    return run.positions, run.rebalances[columns], run.returns


def assert_same(one: Backtest, other: Backtest) -> None:
    for left, right in zip(without_seconds(one), without_seconds(other), strict=True):
        pd.testing.assert_frame_equal(left, right)


def by_hand(market: Market, run: Backtest, folder: Path | None = None) -> pd.DataFrame:
    """Gross, trading and roll cost of every day, base currency, with loops over days and instruments and no frames."""
    costs = Inputs(market, Strategy(), run.settings["capital"]).costs
    rows = {day: [0.0, 0.0, 0.0] for day in run.positions.index}
    months = market.contract_months if market.contract_months is not None else market.prices * np.nan
    for name, positions in run.positions.items():
        currency, multiplier = market.specifications.loc[name, ["currency", "multiplier"]]
        prices, rates = market.adjusted[name], market.fx[currency].to_dict()
        known = prices[: run.positions.index[0]].dropna()
        last = float(known.iloc[-1]) if len(known) else np.nan
        by_day, dear, before = prices.to_dict(), costs[name].to_dict(), 0.0
        contracts = months[name].to_dict()
        contract = months[name][: run.positions.index[0]].dropna().iloc[-1:].max()
        for day, held in positions.to_dict().items():
            if not np.isnan(by_day[day]):
                if before:
                    rows[day][0] += before * (by_day[day] - last) * multiplier * rates[day]
                last = by_day[day]
            if not np.isnan(contracts[day]):
                if before and not np.isnan(contract) and contracts[day] != contract:
                    rows[day][2] += abs(before) * dear[day]
                contract = contracts[day]
            if held != before:
                rows[day][1] += abs(held - before) * dear[day]
            before = held
    return pd.DataFrame.from_dict(rows, orient="index", columns=["gross", "trading_cost", "roll_cost"])


def test_profit_and_cost_agree_with_a_calculation_by_hand_on_real_futures() -> None:
    real = real_futures()
    run = backtest(real, capital=1e6, optimizer="greedy", start="2014-01-01", end="2015-12-31")
    money = by_hand(real, run) / 1e6
    assert (run.positions != 0).any().sum() > 25
    for name in ("gross", "trading_cost", "roll_cost"):
        assert run.returns[name].to_numpy() == pytest.approx(money[name].to_numpy(), abs=1e-12)
    cost = money["trading_cost"] + money["roll_cost"]
    assert run.returns["cost"].to_numpy() == pytest.approx(cost.to_numpy(), abs=1e-12)
    assert run.returns["net"].sum() == pytest.approx((money["gross"] - cost).sum(), abs=1e-12)
    assert run.performance["annual_roll_cost"] > 0.5 * run.performance["annual_trading_cost"] > 0
    assert money["gross"].abs().sum() > 0.5


def test_profit_of_one_contract_straight_from_the_files() -> None:
    folder = shared("data/pysystemtrade")
    only = read_pysystemtrade(folder, instruments=["SMI"])
    run = backtest(
        only, Strategy(forecasts=long_only), capital=2e6, optimizer="rounded", start="2016-01-04", end="2016-12-30"
    )
    prices = pd.read_csv(folder / "adjusted_prices_csv" / "SMI.csv", index_col="DATETIME", parse_dates=True)["price"]
    rates = pd.read_csv(folder / "fx_prices_csv" / "CHFUSD.csv", index_col="DATETIME", parse_dates=True)["PRICE"]
    prices.index, rates.index = prices.index.normalize(), rates.index.normalize()
    held, total = run.positions["SMI"], 0.0
    days = [day for day in held.index if day in prices.index]
    for yesterday, today in pairwise(days):
        rate = rates[:today].iloc[-1]
        total += held[yesterday] * (prices[today] - prices[yesterday]) * 10 * rate
    assert held.abs().max() >= 2
    assert run.returns["gross"].sum() * 2e6 == pytest.approx(total, rel=1e-9)


def test_trades_decided_after_one_close_are_done_at_the_next(market: Market, greedy: Backtest) -> None:
    inputs = Inputs(market, Strategy(), 500_000.0)
    day = greedy.rebalances.index[10]
    held = greedy.positions.loc[day]
    problem = inputs.problem(day, held, holding="weekly")
    next_day = market.days[market.days.get_loc(day) + 1]
    assert market.prices.loc[next_day].notna().all()
    trades = (greedy.positions.loc[next_day] - held).abs().sum()
    assert greedy.rebalances.loc[day, "trades"] == trades
    assert greedy.rebalances.loc[day, "objective"] == pytest.approx(solve(problem, "greedy").objective)
    assert (greedy.positions.loc[day] == held).all()


def test_nothing_trades_where_there_is_no_price_and_orders_wait_for_the_next(market: Market) -> None:
    run = backtest(market, optimizer="greedy", **YEAR | {"start": "2014-01-01"})
    changed = run.positions.diff().fillna(0.0) != 0
    there = market.prices.reindex(run.positions.index).notna()
    assert not (changed & ~there).any().any()
    waited = 0
    decided = run.rebalances.index
    for name in changed.columns:
        for day in changed.index[changed[name]]:
            decision = decided[decided < day][-1]
            between = there.loc[decision:day, name].iloc[1:-1]
            assert not between.any()  # the first price after the decision
            waited += len(between)
    assert waited > 0


def test_exact_is_proven_and_never_above_greedy_from_the_same_positions(market: Market) -> None:
    run = backtest(market, optimizer="exact", also=["greedy"], **YEAR | {"end": "2016-05-31"})
    rows = run.rebalances
    assert len(rows) == 21
    assert (rows["status"] == "optimal").all()
    assert (rows["gap"] <= 1e-6).all()
    assert (rows["lower_bound"] <= rows["objective"]).all()
    assert (rows["objective"] <= rows["greedy_objective"] * (1 + 1e-12)).all()
    assert (rows["objective"] < rows["greedy_objective"] * 0.999).any()
    assert list(rows.columns[:12]) == [
        "objective", "lower_bound", "gap", "status", "optimizer", "tracking_error_before", "tracking_error",
        "adjustment_factor", "trades", "cost", "seconds", "greedy_objective",
    ]  # fmt: skip
    assert (run.positions == run.positions.round()).all().all()


@pytest.mark.parametrize("rule", ["edge", "deadband", None])
def test_the_other_buffer_rules_run_to_the_end(market: Market, rule: str | None) -> None:
    run = backtest(market.select(["US10", "ES_micro", "EUR_micro"]), buffer_rule=rule, **YEAR | {"end": "2016-03-31"})
    assert run.performance["num_failed"] == 0
    assert (run.rebalances["status"] == "optimal").all()
    assert run.performance["avg_adjustment_factor"] == (1.0 if rule is None else None)


def test_rounded_and_unrounded_hold_what_is_wanted(market: Market) -> None:
    inputs = Inputs(market, Strategy(), 500_000.0)
    for optimizer in ("rounded", "unrounded"):
        run = backtest(
            market, optimizer=optimizer, frequency="monthly", inputs=inputs, strategy=inputs.strategy, **YEAR
        )
        day = run.rebalances.index[3]
        next_day = market.days[market.days.get_loc(day) + 1]
        wanted = inputs.target_positions(day).optimal_positions
        expected = wanted.round() if optimizer == "rounded" else wanted
        assert run.positions.loc[next_day].to_numpy() == pytest.approx(expected.to_numpy())
        assert (run.rebalances["status"] == "static").all()
        error = run.rebalances["tracking_error"]
        assert (error == 0).all() if optimizer == "unrounded" else (error > 0).all()


def test_rebalance_days_are_the_last_of_each_period() -> None:
    days = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-09", "2020-01-13", "2020-02-03"])
    assert rebalance_days(days, "weekly").strftime("%d.%m.").tolist() == ["03.01.", "09.01.", "13.01.", "03.02."]
    assert rebalance_days(days, "monthly").strftime("%d.%m.").tolist() == ["13.01.", "03.02."]
    assert rebalance_days(days, "daily").equals(days)


def test_costs_are_charged_on_every_trade(market: Market, greedy: Backtest) -> None:
    table = market.specifications.assign(half_spread=0.0, commission=0.0)
    free = backtest(replace(market, specifications=table), optimizer="greedy", cost_multiplier=0.0, **YEAR)
    assert (free.returns["cost"] == 0).all()
    assert free.performance["annual_turnover"] > greedy.performance["annual_turnover"]
    traded = greedy.positions.diff().abs().sum(axis=1)
    traded.iloc[0] = greedy.positions.iloc[0].abs().sum()
    assert ((greedy.returns["trading_cost"] > 0) == (traded > 0)).all()


def broken_on(day: str) -> Callable[[Problem], Any]:
    """An optimizer that works but on the rebalance whose target it is told by its call count."""
    calls = iter(range(10_000))

    def mine(problem: Problem) -> Any:
        if next(calls) == int(day):
            raise ZeroDivisionError("no data today")
        return greedy_search(problem.program())[0]

    return mine


def test_a_rebalance_that_cannot_be_solved_is_reported_and_keeps_what_is_held(market: Market) -> None:
    run = backtest(market, optimizer=broken_on("4"), **YEAR | {"end": "2016-04-30"})
    assert run.performance["num_failed"] == 1
    failed = run.failures.index[0]
    assert failed == run.rebalances.index[4]
    assert run.failures["reason"].iloc[0] == "mine raised ZeroDivisionError: no data today"
    assert run.rebalances.loc[failed, "trades"] == 0
    next_day = market.days[market.days.get_loc(failed) + 1]
    assert run.positions.loc[next_day].equals(run.positions.loc[failed].rename(next_day))
    assert any(finding.name == "failed rebalances" for finding in run.findings)


def test_an_optimizer_of_ones_own_is_priced_and_checked(market: Market, greedy: Backtest) -> None:
    def mine(problem: Problem) -> np.ndarray:
        return greedy_search(problem.program())[0]

    run = backtest(market, optimizer=mine, **YEAR)
    assert set(run.rebalances["optimizer"]) == {"mine"}
    pd.testing.assert_frame_equal(run.positions, greedy.positions)
    assert "<locals>.mine" in run.settings["optimizer"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda problem: problem.optimal_positions, "not a portfolio: positions of .* expected whole contracts"),
        (lambda problem: [1, 2], "not a portfolio: positions: expected 9 numbers"),
        (lambda problem: {"US10": 1}, "not a portfolio: positions of .* is missing"),
        (lambda problem: None, "not a portfolio"),
        (lambda problem: np.full(9, 50), "outside its limits"),
    ],
)
def test_what_an_optimizer_of_ones_own_returns_is_checked(
    market: Market, returned: Callable[[Problem], Any], message: str
) -> None:
    problem = Inputs(market, Strategy(), 5e5).problem(market.days[-1]).replace(limits=Limits(lower=-9, upper=9))
    with pytest.raises(SolverError, match=message):
        solve(problem, returned)


def test_an_optimizer_of_ones_own_is_refused_where_it_would_not_know(market: Market) -> None:
    problem = Inputs(market, Strategy(), 5e5).problem(market.days[-1])
    with pytest.raises(UnsupportedError, match="given the problem alone"):
        solve(problem, lambda given: given.previous_positions, formulation="deadband")


def test_an_interrupted_run_goes_on_and_ends_the_same(market: Market, greedy: Backtest, tmp_path: Path) -> None:
    calls = iter(range(10_000))

    def stop_at_ten(history: RebalanceHistory) -> float:
        if next(calls) == 10:
            raise KeyboardInterrupt
        return 0.05

    with pytest.raises(BacktestInterrupted, match=r"after 10 of 51 rebalances; they are kept in .*run the same again"):
        backtest(market, optimizer="greedy", buffer_fraction=stop_at_ten, out=tmp_path / "run", **YEAR)
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    assert len(lines) == 10
    with (tmp_path / "run" / "journal.jsonl").open("a") as file:
        file.write('{"date": "2016-03-18", "pos')  # cut off in the middle of a line
    run = backtest(market, optimizer="greedy", buffer_fraction=stop_at_ten, out=tmp_path / "run", **YEAR)
    assert next(calls) == 11 + 41  # none of the ten was done again
    assert_same(run, greedy)


def test_a_finished_run_is_read_back_without_solving_anything(market: Market, tmp_path: Path) -> None:
    calls = []

    def counting(problem: Problem) -> np.ndarray:
        calls.append(problem)
        return np.asarray(problem.previous_positions)

    arguments: dict[str, Any] = {"optimizer": counting, "out": tmp_path / "run", **YEAR, "end": "2016-02-28"}
    first = backtest(market, **arguments)
    solved = len(calls)
    again = backtest(market, **arguments)
    assert len(calls) == solved == len(first.rebalances)
    assert_same(first, again)
    assert again.rebalances["seconds"].equals(first.rebalances["seconds"])


def test_a_saved_run_can_be_loaded_and_its_files_have_the_documented_columns(
    market: Market, greedy: Backtest, tmp_path: Path
) -> None:
    run = backtest(market, optimizer="greedy", out=tmp_path / "run", **YEAR)
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if not path.name.startswith(".")) == [
        "data.npz", "instruments.csv", "journal.jsonl", "performance.json", "positions.csv", "profits.csv",
        "rebalances.csv", "returns.csv", "settings.json",
    ]  # fmt: skip
    loaded = Backtest.load(tmp_path / "run")
    for left, right in zip(without_seconds(run), without_seconds(loaded), strict=True):
        pd.testing.assert_frame_equal(left, right, check_freq=False)
    assert loaded.performance == run.performance
    pd.testing.assert_frame_equal(loaded.profits, run.profits, check_freq=False)
    pd.testing.assert_frame_equal(loaded.instruments, run.instruments)
    header = (tmp_path / "run" / "positions.csv").read_text().splitlines()[0]
    assert header == "date," + ",".join(sorted(NAMES))
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["capital"] == 500_000.0
    assert settings["versions"]["pandas"] == pd.__version__
    assert settings["strategy"]["weights"] == f"{risk_parity.__module__}.risk_parity"


def test_a_folder_with_another_run_is_refused_and_left_alone(market: Market, tmp_path: Path) -> None:
    few = YEAR | {"end": "2016-02-28", "optimizer": "greedy", "out": tmp_path / "run"}
    backtest(market, **few)
    before = (tmp_path / "run" / "positions.csv").read_bytes()
    with pytest.raises(FormatError, match=r"another run|other settings: capital is 500000.0 there and 400000.0 now"):
        backtest(market, **few | {"capital": 400_000.0})
    with pytest.raises(FormatError, match=r"data have changed: CORN \(it is gone\); CRUDE_mini \(.*; and 1 more;"):
        backtest(market.select(NAMES[:5]), **few)
    assert (tmp_path / "run" / "positions.csv").read_bytes() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    with pytest.raises(FormatError, match="holds other files"):
        backtest(market, **few | {"out": tmp_path / "full"})


def test_two_runs_in_one_folder_at_a_time_are_refused(market: Market, tmp_path: Path) -> None:
    few = YEAR | {"end": "2016-02-28", "optimizer": "greedy", "out": tmp_path / "run"}
    with Journal(tmp_path / "run", {"of": "someone"}), pytest.raises(FileError, match="is in use by another run"):
        backtest(market, **few)


def test_a_damaged_journal_is_refused(market: Market, tmp_path: Path) -> None:
    few = YEAR | {"end": "2016-02-28", "optimizer": "greedy", "out": tmp_path / "run"}
    backtest(market, **few)
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], lines[1][:40], *lines[2:]]) + "\n")
    with pytest.raises(FormatError, match="line 2 is damaged"):
        backtest(market, **few)
    stranger = json.loads(lines[1]) | {"positions": {"COCOA": 1}}
    journal.write_text("\n".join([lines[0], json.dumps(stranger), *lines[2:]]) + "\n")
    with pytest.raises(FormatError, match="has COCOA, unknown to the market"):
        backtest(market, **few)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("settings.json", '{"optimizer": "exact", "capital": 1}', "expected the format 'dynopt-milp backtest 4'"),
        ("settings.json", "[]", "expected the format"),
        ("performance.json", "[]", "it has no sharpe_ratio"),
        ("performance.json", "{}", "it has no sharpe_ratio"),
        ("rebalances.csv", "date\n", "it has no objective"),
        ("returns.csv", "date,gross\n", "it has no trading_cost"),
        ("positions.csv", "date\n", "it has no positions"),
        ("profits.csv", "date,CORN\n2016-01-04,1.0\n", "end on different days"),
        ("instruments.csv", "instrument,net\nCORN,1.0\n", "it has no asset_class"),
    ],
)
def test_a_folder_of_another_format_or_with_a_damaged_file_is_refused(
    greedy: Backtest, tmp_path: Path, name: str, content: str, message: str
) -> None:
    greedy.save(tmp_path)
    Backtest.load(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(FormatError, match=message):
        Backtest.load(tmp_path)


def test_what_a_run_was_made_with_is_told_apart_but_for_what_is_not_shown(market: Market, tmp_path: Path) -> None:
    @dataclass
    class Buffer:
        usual: float
        seen: dict[str, int] = field(default_factory=dict, repr=False)

        def __call__(self, history: RebalanceHistory) -> float:
            self.seen[str(history.date)] = 1
            return self.usual

    few = YEAR | {"end": "2016-02-28", "optimizer": "greedy", "out": tmp_path / "run"}
    mine = Buffer(0.05)
    run = backtest(market, buffer_fraction=mine, **few)
    assert mine.seen
    assert backtest(market, buffer_fraction=mine, **few).positions.equals(run.positions)
    with pytest.raises(FormatError, match="holds a run with other settings: buffer_fraction"):
        backtest(market, buffer_fraction=Buffer(0.06), **few)
    with pytest.raises(FormatError, match="holds a run with other settings: limits"):
        backtest(market, buffer_fraction=mine, limits=Limits(upper=3), **few)

    def longs(members: Any) -> Callable[[list[str]], Limits]:
        return lambda names: Limits(long_only=[name for name in names if name in members])

    one, other = {"limits": longs(["CORN"])}, {"limits": longs(["CORN", "US10"])}
    first = few | {"out": tmp_path / "longs"}
    backtest(market, **first, **one)
    backtest(market, **first, **one)
    with pytest.raises(FormatError, match="holds a run with other settings: limits"):
        backtest(market, **first, **other)
    with pytest.raises(FormatError, match="holds a run with other settings: limits"):
        backtest(market, **first, limits=longs({"CORN"}))


def test_positions_in_a_market_that_is_gone_are_closed_at_its_last_price(market: Market) -> None:
    prices, adjusted = market.prices.copy(), market.adjusted.copy()
    prices.loc["2016-04-01":, "US10"] = np.nan
    adjusted.loc["2016-04-01":, "US10"] = np.nan
    ended = Market(prices, adjusted, market.fx, market.specifications)
    run = backtest(
        ended,
        Strategy(forecasts=long_only, weights={"US10": 1.0, "BUND": 1.0, "CORN": 1.0}),
        optimizer="greedy",
        **YEAR,
    )
    held = run.positions["US10"]
    assert held["2016-04-15"] > 0
    assert (held["2016-04-15":"2016-06-20"] == held["2016-04-15"]).all()  # type: ignore[misc]
    assert (held["2016-07-15":] == 0).all()  # type: ignore[misc]
    closed = held.index[(held.diff() < 0) & (held.index > "2016-06-20")][0]
    assert run.returns.loc[closed, "trading_cost"] > 0


def test_a_buffer_that_adapts_sees_the_past_only(market: Market) -> None:
    seen = []

    def adaptive(history: RebalanceHistory) -> float:
        seen.append((history.date, list(history.rebalances.index)))
        for frame in (history.volatility, history.forecasts, history.costs, history.values):
            assert frame.index[-1] == history.date
        return 0.02 + 0.001 * len(history.rebalances)

    run = backtest(market, optimizer="greedy", buffer_fraction=adaptive, **YEAR | {"end": "2016-03-31"})
    assert all(before == list(run.rebalances.index[:count]) for count, (_, before) in enumerate(seen))
    assert run.rebalances["buffer"].to_numpy() == pytest.approx(0.2 * (0.02 + 0.001 * np.arange(len(seen))))


def test_the_order_of_instruments_changes_nothing(market: Market, greedy: Backtest) -> None:
    back = list(reversed(NAMES))
    assert market.contract_months is not None
    other = Market(
        market.prices[back], market.adjusted[back], market.fx, market.specifications.loc[back],
        contract_months=market.contract_months[back], simulated=True,
    )  # fmt: skip
    assert other.fingerprint() == market.fingerprint()
    assert_same(backtest(other, optimizer="greedy", **YEAR), greedy)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"capital": 0.0}, InputError, "capital: expected a positive number"),
        ({"capital": "much"}, InputError, "capital: expected a number"),
        ({"optimizer": "magic"}, UnknownNameError, "optimizer: there is no 'magic'"),
        ({"frequency": "hourly"}, UnknownNameError, "frequency: there is no 'hourly'"),
        ({"buffer_rule": "loose"}, UnknownNameError, "buffer_rule: there is no 'loose'"),
        ({"buffer_fraction": -0.1}, InputError, "buffer_fraction: expected a number of at least 0"),
        ({"cost_multiplier": -1.0}, InputError, "cost_multiplier: expected"),
        ({"also": "greedy"}, InputError, "also: expected a list"),
        ({"also": ["magic"]}, UnknownNameError, "also: there is no 'magic'; there are same_side, exact"),
        ({"also": ["exact", "cvxpy:"]}, UnknownNameError, "also: there is no 'cvxpy:'"),
        ({"beside": ["cvxpy:"]}, UnknownNameError, "beside: there is no 'cvxpy:'; there are unrounded, rounded"),
        ({"also": ["greedy"], "buffer_rule": "deadband"}, UnsupportedError, "also: optimizers are compared"),
        ({"optimizer": "greedy", "buffer_rule": "edge"}, UnsupportedError, "greedy search is defined for"),
        ({"start": "2030-01-01"}, HistoryError, r"fewer than two days from 2030-01-01 to \d{4}-\d\d-\d\d; the market"),
        ({"start": "soon"}, InputError, "start: expected a date as 2019-12-31, found 'soon'"),
        ({"start": "2013-01-01", "end": "2013-02-20"}, HistoryError, "no day on which anything can be held"),
        ({"gap": 2.0}, InputError, "gap: expected a number between 0 and 1"),
        ({"time_limit": -1}, InputError, "time_limit: expected a number between 0 and inf"),
        ({"strategy": long_only}, InputError, "strategy: expected a Strategy"),
        ({"limits": 3}, InputError, "limits: expected Limits, or a function from a list of instruments to Limits"),
        ({"limits": Limits(no_trade=["COCOA"])}, InputError, "no_trade of COCOA: is not among the instruments"),
        (
            {"limits": lambda names: Limits(), "optimizer": "rounded"},
            UnsupportedError,
            "knows no limits but same_side; use",
        ),
        ({"limits": Limits(same_side=True, upper=3), "optimizer": "rounded"}, UnsupportedError, "knows no limits but"),
        ({"frequency": "monthly", "start": "2016-03-30", "end": "2016-03-31"}, HistoryError, "no monthly rebalance"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_any_work(
    market: Market, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        backtest(market, **YEAR | {"optimizer": "greedy"} | change)


def test_figures_of_a_run_by_hand() -> None:
    days = pd.bdate_range("2020-01-01", periods=4)
    returns = pd.DataFrame(
        {
            "gross": [0.0, 0.10, -0.22, 0.05],
            "trading_cost": [0.0, 0.0, 0.015, 0.0],
            "roll_cost": [0.0, 0.0, 0.005, 0.0],
        },
        index=days,
    )
    returns["cost"] = returns["trading_cost"] + returns["roll_cost"]
    returns["net"] = returns["gross"] - returns["cost"]
    rolled = pd.DataFrame({"A": [0.0, 0.0, 2.0, 0.0], "B": 0.0}, index=days)
    positions = pd.DataFrame({"A": [2.0, 2.0, -1.0, -1.0], "B": [0.0, 1.0, 1.0, 1.0]}, index=days)
    rebalances = pd.DataFrame(
        {
            "status": ["optimal", "failed", "feasible", "static"], "tracking_error": [0.01, np.nan, 0.03, 0.0],
            "adjustment_factor": [1.0, np.nan, 0.5, 0.0], "idm": [2.0, 2.0, 2.0, 2.0], "seconds": [1.0, 3.0, 2.0, 2.0],
            "instruments": [2, 2, 2, 1], "stopped_by": ["gap closed", "", "time limit", ""],
            "reason": ["", "no data", "B keeps its position", ""],
        },
        index=days,
    )  # fmt: skip
    figures = performance(returns, positions, rebalances, rolled=rolled)
    net = np.array([0.0, 0.10, -0.24, 0.05])
    assert figures["annualized_return"] == pytest.approx(net.mean() * 256)
    assert figures["sharpe_ratio"] == pytest.approx(net.mean() / net.std(ddof=1) * 16)
    assert figures["max_drawdown_of_capital_pct"] == pytest.approx(100 * 0.24)
    assert figures["max_drawdown_of_peak_pct"] == pytest.approx(100 * 0.24 / 1.10)
    grown = performance(returns, positions, rebalances, compound=True)
    assert grown["max_drawdown_of_capital_pct"] == pytest.approx(100 * 1.1 * 0.24)
    assert grown["max_drawdown_of_peak_pct"] == pytest.approx(100 * 0.24)
    assert grown["annual_roll_cost"] is None
    assert figures["annual_cost"] == pytest.approx(0.02 / 4 * 256)
    assert figures["annual_roll_cost"] == pytest.approx(0.005 / 4 * 256)
    assert figures["annual_contracts_rolled"] == pytest.approx(2 / 4 * 256)
    assert figures["total_turnover"] == 2 + 1 + 3
    assert figures["annual_turnover"] == pytest.approx(6 / 4 * 256)
    assert figures["avg_tracking_error"] == pytest.approx(0.04 / 3)
    counts = ("num_rebalances", "num_optimal", "num_not_proved", "num_failed", "num_kept", "num_instruments")
    assert [figures[name] for name in counts] == [4, 1, 1, 1, 1, 2]


def test_drawdown_begins_at_the_capital_and_an_account_that_stands_still_has_no_sharpe_ratio() -> None:
    assert max_drawdown(account_of(pd.Series([-0.1, -0.1, 0.3]))) == pytest.approx((0.2, 0.2))
    assert max_drawdown(account_of(pd.Series([1.0, -0.5]))) == pytest.approx((0.5, 0.25))
    assert np.isnan(sharpe_ratio(pd.Series([0.0, 0.0, 0.0])))


def test_the_picture_is_a_png_with_something_on_it(greedy: Backtest, tmp_path: Path) -> None:
    from matplotlib.image import imread

    draw_backtests({"greedy": greedy, "again": greedy}, tmp_path / "run.png", title="Two runs")
    image = imread(tmp_path / "run.png")
    assert image.shape[0] > 800
    assert image[..., :3].std() > 0.05
    with pytest.raises(FileError, match="cannot be written"):
        draw_backtests({"greedy": greedy}, tmp_path / "nowhere" / "run.png")


@pytest.mark.parametrize("fraction", [-0.1, float("nan"), "little"])
def test_a_buffer_that_makes_no_sense_ends_the_run(market: Market, fraction: Any) -> None:
    with pytest.raises(InputError, match="buffer_fraction: expected"):
        backtest(market, optimizer="greedy", buffer_fraction=lambda history: fraction, **YEAR)


def test_settings_tell_functions_of_one_name_apart() -> None:
    def scaled(factor: float) -> Strategy:
        return Strategy(forecasts=lambda given: factor * long_only(given))

    described = [scaled(factor).settings()["forecasts"] for factor in (1.0, 2.0, 2.0)]
    assert described[0] != described[1] == described[2]
    assert "0x" not in str(Strategy(weights={"US10": 1.0}).settings())


def test_settings_see_defaults_bound_objects_and_arrays() -> None:
    class Model:
        def __init__(self, sign: float) -> None:
            self.sign = sign

        def predict(self, given: Market) -> pd.DataFrame:
            return self.sign * long_only(given)

    def carrying(weights: np.ndarray) -> Strategy:
        return Strategy(forecasts=lambda given: long_only(given) * weights)

    pairs = [
        (Strategy(forecasts=lambda given, sign=sign: sign * long_only(given)) for sign in (1.0, -1.0)),
        (Strategy(forecasts=Model(sign).predict) for sign in (1.0, -1.0)),
        (carrying(np.full(9, sign)) for sign in (1.0, -1.0)),
    ]
    for pair in pairs:
        one, other = (strategy.settings()["forecasts"] for strategy in pair)
        assert one != other
    assert Strategy(forecasts=Model(1.0).predict).settings() == Strategy(forecasts=Model(1.0).predict).settings()


def test_limits_hold_in_every_rebalance(market: Market) -> None:
    function = backtest(market, optimizer="greedy", limits=lambda names: Limits(long_only=True, upper=3), **YEAR)
    run = backtest(market, optimizer="greedy", limits=Limits(long_only=True, upper=3), **YEAR)
    assert run.positions.equals(function.positions)
    assert run.positions.to_numpy().min() == 0
    assert run.positions.to_numpy().max() == 3


def test_a_method_beside_that_fails_does_not_stop_the_trade(market: Market, greedy: Backtest) -> None:
    run = backtest(
        market, optimizer="greedy", also=["enumerate"], preset="book", **YEAR | {"capital": 5e6, "end": "2016-02-28"}
    )
    assert run.performance["num_failed"] == 0
    assert run.rebalances["enumerate_objective"].isna().all()
    assert run.performance["total_turnover"] > 0


def test_nan_of_a_function_of_the_strategy_leaves_what_it_said_before(market: Market) -> None:
    def silent(given: Market) -> pd.DataFrame:
        forecasts = long_only(given)
        forecasts.loc["2016-02-10":, "CORN"] = np.nan
        return forecasts

    def volatile(given: Market) -> pd.DataFrame:
        return given.returns().rolling(30).std() * 16  # NaN on every holiday

    run = backtest(market, Strategy(forecasts=silent), optimizer="rounded", **YEAR)
    assert run.positions["CORN"].iloc[-1] > 0
    holed = Inputs(market, Strategy(forecasts=long_only, volatility=volatile), 5e5)
    assert holed.alive(market.days[-1]) == sorted(NAMES)
    assert holed.volatility.iloc[200:].notna().all().all()


def test_an_exact_run_that_proved_nothing_says_so(market: Market) -> None:
    hard = simulated_market(start="2015-01-01", end="2018-12-31")
    run = backtest(hard, capital=3e6, cost_multiplier=0.0, time_limit=0.0, start="2018-01-01", end="2018-02-28")
    assert run.performance["num_not_proved"] == run.performance["num_rebalances"]
    assert any(finding.name == "rebalances not proven optimal" for finding in run.findings)


@pytest.mark.parametrize(
    "damage",
    [
        {"positions": None}, {"positions": {"US10": "two"}}, {"positions": {"US10": float("nan")}}, {"date": "soon"},
        {"objective": "small"}, {"positions": [1, 2]},
    ],
)  # fmt: skip
def test_a_journal_entry_that_is_none_is_refused(market: Market, tmp_path: Path, damage: dict[str, Any]) -> None:
    few = YEAR | {"end": "2016-02-28", "optimizer": "greedy", "out": tmp_path / "run"}
    backtest(market, **few)
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], json.dumps(json.loads(lines[1]) | damage), *lines[2:]]) + "\n")
    with pytest.raises(FormatError, match="line 2 is damaged"):
        backtest(market, **few)


def test_what_a_power_cut_leaves_behind_does_not_spoil_a_folder(market: Market, tmp_path: Path) -> None:
    (tmp_path / ".settings.json.x1").write_text("{")
    run = backtest(market, **YEAR | {"end": "2016-02-28", "optimizer": "greedy", "out": tmp_path})
    assert run.performance["num_failed"] == 0


def test_contracts_are_written_as_whole_numbers_and_fractions_as_they_are(tmp_path: Path) -> None:
    market = simulated_market(instruments=["US10", "ES_micro", "CORN"])
    dates = {"capital": 250_000, "start": "2018-01-01", "end": "2018-02-28"}
    run = backtest(market, **dates, beside=["unrounded"], out=tmp_path)
    held = run.positions.iloc[-1]
    last = (tmp_path / "positions.csv").read_text().splitlines()[-1].split(",")
    assert last[1:] == [str(int(number)) for number in held]
    assert any(held)
    entry = json.loads((tmp_path / "journal.jsonl").read_text().splitlines()[-1])
    assert all(type(number) is int for number in [*entry["positions"].values(), entry["trades"]])
    again = Backtest.load(tmp_path)
    pd.testing.assert_frame_equal(again.positions, run.positions, check_freq=False)
    pd.testing.assert_series_equal(again.rebalances["trades"], run.rebalances["trades"])
    wanted = Backtest.load(tmp_path / "beside" / "unrounded").positions
    assert (wanted.iloc[-1] % 1 != 0).any()
    pd.testing.assert_frame_equal(wanted, run.beside["unrounded"].positions, check_freq=False)


def test_rounding_within_a_buffer_trades_to_its_nearer_end(market: Market) -> None:
    """Every day by hand: what is held stays within a tenth of an average position of the target."""
    given = {"capital": 1e6, "start": "2016-01-01", "end": "2016-12-31", "frequency": "daily"}
    run = backtest(market, optimizer="buffered", **given)
    rounded = backtest(market, optimizer="rounded", **given)
    inputs = Inputs(market, Strategy(), 1e6)
    kept = traded = 0
    for day, after in pairwise(run.rebalances.index):
        targets = inputs.target_positions(day)
        open_now = market.prices.loc[after].notna()
        for name, target in targets.optimal_positions.items():
            if name in targets.closed or not open_now[name]:
                continue
            width = 0.1 * abs(targets.average_positions[name])
            held, found = run.positions.at[day, name], run.positions.at[after, name]
            assert found == min(max(held, np.round(target - width)), np.round(target + width)), (day, name)
            kept += found == held != np.round(target)
            traded += found != held
    assert traded > 100
    assert kept > 50
    assert run.performance["annual_turnover"] < 0.8 * rounded.performance["annual_turnover"]


def test_what_is_kept_within_a_buffer_may_be_on_the_other_side(market: Market) -> None:
    with pytest.raises(UnsupportedError, match="'buffered' holds the target positions and knows no limits; use exact"):
        backtest(market, capital=1e6, optimizer="buffered", limits=Limits(same_side=True))
