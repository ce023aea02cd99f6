"""The object that stands where pysystemtrade has its own, called as pysystemtrade calls it."""

from __future__ import annotations

import collections
import logging
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import InputError, Limits, Problem, Status, solve
from dynopt_milp.adapters.pysystemtrade import NO_LIMIT, ObjectiveFunction
from dynopt_milp.errors import UnknownNameError, UnsupportedError
from dynopt_milp.problem.eigenvalues import clip_eigenvalues
from tests.random_days import KINDS, Covariance, RandomDay, Weights, as_kind, covariance_of_kind, random_day

DAYS = 1_000


class named_object:  # noqa: N801  # as pysystemtrade calls it
    """How pysystemtrade marks an argument that was not given."""

    def __repr__(self) -> str:
        return "arg not supplied"


NOT_SUPPLIED = named_object()


def arguments(day: RandomDay, kind: str) -> dict[str, Any]:
    """A day as keyword arguments, with keys missing here and there, and limits that what is held may break."""
    generator = day.generator
    names = day.names
    per_contract, held = as_kind(kind, names, day.unit), as_kind(kind, names, day.held)
    for place in np.flatnonzero(~day.valid):
        if np.isnan(day.unit[place]):
            del per_contract[names[place]]
    if generator.random() < 0.3:
        del held[names[0]]
        day.held[0] = 0.0
    chosen = [[name for name in names if generator.random() < 0.15] for _ in range(3)]
    lists = dict(zip(("reduce_only_keys", "no_trade_keys", "long_only_keys"), chosen, strict=True))
    most = {name: float(generator.choice([0, 1, 2.5, 1e9])) for name in names if generator.random() < 0.5}
    given = {
        "contracts_optimal": as_kind(kind, names, day.target),
        "covariance_matrix": covariance_of_kind(kind, names, day.covariance),
        "per_contract_value": per_contract,
        "costs": as_kind(kind, names, day.cost),
        "speed_control": SimpleNamespace(trade_shadow_cost=50.0, tracking_error_buffer=0.02),
        "previous_positions": held,
        "constraints": SimpleNamespace(**lists | {"long_only_keys": lists["long_only_keys"] or NOT_SUPPLIED}),
        "maximum_positions": pd.Series(most, dtype=float) if kind == "series" else type(held)(most),
    }
    for name in ("constraints", "maximum_positions"):
        if generator.random() < 0.3:
            given[name] = NOT_SUPPLIED
    return given


def limits_of(day: RandomDay, given: dict[str, Any]) -> tuple[Any, Any]:
    """The rules, in contracts, stated once more."""
    held = np.nan_to_num(day.held)
    lower, upper = np.full(len(held), -np.inf), np.full(len(held), np.inf)
    rules, most = given["constraints"], given["maximum_positions"]
    for place, name in enumerate(day.names):
        if isinstance(rules, SimpleNamespace):
            if not isinstance(rules.long_only_keys, named_object) and name in rules.long_only_keys:
                lower[place] = 0
            if name in rules.reduce_only_keys:
                lower[place] = max(lower[place], min(held[place], 0))
                upper[place] = max(held[place], 0)
                upper[place] = max(upper[place], lower[place])
        if not isinstance(most, named_object) and name in most:
            lower[place] = max(lower[place], -np.floor(most[name]))
            upper[place] = min(upper[place], np.floor(most[name]))
        if isinstance(rules, SimpleNamespace) and name in rules.no_trade_keys:
            lower[place] = upper[place] = held[place]
    return lower, upper


