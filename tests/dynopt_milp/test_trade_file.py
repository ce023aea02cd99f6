"""The file of the trades: what one trades from, what one audits by, and what a run that fails leaves there."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, Problem, example_problem, rebalance
from dynopt_milp.errors import FileError, FormatError
from dynopt_milp.io.lock import held_by_one
from dynopt_milp.trades import read_decision, trade_record, trade_table, write_trades
from tests.command_line import COMMAND, read_json, run

CAPITAL = 400_000.0
NAMES = ["US10", "ES", "GOLD"]
SIGMA = np.outer([0.06, 0.18, 0.15], [0.06, 0.18, 0.15]) * np.array([[1, -0.3, 0.1], [-0.3, 1, 0.2], [0.1, 0.2, 1]])
TARGETS = """\
instrument,position,price,multiplier,fx,cost_per_contract
ES,5.6,5000,5,1,1.2
US10,3.4,110,1000,1.1,9
GOLD,-0.2,2000,10,1,4
"""
HELD = {"ES": -1, "US10": 0, "GOLD": 1}
VALUE = {"ES": 25_000.0, "US10": 121_000.0, "GOLD": 20_000.0}
COST = {"ES": 1.2, "US10": 9.0, "GOLD": 4.0}
WANTED = {"ES": 5.6, "US10": 3.4, "GOLD": -0.2}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "targets.csv").write_text(TARGETS)
    (tmp_path / "held.csv").write_text("instrument,position\nGOLD,1\nES,-1\n")
    pd.DataFrame(SIGMA, NAMES, NAMES).to_csv(tmp_path / "covariance.csv")
    return tmp_path


def live(folder: Path, *further: object) -> CompletedProcess[str]:
    return run(
        "rebalance", "--targets", folder / "targets.csv", "--covariance", folder / "covariance.csv", "--held",
        folder / "held.csv", "--capital", CAPITAL, *further,
    )  # fmt: skip


def deviation(contracts: dict[str, float]) -> float:
    weights = np.array([contracts.get(name, 0) * VALUE[name] / CAPITAL for name in NAMES])
    return float(np.sqrt(weights @ SIGMA @ weights))


def by_name(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem as JSON with its instruments in the order of their names."""
    names = problem["instruments"]
    made = {name: what for name, what in problem.items() if not isinstance(what, list)}
    table = pd.DataFrame(problem["covariance"], names, names).sort_index().sort_index(axis=1)
    lists = {name: what for name, what in problem.items() if isinstance(what, list) and name != "covariance"}
    for name, what in lists.items():
        made[name] = [entry for _, entry in sorted(zip(names, what, strict=True))]
    return made | {"covariance": table.to_numpy().tolist()}


def less(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] - other[name] for name in one}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# What one trades from


def test_money_risk_and_tracking_error_are_those_of_the_contracts(files: Path) -> None:
    done = live(files, "--out", files / "t.json", "--json")
    assert done.returncode == 0, done.stderr
    found = read_json((files / "t.json").read_text())
    assert found == read_json(done.stdout)
    new = found["positions"]
    assert found["targets"] == WANTED
    assert found["previous_positions"] == HELD
    assert found["trades"] == {name: number for name, number in less(new, HELD).items() if number}
    best = found["optimised"]["positions"]
    assert found["held_back"] == {name: number for name, number in less(best, new).items() if number} != {}
    assert found["risk"] == pytest.approx(
        {"held": deviation(HELD), "new": deviation(new), "optimised": deviation(best), "wanted": deviation(WANTED)}
    )
    assert found["tracking_error_before"] == pytest.approx(deviation(less(WANTED, HELD)))
    assert found["tracking_error"] == pytest.approx(deviation(less(WANTED, new)))
    assert found["tracking_error"] < found["tracking_error_before"]
    costs = {name: COST[name] * abs(number) for name, number in found["trades"].items()}
    assert found["money"]["costs"] == pytest.approx(costs)
    assert found["money"]["cost"] == pytest.approx(sum(costs.values())) == pytest.approx(found["cost"] * CAPITAL)
    notional = {name: VALUE[name] * number for name, number in new.items() if number}
    assert found["money"]["notional"] == pytest.approx(notional)
    assert found["money"]["gross_notional"] == pytest.approx(sum(map(abs, notional.values())))


