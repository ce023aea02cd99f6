"""Bad ticks and data that lie: what is suspect, what is done without it, and where it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Backtest, Strategy, backtest, problem_of_day, rebalance
from dynopt_milp.backtests.accounting import profits
from dynopt_milp.data import Market, market_from_frames, read_market
from dynopt_milp.data.suspects import Suspect, suspect_prices
from dynopt_milp.errors import DataError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.strategy.forecasts import long_only
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.market_notes import market_notes
from tests.command_line import run
from tests.conftest import real_futures

DAYS = pd.bdate_range("2023-06-01", "2024-05-31")
TICK = DAYS[180]
LONG = Strategy(forecasts=long_only)
HELD = {"BOND": 4, "GOLD": 6, "INDEX": 3}
CONFIG = "Instrument,Pointsize,AssetClass,Currency,Slippage,PerBlock,Percentage,PerTrade,Description\n"


def walk(seed: int, start: float, daily: float) -> pd.Series:
    steps = np.random.default_rng(seed).normal(0.0002, daily, len(DAYS))
    return pd.Series(start * np.exp(steps.cumsum()), DAYS).round(2)


def prices() -> pd.DataFrame:
    return pd.DataFrame({"BOND": walk(1, 110, 0.003), "GOLD": walk(2, 2000, 0.01), "INDEX": walk(3, 7500, 0.009)})


def table(**columns: Any) -> pd.DataFrame:
    given = {"multiplier": [1000.0, 10.0, 10.0], "currency": "USD", "asset_class": ["Bond", "Metals", "Equity"]}
    return pd.DataFrame(given | {"half_spread": [0.01, 0.05, 0.5]} | columns, ["BOND", "GOLD", "INDEX"])


def market(frame: pd.DataFrame, **given: Any) -> Market:
    return market_from_frames(frame, table(), **given)


def ticked(day: pd.Timestamp = TICK, factor: float = 100.0) -> pd.DataFrame:
    frame = prices()
    frame.loc[day, "INDEX"] *= factor
    return frame


def without(day: pd.Timestamp = TICK) -> pd.DataFrame:
    frame = prices()
    frame.loc[day, "INDEX"] = np.nan
    return frame


def days_of(frame: pd.DataFrame | pd.Series, **more: Any) -> list[pd.Timestamp]:
    series = frame["INDEX"] if isinstance(frame, pd.DataFrame) else frame
    rows = pd.DataFrame({"price": series, "adjusted": series} | more)
    return [suspect.date for suspect in suspect_prices(rows, "INDEX")]


def write(folder: Path, frame: pd.DataFrame, config: str | None = None, adjusted: pd.DataFrame | None = None) -> Path:
    """A folder of pysystemtrade; a price that is NaN has no row."""
    for name in ("adjusted_prices_csv", "multiple_prices_csv", "csvconfig"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in frame:
        own = frame[name].dropna()
        rows = pd.DataFrame({"PRICE": own, "PRICE_CONTRACT": "20241200"})
        rows.to_csv(folder / "multiple_prices_csv" / f"{name}.csv", index_label="DATETIME")
        changing = own if adjusted is None else adjusted[name].dropna()
        changing.rename("price").to_csv(folder / "adjusted_prices_csv" / f"{name}.csv", index_label="DATETIME")
    default = "BOND,1000,Bond,USD,0.01,2,0,0,x\nGOLD,10,Metals,USD,0.05,1,0,0,x\nINDEX,10,Equity,USD,0.5,2,0,0,x\n"
    (folder / "csvconfig" / "instrumentconfig.csv").write_text(CONFIG + (config or default))
    return folder


def live(folder: Path, *more: object) -> Any:
    held = folder / "held.csv"
    held.write_text("instrument,position\n" + "".join(f"{name},{number}\n" for name, number in HELD.items()))
    return run(
        "rebalance", "--data", folder, "--capital", 1_000_000, "--held", held, "--forecasts", "long-only", *more
    )  # fmt: skip


@pytest.mark.parametrize("factor", [100.0, 0.01, 1.3, 0.75])
def test_a_tick_is_suspect_and_the_price_after_it_is_not(factor: float) -> None:
    assert days_of(ticked(factor=factor)) == [TICK]


def test_the_limit_is_fifteen_standard_deviations_of_the_days_before() -> None:
    own = prices()["INDEX"]
    returns = own.pct_change().dropna()[:TICK].iloc[:-1]
    weights = (1 - 2 / 33) ** np.arange(len(returns))[::-1]
    sigma = np.sqrt((weights * returns**2).sum() / weights.sum())
    before = own[:TICK].iloc[-2]
    for sigmas, expected in ((14.9, []), (15.1, [TICK]), (-14.9, []), (-15.1, [TICK])):
        own[TICK] = before * (1 + sigmas * sigma)
        assert days_of(own[:TICK]) == expected


def test_a_price_that_stays_at_its_new_level_is_believed_on_the_fifth_day() -> None:
    for factor in (1.4, 100.0, 0.01):
        frame = prices()
        frame.loc[TICK:, "INDEX"] *= factor
        assert days_of(frame) == list(DAYS[180:184])
    frame = prices()
    frame.loc[DAYS[180:240:2], "INDEX"] *= 100  # every other day: no level
    assert days_of(frame) == list(DAYS[180:240:2])


def test_a_market_that_is_another_one_from_a_day_on_is_believed_within_a_week() -> None:
    """A peg that ends: the deviation of the days before says nothing of the days after."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        steps = np.where(
            np.arange(len(DAYS)) < 180, random.normal(0, 0.0003, len(DAYS)), random.normal(0, 0.01, len(DAYS))
        )
        steps[180] = -0.18
        own = pd.Series(100 * np.exp(steps.cumsum()), DAYS)
        assert days_of(own) == list(DAYS[180:184])
    frame = prices().assign(INDEX=own)
    run_of = {
        how: backtest(market(frame, on_suspect=how), LONG, preset="book", capital=1e6, start=DAYS[100])
        for how in ("freeze", "use")
    }
    earned = {how: one.profits["INDEX"].sum() for how, one in run_of.items()}
    assert earned["freeze"] < 0
    assert earned["freeze"] == pytest.approx(earned["use"], rel=0.5)  # the loss is there, some days later


