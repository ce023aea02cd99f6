"""What the checker reads in a problem file is what the library means by it: limits, sides, rules, costs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from dynopt_milp import InputError, Limits, OrderCosts, Problem
from dynopt_milp.problem.covariance_factor import closest_factor
from dynopt_milp.rules.from_file import KINDS as RULES
from proof_checker import Refused
from proof_checker.bound import Bounds
from proof_checker.checker import WRONG
from proof_checker.problem import Problem as Stated
from tests.attack.kinds import make
from tests.attack.trial import drawn
from tests.proof_checker.enumerated import content_of, small_problem

PROBLEMS = 300
PORTFOLIOS = 40
FARTHEST = 2.0**50


def bounds_of(problem: Problem) -> Bounds:
    stated = Stated(content_of(problem))
    matrices = [np.array([[float(number) for number in row] for row in one]) for one in stated.covariances]
    return Bounds(stated, [closest_factor(matrix).tolist() for matrix in matrices], 24)


@pytest.mark.parametrize("part", range(2))
def test_portfolios_are_kept_and_priced_as_the_library_does(part: int) -> None:
    random, counted, kinds = np.random.default_rng(part), Counter[bool](), Counter[str]()
    for number in range(part, PROBLEMS, 2):
        given, _ = drawn(77, number)
        try:
            problem = make(given.arguments())
            bounds = bounds_of(problem)
        except (InputError, Refused):  # a covariance that is not semi-definite to 2⁻⁴⁸
            continue
        program, stated = problem.program(), bounds.problem
        assert stated.lower == program.lower.tolist()
        assert stated.upper == program.upper.tolist()
        mine = {tuple(group) for group in stated.groups if len(group) > 1}
        assert mine == {tuple(int(place) for place in members) for members in program.underlyings()}
        kinds.update(rule.kind for rule in problem.rules)
        centres = [problem.optimal_positions, problem.previous_positions, np.zeros(program.size), *given.planted]
        for _ in range(PORTFOLIOS):
            point = np.rint(np.array(centres[random.integers(len(centres))], dtype=np.float64))
            point += random.integers(-2, 3, program.size) * (random.random(program.size) < 0.5)
            if random.random() < 0.7:
                point = np.clip(point, program.lower, program.upper)
            if np.abs(point).max() > FARTHEST:
                continue
            kept = bool(program.contains(point))
            if not kept:
                with pytest.raises(Refused):
                    bounds.worth([int(k) for k in point])
            else:
                low, high, _ = bounds.worth([int(k) for k in point])
                spread = float(np.abs(point - problem.optimal_positions) @ program.lengths)
                assert low <= high
                assert float(high) == pytest.approx(program.objective(point), rel=1e-9, abs=1e-7 * spread)
            counted[kept] += 1
    assert min(counted.values()) > 500, counted
    assert set(kinds) >= set(RULES) - {"min_order"}, kinds


OTHER = {"instruments": ["B", "A"], "rows": [[0.1, 0], [0, 0.2]]}


def every_field() -> Problem:
    return small_problem(
        1,
        {"rule": "margin", "budget": 0.9}, {"rule": "group", "names": ["A"], "of": "margin", "upper": 0.5},
        {"rule": "cost", "budget": 0.02}, {"rule": "min_order", "contracts": {"A": 2}},
        {"rule": "risk", "limit": 0.4, "names": ["A", "B"], "covariance": OTHER},
        {"rule": "tracking_error", "limit": 0.9, "target": {"A": 0.5, "B": 1, "C": 0}},
        holding_cost=0.001, capital=1000.0, margin=[0.1, 0.2, 0.05], underlying=["X", "X", "Y"],
        order_costs=OrderCosts(1e-4, minimum=[1e-3, 0, 2e-3], commission=[1e-4, 0, 0], impact=1e-5, rolls=0.5),
        limits=Limits(lower=-5, upper=5, long_only=["A"], no_trade=["C"], reduce_only=[], same_side=["B"],
                      one_side=True),
    )  # fmt: skip


def test_every_field_of_a_problem_file_is_known() -> None:
    content = content_of(every_field())
    assert "margin" in content
    bounds_of(every_field())
    for name in list(content):
        with pytest.raises(Refused, match="unknown fields"):
            Stated(content | {f"{name}_": content[name]})
    for number, rule in enumerate(content["rules"]):
        rules = [*content["rules"][:number], rule | {"limits": 1}, *content["rules"][number + 1 :]]
        with pytest.raises(Refused, match="not known"):
            Stated(content | {"rules": rules})


@pytest.mark.parametrize(
    "change",
    [
        {"cost_multiplier": -1.0}, {"optimal_positions": [1.0, 2.0, "3"]}, {"previous_positions": [0.5, 0, 0]},
        {"previous_positions": [True, 0, 0]}, {"lower": [0, None, 0.5]}, {"format": "dynopt-milp problem 3"},
        {"instruments": ["A", "A", "B"]}, {"instruments": []}, {"cost_in_weight_terms": [-0.1, 0, 0]},
        {"order_costs": {"per_order": [-1, 0, 0]}}, {"order_costs": {"per_ordr": [1, 0, 0]}}, {"no_trade": "CAB"},
        {"no_trade": ["D"]}, {"weight_per_contract": None}, {"format": "dynopt-milp problem 1", "rules": []},
        {"instruments": "CAB"}, {"instruments": ["C", "A", 3]}, {"covariance": []}, {"underlying": ["X", "Y"]},
        {"underlying": ["X", 3, "Y"]}, {"rules": {}}, {"order_costs": [1]},
        *({"rules": [rule]} for rule in (
            {"rule": "cost", "budget": 1, "lower": 0.1}, {"rule": "group", "names": ["A"], "of": "cost", "lower": 1},
            {"rule": "gross"}, {"rule": "gross", "limit": 1, "upper": 2}, {"rule": "net"}, {"rule": "one_of"},
            {"rule": "one_of", "names": ["A"]}, {"rule": "one_of", "names": "AB"}, {"rule": "lot", "contracts": 2**60},
            {"rule": "margin", "budget": 1, "per_contract": [1, 1, 1]},
            {"rule": "group", "names": ["A", "A"], "upper": 1}, {"rule": "group", "upper": 1},
            {"rule": "lot", "contracts": 0},
            {"rule": "lot", "contracts": 2, "names": ["A"]}, {"rule": "max_order", "contracts": -5},
            {"rule": "risk", "limit": 1, "lower": 0.1}, {"rule": "beta", "limit": 1}, {"rule": "margin", "budget": 1},
            {"rule": "margin", "budget": 1, "per_contract": {"A": 1}}, {"rule": "one_of", "names": ["D"]},
            {"rule": "exposure", "coefficients": {"D": 1}, "upper": 1},
            {"rule": "risk", "limit": 1, "covariance": {"instruments": ["A"], "rows": [[1]]}},
        )),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((Refused, *WRONG)):  # of which `verify` makes a refusal
        Stated(content_of(small_problem(1)) | change)


@pytest.mark.parametrize("given", [["X", "X ", ""], [None, "", "C"], ["X", "Y", "X"], ["B", None, None]])
def test_an_underlying_is_a_text_without_spaces_or_the_instrument_itself(given: list[Any]) -> None:
    content = content_of(small_problem(1)) | {"underlying": given, "one_side": True}
    problem = Problem.from_dict(content)
    mine = {tuple(group) for group in Stated(content).groups if len(group) > 1}
    assert mine == {tuple(int(place) for place in members) for members in problem.program().underlyings()}


def test_null_is_an_argument_that_is_not_given() -> None:
    rule = {"rule": "risk", "limit": 0.3, "names": None, "covariance": None}
    assert (
        Stated(content_of(small_problem(1)) | {"rules": [rule]}).hash
        == Stated(content_of(small_problem(1)) | {"rules": [{"rule": "risk", "limit": 0.3}]}).hash
    )
    assert Stated(content_of(small_problem(1)) | {"lower": [-np.inf, -1, None]}).lower == [-np.inf, -1, -np.inf]


def test_a_cap_with_a_negative_limit_is_kept_by_nothing() -> None:
    content = content_of(small_problem(1)) | {"rules": [{"rule": "risk", "limit": -5}]}
    factor = closest_factor(np.array(content["covariance"]))
    with pytest.raises(Refused, match="more risk"):
        Bounds(Stated(content), [factor.tolist()], 24).worth([0, 0, 0])
