"""Costs of any function of one position, and underlyings on one side, against all points of small boxes."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dynopt_milp.solvers.branch_and_bound import solve_branch_and_bound
from dynopt_milp.solvers.certificate import certify
from dynopt_milp.solvers.cvxpy import solve_cvxpy
from dynopt_milp.solvers.enumerate import solve_enumerate
from dynopt_milp.solvers.exact import solve_exact
from dynopt_milp.solvers.greedy import solve_greedy
from dynopt_milp.solvers.scip.solver import solve_scip
from dynopt_milp.solvers.task import Method, Task
from formulations import (
    BufferEdge,
    CostTables,
    Deadband,
    FloatArray,
    Formulation,
    IntegerHull,
    OrderCost,
    Penalty,
    ProgramError,
    TrackingProgram,
)

GAP = 1e-6


def small_program(seed: int) -> TrackingProgram:
    """Two to five contracts, some of them sizes of one, with costs of holding, tables, limits and frozen positions."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    scale = 10.0 ** rng.uniform(-4, 1)
    factor = rng.normal(size=(int(rng.integers(2, size + 2)), size)) * rng.uniform(0.2, 2, size=size)
    underlying = np.full(size, -1)
    if rng.random() < 0.8:
        factor[:, 1] = factor[:, 0] * rng.choice([1.0, 2.0, 3.0, 5.0, 2.5])
        underlying[:2] = rng.choice([0, 0, 0, -1])
        if size >= 3 and rng.random() < 0.5:
            factor[:, 2] = factor[:, 0] * rng.choice([2.0, 4.0, 1.5])
            underlying[2] = underlying[0]
    if size >= 4 and rng.random() < 0.4:
        underlying[-2:] = 1
    held = rng.integers(-3, 4, size=size).astype(float)
    widest = 4.0 if size <= 4 else 3.0
    lower, upper = np.full(size, -widest), np.full(size, widest)
    for place in range(size):
        chance = rng.random()
        if chance < 0.15:
            lower[place] = 0.0
        elif chance < 0.3:
            upper[place] = 0.0
        elif chance < 0.45:
            lower[place] = upper[place] = rng.integers(-2, 3)
    arrays: dict[str, Any] = {
        "factor": factor * scale, "target": rng.normal(size=size) * 2.5, "previous": held,
        "cost": rng.exponential(0.3, size=size) * scale * (rng.random(size) < 0.8), "underlying": underlying,
        "holding": rng.exponential(0.2, size=size) * scale * (rng.random(size) < 0.7) if rng.random() < 0.7 else None,
    }  # fmt: skip
    bare = TrackingProgram(**arrays, lower=lower, upper=upper)
    lower, upper = bare.on_side(lower, upper)
    if (lower > upper).any():
        return small_program(seed + 1_000_000)
    tables = some_tables(rng, held, lower, upper, scale) if rng.random() < 0.5 else None
    program = TrackingProgram(**arrays, lower=lower, upper=upper, tables=tables)
    return replace(program, orders=some_orders(rng, program, scale)) if rng.random() < 0.5 else program


def some_orders(rng: np.random.Generator, program: TrackingProgram, scale: float) -> OrderCost:
    """Fees, least commissions, impacts and orders of rolls, each for some of the instruments."""

    def some(size: float) -> FloatArray:
        return rng.exponential(size, size=program.size) * (rng.random(program.size) < 0.5)

    rolls = np.zeros(program.size) if program.holding is None else some(0.5)
    commission = program.cost * rng.random(program.size)
    if program.holding is not None:
        commission[rolls > 0] = np.minimum(commission, program.holding / np.maximum(rolls, 1e-9))[rolls > 0]
    return OrderCost(some(0.3) * scale, some(0.9) * scale, commission, some(0.1) * scale, rolls)


def some_tables(
    rng: np.random.Generator, held: FloatArray, lower: FloatArray, upper: FloatArray, scale: float
) -> CostTables:  # fmt: skip
    """A fee for an order, a least size, an impact that grows faster than the order, or anything."""
    tables = {}
    for place in np.flatnonzero(rng.random(held.size) < 0.5):
        points = np.arange(lower[place], upper[place] + 1)
        entries = (
            np.where(points == held[place], 0.0, 0.3 * scale),
            np.where((points != 0) & (np.abs(points) < 2), np.inf, 0.0),
            np.abs(points - held[place]) ** 1.5 * 0.05 * scale,
            rng.exponential(0.3, size=len(points)) * scale,
        )[rng.integers(4)]
        tables[int(place)] = (lower[place], entries if np.isfinite(entries).any() else np.zeros(len(points)))
    return CostTables.of(held.size, tables)


