"""The kinds of problems: random ones, and ones constructed where float64 and the proofs are weakest."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dynopt_milp import Limits, OrderCosts, Problem, example_problem
from dynopt_milp.errors import InputError
from dynopt_milp.problem.limits import RULES
from dynopt_milp.rules import rule_from_dict
from formulations import FloatArray
from tests.attack.house import RuleDict, draw_rules

Random = np.random.Generator


@dataclass
class Given:
    """The arguments of a problem, as far as its kind says what they are; the rest is drawn."""

    covariance: FloatArray
    weight: FloatArray
    target: FloatArray | None = None
    held: FloatArray | None = None
    cost: FloatArray | None = None
    multiplier: float | None = None
    limits: dict[str, Any] | None = None
    holding: FloatArray | None = None
    orders: dict[str, list[float]] | None = None
    underlying: list[str] | None = None
    planted: list[tuple[int, ...]] = field(default_factory=list)
    ruled: bool = False
    bounding: bool = False  # a rule bounds positions
    rules: list[RuleDict] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.weight)

    def arguments(self) -> dict[str, Any]:
        """The arguments in plain Python, which their repr makes again."""
        assert self.target is not None
        assert self.held is not None
        assert self.cost is not None
        return {
            "covariance": (self.covariance + 0.0).tolist(), "optimal_positions": (self.target + 0.0).tolist(),
            "weight_per_contract": self.weight.tolist(), "previous_positions": (self.held + 0.0).tolist(),
            "cost_in_weight_terms": self.cost.tolist(), "cost_multiplier": self.multiplier,
            "limits": self.limits or {}, "instruments": names(self.size),
        } | ({} if self.holding is None else {"holding_cost": self.holding.tolist()}) | (
            {} if self.underlying is None else {"underlying": self.underlying}
        ) | ({} if self.orders is None else {"order_costs": self.orders}) | (
            {"rules": self.rules} if self.rules else {}
        )  # fmt: skip


def names(size: int) -> list[str]:
    """Names that are not in the order of the arrays."""
    return [f"F{(7 * place + 3) % 31:02d}" for place in range(size)]


def make(arguments: dict[str, Any]) -> Problem:
    """The problem of these arguments."""
    rules = [rule_from_dict(rule) for rule in arguments.get("rules", [])]
    orders = OrderCosts(**arguments["order_costs"]) if "order_costs" in arguments else None
    return Problem(**arguments | {"limits": Limits(**arguments["limits"]), "rules": rules, "order_costs": orders})


def draw(kind: str, random: Random) -> Given:
    """A problem of a kind, what the kind leaves open drawn at random."""
    given = KINDS[kind](random)
    if given.target is None:
        given.target = _target(given, random)
    if given.held is None:
        given.held = _held(given, random)
    if given.multiplier is None:
        given.multiplier = float(random.choice([0.0, 1e-9, 1e-3, 1.0, 10.0, 50.0, 1e6]))
    if given.cost is None:
        given.cost = _cost(given, random)
    if given.limits is None:
        given.limits = _limits(given, random)
    if random.random() < 0.25:
        given.holding = _cost(given, random) * _power(random, -3, 0)
    if random.random() < 0.2:
        with suppress(InputError):  # more may be held than there can be with costs of orders
            orders = _orders(given, random)
            make(given.arguments() | {"order_costs": orders})
            given.orders = orders
    if random.random() < 0.25:
        given.underlying = _underlying(given, random)
        with suppress(InputError):  # limits may demand opposite positions of two sizes
            sided = given.limits | {"one_side": True}
            make(given.arguments() | {"limits": sided})
            given.limits = sided
    if given.ruled:
        with suppress(InputError):  # what is no problem without rules is none with them
            given.rules, around = draw_rules(make(given.arguments()), random, given.bounding)
            given.planted += around
    return given


def _any(random: Random, *choices: Callable[[], Any]) -> Any:
    return choices[int(random.integers(len(choices)))]()


def _few(random: Random, most: int = 8) -> int:
    """A number of instruments, small ones most often."""
    return int(min(random.choice([1, 2, 2, 3, 3, 4, 4, 5, 6, 8]), most))


def _power(random: Random, least: float, most: float) -> float:
    return float(10.0 ** random.uniform(least, most))


def _deviation(random: Random, size: int) -> FloatArray:
    return random.uniform(0.03, 0.5, size)


def _weight(random: Random, size: int) -> FloatArray:
    return _any(random, lambda: random.uniform(0.02, 0.6, size), lambda: 10.0 ** random.uniform(-4, 0, size))


def _risk(given: Given) -> FloatArray:
    """What a contract adds to the tracking error by itself."""
    return np.sqrt(np.maximum(given.covariance.diagonal(), 0.0)) * given.weight


# What a kind leaves open.


def _target(given: Given, random: Random) -> FloatArray:
    size = given.size
    small = random.normal(scale=random.choice([0.5, 3.0, 30.0]), size=size)
    return _any(
        random,
        lambda: small,
        lambda: small,
        lambda: np.rint(small),
        lambda: np.floor(small) + 0.5,
        lambda: np.rint(small) + random.choice([-1, 1], size) * _power(random, -17, -3),
        lambda: small * _power(random, 2, 9),
    )


def _held(given: Given, random: Random) -> FloatArray:
    size = given.size
    assert given.target is not None
    return _any(
        random,
        lambda: np.zeros(size),
        lambda: np.rint(given.target + random.normal(scale=2.0, size=size)),
        lambda: random.integers(-4, 5, size).astype(np.float64),
        lambda: np.rint(random.normal(size=size) * _power(random, 1, 9)) * (random.random(size) < 0.5),
    )


def _cost(given: Given, random: Random) -> FloatArray:
    """Costs that are a part of the risk of a contract, after the multiplier, most often."""
    size = given.size
    if random.random() < 0.25:
        return np.zeros(size)
    deviation = np.sqrt(np.maximum(given.covariance.diagonal(), 0.0))
    cost = deviation * 10.0 ** random.uniform(-4, 0.7, size)
    if given.multiplier and random.random() < 0.8:
        cost = cost / given.multiplier
    if random.random() < 0.3:
        cost[random.random(size) < 0.5] = 0.0
    return cost


def _orders(given: Given, random: Random) -> dict[str, list[float]]:
    """Fees, least commissions, impacts and orders of rolls, each for some, of about what contracts cost and risk."""
    size, multiplier = given.size, given.multiplier or 1.0
    assert given.cost is not None
    contract = given.cost * given.weight
    scale = np.where(contract > 0, contract, _risk(given) / multiplier)

    def some(least: float, most: float) -> FloatArray:
        return scale * 10.0 ** random.uniform(least, most, size) * (random.random(size) < 0.5)

    commission = contract * random.choice([0.0, 0.3, 1.0], size)
    orders = {"per_order": some(-2, 1), "minimum": some(-1, 1), "commission": commission, "impact": some(-3, 0.5)}
    if given.holding is not None and random.random() < 0.5:
        held = given.holding * given.weight
        rolls = random.uniform(0, 1, size)
        with np.errstate(divide="ignore", invalid="ignore"):
            orders["rolls"] = np.where(commission > 0, np.minimum(rolls, held / commission), rolls)
    return {name: part.tolist() for name, part in orders.items()}


def _box(centre: FloatArray, random: Random) -> dict[str, Any]:
    below, above = random.integers(0, 4, (2, len(centre)))
    return {"lower": (np.rint(centre) - below).tolist(), "upper": (np.rint(centre) + above).tolist()}


def _limits(given: Given, random: Random) -> dict[str, Any]:
    size = given.size
    target, held = given.target, given.held
    assert target is not None
    assert held is not None
    some = [name for name in names(size) if random.random() < 0.4]
    rule = str(random.choice([rule for rule in RULES if rule != "one_side"]))
    least = [-math.inf if random.random() < 0.5 else float(low) for low in random.integers(-3, 1, size)]
    return _any(
        random,
        dict,
        dict,
        lambda: _box(target, random),
        lambda: _box(target, random),
        lambda: _box(np.zeros(size), random),
        lambda: _box(held, random),
        lambda: {"lower": least},
        lambda: {rule: some},
    )


def _underlying(given: Given, random: Random) -> list[str]:
    """Those that move together most often, else any."""
    if random.random() < 0.3:
        return [f"U{number}" for number in random.integers(0, 3, given.size)]
    risk = _risk(given)
    together = given.covariance * np.outer(given.weight, given.weight) > 0.99 * np.outer(risk, risk)
    return [f"U{int(np.flatnonzero(row | (np.arange(given.size) == place))[0])}" for place, row in enumerate(together)]


# The kinds.


def _of_factor(factor: FloatArray, random: Random) -> Given:
    return Given(factor.T @ factor, _weight(random, factor.shape[1]))


def _correlated(correlation: FloatArray, random: Random) -> Given:
    size = len(correlation)
    deviation = _any(random, lambda: np.ones(size), lambda: _deviation(random, size))
    return Given(correlation * np.outer(deviation, deviation), _weight(random, size))


def ordinary(random: Random) -> Given:
    """A random covariance of full rank."""
    size = _few(random)
    return _of_factor(random.normal(size=(size + int(random.integers(3)), size)) * 0.1, random)


def round_numbers(random: Random) -> Given:
    """Whole and half numbers everywhere: ties."""
    size = _few(random, 5)
    factor = random.integers(-2, 3, (size, size)).astype(np.float64)
    return Given(
        factor.T @ factor, np.full(size, float(random.choice([0.25, 1.0]))),
        target=random.integers(-6, 7, size) / 2, cost=random.integers(0, 3, size) / 4, multiplier=1.0,
    )  # fmt: skip


def ill_conditioned(random: Random) -> Given:
    """Eigenvalues spread over up to eighteen powers of ten."""
    size = max(_few(random), 2)
    turn = np.linalg.qr(random.normal(size=(size, size)))[0]
    values = np.logspace(0, -random.uniform(2, 18), size)
    matrix = (turn * values) @ turn.T
    return Given((matrix + matrix.T) / 2, _weight(random, size))


def _kahan_factor(size: int, pivot: float) -> FloatArray:
    """A triangle whose smallest pivot says nothing of its smallest singular value."""
    sine = pivot ** (1 / (2 * (size - 1)))
    triangle = np.eye(size) - math.sqrt(1 - sine * sine) * np.triu(np.ones((size, size)), 1)
    triangle *= (sine ** np.arange(size))[:, None]
    return triangle / np.sqrt((triangle * triangle).sum(axis=0))


def kahan(random: Random) -> Given:
    """A Kahan matrix, held far along the direction it has next to no risk in, at costs that all but keep it there."""
    size, pivot = _any(
        random,
        lambda: (int(random.integers(3, 21)), _power(random, -8, -1)),
        lambda: (int(random.integers(15, 21)), _power(random, -6, -4)),
    )
    factor = _kahan_factor(size, pivot)
    return _held_along_null(factor, random)


def _held_along_null(factor: FloatArray, random: Random) -> Given:
    size = factor.shape[1]
    weight = _any(random, lambda: np.ones(size), lambda: _weight(random, size))
    covariance = factor.T @ factor
    risk = factor * weight
    null = np.linalg.svd(risk)[2][-1]
    target = _any(random, lambda: np.zeros(size), lambda: random.normal(size=size))
    most = _any(random, lambda: _power(random, 1, 9), lambda: _power(random, 7, 9))
    held = np.rint(target + null / np.abs(null).max() * most)
    away = risk @ (held - target)
    length = math.sqrt(away @ away)
    pull = risk.T @ away / length if length else np.zeros(size)
    unit = np.abs(pull) * (1 + 10.0 ** random.uniform(-12, -1, size)) + _power(random, -12, -3)
    one = int(random.integers(size))
    step = held.copy()
    step[one] -= np.sign(pull[one]) or 1.0
    there = risk @ (step - target)
    gain = length - math.sqrt(there @ there)
    if gain > 0:  # one contract back pays by a little
        unit[one] = gain * (1 - _power(random, -6, -0.3))
    return Given(
        covariance, weight, target=target, held=held, cost=unit / weight, multiplier=1.0,
        planted=[tuple(int(number) for number in step)],
    )  # fmt: skip


def held_far_in_a_flat_direction(random: Random) -> Given:
    """The same with eigenvalues spread at random."""
    size = max(_few(random), 2)
    turn = np.linalg.qr(random.normal(size=(size, size)))[0]
    return _held_along_null(np.logspace(0, -random.uniform(1, 8), size)[:, None] * turn, random)


def sizes(random: Random) -> Given:
    """Full, mini and micro contracts of a market, the sizes whole multiples of each other, or nearly."""
    markets = int(random.integers(1, 4))
    market = np.sort(np.r_[np.arange(markets), random.integers(0, markets, int(random.integers(1, 4)))])
    size = len(market)
    factor = random.normal(size=(markets + 1, markets)) * 0.1
    within = 1 - random.choice([0.0, _power(random, -16, -3)])
    covariance = (factor.T @ factor)[np.ix_(market, market)]
    covariance = np.where((market[:, None] == market) & ~np.eye(size, dtype=bool), covariance * within, covariance)
    weight = random.uniform(0.1, 2.0, markets)[market] * random.choice([1.0, 0.2, 0.1, 0.02, 0.01], size)
    if random.random() < 0.5:
        weight *= 1 + random.normal(size=size) * _power(random, -16, -6)
    return Given(covariance, weight)


def blocks(random: Random) -> Given:
    """Blocks of correlations of one and minus one."""
    size = max(_few(random), 2)
    block, sign = random.integers(0, 3, size), random.choice([-1.0, 1.0], size)
    between = random.uniform(-0.3, 0.3)
    correlation = np.where(block[:, None] == block, 1.0, between) * np.outer(sign, sign)
    return _correlated(correlation, random)


def rank_one(random: Random) -> Given:
    """All instruments are one."""
    size = max(_few(random, 6), 2)
    deviation = _deviation(random, size) * random.choice([-1.0, 1.0], size)
    return Given(np.outer(deviation, deviation), _weight(random, size))


def far_hedged(random: Random) -> Given:
    """Targets of up to 1e10 contracts that hedge each other, and limits near zero."""
    size = max(_few(random, 5), 2)
    rank = int(random.integers(1, size + 1)) if random.random() < 0.5 else 1
    factor = random.normal(size=(rank, size)) * 0.2
    weight = random.uniform(0.05, 0.2, size)
    risk = factor * weight
    null = np.linalg.svd(risk)[2][-1]
    big = _power(random, 3, 10)
    target = np.rint(null * big) + random.uniform(size=size)
    if rank == 1:
        other = target[1:] @ risk[0, 1:]
        target[0] = -other / risk[0, 0] + random.uniform(-2, 2)
    given = Given(factor.T @ factor, weight, target=np.clip(target, -(2.0**52), 2.0**52))
    if random.random() < 0.8:
        most = int(random.integers(1, 5))
        given.limits = {"lower": -most, "upper": most}
    if random.random() < 0.5:
        given.cost = np.zeros(size)
    return given


def far_and_alike(random: Random) -> Given:
    """Correlations that differ from one by what float64 just holds, and targets far apart."""
    size = max(_few(random), 2)
    correlation = np.eye(size)
    correlation[0, 1] = correlation[1, 0] = random.choice([-1.0, 1.0]) * (1 - _power(random, -16, -9))
    given = _correlated(correlation, random)
    if random.random() < 0.6:
        given.weight = np.ones(size)
    big = _power(random, 2, 9)
    target = random.normal(size=size)
    risk = _risk(given)
    target[0] += big
    target[1] += -np.sign(correlation[0, 1]) * big * risk[0] / risk[1]
    given.target = target
    if random.random() < 0.7:
        given.limits = {"lower": -2 * math.ceil(big * 10), "upper": 2 * math.ceil(big * 10)}
    if random.random() < 0.6:
        given.cost = np.zeros(size)
    return given


def indefinite(random: Random) -> Given:
    """A singular covariance with round-off, or a little more, in its entries."""
    size = max(_few(random), 2)
    factor = random.normal(size=(int(random.integers(1, size)), size)) * 0.2
    matrix = factor.T @ factor
    noise = random.normal(size=(size, size)) * _power(random, -17, -10) * np.abs(matrix)
    return Given(matrix + (noise + noise.T) / 2, _weight(random, size))


def far_held(random: Random) -> Given:
    """Up to 1e9 contracts held, and little to pay for trading them."""
    given = ordinary(random)
    given.held = np.rint(random.normal(size=given.size) * _power(random, 3, 9))
    given.multiplier = 1.0
    given.cost = np.sqrt(given.covariance.diagonal()) * 10.0 ** random.uniform(-11, -1, given.size)
    return given


def scales(random: Random) -> Given:
    """Weights from 1e-12 to 1e6."""
    size = _few(random, 5)
    given = _of_factor(random.normal(size=(size, size)) * _power(random, -4, 1), random)
    given.weight = 10.0 ** random.uniform(*np.sort(random.uniform(-12, 6, 2)), size)
    if random.random() < 0.5:
        given.target = np.clip(random.normal(size=size) / given.weight * _power(random, -3, 1), -1e10, 1e10)
    return given


def whole_target(random: Random) -> Given:
    """A target of whole numbers, or all but whole: an objective of zero, or all but zero."""
    given = _any(random, lambda: ordinary(random), lambda: sizes(random), lambda: rank_one(random))
    size = given.size
    given.target = np.rint(random.normal(scale=5.0, size=size))
    given.target += random.choice([0.0, 1.0]) * random.normal(size=size) * _power(random, -17, -5)
    if random.random() < 0.6:
        given.cost = np.zeros(size)
    return given


def chained_ties(random: Random) -> Given:
    """Contracts that add less than any tolerance each, and much together."""
    deviation = random.uniform(0.1, 1.0)
    matrix = np.array([[1.0, -1.0], [-1.0, 1.0]]) * deviation**2
    size, most = _power(random, -14, -7), int(_power(random, 1, 3.4))
    return Given(
        matrix, np.array([1.0, size]), target=np.array([1.0, 0.0]), held=np.array([0.0, most]),
        cost=_any(random, lambda: np.zeros(2), lambda: np.array([0.0, deviation * _power(random, -3, 0)])),
        multiplier=1.0, limits={"lower": [0.0, 0.0], "upper": [0.0, float(most)]},
    )  # fmt: skip


def portfolio(random: Random) -> Given:
    """Five to twenty instruments with factors, costs and positions like a trader's."""
    if random.random() < 0.05:
        problem = example_problem(_power(random, 4.3, 6), seed=int(random.integers(1000)))
        chosen = np.sort(random.permutation(len(problem.instruments))[:20])
        return Given(
            problem.covariance[np.ix_(chosen, chosen)], problem.weight_per_contract[chosen],
            target=problem.optimal_positions[chosen], held=problem.previous_positions[chosen],
            cost=problem.cost_in_weight_terms[chosen], multiplier=50.0,
        )  # fmt: skip
    return _traded(int(random.integers(5, 21)), random)


