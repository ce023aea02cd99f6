"""A part of the attack with a fixed seed, and its referee: what is exact, and that a lie is caught."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynopt_milp import InputError, Limits, Problem, solve
from dynopt_milp import rules as house
from tests.attack import __main__ as command
from tests.attack import runner
from tests.attack.exact import ExactValues, Question, decimal_text, whole
from tests.attack.keeping import AGAIN, ExactRules
from tests.attack.kinds import KINDS, draw, make
from tests.attack.known import best_known
from tests.attack.referee import Claim, Referee, said_within
from tests.attack.runner import Plan, run, warm_up
from tests.attack.trial import Trial, kind_of, run_trial

SEED = 2024
PROBLEMS = 440  # twenty of each kind; `make attack` goes on
PARTS = 4


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """No time limit is spent on loading solvers."""
    warm_up()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_claim_is_wrong(part: int, capfd: pytest.CaptureFixture[str]) -> None:
    wrong, answers = [], 0
    for number in range(part, PROBLEMS, PARTS):
        trial = run_trial(SEED, number)
        answers += len(trial.answers)
        wrong += [text for _, _, text in trial.violations]
    capfd.readouterr()  # SCIP's
    assert not wrong, "\n".join(wrong)
    assert answers > PROBLEMS // PARTS


def small_problem(seed: int = 0, size: int = 3, **changes: Any) -> Problem:
    random = np.random.default_rng(seed)
    factor = random.normal(size=(size, size)) * 0.1
    return Problem(
        covariance=factor.T @ factor,
        optimal_positions=random.normal(scale=3.0, size=size),
        weight_per_contract=random.uniform(0.1, 1.0, size),
        previous_positions=random.integers(-2, 3, size),
        cost_in_weight_terms=random.uniform(0.0, 0.02, size),
        cost_multiplier=3.0,
        limits=Limits(lower=-4, upper=4),
        instruments=list("CABD")[:size],
    ).replace(**changes)


def decimal_value(problem: Problem, portfolio: tuple[int, ...]) -> Decimal:
    """The penalty's value, stated once more."""
    getcontext().prec = 60
    size = len(portfolio)
    away = [
        Fraction(float(problem.weight_per_contract[i])) * (Fraction(float(problem.optimal_positions[i])) - portfolio[i])
        for i in range(size)
    ]
    square = sum(
        away[i] * Fraction(float(problem.covariance[i, j])) * away[j] for i in range(size) for j in range(size)
    )
    cost = sum(
        Fraction(problem.cost_multiplier) * Fraction(float(problem.cost_in_weight_terms[i]))
        * Fraction(float(problem.weight_per_contract[i])) * abs(portfolio[i] - int(problem.previous_positions[i]))
        for i in range(size)
    )  # fmt: skip
    root = (Decimal(square.numerator) / Decimal(square.denominator)).sqrt()
    return root + Decimal(cost.numerator) / Decimal(cost.denominator)


@pytest.mark.parametrize("seed", range(20))
def test_values_are_those_of_rational_arithmetic(seed: int) -> None:
    problem = small_problem(seed)
    values = ExactValues(problem)
    portfolio = tuple(int(x) for x in np.random.default_rng(seed).integers(-4, 5, 3))
    low, high = values.value(portfolio, Question()) or (0, 0)
    true = decimal_value(problem, portfolio)
    for side in (low, high):
        assert abs(Decimal(side) / 2**values.digits / true - 1) < Decimal("1e-50")
    assert low <= high <= low + 1
    error = values.tracking_error(portfolio)
    edge = Fraction(error[1], 1 << values.digits)
    assert values.is_within(portfolio, edge)
    assert not values.is_within(portfolio, Fraction(error[0] - 1, 1 << values.digits))
    assert values.value(portfolio, Question("buffer_edge", math.nextafter(float(edge), 0) * 0.99)) is None
    beyond = values.value(portfolio, Question("deadband", float(edge) / 2))
    assert beyond is not None
    half = Decimal(float(edge) / 2)
    assert abs(Decimal(beyond[0]) / 2**values.digits - (true - half)) < Decimal("1e-40")


