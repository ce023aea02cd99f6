"""Live use: targets and held positions in, trades out, as a user meets it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, LimitsError, Problem, rebalance, simulated_market
from dynopt_milp.data import market_from_frames, read_market
from dynopt_milp.errors import InputError
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.decision_log import DecisionLog
from dynopt_milp.trades.from_targets import problem_of_day_and_targets, problem_of_targets
from dynopt_milp.trades.input_files import read_targets
from tests.command_line import COMMAND, read_json, run
from tests.random_programs import hard_problem

NAMES = ["US10", "ES", "GOLD"]
SIGMA = np.outer([0.06, 0.18, 0.15], [0.06, 0.18, 0.15]) * np.array([[1, -0.3, 0.1], [-0.3, 1, 0.2], [0.1, 0.2, 1]])
TARGETS = """\
instrument,position,weight_per_contract,cost_in_weight_terms
ES,1.6,0.3,2e-4
US10,3.4,0.5,1e-4
GOLD,-2.3,0.4,3e-4
"""
HELD = "instrument,position\nGOLD,4\nES,-1\nUS10,0\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "targets.csv").write_text(TARGETS)
    (tmp_path / "held.csv").write_text(HELD)
    pd.DataFrame(SIGMA, index=NAMES, columns=NAMES).to_csv(tmp_path / "covariance.csv")
    return tmp_path


def live(folder: Path, *further: object) -> CompletedProcess[str]:
    return run(
        "rebalance", "--targets", folder / "targets.csv", "--covariance", folder / "covariance.csv", "--held",
        folder / "held.csv", *further,
    )  # fmt: skip


def the_problem(**changes: Any) -> Problem:
    given: dict[str, Any] = {
        "covariance": pd.DataFrame(SIGMA, NAMES, NAMES),
        "optimal_positions": {"ES": 1.6, "US10": 3.4, "GOLD": -2.3},
        "weight_per_contract": {"ES": 0.3, "US10": 0.5, "GOLD": 0.4},
        "previous_positions": {"ES": -1, "US10": 0, "GOLD": 4},
        "cost_in_weight_terms": {"ES": 2e-4, "US10": 1e-4, "GOLD": 3e-4},
        "instruments": ["ES", "US10", "GOLD"],
    }
    return Problem(**given | changes)


def test_targets_held_positions_and_a_covariance_become_trades(files: Path) -> None:
    done = run(
        "rebalance", "--targets", files / "targets.csv", "--covariance", files / "covariance.csv", "--held",
        files / "held.csv", "--out", files / "trades.csv", "--log", files / "log.jsonl",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    expected = rebalance(the_problem())
    table = pd.read_csv(files / "trades.csv", index_col="instrument")
    assert table["trade"].to_dict() == expected.trades.to_dict()
    assert (table["held"] + table["trade"] == table["position"]).all()
    assert table["target"].to_dict() == {"ES": 1.6, "US10": 3.4, "GOLD": -2.3}
    assert set(table["status"]) == {"optimal"}
    line = read_json((files / "log.jsonl").read_text())
    assert line["trades"] == expected.trades.to_dict()
    assert line["status"] == "optimal"
    assert line["objective"] == pytest.approx(expected.optimised.objective, rel=1e-12)
    assert line["lower_bound"] <= line["objective"]
    assert line["out"] == str(files / "trades.csv")


def test_trades_as_json_are_what_json_prints(files: Path) -> None:
    done = live(files, "--out", files / "trades.json", "--json")
    assert read_json(done.stdout) == read_json((files / "trades.json").read_text())
    assert live(files, "--out", files / "trades.json", "--json").returncode == 0  # the next day writes over it


def test_weights_from_prices_and_capital(files: Path) -> None:
    text = "instrument,position,price,multiplier,fx,cost_per_contract\nES,1.6,5000,5,1,1.2\nUS10,3.4,110,1000,1,9\n"
    (files / "targets.csv").write_text(text)
    (files / "held.csv").write_text("instrument,position\nGOLD,0\nUS10,1\n")
    found = read_json(live(files, "--capital", 250_000, "--json").stdout)
    problem = Problem.from_market(
        capital=250_000, prices={"ES": 5000, "US10": 110}, multipliers={"ES": 5, "US10": 1000},
        covariance=pd.DataFrame(SIGMA[:2, :2], NAMES[:2], NAMES[:2]), optimal_positions={"ES": 1.6, "US10": 3.4},
        previous_positions={"ES": 0, "US10": 1}, cost_per_contract={"ES": 1.2, "US10": 9},
    )  # fmt: skip
    assert found["positions"] == rebalance(problem).positions.to_dict()
    assert "capital: is needed with prices" in live(files).stderr


BELOW_ZERO = """\
instrument,position,price,reference_price,multiplier,cost_per_contract
ES,1.6,5000,,5,1.2
CRUDE,-1.7,-37.63,5.5,500,8
US10,3.4,110,110,1000,9
"""


@pytest.fixture
def below_zero(files: Path) -> Path:
    names = ["CRUDE", "ES", "US10"]
    sigma = np.diag([4.5**2, 0.18**2, 0.06**2])
    pd.DataFrame(sigma, names, names).to_csv(files / "covariance.csv")
    (files / "targets.csv").write_text(BELOW_ZERO)
    (files / "held.csv").write_text("instrument,position\nCRUDE,1\nES,0\nUS10,0\n")
    return files


def test_a_price_below_zero_with_a_reference_price(below_zero: Path) -> None:
    done = live(
        below_zero, "--capital", 250_000, "--json", "--out", below_zero / "t.json", "--log", below_zero / "log.jsonl"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = read_json(done.stdout)
    names = ["CRUDE", "ES", "US10"]
    weight = {"CRUDE": 500 * 5.5 / 250_000, "ES": 5 * 5000 / 250_000, "US10": 1000 * 110 / 250_000}
    by_hand = rebalance(
        Problem(
            covariance=pd.DataFrame(np.diag([4.5**2, 0.18**2, 0.06**2]), names, names),
            optimal_positions={"ES": 1.6, "CRUDE": -1.7, "US10": 3.4}, weight_per_contract=weight,
            previous_positions={"CRUDE": 1, "ES": 0, "US10": 0},
            cost_in_weight_terms={
                name: cost / 250_000 / weight[name] for name, cost in {"CRUDE": 8, "ES": 1.2, "US10": 9}.items()
            },
        )
    )  # fmt: skip
    assert found["positions"] == by_hand.positions.to_dict()
    assert found["optimised"]["objective"] == pytest.approx(by_hand.optimised.objective, rel=1e-12)
    assert found["positions"]["CRUDE"] < 0
    # What stood in for a price is said wherever the decision is.
    assert found["reference_prices"] == {"CRUDE": 5.5}
    assert read_json((below_zero / "t.json").read_text())["reference_prices"] == {"CRUDE": 5.5}
    assert read_json((below_zero / "log.jsonl").read_text())["reference_prices"] == {"CRUDE": 5.5}
    said = "CRUDE: price -37.63; its weight and covariance are by the reference price 5.5\n"
    assert done.stderr.startswith(said)
    assert live(below_zero, "--capital", 250_000).stdout.startswith(said)


def test_reference_prices_that_are_the_prices_change_nothing(below_zero: Path) -> None:
    text = BELOW_ZERO.replace("-37.63", "20")
    answers = []
    for reference in ("20", ""):
        (below_zero / "targets.csv").write_text(text.replace("5.5", reference))
        done = live(below_zero, "--capital", 250_000, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        answers.append(read_json(done.stdout))
    lines = [line.split(",") for line in text.splitlines()]
    (below_zero / "targets.csv").write_text("".join(",".join([*line[:3], *line[4:]]) + "\n" for line in lines))
    answers.append(read_json(live(below_zero, "--capital", 250_000, "--json").stdout))
    assert not any("reference_prices" in answer for answer in answers)
    for answer in answers[1:]:
        assert answer["positions"] == answers[0]["positions"]
        assert answer["optimised"]["objective"] == answers[0]["optimised"]["objective"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("5.5", "", "prices of CRUDE: expected a positive number, found -37.63; give a reference price too"),
        ("reference_price", "note", "prices of CRUDE: expected a positive number, found -37.63; give a reference"),
        ("5.5", "0", "reference_prices of CRUDE: expected a positive number, found 0"),
        ("5.5", "-5.5", "reference_prices of CRUDE: expected a positive number, found -5.5"),
        ("5.5", "a tenth", "line 3, column reference_price: expected a number, found 'a tenth'"),
        ("5.5", "inf", "of CRUDE: line 3, column reference_price: expected a number, found 'inf'"),
        ("-37.63", "", "of CRUDE: line 3, column price: expected a number, found ''"),
        ("reference_price", "reference_prices", "'reference_prices' is not known; is it 'reference_price'?"),
        ("multiplier", "weight_per_contract", "price: is not used where there is weight_per_contract"),
    ],
)
def test_a_bad_reference_price_is_one_line(below_zero: Path, old: str, new: str, message: str) -> None:
    (below_zero / "targets.csv").write_text(BELOW_ZERO.replace(old, new))
    done = live(below_zero, "--capital", 250_000)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_volatility_by_a_reference_price_is_not_taken_for_one_in_per_cent() -> None:
    terms = {"position": -1.7, "price": -37.63, "multiplier": 500.0, "cost_per_contract": 8.0}
    targets = pd.DataFrame([terms | {"reference_price": 5.5}], ["CRUDE"])
    sigma = pd.DataFrame([[4.5**2]], ["CRUDE"], ["CRUDE"])
    found = problem_of_targets(targets, sigma, capital=250_000)
    assert found.weight_per_contract.tolist() == [500 * 5.5 / 250_000]
    with pytest.raises(InputError, match=r"prices of CRUDE: .* found -37\.63; give a ref"):
        problem_of_targets(targets.assign(reference_price=np.nan), sigma, capital=250_000)
    at_the_price = targets.assign(price=5.5)
    with pytest.raises(InputError, match="covariance: volatility is 450% a year in the median"):
        problem_of_targets(at_the_price, sigma, capital=250_000)
    with pytest.raises(InputError, match="prices of CRUDE: expected a finite number, found nan"):
        problem_of_targets(targets.assign(price=np.nan), sigma / 9, capital=250_000)


@pytest.mark.parametrize("empty", [np.nan, None, pd.NA], ids=str)
def test_a_reference_price_that_is_missing_is_the_price(empty: Any) -> None:
    targets = pd.DataFrame(
        {"position": 1.5, "price": [5000.0, -37.63], "multiplier": 5.0, "cost_per_contract": 1.2}, ["ES", "CRUDE"]
    )
    targets["reference_price"] = pd.Series([empty, 5.5], targets.index, dtype=object)
    sigma = pd.DataFrame(np.diag([0.03, 20.0]), targets.index, targets.index)
    found = problem_of_targets(targets, sigma, capital=250_000)
    assert found.weight_per_contract.tolist() == [5 * 5000 / 250_000, 5 * 5.5 / 250_000]


def test_where_prices_say_what_a_contract_is_worth_reference_prices_are_not_among_the_targets() -> None:
    market = simulated_market(instruments=["BUND", "CORN"], start="2018-01-01", end="2020-01-10")
    targets = pd.DataFrame({"position": 3.0, "reference_price": 5.0}, index=["CORN", "BUND"])
    with pytest.raises(InputError, match="reference_price: is not used where the prices say"):
        problem_of_day_and_targets(market, Strategy(), 1e6, targets)
    with pytest.raises(InputError, match="reference_price: is not used where there is weight_per_contract"):
        problem_of_targets(
            targets.assign(weight_per_contract=0.1, cost_in_weight_terms=0.0),
            pd.DataFrame(np.eye(2), targets.index, targets.index),
        )


def test_limits_by_number_and_by_rule(files: Path) -> None:
    lines = TARGETS.replace("\n", ",\n", 1).splitlines()
    text = "\n".join([lines[0] + "upper", *(line + (",2" if line.startswith("US10") else ",") for line in lines[1:])])
    (files / "targets.csv").write_text(text)
    found = read_json(live(files, "--no-trade", "GOLD", "--long-only", "ES", "--json").stdout)
    limits = Limits(upper={"US10": 2}, no_trade=["GOLD"], long_only=["ES"])
    assert found["positions"] == rebalance(the_problem(limits=limits)).positions.to_dict()
    assert found["positions"]["US10"] <= 2
    assert found["positions"]["GOLD"] == 4
    still = read_json(live(files, "--no-trade", "all", "--json").stdout)
    assert still["trades"] == {}
    each = read_json(live(files, "--no-trade", "GOLD,ES", "--no-trade", "US10", "--json").stdout)
    assert each["trades"] == {}


def test_a_position_whose_target_is_zero_is_closed_if_one_says_so(files: Path, price_folder: Path) -> None:
    (files / "targets.csv").write_text(TARGETS.replace("GOLD,-2.3", "GOLD,0"))
    for further, limits in (
        ((), Limits()),
        (("--close", "GOLD"), Limits(close=["GOLD"])),
        (("--close", "GOLD,US10", "--no-trade", "ES"), Limits(close=["GOLD", "US10"], no_trade=["ES"])),
        (("--close", "all", "--no-trade", "ES"), Limits(close=True, no_trade=["ES"])),
    ):
        done = live(files, *further, "--json")
        assert done.returncode == 0, done.stderr
        problem = the_problem(optimal_positions={"ES": 1.6, "US10": 3.4, "GOLD": 0}, limits=limits)
        assert read_json(done.stdout)["positions"] == rebalance(problem).positions.to_dict()
    assert read_json(live(files, "--close", "all", "--json").stdout)["trades"] == {"ES": 1, "GOLD": -4}
    dear = TARGETS.replace("GOLD,-2.3,0.4,3e-4", "GOLD,0,0.4,1")  # to trade GOLD does not pay
    (files / "targets.csv").write_text(dear)
    assert "GOLD" not in read_json(live(files, "--json").stdout)["trades"]
    assert read_json(live(files, "--close", "GOLD", "--json").stdout)["trades"]["GOLD"] == -4
    (files / "prices.csv").write_text("instrument,position\nES_micro,0\nUS10,1.7\n")
    (files / "held.csv").write_text("instrument,position\nES_micro,3\nUS10,2\n")
    with_prices = ("rebalance", "--data", price_folder, "--capital", 200_000, "--held", files / "held.csv", "--json")
    for further in ((), ("--targets", files / "prices.csv")):
        found = read_json(run(*with_prices, *further, "--close", "ES_micro").stdout)
        assert found["positions"]["ES_micro"] == 0
        assert found["positions"]["US10"] != 0
    the_problem().to_json(files / "problem.json")
    found = read_json(run("rebalance", files / "problem.json", "--close", "GOLD", "--json").stdout)
    assert found["positions"] == rebalance(the_problem(limits=Limits(close=["GOLD"]))).positions.to_dict()


def test_rules_narrow_what_a_problem_file_allows(files: Path) -> None:
    the_problem(limits=Limits(lower={"GOLD": 1}, upper={"US10": 2})).to_json(files / "problem.json")
    found = read_json(
        run("rebalance", files / "problem.json", "--no-trade", "ES", "--reduce-only", "GOLD", "--json").stdout
    )
    limits = Limits(lower={"GOLD": 1}, upper={"US10": 2}, no_trade=["ES"], reduce_only=["GOLD"])
    assert found["positions"] == rebalance(the_problem(limits=limits)).positions.to_dict()
    assert 1 <= found["positions"]["GOLD"] <= 4
    nothing = live(files, "--close", "")
    assert nothing.returncode == 2
    assert "close: expected names with commas between, or all, found nothing" in nothing.stderr
    crossed = run("rebalance", files / "problem.json", "--close", "GOLD")
    assert crossed.returncode == 2
    assert "limits of GOLD: close and the other limits leave no position" in crossed.stderr


def test_a_problem_file_keeps_its_capital_and_its_one_side(files: Path) -> None:
    with_both = {"capital": 250_000.0, "limits": Limits(one_side=True), "underlying": {"ES": "X", "US10": "X"}}
    the_problem(**with_both).to_json(files / "problem.json")
    done = run("rebalance", files / "problem.json", "--json", "--log", files / "log.jsonl")
    assert read_json(done.stdout)["capital"] == 250_000
    assert read_json((files / "log.jsonl").read_text())["capital"] == 250_000
    assert "of 250,000" in run("rebalance", files / "problem.json").stdout
    refused = run("rebalance", files / "problem.json", "--no-one-side")
    assert refused.returncode == 2
    assert "--no-one-side: the problem file has one_side; take it out there" in refused.stderr
    the_problem().to_json(files / "problem.json")
    plain = run("rebalance", files / "problem.json", "--no-one-side", "--json")
    assert plain.returncode == 0
    assert "capital" not in read_json(plain.stdout)


@pytest.fixture(scope="module")
def price_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four years of three simulated futures, as the guide keeps them."""
    folder = tmp_path_factory.mktemp("prices")
    market = simulated_market(2, instruments=["US10", "ES_micro", "GOLD_micro"]).between("2016-01-01", "2019-12-31")
    table = market.specifications.rename_axis("Symbol").reset_index()
    table["Name"], table["Multiplier"], table["SR_cost"] = (
        table["Symbol"],
        market.specifications["multiplier"].to_numpy(),
        0.002,
    )
    table[["Symbol", "Name", "Multiplier", "SR_cost"]].to_csv(folder / "instruments.csv", index=False)
    for name in market.instruments:
        prices = market.prices[name].dropna().rename("Last").rename_axis("Time").to_frame()
        prices.to_csv(folder / f"{name.lower()}_daily_data.csv")
    return folder


