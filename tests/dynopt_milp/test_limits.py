"""Each rule gives the box it says, and every answer obeys it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, LimitsError, Problem, Status, rebalance, solve

ARRAYS = ("optimal_positions", "weight_per_contract", "previous_positions", "cost_in_weight_terms")
NAMES = ("LONG", "SHORT", "FLAT")
TARGET, HELD = [3.4, -2.6, 0.0], [-1, -4, 2]
INF = np.inf


def problem(limits: Any, **changes: Any) -> Problem:
    given = {
        "covariance": np.array([[0.04, 0.01, 0.02], [0.01, 0.09, 0.03], [0.02, 0.03, 0.16]]),
        "optimal_positions": TARGET,
        "weight_per_contract": [0.2, 0.1, 0.3],
        "previous_positions": HELD,
        "cost_in_weight_terms": 1e-4,
        "instruments": NAMES,
    }
    return Problem(limits=limits, **(given | changes))


CASES: dict[str, tuple[Limits, list[float], list[float]]] = {
    "none": (Limits(), [-INF] * 3, [INF] * 3),
    "one number": (Limits(lower=-1, upper=2), [-1] * 3, [2] * 3),
    "list": (Limits(lower=[-1, -INF, 0], upper=[INF, 5, 1]), [-1, -INF, 0], [INF, 5, 1]),
    "dict": (Limits(lower={"FLAT": 1}, upper={"LONG": 2}), [-INF, -INF, 1], [2, INF, INF]),
    "series": (Limits(upper=pd.Series({"FLAT": 1, "LONG": 2})), [-INF] * 3, [2, INF, 1]),
    "long_only": (Limits(long_only=True), [0, 0, 0], [INF] * 3),
    "long_only of some": (Limits(long_only=["SHORT"]), [-INF, 0, -INF], [INF] * 3),
    "no_trade": (Limits(no_trade=True), [-1, -4, 2], [-1, -4, 2]),
    "no_trade of some": (Limits(no_trade={"FLAT"}), [-INF, -INF, 2], [INF, INF, 2]),
    "reduce_only": (Limits(reduce_only=True), [-1, -4, 0], [0, 0, 2]),
    "reduce_only of some": (Limits(reduce_only=("SHORT",)), [-INF, -4, -INF], [INF, 0, INF]),
    "same_side": (Limits(same_side=True), [0, -INF, 0], [INF, 0, 0]),
    "same_side of some": (Limits(same_side=["LONG"]), [0, -INF, -INF], [INF, INF, INF]),
    "close": (Limits(close=True), [0, 0, 0], [0, 0, 0]),
    "close of some": (Limits(close=["SHORT"]), [-INF, 0, -INF], [INF, 0, INF]),
    "close beside the others": (
        Limits(lower=-3, upper=5, long_only=["LONG"], reduce_only=["FLAT"], same_side=True, close=["SHORT", "FLAT"]),
        [0, 0, 0], [5, 0, 0],
    ),
    "no_trade overrules": (
        Limits(no_trade=True, long_only=True, reduce_only=True, same_side=True, close=True), [-1, -4, 2], [-1, -4, 2],
    ),
    "no_trade overrules close": (Limits(no_trade=["LONG"], close=True), [-1, 0, 0], [-1, 0, 0]),
    "rules together": (Limits(lower=-3, upper=1, reduce_only=True, same_side=True), [0, -3, 0], [0, 0, 0]),
    "rules and numbers": (Limits(upper=4, long_only=["LONG"], no_trade=["FLAT"]), [0, -INF, 2], [4, 4, 2]),
    "no names": (Limits(long_only=[], no_trade=()), [-INF] * 3, [INF] * 3),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_rule_gives_the_box_it_says(case: str) -> None:
    limits, lower, upper = CASES[case]
    found = problem(limits)
    assert found.lower.tolist() == lower
    assert found.upper.tolist() == upper


@pytest.mark.parametrize("optimizer", ["exact", "greedy", "enumerate"])
@pytest.mark.parametrize("case", CASES)
def test_the_answer_obeys_the_limits(case: str, optimizer: str) -> None:
    limits, lower, upper = CASES[case]
    positions = solve(problem(limits), optimizer).positions.to_numpy()
    assert (np.array(lower) <= positions).all()
    assert (positions <= np.array(upper)).all()


@pytest.mark.parametrize("formulation", ["penalty", "deadband"])
@pytest.mark.parametrize("case", CASES)
def test_within_limits_exact_is_as_good_as_looking_at_every_portfolio(case: str, formulation: str) -> None:
    given = problem(CASES[case][0])
    exact = solve(given, formulation=formulation)
    assert exact.status is Status.OPTIMAL
    assert exact.objective == pytest.approx(solve(given, "enumerate", formulation=formulation).objective, rel=1e-6)


@pytest.mark.parametrize("rule", ["book", "edge", "deadband", None])
@pytest.mark.parametrize("case", CASES)
def test_trades_end_inside_the_limits(case: str, rule: Any) -> None:
    limits, lower, upper = CASES[case]
    positions = rebalance(problem(limits), buffer_rule=rule, buffer_fraction=0.01).positions.to_numpy()
    assert (np.array(lower) <= positions).all()
    assert (positions <= np.array(upper)).all()


@pytest.mark.parametrize("rule", ["book", "edge", "deadband", None])
def test_a_position_held_outside_its_limits_is_brought_back_even_inside_the_buffer(rule: Any) -> None:
    limits = Limits(lower={"SHORT": -2}, upper={"FLAT": 1})
    found = rebalance(problem(limits), buffer_rule=rule, buffer_fraction=10.0)
    assert found.positions["SHORT"] >= -2
    assert found.positions["FLAT"] <= 1
    assert found.trades["FLAT"] <= -1


@pytest.mark.parametrize("optimizer", ["exact", "greedy"])
def test_the_answer_is_inside_limits_that_shut_out_both_zero_and_what_is_held(optimizer: str) -> None:
    positions = solve(problem(Limits(lower={"LONG": 5}, upper={"SHORT": -6})), optimizer).positions
    assert positions["LONG"] >= 5
    assert positions["SHORT"] <= -6


def test_limits_that_allow_one_portfolio_give_that_one() -> None:
    solution = solve(problem(Limits(lower=[1, -2, 0], upper=[1, -2, 0])))
    assert solution.status is Status.OPTIMAL
    assert solution.positions.tolist() == [1, -2, 0]


def test_limits_do_not_depend_on_the_order_of_instruments() -> None:
    limits = Limits(lower={"SHORT": -1}, long_only=["FLAT"], reduce_only=["LONG"])
    given = problem(limits)
    ordered = given.replace(
        covariance=given.covariance[::-1, ::-1],
        instruments=given.instruments[::-1],
        **{name: getattr(given, name)[::-1] for name in ARRAYS},
    )
    for name in NAMES:
        place, other = given.instruments.index(name), ordered.instruments.index(name)
        assert given.lower[place] == ordered.lower[other]
        assert given.upper[place] == ordered.upper[other]
    assert solve(given).positions.to_dict() == solve(ordered).positions.to_dict()


def test_rules_follow_a_target_that_is_replaced() -> None:
    changed = problem(Limits(same_side=True)).replace(optimal_positions=[-1.0, 0.0, 2.0])
    assert changed.lower.tolist() == [-INF, 0, 0]
    assert changed.upper.tolist() == [0, 0, INF]


@pytest.mark.parametrize("kind", [list, tuple, set, pd.Index, iter], ids=lambda kind: kind.__name__)
def test_a_rule_holds_after_replace_whatever_collection_its_names_came_in(kind: Callable[[list[str]], Any]) -> None:
    given = problem(Limits(long_only=kind(["SHORT"])))
    assert given.lower.tolist() == [-INF, 0, -INF]
    assert given.replace(cost_multiplier=1.0).lower.tolist() == [-INF, 0, -INF]


@pytest.mark.parametrize("case", CASES)
def test_a_function_is_asked_for_the_limits_of_the_instruments(case: str) -> None:
    limits, lower, upper = CASES[case]
    asked: list[list[str]] = []

    def of(names: list[str]) -> Limits:
        asked.append(names)
        return limits

    found = problem(of)
    assert asked == [list(NAMES)]
    assert (found.lower.tolist(), found.upper.tolist()) == (lower, upper)
    assert found.limits is limits


@pytest.mark.parametrize("case", [case for case in CASES if case != "rules together"])
def test_the_limits_of_some_instruments_are_those_they_have_among_all(case: str) -> None:
    limits, lower, upper = CASES[case]
    kept = ("FLAT", "LONG")  # in another order, too
    places = [NAMES.index(name) for name in kept]
    few = limits.among(kept, NAMES).box(kept, np.array(TARGET)[places], np.array(HELD, dtype=float)[places])
    assert [side.tolist() for side in few] == [[side[place] for place in places] for side in (lower, upper)]


def test_limits_refuse_what_they_do_not_know_and_a_set_has_one_order() -> None:
    with pytest.raises(LimitsError, match="of X: is not among the instruments of the limits"):
        Limits(long_only=True).among(["X"], NAMES)
    with pytest.raises(LimitsError, match="upper of COCOA: is not among"):
        Limits(upper={"COCOA": 1}).among(["LONG"], ["LONG"])
    with pytest.raises(LimitsError, match="lower and upper limit leave no position"):
        Limits(lower=3, upper=2).among(["LONG"], NAMES)
    assert Limits(long_only={"SHORT", "FLAT", "LONG"}).long_only == ("FLAT", "LONG", "SHORT")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (3, "expected Limits, or a function"),
        (lambda names: None, "expected the function to return Limits, it returned NoneType"),
        (lambda names: {"lower": 0}, "returned dict"),
    ],
)
def test_what_gives_no_limits_is_refused(limits: Any, message: str) -> None:
    with pytest.raises(LimitsError, match=message):
        problem(limits)


# A target of zero, and close


def bonds_and_stocks(target: float, held: int, cost: float = 2e-5, **limits: Any) -> Problem:
    """Two bonds that move together, the first of which is held and cannot be traded, and an index."""
    volatility = np.array([0.05, 0.055, 0.17])
    correlation = np.array([[1, 0.9, -0.2], [0.9, 1, -0.1], [-0.2, -0.1, 1]])
    return Problem(
        correlation * np.outer(volatility, volatility), [-1.2, target, 4.4], [0.5, 0.55, 0.1], [3, held, 4], cost, 20.0,
        Limits(no_trade=["BUND"], **limits), ("BUND", "OAT", "STOCK"),
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", ["exact", "scip", "enumerate"])
def test_a_target_of_zero_closes_nothing_and_close_does(optimizer: str) -> None:
    offsets = bonds_and_stocks(0.0, held=-1)
    assert solve(offsets, optimizer).positions["OAT"] == -3  # larger than before: it offsets the other bond
    dear = bonds_and_stocks(0.0, held=-1, cost=1.0)
    assert solve(dear, optimizer).positions["OAT"] == -1  # no trade pays
    for problem in (offsets, dear):
        closed = problem.replace(limits=Limits(no_trade=["BUND"], close=["OAT"]))
        assert solve(closed, optimizer).positions["OAT"] == 0
        assert rebalance(closed, optimizer, buffer_fraction=10.0).trades["OAT"] == 1  # inside the buffer too


def test_to_close_what_is_not_held_is_no_trade() -> None:
    assert rebalance(bonds_and_stocks(2.0, held=0, close=["OAT"])).trades["OAT"] == 0
    assert rebalance(bonds_and_stocks(2.0, held=0)).trades["OAT"] != 0


# Together


def test_both_limits_at_once() -> None:
    one = Limits(upper={"LONG": 2}, no_trade=["FLAT"], close=["SHORT"], long_only=iter(["LONG"]))
    both = one & Limits(lower=-9, reduce_only=True, close=["SHORT", "LONG"], same_side=np.bool_(True))
    assert both.given == ("lower", "upper", "long_only", "no_trade", "reduce_only", "same_side", "close")
    assert (both.no_trade, both.close) == (("FLAT",), ("SHORT", "LONG"))
    assert both.reduce_only is both.same_side is True
    found = problem(both)
    assert (found.lower.tolist(), found.upper.tolist()) == ([0, 0, 2], [0, 0, 2])
    assert (Limits() & Limits()).given == ()
    assert (one & Limits(close=True)).close is True
    with pytest.raises(LimitsError, match="upper: has numbers twice; give all of them in one place"):
        one & Limits(upper=3)
    with pytest.raises(TypeError):
        one & {"upper": 3}  # type: ignore[operator]