@pytest.mark.parametrize(
    ("matrix", "semidefinite"),
    [
        ([[4, 2, 0], [2, 1, 0], [0, 0, 0]], True),
        ([[4 * 10**30, 2 * 10**30, 0], [2 * 10**30, 10**30 - 1, 0], [0, 0, 1]], False),
        ([[10**30, 10**30, 1], [10**30, 10**30, 2], [1, 2, 10**30]], False),
        ([[4, 1, 0], [1, 4, 0], [0, 0, 1]], True),
        ([[0, 0, 0], [0, 1, 2], [0, 2, 4]], True),
        ([[0, 0, 1], [0, 1, 2], [1, 2, 9]], False),
    ],
)
def test_whether_a_covariance_is_indefinite_by_a_bit_is_known(matrix: list[list[int]], semidefinite: bool) -> None:
    values = ExactValues(small_problem())
    values.hessian = matrix
    assert values.is_semidefinite == semidefinite


def test_numbers_are_taken_as_they_are() -> None:
    numbers = [0.1, -3.0, 5e-324, 1.7e308, 0.0, 2.0**-60]
    integers, exponent = whole(numbers)
    assert [Fraction(number, 2**exponent) for number in integers] == [Fraction(number) for number in numbers]
    assert decimal_text(Fraction(2, 3)) == "6.6666666666666666666e-01"
    assert decimal_text(Fraction(10**7)) == "1.0000000000000000000e+07"
    assert decimal_text(Fraction(0)) == "0"


@pytest.mark.parametrize("formulation", ["penalty", "deadband", "buffer_edge"])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_portfolio_of_a_small_box_is_found(seed: int, formulation: str) -> None:
    problem = small_problem(seed)
    question, values = Question(formulation, 0.15), ExactValues(problem)
    found = best_known(values, problem.lower, problem.upper, question, [])
    valued = (values.value(portfolio, question) for portfolio in itertools.product(range(-4, 5), repeat=3))
    assert (found.best and found.least) == min((value[1] for value in valued if value is not None), default=None)


def test_better_portfolios_are_found_where_there_are_no_limits() -> None:
    for seed in range(20):
        problem = small_problem(seed, limits=None)
        answer = Claim.of("exact", solve(problem), 1e-6, 0.0, None)
        found = best_known(ExactValues(problem), problem.lower, problem.upper, Question(), [(0, 0, 0)])
        assert found.best == answer.contracts


def rules(claim: Claim, problem: Problem, question: Question | None = None) -> set[str]:
    return {violation.rule for violation in Referee(problem, question or Question()).judge([claim])}


def test_every_lie_is_caught() -> None:
    problem = small_problem()
    true = Claim.of("exact", solve(problem), 1e-6, 0.1, 1.0)
    assert true.contracts is not None
    assert true.objective is not None
    assert true.lower_bound is not None
    assert rules(true, problem) == set()
    worse = (true.contracts[0] + 1, *true.contracts[1:])
    objective = float(decimal_value(problem, worse))
    lies = {
        "bound": {"lower_bound": true.objective * (1 + 1e-14)},
        "optimal": {"contracts": worse, "objective": objective},
        "objective": {"objective": true.objective * (1 + 1e-8)},
        "infeasible": {"status": "infeasible", "contracts": None, "objective": math.inf, "lower_bound": 0.0},
        "limits": {"contracts": (5, *true.contracts[1:])},
        "time": {"seconds": 3.1},
    }
    for rule, lie in lies.items():
        assert rules(replace(true, **lie), problem) == {rule}, rule
    assert rules(replace(true, lower_bound=math.nan), problem) == {"bound"}
    assert rules(replace(true, status="infeasible", contracts=None, lower_bound=math.inf), problem) == {
        "infeasible",
        "bound",
    }
    assert rules(replace(true, contracts=None), problem) == {"limits"}
    feasible = replace(true, status="feasible", contracts=worse, objective=objective, lower_bound=0.0)
    assert rules(feasible, problem) == set()