def test_targets_with_prices(price_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "targets.csv").write_text("instrument,position,upper\nES_micro,4.4,\nUS10,1.7,1\n")
    (tmp_path / "held.csv").write_text("instrument,position\nES_micro,1\n")
    arguments = [
        "rebalance", "--targets", tmp_path / "targets.csv", "--data", price_folder, "--capital", 200_000, "--held",
        tmp_path / "held.csv", "--date", "2019-08-13", "--json", "--out", tmp_path / "trades.json",
    ]  # fmt: skip
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    found = read_json(done.stdout)
    assert (found["date"], found["base_currency"], found["capital"]) == ("2019-08-13", "USD", 200_000)
    read = {*price_folder.glob("*.csv"), tmp_path / "targets.csv", tmp_path / "held.csv"}
    assert found["files"] == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in read}
    again = run("rebalance", tmp_path / "trades.json")
    assert again.stdout.startswith("date           2019-08-13\ncapital        200,000 USD\n")
    market = read_market(price_folder).select(["ES_micro", "US10"])
    inputs = Inputs(market.between(end="2019-08-13"), Strategy(), 200_000.0)
    day = inputs.problem(pd.Timestamp("2019-08-13"), {"ES_micro": 1})
    problem = day.replace(optimal_positions={"ES_micro": 4.4, "US10": 1.7}, limits=Limits(upper={"US10": 1}))
    assert found["positions"] == rebalance(problem).positions.to_dict()
    assert "--forecasts: makes no sense where targets are given" in run(*arguments, "--forecasts", "trend").stderr