@pytest.mark.parametrize("part", range(4))
def test_a_thousand_days(part: int) -> None:
    better = quiet = 0
    for seed in range(part, DAYS, 4):
        day = random_day(seed)
        kind = KINDS[seed % 3]
        given = arguments(day, kind)
        lower, upper = limits_of(day, given)
        objects = [ObjectiveFunction(**given, optimizer=optimizer) for optimizer in ("exact", "greedy")]
        raw = []
        for one in objects:
            near = one.is_tracking_error_of_prior_smaller_than_buffer()
            positions = one.optimise_positions()
            assert type(positions) is type(given["contracts_optimal"])
            assert list(positions.keys()) == day.names
            found = np.array([positions[name] for name in day.names])
            assert all(isinstance(positions[name], (int, np.integer)) for name in day.names)
            assert (found[~day.valid] == 0).all()
            inside = (lower <= found) & (found <= upper)
            assert inside[day.valid].all(), (seed, found, lower, upper)
            weights = one.optimise_weights()
            assert type(weights) is type(given["contracts_optimal"])
            assert [weights[name] for name in day.names] == pytest.approx(found * np.nan_to_num(day.unit))
            assert one.keys_with_valid_data == [n for n, kept in zip(day.names, day.valid, strict=True) if kept]
            assert one.optimise_np_for_valid_keys() == pytest.approx((found * day.unit)[day.valid])
            raw.append(one.get_optimisation_results_raw())
            held = np.nan_to_num(day.held)
            if near and ((lower <= held) & (held <= upper))[day.valid].all():
                np.testing.assert_array_equal(found[day.valid], held[day.valid])
                quiet += 1
            elif day.valid.any():
                best = np.round(raw[-1] / day.unit[day.valid])
                within = np.clip(held, lower, upper)[day.valid]  # the buffer goes on from there
                away = (best - within) * day.unit[day.valid]
                distance = one.tracking_error_against_passed_weights(away, np.zeros(len(away)))
                share = max((distance - 0.02) / distance, 0.0) if distance > 0 else 0.0
                np.testing.assert_array_equal(found[day.valid], within + np.round(share * (best - within)))
        assert objects[0].result is None or objects[0].result.optimised.status is Status.OPTIMAL
        # Both from the same positions, before the buffer.
        values = [objects[0].evaluate(weights) for weights in raw]
        assert values[0] <= values[1] * (1 + 1e-9), seed
        better += values[0] < values[1] * (1 - 1e-6)
    assert better > 10
    assert quiet > 0


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_the_order_of_instruments_changes_nothing(seed: int) -> None:
    day = random_day(seed)
    given = arguments(day, "dict")
    one = ObjectiveFunction(**given).optimise_positions()
    turned = {
        name: dict(reversed(list(value.items()))) if isinstance(value, dict) else value for name, value in given.items()
    }
    other = ObjectiveFunction(**turned).optimise_positions()
    assert one == other
    assert list(one) == list(reversed(list(other)))


def ordinary(**changes: Any) -> dict[str, Any]:
    """Three instruments, far enough from where they should be to trade."""
    names = ["US10", "ES", "GOLD"]
    volatility = np.array([0.06, 0.18, 0.15])
    correlation = np.array([[1.0, -0.3, 0.1], [-0.3, 1.0, 0.2], [0.1, 0.2, 1.0]])
    return {
        "contracts_optimal": Weights(zip(names, [3.4, 1.6, -2.3], strict=True)),
        "covariance_matrix": Covariance(correlation * np.outer(volatility, volatility), names),
        "per_contract_value": Weights(zip(names, [0.5, 0.3, 0.4], strict=True)),
        "costs": Weights(zip(names, [1e-4, 2e-4, 3e-4], strict=True)),
        "speed_control": SimpleNamespace(trade_shadow_cost=10.0, tracking_error_buffer=0.02),
        "previous_positions": Weights(zip(names, [0.0, -1.0, 4.0], strict=True)),
    } | changes


def test_as_the_backtest_calls_it() -> None:
    """Constructed with every argument by name, then ``optimise_positions``; day after day from the last positions."""
    held = Weights(dict.fromkeys(["US10", "ES", "GOLD"], 0.0))
    for _ in range(3):
        one = ObjectiveFunction(
            **ordinary(
                previous_positions=held, maximum_positions=NOT_SUPPLIED,
                constraints=SimpleNamespace(reduce_only_keys=["ES"], no_trade_keys=NOT_SUPPLIED,
                                            long_only_keys=NOT_SUPPLIED),
            )
        )  # fmt: skip
        held = one.optimise_positions()
        assert isinstance(held, Weights)
        assert held["ES"] == 0
    assert one.result is not None
    assert not one.result.trades.any()  # from the same target it gets no further
    assert held["US10"] > 0 > held["GOLD"]


