"""House rules are values, and in the program they allow what their formulas say, for every point of small boxes."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import CovarianceError, FormatError, InputError, Limits, Problem, RulesError, example_problem
from dynopt_milp import rules as house
from dynopt_milp.problem.problem_file import in_order
from dynopt_milp.rules import Rule
from formulations import Rules

NAMES = ("ZINC", "CORN", "WHEAT")  # not in the order of the alphabet
POINTS = np.array(list(product(range(-4, 5), repeat=3)), dtype=float)
Kept = Callable[[np.ndarray], Any]


def drawn(random: np.random.Generator, **changes: Any) -> Problem:
    returns = random.normal(size=(6, 3)) * 0.1
    given = {
        "covariance": returns.T @ returns,
        "optimal_positions": random.normal(size=3) * 2,
        "weight_per_contract": random.uniform(0.1, 0.5, 3),
        "previous_positions": random.integers(-3, 4, 3),
        "cost_in_weight_terms": random.uniform(1e-4, 1e-2, 3),
        "instruments": NAMES,
    }
    return Problem(**given | changes)


def allowed(problem: Problem) -> np.ndarray:
    return np.asarray(problem.program().keeps_rules(POINTS))


def norms(covariance: Any, weights: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", weights, np.asarray(covariance), weights), 0.0))


def by_name(values: Any) -> dict[str, float]:
    return dict(zip(NAMES, values, strict=True))


def cases(random: np.random.Generator, problem: Problem) -> Iterator[tuple[Rule, Kept]]:
    """Every rule, with the formula that it is to keep."""
    u, p, c = problem.weight_per_contract, problem.previous_positions, problem.cost_in_weight_terms
    target, first = problem.optimal_positions, np.array([True, False, True])
    some = [name for name, is_in in zip(NAMES, first, strict=True) if is_in]
    margins, exposures = random.uniform(0, 9000, 3), random.normal(size=3)
    low, high = np.sort(random.normal(size=2))
    limit = random.uniform(0.2, 2.0)

    yield house.margin(by_name(margins), 20_000 * limit), lambda k: abs(k) @ margins <= 20_000 * limit
    yield house.margin(2500, 25_000), lambda k: abs(k).sum(axis=1) <= 10
    yield (
        house.exposure(pd.Series(by_name(exposures)), low, high),
        lambda k: (k @ exposures >= low) & (k @ exposures <= high),
    )
    yield house.exposure({"CORN": 2.0}, lower=high), lambda k: 2 * k[:, 1] >= high
    yield house.gross(limit), lambda k: abs(k) @ u <= limit
    yield house.net(low, high), lambda k: (k @ u >= low) & (k @ u <= high)
    yield house.net(upper=low), lambda k: k @ u <= low
    yield house.turnover(limit), lambda k: abs(k - p) @ u <= limit
    yield house.cost(limit / 200), lambda k: abs(k - p) @ (c * u) <= limit / 200
    yield house.group(some, low, high), lambda k: (k[:, first] @ u[first] >= low) & (k[:, first] @ u[first] <= high)
    yield (
        house.group(some, 0.2, limit + 0.2, of="gross"),
        lambda k: (abs(k[:, first]) @ u[first] >= 0.2) & (abs(k[:, first]) @ u[first] <= limit + 0.2),
    )
    yield (
        house.group(some, -2, 3, of="contracts"),
        lambda k: (k[:, first].sum(axis=1) >= -2) & (k[:, first].sum(axis=1) <= 3),
    )
    yield (
        house.group(some, upper=9000 * limit, of="margin", per_contract=by_name(margins)),
        lambda k: abs(k[:, first]) @ margins[first] <= 9000 * limit,
    )
    yield house.risk(0.1 * limit), lambda k: norms(problem.covariance, k * u) <= 0.1 * limit
    yield house.risk(0.1 * limit, some), lambda k: norms(problem.covariance, k * u * first) <= 0.1 * limit
    other = np.cov(random.normal(size=(3, 9)) * 0.2)
    labelled = pd.DataFrame(other, NAMES, NAMES).loc[sorted(NAMES), sorted(NAMES)]
    yield house.risk(0.1 * limit, covariance=other), lambda k: norms(other, k * u) <= 0.1 * limit
    yield house.risk(0.1 * limit, some, labelled), lambda k: norms(other, k * u * first) <= 0.1 * limit
    yield house.tracking_error(0.1 * limit), lambda k: norms(problem.covariance, (k - target) * u) <= 0.1 * limit
    yield house.max_holdings(2), lambda k: (k != 0).sum(axis=1) <= 2
    yield house.max_orders(1), lambda k: (k != p).sum(axis=1) <= 1
    yield house.one_of(some), lambda k: (k[:, first] != 0).sum(axis=1) <= 1
    yield house.lot(2), lambda k: (k % 2 == 0).all(axis=1)
    yield house.lot({"CORN": 3}), lambda k: k[:, 1] % 3 == 0
    yield house.min_position({"CORN": 3, "ZINC": 2}), lambda k: ((k == 0) | (abs(k) >= np.array([2, 3, 0]))).all(axis=1)
    yield house.min_order(2), lambda k: ((k == 0) | (k == p) | (abs(k - p) >= 2)).all(axis=1)
    yield house.max_order(pd.Series({"WHEAT": 1})), lambda k: abs(k[:, 2] - p[2]) <= 1


def values() -> list[Rule]:
    random = np.random.default_rng(5)
    return [rule for rule, _ in cases(random, drawn(random))]


COUNT = len(values())


def test_every_function_of_the_wing_is_among_the_cases() -> None:
    makers = set(house.__all__) - {"Rule", "rule_from_dict"}
    assert {rule.kind for rule in values()} == makers


@pytest.mark.parametrize("case", range(COUNT), ids=[f"{number} {rule.kind}" for number, rule in enumerate(values())])
def test_a_rule_allows_what_its_formula_says(case: int) -> None:
    counts = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        problem = drawn(random)
        rule, kept = list(cases(random, problem))[case]
        found = allowed(problem.replace(rules=[rule]))
        np.testing.assert_array_equal(found, kept(POINTS))
        counts.append(found.sum())
    assert 0 < sum(counts) < len(counts) * len(POINTS)


def test_several_rules_hold_all_at_once_those_of_one_kind_too() -> None:
    random = np.random.default_rng(0)
    for _ in range(40):
        problem = drawn(random)
        pairs = list(cases(random, problem)) + list(cases(random, problem))
        chosen = [pairs[place] for place in random.choice(len(pairs), 3, replace=False)]
        expected = np.logical_and.reduce([kept(POINTS) for _, kept in chosen])
        np.testing.assert_array_equal(allowed(problem.replace(rules=[rule for rule, _ in chosen])), expected)


def test_lots_and_sizes_of_several_rules_combine() -> None:
    rules = [
        house.lot({"ZINC": 4}), house.lot(6), house.min_position(2), house.min_position({"CORN": 5}),
        house.min_order(3), house.min_order(1), house.max_order(9), house.max_order({"WHEAT": 4}),
    ]  # fmt: skip
    domain = drawn(np.random.default_rng(1), rules=rules).program().domain
    assert domain is not None
    assert domain.lot.tolist() == [12, 6, 6]
    assert domain.least.tolist() == [2, 5, 2]
    assert domain.least_order.tolist() == [3, 3, 3]
    assert domain.most_order.tolist() == [9, 9, 4]
    large = drawn(np.random.default_rng(1), rules=[house.lot(2**51 - 1), house.lot(2**50)]).program().domain
    assert large is not None
    assert large.allows(np.array([[0.0] * 3, [2.0**52] * 3]), np.zeros(3), np.zeros(3)).tolist() == [[1] * 3, [0] * 3]


def test_the_order_of_instruments_and_of_names_does_not_matter() -> None:
    random = np.random.default_rng(3)
    for _ in range(5):
        problem = drawn(random)
        rules = [rule.labelled(NAMES) for rule, _ in cases(random, problem)]
        for rule in rules:
            one, places = problem.replace(rules=[rule]), np.array([1, 2, 0])
            other = Problem.from_dict(in_order(one.to_dict(), places))
            kept = other.program().keeps_rules(POINTS[:, places])
            np.testing.assert_array_equal(kept, allowed(one))
            for cap, same in zip(one.program().rules.caps, other.program().rules.caps, strict=True):  # type: ignore[union-attr]
                assert np.array_equal(cap.factor[:, places], same.factor)
    assert house.group(["A", "B"], upper=1) == house.group({"B", "A"}, upper=1)
    assert house.margin({"A": 1, "B": 2.5}, 3) == house.margin(pd.Series({"B": 2.5, "A": 1.0}), 3.0)
    unlabelled = drawn(random).replace(rules=house.risk(1, covariance=np.diag([1.0, 2.0, 3.0])))
    frame = pd.DataFrame(np.diag([2.0, 3.0, 1.0]), sorted(NAMES), sorted(NAMES))
    assert unlabelled.rules == (house.risk(1, covariance=frame),)


def test_rules_are_values() -> None:
    one, other = values(), values()
    assert one == other
    assert len(set(one) | set(other)) == len(one)
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    for rule in one:
        with pytest.raises(FrozenInstanceError):
            setattr(rule, fields(rule)[0].name, 3.0)  # type: ignore[arg-type]
        line = str(rule)
        assert line.startswith(f"{rule.kind}: ")
        assert repr(rule) == f"<{line}>"
        assert "\n" not in line
    assert str(house.margin(7500, 100_000)) == "margin: Σ mᵢ|kᵢ| ≤ 100,000"
    assert str(house.net(-1, 0.5)) == "net: −1 ≤ Σ uᵢkᵢ ≤ 0.5"
    assert house.gross(5) != house.net(upper=5)
    assert house.lot(5) != house.min_order(5)


def test_a_problem_carries_its_rules_and_replaces_them() -> None:
    problem = drawn(np.random.default_rng(2))
    assert problem.rules == ()
    assert problem.program().rules is None
    ruled = problem.replace(rules=values())
    assert ruled.replace(cost_multiplier=3.0).rules == ruled.rules
    assert ruled.replace(rules=None).program().rules is ruled.replace(rules=()).program().rules is None
    assert problem.replace(rules=house.gross(3)).rules == (house.gross(3),)
    again = pickle.loads(pickle.dumps(ruled))
    assert again.rules == ruled.rules
    np.testing.assert_array_equal(allowed(again), allowed(ruled))
    for idle in (house.lot(1), house.min_position(1), house.min_order({"CORN": 0})):
        assert problem.replace(rules=[idle]).program().rules is None


def test_the_parts_of_rules_are_those_of_the_program_in_their_order() -> None:
    problem = drawn(np.random.default_rng(2), rules=values())
    parts, whole = problem.parts_of_rules(), problem.program().rules
    assert whole is not None
    assert len(parts) == len(problem.rules)
    rows = [row for part in parts for row in part.rows]
    assert [row.limit for row in rows] == [row.limit for row in whole.rows]
    assert all(np.array_equal(row.coefficients, same.coefficients) for row, same in zip(rows, whole.rows, strict=True))
    assert [cap.limit for part in parts for cap in part.caps] == [cap.limit for cap in whole.caps]
    first = next(cap for cap in whole.caps if not cap.centre.any())
    assert first.factor is problem.program().factor
    zero = np.zeros(3)
    kept = np.logical_and.reduce([part.kept(POINTS, problem.previous_positions, zero) for part in parts])
    np.testing.assert_array_equal(kept, allowed(problem))


def test_from_market_takes_rules() -> None:
    problem = Problem.from_market(
        capital=100_000, prices={"A": 100, "B": 50}, multipliers={"A": 10, "B": 100}, covariance=np.eye(2) * 0.04,
        optimal_positions={"A": 3.0, "B": 1.5}, rules=[house.gross(0.1)],
    )  # fmt: skip
    assert problem.program().keeps_rules([[10, 0], [8, 1], [0, -2], [-5, 1]]).tolist() == [True, False, True, True]


# Instruments that have one position left


def test_a_frozen_instrument_is_exempt_from_rules_of_its_own_and_counts_in_the_others() -> None:
    problem = drawn(np.random.default_rng(4), previous_positions=[3, 0, 0], limits=Limits(no_trade=["ZINC"]))
    own = [house.lot(2), house.min_position(5), house.min_order(3), house.max_order(1)]
    stays = np.array([3.0, 0.0, 0.0])
    for rule in own:
        assert problem.replace(rules=[rule]).program().keeps_rules(stays), rule
        free = problem.replace(rules=[rule], limits=Limits())
        assert not all(
            bool(free.program().keeps_rules(point)) for point in (stays, np.array([5.0, 0, 0]), np.array([1.0, 0, 0]))
        )
    u = problem.weight_per_contract
    for rule in (house.margin(1, 2.5), house.gross(2.9 * u[0]), house.max_holdings(0), house.risk(1e-9)):
        assert not problem.replace(rules=[rule]).program().keeps_rules(stays), rule
    assert not problem.replace(rules=[house.group(["ZINC"], upper=2, of="contracts")]).program().keeps_rules(stays)


# Sizes of one contract


@pytest.mark.parametrize("own", [True, False])
def test_sizes_that_offset_each_other_have_no_risk_to_the_last_bit(own: bool) -> None:
    correlation = np.array([[1, 1, -0.2], [1, 1, -0.2], [-0.2, -0.2, 1]])
    covariance = correlation * np.outer([0.18, 0.18, 0.06], [0.18, 0.18, 0.06])
    names = ("micro", "full", "bond")
    problem = Problem(
        covariance, np.ones(3), [0.1, 0.8, 0.3], instruments=names,
        rules=house.risk(0, ["full", "micro"], None if own else covariance * 1.7),
    )  # fmt: skip
    points = np.array([[-8, 1, 0], [-8, 1, 5], [80_000, -10_000, 3], [-8, 2, 0], [1, 0, 0]])
    assert problem.program().keeps_rules(points).tolist() == [True, True, True, False, False]
    residual = problem.program().rules.caps[0].residual  # type: ignore[union-attr]
    assert residual is not None
    assert residual.twins
    assert not residual.covariance[2].any()


# Files


def test_rules_come_back_from_a_file_to_the_last_bit(tmp_path: Path) -> None:
    given = example_problem(1_000_000, seed=2)
    names = given.instruments
    random = np.random.default_rng(8)
    rules = [
        house.margin(pd.Series(random.uniform(1000, 9000, len(names)), names), 1e6 / 3),
        house.exposure({names[3]: 0.1 + 0.2, names[0]: -1 / 3}, -1 / 7, 1e-17),
        house.group(names[5:9], upper=2e5 / 3, of="margin", per_contract=1234.5),
        house.risk(0.1, names[2:6], given.covariance / 3),
        house.lot({names[1]: 5, names[4]: 2**40}),
        house.net(upper=-0.0),
        house.gross(5),
        house.gross(5),
        house.tracking_error(0.07),
        house.one_of(names[:2]),
    ]
    given = given.replace(rules=rules)
    given.to_json(tmp_path / "problem.json")
    found = Problem.from_json(tmp_path / "problem.json")
    assert found.rules == given.rules
    found.to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "problem.json").read_bytes()
    one, other = given.program().rules, found.program().rules
    assert isinstance(one, Rules)
    assert isinstance(other, Rules)
    assert all(np.array_equal(a.coefficients, b.coefficients) for a, b in zip(one.rows, other.rows, strict=True))
    assert all(np.array_equal(a.factor, b.factor) for a, b in zip(one.caps, other.caps, strict=True))


@pytest.mark.parametrize("rule", values(), ids=str)
def test_a_rule_is_its_dict(rule: Rule) -> None:
    labelled = rule.labelled(NAMES)
    content = json.loads(json.dumps(labelled.to_dict(), allow_nan=False))
    assert content["rule"] == rule.kind
    assert house.rule_from_dict(content) == labelled


def test_a_file_without_rules_has_no_such_field() -> None:
    assert "rules" not in drawn(np.random.default_rng(0)).to_dict()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"rule": "gros", "limit": 1}, "no rule 'gros'; there are margin, "),
        ({"rule": ["gross"], "limit": 1}, "no rule ['gross']"),
        ({"limit": 1}, "field rule"),
        ("gross", "field rule"),
        ({"rule": "gross"}, "gross: limit is missing"),
        ({"rule": "gross", "limit": 1, "of": 2}, "gross: of is no argument; there are limit"),
    ],
)
def test_what_is_no_rule_in_a_file_is_refused(content: Any, said: str) -> None:
    given = drawn(np.random.default_rng(0)).to_dict() | {"rules": [content]}
    with pytest.raises(FormatError) as caught:
        Problem.from_dict(given, "problem.json")
    assert caught.value.field == "problem.json: rules"
    assert said in str(caught.value)


def test_rules_in_a_file_are_a_list() -> None:
    given = drawn(np.random.default_rng(0)).to_dict() | {"rules": {"rule": "gross", "limit": 1}}
    with pytest.raises(FormatError, match=r"rules: expected a list, found dict"):
        Problem.from_dict(given)


# Bad input

MASKED = np.ma.array([0.5], mask=[True])[0]
NO_NUMBERS = [math.nan, math.inf, -math.inf, None, "5", True, 1j, MASKED, [1.0], pd.Series([1.0, 2.0]), 10**400]
ONE_NUMBER: dict[str, Callable[[Any], Rule]] = {
    "margin": lambda value: house.margin(1000, value),
    "exposure": lambda value: house.exposure(1, 0, value),
    "gross": house.gross,
    "net": lambda value: house.net(0, value),
    "turnover": house.turnover,
    "cost": house.cost,
    "group": lambda value: house.group(["CORN"], 0, value),
    "risk": house.risk,
    "tracking_error": house.tracking_error,
    "max_holdings": house.max_holdings,
    "max_orders": house.max_orders,
    "lot": house.lot,
    "min_position": lambda value: house.min_position({"CORN": value}),
    "min_order": house.min_order,
    "max_order": house.max_order,
}
NOT_NEGATIVE = sorted(ONE_NUMBER.keys() - {"exposure", "net", "group"})


def refused(call: Callable[[], Any], *said: str, kind: type[InputError] = RulesError, name: str | None = None) -> None:
    with pytest.raises(InputError) as caught:
        call()
    error = caught.value
    assert (type(error), error.field, error.instrument) == (kind, "rules", name), error
    message = str(error)
    assert "\n" not in message
    for word in said:
        assert word in message, message


@pytest.mark.parametrize("kind", ONE_NUMBER)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__ + str(value)[:4])
def test_what_is_no_number_is_refused(kind: str, value: Any) -> None:
    if value is None and kind in ("exposure", "net", "group"):
        return  # no upper bound
    name = "CORN" if kind == "min_position" else None
    refused(lambda: ONE_NUMBER[kind](value), f"{kind}: ", name=name)


@pytest.mark.parametrize("kind", NOT_NEGATIVE)
def test_what_is_negative_is_refused(kind: str) -> None:
    refused(lambda: ONE_NUMBER[kind](-5), f"{kind}: ", "found -5", name="CORN" if kind == "min_position" else None)


@pytest.mark.parametrize("kind", ["max_holdings", "max_orders", "lot", "min_position", "min_order", "max_order"])
def test_what_is_not_whole_is_refused(kind: str) -> None:
    name = "CORN" if kind == "min_position" else None
    refused(lambda: ONE_NUMBER[kind](2.5), f"{kind}: ", "whole", "2.5", name=name)
    refused(lambda: ONE_NUMBER[kind](2**53), f"{kind}: ", "whole", name=name)


TWO = pd.DataFrame([[0.04, 0.01], [0.01, 0.09]], ["CORN", "GOLD"], ["CORN", "GOLD"])
DUPLICATED = pd.Series([1.0, 2.0], ["CORN", "CORN"])
BAD: dict[str, tuple[Callable[[], Any], str, str | None]] = {
    "budget": (lambda: house.margin(1, -5), "rules: margin: budget: expected a number that is not negative", None),
    "negative margin": (lambda: house.margin({"CORN": -1}, 5), "rules of CORN: margin: per_contract", "CORN"),
    "no margin": (lambda: house.margin({"CORN": math.nan}, 5), "margin: per_contract", "CORN"),
    "margins in a list": (lambda: house.margin([1, 2, 3], 5), "a Series or dict by instrument, found a list", None),
    "margins of nothing": (lambda: house.margin({}, 5), "margin: per_contract: names no instrument", None),
    "margin twice": (lambda: house.margin(DUPLICATED, 5), "margin: per_contract: appears more than once", "CORN"),
    "names that are none": (lambda: house.exposure({1: 2.0}, 5), "exposure: coefficients: expected names", None),
    "no bound": (lambda: house.exposure(1.0), "exposure: lower, upper: no bound", None),
    "no bound of net": (lambda: house.net(), "net: lower, upper: no bound", None),
    "no bound of a group": (lambda: house.group(["CORN"]), "group: lower, upper: no bound", None),
    "crossed": (lambda: house.net(2, 1), "net: lower, upper: the lower bound, 2, is above the upper one, 1", None),
    "per cent of risk": (lambda: house.risk(15), "risk: limit: 15 looks like per cent; give 0.15", None),
    "per cent of error": (lambda: house.tracking_error(8), "8 looks like per cent; give 0.08", None),
    "per cent of gross": (lambda: house.gross(250), "gross: limit: 250 looks like per cent; give 2.5", None),
    "per cent of turnover": (lambda: house.turnover(250), "looks like per cent", None),
    "per cent of net": (lambda: house.net(-250, 3), "net: lower: -250 looks like per cent; give -2.5", None),
    "per cent of a group": (lambda: house.group(["CORN"], upper=250), "group: upper: 250 looks like per cent", None),
    "per cent of cost": (lambda: house.cost(6), "cost: budget: 6 looks like per cent", None),
    "empty group": (lambda: house.group([], upper=1), "group: names: expected at least 1, found 0", None),
    "names in a text": (lambda: house.group("CORN", upper=1), "group: names: expected a list of names", None),
    "masked names": (lambda: house.one_of(np.ma.masked), "one_of: names: expected a list of names", None),
    "repeated": (lambda: house.risk(0.1, ["CORN", "CORN"]), "risk: names: appears more than once", "CORN"),
    "one of one": (lambda: house.one_of(["CORN"]), "one_of: names: expected at least 2", None),
    "one of the same": (lambda: house.one_of(["CORN", "CORN"]), "one_of: names: appears more", "CORN"),
    "of what": (lambda: house.group(["CORN"], 0, of="beta"), "group: of: there is no 'beta'; there are net", None),
    "margins of net": (lambda: house.group(["CORN"], 0, per_contract=5), "group: per_contract: is for", None),
    "no budget": (lambda: house.margin(5), "margin: budget: is missing", None),
    "a budget in per cent": (lambda: house.margin(budget=25), "margin: budget: 25 looks like per cent", None),
    "margins for net": (lambda: house.group(["CORN"], 0, per_contract=1), "for of='margin' alone", None),
    "margins of others": (
        lambda: house.group(["CORN", "ZINC"], 0, of="margin", per_contract={"CORN": 1}), "group: per_contract", "ZINC"
    ),
    "gross below zero": (lambda: house.group(["CORN"], -1, of="gross"), "group: lower: expected a number that", None),
    "a lot of zero": (lambda: house.lot({"CORN": 0}), "lot: contracts: expected a number of at least 1", "CORN"),
    "too large": (lambda: house.gross(1e300), "gross: limit: expected a number of at most 1e+100", None),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_rule_is_refused_in_one_line_that_names_it(case: str) -> None:
    call, said, name = BAD[case]
    refused(call, said, name=name)


UNFIT: dict[str, tuple[Any, str, str | None]] = {
    "no list": (5, "rules: expected a list of rules", None),
    "a set": ({house.gross(5)}, "rules: expected a list of rules", None),
    "a dict": ({"rule": "gross", "limit": 5}, "rules: expected a list of rules", None),
    "no rule": ([house.gross(5), Limits()], "rules: expected rules that dynopt_milp.rules makes, found Limits", None),
    "a function": ([house.gross], "rules: expected rules that dynopt_milp.rules makes, found gross", None),
    "unknown member": ([house.group(["GOLD"], 0)], "rules of GOLD: group: names: is not among the", "GOLD"),
    "unknown one": ([house.one_of(["CORN", "GOLD"])], "rules of GOLD: one_of: names", "GOLD"),
    "unknown in a risk": ([house.risk(0.1, ["GOLD"])], "rules of GOLD: risk: names", "GOLD"),
    "unknown margin": ([house.margin({"GOLD": 1}, 5)], "rules of GOLD: margin: per_contract: is not", "GOLD"),
    "unknown exposure": ([house.exposure({"GOLD": 1}, 5)], "rules of GOLD: exposure: coefficients", "GOLD"),
    "unknown lot": ([house.lot({"GOLD": 1})], "rules of GOLD: lot: contracts", "GOLD"),
    "no margins": ([house.margin(budget=0.5)], "rules: margin: per_contract: is missing", None),
    "no margins of a group": ([house.group(["CORN"], 0, of="margin")], "rules: group: per_contract: is missing", None),
    "margin of some": ([house.margin({"CORN": 1}, 5)], "rules of ZINC: margin: per_contract: is missing", "ZINC"),
    "unknown in a group": (
        [house.group(["CORN"], 0, of="margin", per_contract={"CORN": 1, "GOLD": 1})], "GOLD: group: per_contract",
        "GOLD",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_a_rule_that_the_problem_cannot_have_is_refused(case: str) -> None:
    given, said, name = UNFIT[case]
    problem = drawn(np.random.default_rng(0))
    refused(lambda: problem.replace(rules=given), said, name=name)


COVARIANCES: dict[str, tuple[Any, str, str | None]] = {
    "not square": ([[0.04, 0.01]], "covariance: expected", None),
    "ragged": ([[0.04], [0.01, 0.04]], "rows of equal length", None),
    "a text": ("annual", "rows of equal length", None),
    "a number": (0.04, "covariance: expected 1 rows", None),
    "complex": (np.eye(3) * 1j, "expected a real number", "row 1"),
    "masked": (np.ma.array(np.eye(3), mask=np.eye(3) > 0), "a masked entry", "row 1"),
    "too small": (np.eye(2), "expected 3 rows and columns, one per instrument, found 2", None),
    "indefinite": (np.ones((3, 3)) * 2 - np.eye(3) * 1.5, "not positive semi-definite", None),
    "negative": (-np.eye(3), "variance is negative", "CORN"),
    "not finite": (np.full((3, 3), np.nan), "expected finite numbers", "CORN"),
    "not symmetric": (np.eye(3) + np.eye(3, k=1), "is not symmetric", None),
    "of others": (TWO, "is not among the instruments of the problem", "GOLD"),
    "of some": (TWO.loc[["CORN"], ["CORN"]], "risk: covariance: is missing", "ZINC"),
    "rows without columns": (TWO.loc[["CORN"]], "appears in the columns", "GOLD"),
}


@pytest.mark.parametrize("case", COVARIANCES)
def test_what_is_no_covariance_is_refused(case: str) -> None:
    given, said, name = COVARIANCES[case]
    problem = drawn(np.random.default_rng(0))
    with pytest.raises(CovarianceError) as caught:
        problem.replace(rules=[house.risk(0.1, covariance=given)])
    assert caught.value.field == "rules"
    assert "risk: covariance: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert name in (None, caught.value.instrument)


def test_units_that_float64_cannot_add_up_are_refused() -> None:
    problem = drawn(np.random.default_rng(0), weight_per_contract=[1e120, 0.1, 0.1], cost_multiplier=0.0)
    for rule in (house.gross(1), house.cost(1), house.group(["ZINC"], 0)):
        refused(lambda rule=rule: problem.replace(rules=[rule]), f"{rule.kind}: ", "other units", name="ZINC")
    refused(
        lambda: problem.replace(rules=[house.risk(1, covariance=np.eye(3) * 1e60)]), "risk: covariance", name="ZINC"
    )


def test_a_margin_of_nothing_is_fine() -> None:
    assert allowed(drawn(np.random.default_rng(0), rules=[house.margin(0, 0)])).all()


def test_of_several_rules_of_a_kind_an_error_says_which() -> None:
    groups = [house.group([name], upper=1) for name in ("A", "Z\nQ")]
    with pytest.raises(RulesError, match=r"^rules of Z Q: group \(rule 3\): names: is not among"):
        Problem(np.eye(1), [1.0], [0.1], instruments=["A"], rules=[house.gross(1), *groups])


def test_a_bad_value_in_a_file_names_the_file() -> None:
    with pytest.raises(RulesError, match=r"^b\.json: rules of A: margin: per_contract: expected a number that is not"):
        house.rule_from_dict({"rule": "margin", "per_contract": {"A": -1}, "budget": 3}, "b.json: rules")
