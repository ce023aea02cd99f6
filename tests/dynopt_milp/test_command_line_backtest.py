"""backtest, compare and rebalance from raw prices, as a user meets them: output, files and exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dynopt_milp.backtests.compare import run_comparison
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.data import guide_frames, simulated_market
from dynopt_milp.show import draw_backtests, draw_comparison, pictures, show_backtests, show_comparison
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.from_prices import problem_of_day
from dynopt_milp.trades.rebalancing import rebalance
from tests.command_line import COMMAND, read_json, run
from tests.conftest import real_futures, shared

FEW = "US10,BUND,ES_micro,EUR_micro,GOLD_micro,CORN"
QUARTER = ("--start", "2018-01-01", "--end", "2018-03-31", "--instruments", FEW)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of the guide."""
    folder = tmp_path_factory.mktemp("prices")
    market = simulated_market(instruments=["US10", "ES_micro", "GOLD_micro"], start="2016-01-01", end="2018-12-31")
    data, table = guide_frames(market)
    for name, frame in data.items():
        frame[["Last"]].to_csv(folder / f"{name.lower()}_daily_data.csv")
    table.to_csv(folder / "instruments.csv", index=False)
    return folder


def test_a_backtest_on_real_prices_leaves_the_documented_files(tmp_path: Path) -> None:
    out = tmp_path / "R"
    arguments = [
        "backtest", "--data", shared("data/pysystemtrade"), "--start", "2019-08-01", "--end", "2019-09-30",
        "--capital", 250_000, "--frequency", "weekly", "--optimizer", "exact", "--also", "greedy", "--out", out,
    ]  # fmt: skip
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "42 instruments, 2000-01-03 to 2019-12-31" in done.stdout
    assert "proven optimal" in done.stdout
    assert {path.name for path in out.iterdir() if path.name[0] != "."} == {
        "backtest.png", "data.npz", "instruments.csv", "journal.jsonl", "performance.json", "positions.csv",
        "profits.csv", "rebalances.csv", "returns.csv", "settings.json",
    }  # fmt: skip
    rows = pd.read_csv(out / "rebalances.csv")
    assert list(rows.columns[:13]) == [
        "date", "objective", "lower_bound", "gap", "status", "optimizer", "tracking_error_before", "tracking_error",
        "adjustment_factor", "trades", "cost", "seconds", "greedy_objective",
    ]  # fmt: skip
    assert (rows["gap"] <= 1e-6).all()
    assert (rows["objective"] <= rows["greedy_objective"] * (1 + 1e-12)).all()
    assert len(rows) == 9
    columns = ["date", "gross", "trading_cost", "roll_cost", "cost", "net", "unrounded"]
    assert list(pd.read_csv(out / "returns.csv").columns) == columns
    assert "simulated" not in done.stdout
    assert "  of rolls" in done.stdout
    assert list(pd.read_csv(out / "positions.csv").columns[:2]) == ["date", "AEX"]
    before = (out / "journal.jsonl").read_bytes()
    again = run(*arguments)
    assert again.returncode == 0
    assert (out / "journal.jsonl").read_bytes() == before


def test_json_is_one_object_on_stdout(tmp_path: Path) -> None:
    done = run("backtest", *QUARTER, "--optimizer", "greedy", "--json")
    content = read_json(done.stdout)
    assert done.returncode == 0
    assert set(content) == {"notes", "performance", "findings", "settings", "preset", "beside"}
    assert content["preset"].startswith("preset recommended: λ = 10,")
    assert content["notes"] == []
    assert content["settings"]["simulated"] is True
    assert content["performance"]["num_rebalances"] == 12
    assert content["settings"]["optimizer"] == "greedy"


@pytest.mark.parametrize("command", [("backtest", "--optimizer", "rounded"), ("compare", "--optimizers", "rounded")])
def test_rolls_that_cost_nothing_are_shown_where_they_are_known(command: tuple[str, ...]) -> None:
    short = ("--start", "2018-01-01", "--end", "2018-02-10", "--instruments", "US10,BUND,CORN", "--roll-trades", "0")
    done = run(*command, *short)
    assert (done.returncode, done.stderr) == (0, "")
    if command[0] == "backtest":
        assert ["of", "rolls", "0.00%"] in [line.split() for line in done.stdout.splitlines()]
        assert "not proven" not in done.stdout
    else:
        assert "rolls" in next(line for line in done.stdout.splitlines() if "ratio" in line).split()


