"""Nothing is ignored in silence: what is odd is said in a line each, and what cannot be is refused with its cause."""

from __future__ import annotations

import datetime
import json
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import (
    DataError,
    InputError,
    Inputs,
    Market,
    Problem,
    Strategy,
    backtest,
    market_from_frames,
    simulated_market,
    solve,
)
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.gap.stored import read_study
from dynopt_milp.io.start import is_command
from dynopt_milp.problem.plausible import not_annual
from dynopt_milp.trades.from_targets import problem_of_targets, wanted_risk
from dynopt_milp.trades.input_notes import notes_of_date, notes_of_last_day, notes_of_left_out
from tests.command_line import COMMAND, read_json, run

NAMES = ["US10", "ES", "GOLD"]
RHO = np.array([[1, -0.3, 0.1], [-0.3, 1, 0.2], [0.1, 0.2, 1]])
SIGMA = RHO * np.outer([0.06, 0.18, 0.15], [0.06, 0.18, 0.15])
TARGETS = """\
instrument,position,weight_per_contract,cost_in_weight_terms
ES,1.6,0.3,2e-4
US10,3.4,0.5,1e-4
GOLD,-2.3,0.4,3e-4
"""
NO_HELD = "no --held: the trades are those of an account that holds nothing"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "targets.csv").write_text(TARGETS)
    (tmp_path / "held.csv").write_text("instrument,position\nGOLD,4\nES,-1\nUS10,0\n")
    write(tmp_path / "covariance.csv", SIGMA)
    return tmp_path


def write(path: Path, covariance: Any, names: list[str] = NAMES) -> None:
    pd.DataFrame(covariance, names, names).to_csv(path)


def live(folder: Path, *further: object, held: bool = True) -> Any:
    own = ("--held", folder / "held.csv") if held else ()
    return run(
        "rebalance", "--targets", folder / "targets.csv", "--covariance", folder / "covariance.csv", *own, *further
    )  # fmt: skip


def refusal(done: Any) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return str(done.stderr)


# Where notes stand


def test_notes_are_on_stderr_in_the_json_in_the_trades_and_in_the_log(files: Path) -> None:
    done = live(files, "--json", "--out", files / "t.json", "--log", files / "log.jsonl", held=False)
    assert (done.returncode, done.stderr) == (0, f"note: {NO_HELD}\n")
    for text in (done.stdout, (files / "t.json").read_text(), (files / "log.jsonl").read_text()):
        assert read_json(text)["notes"] == [NO_HELD]
    assert live(files).stderr == ""
    assert read_json(live(files, "--json").stdout)["notes"] == []


def test_a_note_of_the_problem_is_said_once(files: Path) -> None:
    returns = np.random.default_rng(5).normal(0, 0.01, (3, 5))
    names = [*NAMES, "CORN", "BUND"]
    write(files / "covariance.csv", np.cov(returns.T) * 256, names)
    (files / "targets.csv").write_text(TARGETS + "CORN,1,0.1,1e-4\nBUND,-2,0.4,1e-4\n")
    done = live(files)
    assert done.returncode == 0
    assert done.stderr.count("covariance: rank 2 with 5 instruments") == 1
    assert "rank" not in done.stdout


# Columns


@pytest.mark.parametrize(
    ("column", "meant"),
    [("max", "upper"), ("Min", "lower"), ("fx_rate", "fx"), ("Multiplier", "multiplier"), ("uper", "upper"),
     ("weight", "weight_per_contract")],
)  # fmt: skip
def test_a_column_that_is_not_known_is_refused_with_the_nearest_name(files: Path, column: str, meant: str) -> None:
    lines = TARGETS.splitlines()
    text = "\n".join([f"{lines[0]},{column}", *(f"{line},1" for line in lines[1:])])
    (files / "targets.csv").write_text(text)
    assert f"targets.csv: the column {column!r} is not known; is it {meant!r}?" in refusal(live(files))
    frame = pd.DataFrame({"position": 1.0, "weight_per_contract": 0.4, column: 1.0}, NAMES)
    with pytest.raises(InputError, match=f"targets: the column {column!r} is not known; is it {meant!r}"):
        problem_of_targets(frame, pd.DataFrame(SIGMA, NAMES, NAMES), cost_multiplier=0)


