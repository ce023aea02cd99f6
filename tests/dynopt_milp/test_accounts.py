"""Accounts recomputed by an independent script of pandas: trades, rolls, compounding, prices below zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dynopt_milp import Backtest, Inputs, Limits, Market, Strategy, backtest, market_from_frames, simulated_market
from dynopt_milp.backtests import (
    contracts_rolled,
    profits,
    roll_costs,
    run_comparison,
    trading_costs,
)
from dynopt_milp.backtests.metrics import account_of, lost_on
from dynopt_milp.errors import InputError
from dynopt_milp.show import show_comparison
from dynopt_milp.show.captions import costs_of
from dynopt_milp.strategy.forecasts import long_only
from tests.conftest import real_futures, shared

NAMES = ["US10", "BUND", "ES_micro", "GOLD_micro", "CORN", "VIX"]
YEARS: dict[str, Any] = {"start": "2015-01-01", "end": "2017-12-31", "optimizer": "rounded"}


def script(
    positions: pd.DataFrame, prices: dict[str, pd.DataFrame], table: pd.DataFrame, fx: pd.DataFrame, *, capital: float,
    roll_trades: float, compound: bool,
) -> pd.DataFrame:  # fmt: skip
    """Returns and account by day from files' columns alone: PRICE, PRICE_CONTRACT and the back-adjusted price.

    ``table`` has multiplier, currency, half_spread, commission, commission_share, per_order, minimum and impact, ``fx``
    rates by day and currency.
    """
    money = pd.DataFrame(0.0, positions.index, ["gross", "trading_cost", "roll_cost"])
    for name, held in positions.items():
        own = prices[str(name)]
        spec = table.loc[name]
        rate = fx[spec["currency"]].reindex(positions.index)
        price = own["PRICE"].reindex(fx.index).ffill().reindex(positions.index)
        adjusted = own["price"].reindex(fx.index).ffill()
        change = adjusted.diff().reindex(positions.index)
        contract = own["PRICE_CONTRACT"].dropna().astype(int)
        changed = contract.index[contract != contract.shift().fillna(contract)]
        before = held.shift(fill_value=0.0)
        commission = np.maximum(spec["commission"], price.abs() * spec["multiplier"] * spec["commission_share"])
        cost = rate * (spec["half_spread"] * spec["multiplier"] + commission)

        def order(
            contracts: pd.Series, commission: pd.Series = commission, spec: pd.Series = spec, rate: pd.Series = rate
        ) -> pd.Series:
            fees = spec["per_order"] + np.maximum(commission * contracts, spec["minimum"]) - commission * contracts
            return (rate * (fees + spec["impact"] * spec["multiplier"] * contracts**1.5)).where(contracts > 0, 0.0)

        money["gross"] += (before * change * spec["multiplier"] * rate).where(before != 0, 0.0)
        trades = (held - before).abs()
        money["trading_cost"] += (trades * cost).where(trades != 0, 0.0) + order(trades)
        rolled = before.abs() * held.index.isin(changed)
        money["roll_cost"] += (rolled * roll_trades * cost).where(rolled != 0, 0.0) + roll_trades * order(rolled)
    money["cost"] = money["trading_cost"] + money["roll_cost"]
    money["net"] = money["gross"] - money["cost"]
    account = capital + money["net"].cumsum()
    base = pd.Series(capital, account.index)
    if compound:  # until nothing is left of it
        base = account.shift(fill_value=capital).where(account.shift(fill_value=capital).cummin() > 0, capital)
    return money.div(base, axis=0).assign(account=account)


def files(folder: Path, market: Market) -> dict[str, pd.DataFrame]:
    """The columns of the price files, by day, on the days that the market has kept."""
    found = {}
    for name in market.instruments:
        traded = pd.read_csv(folder / "multiple_prices_csv" / f"{name}.csv", index_col=0, parse_dates=True)
        adjusted = pd.read_csv(folder / "adjusted_prices_csv" / f"{name}.csv", index_col=0, parse_dates=True)
        both = traded[["PRICE", "PRICE_CONTRACT"]].join(adjusted["price"]).dropna(subset=["PRICE", "price"])
        both.index = both.index.normalize()
        both = both[~both.index.duplicated(keep="last")]
        found[name] = both.reindex(market.days[market.prices[name].notna()])
    return found


def with_order_costs(market: Market) -> Market:
    """A fee, a least commission and an impact for some of the instruments, in their currencies and points."""
    table = market.specifications.copy()
    places = np.arange(len(table))
    table["per_order"] = np.where(places % 3 == 0, 2.5, 0.0)
    table["minimum"] = np.where(places % 2 == 0, 15.0, 0.0)
    table["impact"] = np.where(places % 4 < 2, 0.3 * table["half_spread"], 0.0)
    return replace(market, specifications=table)


@pytest.mark.parametrize(
    ("roll_trades", "compound", "orders"),
    [(2.0, True, False), (1.0, False, True)],
)
def test_a_backtest_agrees_with_a_script_of_pandas_on_every_day(
    roll_trades: float, compound: bool, orders: bool
) -> None:
    folder = shared("data/pysystemtrade")
    market = real_futures()
    market = with_order_costs(market) if orders else market
    run = backtest(
        market, capital=5e5, optimizer="rounded", start="2012-01-01", end="2016-12-31", roll_trades=roll_trades,
        compound=compound,
    )  # fmt: skip
    config = pd.read_csv(folder / "csvconfig" / "instrumentconfig.csv", index_col="Instrument")
    table = config.rename(
        columns={"Pointsize": "multiplier", "Currency": "currency", "Slippage": "half_spread", "PerBlock": "commission",
                 "Percentage": "commission_share"}
    ).join(market.specifications[["per_order", "minimum", "impact"]])  # fmt: skip
    found = script(
        run.positions, files(folder, market), table, market.fx, capital=5e5, roll_trades=roll_trades, compound=compound
    )
    assert (run.positions != 0).any().sum() > 20
    for name in ("gross", "trading_cost", "roll_cost", "cost", "net"):
        assert run.returns[name].to_numpy() == pytest.approx(found[name].to_numpy(), rel=0, abs=1e-12)
    account = found["account"]
    assert run.account.to_numpy() == pytest.approx(account.to_numpy(), rel=1e-12)
    peak = np.maximum(account.cummax(), 5e5)
    assert run.performance["max_drawdown_of_peak_pct"] == pytest.approx(100 * ((peak - account) / peak).max())
    assert run.performance["max_drawdown_of_capital_pct"] == pytest.approx(100 * ((peak - account) / 5e5).max())
    assert found["roll_cost"].sum() > 0.3 * found["trading_cost"].sum()
    bare = table.assign(per_order=0.0, minimum=0.0, impact=0.0)
    plain = script(run.positions, files(folder, market), bare, market.fx, capital=5e5, roll_trades=1.0, compound=False)
    assert (found["trading_cost"].sum() > 1.05 * plain["trading_cost"].sum()) == orders
    assert run.profits.sum(axis=1).to_numpy() == pytest.approx(account.diff().fillna(0.0).to_numpy(), abs=1e-5)
    held = list(run.instruments.index[run.instruments["days_held"] > 0][:5])
    assert len(held) == 5
    prices = files(folder, market)
    for name in held:
        own = run.positions[[name]]
        money = 5e5 * script(own, prices, table, market.fx, capital=5e5, roll_trades=roll_trades, compound=False)
        assert run.profits[name].to_numpy() == pytest.approx(money["net"].to_numpy(), abs=1e-6)
        line = run.instruments.loc[name]
        for column in ("gross", "trading_cost", "roll_cost", "net"):
            assert line[column] == pytest.approx(money[column].sum(), abs=1e-5)
        assert line["asset_class"] == config.at[name, "AssetClass"]
        assert line["days_held"] == (own[name] != 0).sum()
        assert line["contracts_traded"] == own[name].diff().abs().sum()


def test_compounding_sizes_by_the_account_of_the_day() -> None:
    market = simulated_market(instruments=NAMES, start="2012-01-01", end="2017-12-31")
    run = backtest(market, capital=1e6, compound=True, **YEARS)
    assert run.rebalances["capital"].iloc[0] == 1e6
    assert run.rebalances["capital"].to_numpy() == pytest.approx(run.account[run.rebalances.index].to_numpy())
    assert run.rebalances["capital"].max() > 1.3e6
    day = run.rebalances.index[-1]
    again = Inputs(market, Strategy(), float(run.rebalances["capital"].iloc[-1])).target_positions(day)
    unrounded = backtest(market, capital=1e6, compound=True, **YEARS | {"optimizer": "unrounded"})
    there = Inputs(market, Strategy(), 1e6).target_positions(day, capital=float(run.rebalances["capital"].iloc[-1]))
    pd.testing.assert_series_equal(again.optimal_positions, there.optimal_positions)
    assert unrounded.performance["realised_tracking_error"] == 0
    fixed = backtest(market, capital=1e6, **YEARS)
    assert (fixed.rebalances["capital"] == 1e6).all()
    assert fixed.positions.abs().sum().sum() < run.positions.abs().sum().sum()


WILD: dict[str, Any] = {"strategy": Strategy(risk_target=6.0), "capital": 1e6, "compound": True}


def wild_market() -> Market:
    return simulated_market(instruments=NAMES, start="2012-01-01", end="2017-12-31")


def as_files(market: Market) -> dict[str, pd.DataFrame]:
    """The frames of a market as :func:`files` has those of a folder."""
    months = market.contract_months
    assert months is not None
    columns = {"PRICE": market.prices, "PRICE_CONTRACT": months, "price": market.adjusted}
    return {
        name: pd.DataFrame({column: frame[name] for column, frame in columns.items()}).dropna(subset=["PRICE"])
        for name in market.instruments
    }


@pytest.mark.parametrize("optimizer", ["rounded", "unrounded", "greedy"])
def test_a_lost_account_is_closed_at_the_next_trade_and_agrees_with_pandas(optimizer: str) -> None:
    market = wild_market()
    run = backtest(market, **WILD | YEARS | {"optimizer": optimizer})
    found = script(
        run.positions, as_files(market), market.specifications, market.fx, capital=1e6, roll_trades=1.0, compound=True
    )
    assert set(run.returns) - set(found) == {"unrounded"}
    for name in run.returns.columns.intersection(found.columns):
        assert run.returns[name].to_numpy() == pytest.approx(found[name].to_numpy(), rel=0, abs=1e-9)
    account = found["account"]
    assert run.account.to_numpy() == pytest.approx(account.to_numpy(), abs=1e-3)
    lost = account.index[account <= 0][0]
    assert run.performance["account_lost"] == f"{lost:%Y-%m-%d}"
    assert run.rebalances.index[-1] < lost
    assert lost not in run.rebalances.index
    assert lost > run.rebalances.index[0]
    traded = market.prices.loc[run.positions.index].notna()
    for name in NAMES:  # what was held at that close is held until the next price of its own market
        after = traded.loc[lost:, name].iloc[1:]
        closed = after.index[after][0]
        assert (run.positions.loc[closed:, name] == 0).all()
        waiting = run.positions.loc[lost : closed - pd.Timedelta(days=1), name]
        assert (waiting == run.positions.loc[lost, name]).all()
    assert (run.positions.loc[lost] != 0).any()


def test_figures_of_a_lost_account_are_of_the_days_until_then() -> None:
    market = wild_market()
    run, targets = (backtest(market, **WILD | YEARS | {"optimizer": name}) for name in ("rounded", "unrounded"))
    figures, lost = run.performance, run.performance["account_lost"]
    account, until = run.account, run.account.loc[:lost]
    assert figures["days"] == len(until) < len(account)
    traded = run.positions.diff().abs().sum(axis=1)
    traded.iloc[0] = run.positions.iloc[0].abs().sum()
    assert figures["annual_turnover"] == pytest.approx(traded.loc[:lost].mean() * 256)
    assert traded.loc[lost:].iloc[1:].sum() == run.positions.loc[lost].abs().sum() > 0
    peak = np.maximum(until.cummax(), 1e6)
    assert figures["max_drawdown_of_peak_pct"] == pytest.approx(100 * ((peak - until) / peak).max())
    assert figures["max_drawdown_of_peak_pct"] >= 100
    fall = (np.maximum(account.cummax(), 1e6) - account).max()
    assert figures["max_drawdown_of_capital_pct"] == pytest.approx(100 * fall / 1e6)
    for name in ("annualized_return", "annualized_volatility", "sharpe_ratio", "annual_cost", "skewness"):
        assert figures[name] is None
    values = Inputs(market, Strategy(), 1e6).values
    base = account.shift(fill_value=1e6)
    notional = ((run.positions.abs() * values.loc[account.index]).sum(axis=1) / base).loc[:lost]
    assert figures["avg_gross_notional"] == pytest.approx(notional.mean())
    assert 0.5 < figures["avg_gross_notional"] / figures["unrounded_gross_notional"] < 2
    assert figures["rounded_realised_tracking_error"] == pytest.approx(figures["realised_tracking_error"])
    assert targets.performance["realised_tracking_error"] == 0
    assert np.isfinite(run.returns).all(axis=None)
    (finding,) = run.findings
    assert finding.level == "warning"
    assert (finding.name, finding.figure, finding.threshold) == (
        "days until the account was lost", figures["days"], f"on {lost}",
    )  # fmt: skip
    assert f"came to {figures['max_drawdown_of_capital_pct']:,.0f}% of the capital" in finding.remedy
    assert finding.changes == {"capital": "higher", "risk_target": "lower"}


def test_each_account_beside_is_lost_by_itself() -> None:
    market = wild_market()

    def idle(problem: Any) -> Any:
        return np.zeros(len(problem.instruments))

    run = backtest(market, **WILD | YEARS | {"beside": ["unrounded", idle]})
    assert run.performance["account_lost"] is not None
    assert run.beside["idle"].performance["account_lost"] is None
    assert len(run.beside["idle"].rebalances) > 100 > len(run.rebalances)
    alone = backtest(market, **WILD | YEARS | {"optimizer": "unrounded"})
    assert alone.performance == run.beside["unrounded"].performance
    pd.testing.assert_frame_equal(alone.positions, run.beside["unrounded"].positions)
    fixed = backtest(market, **WILD | YEARS | {"compound": False})
    assert fixed.performance["account_lost"] is None
    assert (fixed.positions.iloc[-1] != 0).any()
    assert fixed.account.min() < 0


def test_a_comparison_says_which_accounts_were_lost() -> None:
    settings = {name: YEARS[name] for name in ("start", "end")} | {"capital": 1e6, "compound": True}
    strategies = {"calm": Strategy(risk_target=0.1), "wild": Strategy(risk_target=6.0)}
    runs = run_comparison(wild_market(), strategies, ["rounded"], **settings)
    console = Console(record=True, width=120)
    show_comparison(runs, console)
    said = [line for line in console.export_text().splitlines() if "lost" in line]
    assert said == [f"wild, rounded: the account was lost on {runs['wild', 'rounded'].performance['account_lost']}"]


def test_a_lost_account_comes_out_the_same_interrupted_and_extended(tmp_path: Path) -> None:
    market = wild_market()
    settings = WILD | YEARS
    whole = backtest(market, out=tmp_path / "whole", **settings)
    lost = pd.Timestamp(whole.performance["account_lost"])
    place = market.days.get_loc(lost)
    for days in (-30, -1, 0, 1, 2, 30):  # the first run ends before, on and after the day
        folder = tmp_path / f"to {days}"
        first = backtest(market, out=folder, **settings | {"end": market.days[place + days]})
        assert first.performance["account_lost"] == (None if days < 0 else f"{lost:%Y-%m-%d}")
        journal = folder / "journal.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
        backtest(market, out=folder, **settings)
        for name in (
            "positions.csv", "returns.csv", "profits.csv", "instruments.csv", "performance.json", "rebalances.csv",
            "journal.jsonl",
        ):  # fmt: skip
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    stored = Backtest.load(tmp_path / "whole")
    pd.testing.assert_series_equal(stored.account, whole.account)
    assert stored.findings == whole.findings


def test_an_account_of_exactly_zero_is_lost_and_what_closing_costs_is_owed() -> None:
    days = pd.bdate_range("2020-01-01", periods=6)
    net = pd.Series([0.5, -1.0, -0.25, 0.0, 0.125, 0.0], days)
    assert account_of(net, compound=True).tolist() == [1.5, 0.0, -0.25, -0.25, -0.125, -0.125]
    assert lost_on(net) == days[1]
    assert lost_on(net.clip(lower=-0.999)) is None
    assert account_of(net).tolist() == [1.5, 0.5, 0.25, 0.25, 0.375, 0.375]


def crude_market() -> tuple[Market, pd.DataFrame]:
    """Front crude oil around 20 April 2020, with a stock index and a bond."""
    random = np.random.default_rng(5)
    days = pd.bdate_range("2019-01-02", "2020-06-30")
    crude = pd.Series(np.linspace(55, 21, len(days)) + random.normal(0, 0.5, len(days)), days).round(2)
    late = crude.index > "2020-04-23"
    crude[late] = np.linspace(17, 39, late.sum()).round(2)
    known = {"2020-04-14": 20.11, "2020-04-15": 19.87, "2020-04-16": 19.87, "2020-04-17": 18.27, "2020-04-20": -37.63,
             "2020-04-21": 10.01, "2020-04-22": 13.78, "2020-04-23": 16.50}  # fmt: skip
    for day, price in known.items():
        crude[pd.Timestamp(day)] = price
    frame = pd.DataFrame(
        {
            "CRUDE": crude,
            "STOCK": (3000 * np.exp(random.normal(0.0002, 0.01, len(days)).cumsum())).round(2),
            "BOND": (130 * np.exp(random.normal(0, 0.003, len(days)).cumsum())).round(3),
        }
    )
    table = pd.DataFrame(
        {"multiplier": [1000.0, 5.0, 1000.0], "currency": "USD", "asset_class": ["Energy", "Equity", "Bond"],
         "half_spread": [0.01, 0.1, 0.01], "commission": [2.0, 1.0, 2.0]}, index=["CRUDE", "STOCK", "BOND"],
    )  # fmt: skip
    return market_from_frames(frame, table), frame


def test_a_price_below_zero_earns_and_costs_what_it_says() -> None:
    market, frame = crude_market()
    assert market.prices.loc["2020-04-20", "CRUDE"] == -37.63
    one = pd.DataFrame(1.0, market.days, ["CRUDE"])
    assert profits(market, one).loc["2020-04-20", "CRUDE"] == pytest.approx(-55_900, abs=1e-8)
    assert profits(market, one).loc["2020-04-21", "CRUDE"] == pytest.approx(47_640, abs=1e-8)
    run = backtest(market, Strategy(forecasts=long_only), capital=2e6, start="2020-03-01", frequency="daily")
    assert (run.rebalances["status"] == "optimal").all()
    change, multiplier = frame.diff(), market.specifications["multiplier"][frame.columns]
    held = run.positions.shift(fill_value=0.0)[list(frame.columns)]
    by_hand = (held * change.loc[held.index] * multiplier).sum(axis=1)
    assert (run.returns["gross"] * 2e6).to_numpy() == pytest.approx(by_hand.to_numpy(), abs=1e-6)
    assert held.loc["2020-04-20", "CRUDE"] > 0
    assert (run.positions["CRUDE"].loc["2020-04-22":] < held.loc["2020-04-20", "CRUDE"]).all()
    inputs = Inputs(market, Strategy(forecasts=long_only), 2e6)
    assert (inputs.values["CRUDE"] > 0).all()
    assert np.isfinite(inputs.volatility["CRUDE"].loc["2020-04-20":]).all()


def test_costs_as_a_share_of_a_price_below_zero_are_paid() -> None:
    market, _ = crude_market()
    shares = market.specifications.assign(half_spread=0.0, commission=0.0, commission_share=0.001)
    costs = Inputs(replace(market, specifications=shares), Strategy(forecasts=long_only), 2e6).costs
    assert costs.loc["2020-04-20", "CRUDE"] == pytest.approx(37.63)


def test_one_bad_instrument_keeps_its_position_and_the_others_trade() -> None:
    market = simulated_market(instruments=NAMES, start="2012-01-01", end="2016-12-31")

    def dear(given: Market) -> pd.DataFrame:
        costs = Strategy().costs(given)
        costs.loc["2016-03-07":"2016-03-18", "CORN"] = 1e140
        return costs

    settings: dict[str, Any] = {"capital": 1e6, "start": "2016-01-01"}
    run = backtest(market, Strategy(costs=dear), **settings)
    bad = run.rebalances.loc["2016-03-07":"2016-03-17"]
    assert len(bad) == 1
    assert bad["status"].tolist() == ["optimal"]
    assert "CORN keeps its position" in bad["reason"].iloc[0]
    assert run.performance["num_kept"] == 2
    assert run.performance["num_failed"] == 0
    around = run.positions.loc["2016-03-07":"2016-03-24", "CORN"]
    assert around.nunique() == 1
    assert around.iloc[0] != 0
    crossed = Limits(lower={"CORN": 3}, upper={"US10": 1})
    assert (backtest(market, limits=crossed, **settings).rebalances["reason"] == "").all()


def test_rolls_are_charged_on_the_first_priced_day_of_another_contract() -> None:
    days = pd.bdate_range("2020-01-01", periods=8)
    months = pd.DataFrame({"A": [1.0, 1.0, np.nan, 2.0, 2.0, 2.0, 3.0, 3.0], "B": np.nan}, days)
    prices = pd.DataFrame({"A": 100.0, "B": 50.0}, days)
    prices.loc[days[6], "A"] = np.nan
    table = pd.DataFrame(
        {"multiplier": 1.0, "currency": "USD", "asset_class": "X", "half_spread": 0.0}, index=["A", "B"]
    )
    market = market_from_frames(prices, table, contract_months=202000 + months)
    rolled = market.rolls()
    assert rolled.index[rolled["A"]].tolist() == [days[3], days[7]]
    assert not rolled["B"].any()
    held = pd.DataFrame({"A": [1.0, 2.0, 2.0, -1.0, -1.0, -1.0, 4.0, 5.0], "B": 3.0}, days)
    costs = pd.DataFrame({"A": np.arange(1.0, 9.0), "B": 1.0}, days)
    assert contracts_rolled(market, held)["A"].tolist() == [0, 0, 0, 2, 0, 0, 0, 4]
    assert roll_costs(market, costs, held, 2.0)["A"].tolist() == [0, 0, 0, 16, 0, 0, 0, 64]
    assert trading_costs(costs, held)["A"].tolist() == [1, 2, 0, 12, 0, 0, 35, 8]
    a_year = market.rolls_a_year()
    assert a_year["A"].iloc[-1] == 2  # of one year at least
    assert a_year["B"].isna().all()
    given = replace(market, specifications=market.specifications.assign(rolls_a_year=[4.0, np.nan]))
    assert (given.rolls_a_year()["A"] == 4).all()
    with pytest.raises(InputError, match="rolls_a_year"):
        replace(market, specifications=market.specifications.assign(rolls_a_year=-1.0))


def test_what_is_held_and_has_no_contract_months_is_counted() -> None:
    market = simulated_market(instruments=["BUND", "CORN", "US10"], start="2015-01-01", end="2016-03-31")
    months = market.contract_months
    assert months is not None
    settings: dict[str, Any] = {"capital": 1e6, "optimizer": "rounded", "start": "2016-02-01"}
    for without in ([], ["CORN"], ["CORN", "BUND"], list(months)):
        known = replace(market, contract_months=months.assign(**dict.fromkeys(without, np.nan)))
        run = backtest(known, **settings)
        assert run.positions.any().all()
        assert run.performance["num_without_rolls"] == len(without)
        named = [finding.name for finding in run.findings if "without" in finding.name]
        assert named == (
            ["costs without rolls"] if len(without) == 3 else ["instruments without rolls"] * bool(without)
        )


def test_months_are_known_for_twenty_days_of_prices() -> None:
    days = pd.bdate_range("2020-01-01", periods=90)
    prices = pd.DataFrame({name: np.linspace(100, 120, 90) for name in ("EARLY", "HOLES", "LATE", "NONE")}, days)
    prices.loc[days[40:60], "HOLES"] = np.nan  # no prices, no months either: not a gap
    months = pd.DataFrame(np.nan, days, prices.columns)
    months.loc[: days[29], "EARLY"] = 202003
    months.loc[days[30:], "LATE"] = 202006
    months["HOLES"] = 202003.0
    months.loc[days[5:24], "HOLES"] = np.nan  # 19 days
    months.loc[days[30:40], "HOLES"] = np.nan
    months.loc[days[60:75], "HOLES"] = np.nan  # with those before it 25 days of prices
    months.loc[days[75:], "HOLES"] = 202006
    table = pd.DataFrame({"multiplier": 1.0, "currency": "USD", "asset_class": "X", "sr_cost": 0.01}, prices.columns)
    market = replace(market_from_frames(prices, table), contract_months=months)
    known = market.months_known()
    assert known.index[known["EARLY"]].tolist() == days[:49].tolist()
    assert known.index[known["LATE"]].tolist() == days[30:].tolist()
    assert known.index[~known["HOLES"]].tolist() == days[69:75].tolist()
    assert not known["NONE"].any()
    assert market.rolls()["HOLES"].to_numpy().nonzero()[0].tolist() == [75]
    cut = market.between(end=days[70]).months_known()
    pd.testing.assert_frame_equal(known.loc[cut.index], cut)
    assert not market_from_frames(prices, table).months_known().any(axis=None)


def test_days_that_are_held_without_contract_months_are_counted_and_said(tmp_path: Path) -> None:
    market = simulated_market(instruments=["BUND", "CORN", "ES_micro", "US10"], start="2015-01-01", end="2016-12-31")
    months = market.contract_months
    assert months is not None
    months = months.copy()
    months.loc[:"2016-05-31", "BUND"] = np.nan
    months.loc["2016-07-01":, "CORN"] = np.nan
    months.loc["2016-03-07":"2016-03-11", "US10"] = np.nan  # some days are ordinary
    months["ES_micro"] = np.nan
    part = replace(market, contract_months=months)
    settings: dict[str, Any] = {"capital": 1e6, "optimizer": "rounded", "start": "2016-01-01"}
    run = backtest(part, beside=["unrounded"], out=tmp_path / "run", **settings)
    held = run.positions != 0
    corn = market.prices["CORN"].loc["2016-07-01":].dropna().index
    ends = held["CORN"].loc[corn[19] :]
    begins = held["BUND"].loc[:"2016-05-31"]
    every = held["ES_micro"]
    expected = {
        name: {
            "days": int(days.sum()), "held": int(held[name].sum()),
            "first": f"{days.index[days][0]:%Y-%m-%d}", "last": f"{days.index[days][-1]:%Y-%m-%d}",
        }
        for name, days in (("BUND", begins), ("CORN", ends), ("ES_micro", every))
    }  # fmt: skip
    assert run.performance["without_rolls"] == expected
    assert 0 < expected["BUND"]["days"] < expected["BUND"]["held"]
    assert run.performance["num_without_rolls"] == 3
    assert run.performance["num_days_without_rolls"] == sum(one["days"] for one in expected.values())
    words = "trades; rolls where contract months are known (always for 1 of 4 held instruments)"
    assert run.performance["costs_counted"] == words
    (finding,) = (finding for finding in run.findings if "without" in finding.name)
    assert (finding.name, finding.figure) == ("instruments without rolls", 3)
    for name, one in expected.items():
        assert f"{name} on {one['days']} of {one['held']} days, {one['first']} to {one['last']}" in finding.threshold
    assert Backtest.load(tmp_path / "run").findings == run.findings
    assert costs_of([run, *run.beside.values()]) == words
    whole = backtest(market, **settings)
    assert (whole.performance["costs_counted"], whole.performance["without_rolls"]) == ("trades and rolls", {})
    assert costs_of([run, whole]) == words
    assert run.performance["annual_roll_cost"] < whole.performance["annual_roll_cost"]
    none = backtest(replace(market, contract_months=None), **settings)
    assert none.performance["costs_counted"] == costs_of([none]) == "trades (rolls are not counted)"
    assert none.performance["num_days_without_rolls"] == held.to_numpy().sum()
    elsewhere = backtest(
        replace(market, contract_months=months[["ES_micro"]].reindex(columns=months.columns)), **settings
    )
    assert elsewhere.performance["annual_roll_cost"] is None


def test_where_nothing_is_held_no_roll_is_missing() -> None:
    market = simulated_market(instruments=["BUND", "CORN", "US10"], start="2015-01-01", end="2016-03-31")
    for given in (market, replace(market, contract_months=None)):
        run = backtest(given, capital=10.0, optimizer="rounded", start="2016-02-01")
        assert (run.positions == 0).all(axis=None)
        assert (run.performance["annual_roll_cost"], run.performance["costs_counted"]) == (0.0, "trades and rolls")


def test_rolls_a_year_do_not_look_ahead() -> None:
    market = simulated_market(instruments=["US10", "BRENT"], start="2012-01-01", end="2017-12-31")
    unknown = replace(market, specifications=market.specifications.assign(rolls_a_year=np.nan))
    whole = unknown.rolls_a_year()
    assert whole.iloc[-1].tolist() == pytest.approx([12.0, 4.0], abs=0.51)
    cut = unknown.between(end="2015-06-30").rolls_a_year()
    pd.testing.assert_frame_equal(whole.loc[cut.index], cut)


def test_months_of_frames_hold_no_longer_than_rows_of_them_are_apart() -> None:
    market = simulated_market(instruments=["US10", "BRENT"], start="2012-01-01", end="2015-12-31")
    months = market.contract_months
    assert months is not None
    table = market.specifications.assign(rolls_a_year=np.nan)

    def read(given: pd.DataFrame) -> Market:
        return market_from_frames(market.prices, table, adjusted=market.adjusted, contract_months=given)

    daily, end = months.copy(), pd.Timestamp("2014-06-30")
    daily.loc[end:, "US10"] = np.nan
    at_rolls = months.where(months.ne(months.ffill().shift()))
    for given, cut in ((daily, True), (at_rolls, False)):
        known = read(given).months_known()
        assert known.loc[:end].iloc[1:].all(axis=None)
        assert known["BRENT"].all()
        assert known.loc["2014-09-01":, "US10"].any() != cut  # type: ignore[misc]
    pd.testing.assert_frame_equal(read(at_rolls).rolls(), market.rolls())
    cut = read(at_rolls.loc[at_rolls.index < end]).months_known()
    assert cut.loc[:"2014-06-30"].iloc[1:].all(axis=None)  # type: ignore[misc]
    assert not cut.loc["2015-06-01":].any(axis=None)  # type: ignore[misc]


def test_rolls_a_year_are_those_of_the_days_on_which_rolls_are_known() -> None:
    market = simulated_market(instruments=["US10", "BRENT"], start="2012-01-01", end="2019-12-31")
    market = replace(market, specifications=market.specifications.assign(rolls_a_year=np.nan))
    months = market.contract_months
    assert months is not None
    end, hole = pd.Timestamp("2016-06-30"), slice("2014-03-01", "2014-08-31")
    cut = months.copy()
    cut.loc[end:, "BRENT"] = np.nan
    cut.loc[hole, "US10"] = np.nan
    whole, found = market.rolls_a_year(), replace(market, contract_months=cut).rolls_a_year()
    assert found.loc["2019-12-31", "BRENT"] == pytest.approx(12, abs=0.51)  # not 0: what was known stays
    assert found.loc["2015-12-31", "US10"] == pytest.approx(4, abs=0.51)  # a quarter of the two years is not known
    assert found.loc["2017-01-01":, "US10"].equals(whole.loc["2017-01-01":, "US10"])  # type: ignore[misc]
    pd.testing.assert_frame_equal(found.loc[:"2014-02-28"], whole.loc[:"2014-02-28"])  # type: ignore[misc]


def test_runs_beside_a_run_are_runs_of_their_own(tmp_path: Path) -> None:
    market = simulated_market(instruments=NAMES, start="2014-01-01", end="2016-12-31")
    settings: dict[str, Any] = {"capital": 5e5, "start": "2016-01-01", "end": "2016-06-30"}
    run = backtest(market, beside=["unrounded", "rounded"], out=tmp_path / "run", optimizer="greedy", **settings)
    for name in ("unrounded", "rounded"):
        alone = backtest(market, optimizer=name, **settings)
        pd.testing.assert_frame_equal(run.beside[name].positions, alone.positions)
        pd.testing.assert_frame_equal(run.beside[name].returns, alone.returns)
    pd.testing.assert_series_equal(
        run.returns["unrounded"], run.beside["unrounded"].returns["gross"], check_names=False, atol=1e-15
    )
    stored = Backtest.load(tmp_path / "run")
    assert list(stored.beside) == ["rounded", "unrounded"]
    assert run.performance["realised_tracking_error"] == pytest.approx(
        (run.returns["gross"] - run.beside["unrounded"].returns["gross"]).std() * 16
    )
    assert run.performance["rounded_annual_turnover"] == pytest.approx(
        run.beside["rounded"].performance["annual_turnover"]
    )
    with pytest.raises(InputError, match="beside: 'greedy' appears more than once"):
        backtest(market, beside=["greedy"], optimizer="greedy", **settings)


def test_a_target_that_is_no_number_keeps_its_position_and_the_rest_earns() -> None:
    market = simulated_market(instruments=NAMES, start="2014-01-01", end="2016-12-31")

    def holes(given: Market) -> pd.DataFrame:
        wanted = long_only(given)
        wanted["CORN"] = np.nan
        return wanted

    for optimizer in ("rounded", "unrounded", "greedy"):
        run = backtest(
            market, Strategy(forecasts=holes), capital=5e5, optimizer=optimizer, start="2016-01-01", end="2016-06-30"
        )
        assert run.performance["num_failed"] == 0
        assert (run.positions["CORN"] == 0).all()
        assert run.returns["gross"].abs().sum() > 0.1


@pytest.mark.parametrize("shape", ["midnight", "evening", "texts", "zone", "changes only"])
def test_contract_months_are_joined_by_day(shape: str) -> None:
    days = pd.bdate_range("2020-01-01", periods=30)
    months = pd.DataFrame({"A": np.repeat([202003.0, 202006.0, 202009.0], 10)}, days)
    if shape == "evening":
        months.index = months.index + pd.Timedelta(hours=23)
    elif shape == "texts":
        months.index = months.index.strftime("%Y-%m-%d")
    elif shape == "zone":
        months.index = months.index.tz_localize("UTC")
    elif shape == "changes only":
        months = months.iloc[[0, 10, 20]]
    prices = pd.DataFrame({"A": np.linspace(100, 110, 30)}, days).drop(days[10])
    table = pd.DataFrame({"multiplier": 1.0, "currency": "USD", "asset_class": "X", "half_spread": 0.1}, index=["A"])
    rolls = market_from_frames(prices, table, contract_months=months).rolls()["A"]
    assert rolls.index[rolls].tolist() == [days[11], days[20]]


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ""])
def test_a_run_beside_has_a_name_that_can_be_that_of_a_folder(name: str) -> None:
    def own(problem: Any) -> Any:
        return np.zeros(len(problem.instruments))

    own.__name__ = name
    market = simulated_market(instruments=NAMES, start="2014-01-01", end="2016-12-31")
    with pytest.raises(InputError, match="beside: expected a name that can be that of a folder"):
        backtest(market, capital=1e6, beside=[own])