def test_a_price_that_takes_back_the_last_move_is_good() -> None:
    for factor in (0.55, 0.7):
        frame = prices().iloc[:15]  # too few returns for a deviation: half is the limit
        frame.loc[DAYS[8], "INDEX"] *= factor
        assert days_of(frame) == []
    frame = prices()
    frame.loc[DAYS[180:185], "INDEX"] *= 100  # five bad ones in a row
    assert days_of(frame) == list(DAYS[180:184])


@pytest.mark.parametrize("value", [-1.0, -9.0, -99.0, -999.0, -9999.0, "mirror", -123.4])
def test_a_price_below_zero_that_comes_out_of_nowhere_is_suspect(value: Any) -> None:
    frame = prices()
    frame.loc[TICK, "INDEX"] = -frame["INDEX"].iloc[179] if value == "mirror" else value
    assert days_of(frame) == [TICK]


def test_a_price_that_was_low_may_fall_below_zero_and_come_back() -> None:
    fall = pd.Series(np.r_[np.full(180, 1.0), np.linspace(1, 0.3, 20), -0.6, np.full(len(DAYS) - 201, 0.2)], DAYS)
    frame = prices().assign(INDEX=60 * fall * np.exp(np.random.default_rng(1).normal(0, 0.02, len(DAYS))))
    assert days_of(frame) == []
    frame.loc[DAYS[200], "INDEX"] = -99.0
    assert days_of(frame) == [DAYS[200]]


def test_a_suspect_price_depends_on_no_later_one() -> None:
    frame = prices()
    frame.loc[DAYS[100:103], "INDEX"] *= 0.01
    frame.loc[DAYS[150] :, "INDEX"] *= 1.4
    frame.loc[DAYS[[30, 200]], "INDEX"] *= 100
    found = days_of(frame)
    assert found == [DAYS[30], *DAYS[100:103], *DAYS[150:154], DAYS[200]]
    for last in (31, 101, 102, 120, 151, 154, 199, 201):
        assert days_of(frame.iloc[:last]) == [day for day in found if day <= DAYS[last - 1]]


