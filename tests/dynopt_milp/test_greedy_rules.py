"""The greedy search with rules, against the same search written down plainly, and against enumeration."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dynopt_milp import Limits, NoPortfolioError, Problem, Status, rebalance, rules, solve
from dynopt_milp.solvers.greedy import greedy_search
from formulations import FloatArray, Rules, TrackingProgram
from tests.dynopt_milp.test_rules_exact import RULES, Drawn, values
from tests.random_rules import ruled_program

ROUND_OFF = 1e-12


def plain_violations(program: TrackingProgram, point: FloatArray) -> list[float]:
    """Of each sum and each cap, 0 within round-off."""
    assert program.rules is not None
    found, held, zero = [], program.previous, program.zero
    for row in program.rules.rows:
        terms = row.terms(point, held, zero).tolist()
        over = sum(terms) - row.limit
        found.append(0.0 if over <= ROUND_OFF * (abs(row.limit) + sum(map(abs, terms))) else over)
    for cap in program.rules.caps:
        norm = float(np.linalg.norm(cap.factor @ (point - zero - cap.centre)))
        inside = Rules(caps=(cap,)).kept(point[None], held, zero)[0]  # the edge is the business of its own tests
        found.append(0.0 if inside else max(norm - cap.limit, 1e-300))
    return found


def plain_greedy(program: TrackingProgram) -> FloatArray | None:
    """By lists of allowed positions; None if an instrument has none."""
    allowed = []
    for place in range(program.size):
        span = np.arange(program.lower[place], program.upper[place] + 1)
        points = np.zeros((span.size, program.size)) + program.previous
        points[:, place] = span
        allowed.append([float(k) for k, ok in zip(span, program.allows(points)[:, place], strict=True) if ok])
    if not all(allowed):
        return None
    start = [
        min(some, key=lambda k: (abs(k), -k * np.sign(t))) for some, t in zip(allowed, program.target, strict=True)
    ]
    way = [np.sign(k) if k else np.sign(t) for k, t in zip(start, program.target, strict=True)]
    at = [some.index(k) for some, k in zip(allowed, start, strict=True)]

    def portfolio(places: list[int]) -> FloatArray:
        return np.array([some[place] for some, place in zip(allowed, places, strict=True)])

    while True:
        here = portfolio(at)
        broken, best, chosen = plain_violations(program, here), program.objective(here), None
        for i, direction in enumerate(way):
            there = [*at]
            there[i] += int(direction)
            if direction == 0 or not 0 <= there[i] < len(allowed[i]):
                continue
            step = portfolio(there)
            worse = any(
                now > before * (1 + ROUND_OFF)
                for now, before in zip(plain_violations(program, step), broken, strict=True)
            )
            if not worse and program.objective(step) < best:
                best, chosen = program.objective(step), there
        if chosen is None:
            return here
        at = chosen


@pytest.mark.parametrize("half", range(4))
def test_every_step_is_that_of_the_plain_search(half: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(half * 300, half * 300 + 300):
        program = replace(ruled_program(np.random.default_rng(seed), most=4), origin=None)
        expected = plain_greedy(program)
        found, finished = greedy_search(program)
        assert finished
        if expected is None:
            seen["no position is allowed"] += 1
            assert not program.allows(found).all()
            continue
        assert found.tolist() == expected.tolist(), seed
        assert program.in_box(found)
        assert program.allows(found).all()
        seen["kept" if program.contains(found) else "broken"] += 1
        start = np.clip(0.0, program.lower, program.upper)
        if program.contains(start):  # what is kept stays kept
            seen["kept at the start"] += 1
            assert program.contains(found), seed
    assert min(seen.values()) > 15
    assert len(seen) == 4


def test_with_every_pair_of_rules_it_keeps_them_and_is_never_better_than_the_best() -> None:
    seen: Counter[str] = Counter()
    for draw, names in enumerate(itertools.combinations_with_replacement(RULES, 2)):
        given = Drawn.of(np.random.default_rng([17, draw]))
        made = [RULES[name](given) for name in names]
        kept = np.logical_and.reduce([mask for _, mask in made])
        worth = np.where(kept, values(given, "penalty", 0.0), np.inf)
        found = solve(given.problem.replace(rules=[rule for rule, _ in made]), "greedy")
        if found.contracts is None:
            seen["no answer"] += 1
            assert found.status is Status.NO_SOLUTION
            continue
        seen["answer"] += 1
        place = int(np.flatnonzero((given.points == found.contracts).all(axis=1))[0])
        assert kept[place], names
        assert found.objective == pytest.approx(worth[place], rel=1e-12, abs=1e-15)
        assert found.objective >= worth.min() * (1 - 1e-12)
        assert found.status in (Status.FEASIBLE, Status.OPTIMAL)
        seen["not the best"] += found.objective > worth.min() * (1 + 1e-9)
    assert min(seen.values()) > 10, seen


def example(**more: object) -> Problem:
    return Problem(np.diag([0.04, 0.03, 0.02]), [4.4, -3.3, 2.2], [0.1, 0.1, 0.1], instruments=["A", "B", "C"], **more)  # type: ignore[arg-type]


def test_lots_least_positions_and_orders_are_stepped_over() -> None:
    lots = solve(example(rules=[rules.lot(2), rules.min_position({"B": 4})]), "greedy").positions
    assert lots.to_dict() == {"A": 4, "B": -4, "C": 2}
    orders = example(previous_positions=[3, 0, 0], rules=[rules.min_order(3), rules.max_order({"B": 3})])
    assert solve(orders, "greedy").positions.to_dict() == {"A": 3, "B": -3, "C": 3}


def test_where_zero_is_not_allowed_it_starts_at_the_nearest_position_that_is() -> None:
    closing_takes_days = example(previous_positions=[9, 0, 0], rules=rules.max_order({"A": 2}))
    assert solve(closing_takes_days, "greedy").positions.to_dict() == {"A": 7, "B": -3, "C": 2}


def test_a_cap_stops_it_where_the_free_search_goes_on() -> None:
    free, capped = solve(example(), "greedy"), solve(example(rules=rules.gross(0.6)), "greedy")
    assert free.positions.abs().sum() == 9
    assert capped.positions.abs().sum() == 6
    assert (capped.positions.abs() <= free.positions.abs()).all()


def test_a_rule_that_is_broken_at_the_end_leaves_no_answer_and_says_so() -> None:
    wanting = example(rules=rules.net(lower=1.0))
    found = solve(wanting, "greedy")
    assert found.status is Status.NO_SOLUTION
    with pytest.raises(NoPortfolioError, match="greedy ended at one that breaks a rule; use exact"):
        rebalance(wanting, "greedy")
    assert solve(wanting).status is Status.OPTIMAL


def test_a_rule_that_is_broken_at_the_start_can_be_kept_at_the_end() -> None:
    longer = example(rules=rules.exposure({"A": 1.0}, lower=3), limits=Limits(lower=-9, upper=9))
    assert solve(longer, "greedy").positions.to_dict() == {"A": 4, "B": -3, "C": 2}
