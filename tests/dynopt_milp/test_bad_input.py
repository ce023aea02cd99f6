"""Bad input is refused, and the error names the field and the instrument."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from dynopt_milp import (
    CovarianceError,
    DynoptError,
    InputError,
    Inputs,
    Limits,
    LimitsError,
    Market,
    Problem,
    Status,
    Strategy,
    UnboundedError,
    backtest,
    clip_eigenvalues,
    example_problem,
    guide,
    holding_cost,
    market_from_frames,
    rebalance,
    simulated_market,
    solve,
)
from dynopt_milp.adapters.book import BookAlgorithm
from dynopt_milp.errors import DataError, UnknownNameError, UnsupportedError
from dynopt_milp.gap import GapGrid
from dynopt_milp.problem.limits import RULES
from tests.command_line import run

NAMES = ["GOLD", "CORN", "WHEAT"]
COVARIANCE = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.03], [0.0, 0.03, 0.16]])
VECTORS: dict[str, list[float]] = {
    "optimal_positions": [1.4, -2.3, 0.6],
    "weight_per_contract": [0.2, 0.1, 0.3],
    "previous_positions": [1, 0, -1],
    "cost_in_weight_terms": [0.0001, 0.0002, 0.0003],
}
NOT_FINITE = [math.nan, math.inf, -math.inf]
NOT_A_NUMBER = ["0.04", "much", None, True, [1.0], 1j]
TOO_LARGE = 10**400  # larger than any float64


def labelled(covariance: Any, names: list[str] = NAMES) -> pd.DataFrame:
    return pd.DataFrame(np.array(covariance, dtype=object), index=names, columns=names)


def problem(**changes: Any) -> Problem:
    return Problem(**({"covariance": COVARIANCE, "instruments": tuple(NAMES), **VECTORS} | changes))


def market(**changes: Any) -> Problem:
    given = {
        "capital": 1e6,
        "prices": dict(zip(NAMES, [100.0, 50.0, 20.0], strict=True)),
        "multipliers": dict(zip(NAMES, [100.0, 500.0, 1000.0], strict=True)),
        "fx": dict(zip(NAMES, [1.0, 1.1, 0.8], strict=True)),
        "cost_per_contract": dict(zip(NAMES, [2.0, 3.0, 4.0], strict=True)),
        "covariance": labelled(COVARIANCE),
        "optimal_positions": dict(zip(NAMES, [1.4, -2.3, 0.6], strict=True)),
    }
    return Problem.from_market(**(given | changes))


def with_entry(field: str, place: int, entry: Any) -> list[Any]:
    return [entry if position == place else number for position, number in enumerate(VECTORS[field])]


def refusal(
    build: Callable[[], object], field: str, instrument: str | None = None, kind: type[InputError] = InputError
) -> InputError:
    with pytest.raises(InputError) as caught:
        build()
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, DynoptError)
    assert isinstance(error, ValueError)
    assert error.field == field
    assert error.instrument == instrument
    assert field in str(error)
    assert instrument is None or instrument in str(error)
    return error


# Covariance


@pytest.mark.parametrize("entry", NOT_FINITE)
@pytest.mark.parametrize("place", [(1, 1), (1, 2)])
def test_a_covariance_that_is_not_finite_names_the_instruments_and_the_field(
    entry: float, place: tuple[int, int]
) -> None:
    covariance = COVARIANCE.copy()
    covariance[place] = entry
    for given in (covariance, covariance.tolist(), labelled(covariance)):
        error = refusal(lambda given=given: problem(covariance=given), "covariance", "CORN", CovarianceError)
        assert str(entry) in str(error)
        assert NAMES[place[1]] in str(error)


def test_an_asymmetric_covariance_names_both_instruments_and_both_numbers() -> None:
    covariance = COVARIANCE.copy()
    covariance[0, 2] = 0.005
    error = refusal(lambda: problem(covariance=covariance), "covariance", "GOLD", CovarianceError)
    assert "WHEAT" in str(error)
    assert "0.005" in str(error)


def test_an_indefinite_covariance_names_the_instrument_it_is_indefinite_along() -> None:
    correlation = np.array([[1.0, 0.0, 0.1], [0.0, 1.0, 1.2], [0.1, 1.2, 1.0]])
    deviation = np.array([0.2, 0.3, 0.4])
    with pytest.raises(CovarianceError, match="positive semi-definite") as caught:
        problem(covariance=correlation * np.outer(deviation, deviation))
    assert caught.value.field == "covariance"
    assert caught.value.instrument in ("CORN", "WHEAT")
    assert caught.value.instrument in str(caught.value)


def test_an_indefiniteness_just_beyond_round_off_is_refused() -> None:
    covariance = np.array([[1.0, 1 + 1e-7], [1 + 1e-7, 1.0]]) * 0.04
    with pytest.raises(CovarianceError, match="positive semi-definite"):
        Problem(covariance=labelled(covariance, ["A", "B"]), optimal_positions=0.5, weight_per_contract=0.1)


def test_round_off_indefiniteness_is_repaired_and_said() -> None:
    covariance = np.array([[1.0, 1 + 1e-10], [1 + 1e-10, 1.0]]) * 0.04
    assert np.linalg.eigvalsh(covariance)[0] < 0
    found = Problem(
        covariance=labelled(covariance, ["A", "B"]),
        optimal_positions=[1.6, 0.0],
        weight_per_contract=0.1,
        cost_in_weight_terms=1e-4,
    )
    assert len(found.notes) == 1
    assert "covariance" in found.notes[0]
    assert "eigenvalue" in found.notes[0]
    assert np.isfinite(found.program().factor).all()
    assert found.program().tracking_error([0, 0]) == pytest.approx(1.6 * 0.1 * 0.2, rel=1e-8)
    assert solve(found).to_dict()["notes"] == list(found.notes)


def test_round_off_asymmetry_is_repaired() -> None:
    covariance = COVARIANCE.copy()
    covariance[0, 1] *= 1 + 1e-13
    found = problem(covariance=covariance).covariance
    assert (found == found.T).all()


def test_two_sizes_of_one_contract_are_ordinary_and_need_no_note() -> None:
    covariance = labelled(np.full((2, 2), 0.04), ["full", "micro"])
    found = Problem(covariance=covariance, optimal_positions=[0.4, 0.0], weight_per_contract=[1.0, 0.1])
    assert found.notes == ()


def test_a_negative_variance_names_the_instrument() -> None:
    covariance = COVARIANCE.copy()
    covariance[2, 2] = -0.16
    error = refusal(lambda: problem(covariance=covariance), "covariance", "WHEAT", CovarianceError)
    assert "-0.16" in str(error)


def test_a_covariance_without_a_variance_names_the_instrument() -> None:
    covariance = COVARIANCE.copy()
    covariance[1, 1] = 0.0
    refusal(lambda: problem(covariance=covariance), "covariance", "CORN", CovarianceError)


@pytest.mark.parametrize(
    "covariance",
    [0.04, [0.04, 0.09, 0.16], COVARIANCE[:2], COVARIANCE[:2, :2], [[0.04], [0.01, 0.09], [0.0, 0.03, 0.16]], None],
    ids=["number", "vector", "rows", "two by two", "ragged", "none"],
)
def test_a_covariance_of_the_wrong_shape_is_refused(covariance: Any) -> None:
    refusal(lambda: problem(covariance=covariance), "covariance", None, CovarianceError)


@pytest.mark.parametrize("entry", ["much", "0.09", {}, TOO_LARGE], ids=["word", "digits", "object", "too large"])
def test_a_covariance_with_something_else_than_numbers_is_refused(entry: Any) -> None:
    rows = COVARIANCE.tolist()
    rows[1][1] = entry
    for given in (rows, labelled(rows)):
        with pytest.raises(CovarianceError) as caught:
            problem(covariance=given)
        assert caught.value.field == "covariance"


def test_a_missing_instrument_in_the_covariance_is_named() -> None:
    given = labelled(COVARIANCE[:2, :2], NAMES[:2])
    refusal(lambda: problem(covariance=given), "covariance", "WHEAT", CovarianceError)
    refusal(lambda: problem(covariance=labelled(COVARIANCE)[NAMES[:2]]), "covariance", "WHEAT", CovarianceError)


def test_an_unknown_instrument_in_the_covariance_is_named() -> None:
    given = labelled(np.diag([0.04, 0.09, 0.16, 0.01]), [*NAMES, "SILVER"])
    refusal(lambda: problem(covariance=given), "covariance", "SILVER", CovarianceError)


def test_a_duplicate_instrument_in_the_covariance_is_named() -> None:
    given = labelled(np.diag([0.04, 0.09, 0.16, 0.01]), [*NAMES, "CORN"])
    refusal(lambda: problem(covariance=given), "covariance", "CORN", CovarianceError)


# Vectors


@pytest.mark.parametrize("entry", NOT_FINITE)
@pytest.mark.parametrize("field", VECTORS)
def test_a_number_that_is_not_finite_names_the_instrument_and_the_field(field: str, entry: float) -> None:
    listed = with_entry(field, 1, entry)
    for given in (listed, np.array(listed), pd.Series(listed, index=NAMES), dict(zip(NAMES, listed, strict=True))):
        error = refusal(lambda given=given: problem(**{field: given}), field, "CORN")
        assert "finite" in str(error)


@pytest.mark.parametrize("entry", [*NOT_A_NUMBER, TOO_LARGE], ids=lambda entry: str(entry)[:9])
@pytest.mark.parametrize("field", VECTORS)
def test_something_else_than_a_number_names_the_instrument_and_the_field(field: str, entry: Any) -> None:
    refusal(lambda: problem(**{field: with_entry(field, 2, entry)}), field, "WHEAT")


@pytest.mark.parametrize("field", VECTORS)
def test_a_missing_instrument_is_named(field: str) -> None:
    given = dict(zip(NAMES[:2], VECTORS[field][:2], strict=True))
    refusal(lambda: problem(**{field: given}), field, "WHEAT")
    refusal(lambda: problem(**{field: pd.Series(given)}), field, "WHEAT")


@pytest.mark.parametrize("field", VECTORS)
def test_an_unknown_instrument_is_named(field: str) -> None:
    given = dict(zip(NAMES, VECTORS[field], strict=True)) | {"SILVER": 1.0}
    refusal(lambda: problem(**{field: given}), field, "SILVER")
    refusal(lambda: problem(**{field: pd.Series(given)}), field, "SILVER")


@pytest.mark.parametrize("field", VECTORS)
def test_a_duplicate_instrument_is_named(field: str) -> None:
    given = pd.Series([*VECTORS[field], 1.0], index=[*NAMES, "CORN"])
    refusal(lambda: problem(**{field: given}), field, "CORN")


@pytest.mark.parametrize("field", VECTORS)
@pytest.mark.parametrize("change", [lambda numbers: numbers[:2], lambda numbers: [*numbers, 1], lambda numbers: []])
def test_a_wrong_length_is_refused(field: str, change: Callable[[list[float]], list[float]]) -> None:
    given = change(VECTORS[field])
    error = refusal(lambda: problem(**{field: given}), field)
    assert str(len(given)) in str(error)
    refusal(lambda: problem(**{field: np.array(given)}), field)


@pytest.mark.parametrize("field", VECTORS)
def test_a_table_where_a_vector_is_wanted_is_refused(field: str) -> None:
    refusal(lambda: problem(**{field: np.ones((3, 1))}), field)


@pytest.mark.parametrize("entry", [0.0, -0.2])
def test_a_weight_per_contract_that_is_not_positive_names_the_instrument(entry: float) -> None:
    given = with_entry("weight_per_contract", 0, entry)
    error = refusal(lambda: problem(weight_per_contract=given), "weight_per_contract", "GOLD")
    assert f"{entry:g}" in str(error)


def test_a_negative_cost_names_the_instrument() -> None:
    given = with_entry("cost_in_weight_terms", 1, -0.0001)
    error = refusal(lambda: problem(cost_in_weight_terms=given), "cost_in_weight_terms", "CORN")
    assert "-0.0001" in str(error)


@pytest.mark.parametrize("entry", [0.5, -1.000001, 2.0**60])
def test_previous_positions_that_are_not_whole_name_the_instrument(entry: float) -> None:
    given = with_entry("previous_positions", 2, entry)
    refusal(lambda: problem(previous_positions=given), "previous_positions", "WHEAT")


@pytest.mark.parametrize("multiplier", [-1.0, *NOT_FINITE, *NOT_A_NUMBER], ids=str)
def test_a_cost_multiplier_that_is_negative_or_no_finite_number_is_refused(multiplier: Any) -> None:
    refusal(lambda: problem(cost_multiplier=multiplier), "cost_multiplier")


# Instruments


def test_a_duplicate_name_is_named() -> None:
    refusal(lambda: problem(instruments=("GOLD", "CORN", "GOLD")), "instruments", "GOLD")


@pytest.mark.parametrize("names", [("GOLD", "", "CORN"), ("GOLD", " ", "CORN"), ("GOLD", 5, "CORN"), "GOLD", 5])
def test_instruments_that_are_not_a_list_of_names_are_refused(names: Any) -> None:
    refusal(lambda: problem(instruments=names), "instruments")
    refusal(lambda: market(instruments=names), "instruments")


def test_input_without_any_names_is_refused() -> None:
    refusal(lambda: problem(instruments=()), "instruments")


def test_an_empty_problem_is_refused() -> None:
    empty = pd.DataFrame(np.zeros((0, 0)))
    refusal(lambda: Problem(covariance=empty, optimal_positions=[], weight_per_contract=[]), "instruments")


@pytest.mark.parametrize("kind", [list, np.array, pd.Index, pd.Series])
def test_names_may_come_as_any_sequence(kind: Callable[[list[str]], Any]) -> None:
    assert problem(instruments=kind(NAMES)).instruments == tuple(NAMES)


# Limits


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_fractional_limit_names_the_instrument(side: str) -> None:
    error = refusal(lambda: problem(limits=Limits(**{side: {"CORN": 1.5}})), side, "CORN", LimitsError)
    assert "1.5" in str(error)


@pytest.mark.parametrize("entry", [math.nan, "2", None, True], ids=str)
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_limit_that_is_not_a_number_names_the_instrument(side: str, entry: Any) -> None:
    refusal(lambda: problem(limits=Limits(**{side: {"CORN": entry}})), side, "CORN", LimitsError)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_limits_of_the_wrong_length_are_refused(side: str) -> None:
    refusal(lambda: problem(limits=Limits(**{side: [1, 2]})), side, None, LimitsError)


@pytest.mark.parametrize("field", ["lower", "upper", *RULES])
def test_an_unknown_name_in_the_limits_is_named(field: str) -> None:
    given = {"SILVER": 1} if field in ("lower", "upper") else ["GOLD", "SILVER"]
    refusal(lambda: problem(limits=Limits(**{field: given})), field, "SILVER", LimitsError)


@pytest.mark.parametrize("given", ["GOLD", 1, None, {"GOLD": False}], ids=str)
@pytest.mark.parametrize("field", RULES)
def test_a_rule_that_is_neither_true_nor_false_nor_names_is_refused(field: str, given: Any) -> None:
    refusal(lambda: problem(limits=Limits(**{field: given})), field, None, LimitsError)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(lower={"CORN": 2}, upper={"CORN": 1}),
        Limits(lower={"CORN": math.inf}),
        Limits(upper={"CORN": -math.inf}),
        Limits(upper={"CORN": -1}, long_only=True),
        Limits(lower={"CORN": 1}, no_trade=["CORN"]),
        Limits(lower={"CORN": 1}, reduce_only=True),
        Limits(lower={"CORN": 1}, same_side=True),
        Limits(lower={"CORN": 1}, close=["CORN"]),
    ],
    ids=["numbers", "least inf", "most -inf", "long_only", "no_trade", "reduce_only", "same_side", "close"],
)
def test_limits_that_leave_no_position_name_the_instrument(limits: Limits) -> None:
    error = refusal(lambda: problem(limits=limits), "limits", "CORN", LimitsError)
    assert "at least" in str(error)


def test_the_rule_that_crosses_a_number_is_named() -> None:
    error = refusal(lambda: problem(limits=Limits(upper={"CORN": -1}, long_only=True)), "limits", "CORN", LimitsError)
    assert "long_only" in str(error)
    error = refusal(lambda: problem(limits=Limits(lower={"CORN": 1}, close=True)), "limits", "CORN", LimitsError)
    assert "close and the other limits leave no position: at least 1 and at most 0 contracts" in str(error)


def test_limits_that_are_no_limits_are_refused() -> None:
    refusal(lambda: problem(limits={"lower": 0}), "limits", None, LimitsError)


# From market data


@pytest.mark.parametrize("entry", [0.0, -3.0, *NOT_FINITE, "20"], ids=str)
@pytest.mark.parametrize("field", ["prices", "multipliers", "fx"])
def test_market_data_that_is_not_positive_and_finite_names_the_instrument(field: str, entry: Any) -> None:
    refusal(lambda: market(**{field: {"GOLD": 1.0, "CORN": entry, "WHEAT": 1.0}}), field, "CORN")


@pytest.mark.parametrize("field", ["prices", "multipliers", "fx", "cost_per_contract"])
def test_market_data_with_a_missing_or_unknown_instrument_names_it(field: str) -> None:
    refusal(lambda: market(**{field: {"GOLD": 1.0, "CORN": 1.0}}), field, "WHEAT")
    refusal(lambda: market(**{field: {"GOLD": 1.0, "CORN": 1.0, "WHEAT": 1.0, "TIN": 1.0}}), field, "TIN")


@pytest.mark.parametrize("entry", [0.0, -37.63])
def test_a_price_that_is_not_positive_needs_a_reference_price_and_the_error_says_so(entry: float) -> None:
    prices = {"GOLD": 1.0, "CORN": entry, "WHEAT": 1.0}
    asked: list[Any] = [None, {"GOLD": 2.0}, {"CORN": entry}]
    for reference in asked:
        error = refusal(lambda given=reference: market(prices=prices, reference_prices=given), "prices", "CORN")
        assert f"found {entry:g}; give a reference price" in str(error)
        assert "a positive number, such as a tenth of the year's median price" in str(error)
        assert "a covariance in its unit" in str(error)
    assert market(prices=prices, reference_prices={"CORN": 2.0}).weight_per_contract[1] == 500 * 2.0 * 1.1 / 1e6


@pytest.mark.parametrize("entry", [0.0, -3.0, *NOT_FINITE, "20", None], ids=str)
def test_a_reference_price_that_is_not_positive_and_finite_names_the_instrument(entry: Any) -> None:
    named: list[Any] = [{"CORN": entry}, [1.0, entry, 1.0], pd.Series({"CORN": entry}, dtype=object)]
    for reference in named:
        refusal(lambda given=reference: market(reference_prices=given), "reference_prices", "CORN")


def test_reference_prices_of_unknown_or_repeated_instruments_or_a_wrong_number_of_them_are_refused() -> None:
    refusal(lambda: market(reference_prices={"TIN": 1.0}), "reference_prices", "TIN")
    twice = pd.Series([1.0, 2.0], ["CORN", "CORN"])
    refusal(lambda: market(reference_prices=twice), "reference_prices", "CORN")
    refusal(lambda: market(reference_prices=[1.0, 2.0]), "reference_prices")


@pytest.mark.parametrize("entry", NOT_FINITE, ids=str)
def test_a_reference_price_does_not_stand_in_for_a_price_that_is_missing(entry: float) -> None:
    refusal(
        lambda: market(prices={"GOLD": 1.0, "CORN": entry, "WHEAT": 1.0}, reference_prices={"CORN": 2.0}),
        "prices", "CORN",
    )  # fmt: skip


@pytest.mark.parametrize("entry", [-1.0, *NOT_FINITE, "2"], ids=str)
def test_a_cost_per_contract_that_is_negative_or_no_finite_number_names_the_instrument(entry: Any) -> None:
    given = {"GOLD": 1.0, "CORN": entry, "WHEAT": 1.0}
    refusal(lambda: market(cost_per_contract=given), "cost_per_contract", "CORN")


@pytest.mark.parametrize("capital", [0.0, -1e6, *NOT_FINITE, *NOT_A_NUMBER], ids=str)
def test_capital_that_is_not_a_positive_number_is_refused(capital: Any) -> None:
    refusal(lambda: market(capital=capital), "capital")


def test_a_bad_covariance_next_to_market_data_is_refused_as_elsewhere() -> None:
    refusal(lambda: market(covariance=labelled(-COVARIANCE)), "covariance", "CORN", CovarianceError)


# Arguments of a solve


@pytest.mark.parametrize("optimizer", ["gready", "", "scip:fast", "cvxpy:", "cvxpy:NOSUCHSOLVER", None, 3], ids=str)
def test_an_unknown_method_is_refused(optimizer: Any) -> None:
    refusal(lambda: solve(problem(), optimizer), "optimizer", None, UnknownNameError)
    refusal(lambda: rebalance(problem(), optimizer), "optimizer", None, UnknownNameError)


def test_an_unknown_name_comes_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'gready'.*greedy"):
        solve(problem(), "gready")
    with pytest.raises(UnknownNameError, match=r"'penality'.*penalty"):
        solve(problem(), formulation="penality")
    with pytest.raises(UnknownNameError, match=r"'bok'.*book"):
        rebalance(problem(), buffer_rule="bok")  # type: ignore[arg-type]


@pytest.mark.parametrize("formulation", ["penality", "", None, 3], ids=str)
def test_an_unknown_formulation_is_refused(formulation: Any) -> None:
    refusal(lambda: solve(problem(), formulation=formulation), "formulation", None, UnknownNameError)


@pytest.mark.parametrize("rule", ["bok", "", "none", True, 3], ids=str)
def test_an_unknown_buffer_rule_is_refused(rule: Any) -> None:
    refusal(lambda: rebalance(problem(), buffer_rule=rule), "buffer_rule", None, UnknownNameError)


@pytest.mark.parametrize("gap", [-1e-9, 1.5, *NOT_FINITE, "small", None, [0.1]], ids=str)
@pytest.mark.parametrize("call", [solve, rebalance])
def test_a_gap_that_is_not_between_zero_and_one_is_refused(call: Callable[..., object], gap: Any) -> None:
    refusal(lambda: call(problem(), gap=gap), "gap")


@pytest.mark.parametrize("time_limit", [-1.0, math.nan, -math.inf, "soon", "5", [1.0]], ids=str)
@pytest.mark.parametrize("call", [solve, rebalance])
def test_a_time_limit_that_is_negative_or_no_number_is_refused(call: Callable[..., object], time_limit: Any) -> None:
    refusal(lambda: call(problem(), time_limit=time_limit), "time_limit")


@pytest.mark.parametrize("buffer", [*NOT_FINITE, "0.01", None], ids=str)
@pytest.mark.parametrize("formulation", ["penalty", "deadband", "buffer_edge"])
def test_a_buffer_that_is_no_finite_number_is_refused(formulation: str, buffer: Any) -> None:
    refusal(lambda: solve(problem(), formulation=formulation, buffer=buffer), "buffer")


@pytest.mark.parametrize(("formulation", "buffer"), [("deadband", -0.01), ("buffer_edge", -0.01), ("buffer_edge", 0)])
def test_a_buffer_that_is_not_positive_is_refused(formulation: str, buffer: float) -> None:
    refusal(lambda: solve(problem(), formulation=formulation, buffer=buffer), "buffer")


@pytest.mark.parametrize("number", [-0.1, *NOT_FINITE, "0.05", None], ids=str)
@pytest.mark.parametrize("field", ["buffer_fraction", "risk_target"])
def test_a_buffer_fraction_or_risk_target_that_is_negative_or_no_number_is_refused(field: str, number: Any) -> None:
    refusal(lambda: rebalance(problem(), **{field: number}), field)


@pytest.mark.parametrize(
    ("start", "instrument"),
    [
        ([1, 0.5, 0], "CORN"),
        ([1, math.nan, 0], "CORN"),
        ({"GOLD": 1, "CORN": 0}, "WHEAT"),
        ({"GOLD": 1, "CORN": 0, "WHEAT": 0, "TIN": 1}, "TIN"),
        ([1, 0], None),
    ],
    ids=["fraction", "nan", "missing", "unknown", "length"],
)
def test_a_start_that_is_no_portfolio_is_refused(start: Any, instrument: str | None) -> None:
    refusal(lambda: solve(problem(), start=start), "start", instrument)


# Greedy


@pytest.mark.parametrize("formulation", ["deadband", "buffer_edge"])
def test_the_greedy_search_refuses_another_formulation(formulation: str) -> None:
    refusal(lambda: solve(problem(), "greedy", formulation=formulation), "formulation", None, UnsupportedError)


@pytest.mark.parametrize("rule", ["edge", "deadband"])
def test_the_greedy_search_refuses_a_buffer_rule_that_has_to_be_solved(rule: Any) -> None:
    refusal(lambda: rebalance(problem(), "greedy", buffer_rule=rule), "formulation", None, UnsupportedError)


def test_the_greedy_search_refuses_constraints() -> None:
    refusal(
        lambda: solve(problem(), "greedy", constraints=lambda k: [cp.sum(k) <= 1]),
        "constraints",
        None,
        UnsupportedError,
    )


# Positions that nothing bounds


def parallel(**changes: Any) -> Problem:
    deviation = np.array([0.2, 0.2, 0.3])
    correlation = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    given = {
        "covariance": labelled(correlation * np.outer(deviation, deviation), ["full", "micro", "other"]),
        "optimal_positions": [0.37, 0.0, 1.2],
        "weight_per_contract": [1.0, 0.1, 0.2],
    }
    return Problem(**(given | changes))


def test_parallel_contracts_at_no_cost_without_limits_are_unbounded_to_scip_and_named() -> None:
    error = refusal(lambda: solve(parallel(), "scip"), "limits", "full", UnboundedError)
    assert "micro" in str(error)
    assert "other" not in str(error).split(":")[1]
    assert "same_side" in str(error)


def test_parallel_contracts_at_no_cost_are_one_to_the_branch_and_bound() -> None:
    solution = solve(parallel())
    assert solution.status is Status.OPTIMAL
    assert solution.positions["full"] + 0.1 * solution.positions["micro"] == pytest.approx(0.4)


def test_parallel_contracts_at_no_cost_solve_on_their_own_side() -> None:
    solution = solve(parallel(limits=Limits(same_side=True)))
    assert solution.status is Status.OPTIMAL
    assert solution.positions.to_dict() == {"full": 0, "micro": 0, "other": 1}


def test_parallel_contracts_solve_with_a_cost_or_with_numbers() -> None:
    for solvable in (parallel(cost_in_weight_terms=1e-6), parallel(limits=Limits(lower=-9, upper=9))):
        solution = solve(solvable)
        assert solution.status is Status.OPTIMAL
        assert solution.positions["full"] + 0.1 * solution.positions["micro"] == pytest.approx(0.4)


# Constraints


@pytest.mark.parametrize(
    "constraints",
    [
        lambda k: None,
        lambda k: True,
        lambda k: 3,
        lambda k: "k <= 1",
        lambda k: cp.sum(k),
        lambda k: [cp.sum(k)],
        lambda k: [True],
        lambda k: [None],
        5,
        [],
    ],
    ids=["none", "true", "number", "text", "expression", "expressions", "trues", "nones", "no function", "list"],
)
@pytest.mark.parametrize("call", [solve, rebalance])
def test_constraints_that_are_no_function_to_constraints_are_refused(
    call: Callable[..., object], constraints: Any
) -> None:
    refusal(lambda: call(problem(), constraints=constraints), "constraints")


@pytest.mark.parametrize(
    "constraints",
    [
        lambda k: [cp.norm(k, 2) >= 1],
        lambda k: [cp.sum_squares(k) == 4],
        lambda k: [cp.sum(k) <= 3, cp.abs(k[0]) >= 1],
    ],
    ids=["outside a ball", "on a sphere", "not zero"],
)
def test_a_constraint_that_is_not_convex_is_refused(constraints: Any) -> None:
    error = refusal(lambda: solve(problem(), constraints=constraints), "constraints")
    assert "convex" in str(error)


def test_a_constraint_beyond_second_order_cones_is_refused() -> None:
    refusal(lambda: solve(problem(), constraints=lambda k: [cp.exp(k[0]) <= 5]), "constraints")
    refusal(lambda: solve(problem(), constraints=lambda k: [cp.diag(k) << 5 * np.eye(3)]), "constraints")


MASKED = [
    np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]),
    [1.0, np.ma.masked, 3.0],
    dict(zip(NAMES, [1.0, np.ma.masked, 3.0], strict=True)),
    pd.Series([1.0, None, 3.0], NAMES, dtype="Float64"),
    pd.Series([1, None, 3], NAMES, dtype="Int64"),
]
COMPLEX = [
    np.array([1.0, 2.0 + 5.0j, 3.0]),
    np.array([1.0, np.complex64(2 + 1j), 3.0], dtype=object),
    [1.0, 2.0 + 0.0j, 3.0],
    dict(zip(NAMES, [1.0, np.complex64(2.0), 3.0], strict=True)),
    np.array([1.0, np.timedelta64(5, "D"), 3.0], dtype=object),
]


@pytest.mark.parametrize("given", MASKED + COMPLEX, ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("field", [*VECTORS, "lower", "upper", "start"])
def test_masked_and_complex_entries_are_refused(field: str, given: Any) -> None:
    changes: dict[str, Any] = {field: given}
    if field in ("lower", "upper"):
        changes = {"limits": Limits(**changes)}
    with pytest.raises(InputError, match=r"expected a .*number, found") as caught:
        solve(problem(**({} if field == "start" else changes)), start=given if field == "start" else None)
    assert (caught.value.field, caught.value.instrument) == (field, "CORN")


def test_a_complex_number_without_an_imaginary_part_is_complex() -> None:
    refusal(lambda: problem(optimal_positions=np.array([1.0 + 0j, 2.0, 3.0])), "optimal_positions", "GOLD")
    for number in (2.0 + 0j, np.complex128(2.0), np.ma.masked, pd.NA, np.timedelta64(2, "D")):
        refusal(lambda number=number: problem(cost_multiplier=number), "cost_multiplier", None)  # type: ignore[misc]


@pytest.mark.parametrize(
    "covariance",
    [
        np.ma.array(COVARIANCE, mask=[[0, 0, 0], [0, 0, 1], [0, 0, 0]]),
        [COVARIANCE[0], np.ma.array(COVARIANCE[1], mask=[0, 0, 1]), COVARIANCE[2]],
        COVARIANCE + np.array([[0], [1j], [0]]),
        pd.DataFrame(COVARIANCE + np.array([[0], [1j], [0]]), NAMES, NAMES),
        labelled(COVARIANCE).where(np.array([[True] * 3, [True, True, False], [True] * 3])).astype("Float64"),
    ],
    ids=["masked", "masked row", "complex", "complex frame", "missing"],
)  # fmt: skip
def test_a_covariance_with_a_masked_or_complex_entry_is_refused(covariance: Any) -> None:
    refusal(lambda: problem(covariance=covariance), "covariance", "CORN", CovarianceError)


def test_a_masked_array_of_which_nothing_is_masked_is_ordinary_data() -> None:
    class Own(np.ndarray):
        """An array of a kind of its own."""

    vectors = {name: np.ma.array(numbers) for name, numbers in VECTORS.items()}
    limits = Limits(lower=np.ma.array([-9, -9, -9]), upper=np.array([9, 9, 9]).view(Own))
    found = problem(covariance=np.ma.array(COVARIANCE), limits=limits, **vectors)
    plain = problem(limits=Limits(lower=-9, upper=9))
    for name in ("covariance", *VECTORS, "lower", "upper"):
        assert type(getattr(found, name)) is np.ndarray
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))
    assert type(problem(optimal_positions=np.array([1.0, 2.0, 3.0]).view(Own)).optimal_positions) is np.ndarray
    assert type(problem(covariance=COVARIANCE.view(Own)).covariance) is np.ndarray


def test_a_repair_of_a_covariance_does_not_look_under_a_mask() -> None:
    with pytest.raises(CovarianceError, match="masked entry in row 0"):
        clip_eigenvalues(np.ma.array([[1.0, 2.0], [2.0, 1.0]], mask=[[0, 1], [0, 0]]))


# Huge numbers

DAYS = {"start": "2017-01-01", "end": "2017-02-28"}
FEW = ["BUND", "CORN"]
MOST: list[tuple[str, str, float]] = [  # argument, option, and what is taken at most
    ("capital", "--capital", 1e15),
    ("cost_multiplier", "--cost-multiplier", 1e9),
    ("buffer_fraction", "--buffer-fraction", 1000.0),
    ("roll_trades", "--roll-trades", 100.0),
    ("risk_target", "--risk-target", 100.0),
]


@pytest.fixture(scope="module")
def simulated() -> Market:
    return simulated_market(instruments=FEW, start="2015-01-01", end="2017-12-31")


def run_with(simulated: Market, name: str, number: Any) -> object:
    given: dict[str, Any] = {"capital": 1e6, "optimizer": "rounded", **DAYS}
    if name == "risk_target":
        return backtest(simulated, Strategy(risk_target=number), **given)
    return backtest(simulated, **given | {name: number})


@pytest.mark.parametrize(("name", "option", "most"), MOST)
def test_a_huge_number_is_refused_by_a_backtest_and_the_largest_that_is_not_runs(
    simulated: Market, name: str, option: str, most: float
) -> None:
    for number in (math.nextafter(most, math.inf), 2 * most, 1e200, 1e308):
        error = refusal(lambda number=number: run_with(simulated, name, number), name)
        assert f"expected a number of at most {most:g}, found {number:g}" in str(error)
        refusal(lambda number=number: rebalance_of(simulated, name, number), name)
    refusal(lambda: run_with(simulated, name, TOO_LARGE), name)
    done: Any = run_with(simulated, name, most)
    assert np.isfinite(done.returns).all(axis=None)
    for command in (["backtest"], ["compare", "--portfolios", "risk-parity", "--optimizers", "rounded"]):
        days = ["--instruments", ",".join(FEW), "--start", DAYS["start"], "--end", DAYS["end"]]
        said = run(*command, *days, option, "1e200")
        assert said.returncode == 2
        assert said.stderr == f"error: {name}: expected a number of at most {most:g}, found 1e+200\n"


def rebalance_of(simulated: Market, name: str, number: Any) -> object:
    """The same number where one rebalance is decided."""
    if name in ("buffer_fraction", "risk_target"):
        return rebalance(problem(), **{name: number})
    if name == "roll_trades":
        return holding_cost(4.0, 1.0, roll_trades=number)
    return market(**{name: number})


@pytest.mark.parametrize(
    "build",
    [
        lambda: Problem(labelled(COVARIANCE), dict.fromkeys(NAMES, 0.5), dict.fromkeys(NAMES, 0.1), capital=1e200),
        lambda: example_problem(capital=1e200),
        lambda: Inputs(simulated_market(instruments=FEW), Strategy(), 1e200),
        lambda: GapGrid(capitals=(1e5, 1e200)).cells(simulated_market(instruments=FEW)),
        lambda: guide.run_portfolio_comparison(capital=1e200),
        lambda: guide.calculate_weight_per_contract(50, 4000, 1, 1e200),
        lambda: guide.calculate_cost_in_weight_terms(10, 1, 1e200, 0.1),
    ],
)
def test_a_huge_capital_is_refused_everywhere(build: Callable[[], object]) -> None:
    assert "at most 1e+15, found 1e+200" in str(refusal(build, "capital"))


def test_huge_multipliers_are_refused() -> None:
    refusal(lambda: problem(cost_multiplier=1e10), "cost_multiplier")
    refusal(lambda: BookAlgorithm(cost_multiplier=1e10), "cost_multiplier")
    refusal(lambda: GapGrid(capitals=(1e5,), cost_multipliers=(1e10,)).cells(simulated_market(instruments=FEW)),
            "cost_multiplier")  # fmt: skip
    refusal(lambda: Strategy(multiplier_cap=1e10), "multiplier_cap")
    huge = {"GOLD": 1.0, "CORN": 1e10, "WHEAT": 1.0}
    refusal(lambda: market(multipliers=huge), "multipliers", "CORN")


@pytest.mark.parametrize(
    ("column", "entry", "words"),
    [
        ("multiplier", 1e10, "its multiplier should be positive and at most 1e+09, and is 1e+10"),
        ("commission_share", 1e4, "its commission_share is a share and should be at most 1000, and is 10000"),
        ("sr_cost", 1e200, "its sr_cost is a share and should be at most 1000, and is 1e+200"),
    ],
)
def test_a_huge_number_in_a_specification_names_the_instrument(column: str, entry: float, words: str) -> None:
    prices = pd.DataFrame({"A": 100.0, "B": 50.0}, pd.bdate_range("2020-01-01", periods=5))
    given = {"multiplier": 1e6, "half_spread": 0.1, "commission": 1.0, "commission_share": 0.001, "sr_cost": np.nan}
    table = pd.DataFrame(given | {"currency": "USD", "asset_class": "X"}, index=["A", "B"])
    assert market_from_frames(prices, table).instruments == ("A", "B")
    table.loc["B", column] = entry
    error = refusal(lambda: market_from_frames(prices, table), "instruments", "B", DataError)
    assert words in str(error)


@pytest.mark.parametrize("name", ["compound", "one_side", "holding_cost", "portfolios"])
def test_a_switch_is_true_or_false(name: str) -> None:
    market = simulated_market(instruments=["US10", "ES_micro"], start="2015-01-01", end="2016-12-31")
    given = (0.01, "no", ["US10"]) if name == "holding_cost" else (0.01, "no", None, ["US10"])  # None: of the preset
    for value in given:
        with pytest.raises(InputError, match=f"{name}: expected True or False, found"):
            backtest(market, capital=1e6, start="2016-06-01", **{name: value})


def test_a_name_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(InputError, match="instruments: expected names that can be written as UTF-8"):
        Problem(np.eye(1), [1.0], [0.1], instruments=["A\ud800"])