def test_a_column_note_is_free(files: Path) -> None:
    before = read_json(live(files, "--json").stdout)["positions"]
    (files / "held.csv").write_text("note,instrument,position\n,GOLD,4\nby hand,ES,-1\n")
    lines = TARGETS.splitlines()
    (files / "targets.csv").write_text("\n".join([f"{lines[0]},note", *(f"{line},why" for line in lines[1:])]))
    pd.DataFrame(SIGMA, NAMES, NAMES).assign(note="x").to_csv(files / "covariance.csv")
    assert read_json(live(files, "--json").stdout)["positions"] == before
    (files / "held.csv").write_text("instrument,position,price\nGOLD,4,1\n")
    assert "held.csv: the column 'price' is not known" in refusal(live(files))


def test_an_instrument_with_a_row_or_a_column_of_the_covariance_alone_is_refused(files: Path) -> None:
    frame = pd.DataFrame(SIGMA, NAMES, NAMES)
    for other, what in (
        (frame.rename(columns={"GOLD": "GOLDS"}), "of GOLDS: has a column and no row; is it 'GOLD'?"),
        (frame.drop(columns="ES"), "of ES: has a row and no column"),
    ):
        other.to_csv(files / "covariance.csv")
        assert what in refusal(live(files))


def test_specifications_with_a_column_that_is_not_known_are_refused() -> None:
    days = pd.bdate_range("2023-01-02", periods=60)
    prices = pd.DataFrame({"A": 100.0 + np.arange(60)}, days)
    table = pd.DataFrame(
        {"multiplier": [10.0], "currency": ["USD"], "asset_class": ["Equity"], "half_spread": [0.1], "note": ["x"]},
        ["A"],
    )
    market = market_from_frames(prices, table)
    with pytest.raises(DataError, match="the column 'comission' is not known; is it 'commission'"):
        market_from_frames(prices, table.assign(comission=2.0))
    with pytest.raises(DataError, match="the column 'comission' is not known"):
        Market(market.prices, market.adjusted, market.fx, market.specifications.assign(comission=2.0))


def test_an_optional_column_of_the_guide_that_is_misspelt_is_refused(tmp_path: Path) -> None:
    days = pd.bdate_range("2022-01-03", periods=80)
    pd.DataFrame({"Last": 100.0 + np.arange(80)}, days).to_csv(tmp_path / "fdax_daily_data.csv", index_label="Time")
    head = "Symbol,Name,Multiplier,SR_cost,Exchange"
    (tmp_path / "instruments.csv").write_text(f"{head}\nFDAX,DAX,25,0.002,Eurex\n")
    assert run("rebalance", "--data", tmp_path, "--capital", 1e6).returncode == 0
    (tmp_path / "instruments.csv").write_text(f"{head},Curency\nFDAX,DAX,25,0.002,Eurex,EUR\n")
    said = refusal(run("rebalance", "--data", tmp_path, "--capital", 1e6))
    assert "the column 'Curency' is not known; is it 'Currency'?" in said


# Covariances that are not annual


def test_a_covariance_of_days_or_weeks_is_refused_and_made_annual_when_it_is_said(files: Path) -> None:
    annual = read_json(live(files, "--json").stdout)
    for period, number in (("daily", 256), ("weekly", 52)):
        write(files / "covariance.csv", SIGMA / number)
        assert "covariance: is hardly an annual one: the most volatile instrument has" in refusal(live(files))
        found = read_json(live(files, "--period", period, "--json").stdout)
        assert found["positions"] == annual["positions"]
        assert found["optimised"]["objective"] == pytest.approx(annual["optimised"]["objective"], rel=1e-9)
        taken = live(files, "--period", "annual", "--json")
        assert taken.returncode == 0
        assert "the targets risk" in taken.stderr
    write(files / "covariance.csv", RHO)
    assert "covariance: is a correlation matrix, with ones on its diagonal" in refusal(live(files))
    write(files / "covariance.csv", SIGMA)
    assert "there is no 'hourly'; there are daily, weekly, annual" in refusal(live(files, "--period", "hourly"))
    assert "which is much" in live(files, "--period", "daily").stderr
    write(files / "covariance.csv", SIGMA * 10)
    assert "volatility is 759% a year" in refusal(live(files, "--period", "daily"))
    alone = run("rebalance", "--data", files, "--capital", 1e5, "--period", "daily")
    assert "--period: makes no sense without --covariance" in refusal(alone)


