"""House rules through the swap-ins: the book's arrays, pysystemtrade's object, the guide's functions."""

from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Inputs, NoPortfolioError, Problem, Status, guide, rules, solve
from dynopt_milp.adapters.book import algorithm as book
from dynopt_milp.adapters.book import ordinary_day
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
from dynopt_milp.data import guide_frames, simulated_market
from dynopt_milp.errors import CovarianceError, RulesError, SolverError
from dynopt_milp.problem.eigenvalues import clip_eigenvalues
from dynopt_milp.rules import Rule
from dynopt_milp.strategy import RebalanceDay
from formulations import FloatArray
from tests.random_days import RandomDay, as_the_book_has_it, random_day

DAYS = range(60)
ROUND_OFF = 1e-9
BOTH = ["exact", "greedy"]
pytestmark = pytest.mark.filterwarnings("ignore::dynopt_milp.errors.DataWarning")


def house(name: Callable[[int], str], there: Iterable[int]) -> list[Rule]:
    """Rules that nothing held keeps, some of them by place; those of places that are not there are left out."""
    there = list(there)
    made = [
        rules.max_holdings(3), rules.gross(1.5), rules.risk(0.15),
        rules.margin({name(place): 1_000.0 * (place + 1) for place in there}, 20_000),
    ]  # fmt: skip
    if {0, 1} <= set(there):
        made.append(rules.one_of([name(0), name(1)]))
    if 1 in there:
        made.append(rules.lot({name(1): 2}))
    return made


def keeps(positions: FloatArray, day: RandomDay) -> bool:
    """The same rules of a whole day in numpy; without valid data an instrument has no position."""
    weights = positions * np.nan_to_num(day.unit)
    sigma, _ = clip_eigenvalues(day.covariance[np.ix_(day.valid, day.valid)])
    return bool(
        (positions != 0).sum() <= 3
        and np.abs(weights).sum() <= 1.5 * (1 + ROUND_OFF)
        and np.sqrt(max(weights[day.valid] @ sigma @ weights[day.valid], 0.0)) <= 0.15 * (1 + ROUND_OFF)
        and np.abs(positions) @ (1_000.0 * np.arange(1, len(positions) + 1)) <= 20_000
        and not (positions[0] and positions[1])
        and positions[1] % 2 == 0
    )


def whole(weights: FloatArray, day: RandomDay) -> FloatArray:
    assert (weights[~day.valid] == 0).all()
    return np.round(weights / np.where(day.valid, day.unit, 1.0))


def as_problem(day: RandomDay, made: Callable[[Callable[[int], str], Iterable[int]], list[Rule]]) -> Problem:
    """The day of the instruments with valid data, by names of its own."""
    there = np.flatnonzero(day.valid)
    sigma, _ = clip_eigenvalues(day.covariance[np.ix_(there, there)])
    return Problem(
        sigma, day.target[there], day.unit[there], day.held[there], day.cost[there],
        instruments=[f"X{place}" for place in there], rules=made(lambda place: f"X{place}", there),
    )  # fmt: skip


def of_names(names: list[str]) -> list[Rule]:
    return house(names.__getitem__, range(len(names)))


# The book's code.


@pytest.mark.parametrize("optimizer", BOTH)
def test_a_book_day_keeps_the_rules_after_the_buffer_and_is_what_solve_finds(optimizer: str) -> None:
    bound = missing = moved = 0
    for seed in DAYS:
        day = random_day(seed)
        given, places = as_the_book_has_it(day), house(str, range(len(day.unit)))
        free = whole(book.BookAlgorithm(optimizer)(given), day)
        listed = whole(book.BookAlgorithm(optimizer, rules=places)(given), day)
        np.testing.assert_array_equal(listed, whole(book.BookAlgorithm(optimizer, rules=of_names)(given), day))
        buffered = whole(book.BookAlgorithm(optimizer, rules=places, buffer=0.1)(given), day)
        assert keeps(listed, day), seed
        assert keeps(buffered, day), seed
        bound += not keeps(free, day)
        missing += not day.valid.all()
        moved += not np.array_equal(buffered, listed)
        problem = as_problem(day, house)
        expected = solve(problem, optimizer)
        assert problem.program().objective(listed[day.valid]) == pytest.approx(expected.objective, rel=2e-6), seed
    assert min(bound, missing, moved) > 5