def test_as_the_order_generator_calls_it() -> None:
    """Positions made whole again, as weights, and the limits by instrument."""
    one = ObjectiveFunction(
        **ordinary(
            log=logging.getLogger("orders"), maximum_positions=Weights({"US10": 2, "ES": 5, "GOLD": 999999999}),
            constraints=SimpleNamespace(reduce_only_keys=["GOLD"], no_trade_keys=[], long_only_keys=NOT_SUPPLIED),
        )
    )  # fmt: skip
    positions = one.optimise_positions()
    assert positions.whole() == positions
    per_contract = one.per_contract_value
    weights = positions * per_contract
    assert weights == pytest.approx(one.optimise_weights())
    keys = one.keys_with_valid_data
    least = dict(zip(keys, list(one.minima_as_np), strict=True))
    most = dict(zip(keys, list(one.maxima_as_np), strict=True))
    start = dict(zip(keys, list(one.starting_weights_as_np), strict=True))
    assert least == {"US10": -1.0, "ES": -1.5, "GOLD": 0.0}
    assert most == {"US10": 1.0, "ES": 1.5, "GOLD": 1.6}
    assert start == {"US10": 0.0, "ES": 0.0, "GOLD": 0.0}
    assert all(least[name] <= weights[name] <= most[name] for name in keys)
    assert one.weights_prior == {"US10": 0.0, "ES": pytest.approx(-0.3), "GOLD": pytest.approx(1.6)}
    assert isinstance(one.maximum_position_weights, Weights)
    assert one.weights_optimal["US10"] == pytest.approx(1.7)


def test_the_figures_it_gives() -> None:
    one = ObjectiveFunction(**ordinary())
    sigma, unit = one.covariance_matrix_as_np, one.per_contract_value_as_np
    np.testing.assert_allclose(unit, [0.5, 0.3, 0.4])
    np.testing.assert_allclose(one.weights_optimal_as_np, [1.7, 0.48, -0.92])
    np.testing.assert_allclose(one.weights_prior_as_np_replace_nans_with_zeros, [0.0, -0.3, 1.6])
    np.testing.assert_allclose(one.costs_as_np, [1e-4, 2e-4, 3e-4])
    np.testing.assert_array_equal(one.direction_as_np, [1, 1, -1])
    np.testing.assert_array_equal(one.minima_as_np, np.full(3, -NO_LIMIT))
    np.testing.assert_array_equal(one.maxima_as_np, np.full(3, NO_LIMIT))
    np.testing.assert_array_equal(one.starting_weights_as_np, np.zeros(3))
    at = np.array([1.5, 0.3, -0.8])
    away = at - one.weights_optimal_as_np
    error = np.sqrt(away @ sigma @ away)
    cost = 10 * np.abs(at - np.array([0.0, -0.3, 1.6])) @ one.costs_as_np
    assert one.tracking_error_against_optimal(at) == pytest.approx(error, rel=1e-12)
    assert one.calculate_costs(at) == pytest.approx(cost, rel=1e-12)
    assert one.evaluate(at) == pytest.approx(error + cost, rel=1e-12)
    other = np.zeros(3)
    assert one.tracking_error_against_passed_weights(at, other) == pytest.approx(np.sqrt(at @ sigma @ at), rel=1e-12)
    assert one.trade_shadow_cost == 10
    assert not one.is_tracking_error_of_prior_smaller_than_buffer()
    raw = one.get_optimisation_results_raw()
    assert one.result is not None
    assert one.result.optimised.status is Status.OPTIMAL
    assert one.evaluate(raw) == pytest.approx(one.result.optimised.objective, rel=1e-12)


def test_the_start_and_direction_where_limits_leave_no_choice() -> None:
    constraints = SimpleNamespace(reduce_only_keys=[], no_trade_keys=["GOLD", "ES"], long_only_keys=["ES"])
    one = ObjectiveFunction(**ordinary(constraints=constraints))
    np.testing.assert_allclose(one.starting_weights_as_np, [0.0, -0.3, 1.6])
    np.testing.assert_array_equal(one.direction_as_np, [1, -1, 1])
    assert one.optimise_positions()["ES"] == -1  # no trade, whatever else


def test_a_covariance_that_is_set_is_what_counts() -> None:
    one = ObjectiveFunction(**ordinary())
    before = one.optimise_positions()
    at = np.array([1.5, 0.3, -0.8])
    error = one.tracking_error_against_optimal(at)
    one.covariance_matrix_as_np = one.covariance_matrix_as_np * 4
    assert one.tracking_error_against_optimal(at) == pytest.approx(2 * error, rel=1e-12)
    one.covariance_matrix_as_np = np.eye(3) * 1e-10
    assert one.optimise_positions() != before
    with pytest.raises(InputError, match=r"covariance_matrix_as_np: expected shape \(3, 3\), a row"):
        one.covariance_matrix_as_np = np.eye(2)


