"""House rules at random: of every kind, with limits at what some portfolio comes to, next to it, or far from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dynopt_milp import Problem
from dynopt_milp.rules.arguments import MOST_RISK, MOST_SHARES
from dynopt_milp.rules.from_file import KINDS
from formulations import FloatArray
from tests.attack.exact import ExactValues, Portfolio, Question
from tests.attack.known import best_known, clipped

Random = np.random.Generator
RuleDict = dict[str, Any]
BOUNDING = ("margin", "gross", "turnover", "risk", "tracking_error", "max_order", "exposure")
"""Kinds that bound positions, where nothing else does."""
NEXT_TO = (0.0, 0.0, 0.0, 1e-9, -1e-9, 1e-13, -1e-13)
LARGEST_SIZE = 2**40


def reference_portfolios(problem: Problem, random: Random) -> list[Portfolio]:
    """Portfolios that limits are measured by: about the best one without rules, what is held, and some others."""
    lower, upper = problem.lower, problem.upper
    target, held = problem.optimal_positions, problem.previous_positions
    values = ExactValues(problem)
    found = [clipped(target, lower, upper), clipped(held, lower, upper)]
    known = best_known(values, lower, upper, Question(), [*found, [0.0] * values.size])
    found.append(known.best or found[0])
    part, noise = random.random(), random.normal(scale=1.5, size=(2, values.size))
    found.append(clipped(part * target + noise[0] * (random.random(values.size) < 0.5), lower, upper))
    found.append(clipped(np.array(found[2]) + noise[1], lower, upper))
    return found


def draw_rules(problem: Problem, random: Random, bounding: bool = False) -> tuple[list[RuleDict], list[Portfolio]]:
    """Rules for a problem that has none, as ``rule_from_dict`` reads them, and the portfolios they were measured by.

    With ``bounding`` one of them bounds positions, most often.
    """
    around = reference_portfolios(problem, random)
    made: list[RuleDict] = []
    same = around[int(random.integers(len(around)))]
    together = random.random() < 0.75  # one portfolio keeps all, or nearly
    count = int(random.choice([1, 1, 1, 2, 2, 2, 2, 3, 4]))
    for place in range(count):
        kinds = BOUNDING if bounding and place == 0 else tuple(KINDS)
        if problem.order_costs is not None:  # what they are part of is checked elsewhere
            kinds = tuple(kind for kind in kinds if kind != "cost")
        kind = str(random.choice(kinds))
        one = same if together else around[int(random.integers(len(around)))]
        made.append({"rule": kind} | _Drawn(problem, np.array(one, dtype=np.float64), random).arguments(kind))
    return made, around


class _Drawn:
    """The arguments of one rule, measured by one portfolio."""

    def __init__(self, problem: Problem, one: FloatArray, random: Random) -> None:
        self.problem, self.one, self.random = problem, one, random
        self.names = problem.instruments
        self.size = len(self.names)
        self.weight, self.held = problem.weight_per_contract, problem.previous_positions
        self.unit = 10.0 ** random.uniform(-3, 7)

    def arguments(self, kind: str) -> RuleDict:
        makers: dict[str, Callable[[], RuleDict]] = {
            "margin": self._margin,
            "exposure": self._exposure,
            "gross": lambda: {"limit": self._most(self.weight @ abs(self.one), MOST_SHARES)},
            "net": lambda: self._between(self.weight * self.one, MOST_SHARES),
            "turnover": lambda: {"limit": self._most(self.weight @ abs(self.one - self.held), MOST_SHARES)},
            "cost": self._cost,
            "group": self._group,
            "risk": self._risk,
            "tracking_error": self._tracking_error,
            "max_holdings": lambda: {"most": self._count(self.one != 0)},
            "max_orders": lambda: {"most": self._count(self.one != self.held)},
            "one_of": lambda: {"names": self._some(2)},
            "lot": lambda: {"contracts": self._sizes(1)},
            "min_position": lambda: {"contracts": self._sizes(0)},
            "min_order": lambda: {"contracts": self._sizes(0)},
            "max_order": self._max_order,
        }
        if kind == "one_of" and self.size < 2:
            return self.arguments("max_holdings") | {"rule": "max_holdings"}
        return makers[kind]()

    def _some(self, least: int = 1) -> list[str]:
        count = int(self.random.integers(least, self.size + 1))
        return [self.names[place] for place in self.random.permutation(self.size)[:count]]

    def _amounts(self, negative: bool) -> FloatArray:
        """By instrument, round ones at times."""
        random, size = self.random, self.size
        choice = random.integers(4)
        if choice == 0:
            amounts = random.integers(0, 4, size).astype(np.float64)
        elif choice == 1:
            amounts = np.full(size, 1.0) * self.unit
        elif choice == 2:
            amounts = random.uniform(0.2, 1.0, size) * self.unit
        else:
            amounts = 10.0 ** random.uniform(-3, 0, size) * self.unit
        if negative:
            amounts = amounts * random.choice([-1.0, 1.0], size)
        if random.random() < 0.2:
            amounts = amounts * (random.random(size) < 0.6)
        return np.asarray(amounts + 0.0)

    def _by_name(self, amounts: FloatArray) -> dict[str, float]:
        return dict(zip(self.names, amounts.tolist(), strict=True))

    def _most(self, used: float, most: float = np.inf) -> float:
        """An upper bound that is not negative."""
        random, choice = self.random, self.random.integers(10)
        used = float(used)
        if choice < 4:
            limit = used * (1 + float(random.choice(NEXT_TO)))
        elif choice < 7:
            limit = used * random.uniform(0.2, 1.0)
        elif choice < 9:
            limit = used * random.uniform(1.0, 1.7)
        else:
            limit = float(random.choice([0.0, 0.0, 1e-12, 1e-3, 1.0]))
        return float(min(max(limit, 0.0), most, 1e99))

    def _between(self, terms: FloatArray, most: float = np.inf, least: float = -np.inf) -> RuleDict:
        """Bounds of a sum that comes to this: one, both, or the same twice."""
        random, used = self.random, float(terms.sum())
        step = float(np.abs(terms).sum()) / max(float(np.abs(self.one).sum()), 1.0) or self.unit

        def next_to() -> float:
            choice = random.integers(8)
            if choice < 4:
                bound = used * (1 + float(random.choice(NEXT_TO)))
            elif choice < 6:
                bound = used + step * random.normal()
            elif choice == 6:
                bound = float(random.choice([0.0, -step, step, 1e3 * step]))
            else:
                bound = used * random.uniform(-1.0, 2.0)
            return float(np.clip(bound, max(-most, least, -1e99), min(most, 1e99)))

        low, high = sorted([next_to(), next_to()])
        choice = random.integers(5)
        if choice < 2:
            return {"upper": next_to()}
        if choice < 4:
            return {"lower": next_to()}
        return {"lower": low, "upper": low if random.random() < 0.3 else high}

    def _margin(self) -> RuleDict:
        amounts = self._amounts(negative=False)
        if self.random.random() < 0.15:
            amounts = np.full(self.size, float(amounts[0]))
            return {"per_contract": float(amounts[0]), "budget": self._most(amounts @ abs(self.one))}
        return {"per_contract": self._by_name(amounts), "budget": self._most(amounts @ abs(self.one))}

    def _exposure(self) -> RuleDict:
        amounts = self._amounts(negative=True)
        by = self._by_name(amounts)
        if self.random.random() < 0.3:
            chosen = set(self._some())
            by = {name: amount for name, amount in by.items() if name in chosen}
            amounts = np.array([by.get(name, 0.0) for name in self.names])
        return {"coefficients": by} | self._between(amounts * self.one)

    def _cost(self) -> RuleDict:
        rates = self.problem.cost_in_weight_terms * self.weight
        return {"budget": self._most(rates @ abs(self.one - self.held), MOST_RISK)}

    def _group(self) -> RuleDict:
        names = self._some()
        chosen = np.array([name in names for name in self.names], dtype=np.float64)
        of = str(self.random.choice(["net", "gross", "contracts", "margin"]))
        given: RuleDict = {"names": names, "of": of}
        if of == "contracts":
            return given | self._between(chosen * self.one)
        if of == "net":
            return given | self._between(chosen * self.weight * self.one, MOST_SHARES)
        each = self.weight
        if of == "margin":
            each = self._amounts(negative=False)
            given["per_contract"] = self._by_name(each)
        most = MOST_SHARES if of == "gross" else np.inf
        return given | self._between(chosen * each * abs(self.one), most, 0.0)

    def _risk(self) -> RuleDict:
        random, names = self.random, self._some() if self.random.random() < 0.4 else list(self.names)
        chosen = np.array([name in names for name in self.names], dtype=np.float64)
        matrix, given = self.problem.covariance, {}
        if random.random() < 0.35:
            rows = int(random.integers(1, self.size + 2))
            spread = 10.0 ** -random.uniform(0, random.choice([0.1, 3.0, 7.0]), rows)
            factor = random.normal(size=(rows, self.size)) * 0.2 * spread[:, None]
            matrix = factor.T @ factor
            matrix = (matrix + matrix.T) / 2
            given = {"covariance": {"instruments": list(self.names), "rows": matrix.tolist()}}
        exposure = chosen * self.weight * self.one
        limit = self._most(np.sqrt(max(float(exposure @ matrix @ exposure), 0.0)), MOST_RISK)
        return {"limit": limit} | ({} if len(names) == self.size else {"names": names}) | given

    def _tracking_error(self) -> RuleDict:
        away = self.weight * (self.one - self.problem.optimal_positions)
        square = float(away @ self.problem.covariance @ away)
        return {"limit": self._most(np.sqrt(max(square, 0.0)), MOST_RISK)}

    def _count(self, which: np.ndarray) -> int:
        return int(max(int(which.sum()) - int(self.random.integers(-1, 3)), 0))

    def _sizes(self, least: int) -> Any:
        random = self.random
        if random.random() < 0.4:
            return int(random.integers(max(least, 1), 5))
        sizes = np.maximum(random.integers(0, 6, self.size), least)
        if random.random() < 0.15:
            near = np.clip(np.abs(self.one), least, LARGEST_SIZE)
            sizes = np.where(random.random(self.size) < 0.5, near, sizes)
        chosen = self._some()
        return {name: int(size) for name, size in zip(self.names, sizes, strict=True) if name in chosen}

    def _max_order(self) -> RuleDict:
        random = self.random
        if random.random() < 0.4:
            return {"contracts": int(random.integers(0, 5))}
        sizes = np.clip(abs(self.one - self.held) + random.integers(-1, 2, self.size), 0, LARGEST_SIZE)
        return {"contracts": {name: int(size) for name, size in zip(self.names, sizes, strict=True)}}