def orders(name: Callable[[int], str], there: Iterable[int]) -> list[Rule]:
    """Rules that what is held keeps."""
    later = {name(place): 1 for place in there if place}
    return [rules.turnover(0.4), rules.max_orders(2), *([rules.max_order(later)] if later else [])]


@pytest.mark.parametrize("multiplier", [0.0, 50.0])
def test_rules_of_orders_look_at_what_is_held_without_costs_too(multiplier: float) -> None:
    bound = 0
    for day in filter(lambda day: not day.indefinite, map(random_day, DAYS)):  # those are not bounded without costs
        given, held = as_the_book_has_it(day), np.where(day.valid, np.nan_to_num(day.held), 0.0)
        settings: dict[str, Any] = {"cost_multiplier": multiplier}
        free = whole(book.BookAlgorithm(**settings)(given), day)
        kept = whole(book.BookAlgorithm(**settings, rules=orders(str, range(len(day.unit))))(given), day)
        away = np.abs(kept - held)
        assert away @ np.nan_to_num(day.unit) <= 0.4 * (1 + ROUND_OFF)
        assert (away > 0).sum() <= 2
        assert (away[1:] <= 1).all()
        bound += (np.abs(free - held) > 0).sum() > 2
        problem = as_problem(day, orders).replace(cost_multiplier=multiplier)
        assert problem.program().objective(kept[day.valid]) == pytest.approx(solve(problem).objective, rel=2e-6)
    assert bound > 10


def small_day(**changes: Any) -> SimpleNamespace:
    """Four instruments, of which the last is a hedge; nothing is missing."""
    unit = np.array([0.3, 0.2, 0.4, 0.1])
    volatility = np.array([0.15, 0.2, 0.06, 0.3])
    correlation = np.full((4, 4), 0.2) + 0.8 * np.eye(4)
    wanted = np.array([2.3, 1.6, 3.4, -4.4]) * unit
    return SimpleNamespace(**{
        "covariance_matrix": correlation * np.outer(volatility, volatility),
        "unrounded_optimal_position_weights": wanted, "previous_position_weights": np.array([0, 1, 0, 1]) * unit,
        "weight_per_contract": unit, "starting_weights": np.zeros(4), "direction_as_np": np.sign(wanted),
        "cost_in_weight_terms_as_np": np.array([1e-4, 2e-4, 1e-4, 4e-4]),
    } | changes)  # fmt: skip


def found(algorithm: book.BookAlgorithm, day: SimpleNamespace) -> list[int]:
    return [round(number) for number in algorithm(day) / day.weight_per_contract]


def test_a_cost_budget_counts_where_costs_have_no_weight() -> None:
    day = small_day()
    budget = rules.cost(2e-4)
    paid = np.abs(book.exact(day) - day.previous_position_weights) @ day.cost_in_weight_terms_as_np
    capped = book.BookAlgorithm(cost_multiplier=0.0, rules=budget)(day)
    kept = np.abs(capped - day.previous_position_weights) @ day.cost_in_weight_terms_as_np
    assert 0 < kept <= 2e-4 * (1 + ROUND_OFF) < paid
    no_costs = small_day(cost_in_weight_terms_as_np=np.full(4, np.nan))
    assert found(book.BookAlgorithm(cost_multiplier=0.0, rules=rules.gross(9)), no_costs) == found(book.exact, day)


