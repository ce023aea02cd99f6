"""The command line as a user meets it: its output and its exit code."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynopt_milp import Problem, __version__, solve
from tests.command_line import COMMAND, read_json, run, run_process
from tests.random_programs import hard_problem

DESIGNED = {
    "status", "objective", "lower_bound", "gap", "tracking_error", "cost_penalty", "positions", "trades", "optimizer",
    "solver", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("example") / "problem.json"
    done = run("example", found, "--capital", 50_000)
    assert (done.returncode, done.stderr) == (0, "")
    return found


def small(tmp_path: Path, **changes: Any) -> Path:
    content = {
        "format": "dynopt-milp problem 1",
        "instruments": ["GOLD", "CORN"],
        "covariance": [[0.04, 0.01], [0.01, 0.09]],
        "weight_per_contract": [0.2, 0.1],
        "optimal_positions": [1.4, -2.3],
        "previous_positions": [0, 0],
        "cost_in_weight_terms": [0.0001, 0.0002],
        "cost_multiplier": 50.0,
    }
    found = tmp_path / "small.json"
    found.write_text(json.dumps(content | changes), encoding="utf-8")
    return found


def priced(problem: Problem, positions: dict[str, int]) -> float:
    held = np.array([positions[name] for name in problem.instruments])
    error = (problem.optimal_positions - held) * problem.weight_per_contract
    traded = np.abs(held - problem.previous_positions) * problem.weight_per_contract
    cost = problem.cost_multiplier * float(problem.cost_in_weight_terms @ traded)
    return math.sqrt(error @ problem.covariance @ error) + cost


# Answers


@pytest.mark.parametrize(("optimizer", "status"), [("scip", "optimal"), ("greedy", "feasible")])
def test_solve_prints_one_json_object_with_the_answer(path: Path, optimizer: str, status: str) -> None:
    done = run("solve", path, "--optimizer", optimizer, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = read_json(done.stdout)
    problem = Problem.from_json(path)
    assert set(found) >= DESIGNED
    assert (found["status"], found["optimizer"]) == (status, optimizer)
    assert tuple(found["positions"]) == tuple(found["trades"]) == problem.instruments
    assert all(type(number) is int for number in [*found["positions"].values(), *found["trades"].values()])
    for name, held in zip(problem.instruments, problem.previous_positions, strict=True):
        assert found["positions"][name] - held == found["trades"][name]
    assert found["objective"] == pytest.approx(priced(problem, found["positions"]), rel=1e-12)
    assert found["tracking_error"] + found["cost_penalty"] == pytest.approx(found["objective"], rel=1e-12)
    assert 0 <= found["lower_bound"] <= found["objective"]
    assert found["gap"] == pytest.approx((found["objective"] - found["lower_bound"]) / found["objective"])
    if optimizer == "scip":
        assert found["gap"] <= 1e-6
        assert "SCIP" in found["solver"]


def test_solve_prints_a_table_with_the_status_and_the_instruments(path: Path) -> None:
    done = run_process("solve", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "optimal" in done.stdout.splitlines()[0]
    solution = solve(Problem.from_json(path))
    for name in solution.positions.index[solution.positions != 0]:
        assert any(line.startswith(f"{name} ") for line in done.stdout.splitlines()), name
    assert "\x1b" not in done.stdout


def test_rebalance_prints_the_trades(path: Path) -> None:
    done = run("rebalance", path, "--optimizer", "greedy")
    assert (done.returncode, done.stderr) == (0, "")
    found = read_json(run("rebalance", path, "--optimizer", "greedy", "--json").stdout)
    assert found["trades"]
    for name, contracts in found["trades"].items():
        assert any(line.startswith(f"{name} ") and f"{contracts:+d}" in line for line in done.stdout.splitlines())
        assert found["previous_positions"][name] + contracts == found["positions"][name]
    for name in set(found["positions"]) - set(found["trades"]):
        shown = any(line.startswith(f"{name} ") for line in done.stdout.splitlines())
        assert shown == (found["positions"][name] != 0 or found["targets"][name] != 0), name


@pytest.mark.parametrize("rule", ["edge", "none"])
def test_a_buffer_rule_can_be_asked_for(tmp_path: Path, rule: str) -> None:
    done = run("rebalance", small(tmp_path), "--buffer-rule", rule, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_json(done.stdout)["buffer_rule"] == (None if rule == "none" else rule)


def test_names_in_any_script_are_printed_whatever_the_terminal(tmp_path: Path) -> None:
    given = small(tmp_path, instruments=["Öl", "小麦"])
    done = run("solve", given, "--optimizer", "greedy")
    assert (done.returncode, done.stderr) == (0, "")
    assert "小麦" in done.stdout
    done = run_process("solve", given, "--optimizer", "greedy", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")


def test_names_are_printed_as_they_are_and_not_read_as_markup(tmp_path: Path) -> None:
    done = run("solve", small(tmp_path, instruments=["[bold]GOLD", "CORN[/]"]), "--optimizer", "greedy")
    assert (done.returncode, done.stderr) == (0, "")
    assert "[bold]GOLD" in done.stdout
    assert "CORN[/]" in done.stdout


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == f"dynopt-milp {__version__}"


@pytest.mark.parametrize("arguments", [("--help",), ()], ids=["asked for", "nothing given"])
def test_help_names_the_commands(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("solve", "rebalance", "example"):
        assert command in done.stdout


def test_help_of_a_command_names_its_options() -> None:
    done = run("solve", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--optimizer", "--formulation", "--gap", "--time-limit", "--json"):
        assert option in done.stdout


# Bad input


def test_a_bad_file_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "not.json").write_text("{", encoding="utf-8")
    complaint("not JSON", "solve", tmp_path / "not.json", call=run_process)
    complaint("cannot be read", "solve", tmp_path)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"covariance": [[0.04, math.nan], [math.nan, 0.09]]}, "GOLD"),
        ({"previous_positions": [0, 0.5]}, "CORN"),
        ({"lower": [None, 2], "upper": [None, 1]}, "CORN"),
        ({"format": "line\nbreak"}, "format"),
    ],
    ids=["nan", "fraction", "crossed", "format"],
)
def test_a_bad_problem_is_one_line_and_exit_code_2(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    complaint(word, "solve", small(tmp_path, **changes), "--json")


def test_unbounded_positions_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    given = small(tmp_path, covariance=[[0.04, 0.04], [0.04, 0.04]], cost_multiplier=0.0)
    complaint("GOLD", "solve", given, "--optimizer", "scip")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("solve", "--optimizer", "gready"), "gready"),
        (("solve", "--optimizer", "cvxpy:NOSUCHSOLVER"), "NOSUCHSOLVER"),
        (("solve", "--optimizer", "greedy", "--formulation", "deadband"), "greedy"),
        (("solve", "--formulation", "deadband", "--buffer", "-1"), "buffer"),
        (("solve", "--gap", "small"), "gap"),
        (("solve", "--time-limit", "-1"), "time_limit"),
        (("solve", "--fast"), "--fast"),
        (("rebalance", "--buffer-rule", "bok"), "bok"),
        (("rebalance", "--time-limit", "-1"), "time_limit"),
    ],
    ids=" ".join,
)
def test_a_bad_option_is_one_line_and_exit_code_2(tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    command, *rest = options
    complaint(word, command, small(tmp_path), *rest)


@pytest.mark.parametrize(
    "arguments",
    [("solve",), ("slove",), ("example", "x.json", "--capital", "-5"), ("example", "no/where/x.json")],
    ids=" ".join,
)
def test_a_bad_command_is_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    complaint("", *arguments, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def complaint(word: str, *arguments: object, folder: Path | None = None, call: Callable[..., Any] = run) -> None:
    done = call(*arguments, cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert word in done.stderr


# Limits and interrupts


def test_a_time_limit_of_zero_gives_an_answer_with_a_true_bound_and_exit_code_3(path: Path) -> None:
    done = run_process("solve", path, "--time-limit", 0, "--json")
    assert (done.returncode, done.stderr) == (3, "")
    found = read_json(done.stdout)
    problem = Problem.from_json(path)
    assert found["status"] == "feasible"
    assert found["objective"] == pytest.approx(priced(problem, found["positions"]), rel=1e-12)
    best = solve(problem)
    assert 0 <= found["lower_bound"] <= best.objective
    assert found["objective"] >= best.lower_bound


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("hard") / "problem.json"
    hard_problem(100, own_risk=0.01).to_json(found)
    return found


def wait_until_it_solves(process: int, busy: float = 6.0) -> None:
    """Until it has used so many seconds of a core, of which importing and loading kernels takes two to four."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.05)
        stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        if sum(map(int, stat[11:13])) / os.sysconf("SC_CLK_TCK") > busy:  # of the program and of the kernel for it
            return