def test_a_target_or_a_holding_that_cannot_be_valued_is_refused(price_folder: Path, tmp_path: Path) -> None:
    market = read_market(price_folder)
    targets = pd.DataFrame({"position": {"US10": 1.0, "CORN": 2.0}})
    with pytest.raises(InputError, match="targets of CORN: has a target and is not in the data"):
        problem_of_day_and_targets(market, Strategy(), 1e5, targets)
    with pytest.raises(InputError, match="targets of ES_micro: is held and has no target"):
        problem_of_day_and_targets(market, Strategy(), 1e5, targets.loc[["US10"]], held=pd.Series({"ES_micro": 2}))
    short = market.prices.copy()
    short.loc["2018":, "GOLD_micro"] = np.nan
    gone = market_from_frames(short, market.specifications)
    wanted = pd.DataFrame({"position": {"US10": 1.0, "GOLD_micro": 2.0}})
    with pytest.raises(InputError, match="targets of GOLD_micro: has a target and no price for more than 90 days"):
        problem_of_day_and_targets(gone, Strategy(), 1e5, wanted)


def test_limits_are_in_the_order_of_the_targets_whatever_the_order_of_the_market() -> None:
    market = simulated_market(instruments=["BUND", "CORN"], start="2018-01-01", end="2020-01-10")
    targets = pd.DataFrame({"position": [3.0, 3.0]}, index=["CORN", "BUND"])
    most = {"CORN": 1, "BUND": 9}
    asked: list[Any] = [
        Limits(upper=[1, 9]), Limits(upper=most), lambda names: Limits(upper=[most[name] for name in names]),
    ]  # fmt: skip
    for limits in asked:
        problem = problem_of_day_and_targets(market, Strategy(), 1e6, targets, "2020-01-03", limits=limits)
        assert dict(zip(problem.instruments, problem.upper, strict=True)) == most
    both = targets.assign(upper=[4, 4])
    with pytest.raises(LimitsError, match="upper: is a column of the targets and given beside them"):
        problem_of_day_and_targets(market, Strategy(), 1e6, both, "2020-01-03", limits=Limits(upper=5))


