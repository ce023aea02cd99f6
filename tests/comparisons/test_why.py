"""What an explanation costs: the page says what the results say, and its code makes such results."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from comparisons.why.__main__ import main
from comparisons.why.study import QUESTIONS, RESULTS, problems, ratios, run, table
from dynopt_milp import example_problem


def test_the_page_has_the_table_of_the_results() -> None:
    results = pd.read_csv(RESULTS)
    assert table(results) in (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert results["explained"].all()
    every = ratios(results)
    stored = ~results["name"].str.startswith("simulated")
    assert every.loc[stored, "explain"].median() <= 4
    small = (results["lambda"] == 50) & results["capital"].isin([50_000, 250_000])
    assert every.loc[small, "within"].median() <= 100
    assert results.loc[small, "within_complete"].all()
    large = (results["lambda"] == 50) & (results["capital"] == 1_000_000)
    assert every.loc[large, "best"].median() <= 500
    assert results.loc[large, "best_complete"].all()


def test_small_problems_are_measured_in_the_same_way(tmp_path: Path) -> None:
    example_problem(50_000.0).to_json(tmp_path / "made_50k_lam50.json")
    cases = list(problems(tmp_path))
    assert next(name for name, _, _ in cases) == "made_50k_lam50"
    assert cases[0][1] == 50_000
    results = run(cases[:1])
    assert (results[["solve", *QUESTIONS]] > 0).all(axis=None)
    assert results["within_complete"].all()
    assert results["best_complete"].all()
    assert "$50,000 | 50 | 1 |" in table(results)


def test_a_folder_without_problems_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing")]) == 2
    assert "no problem" in " ".join(capsys.readouterr().err.split())


def test_the_readme_has_the_medians() -> None:
    results = pd.read_csv(RESULTS)
    every = ratios(results)
    fifty = results["lambda"] == 50
    few = fifty & results["capital"].isin([50_000, 250_000])
    many = fifty & (results["capital"] == 1_000_000)
    readme = (RESULTS.parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"**{every['explain'].median():.1f}** solves an instrument" in readme
    assert f"{every.loc[few, 'within'].median():.0f} solves at $50,000 and $250,000" in readme
    assert f"the 1,000 best at $1m: {every.loc[many, 'best'].median():.0f}" in readme
