"""A problem file is read and written exactly, or refused with the field that is wrong."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import (
    CovarianceError,
    FileError,
    FormatError,
    InputError,
    Limits,
    LimitsError,
    Problem,
    rebalance,
    solve,
)
from dynopt_milp.problem.problem import ARGUMENTS
from dynopt_milp.trades.examples import example_problem
from dynopt_milp.trades.trade_file import write_trades

ARRAYS = ("covariance", "optimal_positions", "weight_per_contract", "previous_positions", "cost_in_weight_terms")
LISTS = ("instruments", *ARRAYS)
FIELDS = (*LISTS, "cost_multiplier")


def content() -> dict[str, Any]:
    return {
        "format": "dynopt-milp problem 2",
        "instruments": ["GOLD", "CORN", "WHEAT"],
        "covariance": [[0.04, 0.01, 0.0], [0.01, 0.09, 0.03], [0.0, 0.03, 0.16]],
        "weight_per_contract": [0.2, 0.1, 0.3],
        "optimal_positions": [1.4, -2.3, 0.6],
        "previous_positions": [1, 0, -1],
        "cost_in_weight_terms": [0.0001, 0.0002, 0.0003],
        "cost_multiplier": 50.0,
    }


def content_of_format_1() -> dict[str, Any]:
    return content() | {"format": "dynopt-milp problem 1"}


FURTHER = {
    "capital": 250_000.0,
    "holding_cost": [0.0, 1e-5, 3e-5],
    "underlying": ["GOLD", "GRAIN", "GRAIN"],
    "lower": [None, -3, 0],
    "upper": [2, None, None],
    "long_only": False,
    "no_trade": ["GOLD"],
    "reduce_only": [],
    "same_side": True,
    "close": ["CORN"],
    "one_side": ["CORN", "WHEAT"],
    "rules": [{"rule": "gross", "limit": 3.0}, {"rule": "lot", "contracts": {"WHEAT": 5}}],
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


def no_opening(names: list[str]) -> Limits:
    return Limits(reduce_only=names[:2], upper={names[3]: 7})


LIMITS: dict[str, Any] = {
    "none": Limits(),
    "lower": Limits(lower={"ES_micro": -3}),
    "numbers": Limits(lower=-40, upper=50),
    "Series and sequence": Limits(lower=pd.Series({"CORN": -2.0, "VIX": -np.inf}), upper=[*[np.inf] * 31, 3]),
    "upper and rule": Limits(upper={"CORN": 2, "VIX": 0}, same_side=["US10"]),
    "rule": Limits(same_side=True),
    "close": Limits(close=["CORN"]),
    "held": Limits(no_trade={"GOLD_micro", "CORN"}, reduce_only=["US10"], long_only=["BUND"]),
    "one side": Limits(one_side=True),
    "one side of some": Limits(one_side=["US10", "BUND", "CORN"], no_trade=["BUND"]),
    "no names": Limits(close=[]),
    "function": no_opening,
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_problem_comes_back_exactly(tmp_path: Path, limits: Any) -> None:
    given = example_problem(1_000_000, seed=2)
    given = given.replace(
        limits=limits, cost_multiplier=0.1 + 0.2, underlying={"US10": "NOTE", "BUND": "NOTE"},
        holding_cost=given.cost_in_weight_terms / 13, capital=1e6 / 3,
    )  # fmt: skip
    given.to_json(tmp_path / "problem.json")
    found = Problem.from_json(tmp_path / "problem.json")
    for name in (*set(ARGUMENTS) - {"limits"}, "lower", "upper"):
        assert np.array_equal(getattr(found, name), getattr(given, name)), name
    assert set(found.limits.given) == set(given.limits.given)
    for one, two in zip(found.program().arrays(), given.program().arrays(), strict=True):
        assert np.array_equal(one, two)
    again, once = solve(found), solve(given)
    assert (again.objective, again.lower_bound) == (once.objective, once.lower_bound)
    assert again.positions.equals(once.positions)
    found.to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "problem.json").read_bytes()


def test_rules_are_of_the_positions_held_when_the_problem_that_was_read_is_changed(tmp_path: Path) -> None:
    given = read(tmp_path, content() | {"no_trade": ["GOLD"], "same_side": True})
    given.to_json(tmp_path / "again.json")
    found = Problem.from_json(tmp_path / "again.json").replace(
        previous_positions=[3, 0, 0], optimal_positions=[1, 2, -1]
    )
    assert found.lower.tolist() == [3, 0, -math.inf]
    assert found.upper.tolist() == [3, math.inf, 0]


def test_every_field_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, content() | FURTHER)
    assert found.capital == 250_000
    assert found.holding_cost.tolist() == FURTHER["holding_cost"]
    assert found.underlying == ("GOLD", "GRAIN", "GRAIN")
    assert found.limits.given == ("lower", "upper", "no_trade", "reduce_only", "same_side", "close", "one_side")
    assert found.lower.tolist() == [1, 0, 0]
    assert found.upper.tolist() == [1, 0, math.inf]
    assert [members.tolist() for members in found.program().underlyings()] == [[1, 2]]
    found.to_json(tmp_path / "again.json")
    expected = content() | {name: value for name, value in FURTHER.items() if value is not False}
    assert json.loads((tmp_path / "again.json").read_text()) == expected


def test_an_underlying_that_is_null_is_the_instrument_itself(tmp_path: Path) -> None:
    found = read(tmp_path, content() | {"underlying": [None, "GRAIN", "GRAIN"]})
    assert found.underlying == ("GOLD", "GRAIN", "GRAIN")


def test_format_1_is_read_and_written_as_format_2(tmp_path: Path) -> None:
    numbers = {"lower": [None, -3, 0], "upper": [2, None, None]}
    found, new = read(tmp_path, content_of_format_1() | numbers), read(tmp_path, content() | numbers)
    for name in (*set(ARGUMENTS) - {"limits"}, "lower", "upper"):
        assert np.array_equal(getattr(found, name), getattr(new, name)), name
    assert (found.capital, found.underlying, found.holding_cost.any()) == (None, ("GOLD", "CORN", "WHEAT"), False)
    found.to_json(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == content() | numbers


@pytest.mark.parametrize("field", sorted(FURTHER.keys() - {"lower", "upper"}))
def test_format_1_has_no_field_of_format_2(tmp_path: Path, field: str) -> None:
    given = content_of_format_1() | {field: FURTHER[field]}
    assert refused(tmp_path, given, "is not a field of 'dynopt-milp problem 1'").field.endswith(field)


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


@pytest.mark.parametrize("wrong", ["dynopt-milp problem 3", "problem", "", None, 1, ["dynopt-milp problem 1"]], ids=str)
def test_another_format_is_refused(tmp_path: Path, wrong: Any) -> None:
    error = refused(tmp_path, content() | {"format": wrong}, "problem 1", "dynopt-milp problem 2", repr(wrong))
    assert error.field.endswith("format")


def test_a_file_without_a_format_is_refused(tmp_path: Path) -> None:
    given = content()
    del given["format"]
    assert refused(tmp_path, given, "dynopt-milp problem 2").field.endswith("format")


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


@pytest.mark.parametrize("field", [*ARRAYS, "lower", "upper", "holding_cost", "underlying"])
@pytest.mark.parametrize("change", [lambda entries: entries[:2], lambda entries: [*entries, entries[0]]])
def test_a_list_of_another_length_is_named(tmp_path: Path, field: str, change: Callable[[Any], Any]) -> None:
    given = FURTHER | content()
    assert refused(tmp_path, given | {field: change(given[field])}, "3 entries").field.endswith(field)


def test_a_row_of_the_covariance_of_another_length_names_the_instrument(tmp_path: Path) -> None:
    given = content()
    given["covariance"][1] = [0.01, 0.09]
    refused(tmp_path, given, "covariance", "row 2", "CORN", "found 2")


@pytest.mark.parametrize("field", [*LISTS, "lower", "upper", "holding_cost", "underlying"])
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


@pytest.mark.parametrize("field", ["long_only", "no_trade", "reduce_only", "same_side", "close", "one_side"])
@pytest.mark.parametrize("wrong", [None, 1, "all", "GOLD", {"GOLD": True}], ids=str)
def test_a_rule_that_is_neither_true_nor_false_nor_a_list_is_named(tmp_path: Path, field: str, wrong: Any) -> None:
    assert refused(tmp_path, content() | {field: wrong}, "true, false or a list", repr(wrong)).field.endswith(field)


@pytest.mark.parametrize("wrong", ["SILVER", None, 3, ["GOLD"]], ids=str)
@pytest.mark.parametrize("field", ["no_trade", "one_side"])
def test_a_rule_of_something_else_than_an_instrument_is_named(tmp_path: Path, field: str, wrong: Any) -> None:
    error = refused(tmp_path, content() | {field: ["GOLD", wrong]}, "not among the instruments", kind=LimitsError)
    assert error.field == field


@pytest.mark.parametrize("wrong", [3, True, ["GRAIN"], {}], ids=str)
def test_an_underlying_that_is_no_text_names_the_instrument(tmp_path: Path, wrong: Any) -> None:
    error = refused(tmp_path, content() | {"underlying": [None, wrong, "GRAIN"]}, "expected a text", kind=InputError)
    assert (error.field, error.instrument) == ("underlying", "CORN")


@pytest.mark.parametrize("capital", ["NaN", "Infinity", "0", "-1", "null", '"50"', "true", "[50]"])
def test_a_capital_that_is_no_positive_number_is_named(tmp_path: Path, capital: str) -> None:
    text = json.dumps(content() | {"capital": "HERE"}).replace('"HERE"', capital)
    assert refused(tmp_path, text, kind=InputError).field == "capital"


@pytest.mark.parametrize("wrong", [None, "1", True, [1], {}], ids=str)
@pytest.mark.parametrize("field", [*ARRAYS[1:], "holding_cost"])
def test_something_else_than_a_number_names_the_field_and_the_instrument(
    tmp_path: Path, field: str, wrong: Any
) -> None:
    given = FURTHER | content()
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
    for path, said in ((tmp_path / "nothing.json", "there is no such file"), (tmp_path, "cannot be read")):
        with pytest.raises(FileError, match=said) as caught:
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


def test_a_file_of_trades_says_where_its_problem_is(tmp_path: Path) -> None:
    made = rebalance(example_problem(50_000))
    write_trades(made, tmp_path / "x.json")
    with pytest.raises(FormatError, match="its field problem is one: put that into a file of its own"):
        Problem.from_json(tmp_path / "x.json")