def test_both_buffers() -> None:
    near = Weights({"US10": 3.0, "ES": 2.0, "GOLD": -2.0})
    wide = SimpleNamespace(trade_shadow_cost=10.0, tracking_error_buffer=0.2)
    one = ObjectiveFunction(**ordinary(previous_positions=near, speed_control=wide))
    assert one.is_tracking_error_of_prior_smaller_than_buffer()
    assert one.optimise_positions() == near
    assert one.result is None
    part = ObjectiveFunction(
        **ordinary(speed_control=SimpleNamespace(trade_shadow_cost=10.0, tracking_error_buffer=0.1))
    )
    best = np.round(part.get_optimisation_results_raw() / part.per_contract_value_as_np)
    held = np.array([0.0, -1.0, 4.0])
    distance = part.tracking_error_against_passed_weights(
        held * part.per_contract_value_as_np, best * part.per_contract_value_as_np
    )
    share = (distance - 0.1) / distance
    assert 0 < share < 1
    assert list(part.optimise_positions().values()) == list(held + np.round(share * (best - held)))


def test_a_held_portfolio_within_the_buffer_but_outside_a_limit_is_brought_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    near = Weights({"US10": 3.0, "ES": 2.0, "GOLD": -2.0})
    wide = SimpleNamespace(trade_shadow_cost=10.0, tracking_error_buffer=0.2)
    with caplog.at_level(logging.WARNING):
        one = ObjectiveFunction(
            **ordinary(previous_positions=near, speed_control=wide, maximum_positions=Weights({"US10": 1.0}))
        )
        assert one.optimise_positions() == {"US10": 1, "ES": 2, "GOLD": -2}
    assert "outside the limits of US10" in caplog.text


def test_without_previous_positions_there_is_no_cost_and_no_buffer() -> None:
    wide = SimpleNamespace(trade_shadow_cost=1e9, tracking_error_buffer=10.0)
    one = ObjectiveFunction(**ordinary(previous_positions=NOT_SUPPLIED, speed_control=wide))
    assert one.no_prior_positions_provided
    assert one.weights_prior is one.weights_prior_as_np_replace_nans_with_zeros is NOT_SUPPLIED
    assert one.calculate_costs(np.ones(3)) == 0.0
    assert one.optimise_positions() == {"US10": 3, "ES": 1, "GOLD": -2}
    reduced = SimpleNamespace(reduce_only_keys=["US10"], no_trade_keys=["ES"], long_only_keys=NOT_SUPPLIED)
    one = ObjectiveFunction(**ordinary(previous_positions=NOT_SUPPLIED, constraints=reduced))
    assert {name: number for name, number in one.optimise_positions().items() if name != "GOLD"} == {"US10": 0, "ES": 0}


def test_a_constraint_function_is_for_greedy_alone() -> None:
    def no_gold(weights: Weights) -> float:
        assert isinstance(weights, Weights)
        return 1000.0 if weights["GOLD"] < 0 else 0.0

    with pytest.raises(UnsupportedError, match="constraint_function: is an arbitrary function"):
        ObjectiveFunction(**ordinary(constraint_function=no_gold))
    free = ObjectiveFunction(**ordinary(), optimizer="greedy").get_optimisation_results_raw()
    one = ObjectiveFunction(**ordinary(constraint_function=no_gold), optimizer="greedy")
    assert free[2] < 0 <= one.get_optimisation_results_raw()[2]
    assert one.evaluate(free) == pytest.approx(1000 + ObjectiveFunction(**ordinary()).evaluate(free))
    assert ObjectiveFunction(**ordinary(constraint_function=NOT_SUPPLIED)).constraint_function_value(free) == 0.0


SIZES = ["INDEX", "INDEX_micro", "BOND"]