def formulations_of(program: TrackingProgram, seed: int) -> list[Formulation]:
    rng = np.random.default_rng(seed)
    rounded = program.factor @ (np.round(program.target) - program.target)
    buffer = float(np.linalg.norm(rounded)) * rng.uniform(0.3, 2) + 1e-6
    return [Penalty(program), Deadband(program, buffer), BufferEdge(program, buffer), IntegerHull(program)]


def least(formulation: Formulation) -> float:
    """The smallest value of all points of the box that keep underlyings on one side."""
    program = formulation.program
    ranges = [np.arange(low, high + 1) for low, high in zip(program.lower, program.upper, strict=True)]
    points = np.array(list(itertools.product(*ranges)))
    opposite = np.zeros(len(points), dtype=bool)
    for one, other in itertools.combinations(range(program.size), 2):
        assert program.underlying is not None
        if program.underlying[one] >= 0 and program.underlying[one] == program.underlying[other]:
            opposite |= points[:, one] * points[:, other] < 0
    return float(formulation.values(points)[~opposite].min())


def solved(formulation: Formulation, method: Method) -> Any:
    names = tuple("ABCDE"[: formulation.program.size])
    task = Task(formulation, names, GAP)
    return certify(task, method(task))


@pytest.mark.parametrize("method", [solve_branch_and_bound, solve_enumerate, solve_exact])
@pytest.mark.parametrize("first", range(0, 300, 50))
def test_exact_methods_find_the_best_of_all_points(method: Method, first: int) -> None:
    for seed in range(first, first + 50):
        formulation = formulations_of(small_program(seed), seed)[seed % 4]
        best, found = least(formulation), solved(formulation, method)
        if not np.isfinite(best):
            assert found.status.value == "infeasible", seed
            continue
        assert found.status.value == "optimal", seed
        assert best * (1 - 1e-9) <= found.objective <= best * (1 + 1.1 * GAP), seed
        assert found.lower_bound <= best * (1 + 1e-9), seed


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_scip_is_given_the_same_program(first: int) -> None:
    for seed in range(first, first + 20):
        formulation = formulations_of(small_program(seed), seed)[seed % 4]
        best, found = least(formulation), solved(formulation, solve_scip)
        assert found.lower_bound <= best * (1 + 1e-9), seed
        assert found.status.value == ("optimal" if np.isfinite(best) else "infeasible"), seed
        assert found.objective == best or found.objective <= best * (1 + 2 * GAP), seed


def test_the_written_models_are_the_same_programs() -> None:
    for seed in range(12):
        for formulation in formulations_of(small_program(seed), seed):
            best = least(formulation)
            if np.isfinite(best):
                assert solved(formulation, solve_cvxpy).objective == pytest.approx(best, rel=1e-4), seed


def test_greedy_keeps_sides_and_tables() -> None:
    kept = 0
    for seed in range(150):
        program = small_program(seed)
        found = solved(Penalty(program), solve_greedy)  # `certify` refuses what breaks a limit or a side
        assert found.objective >= least(Penalty(program)) * (1 - 1e-9)
        kept += bool(program.underlyings())
    assert kept > 70


def test_a_relaxation_is_never_above_the_program() -> None:
    for seed in range(20):
        for formulation in formulations_of(small_program(seed), seed):
            model, best = formulation.model(integer=False), least(formulation)
            if np.isfinite(best):
                model.problem().solve(solver="CLARABEL")
                assert float(model.objective.value) <= best * (1 + 1e-6) + 1e-9, seed


def test_counting_positions_from_elsewhere_changes_no_value() -> None:
    for seed in range(40):
        program = small_program(seed)
        offset = np.arange(program.size) - 1.0
        shifted = program.shifted(offset)
        point = np.clip(np.round(program.target), program.lower, program.upper)
        assert shifted.separable_cost(point - offset) == pytest.approx(program.separable_cost(point), rel=1e-12)
        assert shifted.one_sided(point - offset) == program.one_sided(point)
        assert shifted.least_cost() == pytest.approx(program.least_cost(), rel=1e-9)


def test_the_least_cost_is_below_that_of_every_point() -> None:
    for seed in range(60):
        program = small_program(seed)
        ranges = [np.arange(low, high + 1) for low, high in zip(program.lower, program.upper, strict=True)]
        costs = program.separable_costs(np.array(list(itertools.product(*ranges))))
        assert program.least_cost() <= costs.min()
        if program.holding is not None or program.tables is not None or program.orders is not None:
            assert program.least_cost() == pytest.approx(costs.min(), rel=1e-9)


