"""Every buffer rule keeps the house rules; the book's goes on from α to the first portfolio that does."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest

from dynopt_milp import NoPortfolioError, Problem, Status, rebalance, rules, solve
from dynopt_milp.errors import RulesError
from dynopt_milp.rules import rule_from_dict
from dynopt_milp.trades.buffer import adjustment_factor, buffered_trades, later_factors
from tests.dynopt_milp.test_rules_exact import RULES, Drawn, norms


def test_with_every_pair_of_rules_no_buffer_breaks_one() -> None:
    seen: Counter[str] = Counter()
    pairs = itertools.combinations_with_replacement(RULES, 2)
    for draw, names in itertools.islice(enumerate(pairs), 0, None, 3):
        random = np.random.default_rng([23, draw])
        given = Drawn.of(random)
        made = [RULES[name](given) for name in names]
        kept = np.logical_and.reduce([mask for _, mask in made])
        problem = given.problem.replace(rules=[rule for rule, _ in made])
        buffer_rule = ("book", "edge", "deadband", None)[draw % 4]
        if not kept.any():
            with pytest.raises(NoPortfolioError, match="infeasible"):
                rebalance(problem, buffer_rule=buffer_rule, buffer_fraction=0.3)
            seen["infeasible"] += 1
            continue
        done = rebalance(problem, buffer_rule=buffer_rule, buffer_fraction=0.3)
        place = int(np.flatnonzero((given.points == done.contracts).all(axis=1))[0])
        assert kept[place], (names, buffer_rule)
        assert done.status is Status.OPTIMAL
        seen[f"{buffer_rule}"] += 1
        best = np.asarray(done.optimised.contracts, dtype=float)
        held = np.clip(problem.previous_positions, problem.lower, problem.upper)
        if buffer_rule == "book":
            first = adjustment_factor(problem.program().distance(held, best), done.buffer)
            expected = plainly_first(given.points, kept, held, best, first)
            assert done.contracts.tolist() == expected.tolist(), names
            assert done.adjustment_factor is not None
            assert (held + buffered_trades(held, best, done.adjustment_factor) == done.contracts).all()
            seen["later"] += done.adjustment_factor > first
        if buffer_rule == "edge":
            u = problem.weight_per_contract
            inside = kept & (norms(problem.covariance, (given.points - best) * u) <= done.buffer * (1 + 1e-12))
            paid = abs(given.points - problem.previous_positions) @ (problem.cost_in_weight_terms * u)
            assert paid[place] == pytest.approx(paid[inside].min(), rel=1e-9, abs=1e-15)
    assert min(seen.values()) >= 3, seen
    assert len(seen) == 6


def plainly_first(
    points: np.ndarray, kept: np.ndarray, held: np.ndarray, best: np.ndarray, first: float
) -> np.ndarray:  # fmt: skip
    """Of all a in fractions where rounding changes, and between them, the first whose portfolio keeps the rules."""
    away = [abs(int(far)) for far in best - held]
    jumps = {Fraction(2 * j + 1, 2 * far) for far in away for j in range(far)}
    between = sorted({Fraction(first), Fraction(1), *(jump for jump in jumps if jump >= first)})
    tried = sorted({*between, *((one + other) / 2 for one, other in itertools.pairwise(between))})
    for a in tried:
        after = held + np.array([float(round(a * Fraction(int(far)))) for far in best - held])
        place = np.flatnonzero((points == after).all(axis=1))[0]
        if kept[place]:
            return after
    raise AssertionError("the optimum keeps them")


def test_factors_are_one_for_each_portfolio_on_the_way() -> None:
    held, best = np.array([0.0, 10.0, -3.0]), np.array([3.0, 6.0, -3.0])
    portfolios = [held + buffered_trades(held, best, a) for a in later_factors(held, best, 0.2)]
    assert [after.tolist() for after in portfolios] == [
        [1.0, 8.0, -3.0], [2.0, 8.0, -3.0], [2.0, 7.0, -3.0], [3.0, 7.0, -3.0], [3.0, 6.0, -3.0], [3.0, 6.0, -3.0],
    ]  # fmt: skip
    assert list(later_factors(held, held, 0.0)) == [1.0]


def capped(**more: object) -> Problem:
    return Problem(
        np.diag([0.04, 0.03]), [8.0, 0.0], [0.1, 0.1], previous_positions=[0, 6], instruments=["A", "B"], **more
    )  # type: ignore[arg-type]


def test_the_buffer_goes_no_farther_than_the_rule_needs() -> None:
    free = rebalance(capped(), buffer_fraction=0.5)
    assert free.contracts.tolist() == [4, 3]  # half of the way
    ruled = rebalance(capped(rules=rules.exposure({"B": 1.0}, upper=2)), buffer_fraction=0.5)
    assert ruled.contracts.tolist() == [5, 2]
    assert ruled.adjustment_factor == pytest.approx(7 / 12)


def test_constraints_of_ones_own_are_kept_the_same_way() -> None:
    def few(positions: cp.Expression) -> list[cp.Constraint]:
        return [positions[1] <= 2]

    done = rebalance(capped(), buffer_fraction=0.5, constraints=few)
    assert done.contracts.tolist() == [5, 2]


def test_at_the_edge_a_tracking_error_is_that_of_the_target_of_the_problem() -> None:
    problem = capped(cost_in_weight_terms=0.01, cost_multiplier=0.0)
    free = rebalance(problem, buffer_rule="edge", buffer_fraction=0.5)
    error = free.tracking_error
    capped_error = rebalance(
        problem.replace(rules=rules.tracking_error(error * 0.7)), buffer_rule="edge", buffer_fraction=0.5
    )
    assert capped_error.tracking_error <= error * 0.7
    assert capped_error.contracts.tolist() != capped_error.optimised.positions.tolist()


def test_a_tracking_error_of_another_target() -> None:
    problem = capped()
    near_held = problem.replace(rules=rules.tracking_error(0.02, target={"A": 0, "B": 6}))
    kept = solve(near_held)
    assert kept.status is Status.OPTIMAL
    away = (kept.positions - [0, 6]) * 0.1
    assert float(np.sqrt(away @ problem.covariance @ away)) <= 0.02 * (1 + 1e-12)
    rule = near_held.rules[0]
    assert str(rule) == "tracking_error: sqrt(e'Σe) ≤ 0.02, τ of its own"
    assert rule_from_dict(rule.to_dict()) == rule
    assert rule.with_target({"A": 1.0}) == rule
    with pytest.raises(RulesError, match="tracking_error: target: is missing"):
        solve(problem.replace(rules=rules.tracking_error(0.02, target={"A": 0})))
    with pytest.raises(RulesError, match="tracking_error: target: expected a"):
        rules.tracking_error(0.02, target={"A": "much", "B": 1})