def _traded(size: int, random: Random) -> Given:
    loadings = random.normal(size=(size, 4)) * np.array([1.0, 0.7, 0.5, 0.3])
    matrix = loadings @ loadings.T + np.diag(random.uniform(0.2, 1.5, size))
    scale = _deviation(random, size) / np.sqrt(matrix.diagonal())
    target = random.normal(scale=random.choice([0.5, 2.0, 8.0]), size=size)
    return Given(
        matrix * np.outer(scale, scale), random.uniform(0.02, 0.6, size), target=target,
        held=np.rint(target + random.normal(size=size)), cost=random.uniform(1e-5, 4e-4, size),
        multiplier=float(random.choice([10.0, 50.0])),
    )  # fmt: skip


def wide(random: Random) -> Given:
    """Fifteen to thirty instruments."""
    given = _traded(int(random.integers(15, 31)), random)
    given.multiplier = float(random.choice([0.0, 1.0, 10.0]))
    return given


def ruled(random: Random) -> Given:
    """House rules on what is easy otherwise."""
    given = _any(random, lambda: ordinary(random), lambda: round_numbers(random), lambda: blocks(random))
    given.ruled = True
    if random.random() < 0.5:
        given.limits = _box(random.integers(-2, 3, given.size).astype(np.float64), random)
    return given