def of_sizes(held: Any, target: Any = (0.4, 1.1, 1.7), **changes: Any) -> dict[str, Any]:
    """A full-size index future, its micro, and a bond future that moves the other way."""
    volatility = np.array([0.2, 0.2, 0.06])
    correlation = np.array([[1.0, 1.0, -0.4], [1.0, 1.0, -0.4], [-0.4, -0.4, 1.0]])
    given = {
        "contracts_optimal": dict(zip(SIZES, target, strict=True)),
        "covariance_matrix": pd.DataFrame(np.outer(volatility, volatility) * correlation, SIZES, SIZES),
        "per_contract_value": dict(zip(SIZES, (0.2, 0.02, 0.4), strict=True)),
        "costs": dict.fromkeys(SIZES, 1e-3),
        "speed_control": SimpleNamespace(trade_shadow_cost=50.0, tracking_error_buffer=0.002),
        "previous_positions": None if held is None else dict(zip(SIZES, held, strict=True)),
    }
    return given | changes


def opposite(positions: dict[str, int]) -> bool:
    return positions["INDEX"] * positions["INDEX_micro"] < 0


@pytest.mark.parametrize("how", ["exact", "greedy", "constraint function"])
def test_sizes_of_one_underlying_are_held_on_one_side_if_one_says_so(how: str) -> None:
    settings: dict[str, Any] = {"optimizer": "exact" if how == "exact" else "greedy"}
    if how == "constraint function":
        settings["constraint_function"] = lambda weights: 0.001 * abs(weights["BOND"])
    free = 0
    for held in ((2, -13, 0), (-2, 4, 1), (0, 0, 0), (1, 3, 1)):
        for target in ((0.4, 1.1, 1.7), (-1.2, 4.2, -1.3)):
            given = of_sizes(held, target) | settings
            free += opposite(ObjectiveFunction(**given).optimise_positions())
            one = ObjectiveFunction(**given, limits=Limits(one_side=True))
            assert not opposite(one.optimise_positions())
            lower, upper = one.minima_as_np, one.maxima_as_np
            assert (lower <= 0).all()
            assert (upper >= 0).all()
    assert free > 0


def test_a_held_portfolio_within_the_buffer_but_on_both_sides_is_optimised(caplog: pytest.LogCaptureFixture) -> None:
    held, wide = (1, -6, 0), SimpleNamespace(trade_shadow_cost=50.0, tracking_error_buffer=0.5)
    given = of_sizes(held, speed_control=wide)
    assert list(ObjectiveFunction(**given).optimise_positions().values()) == list(held)
    kept = ObjectiveFunction(**given, limits=Limits(one_side=True))
    with caplog.at_level(logging.WARNING):
        assert not opposite(kept.optimise_positions())
    assert "outside the limits of INDEX, INDEX_micro: optimised" in caplog.text


def test_underlyings_are_those_of_the_names_unless_others_are_given() -> None:
    given = of_sizes((2, -13, 0)) | {"limits": Limits(one_side=True)}
    apart = {"INDEX": "INDEX", "INDEX_micro": "another"}
    assert opposite(ObjectiveFunction(**given, underlying=apart).optimise_positions())
    for same in (
        {"BOND": "X", "GONE": "Y"},
        pd.Series({"INDEX_micro": None, "INDEX": ""}),
        {"INDEX": "Z", "INDEX_micro": "Z"},
    ):
        assert not opposite(ObjectiveFunction(**given, underlying=same).optimise_positions())
    frozen = SimpleNamespace(reduce_only_keys=[], no_trade_keys=["INDEX"], long_only_keys=[])
    bound = ObjectiveFunction(**given, constraints=frozen)
    assert bound.minima_as_np[1] == 0
    for wrong in ("INDEX", {"INDEX": 3}):
        with pytest.raises(InputError, match="underlying"):
            ObjectiveFunction(**given, underlying=wrong)


@pytest.mark.parametrize("held", [None, (1, 3, 1)], ids=["not known", "known"])
def test_a_cost_of_holding_counts(held: Any) -> None:
    given = of_sizes(held) | {"speed_control": SimpleNamespace(trade_shadow_cost=50.0, tracking_error_buffer=0.0)}
    rates = dict(zip(SIZES, (2e-4, 0.0, 1e-4), strict=True))
    for settings in ({}, {"optimizer": "greedy"}, {"optimizer": "greedy", "constraint_function": lambda _: 0.0}):
        one = ObjectiveFunction(**given, **settings, holding_cost=rates)
        found = np.array(list(one.optimise_positions().values()))
        day = one._day()
        expected = solve(day, settings.get("optimizer", "exact"))
        assert day.holding_cost.tolist() == [2e-4, 0.0, 1e-4]
        weights = found * one.per_contract_value_as_np
        assert one.evaluate(weights) == pytest.approx(expected.objective, rel=1e-6)
        assert one.calculate_costs(weights) == pytest.approx(expected.cost_penalty + expected.holding_penalty)
        dear = ObjectiveFunction(**given, **settings, holding_cost=dict.fromkeys(SIZES, 1.0))
        assert set(dear.optimise_positions().values()) == {0}
    with pytest.raises(InputError, match="holding_cost of BOND: has none"):
        ObjectiveFunction(**given, holding_cost={"INDEX": 0.0, "INDEX_micro": 0.0}).optimise_positions()