def test_places_are_those_of_the_day_whatever_is_missing() -> None:
    """A rule of the last instrument stays with it, and arrays have the order of the day."""
    day = small_day()
    day.unrounded_optimal_position_weights[1] = np.nan
    diagonal = np.diag([0.09, 99.0, 0.0036, 0.25])
    alone = {"0": 9, "1": 1, "2": 9, "3": 1}
    made = [
        rules.max_order(alone), rules.one_of(["1", "2"]), rules.group(["1"], upper=0),
        rules.risk(0.1, ["0", "1", "3"], diagonal),
    ]  # fmt: skip
    contracts = found(book.BookAlgorithm(rules=made, cost_multiplier=0.0), day)
    free = found(book.BookAlgorithm(cost_multiplier=0.0), day)
    assert contracts[1] == 0
    assert contracts[3] == 0 != free[3] < -1
    assert np.hypot(contracts[0] * 0.3 * 0.3, contracts[3] * 0.1 * 0.5) <= 0.1
    assert contracts[2] > 0
    many = 12
    wide = SimpleNamespace(
        covariance_matrix=np.eye(many) * 0.04, unrounded_optimal_position_weights=np.full(many, 0.3),
        previous_position_weights=np.zeros(many), weight_per_contract=np.full(many, 0.1),
        starting_weights=np.zeros(many), direction_as_np=np.ones(many), cost_in_weight_terms_as_np=np.zeros(many),
    )  # fmt: skip
    capped = [rules.group(["2"], upper=1, of="contracts"), rules.group(["10"], upper=2, of="contracts")]
    assert found(book.BookAlgorithm(rules=capped), wide) == [3, 3, 1, 3, 3, 3, 3, 3, 3, 3, 2, 3]
    scaled = rules.risk(0.15, covariance=np.diag([4.0] * 2 + [0.01] * 10))
    assert found(book.BookAlgorithm(rules=scaled), wide)[:3] == [0, 0, 3]


def test_one_rule_needs_no_list_and_none_is_no_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    day = small_day()
    one = book.BookAlgorithm(rules=rules.max_holdings(1))
    assert np.count_nonzero(one(day)) == 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one))(day), one(day))
    free = book.exact_with_costs(day)
    monkeypatch.setattr(ordinary_day, "ordinary_day", lambda *_, **__: pytest.fail("an ordinary day has none"))
    for nothing in ([], lambda _: None, lambda _: []):
        np.testing.assert_allclose(book.BookAlgorithm(rules=nothing)(day), free)
    seen: list[list[str]] = []
    day.weight_per_contract[2] = np.nan
    book.BookAlgorithm(rules=lambda names: seen.append(names))(day)
    assert seen == [[f"instrument {place}" for place in range(4)]]


def test_greedy_in_the_book_ends_with_an_error_where_it_cannot_keep_a_rule() -> None:
    day = small_day()
    least = rules.net(upper=-1.0)  # greedy goes the way of the targets
    assert book.BookAlgorithm(rules=least)(day).sum() <= -1.0 + ROUND_OFF
    for algorithm in (book.BookAlgorithm("greedy", rules=least), book.BookAlgorithm("greedy", 50, 0.01, rules=least)):
        with pytest.raises(NoPortfolioError, match="no_solution: greedy ended at one that breaks a rule; use exact"):
            algorithm(day)
    kept = book.BookAlgorithm("greedy", rules=rules.net(lower=0.5, upper=0.9))(day)  # broken at the start
    assert 0.5 <= kept.sum() <= 0.9
    raised = answered = 0
    for seed in DAYS:
        random = random_day(seed)
        made = [rules.turnover(0.8), rules.net(-0.3, 0.3), rules.max_holdings(3)]
        problem = as_problem(random, lambda *_, made=made: made)
        expected = solve(problem, "greedy")
        ruled, given = book.BookAlgorithm("greedy", rules=made), as_the_book_has_it(random)
        if expected.contracts is None:
            with pytest.raises(NoPortfolioError) as caught:
                ruled(given)
            assert expected.status is caught.value.solution.status is Status.NO_SOLUTION
            raised += 1
        else:
            assert expected.contracts.tolist() == whole(ruled(given), random)[random.valid].tolist(), seed
            answered += 1
    assert min(raised, answered) > 5


