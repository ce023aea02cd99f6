"""What all studies share: how they are called, stopped and refused, and that every command is there."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from comparisons.environment import write_environment
from comparisons.runner import run_study, study_parser
from comparisons.stored import csv_text, load, save
from dynopt_milp import InputError

STUDIES = ("agreement", "greedy_gap", "naive_model", "solver_race", "static_vs_dynamic", "swap_in")


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_says_how_it_is_called(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module(f"comparisons.{name}.__main__").main
    assert main(["--help"]) == 0
    assert f"usage: python -m comparisons.{name}" in capsys.readouterr().out
    assert main(["--nonsense"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "resumes", "code", "said"),
    [
        (InputError("no", field="x"), True, 2, "error: x: no"),
        (KeyboardInterrupt(), True, 130, "what is done is kept, and the same command goes on"),
        (KeyboardInterrupt(), False, 130, "nothing was kept"),
    ],
)
def test_a_study_that_ends_early_says_why(
    error: BaseException, resumes: bool, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def study(options: Namespace, output: Console, progress: Console) -> None:
        raise error

    assert run_study(study_parser("x", "Of nothing.", prices=False), study, [], resumes=resumes) == code
    assert said in capsys.readouterr().err


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = pd.DataFrame({"held": ["0123", "1e5"], "seconds": [0.1234567891, 2.0]})
    save(rows, tmp_path / "rows.csv", None)
    pd.testing.assert_frame_equal(load(tmp_path / "rows.csv", ("held", "seconds")), rows)
    assert csv_text(rows, 3) == "held,seconds\n0123,0.123\n1e5,2\n"
    assert load(tmp_path / "none.csv", ("held",)).empty


def test_the_environment_names_versions_and_machine(tmp_path: Path) -> None:
    write_environment(tmp_path / "environment.txt", "one thread", "a note", more={"SCIP": "10.0"})
    lines = (tmp_path / "environment.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("python: ")
    assert "SCIP: 10.0" in lines
    assert lines[-2].endswith("cores, one thread")
    assert lines[-1] == "a note"