def test_after_a_gap_and_after_a_price_that_stood_still_a_larger_move_is_ordinary() -> None:
    own = prices()["INDEX"]
    later = own[:TICK].iloc[-2] * (1 + 20 * own.pct_change().std())
    alone = pd.concat([own[: DAYS[179]], pd.Series([later], [TICK])])
    assert days_of(alone) == [TICK]
    assert days_of(alone.rename({TICK: TICK + pd.Timedelta(days=14)})) == []
    still = own.copy()
    still[DAYS[170:180]] = own[DAYS[170]]
    still[TICK:] *= still[DAYS[170]] * (1 + 10 * own.pct_change().std()) / still[TICK]
    assert days_of(still) == []


def test_the_traded_price_may_move_at_a_roll_and_the_adjusted_one_may_not() -> None:
    own = prices()["INDEX"]
    spread = own.where(own.index < TICK, own * 1.5)
    months = pd.Series(20240600.0, DAYS).where(DAYS < TICK, 20241200.0)
    rows = pd.DataFrame({"price": spread, "adjusted": own, "contract_month": months})
    assert suspect_prices(rows, "INDEX") == []
    assert len(suspect_prices(rows.assign(contract_month=20240600.0), "INDEX")) == 4
    assert suspect_prices(rows.drop(columns="contract_month"), "INDEX") == []  # there may be a roll
    (found,) = suspect_prices(rows.assign(adjusted=own.where(DAYS != TICK, own * 100)), "INDEX")
    assert (found.series, found.date, found.value) == ("back-adjusted price", TICK, own[TICK] * 100)


def test_no_price_of_real_futures_is_suspect() -> None:
    found = real_futures()
    assert found.suspects == ()
    assert market_notes(found, 250_000) == []


def test_crude_below_zero_earns_what_it_did_by_default() -> None:
    known = [18.27, -37.63, 10.01, 13.78, 16.5]
    frame = prices()
    frame["GOLD"] = np.linspace(55, 21, len(DAYS)) + np.random.default_rng(5).normal(0, 0.5, len(DAYS))
    frame.loc[DAYS[-5:], "GOLD"] = known
    frame.loc[DAYS[-8:-5], "GOLD"] = [20.11, 19.87, 19.87]
    found = market_from_frames(frame, table(multiplier=[1000.0, 1000.0, 10.0]))
    assert found.suspects == ()
    one = pd.DataFrame(1.0, found.days, ["GOLD"])
    assert profits(found, one)["GOLD"].iloc[-4:-2].tolist() == pytest.approx([-55_900, 47_640])
    frame.loc[DAYS[-4], "GOLD"] = -9999  # a number that stands for none
    assert [suspect.date for suspect in market(frame).suspects] == [DAYS[-4]]


def test_a_suspect_price_counts_as_missing_in_every_estimate() -> None:
    found, clean = market(ticked()), market(without())
    for field in ("prices", "adjusted"):
        pd.testing.assert_frame_equal(getattr(found, field), getattr(clean, field))
    pd.testing.assert_frame_equal(found.returns(), clean.returns())
    assert found.fingerprint() != clean.fingerprint()  # on the day the position is kept
    frozen = found.frozen()
    assert frozen.index[frozen["INDEX"]].tolist() == [TICK]
    assert not frozen[["BOND", "GOLD"]].any(axis=None)
    (suspect,) = found.suspects
    assert suspect.move == pytest.approx(ticked().loc[TICK, "INDEX"] / prices().loc[DAYS[179], "INDEX"] - 1)
    assert (suspect.instrument, suspect.before, suspect.before_date) == (
        "INDEX", prices().loc[DAYS[179], "INDEX"], DAYS[179],
    )  # fmt: skip


