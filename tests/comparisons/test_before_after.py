"""Two checkouts side by side: this one against itself, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparisons.before_after import gap_cells, study
from comparisons.before_after.__main__ import HERE, main
from comparisons.solver_race.instances import Grid
from dynopt_milp import Market, Problem, simulated_market, solve
from tests.conftest import shared


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(3, instruments=["US10", "ES_micro", "GOLD_micro", "CORN", "EUR_micro"], start="2015-01-01")


GRID = Grid(capitals=(250_000.0,), cost_multipliers=(50.0,), starts=("2018-01-05",), weeks=1, sizes=(), seeds=())


def test_every_call_is_made_in_both_and_other_answers_are_counted(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "SIZES", (3,))
    monkeypatch.setattr(study, "CAPITALS", (250_000.0,))
    results = study.run(market, HERE, HERE, tmp_path, rounds=2, race=GRID, days=1)
    assert results["kind"].tolist() == ["solve", "book", "pysystemtrade", "book", "pysystemtrade"]
    assert results["same_answer"].all()
    assert (results[["before_seconds", "after_seconds", "ratio"]] > 0).all(axis=None)
    assert study.table(results.assign(same_answer=False))["other answers"].sum() == 5


def test_a_worker_says_what_the_call_returns(market: Market, tmp_path: Path) -> None:
    problem = next(problem for _, _, _, problem in study.problems(market, race=GRID))
    path = tmp_path / "problem.json"
    study.write_for_every_version(problem, path)
    assert json.loads(path.read_text())["format"] == "dynopt-milp problem 1"
    with study.worker(HERE) as process:
        seconds, answer = study.ask(process, "solve", path)
    assert seconds > 0
    assert answer == solve(Problem.from_json(path)).positions.tolist()


def test_compilation_is_timed_in_an_empty_cache_and_rules_where_there_are_some(tmp_path: Path) -> None:
    package = tmp_path / "dynopt_milp" / "solvers" / "branch_and_bound"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").write_text("")
    empty = "assert not os.listdir(os.environ['NUMBA_CACHE_DIR'])"
    work = f"import os\n\ndef warm_up():\n    {empty}\n    sum(range(300_000))\n"
    (package / "__init__.py").write_text(work)
    free, ruled = study.compile_seconds(tmp_path)
    assert free > 0
    assert np.isnan(ruled)
    (package / "__init__.py").write_text(f"{work}\nwarm_up_ruled = warm_up\n")
    rows = study.compilation(tmp_path, tmp_path)
    assert rows["kind"].tolist() == [study.COMPILE, study.COMPILE_RULES]
    assert (rows[["before_seconds", "after_seconds", "ratio"]] > 0).all(axis=None)
    assert study.table(rows.assign(size=np.nan, capital=np.nan)).empty


def test_a_folder_without_the_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path)]) == 2
    assert "is no checkout of this project: it has no folder dynopt_milp" in " ".join(capsys.readouterr().err.split())


def test_the_committed_results_are_within_noise_and_of_the_same_answers() -> None:
    results = pd.read_csv(study.RESULTS)
    assert results["same_answer"].all()
    assert set(results["kind"]) == {"solve", "book", "pysystemtrade"}
    assert study.table(results)["after ÷ before"].between(0.9, 1.1).all()


def test_the_page_has_the_committed_table() -> None:
    results, page = pd.read_csv(study.RESULTS), (study.FOLDER / "README.md").read_text(encoding="utf-8")
    ratios = {row["after ÷ before"] for row in study.table(results).to_dict("records")}
    rows = [line.split("|") for line in page.partition("## Gap studies")[0].splitlines() if "| $" in line]
    assert len(rows) == len(study.table(results))
    assert {float(row[6]) for row in rows} == {round(ratio, 2) for ratio in ratios}
    assert f"Over all {len(results)} calls" in page


def test_a_cell_of_a_gap_study_says_its_seconds_and_figures(tmp_path: Path) -> None:
    folder = shared("data/pysystemtrade")
    seconds, figures = gap_cells.run_cell(HERE, folder, 50_000.0, 100.0)
    assert seconds > 0
    assert figures[0] == 782
    assert 0 < figures[1] < figures[2]
    with pytest.raises(ValueError, match="exit code"):
        gap_cells.run_cell(tmp_path, folder, 50_000.0, 100.0)


def test_gap_cells_refuse_what_is_no_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gap_cells.main([str(tmp_path), str(tmp_path)]) == 2
    assert "no checkout" in " ".join(capsys.readouterr().err.split())


def test_the_page_has_the_table_of_the_cells() -> None:
    results = pd.read_csv(gap_cells.RESULTS)
    assert gap_cells.table(results) in (gap_cells.FOLDER / "README.md").read_text(encoding="utf-8")
    assert results["same_figures"].all()
    fifty = results[results["cost_multiplier"] == 50]
    assert fifty["before_seconds"].sum() >= 3 * fifty["after_seconds"].sum()