def test_short_bonds_with_ordinary_targets_pass_for_annual() -> None:
    sigma = pd.DataFrame(RHO * np.outer([0.004, 0.009, 0.012], [0.004, 0.009, 0.012]), NAMES, NAMES)
    targets = pd.DataFrame({"position": [30.0, -9.0, 11.0], "weight_per_contract": 0.6}, NAMES)
    assert problem_of_targets(targets, sigma, cost_multiplier=0).covariance[0, 0] == 0.004**2
    with pytest.raises(InputError, match="hardly an annual one"):
        problem_of_targets(targets, sigma / 256, cost_multiplier=0)
    nothing = targets.assign(position=0.0)  # says nothing of the size of an account
    assert problem_of_targets(nothing, sigma / 256, cost_multiplier=0).covariance[0, 0] == 0.004**2 / 256


def test_annual_covariances_of_a_strategy_pass_and_those_of_days_do_not() -> None:
    market = simulated_market(4, start="2010-01-01", end="2016-12-31")
    for names in (market.instruments, market.instruments[::5]):
        inputs = Inputs(market.select(names), Strategy(), 1e7)
        for day in market.days[300::173]:
            problem = inputs.problem(day)
            volatility, risk = np.sqrt(problem.covariance.diagonal()), wanted_risk(problem)
            unrounded = problem.optimal_positions * problem.weight_per_contract
            assert risk == pytest.approx(np.sqrt(unrounded @ problem.covariance @ unrounded))
            assert not_annual(volatility, risk) == ""
            assert not_annual(volatility / 16, risk / 16) != ""


# Prices


def folder_of_prices(root: Path, missing: dict[str, int]) -> Path:
    """Three futures until the end of June 2022; of some the last business days are missing."""
    random = np.random.default_rng(0)
    days = pd.bdate_range("2021-01-01", "2022-06-30")
    for name in ("adjusted_prices_csv", "multiple_prices_csv", "csvconfig"):
        (root / name).mkdir(parents=True)
    names = {"RATE_OLD": 0.01, "RATE_NEW": 0.01, "STOCK": 0.18}
    for name, volatility in names.items():
        prices = pd.Series(100 * np.exp(random.normal(0, volatility / 16, len(days)).cumsum()), days)
        prices = prices.iloc[: len(days) - missing.get(name, 0)]
        for kind, column in (("adjusted", "price"), ("multiple", "PRICE")):
            path = root / f"{kind}_prices_csv" / f"{name}.csv"
            prices.rename(column).to_csv(path, index_label="DATETIME")
    pd.DataFrame(
        {"Instrument": list(names), "Pointsize": 1000, "AssetClass": ["STIR", "STIR", "Equity"], "Currency": "USD",
         "Slippage": 0.005, "PerBlock": 2, "Percentage": 0, "PerTrade": 0, "Description": list(names)}
    ).to_csv(root / "csvconfig" / "instrumentconfig.csv", index=False)  # fmt: skip
    return root