def test_the_position_is_kept_and_the_others_are_decided_as_from_data_without_that_row() -> None:
    asked: dict[str, Any] = {"strategy": LONG, "capital": 1_000_000, "date": TICK, "held": HELD}
    found = rebalance(problem_of_day(market(ticked()), **asked))
    expected = rebalance(problem_of_day(market(without()), **asked, limits=Limits(no_trade=["INDEX"])))
    assert found.positions.to_dict() == expected.positions.to_dict()
    assert found.trades["INDEX"] == 0
    assert found.trades.abs().sum() > 0
    assert rebalance(problem_of_day(market(without()), **asked)).trades["INDEX"] != 0  # it is not the buffer
    used = problem_of_day(market(ticked(), on_suspect="use"), **asked)
    assert used.optimal_positions[2] < expected.problem.optimal_positions[2] / 10


def test_the_position_is_kept_until_the_next_good_price() -> None:
    frame = ticked()
    frame.loc[DAYS[181:183], "INDEX"] = np.nan
    inputs = Inputs(market(frame), LONG, 1e6)
    closed = [inputs.target_positions(day).closed for day in DAYS[179:184]]
    assert closed == [(), ("INDEX",), ("INDEX",), ("INDEX",), ()]
    assert list(inputs.frozen(DAYS[182])) == ["INDEX"]


def test_parts_of_a_market_keep_what_was_set_aside_in_them() -> None:
    found = market(ticked())
    assert found.select(["INDEX"]).days.equals(found.days)
    assert found.select(["INDEX"]).frozen()["INDEX"].sum() == 1
    assert found.select(["BOND"]).suspects == ()
    assert found.between(end=DAYS[179]).suspects == ()
    assert found.between(start=TICK).suspects == found.suspects
    with pytest.raises(DataError, match="suspects of INDEX: a price of 2024-02-08 is set aside, and should be missing"):
        Market(prices(), prices(), pd.DataFrame({"USD": 1.0}, DAYS), table(), suspects=found.suspects)


def test_refuse_names_instrument_day_and_size() -> None:
    said = r"prices of INDEX: the price [\d.]+ of 2024-02-08 is suspect, a large move: \+[\d,]+% \([\d,]+ standard dev"
    with pytest.raises(DataError, match=said) as caught:
        market(ticked(), on_suspect="refuse")
    assert caught.value.instrument == "INDEX"
    assert market(prices(), on_suspect="refuse").suspects == ()


def test_a_suspect_rate_is_passed_over() -> None:
    rate = pd.Series(1.1, DAYS)
    rate.iloc[100:103] = 110.0
    rate.iloc[150:] = 2.2
    found = market_from_frames(prices(), table(currency=["EUR", "USD", "USD"]), fx={"EUR": rate})
    assert (found.fx["EUR"].iloc[:154] == 1.1).all()
    assert (found.fx["EUR"].iloc[154:] == 2.2).all()
    assert [suspect.date for suspect in found.suspects] == [*DAYS[100:103], *DAYS[150:154]]
    assert {suspect.instrument for suspect in found.suspects} == {"EURUSD"}
    assert not found.frozen().any(axis=None)


@pytest.mark.parametrize("factor", [1.45, 0.55, 0.7, 1.26])
def test_rates_up_and_down_count_alike(factor: float) -> None:
    rate = pd.Series(1.1, DAYS)
    rate.iloc[100] *= factor
    found = market_from_frames(prices(), table(currency=["EUR", "USD", "USD"]), fx={"EUR": rate})
    assert [suspect.date for suspect in found.suspects] == [DAYS[100]]
    assert (found.fx["EUR"] == 1.1).all()
    rate.iloc[100] = 1.1 * 1.2  # the franc, January 2015
    assert market_from_frames(prices(), table(currency=["EUR", "USD", "USD"]), fx={"EUR": rate}).suspects == ()


def test_notes_of_a_day_know_no_later_one() -> None:
    found = market(ticked())
    assert market_notes(found, end=DAYS[179]) == market_notes(found.between(end=DAYS[179])) == []
    assert len(market_notes(found)) == 1