def test_rules_that_contradict_each_other_are_named() -> None:
    at_odds = [rules.net(lower=1.0), rules.gross(0.5)]
    with pytest.raises(NoPortfolioError, match=r"infeasible: .*net: .*gross: "):
        book.BookAlgorithm(rules=at_odds)(small_day())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("gross", "rules: expected a list of rules, such as .*, found str"),
        ([rules.gross(5), rules.gross], "rules: expected rules that dynopt_milp.rules makes, found gross"),
        ([rules.risk(0.1, covariance=np.eye(4)), 3], "rules: expected rules that dynopt_milp.rules makes, found int"),
        ({"0": rules.gross(5)}, "rules: expected a list of rules"),
        (rules.one_of(["0", "ES"]), 'rules of ES: one_of: .* expected their places, texts from "0" on; or give a f'),
        ([rules.margin({"00": 5.0}, 5.0)], "rules of 00: margin: instruments have no names here"),
        ([rules.lot({"-1": 5})], "rules of -1: lot: instruments have no names here"),
    ],
)
def test_what_are_no_rules_of_places_is_refused_when_it_is_made(wrong: Any, message: str) -> None:
    with pytest.raises(RulesError, match=message) as caught:
        book.BookAlgorithm(rules=wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rules.one_of(["0", "4"]), 'rules of 4: one_of: .* expected their places, texts from "0" to "3"'),
        (lambda names: [rules.one_of(["0", names[1]])], "rules of 0: one_of: is not among the instruments"),
        (lambda names: "all", "rules: expected a list of rules"),
        (rules.margin({"0": 1.0, "1": 1.0}, 5), "rules of instrument 2: margin: per_contract: is missing"),
        (rules.margin(budget=0.5), "rules: margin: per_contract: is missing"),
        (rules.risk(0.1, covariance=np.eye(3)), "rules: risk: covariance: expected 4 rows and columns"),
    ],
)
def test_what_the_day_cannot_have_is_refused_when_it_is_called(wrong: Any, message: str) -> None:
    algorithm = book.BookAlgorithm(rules=wrong)
    with pytest.raises((RulesError, CovarianceError), match=message) as caught:
        algorithm(small_day())
    assert "\n" not in str(caught.value)


# pysystemtrade.


def supplied(day: RandomDay, buffer: float = 0.1) -> dict[str, Any]:
    return {
        "contracts_optimal": dict(zip(day.names, day.target, strict=True)),
        "covariance_matrix": pd.DataFrame(day.covariance, day.names, day.names),
        "per_contract_value": dict(zip(day.names, day.unit, strict=True)),
        "costs": dict(zip(day.names, day.cost, strict=True)),
        "speed_control": SimpleNamespace(trade_shadow_cost=50.0, tracking_error_buffer=buffer),
        "previous_positions": dict(zip(day.names, day.held, strict=True)),
    }


@pytest.mark.parametrize("optimizer", BOTH)
def test_pysystemtrades_object_keeps_the_rules_after_the_buffer_and_is_what_solve_finds(optimizer: str) -> None:
    bound = missing = forced = 0
    for seed in DAYS:
        day = random_day(seed)
        given = supplied(day) | {"optimizer": optimizer}
        names = dict(enumerate(day.names))
        listed = ObjectiveFunction(**given, rules=house(names.__getitem__, names))
        near = listed.is_tracking_error_of_prior_smaller_than_buffer()
        positions = np.array(list(listed.optimise_positions().values()), dtype=float)
        assert keeps(positions, day), seed
        if near and not keeps(np.where(day.valid, day.held, 0.0), day):
            assert listed.result is not None
            forced += 1
        free = ObjectiveFunction(**given).optimise_positions()
        bound += not keeps(np.array(list(free.values()), dtype=float), day)
        missing += not day.valid.all()
        best = np.round(listed.get_optimisation_results_raw() / listed.per_contract_value_as_np)
        problem = as_problem(day, house)
        value = solve(problem, optimizer).objective
        assert problem.program().objective(best) == pytest.approx(value, rel=2e-6), seed
        assert listed.evaluate(best * listed.per_contract_value_as_np) == pytest.approx(value, rel=2e-6)
        there = [int(place) for place in np.flatnonzero(day.valid)]
        by_function = ObjectiveFunction(
            **given, rules=lambda keys, names=names, there=there: house(names.__getitem__, there)
        )
        assert list(by_function.optimise_positions().values()) == positions.tolist()
    assert min(bound, missing, forced) > 5


NAMES = ["US10", "ES", "GOLD"]


def near_targets(**changes: Any) -> dict[str, Any]:
    """Three instruments, held where rounding would have them."""
    volatility = np.array([0.06, 0.18, 0.15])
    correlation = np.array([[1.0, -0.3, 0.1], [-0.3, 1.0, 0.2], [0.1, 0.2, 1.0]])
    return {
        "contracts_optimal": dict(zip(NAMES, [3.4, 1.6, -2.3], strict=True)),
        "covariance_matrix": pd.DataFrame(correlation * np.outer(volatility, volatility), NAMES, NAMES),
        "per_contract_value": dict(zip(NAMES, [0.5, 0.3, 0.4], strict=True)),
        "costs": dict(zip(NAMES, [1e-4, 2e-4, 3e-4], strict=True)),
        "speed_control": SimpleNamespace(trade_shadow_cost=10.0, tracking_error_buffer=0.2),
        "previous_positions": dict(zip(NAMES, [3.0, 2.0, -2.0], strict=True)),
    } | changes