@pytest.mark.parametrize(
    ("days", "target", "said"),
    [
        (28, -0.8, "RATE_OLD: no price since 2022-05-23 (38 days): it is closed and stays at 0; the others offset its "
                   "target of -0.8: drop it if it is old"),
        (28, 0.0, "RATE_OLD: no price since 2022-05-23 (38 days): it is closed and stays at 0"),
        (2, -0.8, "no price of 2022-06-30, the last one is taken: RATE_OLD (2 days)"),
        (0, -0.8, None),
    ],
    ids=["closed", "closed, without a target", "stale", "not"],
)  # fmt: skip
def test_the_age_of_a_price_and_what_becomes_of_a_closed_market_are_said(
    tmp_path: Path, days: int, target: float, said: str | None
) -> None:
    folder = folder_of_prices(tmp_path / "d", {"RATE_OLD": days})
    (tmp_path / "t.csv").write_text(f"instrument,position\nRATE_OLD,{target}\nRATE_NEW,60\nSTOCK,4\n")
    (tmp_path / "h.csv").write_text("instrument,position\nRATE_OLD,0\n")
    done = run(
        "rebalance", "--targets", tmp_path / "t.csv", "--held", tmp_path / "h.csv", "--data", folder, "--capital",
        300_000, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = read_json(done.stdout)["notes"]
    assert [note for note in found if "no price" in note] == ([] if said is None else [said])
    age = (datetime.datetime.now(datetime.UTC).date() - datetime.date(2022, 6, 30)).days
    assert [note for note in found if "days ago" in note] == [
        f"2022-06-30 is {age:,} days ago; the trades are of that close"
    ]


def test_an_old_target_that_nothing_can_be_held_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    names, volatility = ["RATE_OLD", "RATE_NEW", "STOCK"], np.array([0.01, 0.01, 0.18])
    rho = np.array([[1, 0.98, -0.2], [0.98, 1, -0.2], [-0.2, -0.2, 1]])
    caplog.set_level("DEBUG")
    for target, said in ((-0.8, 1), (0.0, 0)):
        caplog.clear()
        ObjectiveFunction(
            {"RATE_OLD": target, "RATE_NEW": 0.6, "STOCK": 0.4},
            covariance_matrix=pd.DataFrame(rho * np.outer(volatility, volatility), names, names),
            per_contract_value=dict.fromkeys(names, 0.35), costs=dict.fromkeys(names, 1e-6),
            speed_control=SimpleNamespace(trade_shadow_cost=10, tracking_error_buffer=0.0),
            previous_positions=dict.fromkeys(names, 0),
            constraints=SimpleNamespace(reduce_only_keys=["RATE_OLD"], no_trade_keys=[], long_only_keys=[]),
        ).optimise_positions()  # fmt: skip
        text = "limits keep these at 0, and the others offset their targets: RATE_OLD (-0.8)"
        assert caplog.text.count(text) == said


def test_prices_that_ended_long_ago_refuse_the_target(tmp_path: Path) -> None:
    folder = folder_of_prices(tmp_path / "d", {"RATE_OLD": 90})
    (tmp_path / "t.csv").write_text("instrument,position\nRATE_OLD,-0.8\nSTOCK,4\n")
    done = run("rebalance", "--targets", tmp_path / "t.csv", "--data", folder, "--capital", 300_000)
    assert (
        "targets of RATE_OLD: has a target and no price for more than 90 days on 2022-06-30 (the last is of 2022-02-24)"
    ) in done.stderr.splitlines()[-1]


def test_a_date_that_is_no_close_and_one_that_is_long_past() -> None:
    friday, saturday = pd.Timestamp("2024-03-01"), "2024-03-02"
    assert list(notes_of_date(friday, None, datetime.date(2024, 3, 4))) == []
    assert list(notes_of_date(friday, "2024-03-01", datetime.date(2024, 3, 11))) == []
    assert list(notes_of_date(friday, saturday, datetime.date(2024, 3, 3))) == [
        "2024-03-02 has no prices; decided after the close of 2024-03-01"
    ]
    assert list(notes_of_date(friday, None, datetime.date(2024, 3, 12))) == [
        "2024-03-01 is 11 days ago; the trades are of that close"
    ]


def changed_prices(folder: Path, name: str, change: Any) -> None:
    """Both prices of an instrument, each changed as a series by day."""
    for kind in ("adjusted", "multiple"):
        path = folder / f"{kind}_prices_csv" / f"{name}.csv"
        series = pd.read_csv(path, index_col=0, parse_dates=True).iloc[:, 0]
        change(series).to_csv(path, index_label="DATETIME")


def from_prices(folder: Path, *further: object) -> Any:
    return run("rebalance", "--data", folder, "--capital", 300_000, "--json", *further)


def test_an_instrument_that_is_left_out_is_named_with_its_reason_and_last_price(tmp_path: Path) -> None:
    folder = folder_of_prices(tmp_path / "d", {"RATE_OLD": 90})
    changed_prices(folder, "RATE_NEW", lambda series: series.iloc[-30:])
    last = {
        name: pd.read_csv(folder / "multiple_prices_csv" / f"{name}.csv", index_col=0).iloc[-1]
        for name in ("RATE_OLD", "RATE_NEW")
    }
    done = from_prices(folder)
    assert done.returncode == 0, done.stderr
    found = read_json(done.stdout)
    assert list(found["positions"]) == ["STOCK"]
    assert [note for note in found["notes"] if note.startswith("left out")] == [
        f"left out, no volatility and no forecast: RATE_NEW (last price {last['RATE_NEW']['PRICE']:.10g} of "
        "2022-06-30)",
        f"left out, no price for more than 90 days: RATE_OLD (last price {last['RATE_OLD']['PRICE']:.10g} of "
        "2022-02-24)",
    ]
    changed_prices(folder, "RATE_NEW", lambda series: series.set_axis(series.index - pd.Timedelta(days=140)))
    both = read_json(from_prices(folder).stdout)["notes"]
    assert (
        sum("no price for more than 90 days and no volatility and no forecast: RATE_NEW (" in note for note in both)
        == 1
    )
    alone = read_json(from_prices(folder, "--instruments", "STOCK").stdout)["notes"]
    assert not [note for note in alone if "left out" in note]
    early = read_json(from_prices(folder, "--date", "2021-12-01").stdout)["notes"]
    assert "left out, no price yet: RATE_NEW" in early


def test_many_that_are_left_out_for_one_reason_are_one_line() -> None:
    market = simulated_market(2, start="2018-01-01", end="2019-12-31")
    gone = [f"{name}" for name in market.instruments[:8]]
    frames = {name: getattr(market, name).copy() for name in ("prices", "adjusted")}
    for frame in frames.values():
        frame.loc["2019-06-01":, gone] = np.nan
    thin = Market(**frames, fx=market.fx, specifications=market.specifications)
    problem = Inputs(thin, Strategy(), 1e7).problem(thin.days[-1])
    assert set(problem.instruments) == set(market.instruments) - set(gone)
    (line,) = notes_of_left_out(thin, thin.instruments, problem, Strategy())
    assert line.startswith(f"left out, no price for more than 90 days: {gone[0]} (last price ")
    assert line.endswith(" of 2019-05-31) and 2 more")
    assert line.count("(last price") == 6


def test_a_last_day_of_one_instrument_or_in_the_future_is_named(tmp_path: Path) -> None:
    folder = folder_of_prices(tmp_path / "d", {})
    held = tmp_path / "h.csv"
    held.write_text("instrument,position\nRATE_OLD,1\n")

    def mistyped(days: int) -> Any:
        def change(series: pd.Series) -> pd.Series:
            return series.set_axis([*series.index[:-1], pd.Timestamp("2022-06-30") + pd.Timedelta(days=days)])

        return change

    changed_prices(folder, "STOCK", mistyped(32))
    notes = read_json(from_prices(folder, "--held", held).stdout)["notes"]
    said = "most instruments have their last price more than 10 days before the last day, 2022-08-01: that of STOCK"
    assert sum(note.startswith(said) for note in notes) == 1
    changed_prices(folder, "STOCK", mistyped(365 * 200 + 51))
    notes = read_json(from_prices(folder).stdout)["notes"]
    today = datetime.datetime.now(datetime.UTC).date()
    day = pd.Timestamp("2022-06-30") + pd.Timedelta(days=365 * 200 + 51)
    assert f"the last day, {day:%Y-%m-%d}, is later than today, {today}: that of STOCK; is the date mistyped?" in notes
    failed = from_prices(folder, "--held", held)
    assert failed.returncode == 2
    assert (
        f"held of RATE_OLD: is held and has no price for more than 90 days on {day:%Y-%m-%d} (the last is of "
        "2022-06-30), the last day of STOCK alone; close it by hand, or leave it out"
    ) in failed.stderr
    changed_prices(folder, "STOCK", lambda series: series * ([1.0] * (len(series) - 1) + [9.0]))  # suspect
    failed = from_prices(folder)
    assert failed.returncode == 2
    assert f"no instrument can be held on {day:%Y-%m-%d}, the last day of STOCK alone" in failed.stderr


def test_the_day_of_a_decision_is_that_of_the_instruments_with_a_target(tmp_path: Path) -> None:
    folder = folder_of_prices(tmp_path / "d", {})
    changed_prices(folder, "STOCK", lambda series: series.set_axis([*series.index[:-1], pd.Timestamp("2222-07-01")]))
    (tmp_path / "t.csv").write_text("instrument,position\nRATE_OLD,5\nRATE_NEW,60\n")
    found = read_json(from_prices(folder, "--targets", tmp_path / "t.csv").stdout)
    assert found["date"] == "2022-06-30"
    assert set(found["days_since_price"].values()) == {0}
    assert not [note for note in found["notes"] if "2222" in note]


def test_notes_of_the_last_day_compare_with_today() -> None:
    market = simulated_market(instruments=["US10", "CORN"], start="2019-01-01", end="2019-06-28")
    assert list(notes_of_last_day(market, datetime.date(2019, 6, 28))) == []
    assert list(notes_of_last_day(market, datetime.date(2019, 6, 27))) == [
        "the last day, 2019-06-28, is later than today, 2019-06-27: that of CORN, US10; is the date mistyped?"
    ]


def test_what_is_held_and_left_out_by_the_reader_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = folder_of_prices(tmp_path / "d", {})
    changed_prices(folder, "RATE_OLD", lambda series: series.iloc[:1])
    (tmp_path / "h.csv").write_text("instrument,position\nRATE_OLD,1\n")
    (tmp_path / "t.csv").write_text("instrument,position\nRATE_OLD,1\nSTOCK,4\n")
    why = "left out of the data: 1 rows of prices are left, and 2 are needed"
    assert f"held of RATE_OLD: is held and is {why}" in from_prices(folder, "--held", tmp_path / "h.csv").stderr
    said = from_prices(folder, "--targets", tmp_path / "t.csv").stderr
    assert f"targets of RATE_OLD: has a target and is {why}" in said


def test_what_is_held_and_has_little_history_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    folder = folder_of_prices(tmp_path / "d", {})
    changed_prices(folder, "RATE_OLD", lambda series: series.iloc[-30:])
    (tmp_path / "h.csv").write_text("instrument,position\nRATE_OLD,1\n")
    first = pd.bdate_range("2021-01-01", "2022-06-30")[-30]
    assert (
        "is held and has no volatility and no forecast on 2022-06-30, with 30 prices from "
        f"{first:%Y-%m-%d} to 2022-06-30; close it by hand"
    ) in from_prices(folder, "--held", tmp_path / "h.csv").stderr


def test_a_file_of_nothing_held_and_one_that_does_not_name_a_target_are_said(files: Path) -> None:
    (files / "held.csv").write_text("instrument,position\n")
    assert live(files).stderr == (
        "note: held.csv has a header and no rows: the trades are those of an account that holds nothing\n"
    )
    (files / "held.csv").write_text("instrument,position\nGOLD,4\nES,-1\n")
    assert live(files).stderr == "note: not named in held.csv, counts as not held: US10\n"
    (files / "held.csv").write_text("instrument,position\nGOLD,4\n")
    assert live(files).stderr == "note: not named in held.csv, count as not held: ES, US10\n"


def test_a_cost_in_another_unit_names_its_instrument(files: Path) -> None:
    (files / "targets.csv").write_text(TARGETS.replace("1e-4", "1e-2"))
    assert pytest.approx(0.17, abs=0.005) == 1e-2 / 0.06
    assert live(files).stderr == (
        "note: a trade costs more than 5% of the annual risk of its contract: US10 (16.7%); are costs in the right "
        "units?\n"
    )
    (files / "targets.csv").write_text(TARGETS.replace("1e-4", "29e-4"))  # 4.8 %
    assert live(files).stderr == ""


@pytest.mark.parametrize("repeats", [1, 2, 9, 10, 11, 14, 40])
def test_a_price_that_repeats_is_as_old_as_the_first_of_the_equal_closes(tmp_path: Path, repeats: int) -> None:
    folder = folder_of_prices(tmp_path / "d", {})

    def stuck(series: pd.Series) -> pd.Series:
        return series.mask(np.arange(len(series)) >= len(series) - repeats).ffill()

    changed_prices(folder, "STOCK", stuck)
    notes = read_json(from_prices(folder).stdout)["notes"]
    days = pd.bdate_range("2021-01-01", "2022-06-30")
    first = days[-1 - repeats]
    age = (days[-1] - first).days
    equal = f"the last {repeats + 1} closes of STOCK are equal, since {first:%Y-%m-%d}"
    assert [note for note in notes if "closes of" in note] == ([equal] if repeats > 1 else [])
    old = [note for note in notes if "STOCK" in note and ("no price of" in note or "no new price" in note)]
    if repeats <= 10:  # none is dropped
        assert old == []
    elif repeats == 40:
        (line,) = old
        assert line.startswith(f"STOCK: no new price since {first:%Y-%m-%d} ({age} days): it is closed and stays at 0")
    else:
        assert old == [f"no price of 2022-06-30, the last one is taken: STOCK ({age} days)"]


def test_a_folder_in_the_place_of_a_problem_is_said_to_be_one(tmp_path: Path) -> None:
    assert refusal(run("rebalance", tmp_path)).endswith(f"{tmp_path}: is a folder: did you mean --data?\n")


def test_a_covariance_of_more_and_a_buffer_of_five_are_said(files: Path) -> None:
    names = [*NAMES, "CORN"]
    sigma = np.eye(4) * 0.04
    sigma[:3, :3] = SIGMA
    write(files / "covariance.csv", sigma, names)
    done = live(files, "--buffer-fraction", 5, "--json")
    assert done.returncode == 0
    first, second = read_json(done.stdout)["notes"]
    assert first == "the covariance has CORN without a target, which is left out"
    assert second.startswith("the buffer is 5 times the risk target")
    assert live(files, "--buffer-fraction", 0.5).stderr == f"note: {first}\n"
    assert live(files, "--buffer-fraction", 5, "--buffer-rule", "none").stderr == f"note: {first}\n"


# The rank of a covariance


@pytest.mark.parametrize(("size", "days"), [(20, 12), (20, 60), (12, 8)])
def test_a_covariance_of_fewer_days_than_instruments_says_its_rank(size: int, days: int) -> None:
    random = np.random.default_rng(size + days)
    returns = np.outer(random.normal(0, 0.01, days), random.uniform(0.3, 1.5, size))
    returns += random.normal(0, 0.01, (days, size))
    returns[:, 0] = 0.0  # never moved
    problem = Problem(
        np.cov(returns.T) * 256, random.normal(0, 1.5, size), random.uniform(0.02, 0.3, size),
        cost_in_weight_terms=1e-4, instruments=[f"I{place}" for place in range(size)],
    )  # fmt: skip
    found = solve(problem, time_limit=5)
    assert found.status.value in ("optimal", "feasible")
    assert found.lower_bound <= found.objective < np.inf
    rank = np.linalg.matrix_rank(returns - returns.mean(axis=0))
    said = [note for note in found.notes if "rank" in note]
    if rank == size - 1:
        assert said == []
    else:
        assert len(said) == 1
        assert said[0].startswith(f"covariance: rank {rank} with {size - 1} instruments")


def test_sizes_of_one_contract_are_one_in_the_rank_whatever_the_digits_of_the_file() -> None:
    same = np.array([[1, 1, 0.2], [1, 1, 0.2], [0.2, 0.2, 1]]) * np.outer([0.18, 0.18, 0.06], [0.18, 0.18, 0.06])
    for digits in (17, 10):
        sigma = np.array([[float(f"{number:.{digits}g}") for number in row] for row in same])
        found = Problem(sigma, [0.3, 2.0, 1.0], 0.1, instruments=["ES", "ES_micro", "US10"])
        assert not [note for note in found.notes if "rank" in note]


# Errors that name the cause


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace(",", ";"), "has semicolons between its cells; write commas, and points in numbers"),
        (lambda text: text.replace(",", "\t"), "has tabs between its cells"),
        (lambda text: text.replace("1.6", "1,6"), "a decimal comma makes two cells of a number: write a point"),
        (lambda text: text.replace("1.6", '"1,6"'), "line 2, column position: expected a number, found '1,6'; write a"),
        (lambda text: text.replace("1.6", '"1,001.6"'), "found '1,001.6'; write a point before decimals, and nothing"),
        (lambda text: text.replace("position", "positions", 1), "the column position is missing; is it 'positions'?"),
    ],
    ids=["semicolons", "tabs", "decimal comma", "quoted", "thousands", "heading"],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(files: Path, change: Any, said: str) -> None:
    (files / "targets.csv").write_text(change(TARGETS))
    assert said in refusal(live(files))


