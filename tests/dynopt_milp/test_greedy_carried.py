"""The greedy search by carried steps takes the picks of the one that evaluates every candidate in full."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynopt_milp.solvers.greedy as module
from dynopt_milp import InputError, Limits, Problem, example_problem
from dynopt_milp.solvers.carried_steps import CHUNK
from dynopt_milp.solvers.greedy import full_step, greedy_search
from formulations import FloatArray, TrackingProgram
from tests.attack.kinds import make
from tests.attack.trial import drawn, kind_of
from tests.dynopt_milp.test_instances import NAMES, read
from tests.random_rules import ruled_program

FAR = 2_000  # contracts: evaluated in full, a longer way takes too long
DRAWN = 1_500


def in_full(program: TrackingProgram, **more: Any) -> FloatArray:
    """Where the search ends that the book describes."""
    return greedy_search(program, program.objective, **more)[0]


@pytest.fixture
def doubts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candidates were evaluated in full in each step that was in doubt."""
    seen: list[int] = []

    def counted(*arguments: Any) -> Any:
        if arguments[4] is not None:
            seen.append(len(arguments[4]))
        return full_step(*arguments)

    monkeypatch.setattr(module, "full_step", counted)
    return seen


def test_the_picks_are_the_same_on_whatever_the_attack_draws(doubts: list[int]) -> None:
    seen: Counter[str] = Counter()
    for number in range(DRAWN):
        try:
            program = make(drawn(5, number)[0].arguments()).program()
        except InputError:
            continue
        if np.abs(program.target).sum() > FAR:
            continue
        before, asked = len(doubts), iter(range(FAR))
        found, finished = greedy_search(program, goes_on=lambda positions, asked=asked: next(asked) < FAR / CHUNK)
        if not finished:
            seen["far"] += 1
            continue
        assert found.tolist() == in_full(program).tolist(), number
        seen[kind_of(number)] += 1
        seen["ruled"] += program.rules is not None
        seen["moved"] += bool(found.any())
        seen["doubted"] += len(doubts) > before
    assert seen["moved"] > DRAWN / 2
    assert seen["ruled"] > DRAWN / 20
    assert DRAWN / 100 < seen["doubted"] < DRAWN / 10, seen


def test_they_are_the_same_with_rows_caps_lots_and_tables() -> None:
    seen: Counter[str] = Counter()
    for seed in range(400):
        program = replace(ruled_program(np.random.default_rng([2, seed]), most=6), origin=None)
        found = greedy_search(program)[0]
        assert found.tolist() == in_full(program).tolist(), seed
        seen["kept" if program.contains(found) else "broken"] += 1
    assert min(seen.values()) > 40


def test_they_are_the_same_from_any_start_in_any_direction() -> None:
    random = np.random.default_rng(4)
    for number in range(300):
        size = int(random.integers(1, 12))
        factor = random.normal(size=(size + 2, size))
        program = Problem(
            factor.T @ factor, random.normal(size=size) * 5, random.uniform(0.01, 0.2, size),
            random.integers(-3, 4, size), random.uniform(0, 0.01, size), underlying=[str(i // 2) for i in range(size)],
            limits=Limits(lower=-6, upper=6, one_side=bool(number % 2)), instruments=[f"I{i:02d}" for i in range(size)],
        ).program()  # fmt: skip
        start, direction = random.integers(-2, 3, size).astype(float), random.integers(-1, 2, size).astype(float)
        found = greedy_search(program, start=start, direction=direction)[0]
        assert found.tolist() == in_full(program, start=start, direction=direction).tolist(), number


@pytest.mark.parametrize("name", NAMES)
def test_they_are_the_same_on_real_days(name: str, instances: Path, doubts: list[int]) -> None:
    program = read(name)[0].program()
    found = greedy_search(program)[0]
    assert found.tolist() == in_full(program).tolist()
    assert len(doubts) <= 0.05 * np.abs(found).sum()


def test_contracts_that_are_alike_are_told_by_the_full_evaluation(doubts: list[int]) -> None:
    """Two names for one contract: every pick is a tie, which goes to the first. All numbers are exact in binary."""
    problem = Problem(np.full((2, 2), 0.0625), [3.0, 3.0], [0.125, 0.125], instruments=["A", "B"])
    assert greedy_search(problem.program())[0].tolist() == in_full(problem.program()).tolist() == [6.0, 0.0]
    assert doubts
    assert set(doubts) <= {1, 2}


def test_a_search_that_is_stopped_is_on_its_way() -> None:
    program = example_problem(50_000_000).program()
    asked: list[FloatArray] = []

    def goes_on(positions: FloatArray) -> bool:
        asked.append(positions)
        return len(asked) < 3

    found, finished = greedy_search(program, goes_on=goes_on)
    whole, ended = greedy_search(program)
    assert ended
    assert not finished
    assert 0 < np.abs(found).sum() < np.abs(whole).sum()
    assert (np.abs(found) <= np.abs(whole)).all()
    assert whole.tolist() == in_full(program).tolist()


@pytest.mark.parametrize("most", [0, 1, CHUNK, CHUNK + 1, 700])
def test_a_search_takes_so_many_steps_at_most(most: int) -> None:
    program = example_problem(50_000_000).program()
    found, finished = greedy_search(program, most_steps=most)
    assert not finished
    assert np.abs(found).sum() == most
    full, ended = greedy_search(program, program.objective, most_steps=most)
    assert not ended
    assert found.tolist() == full.tolist()