def test_the_table_has_the_same_in_whole_contracts(files: Path) -> None:
    assert live(files, "--out", files / "t.csv").returncode == 0
    found = read_json(live(files, "--json").stdout)
    table = rows(files / "t.csv")
    assert list(table[0])[:6] == ["instrument", "target", "held", "trade", "position", "status"]
    assert [row["instrument"] for row in table] == ["ES", "US10", "GOLD"]
    for row in table:
        name = row["instrument"]
        for column, expected in (
            ("held", HELD[name]), ("trade", found["trades"].get(name, 0)), ("position", found["positions"][name]),
            ("optimised", found["optimised"]["positions"][name]), ("held_back", found["held_back"].get(name, 0)),
        ):  # fmt: skip
            assert row[column] == str(expected)  # 3, not 3.0
        assert float(row["target"]) == WANTED[name]
        assert float(row["cost"]) == pytest.approx(found["money"]["costs"].get(name, 0))
        assert float(row["notional"]) == pytest.approx(found["money"]["notional"].get(name, 0))
        assert float(row["capital"]) == CAPITAL
        assert (row["date"], row["reason"]) == (row["time"][:10], "")


def test_without_capital_there_is_no_money(files: Path) -> None:
    problem = example_problem(100_000).replace(capital=None)
    problem.to_json(files / "p.json")
    done = run("rebalance", files / "p.json", "--json", "--out", files / "t.csv")
    assert done.returncode == 0
    assert not {"money", "capital"} & set(read_json(done.stdout))
    assert {row["cost"] + row["notional"] + row["capital"] for row in rows(files / "t.csv")} == {""}


def test_what_is_printed(files: Path) -> None:
    found = read_json(live(files, "--json").stdout)
    done = live(files)
    assert "capital        400,000" in done.stdout
    lines = {line.split()[0]: line.split() for line in done.stdout.partition("instrument ")[2].splitlines()[1:]}
    assert lines["GOLD"][1] == "-0.20"  # less than half a contract
    for name in ("ES", "US10"):
        assert f"{found['money']['notional'][name]:,.0f}" in lines[name]
        assert f"{found['money']['costs'][name]:,.2f}" in lines[name]
    risk = found["risk"]
    assert (
        f"{risk['held']:.4%} of capital a year held, {risk['new']:.4%} new, {risk['wanted']:.4%} wanted" in done.stdout
    )
    error = (
        f"{found['tracking_error_before']:.4%} of capital a year before, {found['tracking_error']:.4%} after trading"
    )
    assert error in done.stdout
    assert f"held back      {sum(map(abs, found['held_back'].values()))} contracts" in done.stdout


def test_python_writes_what_the_command_line_writes(files: Path) -> None:
    problem = Problem.from_market(
        capital=CAPITAL, prices={"ES": 5000, "US10": 110, "GOLD": 2000},
        multipliers={"ES": 5, "US10": 1000, "GOLD": 10}, fx={"ES": 1, "US10": 1.1, "GOLD": 1},
        covariance=pd.DataFrame(SIGMA, NAMES, NAMES), optimal_positions=WANTED, previous_positions=HELD,
        cost_per_contract=COST, instruments=["ES", "US10", "GOLD"],
    )  # fmt: skip
    result = rebalance(problem)
    assert live(files, "--out", files / "t.json").returncode == 0
    theirs = read_json((files / "t.json").read_text())
    write_trades(result, files / "own.json", {"base_currency": "USD"})
    own = read_json((files / "own.json").read_text())
    assert own["base_currency"] == "USD"
    for name in ("fingerprint", "problem", "settings", "trades", "targets", "held_back", "risk", "money", "versions"):
        assert own[name] == theirs[name]
    assert json.loads(trade_record(result)) == {name: what for name, what in own.items() if name != "base_currency"}
    table = trade_table(result, {"date": "2020-01-02", "base_currency": "USD"})
    assert table[["date", "base_currency"]].drop_duplicates().to_numpy().tolist() == [["2020-01-02", "USD"]]
    assert (table["position"] + table["held_back"] == table["optimised"]).all()


# What one audits by


