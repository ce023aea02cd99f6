"""Problems with rules: enumeration against brute force, SCIP against enumeration, and the check of every answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynopt_milp import Limits, Problem, Status, StoppedBy
from dynopt_milp import rules as house
from dynopt_milp.errors import CertificationError, SolverError, UnboundedError
from dynopt_milp.solvers.broken_rule import broken_rule
from dynopt_milp.solvers.certificate import Certified, certify
from dynopt_milp.solvers.cvxpy import solve_cvxpy
from dynopt_milp.solvers.enumerate import solve_enumerate
from dynopt_milp.solvers.exchange import exchange
from dynopt_milp.solvers.own_optimizer import own_method
from dynopt_milp.solvers.scip.solver import solve_scip
from dynopt_milp.solvers.task import Answer, Method, Task
from formulations import (
    CostTables,
    Deadband,
    Domain,
    Formulation,
    IntegerHull,
    NormCap,
    Penalty,
    Row,
    Rules,
    TrackingProgram,
)
from tests.random_rules import alone, points, ruled_program

GAP = 1e-6
FORMS: list[Callable[..., Formulation]] = [Penalty, IntegerHull, lambda program: Deadband(program, 0.3)]
SEEDS = st.integers(0, 2**32 - 1)
INF = np.inf


def task_of(formulation: Formulation, constraints: Callable[..., list[cp.Constraint]] | None = None) -> Task:
    names = tuple(f"I{place}" for place in range(formulation.program.size))
    return Task(formulation, names, GAP, constraints=constraints)


def answer(
    method: Method, formulation: Formulation, constraints: Callable[..., list[cp.Constraint]] | None = None
) -> Certified:  # fmt: skip
    task = task_of(formulation, constraints)
    return certify(task, method(task))


def best(formulation: Formulation) -> float:
    """By looking at every portfolio."""
    some = points(formulation.program, reach=INF)
    kept = some[formulation.program.keeps_rules(some)]
    return min(map(formulation.value, kept), default=INF)


def assert_found(found: Certified, value: float) -> None:
    if np.isinf(value):
        assert found.status is Status.INFEASIBLE
        return
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(value, rel=1e-9, abs=1e-15)
    assert found.lower_bound <= value


@settings(max_examples=400, deadline=None)
@given(seed=SEEDS, form=st.sampled_from(FORMS))
def test_enumeration_with_rules_is_brute_force(seed: int, form: Callable[..., Formulation]) -> None:
    formulation = form(ruled_program(np.random.default_rng(seed)))
    assert_found(answer(solve_enumerate, formulation), best(formulation))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=SEEDS, form=st.sampled_from(FORMS))
def test_scip_with_rules_finds_what_enumeration_finds(seed: int, form: Callable[..., Formulation]) -> None:
    formulation = form(ruled_program(np.random.default_rng(seed)))
    assert_found(answer(solve_scip, formulation), best(formulation))


BY = np.array([0.4, 1.0, 0.7])
PARTS: dict[str, dict[str, object]] = {
    "margin": {"rows": (Row.of(3, 2.3, gross=BY),)},
    "net": {"rows": (Row.of(3, 0.4, net=BY), Row.of(3, 0.1, net=-BY))},
    "turnover": {"rows": (Row.of(3, 1.5, turnover=BY),)},
    "at least so much": {"rows": (Row.of(3, -4.4, gross=-BY),)},
    "holdings": {"rows": (Row.of(3, 1.0, holdings=1.0),)},
    "two held, one not": {"rows": (Row.of(3, -2.0, holdings=[-1.0, -1.0, 1.0]),)},
    "orders": {"rows": (Row.of(3, 1.0, orders=1.0),)},
    "at least three orders": {"rows": (Row.of(3, -3.0, orders=-1.0),)},
    "orders at a cost": {"rows": (Row.of(3, 2.0, turnover=0.3, orders=0.5),)},
    "table": {"rows": (Row.of(3, 5.0, tables=CostTables.of(3, {1: (-4, np.arange(-4.0, 5.0) ** 2)}), gross=1.0),)},
    "risk": {"caps": (NormCap(np.array([[0.5, 0.2, 0.1], [0.0, 0.4, 0.3]]), np.zeros(3), 0.25),)},
    "tracking error": {"caps": (NormCap(np.diag(BY), np.array([1.3, -1.2, 0.8]), 0.4),)},
    "no risk": {"caps": (NormCap(np.diag([1e-4, 1e-5, 0.0]), np.zeros(3), 0.0),)},
    "lots": {"domain": Domain.of(3, lot=[2, 3, 1])},
    "least": {"domain": Domain.of(3, least=[2, 3, 1])},
    "least order": {"domain": Domain.of(3, least_order=[3, 3, 2])},
    "most order": {"domain": Domain.of(3, most_order=[1, INF, 2])},
    "nothing": {"rows": (Row.of(3, -1.0, gross=BY),)},
    "contradiction": {"rows": (Row.of(3, 1.0, gross=1.0), Row.of(3, -2.0, net=1.0))},
}  # fmt: skip
NEVER = ("nothing", "contradiction")


@pytest.mark.parametrize("kind", PARTS)
def test_each_kind_of_rule_alone_and_beside_a_constraint(kind: str) -> None:
    random = np.random.default_rng(3)
    problem = Problem(
        covariance=np.eye(3) * 0.04 + 0.02,
        optimal_positions=[1.3, -2.2, 1.8],
        weight_per_contract=[1.0, 0.8, 1.2],
        previous_positions=[1, 0, -2],
        cost_in_weight_terms=random.uniform(0, 0.02, 3),
        cost_multiplier=1.0,
        limits=Limits(lower=-4, upper=4),
        instruments=tuple("ABC"),
    )
    formulation = Penalty(alone(problem.program(), **PARTS[kind]))
    value = best(formulation)
    assert np.isinf(value) == (kind in NEVER)
    assert value > Penalty(problem.program()).value([1, -2, 2])  # the optimum without it: the rule has a say
    for method in (solve_enumerate, solve_scip):
        assert_found(answer(method, formulation), value)
    assert answer(solve_cvxpy, formulation).objective == pytest.approx(value, rel=1e-4)

    def constraints(positions: cp.Expression) -> list[cp.Constraint]:
        return [cp.sum(cp.abs(positions)) <= 3, positions[1] <= 0]

    counted = answer(solve_enumerate, formulation, constraints)
    assert_found(answer(solve_scip, formulation, constraints), counted.objective)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=SEEDS)
def test_where_rules_bound_what_limits_do_not_the_optimum_is_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    program = ruled_program(random, unlimited=True)
    assert program.rules is not None
    size = program.size
    budget = Row.of(size, 6.0, gross=1.0)
    program = replace(program, rules=replace(program.rules, rows=(*program.rules.rows, budget)))
    boxed = Penalty(program.with_box(np.maximum(program.lower, -9), np.minimum(program.upper, 9)))
    value = best(boxed)
    for method in (solve_enumerate, solve_scip):
        assert_found(answer(method, Penalty(program)), value)


def simple(**parts: object) -> Penalty:
    problem = Problem(
        covariance=np.eye(2) * 0.04,
        optimal_positions=[1.6, -2.2],
        weight_per_contract=[1.0, 1.0],
        limits=Limits(lower=-4, upper=4),
        instruments=("A", "B"),
    )
    return Penalty(alone(problem.program(), **parts))


def test_an_answer_that_breaks_a_rule_is_refused_by_its_name() -> None:
    formulation = simple(rows=(Row.of(2, 9.0, gross=1.0), Row.of(2, 3.0, gross=1.0)))
    task = task_of(formulation)
    with pytest.raises(CertificationError, match="break a rule: sum 2 of the rules, at most 3, is exceeded by 1"):
        certify(task, Answer(np.array([2.0, -2.0]), 0.0, StoppedBy.HEURISTIC, "somebody"))
    assert certify(task, Answer(np.array([1.0, -2.0]), 0.0, StoppedBy.HEURISTIC, "somebody")).status is Status.FEASIBLE
    capped = simple(caps=(NormCap(np.eye(2), np.zeros(2), 1.0),))
    broken = broken_rule(capped.program, ("A", "B"), np.array([2.0, 0.0]))
    assert broken == "risk cap 1 of the rules, at most 1, is exceeded by 1"
    lots = simple(domain=Domain.of(2, lot=2))
    broken = broken_rule(lots.program, ("A", "B"), np.array([2.0, 1.0]))
    assert broken == "1 contracts of B are not among the positions that rules allow"
    assert broken_rule(lots.program, ("A", "B"), np.array([2.0, 0.0])) is None


def test_an_optimizer_of_ones_own_has_to_keep_rules() -> None:
    problem = Problem(
        covariance=np.eye(2) * 0.04, optimal_positions=[1.6, -2.2], weight_per_contract=[1.0, 1.0],
        instruments=["A", "B"],
    )  # fmt: skip
    formulation = Penalty(alone(problem.program(), rows=(Row.of(2, 3.0, gross=1.0),)))
    task = replace(task_of(formulation), instruments=("A", "B"))

    def rounded(_: Problem) -> list[int]:
        return [2, -2]

    with pytest.raises(SolverError, match="rounded returned a portfolio that breaks a rule: sum 1"):
        own_method(rounded, problem)(task)


def test_without_a_portfolio_and_a_bound_it_is_not_called_infeasible() -> None:
    nowhere = np.full(2, INF)
    formulation = simple(rows=(Row.of(2, -1e7, net=1.0), Row.of(2, -1e7, net=[1.0, -1.0])))
    formulation = Penalty(formulation.program.with_box(-nowhere, nowhere))
    for method in (solve_enumerate, solve_scip):
        with pytest.raises(UnboundedError, match="nothing bounds"):
            method(task_of(formulation))


def test_local_search_moves_from_lot_to_lot() -> None:
    formulation = simple(domain=Domain.of(2, lot=2, least=4))
    formulation = Penalty(formulation.program.shifted(np.array([-5.0, 0.0])))  # the target is 6.6 and −2.2, o is 5
    found = exchange(task_of(formulation), np.array([5.0, 0.0]), lambda point: True)
    assert found.tolist() == [5.0, -4.0]
    assert formulation.program.keeps_rules(found)


def house_program(seed: int) -> TrackingProgram:
    """Rules that bind a little, in dollars or in thousandths, some of them far from zero."""
    random = np.random.default_rng(seed)
    size = int(random.integers(3, 6))
    loadings = random.normal(size=(size, 3))
    far = random.choice([0.0, 0.0, 1e3, 1e5]) * random.choice([-1, 1])
    wanted = random.normal(0, 2, size) + far * (random.random(size) < 0.5)
    near = np.round(wanted)
    held = np.round(wanted + random.normal(0, 2, size))
    program = Problem(
        covariance=(loadings @ loadings.T + np.diag(random.uniform(0.2, 1, size))) * 0.02,
        optimal_positions=wanted,
        weight_per_contract=random.uniform(0.05, 0.4, size) * 10.0 ** random.integers(-4, 2),
        previous_positions=held,
        cost_in_weight_terms=random.uniform(0, 3e-4, size),
        cost_multiplier=float(random.choice([0.5, 10, 50])),
        limits=Limits(lower=near - 2, upper=near + random.integers(1, 3, size)),
        instruments=[f"I{place}" for place in range(size)],
    ).program()
    each = random.uniform(0.2, 1, size) * 10.0 ** random.integers(-3, 7)
    rows: list[Row] = []
    caps: list[NormCap] = []
    domain = None
    kind = random.integers(6)
    if kind in (0, 1, 5):
        rows.append(Row.of(size, float(each @ np.abs(near)) * random.uniform(0.9, 1), gross=each))
    if kind in (1, 2):
        rows.append(Row.of(size, float(each @ np.abs(near - held)) * random.uniform(0.2, 0.9), turnover=each))
    if kind in (3, 5):
        rows.append(Row.of(size, float(random.integers(1, size)), orders=1.0))
        domain = Domain.of(size, least_order=2, lot=random.choice([1, 2], size)) if kind == 5 else None
    if kind in (2, 4):
        risk = float(np.linalg.norm(program.factor @ near))
        caps.append(NormCap(program.factor, np.zeros(size), risk * random.uniform(0.9, 1), program.residual))
        some = random.random(size) < 0.6
        caps.append(NormCap(program.factor * some, wanted, float(np.linalg.norm(program.factor @ (near - wanted)))))
    return replace(program, rules=Rules(tuple(rows), tuple(caps), domain))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=SEEDS)
def test_scip_with_rules_in_any_unit_finds_what_enumeration_finds(seed: int) -> None:
    formulation = Penalty(house_program(seed))
    assert_found(answer(solve_scip, formulation), best(formulation))


def test_scip_calls_nothing_infeasible_whose_norm_cancels_beyond_what_it_holds() -> None:
    far = 181222152.3461305
    program = Problem(
        covariance=[[1.0, 0.9999999999999964], [0.9999999999999964, 1.0]],
        optimal_positions=[far, -181222151.6389519],
        weight_per_contract=[1.0, 1.0],
        holding_cost=[1.3e-10, 6.4e-9],
        cost_multiplier=1e6,
        limits=Limits(lower=-4e9, upper=4e9),
        instruments=("A", "B"),
        rules=[house.one_of(["A", "B"]), house.tracking_error(0.47)],
    ).program()
    assert program.keeps_rules([1, 0])
    found = answer(solve_scip, Deadband(program, 2.3))
    assert found.status is not Status.INFEASIBLE
    assert found.lower_bound <= Deadband(program, 2.3).value([1, 0])


def test_scip_calls_nothing_infeasible_in_a_box_wider_than_its_tolerances() -> None:
    problem = Problem(
        covariance=[[1.0, 0.9999999999999204, 0.0], [0.9999999999999204, 1.0, 0.0], [0.0, 0.0, 1.0]],
        optimal_positions=[892607168.557712, -892607169.2074323, 0.7123622036952072],
        weight_per_contract=1.0,
        previous_positions=[3.0, 3.0, 3.0],
        limits=Limits(lower=-17852143400, upper=17852143400),
        instruments=("A", "B", "C"),
        rules=[house.margin({"A": 1, "B": 2, "C": 3}, 3267908521.4), house.net(-1, -1), house.one_of(["A", "B", "C"])],
    )
    program = problem.program()
    assert program.keeps_rules([0, -1, 0])
    assert answer(solve_scip, Deadband(program, 0.7)).status is not Status.INFEASIBLE
