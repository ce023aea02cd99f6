"""A problem file is read and written exactly, or refused with the field that is wrong."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynopt_milp import CovarianceError, FileError, FormatError, InputError, Limits, LimitsError, Problem
from dynopt_milp.trades.examples import example_problem

ARRAYS = ("covariance", "optimal_positions", "weight_per_contract", "previous_positions", "cost_in_weight_terms")
LISTS = ("instruments", *ARRAYS)
FIELDS = (*LISTS, "cost_multiplier")


def content() -> dict[str, Any]:
    return {
        "format": "dynopt-milp problem 1",
        "instruments": ["GOLD", "CORN", "WHEAT"],
        "covariance": [[0.04, 0.01, 0.0], [0.01, 0.09, 0.03], [0.0, 0.03, 0.16]],
        "weight_per_contract": [0.2, 0.1, 0.3],
        "optimal_positions": [1.4, -2.3, 0.6],
        "previous_positions": [1, 0, -1],
        "cost_in_weight_terms": [0.0001, 0.0002, 0.0003],
        "cost_multiplier": 50.0,
    }


def read(tmp_path: Path, given: Any) -> Problem:
    path = tmp_path / "problem.json"
    path.write_text(given if isinstance(given, str) else json.dumps(given), encoding="utf-8")
    return Problem.from_json(path)


def refused(tmp_path: Path, given: Any, *said: str, kind: type[InputError] = FormatError) -> InputError:
    with pytest.raises(InputError) as caught:
        read(tmp_path, given)
    assert type(caught.value) is kind
    for word in said:
        assert word in str(caught.value)
    return caught.value


# Round trips


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(lower={"ES_micro": -3}),
        Limits(lower=-40, upper=50),
        Limits(upper={"CORN": 2, "VIX": 0}, same_side=["US10"]),
        Limits(same_side=True),
        Limits(close=["CORN"]),
    ],
    ids=["none", "lower", "numbers", "upper and rule", "rule", "close"],
)
def test_a_problem_comes_back_exactly(tmp_path: Path, limits: Limits) -> None:
    given = example_problem(1_000_000, seed=2).replace(limits=limits, cost_multiplier=0.1 + 0.2)
    given.to_json(tmp_path / "problem.json")
    found = Problem.from_json(tmp_path / "problem.json")
    assert found.instruments == given.instruments
    assert found.cost_multiplier == given.cost_multiplier
    for name in (*ARRAYS, "lower", "upper"):
        assert np.array_equal(getattr(found, name), getattr(given, name)), name
    assert np.array_equal(found.program().factor, given.program().factor)


def test_a_file_that_was_read_and_written_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    example_problem(seed=4).replace(limits=Limits(lower=-5)).to_json(first)
    Problem.from_json(str(first)).to_json(str(second))
    assert first.read_bytes() == second.read_bytes()


def test_names_in_any_script_come_back(tmp_path: Path) -> None:
    given = content() | {"instruments": ["Öl", "小麦", 'a "b" \\ c']}
    read(tmp_path, given).to_json(tmp_path / "again.json")
    assert Problem.from_json(tmp_path / "again.json").instruments == ("Öl", "小麦", 'a "b" \\ c')


def test_a_written_file_is_plain_json_with_whole_numbers_for_contracts(tmp_path: Path) -> None:
    read(tmp_path, content() | {"lower": [None, -3, 0]}).to_json(tmp_path / "again.json")
    written = json.loads((tmp_path / "again.json").read_text(), parse_constant=pytest.fail)
    assert written == content() | {"lower": [None, -3, 0]}
    assert all(isinstance(position, int) for position in written["previous_positions"])


def test_null_in_a_limit_means_none(tmp_path: Path) -> None:
    found = read(tmp_path, content() | {"lower": [None, -3, 0], "upper": [2, None, None]})
    assert found.lower.tolist() == [-math.inf, -3, 0]
    assert found.upper.tolist() == [2, math.inf, math.inf]


# Not a problem


@pytest.mark.parametrize("text", ["", "no", "{", '{"format": }', "{'format': 1}", json.dumps(content())[:-5]])
def test_what_is_not_json_is_refused_with_the_file_and_the_line(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text, "problem.json", "not JSON", "line 1")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "problem.json").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(FormatError, match="not a text file"):
        Problem.from_json(tmp_path / "problem.json")


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "[" * 200_000, "problem.json")


@pytest.mark.parametrize("given", [[], [content()], 5, None, True, '"text"'], ids=str)
def test_what_is_not_an_object_is_refused(tmp_path: Path, given: Any) -> None:
    refused(tmp_path, given, "problem.json", "object")


@pytest.mark.parametrize("wrong", ["dynopt-milp problem 2", "problem", "", None, 1, ["dynopt-milp problem 1"]], ids=str)
def test_another_format_is_refused(tmp_path: Path, wrong: Any) -> None:
    error = refused(tmp_path, content() | {"format": wrong}, "dynopt-milp problem 1", repr(wrong))
    assert error.field.endswith("format")


def test_a_file_without_a_format_is_refused(tmp_path: Path) -> None:
    given = content()
    del given["format"]
    assert refused(tmp_path, given, "dynopt-milp problem 1").field.endswith("format")


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    given = content()
    del given[field]
    assert refused(tmp_path, given, "missing").field.endswith(field)


@pytest.mark.parametrize("field", ["limits", "Lower", "name", ""])
def test_an_extra_field_is_named(tmp_path: Path, field: str) -> None:
    assert refused(tmp_path, content() | {field: 1}, "not a field").field.endswith(field)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_stands_twice_is_named(tmp_path: Path, field: str) -> None:
    text = json.dumps(content())[:-1] + f', "{field}": {json.dumps(content()[field])}}}'
    refused(tmp_path, text, field, "more than once")


@pytest.mark.parametrize("field", [*ARRAYS, "lower", "upper"])
@pytest.mark.parametrize("change", [lambda entries: entries[:2], lambda entries: [*entries, entries[0]]])
def test_a_list_of_another_length_is_named(tmp_path: Path, field: str, change: Callable[[Any], Any]) -> None:
    given = {"lower": [-1, -1, -1], "upper": [1, 1, 1]} | content()
    assert refused(tmp_path, given | {field: change(given[field])}, "3 entries").field.endswith(field)


def test_a_row_of_the_covariance_of_another_length_names_the_instrument(tmp_path: Path) -> None:
    given = content()
    given["covariance"][1] = [0.01, 0.09]
    refused(tmp_path, given, "covariance", "row 2", "CORN", "found 2")


@pytest.mark.parametrize("field", [*LISTS, "lower", "upper"])
@pytest.mark.parametrize("wrong", [None, 1.0, "1, 2, 3", {"GOLD": 1, "CORN": 1, "WHEAT": 1}], ids=str)
def test_something_else_than_a_list_is_named(tmp_path: Path, field: str, wrong: Any) -> None:
    assert refused(tmp_path, content() | {field: wrong}, "list").field.endswith(field)


@pytest.mark.parametrize("wrong", [None, "0.01", True, [0.01], {}], ids=str)
def test_something_else_than_a_number_in_the_covariance_names_the_row(tmp_path: Path, wrong: Any) -> None:
    given = content()
    given["covariance"][1][0] = wrong
    with pytest.raises(InputError, match="covariance") as caught:
        read(tmp_path, given)
    assert type(caught.value) is FormatError
    assert "CORN" in str(caught.value)


@pytest.mark.parametrize("wrong", [None, "1", True, [1], {}], ids=str)
@pytest.mark.parametrize("field", ARRAYS[1:])
def test_something_else_than_a_number_names_the_field_and_the_instrument(
    tmp_path: Path, field: str, wrong: Any
) -> None:
    given = content()
    given[field][1] = wrong
    error = refused(tmp_path, given, field, kind=InputError)
    assert (error.field, error.instrument) == (field, "CORN")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ARRAYS[1:])
def test_a_literal_that_is_not_finite_names_the_field_and_the_instrument(
    tmp_path: Path, field: str, literal: str
) -> None:
    given = content()
    given[field][1] = "HERE"
    error = refused(tmp_path, json.dumps(given).replace('"HERE"', literal), kind=InputError)
    assert (error.field, error.instrument) == (field, "CORN")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999"])
def test_a_literal_that_is_not_finite_in_the_covariance_names_the_instrument(tmp_path: Path, literal: str) -> None:
    text = json.dumps(content()).replace("0.09", literal)
    error = refused(tmp_path, text, kind=CovarianceError)
    assert (error.field, error.instrument) == ("covariance", "CORN")


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("field", ["covariance", "weight_per_contract", "previous_positions", "lower"])
def test_a_number_of_too_many_digits_is_refused(tmp_path: Path, field: str, digits: int) -> None:
    given = content() | {"lower": [None, None, None]}
    entry = [["HERE", 0, 0], [0, 1, 0], [0, 0, 1]] if field == "covariance" else ["HERE", 1, 1]
    text = json.dumps(given | {field: entry}).replace('"HERE"', "9" * digits)
    with pytest.raises(InputError):
        read(tmp_path, text)


@pytest.mark.parametrize("multiplier", ["NaN", "Infinity", "-1", "null", '"50"', "true", "[50]"])
def test_a_cost_multiplier_that_is_no_number_is_named(tmp_path: Path, multiplier: str) -> None:
    text = json.dumps(content()).replace("50.0", multiplier)
    assert refused(tmp_path, text, kind=InputError).field == "cost_multiplier"


@pytest.mark.parametrize(
    "names", [["GOLD", "CORN", "GOLD"], ["GOLD", "CORN", 3], ["GOLD", "CORN", ""], ["GOLD", "CORN", ["X"]]], ids=str
)
def test_names_that_are_none_or_stand_twice_are_refused(tmp_path: Path, names: list[Any]) -> None:
    assert refused(tmp_path, content() | {"instruments": names}, kind=InputError).field == "instruments"


def test_a_file_without_instruments_is_refused(tmp_path: Path) -> None:
    empty = {field: [] for field in LISTS}
    assert refused(tmp_path, content() | empty, kind=InputError).field == "instruments"


def test_limits_that_cross_name_the_instrument(tmp_path: Path) -> None:
    given = content() | {"lower": [None, 2, None], "upper": [1, 1, None]}
    error = refused(tmp_path, given, "at least 2", "at most 1", kind=LimitsError)
    assert error.instrument == "CORN"


@pytest.mark.parametrize("literal", ["1.5", "NaN", '"2"', "false", "[1]"])
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_limit_that_is_not_a_whole_number_names_the_instrument(tmp_path: Path, side: str, literal: str) -> None:
    text = json.dumps(content() | {side: [None, "HERE", None]}).replace('"HERE"', literal)
    error = refused(tmp_path, text, kind=LimitsError)
    assert (error.field, error.instrument) == (side, "CORN")


# Files and folders


def test_a_missing_file_and_a_folder_are_refused_with_their_path(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path):
        with pytest.raises(FileError, match="cannot be read") as caught:
            Problem.from_json(path)
        assert str(path) in str(caught.value)
        assert caught.value.filename == str(path)


def test_writing_into_a_missing_folder_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "problem.json"
    with pytest.raises(FileError, match="cannot be written") as caught:
        read(tmp_path, content()).to_json(path)
    assert str(path) in str(caught.value)
    assert [item.name for item in tmp_path.iterdir()] == ["problem.json"]


def test_writing_over_a_folder_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot be written"):
        read(tmp_path, content()).to_json(tmp_path / "folder")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder", "problem.json"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_an_existing_file_survives_a_write_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    given = read(tmp_path, content())
    before = (tmp_path / "problem.json").read_bytes()

    def fail(*arguments: object, **options: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(FileError if isinstance(error, OSError) else KeyboardInterrupt):
            given.replace(cost_multiplier=1.0).to_json(tmp_path / "problem.json")
    assert (tmp_path / "problem.json").read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["problem.json"]


def test_a_file_is_replaced_by_a_write_that_succeeds(tmp_path: Path) -> None:
    given = read(tmp_path, content())
    given.replace(cost_multiplier=1.0).to_json(tmp_path / "problem.json")
    assert Problem.from_json(tmp_path / "problem.json").cost_multiplier == 1.0
    assert [item.name for item in tmp_path.iterdir()] == ["problem.json"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    read(tmp_path, content()).to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").stat().st_mode == (tmp_path / "problem.json").stat().st_mode