def test_the_sha256_of_each_file_and_of_the_decision(files: Path) -> None:
    found = read_json(live(files, "--json", "--log", files / "log.jsonl").stdout)
    names = [files / name for name in ("targets.csv", "covariance.csv", "held.csv")]
    assert found["files"] == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}
    decided = {"problem": by_name(found["problem"]), "settings": found["settings"]}
    text = json.dumps(decided, sort_keys=True, separators=(",", ":"))
    assert found["fingerprint"] == hashlib.sha256(text.encode()).hexdigest()
    assert read_json((files / "log.jsonl").read_text())["fingerprint"] == found["fingerprint"]
    assert found["settings"]["gap"] == 1e-6
    assert found["versions"]["numpy"] == np.__version__
    other = read_json(live(files, "--json", "--buffer-fraction", 0.04).stdout)
    assert other["problem"] == found["problem"]
    assert other["fingerprint"] != found["fingerprint"]


def test_the_fingerprint_does_not_depend_on_the_order_of_instruments() -> None:
    names = ["ES", "GOLD", "US10"]
    start = {"ES": 1, "GOLD": 0, "US10": 3}
    given = {name: pd.Series(numbers, names) for name, numbers in {
        "optimal_positions": [5.6, -0.2, 3.4], "previous_positions": [-1, 1, 0],
        "weight_per_contract": [0.06, 0.05, 0.3], "cost_in_weight_terms": [1e-4, 2e-4, 3e-4],
        "holding_cost": [4e-4, 5e-4, 6e-4], "lower": [-3, -2, -1],
    }.items()}  # fmt: skip

    def decided(order: list[str], rule: list[str], wanted: float = 5.6) -> Any:
        wants = given["optimal_positions"].where(given["optimal_positions"] != 5.6, wanted)
        fields = given | {"optimal_positions": wants}
        ordered = {name: series[order] for name, series in fields.items()}
        problem = Problem(
            covariance=pd.DataFrame(SIGMA, NAMES, NAMES).loc[order, order],
            limits=Limits(lower=ordered.pop("lower"), same_side=rule, one_side=True),
            underlying={"ES": "shares", "GOLD": "metal", "US10": "bond"}, instruments=order, **ordered,
        )  # fmt: skip
        return rebalance(problem, "greedy", start=start)

    first, other = decided(["ES", "GOLD", "US10"], ["ES", "US10"]), decided(["US10", "ES", "GOLD"], ["US10", "ES"])
    assert first.trades.to_dict() == other.trades.to_dict()
    assert first.to_dict()["problem"] != other.to_dict()["problem"]
    assert first.fingerprint == other.fingerprint
    assert decided(["US10", "ES", "GOLD"], ["US10"]).fingerprint != first.fingerprint
    assert decided(["US10", "ES", "GOLD"], ["US10", "ES"], wanted=3.4).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    "further",
    [
        (), ("--buffer-rule", "edge"), ("--buffer-rule", "none", "--gap", "0.01"), ("--buffer-rule", "deadband"),
        ("--optimizer", "greedy", "--long-only", "ES", "--no-trade", "GOLD"), ("--buffer-fraction", "0.5"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_trades_can_be_made_again_from_their_file(files: Path, further: tuple[str, ...]) -> None:
    assert live(files, "--out", files / "t.json", *further).returncode == 0
    done = run("rebalance", files / "t.json", "--json", "--out", files / "again.json")
    first, second = (read_json((files / name).read_text()) for name in ("t.json", "again.json"))
    for name in ("trades", "positions", "problem", "settings", "fingerprint", "money", "risk", "date", "status"):
        assert first[name] == second[name], name
    again = f"made from the trades of {first['date']} in {files / 't.json'}"
    said = [again, *first["notes"]]
    assert first["notes"]
    assert (done.returncode, second["notes"]) == (0, said)
    assert done.stderr == "".join(f"note: {note}\n" for note in said)
    assert second["files"] == {str(files / "t.json"): hashlib.sha256((files / "t.json").read_bytes()).hexdigest()}


def test_a_start_and_limits_by_number_are_made_again(tmp_path: Path) -> None:
    problem = example_problem(100_000, seed=3).replace(limits=Limits(upper=2, same_side=["ES_micro"]))
    result = rebalance(problem, "greedy", start=dict.fromkeys(problem.instruments, 0), buffer_rule="book")
    write_trades(result, tmp_path / "t.json")
    stored = read_decision(tmp_path / "t.json")
    again = rebalance(stored.problem, **stored.settings)
    assert stored.difference(again) == ""
    assert again.trades.equals(result.trades)
    assert again.fingerprint == result.fingerprint


def test_another_setting_or_a_changed_file_is_said(files: Path) -> None:
    assert live(files, "--out", files / "t.json").returncode == 0
    done = run("rebalance", files / "t.json", "--buffer-rule", "none", "--json")
    found = read_json(done.stdout)
    assert found["settings"]["buffer_rule"] is None
    assert found["held_back"] == {}
    assert "not those that the file was written with" in done.stderr
    assert len(found["notes"]) == 2 + len(read_json((files / "t.json").read_text())["notes"])
    content = json.loads((files / "t.json").read_text())
    content["trades"]["ES"] = 99
    (files / "t.json").write_text(json.dumps(content))
    assert "had other trades when the file was written: {'ES': 99" in run("rebalance", files / "t.json").stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"optimizer": "exact"}}, "settings: buffer_rule: is missing"),
        ({"settings": None}, "settings: is missing"),
        ({"problem": {"format": "x"}}, "problem: format: expected the format 'dynopt-milp problem 2'"),
        ({"format": "dynopt-milp trades 9"}, "found 'dynopt-milp trades 9'"),
        ({"capital": "abc"}, "t.json: capital: expected a number, found 'abc'"),
        ({"capital": -5}, "t.json: capital: expected a positive number, found -5"),
        ({"capital": None}, "t.json: capital: expected a number, found None"),
        ({"capital": 400_001}, "t.json: capital: is 400001, and that of the problem 400000"),
        ({"base_currency": None}, "t.json: base_currency: expected a currency such as USD, found None"),
        ({"base_currency": ""}, "t.json: base_currency: expected a currency such as USD, found ''"),
        ({"date": "soon"}, "t.json: date: expected a date such as 2026-01-31, found 'soon'"),
        ({"date": 20200102}, "t.json: date: expected a date such as 2026-01-31, found 20200102"),
        ({"reference_prices": 5}, "t.json: reference_prices: expected a number for each of some instruments, found 5"),
        ({"reference_prices": {"ES": "x"}}, "t.json: reference_prices: ES: expected a number, found 'x'"),
        ({"reference_prices": {"SILVER": 5}}, "t.json: reference_prices: SILVER: is no instrument of the problem"),
    ],
)
def test_a_damaged_file_of_trades_is_one_line(files: Path, change: dict[str, Any], message: str) -> None:
    assert live(files, "--out", files / "t.json").returncode == 0
    content = json.loads((files / "t.json").read_text())
    (files / "t.json").write_text(json.dumps(content | change))
    done = run("rebalance", files / "t.json")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_constraints_in_python_are_not_made_again_without_them(tmp_path: Path) -> None:
    problem = example_problem(50_000, seed=2).replace(limits=Limits(lower=-2, upper=2))
    write_trades(rebalance(problem, constraints=lambda positions: [positions[0] <= 1]), tmp_path / "t.json")
    with pytest.raises(FormatError, match=r"constraints: the trades were decided with constraints in Python"):
        read_decision(tmp_path / "t.json")