def cost_of_an_order(orders: OrderCost, place: int, contracts: int) -> Fraction:
    """In exact arithmetic, but for a square root that is good to forty digits."""
    if contracts == 0:
        return Fraction()
    root = Fraction(math.isqrt(contracts * 10**80), 10**40)
    fee, least, commission, impact = (
        Fraction(float(part[place])) for part in (orders.fee, orders.least, orders.commission, orders.impact)
    )
    return fee + max(least - commission * contracts, Fraction()) + impact * contracts * root


def test_what_orders_cost_is_what_the_formula_says() -> None:
    some = 0
    for seed in range(80):
        program = small_program(seed)
        if program.orders is None:
            continue
        some += 1
        bare = replace(program, orders=None)
        point = np.clip(np.round(program.target), program.lower, program.upper)
        traded, away = np.abs(point - program.previous), np.abs(point - program.zero)
        trades = [cost_of_an_order(program.orders, place, int(q)) for place, q in enumerate(traded)]
        rolls = [
            Fraction(float(program.orders.rolls[place])) * cost_of_an_order(program.orders, place, int(q))
            for place, q in enumerate(away)
        ]
        paid = Fraction(program.separable_cost(point)) - Fraction(bare.separable_cost(point))
        assert float(paid) == pytest.approx(float(sum(trades) + sum(rolls)), rel=1e-12, abs=1e-15)
        assert program.trading_cost(point) == pytest.approx(float(sum(trades)) + bare.trading_cost(point), rel=1e-13)
        assert program.holding_cost(point) == pytest.approx(float(sum(rolls)) + bare.holding_cost(point), rel=1e-13)
        assert program.separable_costs(point[None])[0] == program.separable_cost(point)
    assert some > 20


@pytest.mark.parametrize("seed", range(24))
def test_without_limits_orders_have_the_best_of_all_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, infinite = int(rng.integers(1, 4)), np.inf
    bounded = TrackingProgram(
        factor=rng.normal(size=(size, size)), target=rng.normal(size=size) * 2, previous=rng.integers(-2, 3, size),
        cost=rng.uniform(0.1, 0.4, size), holding=rng.uniform(0.2, 0.3, size), lower=np.full(size, -12.0),
        upper=np.full(size, 12.0), underlying=np.full(size, -1),
    )  # fmt: skip
    bounded = replace(bounded, orders=some_orders(rng, bounded, 1.0))
    free = replace(bounded, lower=np.full(size, -infinite), upper=np.full(size, infinite))
    for formulation in (Penalty, Deadband):
        buffer = () if formulation is Penalty else (0.5,)
        best = least(formulation(bounded, *buffer))
        found = solved(formulation(free, *buffer), solve_branch_and_bound)
        assert found.status.value == "optimal"
        assert found.objective == pytest.approx(best, rel=2 * GAP)


def test_commissions_are_parts_of_costs() -> None:
    arrays = {
        "factor": np.eye(1), "target": np.ones(1), "previous": np.zeros(1), "cost": np.ones(1), "lower": -np.ones(1),
        "upper": np.ones(1),
    }  # fmt: skip
    with pytest.raises(ProgramError, match=r"orders\[0\]: has a commission above the cost of a contract"):
        TrackingProgram(**arrays, orders=OrderCost.of(1, least=1.0, commission=1.5))
    with pytest.raises(ProgramError, match="has a commission of rolls above the cost of holding"):
        TrackingProgram(**arrays, orders=OrderCost.of(1, least=1.0, commission=0.5, rolls=0.1))
    with pytest.raises(ProgramError, match="has a fee that is negative or not finite"):
        TrackingProgram(**arrays, orders=OrderCost.of(1, fee=-1.0))
    with pytest.raises(ProgramError, match="expected fee of 1 instruments"):
        TrackingProgram(**arrays, orders=OrderCost.of(2, fee=1.0))


def test_what_is_no_cost_is_refused() -> None:
    one = np.ones(2)
    arrays = {
        "factor": np.eye(2), "target": one, "previous": one, "cost": one, "lower": -one, "upper": one,
    }  # fmt: skip
    with pytest.raises(ProgramError, match=r"holding\[1\]: is negative"):
        TrackingProgram(**arrays, holding=np.array([0.0, -1.0]))
    with pytest.raises(ProgramError, match=r"tables\[0\]: does not cover the limits"):
        TrackingProgram(**arrays, tables=CostTables.of(2, {0: (0.0, [0.0, 1.0])}))
    with pytest.raises(ProgramError, match=r"tables\[1\]: has an entry that is negative"):
        TrackingProgram(**arrays, tables=CostTables.of(2, {1: (-1.0, [0.0, -1.0, 0.0])}))
    with pytest.raises(ProgramError, match=r"underlying: expected shape \(2,\)"):
        TrackingProgram(**arrays, underlying=np.zeros(3, dtype=int))