def interrupted(*arguments: object) -> tuple[str, str]:
    words = [*COMMAND, *(str(argument) for argument in arguments)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8") as child:
        try:
            wait_until_it_solves(child.pid)
            assert child.poll() is None, "the problem is not hard enough to be interrupted"
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=5)
        finally:
            child.kill()
    assert child.returncode == 130
    assert "Traceback" not in errors
    return output, errors


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the seconds of a process in /proc")
def test_ctrl_c_ends_a_solve_with_the_best_answer_so_far(hard: Path) -> None:
    output, errors = interrupted("solve", hard, "--json")
    assert errors == ""
    found = read_json(output)
    problem = Problem.from_json(hard)
    assert (found["status"], found["stopped_by"]) == ("feasible", "interrupted")
    assert found["objective"] == pytest.approx(priced(problem, found["positions"]), rel=1e-12)
    assert found["objective"] <= solve(problem, "greedy").objective
    assert 0 < found["lower_bound"] < found["objective"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the seconds of a process in /proc")
def test_ctrl_c_ends_a_rebalance_without_trades(hard: Path, tmp_path: Path) -> None:
    out = tmp_path / "trades.json"
    output, errors = interrupted("rebalance", hard, "--json", "--out", out)
    assert read_json(out.read_text())["status"] == "interrupted"
    assert output == ""
    assert "no trades" in errors
    assert len(errors.splitlines()) == 1
