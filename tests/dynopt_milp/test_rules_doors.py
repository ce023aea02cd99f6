"""House rules on the command line: a file of them, and the common ones as options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dynopt_milp import Problem, example_problem, rules
from dynopt_milp.errors import FileError, FormatError, RulesError
from dynopt_milp.rules.rules_file import read_rules
from tests.command_line import run

HOUSE = """
[[rules]]
rule = "gross"
limit = 4.0

[[rules]]
rule = "one_of"
names = ["ES_micro", "NQ_micro"]

[[rules]]
rule = "lot"
contracts = {CORN = 2, VIX = 3}
"""
EXPECTED = [rules.gross(4.0), rules.one_of(["ES_micro", "NQ_micro"]), rules.lot({"CORN": 2, "VIX": 3})]


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    example_problem(250_000).to_json(tmp_path / "p.json")
    (tmp_path / "house.toml").write_text(HOUSE, encoding="utf-8")
    return tmp_path / "p.json"


def test_rules_are_read_from_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text(HOUSE, encoding="utf-8")
    (tmp_path / "house.json").write_text(json.dumps({"rules": [rule.to_dict() for rule in EXPECTED]}))
    assert read_rules(tmp_path / "house.toml") == read_rules(tmp_path / "house.json") == EXPECTED


@pytest.mark.parametrize(
    ("name", "text", "error", "said"),
    [
        ("a.toml", "[[rules]\n", FormatError, r"a\.toml: cannot be read: "),
        ("a.toml", "rules = 3", FormatError, r"expected \[\[rules\]\] tables"),
        ("a.toml", "", FormatError, r"expected \[\[rules\]\] tables"),
        ("a.toml", HOUSE + "\n[limits]\nx = 1\n", FormatError, "limits is unknown; expected rules alone"),
        ("a.toml", '[[rules]]\nrule = "gros"\n', FormatError, r"a\.toml: rules: there is no rule 'gros'"),
        ("a.toml", '[[rules]]\nrule = "gross"\nlimit = -1\n', RulesError, r"a\.toml: rules: gross: limit: expected"),
        ("a.json", "[]", FormatError, 'expected a list "rules"'),
        ("a.json", "{", FormatError, r"a\.json: cannot be read"),
        ("a.yaml", "rules: []", FormatError, r"expected a name that ends with \.toml or \.json"),
        ("a.toml", b"\xff\xfe", FormatError, r"a\.toml: cannot be read"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_file_of_rules_is_refused(
    tmp_path: Path, name: str, text: str | bytes, error: type[Exception], said: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(error, match=said) as refused:
        read_rules(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_file_of_rules_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no such file"):
        read_rules(tmp_path / "none.toml")


def test_a_rebalance_keeps_the_file_and_the_options_and_can_be_made_again(problem: Path) -> None:
    folder = problem.parent
    done = run(
        "rebalance", "p.json", "--rules", "house.toml", "--max-risk", "0.2", "--max-holdings", "6", "--min-order", "2",
        "--out", "t.json", "--json", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    asked = Problem.from_json(problem)
    positions = np.array([record["positions"][name] for name in asked.instruments])
    held = asked.previous_positions
    assert (positions != 0).sum() <= 6
    assert (np.abs(positions) * asked.weight_per_contract).sum() <= 4.0
    assert not (record["positions"]["ES_micro"] and record["positions"]["NQ_micro"])
    assert record["positions"]["CORN"] % 2 == record["positions"]["VIX"] % 3 == 0
    traded = np.abs(positions - held)
    assert ((traded == 0) | (positions == 0) | (traded >= 2)).all()
    again = run("rebalance", "t.json", "--json", cwd=folder)
    assert again.returncode == 0
    assert json.loads(again.stdout)["positions"] == record["positions"]
    free = json.loads(run("rebalance", "p.json", "--json", cwd=folder).stdout)
    assert free["positions"] != record["positions"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-risk", "20"), "error: rules: risk: limit: 20 looks like per cent; give 0.2"),
        (("--max-holdings", "-1"), "error: rules: max_holdings: most: expected a number that is not negative"),
        (("--rules", "none.toml"), "error: none.toml: there is no such file"),
        (("--rules", "other.toml"), "error: rules of GOLD: one_of: names: is not among the instruments of the problem"),
    ],
)
def test_bad_rules_end_in_a_line(problem: Path, options: tuple[str, ...], said: str) -> None:
    (problem.parent / "other.toml").write_text('[[rules]]\nrule = "one_of"\nnames = ["GOLD", "CORN"]\n')
    done = run("rebalance", "p.json", *options, cwd=problem.parent)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_rules_that_leave_no_portfolio_are_named(problem: Path) -> None:
    house = '[[rules]]\nrule = "net"\nlower = 2.0\n\n[[rules]]\nrule = "net"\nupper = 1.0\n'
    (problem.parent / "none.toml").write_text(house)
    done = run("rebalance", "p.json", "--rules", "none.toml", cwd=problem.parent)
    assert done.returncode == 3
    assert "net: 2 ≤ Σ uᵢkᵢ and net: Σ uᵢkᵢ ≤ 1 leave none" in " ".join(done.stderr.split())


def test_a_backtest_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text('[[rules]]\nrule = "one_of"\nnames = ["ES_micro", "NQ_micro"]\n')
    words = (
        "backtest", "--instruments", "US10,ES_micro,NQ_micro,CORN", "--start", "2018-01-01", "--end", "2018-03-31",
        "--rules", "house.toml", "--max-holdings", "2", "--json",
    )  # fmt: skip
    done = run(*words, "--out", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    performance = json.loads((tmp_path / "r" / "performance.json").read_text())
    assert performance["num_failed"] == 0
    assert "num_rules_broken" in performance
    settings = json.loads((tmp_path / "r" / "settings.json").read_text())
    assert [rule["rule"] for rule in settings["rules"]] == ["one_of", "max_holdings"]
    refused = run(*words, "--optimizer", "rounded", cwd=tmp_path)
    assert refused.returncode == 2
    assert "'rounded' holds the target positions and knows no rules" in " ".join(refused.stderr.split())


def test_a_gap_study_keeps_them_and_says_where_greedy_has_no_gap(tmp_path: Path) -> None:
    words = (
        "gap", "--instruments", "US10,ES_micro,NQ_micro,CORN", "--start", "2018-01-01", "--end", "2018-02-28", "--path",
        "exact", "--capital", "1000000", "--cost-multiplier", "1", "--max-holdings", "2", "--rules", "orders.toml",
        "--out", "g",
    )  # fmt: skip
    (tmp_path / "orders.toml").write_text('[[rules]]\nrule = "max_orders"\nmost = 1\n')
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "greedy ended at a portfolio that breaks a rule" in " ".join(done.stdout.split())