def test_a_backtest_holds_on_the_day_and_earns_the_change_at_the_next_price() -> None:
    def years(found: Market) -> Any:
        return backtest(found, LONG, capital=1e6, optimizer="greedy", frequency="daily", start=DAYS[150])

    run = years(market(ticked()))
    before, day, after = DAYS[179], TICK, DAYS[181]
    assert run.positions.loc[before, "INDEX"] == run.positions.loc[day, "INDEX"] > 0
    assert "INDEX keeps its position: the price" in run.rebalances.loc[day, "reason"]
    assert (run.rebalances["reason"] != "").sum() == 1
    held, real = run.positions.loc[day], prices()
    earned = 10 * held["INDEX"] * (real.loc[after, "INDEX"] - real.loc[before, "INDEX"])
    others = 1000 * held["BOND"] * real["BOND"].diff()[after] + 10 * held["GOLD"] * real["GOLD"].diff()[after]
    assert run.returns.loc[after, "gross"] == pytest.approx((earned + others) / 1e6)
    clean = years(market(prices()))
    assert run.returns["net"].sum() == pytest.approx(clean.returns["net"].sum(), abs=0.01)
    assert (
        years(market(ticked(), on_suspect="use")).returns["gross"].abs().max() > 10 * clean.returns["gross"].abs().max()
    )


def test_a_run_that_grows_past_a_tick_is_the_run_over_all_days(tmp_path: Path) -> None:
    frame = ticked()
    frame.loc[DAYS[200] :, "INDEX"] *= 1.4
    asked: dict[str, Any] = {"capital": 1e6, "optimizer": "greedy", "frequency": "daily", "start": DAYS[170]}
    whole = backtest(market(frame), LONG, **asked)
    for last in (181, 202, 210):
        grown = backtest(market(frame.iloc[:last]), LONG, **asked, out=tmp_path)
    grown = backtest(market(frame), LONG, **asked, out=tmp_path)
    pd.testing.assert_frame_equal(grown.positions, whole.positions, check_freq=False)
    pd.testing.assert_frame_equal(grown.returns, whole.returns, check_freq=False)
    assert grown.notes == whole.notes == Backtest.load(tmp_path).notes == market_notes(market(frame), 1e6)
    assert "INDEX" in grown.notes[0]
    shifted = market(frame, adjusted=frame + 12.5)  # as at a roll
    assert backtest(shifted, LONG, **asked, out=tmp_path).positions.equals(grown.positions)
    for other in (frame.where(frame != frame.loc[TICK, "INDEX"]), prices()):
        with pytest.raises(Exception, match="INDEX"):
            backtest(market(other), LONG, **asked, out=tmp_path)


def test_rebalance_says_the_suspect_price_in_output_json_and_log(tmp_path: Path) -> None:
    folder, log = write(tmp_path / "prices", ticked(DAYS[-1])), tmp_path / "log.jsonl"
    done = live(folder, "--log", log, "--out", tmp_path / "trades.json")
    last = DAYS[-1].date()
    assert done.returncode == 0
    assert done.stderr.startswith(
        f"note: INDEX: the price {ticked(DAYS[-1])['INDEX'].iloc[-1]:.10g} of {last} is suspect"
    )
    assert "it keeps its position" in done.stderr
    assert "days since the last price: INDEX 1" in done.stdout
    file, line = json.loads((tmp_path / "trades.json").read_text()), json.loads(log.read_text())
    for content in (file, line, json.loads(live(folder, "--json").stdout)):
        (suspect,) = content["suspects"]
        assert (suspect["instrument"], suspect["date"]) == ("INDEX", str(last))
        assert suspect["move"] == pytest.approx(Suspect(**suspects_of(ticked(DAYS[-1]))).move)
        assert content["days_since_price"] == {"BOND": 0, "GOLD": 0, "INDEX": 1}
        assert [note for note in content["notes"] if "INDEX" in note] == content["notes"][:1]
        assert "INDEX" not in {name for name, number in content["trades"].items() if number}
    clean = live(write(tmp_path / "clean", without(DAYS[-1])), "--no-trade", "INDEX", "--json")
    assert json.loads(clean.stdout)["trades"] == file["trades"]


def suspects_of(frame: pd.DataFrame) -> dict[str, Any]:
    (suspect,) = market(frame).suspects
    return {name: getattr(suspect, name) for name in Suspect.__slots__}