def ruled_sizes(random: Random) -> Given:
    """House rules on sizes of one contract, merged or not."""
    given = _any(random, lambda: sizes(random), lambda: sizes(random), lambda: rank_one(random))
    given.ruled = True
    return given


def ruled_far(random: Random) -> Given:
    """House rules where float64 is weak without them."""
    hard = (
        ill_conditioned, held_far_in_a_flat_direction, far_hedged, far_and_alike, indefinite, far_held, scales,
        whole_target, chained_ties,
    )  # fmt: skip
    given = hard[int(random.integers(len(hard)))](random)
    given.ruled = True
    return given


def bounded_by_rules(random: Random) -> Given:
    """No limits and few costs; some instruments have no risk, or none together: rules bound them, if anything does."""
    given = _any(random, lambda: ordinary(random), lambda: rank_one(random), lambda: sizes(random))
    given.limits = {}
    if random.random() < 0.5:
        some = random.random(given.size) < 0.5
        given.covariance = np.where(some[:, None] | some, 0.0, given.covariance)
    if random.random() < 0.6:
        given.cost = np.zeros(given.size)
    given.ruled = given.bounding = True
    return given


def ruled_trader(random: Random) -> Given:
    """House rules on what a trader holds."""
    given = _traded(int(random.integers(5, 13)), random)
    given.ruled = True
    return given


KINDS: dict[str, Callable[[Random], Given]] = {
    "ordinary": ordinary,
    "round numbers": round_numbers,
    "ill-conditioned": ill_conditioned,
    "Kahan": kahan,
    "flat direction": held_far_in_a_flat_direction,
    "sizes": sizes,
    "blocks of ±1": blocks,
    "rank one": rank_one,
    "far, hedged": far_hedged,
    "far, alike": far_and_alike,
    "indefinite": indefinite,
    "far held": far_held,
    "scales": scales,
    "whole target": whole_target,
    "chained ties": chained_ties,
    "portfolio": portfolio,
    "wide": wide,
    "rules": ruled,
    "rules, sizes": ruled_sizes,
    "rules, far": ruled_far,
    "rules alone": bounded_by_rules,
    "rules, trader": ruled_trader,
}
"""The kinds by name, in the order in which problems go through them."""