def test_lies_about_a_buffer_are_caught() -> None:
    problem = small_problem(limits=Limits(lower=-3, upper=3))
    values = ExactValues(problem)
    errors = {k: values.tracking_error(k) for k in itertools.product(range(-3, 4), repeat=3)}
    nearest = min(errors, key=lambda k: errors[k])
    edge = float(Fraction(errors[nearest][1], 1 << values.digits))
    inside, outside = math.nextafter(edge, 1.0), edge * (1 - 1e-9)
    none = Claim("solver", "infeasible", None, 1e-6, math.inf, math.inf)
    assert rules(none, problem, Question("buffer_edge", inside)) == {"infeasible", "bound"}
    assert rules(none, problem, Question("buffer_edge", outside)) == set()
    cost = values.paid(nearest)[0] / 2**values.digits
    there = Claim("solver", "optimal", nearest, 1e-6, cost, cost * (1 - 1e-12))
    assert rules(there, problem, Question("buffer_edge", inside)) == set()
    assert rules(there, problem, Question("buffer_edge", outside)) == {"edge"}


def test_what_a_claim_leaves_out_is_no_lie() -> None:
    problem = Problem(np.full((2, 2), 0.04), [98.0, -100.0], [1.0, 0.99], instruments=["A", "B"])
    known = Referee(problem, Question()).known([], [(200, 0)], within=99.0)
    assert all(abs(one - 98) <= 99 and abs(other + 100) <= 99 for one, other in known.seen)
    assert known.best == (98, -100)
    limited = Referee(problem.replace(limits=Limits(lower=1000)), Question()).known([], [], within=99.0)
    assert limited.best == (1000, 1000)  # limits are where a claim is about, however far
    note = "A, B: sizes of one contract; portfolios more than 1,000,000 contracts from the target were not looked at"
    assert said_within(("round-off", note)) == 1e6
    assert said_within(("round-off",)) == math.inf


def test_what_is_not_looked_at_is_said_as_the_referee_reads_it() -> None:
    size = 0.1 * (1 + 1e-14)
    problem = Problem(np.full((2, 2), 0.04), [0.5, 0.3], [1.0, size], instruments=["A", "B"])
    solution = solve(problem, "branch_and_bound")
    assert said_within(solution.notes) == 1e6


def test_lies_about_a_cap_are_caught() -> None:
    problem = small_problem()
    answer = Claim.of("exact", solve(problem), 1e-6, 0.0, None)
    assert answer.contracts is not None
    cap = Question(weights=(1, 1, 1), most=sum(answer.contracts) - 1)
    assert "edge" in rules(answer, problem, cap)
    assert rules(answer, problem, replace(cap, most=cap.most + 1)) == set()
    none = Claim("scip", "infeasible", None, 1e-6, math.inf, math.inf)
    assert rules(none, problem, replace(cap, most=-13)) == set()
    assert rules(none, problem, replace(cap, most=-12)) == {"infeasible", "bound"}


def test_lies_about_rules_are_caught() -> None:
    problem = small_problem()
    free = Claim.of("exact", solve(problem), 1e-6, 0.0, None)
    assert free.contracts is not None
    used = float(np.abs(free.contracts) @ problem.weight_per_contract)
    ruled = problem.replace(rules=[house.gross(used * (1 - 1e-9)), house.max_holdings(3)])
    assert rules(free, ruled) == {"rule"}
    assert rules(free, problem.replace(rules=[house.gross(used * (1 + 1e-15))])) == set()
    true = Claim.of("exact", solve(ruled), 1e-6, 0.0, None)
    assert true.objective is not None
    assert rules(true, ruled) == set()
    assert rules(replace(true, lower_bound=true.objective * (1 + 1e-14)), ruled) == {"bound"}
    none = Claim("solver", "infeasible", None, 1e-6, math.inf, math.inf)
    assert rules(none, ruled) == {"infeasible", "bound"}
    assert rules(none, ruled.replace(rules=[house.exposure(1.0, 13.0)])) == set()
    assert rules(none, ruled.replace(rules=[house.exposure(1.0, 12.0)])) == {"infeasible", "bound"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("rules")])
