"""Rows that are refuted by multipliers leave no portfolio; most that leave none by sums alone are refuted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from dynopt_milp import Status, example_problem, rules, solve
from formulations import Row, Rules, TrackingProgram, refuted
from tests.random_rules import points, ruled_program


def test_what_is_refuted_has_no_portfolio() -> None:
    seen: Counter[str] = Counter()
    for seed in range(1500):
        program = ruled_program(np.random.default_rng([5, seed]))
        some = bool(program.keeps_rules(points(program)).any())
        found = refuted(program, program.lower, program.upper)
        assert not (found and some), seed
        seen["refuted" if found else "some" if some else "none"] += 1
    assert seen["refuted"] > 100, seen
    assert seen["some"] > 300, seen


def of_rows(*rows: Row) -> TrackingProgram:
    nothing, ends = np.zeros(3), np.full(3, 9.0)
    return TrackingProgram(np.eye(3), nothing, nothing, nothing, -ends, ends, rules=Rules(rows))


def test_the_edge_is_no_refutation() -> None:
    margin = np.array([0.1, 0.2, 0.3])
    for scale in (1e-9, 1.0, 1e9):
        most = Row.of(3, 1.4 * scale, gross=margin * scale)
        for least, expected in ((1.4, False), (1.4 * (1 + 1e-13), False), (1.4 * (1 + 1e-6), True), (1.5, True)):
            program = of_rows(most, Row.of(3, -least * scale, net=-margin * scale))
            assert refuted(program, program.lower, program.upper) == expected, (scale, least)


def test_nothing_is_proved_of_an_infinite_box_or_without_rows() -> None:
    program = of_rows(Row.of(3, 1.0, gross=1.0), Row.of(3, -2.0, net=-1.0))
    assert refuted(program, program.lower, program.upper)
    assert not refuted(program, program.lower, program.upper + np.array([np.inf, 0.0, 0.0]))
    assert not refuted(replace(program, rules=None), program.lower, program.upper)


def test_sums_of_many_instruments_that_contradict_each_other_are_no_search() -> None:
    problem = example_problem(250_000).replace(rules=[rules.net(lower=2.0), rules.gross(1.0), rules.max_holdings(20)])
    found = solve(problem)
    assert found.status is Status.INFEASIBLE
    assert found.nodes == 0  # a search would take hours
    assert found.conflict is not None
    assert [rule.partition(":")[0] for rule in found.conflict.members] == ["net", "gross"]
