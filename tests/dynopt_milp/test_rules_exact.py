"""Every house rule alone, and every pair of them, against enumeration that is written down here; some against SCIP.

Problems have up to four instruments in boxes of a few contracts. Limits are what some portfolio comes to, a little more
or less than that, a part of it, nothing, or out of reach; half of the bounds of signed sums are not positive.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dynopt_milp import Limits, Problem, Status, example_problem, solve
from dynopt_milp import rules as house
from dynopt_milp.rules import Rule
from dynopt_milp.rules.from_file import KINDS
from tests.conftest import shared

GAP = 1e-9
ROUND_OFF = 1e-12  # what rules and buffers allow
ALONE, PAIRED = 16, 2  # draws of each rule, and of each pair
FORMULATIONS = ("penalty", "deadband", "buffer_edge")
Mask = Any


@dataclass
class Drawn:
    """A problem without rules, all its portfolios, and one that limits are measured by."""

    problem: Problem
    points: np.ndarray
    one: np.ndarray
    random: np.random.Generator

    @classmethod
    def of(cls, random: np.random.Generator) -> Drawn:
        size = int(random.integers(1, 5))
        returns = random.normal(size=(int(random.integers(1, 6)), size)) * 0.1
        shift = random.integers(-2, 3, size)
        lower, upper = shift - random.integers(0, 3, size), shift + random.integers(0, 3, size)
        if random.random() < 0.5:
            lower, upper = np.minimum(lower, 0), np.maximum(upper, 0)
        multiplier = float(random.choice([0.0, 1.0, 10.0]))
        problem = Problem(
            covariance=returns.T @ returns,
            optimal_positions=random.normal(size=size) * 1.5 + shift,
            weight_per_contract=random.uniform(0.1, 0.5, size),
            previous_positions=random.integers(-2, 3, size) + shift * (random.random() < 0.5),
            cost_in_weight_terms=random.uniform(0, 0.02, size) / max(multiplier, 1.0),
            cost_multiplier=multiplier,
            limits=Limits(lower=lower, upper=upper),
            instruments=[f"I{3 * place % 5}" for place in range(size)],
        )
        ranges = [np.arange(low, high + 1) for low, high in zip(lower, upper, strict=True)]
        points = np.array(list(itertools.product(*ranges)), dtype=float)
        return cls(problem, points, points[random.integers(len(points))], random)

    @property
    def size(self) -> int:
        return self.one.size

    def by_name(self, values: Any) -> dict[str, float]:
        return dict(zip(self.problem.instruments, np.asarray(values).tolist(), strict=True))

    def some(self, least: int = 1) -> tuple[list[str], np.ndarray]:
        """Names, and whose they are."""
        chosen = self.random.permutation(self.size)[: int(self.random.integers(least, self.size + 1))]
        return [self.problem.instruments[place] for place in chosen], np.isin(np.arange(self.size), chosen)

    def next_to(self, used: float) -> float:
        factor = self.random.choice([1.0, 1.0, 1 + 1e-9, 1 - 1e-9, self.random.uniform(0.3, 1.5), 0.0])
        return float(used * factor)

    def at_most(self, each: np.ndarray, away: np.ndarray) -> tuple[float, Mask]:
        """A limit of a sum of sizes, and who keeps it."""
        limit = self.next_to(abs(self.one - away) @ each)
        return limit, below(abs(self.points - away) * each, limit)

    def between(self, each: np.ndarray, sizes: bool = False) -> tuple[float | None, float | None, Mask]:
        """Bounds of a sum, and who keeps them."""
        random = self.random
        terms, used = (abs(self.points), abs(self.one)) if sizes else (self.points, self.one)
        terms, sums = terms * each, float(used @ each)
        pair = [self.next_to(sums) + random.choice([0, 0, 0, -1, 1, 3]) * random.normal() for _ in range(2)]
        low, high = sorted(max(bound, 0.0) if sizes else float(bound) for bound in pair)
        if random.random() < 0.3:
            high = low
        choice = random.integers(3)
        lower, upper = None if choice == 0 else low, None if choice == 1 else high
        kept = np.ones(len(self.points), dtype=bool)
        if lower is not None:
            kept &= below(-terms, -lower)
        if upper is not None:
            kept &= below(terms, upper)
        return lower, upper, kept


def below(terms: np.ndarray, limit: float) -> Mask:
    return terms.sum(axis=1) <= limit + ROUND_OFF * (abs(limit) + np.abs(terms).sum(axis=1))


def norms(covariance: Any, weights: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", weights, np.asarray(covariance), weights), 0.0))


def margin(given: Drawn) -> tuple[Rule, Mask]:
    each = given.random.uniform(0, 9000, given.size)
    limit, kept = given.at_most(each, np.zeros(given.size))
    return house.margin(given.by_name(each), limit), kept


def exposure(given: Drawn) -> tuple[Rule, Mask]:
    random = given.random
    each = random.normal(size=given.size) if random.random() < 0.5 else random.integers(-2, 3, given.size) * 1.0
    lower, upper, kept = given.between(each)
    return house.exposure(given.by_name(each), lower, upper), kept


def gross(given: Drawn) -> tuple[Rule, Mask]:
    limit, kept = given.at_most(given.problem.weight_per_contract, np.zeros(given.size))
    return house.gross(limit), kept


def net(given: Drawn) -> tuple[Rule, Mask]:
    lower, upper, kept = given.between(given.problem.weight_per_contract)
    return house.net(lower, upper), kept


def turnover(given: Drawn) -> tuple[Rule, Mask]:
    limit, kept = given.at_most(given.problem.weight_per_contract, given.problem.previous_positions)
    return house.turnover(limit), kept


def cost(given: Drawn) -> tuple[Rule, Mask]:
    problem = given.problem
    rates = problem.cost_in_weight_terms * problem.weight_per_contract
    limit, kept = given.at_most(rates, problem.previous_positions)
    return house.cost(limit), kept


def group(of: str) -> Callable[[Drawn], tuple[Rule, Mask]]:
    def made(given: Drawn) -> tuple[Rule, Mask]:
        names, chosen = given.some()
        each, how = given.problem.weight_per_contract, {}
        if of == "contracts":
            each = np.ones(given.size)
        elif of == "margin":
            each = given.random.uniform(100, 9000, given.size)
            how = {"per_contract": given.by_name(each)}
        lower, upper, kept = given.between(each * chosen, of in ("gross", "margin"))
        return house.group(names, lower, upper, of=of, **how), kept

    return made


def risk(names: bool, own: bool) -> Callable[[Drawn], tuple[Rule, Mask]]:
    def made(given: Drawn) -> tuple[Rule, Mask]:
        problem, matrix, how = given.problem, given.problem.covariance, {}
        chosen = np.ones(given.size, dtype=bool)
        if own:
            returns = given.random.normal(size=(4, given.size)) * 0.1
            matrix = how["covariance"] = returns.T @ returns
        if names:
            how["names"], chosen = given.some()
        exposures = problem.weight_per_contract * chosen
        limit = given.next_to(norms(matrix, (given.one * exposures)[None])[0])
        return house.risk(limit, **how), norms(matrix, given.points * exposures) <= limit * (1 + ROUND_OFF) + 1e-15

    return made


def tracking_error(given: Drawn) -> tuple[Rule, Mask]:
    problem, target = given.problem, given.problem.optimal_positions
    limit = given.next_to(norms(problem.covariance, ((given.one - target) * problem.weight_per_contract)[None])[0])
    found = norms(problem.covariance, (given.points - target) * problem.weight_per_contract)
    return house.tracking_error(limit), found <= limit * (1 + ROUND_OFF) + 1e-15


def max_holdings(given: Drawn) -> tuple[Rule, Mask]:
    most = int(given.random.integers(0, given.size + 1))
    return house.max_holdings(most), (given.points != 0).sum(axis=1) <= most


def max_orders(given: Drawn) -> tuple[Rule, Mask]:
    most = int(given.random.integers(0, given.size + 1))
    return house.max_orders(most), (given.points != given.problem.previous_positions).sum(axis=1) <= most


def one_of(given: Drawn) -> tuple[Rule, Mask]:
    if given.size < 2:
        return max_holdings(given)
    names, chosen = given.some(2)
    return house.one_of(names), (given.points[:, chosen] != 0).sum(axis=1) <= 1


def sizes(kind: str) -> Callable[[Drawn], tuple[Rule, Mask]]:
    def made(given: Drawn) -> tuple[Rule, Mask]:
        names, chosen = given.some()
        free = {"lot": 1, "max_order": 99}.get(kind, 0)
        number = np.where(chosen, given.random.integers(kind == "lot", 5, given.size), free)
        contracts = {name: number[given.problem.instruments.index(name)] for name in names}
        number = np.where(given.problem.lower == given.problem.upper, free, number)
        k, order = given.points, abs(given.points - given.problem.previous_positions)
        kept = {
            "lot": lambda: k % number == 0,
            "min_position": lambda: (k == 0) | (abs(k) >= number),
            "min_order": lambda: (k == 0) | (order == 0) | (order >= number),
            "max_order": lambda: order <= number,
        }[kind]()
        return KINDS[kind](contracts), kept.all(axis=1)

    return made


RULES: dict[str, Callable[[Drawn], tuple[Rule, Mask]]] = {
    "margin": margin, "exposure": exposure, "gross": gross, "net": net, "turnover": turnover, "cost": cost,
    "group net": group("net"), "group gross": group("gross"), "group contracts": group("contracts"),
    "group margin": group("margin"), "risk": risk(False, False), "risk of some": risk(True, False),
    "risk by another": risk(False, True), "risk of some by another": risk(True, True),
    "tracking_error": tracking_error, "max_holdings": max_holdings, "max_orders": max_orders, "one_of": one_of,
    "lot": sizes("lot"), "min_position": sizes("min_position"), "min_order": sizes("min_order"),
    "max_order": sizes("max_order"),
}  # fmt: skip
PLACES = {name: place for place, name in enumerate(RULES)}


def test_no_rule_is_left_out() -> None:
    assert {name.split()[0] for name in RULES} == set(KINDS)


def values(given: Drawn, formulation: str, buffer: float) -> np.ndarray:
    """What each portfolio is worth without rules."""
    problem, u = given.problem, given.problem.weight_per_contract
    error = norms(problem.covariance, (given.points - problem.optimal_positions) * u)
    rates = problem.cost_multiplier * problem.cost_in_weight_terms * u
    paid = abs(given.points - problem.previous_positions) @ rates
    if formulation == "buffer_edge":
        return np.where(error <= buffer * (1 + ROUND_OFF), paid, np.inf)
    return (np.maximum(error - buffer, 0.0) if formulation == "deadband" else error) + paid


def check(names: tuple[str, ...], draw: int, seen: Counter[str]) -> None:
    """Draw a problem with these rules, solve it, and look at all portfolios."""
    random = np.random.default_rng([draw, *map(PLACES.__getitem__, names)])
    given = Drawn.of(random)
    made = [RULES[name](given) for name in names]
    kept = np.logical_and.reduce([mask for _, mask in made])
    formulation = FORMULATIONS[draw % len(FORMULATIONS)]
    near = norms(given.problem.covariance, (given.points - given.problem.optimal_positions)
                 * given.problem.weight_per_contract)  # fmt: skip
    buffer = float(max(np.quantile(near, random.uniform()) * 1.0001, 1e-3))  # next to no portfolio
    worth = np.where(kept, values(given, formulation, buffer), np.inf)
    best = float(worth.min())
    problem = given.problem.replace(rules=[rule for rule, _ in made])
    how = {"buffer": buffer} if formulation != "penalty" else {}
    found = solve(problem, formulation=formulation, gap=GAP, **how)
    about = f"{names}, draw {draw}: {found}, {[str(rule) for rule in problem.rules]}, best {best!r}"
    seen["problems"] += 1
    bounds = [getattr(rule, name, None) for rule, _ in made for name in ("limit", "budget", "upper", "most")]
    seen["not positive"] += any(bound is not None and bound <= 0 for bound in bounds)
    if np.isinf(best):
        seen["infeasible"] += 1
        assert found.status is Status.INFEASIBLE, about
        return
    seen["ruled out"] += not kept[int(values(given, formulation, buffer).argmin())]
    assert found.status is Status.OPTIMAL, about
    assert found.contracts is not None, about
    place = int(np.flatnonzero((given.points == found.contracts).all(axis=1))[0])
    assert kept[place], about
    assert worth[place] == pytest.approx(best, rel=1e-9, abs=1e-15), about
    assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-15), about
    assert found.lower_bound <= best * (1 + 1e-14) + 1e-16, about


@pytest.mark.parametrize("name", RULES)
def test_a_rule_alone_has_the_optimum_of_enumeration(name: str) -> None:
    seen: Counter[str] = Counter()
    for draw in range(ALONE):
        check((name,), draw, seen)
    assert seen["problems"] == ALONE
    assert seen["ruled out"]


@pytest.mark.parametrize("name", RULES)
def test_every_pair_with_a_rule_has_the_optimum_of_enumeration(name: str) -> None:
    seen: Counter[str] = Counter()
    for other in RULES:
        if PLACES[other] >= PLACES[name]:  # two of a kind, too
            for draw in range(PAIRED):
                check((name, other), draw, seen)
    assert seen["problems"] == PAIRED * (len(RULES) - PLACES[name])


def test_draws_are_of_every_sort() -> None:
    seen: Counter[str] = Counter()
    for name, other in itertools.islice(itertools.combinations(RULES, 2), 0, None, 7):
        check((name, other), 99, seen)
    for sort in ("infeasible", "not positive", "ruled out"):
        assert seen[sort] > 0.1 * seen["problems"], seen


@pytest.mark.parametrize(
    ("rule", "contracts"),
    [
        (house.net(lower=5), [4, 1]),
        (house.exposure({"A": 1.0}, lower=3), [3, -2]),
        (house.group(["B"], lower=1, of="contracts"), [2, 1]),
    ],
    ids=str,
)
def test_without_limits_a_first_portfolio_is_found_where_no_part_of_the_target_keeps_the_rule(
    rule: Rule, contracts: list[int]
) -> None:  # fmt: skip
    problem = Problem(np.eye(2) * 0.04, [1.6, -2.2], [1.0, 1.0], instruments=["A", "B"], rules=rule)
    found = solve(problem)
    assert found.status is Status.OPTIMAL
    assert np.asarray(found.contracts).tolist() == contracts


def test_what_rules_bound_may_be_far_from_all_that_is_named() -> None:
    problem = Problem(
        np.eye(3) * 0.04, [1.6, -2.2, 0.7], [0.1] * 3, instruments=["A", "B", "C"],
        limits=Limits(lower={"A": 0, "B": 0}, upper={"A": 100, "B": 100}),
        rules=house.group(["A", "B"], lower=30, of="contracts"),
    )  # fmt: skip
    found = solve(problem, gap=GAP)
    assert found.status is Status.OPTIMAL
    assert np.asarray(found.contracts).tolist() == [17, 13, 1]
    far = example_problem(250_000).replace(
        rules=house.group(["NIKKEI_micro", "GAS_mini"], lower=0.8, upper=2.0, of="gross")
    )
    assert solve(far, time_limit=5).contracts is not None


@pytest.mark.parametrize(
    "rules",
    [
        [house.net(lower=1), house.net(upper=0.5)],
        [house.exposure({"A": 2.0, "B": 4.0}, lower=3, upper=3)],  # an odd multiple of two
        [house.group(["A", "B"], lower=0.2, upper=0.8, of="contracts"), house.gross(9)],
        [house.exposure({"B": 0.3}, lower=0.1, upper=0.2), house.net(lower=1)],
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["exact", "scip", "enumerate"])
def test_bounds_that_cross_leave_nothing_though_nothing_bounds_positions(rules: list[Rule], method: str) -> None:
    problem = Problem(np.eye(2) * 0.04, [1.6, -2.2], [0.3, 0.2], instruments=["A", "B"], rules=rules)
    found = solve(problem, method)
    assert found.status is Status.INFEASIBLE
    assert found.gap == np.inf
    assert found.to_dict()["gap"] is None
    if method == "exact":
        assert found.conflict is not None
        assert found.conflict.irreducible
        assert found.conflict.remedies


@pytest.mark.parametrize(
    ("rule", "contracts"),
    [
        (house.exposure({"A": 2.0, "B": -3.0}, lower=1, upper=1), [2, 1]),
        (house.exposure({"A": 0.1, "B": 0.1}, lower=0.3, upper=0.3), [2, 1]),  # 0.1 + 0.1 + 0.1 is not 0.3
        (house.net(lower=0.3, upper=0.3), [1, 0]),
    ],
    ids=str,
)
def test_bounds_that_meet_do_not_cross(rule: Rule, contracts: list[int]) -> None:
    problem = Problem(
        np.eye(2) * 0.04, [1.6, 0.8], [0.3, 0.2], instruments=["A", "B"], rules=rule, limits=Limits(lower=-9, upper=9)
    )  # fmt: skip
    found = solve(problem)
    assert found.status is Status.OPTIMAL
    assert np.asarray(found.contracts).tolist() == contracts


def test_without_time_the_answer_is_what_is_wanted_scaled_down() -> None:
    random, size = np.random.default_rng(1), 60
    returns, target = random.normal(size=(70, size)) * 0.02, random.normal(size=size) * 2
    names = [f"I{place:03d}" for place in range(size)]
    groups = [house.group(random.choice(names, 5, replace=False).tolist(), upper=0.4, of="gross") for _ in range(20)]
    problem = Problem(
        returns.T @ returns, target, random.uniform(0.01, 0.3, size), np.rint(target), 1e-4, 50, instruments=names,
        rules=[house.gross(10), house.max_holdings(40), *groups],
    )  # fmt: skip
    program = problem.program()
    scaled = [np.round(scale * target) for scale in np.linspace(0, 1, 41)]
    best = min(program.objective(one) for one in scaled if program.contains(one))
    assert solve(problem, time_limit=0).objective <= best


# The real problems, where SCIP proves them within its time.

REAL = ("single_2012-06-26_50k_lam50", "single_2016-11-15_100k_lam50", "all_2019-08-13_50k_lam50")
SCIP_SECONDS = 8.0


def on_real(kind: str, problem: Problem, free: np.ndarray) -> list[Rule]:
    """A rule, or two, that the optimum without them breaks."""
    u, p = problem.weight_per_contract, problem.previous_positions
    half = list(problem.instruments[: len(u) // 2])
    held = int((free != 0).sum())
    risk_of = float(norms(problem.covariance, (free * u)[None])[0])
    made: dict[str, Callable[[], list[Rule]]] = {
        "gross": lambda: [house.gross(0.8 * float(abs(free) @ u))],
        "risk": lambda: [house.risk(0.9 * risk_of)],
        "gross and risk": lambda: [house.gross(0.85 * float(abs(free) @ u)), house.risk(0.9 * risk_of)],
        "net of a group": lambda: [house.group(half, upper=float(free[: len(half)] @ u[: len(half)]) - 0.05)],
        "orders": lambda: [house.max_orders(max(int((free != p).sum()) - 1, 0))],
        "holdings": lambda: [house.max_holdings(max(held - 1, 0))],
        "lots": lambda: [house.lot(dict.fromkeys(half, 2)), house.gross(0.95 * float(abs(free) @ u))],
    }
    return made[kind]()


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("kind", ["gross", "risk", "gross and risk", "net of a group", "orders", "holdings", "lots"])
def test_on_a_real_problem_scip_finds_the_same(name: str, kind: str) -> None:
    problem = Problem.from_json(shared("instances") / f"{name}.json")
    free = solve(problem, gap=GAP).contracts
    assert free is not None
    ruled = problem.replace(rules=on_real(kind, problem, np.asarray(free, dtype=float)))
    mine = solve(ruled, gap=GAP)
    assert mine.status is Status.OPTIMAL
    other = solve(ruled, "scip", time_limit=SCIP_SECONDS)
    if other.contracts is not None:
        assert mine.lower_bound <= other.objective * (1 + 1e-14)
    assert other.lower_bound <= mine.objective * (1 + 1e-14)
    if other.status is Status.OPTIMAL:
        assert other.objective == pytest.approx(mine.objective, rel=1e-9)