def test_an_indefinite_covariance_is_repaired_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    correlation = np.array([[1.0, -0.9, -0.9], [-0.9, 1.0, -0.9], [-0.9, -0.9, 1.0]])
    names = ["US10", "ES", "GOLD"]
    with caplog.at_level(logging.WARNING):
        one = ObjectiveFunction(**ordinary(covariance_matrix=Covariance(correlation * 0.01, names)))
        one.optimise_positions()
    assert "not positive semi-definite (least eigenvalue of its correlations -0.8)" in caplog.text
    same = np.ones(3)
    assert one.tracking_error_against_passed_weights(same, np.zeros(3)) >= 0  # a negative variance as it was given
    np.testing.assert_array_equal(one.covariance_matrix_as_np, correlation * 0.01)


def test_what_was_not_proved_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        one = ObjectiveFunction(**ordinary(), time_limit=0.0)
        assert set(one.optimise_positions()) == {"US10", "ES", "GOLD"}
    assert "feasible" in caplog.text


def test_an_old_log_with_msg_alone() -> None:
    said: list[str] = []
    one = ObjectiveFunction(**ordinary(log=SimpleNamespace(msg=said.append)))
    one.optimise_positions()
    assert "optimal" in said[0]


def test_an_optimizer_of_your_own() -> None:
    def hold(problem: Problem) -> Any:
        return problem.previous_positions

    assert ObjectiveFunction(**ordinary(), optimizer=hold).optimise_positions() == {"US10": 0, "ES": -1, "GOLD": 4}


def test_covariances_missing_between_two_instruments_leave_out_the_one_with_more_gaps() -> None:
    sigma = np.diag([0.01, 0.02, 0.03])
    sigma[0, 1] = sigma[1, 0] = sigma[1, 2] = sigma[2, 1] = np.nan
    one = ObjectiveFunction(**ordinary(covariance_matrix=Covariance(sigma, ["US10", "ES", "GOLD"])))
    assert one.keys_with_valid_data == ["US10", "GOLD"]
    assert one.optimise_positions()["ES"] == 0