def test_a_missing_file_or_folder_is_said_to_be_missing(files: Path) -> None:
    (files / "held.csv").unlink()
    assert refusal(live(files)).endswith("held.csv: there is no such file\n")
    gone = files / "gone"
    assert f"x.csv: there is no folder {gone}" in refusal(live(files, "--out", gone / "x.csv"))
    assert "p.json: there is no such file" in refusal(run("solve", files / "p.json"))


def test_a_folder_that_holds_no_study_is_said_in_our_words(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "settings.json").write_text('{"format": "dynopt-milp study 3"}')
    assert "rebalances.parquet is missing" in refusal(run("report", tmp_path / "other"))
    assert "does not exist" in refusal(run("report", tmp_path / "gone"))
    for name, content in (("settings.json", "{}"), ("rebalances.parquet", "PAR"), ("summary.csv", "a\n1\n")):
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"rebalances\.parquet is damaged, or no Parquet at all; run dynopt-milp gap"):
        read_study(tmp_path)


def test_inputs_of_an_equal_strategy_are_taken() -> None:
    market = simulated_market(instruments=["US10", "CORN"], start="2018-01-01", end="2019-02-28")
    inputs = Inputs(market, Strategy(), 1e6)
    again = simulated_market(instruments=["US10", "CORN"], start="2018-01-01", end="2019-02-28")
    run_of = backtest(again, Strategy(), capital=1e6, start="2019-02-01", inputs=inputs)
    alone = backtest(market, capital=1e6, start="2019-02-01")
    pd.testing.assert_frame_equal(run_of.positions, alone.positions)
    for changed, what in (
        ({"strategy": Strategy(risk_target=0.1)}, "strategy"), ({"capital": 2e6}, "capital"),
        ({"market": market.select(["CORN"])}, "market"),
    ):  # fmt: skip
        arguments: dict[str, Any] = {"market": market, "strategy": Strategy(), "capital": 1e6} | changed
        with pytest.raises(InputError, match=f"inputs: were prepared for another {what}"):
            backtest(start="2019-02-01", inputs=inputs, **arguments)