def test_runs_beside_are_in_the_table_and_in_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "R"
    options = (
        "--optimizer",
        "greedy",
        "--beside",
        "unrounded,rounded",
        "--compound",
        "--roll-trades",
        "2",
        "--out",
        out,
    )
    done = run("backtest", *QUARTER, *options)
    assert (done.returncode, done.stderr) == (0, "")
    about = next(line for line in done.stdout.splitlines() if line.startswith("TrendFollowing, risk_parity: "))
    assert "USD, compounding, weekly, " in about
    assert "costs a year, share of the account" in done.stdout
    assert "2 trades a roll" in " ".join(done.stdout.split())
    assert "simulated prices" in " ".join(done.stdout.split())
    assert next(line.split() for line in done.stdout.splitlines() if "greedy" in line) == [
        "greedy",
        "unrounded",
        "rounded",
    ]
    run_of = {name: Backtest.load(out / "beside" / name) for name in ("unrounded", "rounded")}
    assert all(one.settings["compound"] and one.settings["roll_trades"] == 2 for one in run_of.values())
    assert read_json((out / "performance.json").read_text())["simulated"] is True
    wrong = run("backtest", *QUARTER, "--beside", "magic")
    assert wrong.returncode == 2
    assert "beside: there is no 'magic'; there are unrounded, rounded, buffered" in " ".join(wrong.stderr.split())