def test_no_valid_instrument() -> None:
    nothing = Covariance(np.full((3, 3), np.nan), ["US10", "ES", "GOLD"])
    one = ObjectiveFunction(**ordinary(covariance_matrix=nothing))
    assert one.optimise_positions() == {"US10": 0, "ES": 0, "GOLD": 0}
    assert one.evaluate(np.zeros(0)) == 0.0
    assert len(one.minima_as_np) == len(one.get_optimisation_results_raw()) == len(one.direction_as_np) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"costs": Weights({"US10": 1e-4, "ES": 1e-4})}, "costs of GOLD: has none"),
        ({"costs": Weights({"US10": 1e-4, "ES": 1e-4, "GOLD": float("nan")})}, "costs of GOLD: has none"),
        ({"previous_positions": {"US10": 0.5}}, "previous_positions of US10: expected whole contracts"),
        ({"maximum_positions": {"US10": float("nan")}}, "maximum_positions of US10: expected a number"),
    ],
)
def test_bad_data_are_named_when_it_is_asked(change: dict[str, Any], message: str) -> None:
    one = ObjectiveFunction(**ordinary(**change))
    with pytest.raises(InputError, match=message):
        one.optimise_positions()


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"contracts_optimal": [1, 2]}, InputError, "contracts_optimal: expected numbers by instrument"),
        ({"contracts_optimal": {"US10": "x"}}, InputError, "contracts_optimal of US10: expected a number"),
        ({"covariance_matrix": np.eye(3)}, InputError, "covariance_matrix: expected a covariance estimate"),
        ({"covariance_matrix": Covariance(np.eye(3), ["US10"])}, InputError, "has 1 columns"),
        (
            {"covariance_matrix": Covariance(np.eye(2), ["US10", "US10"])},
            InputError,
            "covariance_matrix of US10: appears more than once",
        ),
        ({"covariance_matrix": Covariance([["x"]], ["US10"])}, InputError, "covariance_matrix: expected numbers"),  # type: ignore[arg-type]
        (
            {"covariance_matrix": Covariance(np.ma.array([[0.04]], mask=[[1]]), ["US10"])},
            InputError,
            "covariance_matrix of US10: expected a real number, found a masked entry",
        ),
        (
            {"covariance_matrix": Covariance(np.array([[0.04 + 0j]]), ["US10"])},
            InputError,
            "covariance_matrix of US10: expected a real number, found ",
        ),
        ({"costs": {"US10": np.complex128(1)}}, InputError, "costs of US10: expected a number"),
        ({"contracts_optimal": {"US10": np.ma.masked}}, InputError, "contracts_optimal of US10: expected a number"),
        (
            {"speed_control": SimpleNamespace(trade_shadow_cost=10)},
            InputError,
            "tracking_error_buffer: is no attribute of",
        ),
        (
            {"constraints": {"no_trade_keys": ["GOLD"]}},
            InputError,
            "constraints: expected the attribute reduce_only_keys",
        ),
        ({"constraints": SimpleNamespace(reduce_only_keys="GOLD", no_trade_keys=[])}, InputError, "expected a list"),
        ({"maximum_positions": 2}, InputError, "maximum_positions: expected numbers by instrument"),
        ({"costs": {"US10": "1"}}, InputError, "costs of US10: expected a number, found '1'"),
        ({"costs": {"US10": True}}, InputError, "costs of US10: expected a number, found True"),
        (
            {"speed_control": SimpleNamespace(trade_shadow_cost=10, tracking_error_buffer=float("inf"))},
            InputError,
            "tracking_error_buffer: expected a finite number",
        ),
        ({"optimizer": "gready"}, UnknownNameError, "optimizer: there is no 'gready'"),
        ({"time_limit": -1}, InputError, "time_limit"),
    ],
)
def test_what_would_be_wrong_every_day_is_refused_at_once(change: dict[str, Any], kind: Any, message: str) -> None:
    """pysystemtrade turns what ``optimise_positions`` raises into "no trade", but not what the constructor does."""
    with pytest.raises(kind, match=message):
        ObjectiveFunction(**ordinary(**change))


def test_what_has_no_valid_data_is_zero_and_a_held_one_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        one = ObjectiveFunction(
            **ordinary(
                per_contract_value={"US10": 0.5, "ES": -0.3, "GOLD": 0.4},
                previous_positions=Weights({"ES": -1.0, "CORN": 3.0, "GOLD": float("nan")}),
            )
        )
        assert one.optimise_positions()["ES"] == 0
    assert one.keys_with_valid_data == ["US10", "GOLD"]
    assert "ES is held (-1) and without valid data: not optimised, its position is 0" in caplog.text
    assert "CORN is held (3) and without a target: left alone" in caplog.text
    assert one.previous_positions == {"ES": -1.0, "CORN": 3.0, "GOLD": 0.0}
    assert isinstance(one.previous_positions, Weights)


def test_names_without_a_target_are_said_and_a_huge_maximum_is_none(caplog: pytest.LogCaptureFixture) -> None:
    constraints = SimpleNamespace(reduce_only_keys=[], no_trade_keys=["gold"], long_only_keys=NOT_SUPPLIED)
    with caplog.at_level(logging.WARNING):
        one = ObjectiveFunction(**ordinary(constraints=constraints, maximum_positions={"US10": 1e17, "Gold": 1}))
        assert one.optimise_positions() == ObjectiveFunction(**ordinary()).optimise_positions()
    assert "no_trade_keys names instruments without a target: gold" in caplog.text
    assert "maximum_positions names instruments without a target: Gold" in caplog.text
    np.testing.assert_array_equal(one.maxima_as_np, np.full(3, NO_LIMIT))