def test_refuse_and_use_on_the_command_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "prices", ticked())
    for done in (
        live(folder, "--on-suspect", "refuse"),
        run("backtest", "--data", folder, "--capital", 1e6, "--on-suspect", "refuse"),
    ):
        assert done.returncode == 2
        assert f"{folder} of INDEX: the price" in done.stderr
        assert done.stderr.count("\n") == 1
    assert live(folder, "--on-suspect", "refuse", "--date", DAYS[179].date()).returncode == 0  # it comes later
    assert "used as it is" in live(folder, "--on-suspect", "use").stderr
    assert "there is no 'keep'; there are freeze, refuse, use" in live(folder, "--on-suspect", "keep").stderr
    said = run("rebalance", "--on-suspect", "use", "--targets", "t.csv", "--covariance", "c.csv").stderr
    assert "--on-suspect: makes no sense where a covariance is given" in said


def test_a_backtest_says_the_suspect_price(tmp_path: Path) -> None:
    folder = write(tmp_path / "prices", ticked())
    asked = ("backtest", "--data", folder, "--capital", 1e6, "--optimizer", "rounded", "--forecasts", "long-only")
    assert "note: INDEX: the price" in run(*asked).stdout.replace("\n", " ")
    (note,) = json.loads(run(*asked, "--json").stdout)["notes"]
    assert "INDEX: the price" in note
    assert "2024-02-08" in note


def test_an_adjusted_price_that_jumps_without_a_roll_is_noted(tmp_path: Path) -> None:
    frame, adjusted = prices(), prices() + 100
    adjusted.loc[TICK:, "INDEX"] += 0.05 * frame.loc[TICK, "INDEX"]  # the traded price moved by less than 5 %
    found = read_market(write(tmp_path, frame, adjusted=adjusted))
    (note,) = found.notes
    assert (note.instrument, note.rule) == ("INDEX", "adjusted jump")
    share = 0.05 * frame.loc[TICK, "INDEX"] / frame.loc[DAYS[179], "INDEX"]
    assert f"moved by {share:+.1%} more than the traded price on 2024-02-08, without another contract" in note.reason
    assert market_notes(found) == [f"INDEX: {note.reason}"]
    months = pd.DataFrame(20240600.0, DAYS, frame.columns)
    months.loc[TICK:] = 20241200.0
    assert market(frame, adjusted=adjusted, contract_months=months).notes == ()  # a roll explains it


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ("0,2.5,0", "GOLD: its spread is zero"),
        ("0,0,0", "GOLD: its spread is zero, and it has no commission: it trades for nothing"),
        ("0.05,0,0", None),
    ],
)
def test_a_spread_of_zero_is_noted(tmp_path: Path, costs: str, said: str | None) -> None:
    config = f"BOND,1000,Bond,USD,0.01,2,0,0,x\nGOLD,10,Metals,USD,{costs},0,x\nINDEX,10,Equity,USD,0.5,2,0,0,x\n"
    folder = write(tmp_path, prices(), config)
    assert market_notes(read_market(folder)) == ([] if said is None else [said])
    assert [line for line in live(folder).stderr.splitlines() if "spread" in line] == (
        [] if said is None else [f"note: {said}"]
    )


@pytest.mark.parametrize(
    ("multiplier", "said"),
    [(110, None), (110_000, "worth {times:,.0f} times the capital"), (0.0001, "worth {value:.2g} USD")],
)
def test_a_contract_of_another_size_than_the_account_is_named(tmp_path: Path, multiplier: float, said: str) -> None:
    config = (
        f"BOND,1000,Bond,USD,0.01,2,0,0,x\nGOLD,{multiplier},Metals,USD,0.05,1,0,0,x\nINDEX,10,Equity,USD,0.5,2,0,0,x\n"
    )
    folder = write(tmp_path, prices(), config)
    value = multiplier * prices()["GOLD"].iloc[-1]
    expected = None if said is None else f"one contract of GOLD is {said.format(times=value / 1e6, value=value)}"
    noted = live(folder).stderr
    assert ("one contract of" in noted) == (expected is not None)
    assert (expected or "") in noted
    done = run("backtest", "--data", folder, "--capital", 1e6, "--optimizer", "rounded", "--forecasts", "long-only")
    assert done.stdout.count("one contract of") == (expected is not None)
    assert (expected or "") in done.stdout