def test_tables_and_pictures_say_what_is_counted_and_of_what(monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(pictures, "save_picture", lambda figure, path: titles.append(figure.get_suptitle()))
    market = simulated_market(instruments=["US10", "BUND", "CORN"], start="2016-01-01", end="2018-12-31")
    assert market.contract_months is not None
    part = replace(market, contract_months=market.contract_months.assign(CORN=np.nan))
    every = {
        "trades and rolls": market,
        "trades; rolls where contract months are known (always for 2 of 3 held instruments)": part,
        "trades (rolls are not counted)": replace(market, contract_months=None),
    }
    for words, given in every.items():
        for compound, capital in ((False, "capital"), (True, "the account")):
            runs = run_comparison(
                given, {"own": Strategy()}, ["unrounded", "rounded"], capital=1e6, start="2018-06-01",
                end="2018-08-31", compound=compound,
            )  # fmt: skip
            by_name = {name: one for (_, name), one in runs.items()}
            table, comparison = Console(record=True, file=StringIO()), Console(record=True, file=StringIO())
            show_backtests(by_name, table)
            show_comparison(runs, comparison)
            draw_backtests(by_name, "backtest.png")
            draw_comparison(runs, "comparison.png")
            shown, compared = (" ".join(console.export_text().split()) for console in (table, comparison))
            assert f"costs counted: {words} " in shown
            assert f"costs a year, share of {capital} " in shown
            assert f"A year, shares of {capital}; " in compared
            assert f"Costs counted: {words}. " in compared
            for title in titles[-2:]:
                assert " ".join(title.split()).startswith(f"Profit net of {words}")
    assert len(titles) == 12


def test_a_comparison_does_not_write_among_other_files(prices: Path) -> None:
    done = run("compare", "--data", prices, "--out", prices, "--portfolios", "risk-parity", "--optimizers", "rounded")
    assert done.returncode == 2
    assert "holds something else than a comparison" in done.stderr
    assert not (prices / "risk-parity").exists()


def test_an_interrupted_backtest_goes_on_with_the_same_command(tmp_path: Path) -> None:
    arguments = [
        *COMMAND, "backtest", "--start", "2010-01-01", "--end", "2013-12-31", "--instruments", FEW,
        "--frequency", "daily", "--optimizer", "exact", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    journal = tmp_path / "run" / "journal.jsonl"
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(2400):
        if journal.exists() and journal.read_text().count("\n") >= 5:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same again to go on" in errors
    assert "Traceback" not in errors
    kept = journal.read_text()
    assert kept.count("\n") >= 5
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while journal.read_text().count("\n") < kept.count("\n") + 3 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert journal.read_text().startswith(kept)


def test_compare_prints_a_table_and_keeps_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "compared"
    done = run(
        "compare", *QUARTER, "--out", out, "--portfolios", "risk-parity,single-best", "--optimizers",
        "unrounded,rounded,greedy,exact", "--capital", 300_000,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    table = pd.read_csv(out / "comparison.csv")
    assert table[["strategy", "optimizer"]].to_numpy().tolist() == [
        [strategy, optimizer]
        for strategy in ("risk-parity", "single-best")
        for optimizer in ("unrounded", "rounded", "greedy", "exact")
    ]
    assert (table.loc[table["optimizer"] == "exact", "num_optimal"] == 12).all()
    assert (out / "comparison.png").stat().st_size > 10_000
    run_kept = Backtest.load(out / "risk-parity" / "greedy")
    assert table.loc[2, "sharpe_ratio"] == pytest.approx(run_kept.performance["sharpe_ratio"])


def test_todays_trades_from_raw_prices_and_held_positions(tmp_path: Path) -> None:
    folder = shared("data/pysystemtrade")
    (tmp_path / "held.csv").write_text("instrument,position\nGOLD_micro,2\nUS10,-1\nCORN,0\n")
    done = run(
        "rebalance", "--data", folder, "--date", "2019-08-13", "--capital", 250_000, "--held", tmp_path / "held.csv",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = read_json(done.stdout)
    assert content["status"] == "optimal"
    assert content["previous_positions"]["GOLD_micro"] == 2
    held = {"GOLD_micro": 2, "US10": -1}
    problem = problem_of_day(real_futures(), Strategy(), 250_000, "2019-08-13", held)
    assert content["positions"] == rebalance(problem).positions.to_dict()
    for name, trade in content["trades"].items():
        assert content["positions"][name] == held.get(name, 0) + trade


def test_the_guides_folder_is_recognised(prices: Path) -> None:
    done = run("rebalance", "--data", prices, "--capital", 100_000, "--optimizer", "greedy")
    assert done.returncode == 0
    assert all(line.startswith("note: ") for line in done.stderr.splitlines())
    assert "rule" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backtest", "--data", "nowhere"], "nowhere: is not a folder"),
        (["backtest", "--data", "."], "has no prices in a known layout"),
        (["backtest", "--instruments-table", "table.csv"], "--instruments-table: is of a price folder; give --data"),
        (["backtest", "--optimizer", "magic"], "optimizer: there is no 'magic'; there are unrounded, rounded"),
        (["backtest", "--also", "magic"], "also: there is no 'magic'; there are same_side, exact"),
        (["compare", "--optimizers", "exact,magic"], "optimizers: there is no 'magic'; there are unrounded, rounded"),
        (["gap", "--out", "G", "--also", "magic"], "also: there is no 'magic'; there are exact"),
        (["backtest", "--frequency", "hourly", *QUARTER], "there is no 'hourly'; there are daily, weekly, monthly"),
        (["backtest", "--weights", "all"], "weights: there is no 'all'"),
        (["backtest", "--forecasts", "magic"], "forecasts: there is no 'magic'; there are trend, long-only"),
        (["backtest", "--instruments", "US10,COCOA"], "COCOA"),
        (["backtest", "--capital", "-5", *QUARTER], "capital: expected a positive number"),
        (["backtest", "--start", "2040-01-01"], "fewer than two days"),
        (["backtest", "--start", "tomorrow-ish"], "start: expected a date as 2019-12-31, found 'tomorrow-ish'"),
        (["backtest", "--end", "01/02/2019"], "end: expected a date as 2019-12-31, found '01/02/2019'"),
        (["backtest", "--shrinkage", "2", *QUARTER], "shrinkage: expected a share"),
        (["backtest", "--optimizer", "greedy", "--buffer-rule", "edge", *QUARTER], "greedy search is defined for"),
        (["compare", "--portfolios", "risk-parity,risk-parity"], "portfolios: expected a list of distinct names"),
        (["compare", "--portfolios", "everything"], "portfolios: there is no 'everything'"),
        (["rebalance"], "give a problem file; or --targets with"),
        (["rebalance", "--data", "."], "--capital: is needed"),
        (
            ["rebalance", "problem.json", "--capital", "5"],
            "--capital: makes no sense where a problem file says all that is minimised",
        ),
        (["rebalance", "problem.json", "--data", "."], "not both"),
        (
            ["rebalance", "problem.json", "--cost-multiplier", "5"],
            "--cost-multiplier: makes no sense where a problem file says all that is minimised",
        ),
        (["backtest", "--base-currency", "EUR"], "--base-currency: the simulated market is in USD"),
        (["backtest", "--gap", "5", *QUARTER], "gap: expected a number between 0 and 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("instrument,contracts\nUS10,1\n", "the column position is missing; the columns are instrument, contracts"),
        ("instrument,position\nUS10,1.5\n", "line 2, column position: expected whole contracts, found '1.5'"),
        ("instrument,position\nUS10,inf\n", "line 2, column position: expected whole contracts, found 'inf'"),
        ("instrument,position\nUS10,one\n", "line 2, column position: expected a number, found 'one'"),
        ("instrument,position\nUS10,1\nUS10,2\n", "of US10: appears more than once"),
        ("instrument,position\n,2\n", "line 2, column instrument: expected a name, found ''"),
        ("instrument,position\nCOCOA,2\n", "held of COCOA: is held and is not in the data"),
        ("", "is empty; expected a header and rows"),
    ],
)
def test_bad_held_positions_are_one_line(prices: Path, tmp_path: Path, content: str, message: str) -> None:
    held = tmp_path / "held.csv"
    held.write_text(content)
    done = run("rebalance", "--data", prices, "--capital", 100_000, "--held", held)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_rebalances_that_hit_the_time_limit_are_counted_and_said(tmp_path: Path) -> None:
    done = run(
        "backtest", "--start", "2019-01-01", "--end", "2019-01-31", "--capital", 2_000_000, "--time-limit", "0",
        "--cost-multiplier", 0, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    figures = json.loads((tmp_path / "run" / "performance.json").read_text())
    assert figures["num_not_proved"] + figures["num_optimal"] == figures["num_rebalances"] > 0
    assert figures["num_not_proved"] > 0
    assert "not proven" in done.stdout
