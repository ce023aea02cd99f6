"""A part of the changed files with a fixed seed, and the judge: that a lie is caught."""

from __future__ import annotations

import numpy as np
import pytest

from dynopt_milp.errors import FormatError, SolverError
from tests.fuzz import __main__ as command
from tests.fuzz.mutators import MUTATORS, Outcome
from tests.fuzz.sources import SOURCES, Answer
from tests.fuzz.trial import PAIRS, in_order, judged, run_trial, source

SEED = 7


def test_no_changed_file_is_taken_without_a_word() -> None:
    wrong = []
    for number in range(len(MUTATORS) * len(PAIRS)):  # each change of each file once
        what, fault = run_trial(SEED, number)
        if fault:
            wrong.append(f"{what}: {fault}")
    assert not wrong, "\n".join(wrong)


def test_files_in_order_are_read_without_a_note() -> None:
    for name in SOURCES:
        assert not in_order(name).notes


@pytest.mark.parametrize("mutator", MUTATORS)
def test_every_change_changes_some_file(mutator: str) -> None:
    random = np.random.default_rng(SEED)
    changed = 0
    for name, file in PAIRS:
        table = source(name).files[file]
        content = MUTATORS[mutator].change(table, random)
        changed += content not in (None, table.text(), table.text().encode())
    assert (changed > 0) == (mutator != "nothing")


def test_the_judge_catches_lies() -> None:
    before, other = Answer({"x": 1}, frozenset({"old"})), {"x": 2}
    same, refused, said = Outcome
    file = "held.csv"
    for found, outcome, fault in (
        (Answer(other, frozenset({"new"})), same, "another answer"),
        (Answer(other, frozenset({"old"})), said, "another answer without a word"),
        (Answer({"x": 1}, frozenset({"new"})), refused, "taken without an error"),
        (KeyError("position"), said, "an error that is none of ours: KeyError"),
        (SolverError("x"), refused, "an error that is ours, of another kind"),
        (FormatError("is odd", field="a/held.csv"), same, "refused"),
        (FormatError("is odd", field="numbers"), refused, "the error does not name the file"),
    ):
        assert judged(found, before, outcome, file).startswith(fault)
    for right, outcome in (
        (Answer(other, frozenset({"new"})), said), (Answer({"x": 1}, frozenset()), same),
        (FormatError("is odd", field="a/held.csv"), refused), (FormatError("is odd", field="a/held.csv"), said),
    ):  # fmt: skip
        assert judged(right, before, outcome, file) == ""


def test_the_command_runs_a_number_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--seed", "3", "--first", "40", "--files", "2"]) == 0
    assert "2 files" in capsys.readouterr().out
