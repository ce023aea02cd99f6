"""Random days as the book's code and pysystemtrade have them: NaN, missing instruments, limits already broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from formulations import FloatArray


@dataclass
class RandomDay:
    """Arrays of one day, in contracts, and which instruments can be optimised."""

    names: list[str]
    covariance: FloatArray
    target: FloatArray
    unit: FloatArray
    held: FloatArray
    cost: FloatArray
    valid: Any
    indefinite: bool
    generator: np.random.Generator = field(repr=False)

    def weights(self, contracts: FloatArray) -> FloatArray:
        return contracts * self.unit


def random_day(seed: int) -> RandomDay:
    generator = np.random.default_rng(seed)
    size = int(generator.integers(2, 9))
    returns = generator.normal(size=(size + 2, size)) + generator.normal(size=(size + 2, 1))
    volatility = generator.uniform(0.04, 0.4, size)
    correlation = np.corrcoef(returns.T)
    indefinite = size > 2 and generator.random() < 0.15
    if indefinite:
        correlation = np.full((size, size), -0.9) + np.diag(np.full(size, 1.9))
    covariance = correlation * np.outer(volatility, volatility)
    unit = generator.uniform(0.02, 0.6, size)
    target = generator.normal(scale=2.0, size=size)
    held = np.round(target + generator.normal(scale=1.5, size=size)) + 0.0
    cost = generator.uniform(1e-5, 4e-4, size)
    valid = np.ones(size, dtype=bool)
    if generator.random() < 0.4:
        place = int(generator.integers(size))
        valid[place] = False
        what = generator.integers(3)
        if what == 0:
            target[place] = np.nan
        elif what == 1:
            covariance[place] = covariance[:, place] = np.nan
        else:
            unit[place] = np.nan
        held[place] = generator.choice([held[place], np.nan])
    names = [f"F{place}" for place in generator.permutation(size)]
    return RandomDay(names, covariance, target, unit, held, cost, valid, indefinite, generator)


def as_the_book_has_it(day: RandomDay) -> SimpleNamespace:
    wanted = day.weights(day.target)
    return SimpleNamespace(
        covariance_matrix=day.covariance, unrounded_optimal_position_weights=wanted,
        previous_position_weights=day.weights(day.held), weight_per_contract=day.unit,
        starting_weights=np.zeros(len(day.unit)), direction_as_np=np.sign(wanted), cost_in_weight_terms_as_np=day.cost,
    )  # fmt: skip


class Weights(dict):  # type: ignore[type-arg]
    """Dict-like weights of the kind pysystemtrade has, with what its production code calls on them."""

    def __mul__(self, other: dict[str, float]) -> Weights:
        return Weights({name: value * other[name] for name, value in self.items()})

    def whole(self) -> Weights:
        return Weights({name: 0 if np.isnan(value) else int(value) for name, value in self.items()})


class Covariance:
    """A covariance of the kind pysystemtrade has: ``values`` and ``columns``."""

    def __init__(self, values: FloatArray, columns: list[str]) -> None:
        self.values, self.columns = values, columns


KINDS = ("weights", "dict", "series")


def as_kind(kind: str, names: list[str], values: Any) -> Any:
    content = {name: float(value) for name, value in zip(names, values, strict=True)}
    if kind == "series":
        return pd.Series(content)
    return Weights(content) if kind == "weights" else content


def covariance_of_kind(kind: str, names: list[str], values: FloatArray) -> Any:
    if kind == "weights":
        return Covariance(values, list(names))
    frame = pd.DataFrame(values, index=names, columns=names)
    return frame if kind == "series" else frame.to_dict()