def test_two_runs_do_not_write_one_file(files: Path) -> None:
    hard_problem().to_json(files / "hard.json")
    out = files / "trades.csv"
    slow = subprocess.Popen(
        [*COMMAND, "rebalance", str(files / "hard.json"), "--time-limit=4", "--optimizer", "scip", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while not (files / ".trades.csv.lock").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)
        second = live(files, "--out", out, "--log", files / "log.jsonl")
        assert (second.returncode, second.stdout) == (2, "")
        assert "trades.csv: is in use by another run" in second.stderr
        _, errors = slow.communicate(timeout=60)
    finally:
        slow.kill()
    assert slow.returncode == 3, errors  # the time limit, with the best answer so far
    table = pd.read_csv(out)
    assert set(table["status"]) == {"feasible"}
    assert live(files, "--out", out).returncode == 0  # now it is free
    assert set(pd.read_csv(out)["status"]) == {"optimal"}


def test_a_failure_is_logged(files: Path) -> None:
    assert live(files, "--out", files / "trades.csv", "--log", files / "log.jsonl").returncode == 0
    (files / "held.csv").write_text("instrument,position\nSILVER,2\n")
    done = live(files, "--out", files / "trades.csv", "--log", files / "log.jsonl")
    assert done.returncode == 2
    assert "targets of SILVER: is held and has no target; give it one (a target of 0 does not close it" in done.stderr
    first, second = [json.loads(line) for line in (files / "log.jsonl").read_text().splitlines()]
    assert first["status"] == "optimal"
    assert second["status"] == "failed"
    assert "SILVER" in second["reason"]


@pytest.mark.parametrize(
    ("change", "further", "message"),
    [
        ({"held.csv": "instrument,position\nUS10,3,0\nES,-1,0\n"}, [], "line 2 has 3 cells, the header has 2"),
        ({"held.csv": "instrument,position,position\nES,1,2\n"}, [], "the column position appears more than once"),
        ({"targets.csv": "instrument,position\n"}, [], "has a header and no rows"),
        ({"targets.csv": TARGETS.replace("position,", "position,Upper,", 1)}, [], "line 2 has 4 cells"),
        (
            {"targets.csv": TARGETS.replace("cost_in_weight_terms", "Upper")},
            [],
            "'Upper' is not known; is it 'upper'?",
        ),
        (
            {"targets.csv": TARGETS.replace("cost_in_weight_terms", "cost_per_contract")},
            [],
            "cost_per_contract: is not",
        ),
        ({"targets.csv": TARGETS.replace("cost_in_weight_terms", "cost_in_weight_term")}, [], "is it 'cost_in_weight"),
        ({"targets.csv": TARGETS.replace("cost_in_weight_terms", "note")}, [], "cost_in_weight_terms: is no column"),
        ({}, ["--capital", "5"], "capital: is for targets with prices"),
        (
            {"targets.csv": TARGETS.replace("1.6", "1e19")},
            [],
            "optimal_positions of ES: expected at most 4503599627370496 contracts",
        ),
        (
            {"covariance.csv": ",US10,ES,GOLD\nUS10,1e308,0,0\nES,0,1e308,0\nGOLD,0,0,1e308\n"},
            [],
            "covariance: volatility is",
        ),
        ({}, ["--out", "targets.csv"], "--out: is read; give another file"),
        ({}, ["--log", "held.csv"], "--log: is read; give another file"),
        ({}, ["--out", "trades.txt"], "out: expected a name that ends with .csv or .json"),
        ({}, ["--out", "no/such/trades.csv"], "trades.csv: there is no folder /"),
        ({}, ["--out", "t.csv", "--log", "t.csv"], "--log: is the file of the trades too"),
        ({}, ["--log", "no/such/log"], "log: there is no folder no/such"),
        ({}, ["--date", "2019-01-01"], "--date: makes no sense where a covariance is given"),
        ({}, ["--no-trade", "SILVER"], "no_trade of SILVER: is not among the instruments"),
        ({}, ["--close", "GOLD", "--close", "SILVER"], "close of SILVER: is not among the instruments"),
        ({"targets.csv": "instrument,position\nES,1\nGOLD,2\n"}, [], "give the targets a column weight_per_contract"),
        (
            {"targets.csv": TARGETS.replace("1.6", "a lot")},
            [],
            "column position: expected a number, found 'a lot'",
        ),
        ({"targets.csv": TARGETS.replace("0.3", "")}, [], "column weight_per_contract: expected a number"),
        ({"targets.csv": TARGETS + "ES,1,1,1\n"}, [], "of ES: appears more than once"),
        ({"targets.csv": TARGETS.replace("ES", "NQ")}, [], "covariance of NQ: has a target and is not in"),
        ({"covariance.csv": ",US10\nUS10,x\n"}, [], "line 2, column US10: expected a number, found 'x'"),
        (
            {"covariance.csv": ",US10,ES,GOLD\nUS10,36,0,0\nES,0,324,0\nGOLD,0,0,225\n"},
            [],
            "covariance: volatility is 1500% a year in the median: give it of returns as shares, not in per cent",
        ),
        ({"covariance.csv": "US10\n"}, [], "expected a header of instruments"),
        ({"held.csv": "instrument,position\nES,0.5\n"}, [], "expected whole contracts, found '0.5'"),
    ],
)
def test_bad_input_is_one_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], further: list[str], message: str
) -> None:
    for name, text in change.items():
        (files / name).write_text(text)
    monkeypatch.chdir(files)
    done = run(
        "rebalance", "--targets", "targets.csv", "--covariance", "covariance.csv", "--held", "held.csv", *further
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    if (files / "t.csv").exists():
        assert message.partition(": ")[2] in (files / "t.csv").read_text()


def test_every_failure_is_a_line_of_the_log(files: Path) -> None:
    (files / "d.csv").mkdir()
    for out in ("d.csv", "trades.txt"):
        assert live(files, "--out", files / out, "--log", files / "log.jsonl").returncode == 2
    lines = [json.loads(line) for line in (files / "log.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["failed", "failed"]
    assert "d.csv: is there and is no file of trades" in lines[0]["reason"]
    with pytest.raises(MemoryError), DecisionLog(files / "log.jsonl").entry():
        raise MemoryError
    assert json.loads((files / "log.jsonl").read_text().splitlines()[-1])["reason"] == "MemoryError"


def test_prices_are_not_written_over(price_folder: Path, tmp_path: Path) -> None:
    out = price_folder / "us10_daily_data.csv"
    before = out.read_bytes()
    done = run("rebalance", "--data", price_folder, "--capital", 100_000, "--out", out)
    assert done.returncode == 2
    assert "--out: is read; give another file" in done.stderr
    assert out.read_bytes() == before


def test_a_price_below_zero_is_said_with_its_reference_price(price_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prices"
    shutil.copytree(price_folder, folder)
    path = folder / "gold_micro_daily_data.csv"
    prices = pd.read_csv(path, index_col="Time")
    prices.iloc[-1, 0] = -37.63
    prices.to_csv(path)
    done = run("rebalance", "--data", folder, "--capital", 300_000, "--on-suspect", "use")
    assert done.returncode == 0, done.stderr
    least = prices["Last"].iloc[-256:].median() / 10
    assert f"GOLD_micro: price -37.63; its weight and covariance are by the reference price {least:g}" in done.stdout
    content = read_json(
        run("rebalance", "--data", folder, "--capital", 300_000, "--on-suspect", "use", "--json").stdout
    )
    assert content["reference_prices"] == {"GOLD_micro": pytest.approx(least)}
    assert "reference price" not in run("rebalance", "--data", price_folder, "--capital", 300_000).stdout


def test_limits_with_prices_alone(price_folder: Path) -> None:
    done = run("rebalance", "--data", price_folder, "--capital", 300_000, "--long-only", "all", "--json")
    assert done.returncode == 0, done.stderr
    assert all(number >= 0 for number in read_json(done.stdout)["positions"].values())
    unlimited = read_json(run("rebalance", "--data", price_folder, "--capital", 300_000, "--json").stdout)
    assert any(number < 0 for number in unlimited["positions"].values())


def test_where_a_market_is_closed_nothing_trades_towards_a_target(price_folder: Path) -> None:
    market = read_market(price_folder)
    prices = market.prices.copy()
    prices.loc["2019-08-01":"2019-08-20", "GOLD_micro"] = np.nan  # type: ignore[misc]
    closed = market_from_frames(prices, market.specifications)
    targets = pd.DataFrame({"position": {"US10": 2.2, "GOLD_micro": 5.0}, "upper": {"US10": 9.0, "GOLD_micro": 1.0}})
    problem = problem_of_day_and_targets(
        closed, Strategy(), 1e5, targets, "2019-08-13", pd.Series({"GOLD_micro": 2})
    )  # fmt: skip
    found = rebalance(problem)
    assert found.positions["GOLD_micro"] == 2
    assert found.positions["US10"] == 2


def test_a_link_keeps_standing_for_its_file(files: Path) -> None:
    (files / "real.csv").touch()
    (files / "link.csv").symlink_to(files / "real.csv")
    assert live(files, "--out", files / "link.csv").returncode == 0
    assert (files / "link.csv").is_symlink()
    assert (files / "real.csv").read_text().startswith("instrument,target")


def test_what_targets_may_say(tmp_path: Path) -> None:
    path = tmp_path / "targets.csv"
    path.write_text("instrument,position,note,lower\nES,1.5,whatever,-2\nUS10,0,,\n")
    found = read_targets(path)
    assert list(found.columns) == ["position", "lower"]
    assert found["lower"].to_dict() == {"ES": -2.0, "US10": -np.inf}
    path.write_text("instrument,position,price,reference_price\nES,1.5,5000,\nCRUDE,1,-37.63,5.5\n")
    found = read_targets(path)
    assert found["price"].to_dict() == {"ES": 5000.0, "CRUDE": -37.63}
    assert found["reference_price"].dropna().to_dict() == {"CRUDE": 5.5}


@pytest.mark.parametrize("number", [pd.NA, 1 + 0j], ids=["missing", "complex"])
def test_targets_and_holdings_that_are_missing_or_complex_are_refused(number: Any) -> None:
    covariance = pd.DataFrame(SIGMA, NAMES, NAMES)
    for bad in ("position", "weight_per_contract", "covariance", "held"):
        targets = pd.DataFrame({"position": 1.0, "weight_per_contract": 0.4}, NAMES).astype(object)
        sigma, held = covariance.astype(object), pd.Series(0, NAMES, dtype=object)
        if bad == "covariance":
            sigma.loc["ES", "ES"] = number
        elif bad == "held":
            held["ES"] = number
        else:
            targets.loc["ES", bad] = number
        with pytest.raises(InputError, match=r" of ES: expected a .*number") as caught:
            problem_of_targets(targets, sigma, held, cost_multiplier=0.0)
        assert caught.value.instrument == "ES"