def test_what_is_held_within_the_buffer_trades_where_it_breaks_a_rule(caplog: pytest.LogCaptureFixture) -> None:
    kept = ObjectiveFunction(**near_targets(), rules=rules.max_holdings(3))
    assert kept.optimise_positions() == near_targets()["previous_positions"]
    assert kept.result is None
    with caplog.at_level(logging.WARNING):
        one = ObjectiveFunction(
            **near_targets(), rules=[rules.gross(9), rules.max_holdings(2)], maximum_positions={"US10": 2.0}
        )
        assert one.is_tracking_error_of_prior_smaller_than_buffer()
        positions = one.optimise_positions()
    assert sum(number != 0 for number in positions.values()) == 2
    assert positions["US10"] <= 2
    assert one.result is not None
    said = "within the buffer, but outside the limits of US10 and against rules (max_holdings: Σ 1[kᵢ ≠ 0] ≤ 2): opt"
    assert said in caplog.text


def test_greedy_there_ends_with_an_error_where_it_cannot_keep_a_rule() -> None:
    short = rules.net(upper=-1.5)  # greedy goes the way of the targets
    exact = ObjectiveFunction(**near_targets(), rules=short)
    assert sum(exact.optimise_weights().values()) <= -1.5 + ROUND_OFF
    for settings in ({}, {"constraint_function": lambda weights: 0.0 * weights["GOLD"]}):
        asked: dict[str, Any] = near_targets() | {"optimizer": "greedy"} | settings
        one = ObjectiveFunction(**asked, rules=short)
        with pytest.raises(NoPortfolioError, match="no_solution: greedy ended at one that breaks a rule"):
            one.optimise_positions()
        few = ObjectiveFunction(**asked, rules=[rules.max_holdings(2), rules.lot({"US10": 2, "ES": 3})])
        weights = few.get_optimisation_results_raw()
        expected = solve(few._day(), "greedy")
        assert expected.contracts is not None
        np.testing.assert_allclose(weights, expected.contracts * few.per_contract_value_as_np)
        assert np.count_nonzero(weights) == 2


def test_a_value_is_a_tracking_error_and_costs_whatever_rules_say() -> None:
    free = ObjectiveFunction(**near_targets())
    ruled = ObjectiveFunction(**near_targets(), rules=[rules.lot(2), rules.max_holdings(1), rules.max_order(1)])
    for weights in (np.array([0.5, 0.9, -0.4]), np.array([0.1, 0.0, 7.0])):
        assert ruled.evaluate(weights) == free.evaluate(weights) < np.inf
    assert ruled.is_tracking_error_of_prior_smaller_than_buffer()


def test_what_is_held_beside_the_rebalance_does_not_count() -> None:
    held = dict(zip([*NAMES, "BUND"], [0.0, 0.0, 0.0, 7.0], strict=True))
    tight = SimpleNamespace(trade_shadow_cost=0.0, tracking_error_buffer=0.0)
    one = ObjectiveFunction(
        **near_targets(previous_positions=held, speed_control=tight), rules=[rules.max_holdings(1), rules.gross(5)]
    )
    assert sum(number != 0 for number in one.optimise_positions().values()) == 1
    unknown = ObjectiveFunction(
        **near_targets(previous_positions=None), rules=[rules.max_orders(1), rules.cost(0.0), rules.turnover(1.0)]
    )
    positions = unknown.optimise_positions()
    assert sum(number != 0 for number in positions.values()) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("gross", "rules: expected a list of rules"),
        ([rules.gross], "rules: expected rules that dynopt_milp.rules makes, found gross"),
        (rules.one_of(["US10", "BUND"]), "rules of BUND: one_of: is not among the instruments"),
        ([rules.lot({"BUND": 2})], "rules of BUND: lot: is not among the instruments"),
    ],
)
def test_rules_of_no_target_are_refused_when_the_object_is_made(wrong: Any, message: str) -> None:
    with pytest.raises(RulesError, match=message) as caught:
        ObjectiveFunction(**near_targets(), rules=wrong)
    assert "\n" not in str(caught.value)
    late = ObjectiveFunction(**near_targets(), rules=lambda names: wrong)
    with pytest.raises(RulesError, match=message):
        late.optimise_positions()


