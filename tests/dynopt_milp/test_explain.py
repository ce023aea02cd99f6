"""Why this portfolio: prices against solves from scratch and enumeration, what binds, greedy's way, and words."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from dynopt_milp import (
    InputError,
    Limits,
    NoPortfolioError,
    OrderCosts,
    Problem,
    example_problem,
    rebalance,
    rules,
    solve,
)
from dynopt_milp.rules import Rule
from dynopt_milp.why import QUESTIONS, Explanation, explain
from tests.random_programs import shuffle

TIGHT = 1e-9


def drawn(seed: int, house: list[Rule] | None = None, reach: int = 3, **further: Any) -> Problem:
    """Four instruments between −reach and reach."""
    random = np.random.default_rng(seed)
    size = 4
    factor = random.normal(size=(size, size)) * 0.2
    return Problem(
        factor @ factor.T + 0.01 * np.eye(size), random.normal(size=size) * 1.5, random.uniform(0.1, 0.4, size),
        random.integers(-1, 2, size), random.uniform(1e-4, 2e-3, size), 20.0, instruments=list("DBCA"),
        limits=Limits(lower=[-reach] * size, upper=[reach] * size), margin=random.uniform(0.01, 0.05, size),
        rules=house or [], **further,
    )  # fmt: skip


def enumerated(problem: Problem, place: int | None = None, value: int = 0) -> float:
    """The least objective of all portfolios of the box, or of those with one position given; +inf if there is none."""
    program = problem.program()
    ranges = [range(int(low), int(high) + 1) for low, high in zip(problem.lower, problem.upper, strict=True)]
    points = np.array(list(itertools.product(*ranges)), dtype=np.float64)
    if place is not None:
        points = points[points[:, place] == value]
    kept = np.ones(len(points), dtype=bool) if not len(points) else np.asarray(program.one_sided(points))
    if program.rules is not None and len(points):
        kept &= program.rules.kept(points, program.previous, program.zero)
    points = points[kept]
    if not len(points):
        return np.inf
    return float((program.tracking_errors(points) + program.separable_costs(points)).min())


HOUSES: list[list[Rule]] = [
    [], [rules.max_holdings(2)], [rules.margin(budget=0.09), rules.one_of(["A", "B"])],
    [rules.gross(1.0), rules.lot({"C": 2})], [rules.min_order(2)], [rules.net(lower=-0.2, upper=0.2)],
    [rules.risk(0.1)], [rules.turnover(0.8), rules.max_orders(2)],
]  # fmt: skip


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: " ".join(rule.kind for rule in house) or "free")
def test_prices_are_those_of_enumeration_rules_and_forbidden_positions_included(house: list[Rule]) -> None:
    nulls = 0
    for seed in range(4):
        problem = drawn(seed, house)
        best = enumerated(problem)
        if not np.isfinite(best):
            with pytest.raises(NoPortfolioError):
                explain(problem)
            continue
        found = explain(problem, gap=TIGHT)
        assert found.optimum.objective == pytest.approx(best, rel=1e-9)
        for place, line in enumerate(found.prices):
            now = line.optimised
            asked = {"not_traded": line.held, "one_more": now + 1, "one_less": now - 1, "at_rounded": line.rounded}
            for question, value in asked.items():
                price, other = line.prices[question], enumerated(problem, place, value)
                if np.isinf(other):
                    nulls += 1
                    assert price.value is None
                    assert price.forbidden
                else:
                    assert price.value == pytest.approx(other - best, abs=1e-9)
                    assert price.high is not None
                    assert 0 <= price.low <= price.value <= price.high
                    assert price.high - price.low <= 3e-9 * other
                if value == now:
                    assert price.value == 0
    assert nulls or not {"lot", "min_order"} & {rule.kind for rule in house}


@pytest.mark.parametrize("multiplier", [50.0, 10.0])
@pytest.mark.parametrize("capital", [50_000.0, 100_000.0, 250_000.0, 500_000.0, 1_000_000.0])
def test_prices_are_those_of_solving_from_scratch_on_problems_of_a_desk(capital: float, multiplier: float) -> None:
    problem = example_problem(capital, cost_multiplier=multiplier)
    held = solve(example_problem(capital, seed=2), "greedy").positions
    problem = problem.replace(previous_positions=held)
    found = explain(problem)
    best = found.optimum.objective
    for line in found.prices:
        now = line.optimised
        for question, value in zip(QUESTIONS, (line.held, now + 1, now - 1, line.rounded), strict=True):
            price = line.prices[question].value
            if value == now:
                assert price == 0
            else:
                fixed = Limits(lower={line.instrument: value}, upper={line.instrument: value})
                alone = solve(problem.replace(limits=problem.limits & fixed))
                assert price == pytest.approx(alone.objective - best, abs=2e-6 * alone.objective)


def test_costs_of_orders_holding_sides_and_sizes_are_priced_too() -> None:
    orders = OrderCosts(per_order=2e-4, minimum=1e-4, commission=1e-5)
    problem = drawn(5, [rules.max_holdings(3)], underlying=["x", "x", "y", "z"], order_costs=orders)
    problem = problem.replace(limits=problem.limits & Limits(one_side=True), holding_cost=[1e-3] * 4)
    found, best = explain(problem, gap=TIGHT), enumerated(problem)
    for place, line in enumerate(found.prices):
        other = enumerated(problem, place, line.optimised + 1)
        price = line.prices["one_more"]
        assert price.value == (None if np.isinf(other) else pytest.approx(other - best, abs=1e-9))


def test_what_binds_is_what_the_optimum_without_it_gains_and_one_unit_more_is_worth_what_it_says() -> None:
    bound = 0
    for seed in range(14):
        house = [rules.max_holdings(2), rules.margin(budget=0.08)]
        problem = drawn(seed, house, reach=1)
        best = enumerated(problem)
        found = explain(problem, gap=TIGHT)
        by_words = {one.words: one for one in found.binding}
        for place, rule in enumerate(house):
            free = enumerated(problem.replace(rules=[other for other in house if other is not rule]))
            if free < best * (1 - 1e-7):
                bound += 1
                one = by_words[str(rule)]
                assert one.price.value == pytest.approx(best - free, abs=1e-9)
                looser = rules.max_holdings(3) if place == 0 else rules.margin(budget=0.08 * 1.01)
                more = enumerated(problem.replace(rules=[looser if other is rule else other for other in house]))
                assert one.one_more is not None
                assert one.one_more.value == pytest.approx(best - more, abs=1e-9)
                assert one.unit == ("an instrument" if place == 0 else "1 % of the limit")
            else:
                assert str(rule) not in by_words
        for words, one in by_words.items():
            if words.startswith("upper limit of"):
                name = words.removeprefix("upper limit of ").partition(":")[0]
                place = problem.instruments.index(name)
                upper = problem.upper.copy()
                upper[place] = 9
                free = enumerated(problem.replace(limits=Limits(lower=problem.lower, upper=upper)))
                assert one.price.value == pytest.approx(best - free, abs=1e-9)
                assert one.unit == "a contract"
                bound += 1
    assert bound > 5


def test_two_rules_that_say_the_same_bind_neither_and_cost_together() -> None:
    problem = drawn(1, [rules.max_holdings(1), rules.max_holdings(1)])
    found = explain(problem)
    assert found.binding == ()
    assert found.together.value == pytest.approx(enumerated(problem) - enumerated(drawn(1)), abs=1e-9)


def test_a_limit_without_which_nothing_bounds_positions_is_said() -> None:
    problem = Problem([[0.04, 0.04], [0.04, 0.04]], [3.2, -2.7], [0.1, 0.1], instruments=["full", "mini"],
                      limits=Limits(lower=[-2, -2], upper=[2, 2]))  # fmt: skip
    found = explain(problem)
    assert all(line.prices[question] for line in found.prices for question in QUESTIONS)


def test_the_optimum_of_a_solve_or_a_rebalance_is_explained_with_the_buffer() -> None:
    problem = example_problem(250_000.0)
    result = rebalance(problem)
    found = explain(problem, result)
    assert found.optimum is result.optimised
    assert found.portfolios.loc["new", "tracking_error"] == pytest.approx(result.tracking_error)
    assert [line.new for line in found.prices] == result.contracts.tolist()
    greedy = solve(problem, "greedy")
    other = explain(problem, greedy)
    assert other.portfolios.loc["greedy", "objective"] == greedy.objective
    assert other.optimum.objective == found.optimum.objective
    assert found.portfolios.loc["optimised", "objective"] == result.optimised.objective
    deadband = rebalance(problem, buffer_rule="deadband")
    third = explain(problem, deadband)
    assert third.greedy is None
    assert third.optimum.formulation == "deadband"
    place = next(place for place, line in enumerate(third.prices) if line.optimised != line.rounded)
    line = third.prices[place]
    fixed = Limits(lower={line.instrument: line.rounded}, upper={line.instrument: line.rounded})
    again = solve(problem.replace(limits=fixed), formulation="deadband", buffer=deadband.buffer)
    gained = again.objective - third.optimum.objective
    assert line.prices["at_rounded"].value == pytest.approx(gained, abs=2e-6)


def test_shares_sum_to_one_and_costs_are_those_of_the_trades() -> None:
    found = explain(example_problem(250_000.0))
    frame = found.instruments
    assert frame["tracking_share"].sum() == pytest.approx(1)
    assert frame["risk_share"].sum() == pytest.approx(1)
    assert frame["cost"].sum() == pytest.approx(found.portfolios.loc["optimised", "cost"])
    assert (frame[list(QUESTIONS)] >= 0).all(axis=None)


def test_greedy_is_retraced_to_where_it_ends_and_the_optimum_parts_at_the_first_step_beyond_it() -> None:
    for capital in (100_000.0, 250_000.0, 1_000_000.0):
        problem = example_problem(capital)
        found = explain(problem)
        path = found.greedy
        assert path is not None
        greedy = solve(problem, "greedy")
        assert path.contracts.tolist() == greedy.positions.tolist()
        assert path.steps[-1][2] == pytest.approx(greedy.objective)
        positions = dict.fromkeys(problem.instruments, 0) | path.start
        best = found.optimum.positions.to_dict()
        beyond = []
        for name, by, _ in path.steps:
            positions[name] += by
            beyond.append(abs(positions[name]) > abs(best[name]) or positions[name] * best[name] < 0)
        first = beyond.index(True) if any(beyond) else len(beyond)
        assert path.parts == first
        assert list(path.table["on_the_way"]) == [step < first for step in range(len(beyond))]
        values = [problem.program().objective(np.zeros(len(best))), *(step[2] for step in path.steps)]
        assert (np.diff(values) < 0).all()


def test_words_say_what_stands_in_what_is_too_dear_and_what_forbids() -> None:
    cheap = Problem(np.diag([0.04, 0.04]), [1.0, 2.0], [0.1, 0.1], 0, [1.0, 0.0], 50.0, instruments=["dear", "free"])
    by_name = {line.instrument: line for line in explain(cheap).prices}
    assert by_name["dear"].words.startswith("too dear to trade to 1")
    assert by_name["free"].words.startswith("at its rounded target; 3 would be")
    twins = Problem(
        np.full((2, 2), 0.04) + np.diag([1e-6, 1e-6]), [1.6, 1.4], [0.1, 0.1], 0, 0, instruments=["one", "two"]
    )
    lines = {line.instrument: line for line in explain(twins).prices}
    assert sorted(line.optimised for line in lines.values()) == [1, 2]
    kept = explain(cheap.replace(limits=Limits(upper={"free": 1}), rules=[rules.max_holdings(1)]))
    assert kept.instruments.loc["free", "words"].startswith("not at 2: upper limit of free: 1")
    assert kept.binding[0].words.startswith("upper limit of free")
    ruled = explain(twins.replace(rules=[rules.max_holdings(1)]))
    words = [line.words for line in ruled.prices if line.optimised == 0]
    assert words
    assert "max_holdings" in words[0] or "stood in for by" in words[0]


def test_names_of_what_changes_are_ordered_by_the_risk_that_moves() -> None:
    found = explain(example_problem(250_000.0))
    problem = found.problem
    lengths = dict(zip(problem.instruments, problem.program().lengths, strict=True))
    for line in found.prices:
        for changes in line.changes.values():
            risks = [abs(by) * lengths[name] for name, by in changes.items()]
            assert risks == sorted(risks, reverse=True)
            assert line.instrument not in changes


def test_nothing_depends_on_the_order_of_instruments() -> None:
    problem = example_problem(100_000.0)
    one, other = explain(problem), explain(shuffle(problem, 3))
    frame = other.instruments.loc[one.instruments.index]
    assert frame.drop(columns="words").equals(one.instruments.drop(columns="words"))
    assert list(frame["words"]) == list(one.instruments["words"])
    assert one.greedy is not None
    assert other.greedy is not None
    assert one.greedy.steps == other.greedy.steps


def test_json_has_the_numbers_of_the_tables() -> None:
    found = explain(drawn(2, [rules.max_holdings(2)]))
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["format"] == "dynopt-milp explanation 1"
    for line in content["instruments"]:
        row = found.instruments.loc[line["instrument"]]
        for question in QUESTIONS:
            value = line["prices"][question]["value"]
            assert np.isnan(row[question]) if value is None else row[question] == value
        assert row["words"] == line["words"]
    for line in content["portfolios"]:
        value = found.portfolios.loc[line["name"], "objective"]
        assert np.isnan(value) if line["objective"] is None else value == line["objective"]


def test_a_time_limit_is_kept_and_what_it_left_open_is_said() -> None:
    problem = example_problem(1_000_000.0, cost_multiplier=10.0)
    result = rebalance(problem)
    found = explain(problem, result, time_limit=0.0)
    assert found.solves == 0
    assert found.given_up > 0
    assert found.not_proved
    price = found.prices[0].prices["one_more"]
    assert price.value is None
    assert not price.forbidden
    json.dumps(found.to_dict(), allow_nan=False)


def test_constraints_of_ones_own_go_through_scip() -> None:
    problem = drawn(3)

    def few(positions: Any) -> list[Any]:
        import cvxpy as cp

        return [cp.norm1(positions) <= 3]

    found = explain(problem, constraints=few, time_limit=60)
    assert found.greedy is None
    assert not found.not_proved
    points = np.array(list(itertools.product(range(-3, 4), repeat=4)), dtype=np.float64)
    points = points[np.abs(points).sum(axis=1) <= 3]
    program = problem.program()
    values = program.tracking_errors(points) + program.separable_costs(points)
    assert found.optimum.objective == pytest.approx(values.min(), rel=1e-6)
    with pytest.raises(InputError, match="was decided with constraints"):
        explain(problem, rebalance(problem, constraints=few))
    line = found.prices[0]
    there = points[:, 0] == line.optimised + 1
    price = line.prices["one_more"]
    if there.any():
        assert price.value == pytest.approx(values[there].min() - values.min(), abs=1e-5)
    else:
        assert price.value is None
        assert price.forbidden


def test_bad_input_is_refused() -> None:
    problem = example_problem(100_000.0)
    with pytest.raises(InputError, match="expected a Problem"):
        explain("problem")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="another problem"):
        explain(problem, solve(example_problem(50_000.0)))
    with pytest.raises(InputError, match="expected a Solution or a Rebalance"):
        explain(problem, 3)  # type: ignore[arg-type]
    edge = solve(problem, formulation="buffer_edge", buffer=0.05)
    with pytest.raises(InputError, match="minimises something else"):
        explain(problem, edge)
    with pytest.raises(InputError):
        explain(problem, gap=2.0)
    crossed = drawn(1, [rules.net(lower=5.0)])
    with pytest.raises(NoPortfolioError):
        explain(crossed)


def test_what_is_held_outside_of_limits_is_shown_as_what_may_not_be_held() -> None:
    problem = drawn(4).replace(previous_positions=[9, 0, 0, 0])
    found = explain(problem)
    held = found.portfolios.loc["held"]
    assert "limits of D" in held["broken"]
    assert found.prices[0].prices["not_traded"].forbidden.startswith("upper limit of D: 3")


def test_an_explanation_can_be_pickled() -> None:
    import pickle

    found = explain(drawn(1))
    again: Explanation = pickle.loads(pickle.dumps(found))
    assert again.instruments.equals(found.instruments)


def test_a_problem_without_risk_and_one_instrument_are_explained() -> None:
    for problem in (
        Problem([[0.0]], [0.4], [0.1], 0, [1e-3], instruments=["only"]),
        Problem([[0.04]], [0.0], [0.1], instruments=["only"]),
    ):
        found = explain(problem)
        assert len(found.prices) == 1
        json.dumps(found.to_dict(), allow_nan=False)
        assert repr(found).startswith("<Explanation of 1 instrument")


def sizes(target: list[float], *house: Rule, **further: Any) -> Problem:
    """Two sizes of one contract and another instrument, without limits."""
    covariance = np.eye(3) * 0.04
    covariance[0, 1] = covariance[1, 0] = 0.04
    return Problem(
        covariance, target, [0.1, 0.01, 0.05], 0, 1e-4, 50.0, Limits(one_side=True), list("ABC"),
        underlying=["x", "x", "z"], rules=list(house), **further,
    )  # fmt: skip


def test_what_nothing_bounds_before_a_portfolio_is_known_is_priced_all_the_same() -> None:
    for problem in (
        sizes([-2.1, 2.4, 0.7], rules.tracking_error(0.01)),
        sizes([-4, -2.3, -1.1], rules.group(["A", "B"], lower=0.2, of="net")),
    ):
        found = explain(problem)
        boxed = problem.replace(limits=Limits(lower=[-12, -40, -12], upper=[12, 40, 12], one_side=True))
        known = 0
        for line, other in zip(found.prices, explain(boxed).prices, strict=True):
            for question in QUESTIONS:
                price, again = line.prices[question], other.prices[question]
                if price.value is not None and again.value is not None:
                    assert price.value == pytest.approx(again.value, abs=1e-6)
                    known += 1
        assert known >= 6


def test_what_one_side_forbids_is_not_too_dear() -> None:
    problem = Problem(
        [[0.04163446] * 2] * 2, [1, -1], [0.33205799, 0.0664116], 0, [0, 0.001], 50.0,
        Limits(lower={"ID": -2, "IC": -1}, upper={"ID": 2, "IC": 0}, one_side=True), ["ID", "IC"],
        underlying=["u0", "u0"],
    )  # fmt: skip
    line = explain(problem).prices[1]
    assert line.words.startswith("held at 0 by one_side; -1 would be")


def test_too_dear_is_said_where_the_trade_costs_more_than_it_gains_in_the_objective() -> None:
    for seed in range(30):
        problem = drawn(seed)
        for found in (
            explain(problem),
            explain(problem, solve(problem, formulation="deadband", buffer=0.05), buffer=0.05),
        ):
            for line in found.prices:
                if line.words.startswith("too dear"):
                    dearer, closer = (
                        float(text.split(" bp")[0]) for text in line.words.split("costs ")[1].split("and is ")
                    )
                    assert dearer > closer > 0


def test_an_optimum_of_nothing_is_proved() -> None:
    found = explain(Problem(np.eye(2) * 0.04, [1.0, 1.0], [0.1, 0.1], [1, 1], 1e-4, 50.0, None, ["A", "B"]))
    assert found.optimum.objective == 0
    assert found.not_proved == []


def test_nothing_is_said_to_bind_that_was_not_found_to() -> None:
    problem = example_problem(1_000_000.0).replace(rules=[rules.max_holdings(8), rules.risk(0.1)])
    result = rebalance(problem)
    found = explain(problem, result, time_limit=0.0)
    assert found.binding == ()
    assert found.undecided > 0
    assert any("rules bind" in line for line in found.not_proved)
    assert len(found.not_proved) < 6


def test_a_portfolio_that_exact_had_no_time_to_prove_is_what_is_explained() -> None:
    problem = example_problem(5_000_000.0, cost_multiplier=5.0)
    result = rebalance(problem, time_limit=1e-6)
    assert result.status.value == "feasible"
    found = explain(problem, result, time_limit=1.0)
    assert found.optimum is result.optimised
    assert found.not_proved[0].startswith("the optimum: what is called so is the best portfolio that is known")
    assert found.greedy is not None
    assert "optimum" not in found.greedy.words