def test_who_keeps_rules_in_exact_arithmetic_keeps_those_of_the_program(kind: str) -> None:
    counted = {True: 0, False: 0}
    for number in range(30):
        random = np.random.default_rng([11, number])
        given = draw(kind, random)
        try:
            problem = make(given.arguments())
        except InputError:
            continue
        exact, program = ExactRules.of(problem), problem.program()
        for _ in range(20):
            point = np.array(given.planted[-1 - int(random.integers(5))]) + random.integers(-1, 2, given.size)
            portfolio = tuple(int(number) for number in point)
            kept = bool(program.keeps_rules(point.astype(float)))
            counted[kept] += 1
            surely, maybe = (bool(decided[0]) for decided in exact.decided(point[None].astype(float)))
            broken = exact.broken(portfolio)
            assert maybe or broken, (number, portfolio)
            assert not (surely and broken), (number, portfolio)
            assert kept or broken, (number, portfolio)
            assert not (kept and exact.broken(portfolio, AGAIN)), (number, portfolio)
    assert min(counted.values()) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_is_always_the_same_problem(kind: str) -> None:
    for number in range(5):
        one, other = (repr(draw(kind, np.random.default_rng([7, number])).arguments()) for _ in range(2))
        assert one == other
        written = eval(one, {"inf": math.inf})  # what a reproduction is made of
        assert repr(written) == one
        assert make(written).instruments == tuple(written["instruments"])


def test_problems_are_the_same_whatever_the_workers() -> None:
    kinds = ("ordinary", "round numbers", "portfolio")
    plan = Plan(SEED, count=60, kinds=kinds)
    found = dict(filter(None, run(plan, 300.0, workers=2)))
    assert sorted(found) == [number for number in range(60) if kind_of(number) in kinds]
    for number, trial in found.items():
        here = run_trial(SEED, number)
        assert trial.kind == here.kind
        assert [label for label, _ in trial.answers] == [label for label, _ in here.answers]
        assert not trial.violations


def test_a_process_that_dies_is_a_violation_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def begin(plan: Plan, start: int, step: int) -> Any:
        begun.append(start)
        worker = real(replace(plan, count=0) if start else plan, start, step)
        if not start:
            worker.process.kill()
        return worker

    real = runner._begin
    monkeypatch.setattr(runner, "_begin", begin)
    ((number, trial),) = filter(None, run(Plan(SEED), 60.0, workers=1))
    assert number == 0
    assert [rule for rule, _, _ in trial.violations] == ["crash"]
    assert "--first 0 --problems 1" in trial.violations[0][2]
    assert begun == [0, 1]


def test_a_lie_ends_the_command_with_its_reproduction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = [(0, run_trial(SEED, 0)), (1, Trial(kind_of(1), [("exact penalty", "optimal")]))]
    monkeypatch.setattr(command, "run", lambda plan, seconds, workers: (trial for trial in [None, *trials]))
    counts = tmp_path / "counts.json"
    assert command.main(["--seconds", "1", "--json", str(counts)]) == 0
    trials[1][1].violations.append(("bound", "exact penalty", "# the reproduction\n"))
    assert command.main(["--seconds", "1", "--json", str(counts), "--keep", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "# the reproduction" in said
    assert "2 problems" in said
    found = json.loads(counts.read_text(encoding="utf-8"))
    assert found["problems"] == 2
    assert found["asked"]["exact penalty"]["violations"] == 1
    (file,) = tmp_path.glob("bound-*.py")
    assert file.read_text(encoding="utf-8") == "# the reproduction\n"