def test_a_function_is_given_the_valid_instruments() -> None:
    seen: list[list[str]] = []
    target = near_targets()["contracts_optimal"] | {"ES": float("nan")}
    one = ObjectiveFunction(**near_targets(contracts_optimal=target), rules=lambda names: seen.append(names))
    one.optimise_positions()
    assert seen == [["US10", "GOLD"]]


# The guide.

GUIDE_NAMES = ["US10", "BUND", "ES_micro", "GOLD_micro", "CORN"]
CAPITAL = 250_000.0
Frames = tuple[dict[str, pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return guide_frames(simulated_market(instruments=GUIDE_NAMES, start="2013-01-01", end="2014-12-31"))


def dynamic(frames: Frames, names: list[str] = GUIDE_NAMES, **further: Any) -> dict[str, Any]:
    data, table = frames
    return guide.backtest_portfolio_with_dynamic_optimization(
        dict.fromkeys(names, 1 / len(names)), data, table, CAPITAL, start_date="2014-06-01", end_date="2014-12-31",
        rebalance_frequency="weekly", **further,
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", BOTH)
def test_every_decision_of_a_guides_backtest_keeps_the_rules(
    frames: Frames, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided, problems = [], []
    made = Inputs.problem

    def watched(self: Inputs, *arguments: Any, **settings: Any) -> Problem:
        problems.append(made(self, *arguments, **settings))
        return problems[-1]

    monkeypatch.setattr(Inputs, "problem", watched)
    assert (dynamic(frames, optimizer=optimizer)["backtest"].positions != 0).sum(axis=1).max() > 2
    problems.clear()
    seen: list[RebalanceDay] = []

    def of_day(day: RebalanceDay) -> list[Rule]:
        seen.append(day)
        return [rules.max_holdings(2), rules.margin(0.06 * day.values, 0.1 * day.capital)]

    result = dynamic(frames, optimizer=optimizer, rules=of_day)
    run = result["backtest"]
    assert not run.performance["num_failed"]
    assert len(seen) == len(problems) == len(run.rebalances) > 25
    assert run.performance["num_rules_broken"] == (run.rebalances["rules_broken"] > 0).sum()
    for this, following in itertools.pairwise(seen):
        fills = following.held  # a week later every order is done
        decided.append(fills)
        assert (fills != 0).sum() <= 2
        assert (0.06 * this.values * fills.abs()).sum() <= 0.1 * CAPITAL * (1 + ROUND_OFF)
    assert any(positions.any() for positions in decided)


def test_rules_of_the_guides_day_and_instruments_that_are_left_out(frames: Frames) -> None:
    some = GUIDE_NAMES[:4]
    house_rules = [rules.one_of(["US10", "CORN", "BUND"]), rules.lot({"CORN": 2, "ES_micro": 2})]
    run = dynamic(frames, some, rules=house_rules)["backtest"]
    assert run.settings["rules"][0]["names"] == ["BUND", "US10"]
    assert not (run.rebalances["rules_broken"] > 0).any()
    assert not (run.positions["US10"] * run.positions["BUND"]).any()
    assert not (run.positions["ES_micro"] % 2).any()
    assert run.positions["ES_micro"].any()
    assert "rules" not in dynamic(frames, some)["backtest"].settings
    with pytest.raises(RulesError, match="rules of OIL: lot: is not among the instruments"):
        dynamic(frames, rules=rules.lot({"OIL": 2}))
    with pytest.raises(RulesError, match="expected a list of rules"):
        dynamic(frames, rules=rules)
    with pytest.raises(TypeError):
        guide.backtest_portfolio_with_dynamic_optimization({}, {}, None, 1, 1, "", "", 1, True, 1, "", None, None, [])  # type: ignore[misc]


def rounding(optimal: Any, initial: Any, weights: Any, covariance: Any, costs: Any, multiplier: Any = 50) -> Any:
    """A search that knows of no rules."""
    return {name: round(target) for name, target in optimal.items()}


def test_a_search_that_was_replaced_is_held_to_the_rules(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "run_greedy_algorithm", rounding)
    run = dynamic(frames, rules=rules.max_holdings(3))["backtest"]
    assert run.failures["reason"].str.contains("rounding returned a portfolio that breaks a rule").all()
    assert len(run.failures) > 5
    assert (run.positions != 0).sum(axis=1).max() <= 3
    assert not dynamic(frames, rules=rules.max_holdings(5))["backtest"].performance["num_failed"]
    with pytest.raises(SolverError, match="breaks a rule"):
        day(rules=rules.max_holdings(1))


def test_the_comparison_has_rules_for_the_dynamic_portfolios(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    data, table = frames
    strategies = {"all": dict.fromkeys(GUIDE_NAMES, 0.2), "one": {"CORN": 1.0}}
    monkeypatch.setattr(guide, "run_portfolio_comparison", lambda *_, **__: (strategies, data, table, {}))
    dates = {"start_date": "2014-10-01", "end_date": "2014-12-31"}
    given = [rules.max_holdings(2), rules.one_of(["US10", "BUND"])]
    result = guide.compare_static_vs_dynamic_optimization(CAPITAL, rules=given, **dates)
    both = [result["all"][which]["backtest"].positions for which in ("static", "dynamic")]
    assert [(positions != 0).sum(axis=1).max() for positions in both] == [5, 2]
    assert result["one"]["dynamic"]["backtest"].settings["rules"] == [{"rule": "max_holdings", "most": 2}]
    only = guide.compare_static_vs_dynamic_optimization(CAPITAL, rules=given[1], **dates)
    assert not only["one"]["dynamic"]["backtest"].performance["num_failed"]
    asked = []
    kept = result["all"]["dynamic"]

    def own(*arguments: Any, optimizer: Any, limits: Any, rebalance_frequency: str, show_progress: bool) -> Any:
        asked.append(rebalance_frequency)
        return kept

    monkeypatch.setattr(guide, "backtest_portfolio_with_dynamic_optimization", own)
    guide.compare_static_vs_dynamic_optimization(CAPITAL, **dates)
    assert asked == ["weekly", "weekly"]
    with pytest.raises(TypeError, match="rules"):
        guide.compare_static_vs_dynamic_optimization(CAPITAL, rules=given, **dates)


def day(**further: Any) -> dict[str, Any]:
    random = np.random.default_rng(5)
    returns = pd.DataFrame(
        random.normal(0, 0.01, (200, 3)), columns=list("ABC"), index=pd.bdate_range("2020-01-01", periods=200)
    )
    data = {
        name: {"price": 100.0 * place, "volatility": 0.1 * place, "specs": {"multiplier": 50, "sr_cost": 0.002}}
        for place, name in enumerate("ABCD", 1)
    }
    given = {
        "current_positions": {"A": 4, "D": 5}, "portfolio_weights": dict.fromkeys("ABC", 1.0),
        "returns_matrix": returns,
    }  # fmt: skip
    return guide.calculate_dynamic_portfolio_positions(data, 300_000, **given | further)


@pytest.mark.parametrize("use_buffering", [True, False])
@pytest.mark.parametrize("optimizer", BOTH)
def test_the_guides_positions_of_a_day_keep_the_rules(optimizer: str, use_buffering: bool) -> None:
    asked = {"optimizer": optimizer, "use_buffering": use_buffering}
    assert sum(bool(day(**asked)["positions"][name]) for name in "ABC") == 3
    few = day(**asked, rules=[rules.max_holdings(1), rules.one_of(["A", "D"]), rules.lot({"D": 3})])
    assert sum(bool(few["positions"][name]) for name in "ABC") == 1
    assert few["positions"]["D"] == 5  # has no data, and does not count
    problem = few["rebalance"].problem
    assert [rule.kind for rule in problem.rules] == ["max_holdings", "one_of"]
    assert few["rebalance"].optimised.objective == pytest.approx(solve(problem, optimizer).objective)
    with pytest.raises(RulesError, match="rules of E: lot: is not among the instruments"):
        day(rules=rules.lot({"E": 2}))
    short = rules.net(upper=-0.2, lower=-0.3)
    if optimizer == "greedy":
        with pytest.raises(NoPortfolioError, match="breaks a rule"):
            day(**asked, rules=short)
    else:
        assert -0.3 <= day(**asked, rules=short)["rebalance"].notional.sum() <= -0.2
