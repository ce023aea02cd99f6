"""The README's Python runs, and its figures are those of the demo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynopt_milp.backtests.metrics import realised_tracking_error
from dynopt_milp.commands.demo import demo_backtests, demo_solutions
from dynopt_milp.show.backtests import ROWS

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile("".join(blocks), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("optimal ")
    assert "GOLD_micro" in printed


def test_the_figures_of_the_demo_are_those_in_the_readme() -> None:
    rows = re.findall(r"^ *\$\S+ +\d+ +(\S+) +(\S+) +(\S+) +(\S+)% +(\d+) / (\d+)", README, flags=re.MULTILINE)
    solved = list(demo_solutions())
    assert len(rows) == len(solved) == 6
    for row, (_, _, greedy, exact) in zip(rows, solved, strict=True):
        worse = greedy.objective / exact.objective - 1
        assert [float(text) for text in row[:3]] == pytest.approx(
            [greedy.objective, exact.objective, exact.lower_bound], abs=1e-6
        )
        assert float(row[3]) == pytest.approx(100 * worse, abs=0.06)
        assert [int(row[4]), int(row[5])] == [int(found.positions.abs().sum()) for found in (greedy, exact)]


def test_the_figures_of_the_backtests_are_those_in_the_readme() -> None:
    runs = demo_backtests()
    checked = 0
    for heading, figure, form in ROWS:
        row = re.search(rf"^{re.escape(heading)}  +(.*)$", README, flags=re.MULTILINE)
        if row is None or figure == "median_solver_seconds":
            continue
        wanted = [form.format(run.performance[figure]) for run in runs.values()]
        assert row[1].split() == wanted, heading
        checked += 1
    assert checked >= 12
    worse = runs["exact"].rebalances["greedy_objective"] / runs["exact"].rebalances["objective"] - 1
    assert f"objective higher, mean{worse.mean():>27.1%}" in README
    ideal = runs["unrounded"].returns["gross"]
    realised = [realised_tracking_error(runs[name].returns["gross"], ideal) for name in ("greedy", "exact")]
    assert f"Realised tracking error, a year: greedy {realised[0]:.2%}, exact {realised[1]:.2%}." in README