# What a run that fails leaves


def spoil(files: Path) -> None:
    (files / "held.csv").write_text("instrument,position\nSILVER,2\n")


@pytest.mark.parametrize("there", [None, "trades", "failure", "nothing in it"])
@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_failure_takes_the_place_of_the_trades(files: Path, ending: str, there: str | None) -> None:
    out = files / f"t.{ending}"
    if there == "trades":
        assert live(files, "--out", out).returncode == 0
    elif there == "nothing in it":
        out.touch()
    spoil(files)
    for _ in range(2 if there == "failure" else 1):
        assert live(files, "--out", out).returncode == 2
    if ending == "csv":
        (found,) = rows(out)
        assert found["instrument"] == found["trade"] == found["position"] == ""
    else:
        found = read_json(out.read_text())
        assert found["trades"] == {}
        refused = run("rebalance", out)
        assert (refused.returncode, "has no trades to make again; its run ended: failed" in refused.stderr) == (2, True)
    assert found["status"] == "failed"
    assert "SILVER" in found["reason"]
    assert found["date"] == found["time"][:10]
    (files / "held.csv").write_text("instrument,position\nES,1\n")
    assert live(files, "--out", out).returncode == 0  # the next run writes trades over it


def test_ctrl_c_takes_the_place_of_the_trades(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live(files, "--out", files / "t.json").returncode == 0

    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dynopt_milp.commands.deciding.rebalance", stopped)
    assert live(files, "--out", files / "t.json").returncode == 130
    found = read_json((files / "t.json").read_text())
    assert (found["status"], found["trades"]) == ("interrupted", {})


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_while_a_run_is_on_its_way_there_are_no_trades(
    files: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = files / f"t.{ending}", []

    def watched(*given: Any, **further: Any) -> Any:
        seen.extend(rows(out) if ending == "csv" else [read_json(out.read_text())])
        return rebalance(*given, **further)

    assert live(files, "--out", out).returncode == 0
    before = out.read_text()
    monkeypatch.setattr("dynopt_milp.commands.deciding.rebalance", watched)
    assert live(files, "--out", out).returncode == 0
    (found,) = seen
    assert found["status"] == "running"
    assert found["date"] == found["time"][:10]
    assert "has not ended" in found["reason"]
    if ending == "csv":
        assert found["instrument"] == found["trade"] == ""
        assert list(found) == before.splitlines()[0].split(",")
        assert {row["status"] for row in rows(out)} == {"optimal"}
    else:
        assert found["trades"] == {}
        assert read_json(out.read_text())["trades"] == json.loads(before)["trades"] != {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_run_that_is_killed_leaves_no_trades(files: Path, how: str) -> None:
    out = files / "t.json"
    assert live(files, "--out", out).returncode == 0
    (files / "held.csv").unlink()
    os.mkfifo(files / "held.csv")  # nobody writes into it: the run waits as soon as it reads
    words = ["--targets", files / "targets.csv", "--covariance", files / "covariance.csv", "--held", files / "held.csv"]
    process = subprocess.Popen(
        [*COMMAND, "rebalance", *map(str, words), "--capital", "400000", "--out", str(out)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # under nohup it is ignored
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while read_json(out.read_text())["status"] != "running":
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(getattr(signal, how))
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    found = read_json(out.read_text())
    assert (found["status"], found["trades"]) == ("interrupted" if how == "SIGINT" else "running", {})
    refused = run("rebalance", out)
    assert refused.returncode == 2
    assert "has no trades to make again" in refused.stderr


@pytest.mark.parametrize(
    ("further", "reason"),
    [
        (("--close", ","), "close: expected names"),
        (("--long-only", ""), "long_only: expected names"),
        (("--log", "held.csv"), "--log: is read"),
        (("--log", "t.csv"), "--log: is the file of the trades too"),
        (("--buffer-rule", "bok"), "buffer"),
    ],
)
def test_what_is_refused_before_anything_is_read_takes_the_place_of_the_trades(
    files: Path, further: tuple[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    assert live(files, "--out", "t.csv").returncode == 0
    held = (files / "held.csv").read_bytes()
    done = run(
        "rebalance", "--targets", "targets.csv", "--covariance", "covariance.csv", "--held", "held.csv", "--capital",
        CAPITAL, "--out", "t.csv", *further,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    (found,) = rows(files / "t.csv")
    assert (found["status"], found["instrument"]) == ("failed", "")
    assert reason in found["reason"]
    assert reason in done.stderr
    assert (files / "held.csv").read_bytes() == held


def test_a_failure_has_the_date_that_was_asked_for(files: Path) -> None:
    assert live(files, "--out", files / "t.csv").returncode == 0
    done = live(files, "--out", files / "t.csv", "--date", "2019-08-13")  # there are no prices to choose a day of
    assert done.returncode == 2
    (found,) = rows(files / "t.csv")
    assert "--date" in found["reason"]
    assert found["date"] == "2019-08-13"


@pytest.mark.parametrize("wrong", [("--fast",), ("--capital", "abc"), ("--buffer-rule", "bok")], ids=" ".join)
@pytest.mark.parametrize("how", ["apart", "joined"])
def test_a_wrong_option_takes_the_place_of_the_trades(files: Path, wrong: tuple[str, ...], how: str) -> None:
    out = files / "t.csv"
    assert live(files, "--out", out).returncode == 0
    assert live(files, *wrong, *(["--out", out] if how == "apart" else [f"--out={out}"])).returncode == 2
    (found,) = rows(out)
    assert found["status"] == "failed"
    assert wrong[0].strip("-").replace("-", "_") in found["reason"].replace("-", "_")


def test_a_wrong_option_is_a_line_of_the_log(files: Path) -> None:
    out, log = files / "t.csv", files / "log.jsonl"
    assert live(files, "--fast", f"--log={log}").returncode == 2
    assert live(files, "--out", out, "--log", log, "--long-only", "", "--capital", "abc").returncode == 2
    found = [read_json(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in found] == ["failed", "failed"]
    assert "--fast" in found[0]["reason"]
    assert "--capital" in found[1]["reason"]
    assert rows(out)[0]["reason"] == found[1]["reason"]
    held = (files / "held.csv").read_bytes()
    assert live(files, "--fast", "--log", files / "held.csv").returncode == 2
    assert live(files, "--fast", "--data", files, "--log", log, "--out", out).returncode == 2
    assert (files / "held.csv").read_bytes() == held
    assert len(log.read_text().splitlines()) == 2  # what is inside the folder of prices is not written to


def test_an_out_that_is_read_is_a_line_of_the_log(files: Path) -> None:
    assert live(files, "--out", files / "held.csv", "--log", files / "log.jsonl").returncode == 2
    assert "--out: is read" in read_json((files / "log.jsonl").read_text())["reason"]


def test_a_log_that_cannot_be_written_takes_the_place_of_the_trades(files: Path) -> None:
    assert live(files, "--out", files / "t.csv").returncode == 0
    assert live(files, "--out", files / "t.csv", "--log", files / "no" / "log.jsonl").returncode == 2
    assert "log.jsonl" in rows(files / "t.csv")[0]["reason"]


HEADING = "instrument,target,held,trade,position,status"


@pytest.mark.parametrize(
    "text",
    [
        "instrument,position\nES,1\n", f"{HEADING}\nES,1,1,1,1,optimal\n", "{}", '{"status": 1}', "\x00", "[" * 9000,
        '{"status": "ok", "trades": {"ES": 1}}', '{"format": "dynopt-milp trades 9", "status": "", "trades": {}}',
        "prices of a year",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv", "json"])
@pytest.mark.parametrize("good", [True, False])
def test_what_is_no_file_of_trades_is_left(files: Path, ending: str, text: str, good: bool) -> None:
    out = files / f"other.{ending}"
    out.write_text(text)
    if not good:
        spoil(files)
    done = live(files, "--out", out, "--log", files / "log.jsonl")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"other.{ending}: is there and is no file of trades; give another name" in done.stderr
    assert "is no file of trades" in read_json((files / "log.jsonl").read_text())["reason"]
    assert live(files, "--out", out, "--fast").returncode == 2
    assert out.read_text() == text
    assert not list(files.glob(".*"))
    with pytest.raises(FileError, match="is no file of trades"):
        write_trades(rebalance(example_problem(100_000)), out)
    assert out.read_text() == text


def test_a_link_to_itself_is_one_line(files: Path) -> None:
    (files / "a.csv").symlink_to(files / "b.csv")
    (files / "b.csv").symlink_to(files / "a.csv")
    for option in ("--out", "--log"):
        done = live(files, option, files / "a.csv")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "a.csv: " in done.stderr
    assert live(files, "--out", files / "t.csv").returncode == 0
    assert live(files, "--out", files / "t.csv", "--held", files / "a.csv").returncode == 2
    assert "a.csv" in rows(files / "t.csv")[0]["reason"]
    assert live(files, "--fast", "--out", files / "a.csv").returncode == 2
    assert (files / "a.csv").is_symlink()


def test_the_name_of_the_file_that_a_link_stands_for_counts(files: Path) -> None:
    (files / "t.csv").symlink_to(files / "t.txt")
    done = live(files, "--out", files / "t.csv")
    assert done.returncode == 2
    assert "expected a name that ends with .csv or .json, found 't.txt'" in done.stderr


def test_a_failure_leaves_what_is_read_and_what_another_run_writes(files: Path) -> None:
    out = files / "t.json"
    assert live(files, "--out", out).returncode == 0
    before = out.read_bytes()
    assert run("rebalance", out, "--out", out).returncode == 2
    assert run("rebalance", out, "--fast", "--out", out).returncode == 2
    spoil(files)
    with held_by_one(files / ".t.json.lock", out):
        done = live(files, "--out", out, "--log", files / "log.jsonl")
        assert live(files, "--out", out, "--fast").returncode == 2
    assert done.returncode == 2
    assert "in use by another run" in done.stderr
    assert "in use by another run" in read_json((files / "log.jsonl").read_text())["reason"]
    assert out.read_bytes() == before