def test_a_covariance_of_other_names_or_in_per_cent_is_said(caplog: pytest.LogCaptureFixture) -> None:
    given = ordinary()["covariance_matrix"]
    with caplog.at_level(logging.WARNING):
        other = Covariance(given.values, [name.lower() for name in given.columns])
        assert set(ObjectiveFunction(**ordinary(covariance_matrix=other)).optimise_positions().values()) == {0}
        assert "no instrument has a target, a weight and a covariance: all positions are 0" in caplog.text
        percent = Covariance(given.values * 1e4, given.columns)
        ObjectiveFunction(**ordinary(covariance_matrix=percent)).optimise_positions()
    assert "as shares, not in per cent, and annual" in caplog.text


def test_limits_are_known_where_costs_are_not() -> None:
    one = ObjectiveFunction(**ordinary(costs={}))
    np.testing.assert_array_equal(one.minima_as_np, np.full(3, -NO_LIMIT))
    assert np.isnan(one.costs_as_np).all()


@pytest.mark.parametrize("kind", [collections.Counter, collections.OrderedDict, lambda x: defaultdict(float, x)])
def test_other_dicts_come_back_as_they_are(kind: Any) -> None:
    given = kind({"US10": 3.4, "ES": 1.6, "GOLD": -2.3})
    positions = ObjectiveFunction(**ordinary(contracts_optimal=given)).optimise_positions()
    assert type(positions) is type(given)
    assert positions == ObjectiveFunction(**ordinary()).optimise_positions()
    assert given["US10"] == 3.4


def test_the_covariance_it_shows_cannot_be_changed_in_place() -> None:
    one = ObjectiveFunction(**ordinary())
    with pytest.raises(ValueError, match="read-only"):
        one.covariance_matrix_as_np[0, 0] = 1.0


def test_default_speed_controls_are_tuples() -> None:
    one = ObjectiveFunction(
        **ordinary(speed_control=SimpleNamespace(trade_shadow_cost=(10,), tracking_error_buffer=(0.02,)))
    )
    assert one.optimise_positions() == ObjectiveFunction(**ordinary()).optimise_positions()


def test_clipping_keeps_variances_and_leaves_definite_matrices_alone() -> None:
    good = np.array([[0.04, 0.01], [0.01, 0.09]])
    same, note = clip_eigenvalues(good)
    assert same is good
    assert not note
    correlation = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    deviation = np.array([0.1, 0.2, 0.3])
    repaired, note = clip_eigenvalues(correlation * np.outer(deviation, deviation))
    assert note
    np.testing.assert_allclose(np.diag(repaired), deviation**2, rtol=1e-12)
    assert np.linalg.eigvalsh(repaired)[0] > -1e-15


@pytest.mark.parametrize("seed", range(20))
def test_what_has_no_variance_has_none_after_the_repair(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sigma = np.zeros((6, 6))
    risky = generator.permutation(6)[:4]
    sigma[np.ix_(risky, risky)] = (np.full((4, 4), -0.9) + np.diag(np.full(4, 1.9))) * 0.04
    repaired, note = clip_eigenvalues(sigma)
    assert note
    idle = np.setdiff1d(np.arange(6), risky)
    assert not repaired[idle].any()
    Problem(repaired, np.ones(6), np.ones(6), instruments=list("abcdef"))  # is one


def test_a_held_size_without_a_target_binds_the_others() -> None:
    """It is left alone, so the others may not be held against it."""
    for alone in (3, -3):
        given = of_sizes((0, 0, 0), (0.0, 4.2, -1.3))
        given["previous_positions"] = {**given["previous_positions"], "INDEX_mini": alone}
        free = ObjectiveFunction(**given).optimise_positions()["INDEX_micro"]
        kept = ObjectiveFunction(**given, limits=Limits(one_side=True))
        found = kept.optimise_positions()
        assert free > 0
        assert (found["INDEX_micro"] > 0) == (alone > 0)
        assert found["INDEX"] * alone >= 0
        assert ((kept.minima_as_np >= 0) if alone > 0 else (kept.maxima_as_np <= 0))[:2].all()
        assert (
            found
            == ObjectiveFunction(
                **given, limits=Limits(one_side=True), underlying={"INDEX_mini": "INDEX"}
            ).optimise_positions()
        )
        other = ObjectiveFunction(**given, limits=Limits(one_side=True), underlying={"INDEX_mini": "another"})
        assert other.optimise_positions()["INDEX_micro"] == free