def test_the_list_of_methods_says_how_cvxpy_is_asked_for(files: Path) -> None:
    said = refusal(live(files, "--optimizer", "simplex"))
    assert "enumerate, cvxpy:SOLVER" in said
    for command in ("solve", "rebalance", "backtest"):
        text = " ".join(run(command, "--help").stdout.replace("│", " ").split())
        assert "cvxpy" in text
        assert "cvxpy," not in text
        assert "cvxpy " not in text


@pytest.mark.parametrize("seconds", [0.3, 0.6])
def test_an_interrupt_while_the_command_still_imports_leaves_no_traceback(seconds: float) -> None:
    child = subprocess.Popen([*COMMAND, "demo", "--quick"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (130, "interrupted\n")


def test_a_program_that_imports_the_package_keeps_its_interrupts() -> None:
    code = "import signal, dynopt_milp; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([COMMAND[0], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_a_worker_of_the_command_keeps_its_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, original, command in (
        (["/bin/dynopt-milp", "gap"], ["python", "/bin/dynopt-milp", "gap"], True),
        (["/bin/dynopt-milp", "gap"], ["python", "-c", "from multiprocessing.spawn import spawn_main"], False),
        (["-m", "gap"], ["python", "-m", "dynopt_milp", "gap"], True),
        (["-m"], ["python", "-m", "comparisons.swap_in"], False),
        (["study.py", "dynopt_milp"], ["python", "study.py", "dynopt_milp"], False),
    ):
        monkeypatch.setattr("sys.argv", words)
        monkeypatch.setattr("sys.orig_argv", original)
        assert is_command() == command


def test_a_failed_run_is_logged_without_notes(files: Path) -> None:
    assert live(files, "--log", files / "log.jsonl", "--optimizer", "simplex").returncode == 2
    assert json.loads((files / "log.jsonl").read_text())["status"] == "failed"
