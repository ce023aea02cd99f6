"""Correlations of a factor model: one factor for each asset class, and the sizes of a contract beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import to_share
from dynopt_milp.problem.shrinkage import shrunk
from dynopt_milp.strategy.correlation import (
    Correlation,
    WindowCorrelation,
    correlations_of,
    of_market,
    positive,
    put_ones,
)
from formulations import FloatArray

ROUNDS = 30
"""Of the iteration for the loadings of a class; the last ones change them by less than a thousandth."""


@dataclass(frozen=True, slots=True)
class FactorCorrelation:
    """What a factor for each asset class says of correlations.

    An instrument's return is l·f + e, with the factor f of its class and e of its own. Loadings are those of principal
    axis factoring within the class; factors of two classes are correlated by what fits the pairs between them best:

        ρᵢⱼ = lᵢlⱼφ,   φ = 1 within a class, and between two l'Rl' ÷ (‖l‖²‖l'‖²)

    Of the sizes of an underlying the one enters that has most to say of the others, which is that with the longest
    history; among them they keep the correlation that they have. With n instruments in g
    classes there are n + g(g − 1)/2 numbers to estimate, and not n(n − 1)/2.

    Parameters
    ----------
    base : callable
        The estimate that the model is fitted to. Default: the last 104 weeks.
    shrinkage : float
        Share of the way towards zero correlation, from 0 to 1.
    classes, underlyings : mapping of str, optional
        By instrument. Default: as the market has them; without a market every instrument is an underlying of one class.

    Notes
    -----
    Source of the loadings: H. H. Harman, *Modern Factor Analysis* (1976), chapter 8.
    """

    base: Correlation = field(default_factory=lambda: WindowCorrelation(104))
    shrinkage: float = 0.0
    classes: Mapping[str, str] | None = None
    underlyings: Mapping[str, str] | None = None

    def of_market(self, market: Market) -> FactorCorrelation:
        """The same with the asset classes and underlyings of a market, where none were given."""
        table = market.specifications
        classes = dict(table["asset_class"].items()) if self.classes is None else self.classes
        underlyings = dict(table["underlying"].items()) if self.underlyings is None else self.underlyings
        return replace(
            self, base=of_market(self.base, market), classes=cast(Mapping[str, str], classes),
            underlyings=cast(Mapping[str, str], underlyings),
        )  # fmt: skip

    def __call__(self, weekly: pd.DataFrame) -> FloatArray:
        """Correlations, weeks × n × n.

        Raises
        ------
        InputError
            If an instrument has no class.
        """
        names = [str(name) for name in weekly.columns]
        underlying = _numbered(self.underlyings, names, names, "underlyings")
        classes = _numbered(self.classes, names, [""] * len(names), "classes")
        sample = np.asarray(self.base(weekly), dtype=np.float64)
        moves = (sample != 0).sum(axis=2) > 1
        result = np.tile(np.eye(len(names)), (len(sample), 1, 1))
        for mask in np.unique(moves, axis=0):  # what does not move yet changes no bit of the others
            weeks, places = np.flatnonzero((moves == mask).all(axis=1)), np.flatnonzero(mask)
            if places.size:
                there = np.ix_(weeks, places, places)
                result[there] = _model(sample[there], underlying[places], classes[places])
        return shrunk(result, to_share(self.shrinkage, "shrinkage"))


def _model(sample: FloatArray, underlying: Any, classes: Any) -> FloatArray:
    """Correlations of the model fitted to a sample, weeks × n × n."""
    underlying = np.unique(underlying, return_inverse=True)[1]
    first = np.unique(underlying, return_index=True)[1]
    loading, model = _of_factors(_of_underlyings(sample, underlying), np.unique(classes[first], return_inverse=True)[1])
    result = model[:, underlying[:, None], underlying]
    for place in np.flatnonzero(np.bincount(underlying) > 1):
        members = np.flatnonzero(underlying == place)
        block = slice(None), members[:, None], members
        result[block] = _of_sizes(sample[block], loading[:, place, None, None] ** 2)
    put_ones(result)
    return np.clip(result, -1.0, 1.0)


def _of_underlyings(sample: FloatArray, underlying: Any) -> FloatArray:
    """Correlations of one size of each underlying, weeks × u × u: that with the largest correlations with others."""
    others = underlying[:, None] != underlying
    strength = (sample**2 * others).sum(axis=2)
    chosen = np.zeros((len(sample), int(underlying.max()) + 1), dtype=np.int64)
    for place in range(chosen.shape[1]):
        members = np.flatnonzero(underlying == place)
        chosen[:, place] = members[strength[:, members].argmax(axis=1)]
    weeks = np.arange(len(sample))[:, None, None]
    return np.asarray(sample[weeks, chosen[:, :, None], chosen[:, None, :]])


def _numbered(given: Mapping[str, str] | None, names: list[str], otherwise: list[str], field: str) -> Any:
    """Numbers for the texts of the instruments, the same for the same text."""
    if given is not None:
        for name in names:
            if name not in given:
                raise InputError("has none", field=field, instrument=name)
    texts = otherwise if given is None else [str(given[name]) for name in names]
    return np.unique(texts, return_inverse=True)[1]


def _of_factors(sample: FloatArray, classes: Any) -> tuple[FloatArray, FloatArray]:
    """Loadings, weeks × n, and what they say of pairs, weeks × n × n."""
    weeks, size = sample.shape[:2]
    count = int(classes.max()) + 1
    loadings = np.zeros((weeks, count, size))
    for number in range(count):
        members = np.flatnonzero(classes == number)
        loadings[:, number, members] = _loadings(sample[:, members[:, None], members])
    lengths = (loadings**2).sum(axis=2)
    product = loadings @ sample @ loadings.transpose(0, 2, 1)
    scale = lengths[:, :, None] * lengths[:, None, :]
    factors = np.where(scale > 0, product / np.where(scale > 0, scale, 1.0), 0.0)
    put_ones(factors)
    return loadings.sum(axis=1), loadings.transpose(0, 2, 1) @ correlations_of(positive(factors), 0.0) @ loadings


def _loadings(sample: FloatArray) -> FloatArray:
    """Of the one factor of a class, weeks × members; positive in sum. An instrument alone is its factor."""
    size = sample.shape[1]
    if size == 1:
        return np.ones(sample.shape[:2])
    apart = sample.copy()
    places = np.arange(size)
    apart[:, places, places] = 0.0
    shared = np.abs(apart).max(axis=2)
    for _ in range(ROUNDS):
        apart[:, places, places] = shared
        values, vectors = np.linalg.eigh(apart)
        loadings = np.sqrt(np.maximum(values[:, -1:], 0.0)) * vectors[:, :, -1]
        shared = np.minimum(loadings**2, 1.0)
    loadings = np.clip(loadings, -1.0, 1.0)
    return np.asarray(np.where(loadings.sum(axis=1) < 0, -1.0, 1.0)[:, None] * loadings)


def _of_sizes(sample: FloatArray, shared: FloatArray) -> FloatArray:
    """Correlations of the sizes of one underlying: what their factor explains, and of the rest what they have."""
    own = 1 - shared
    rest = np.clip(np.where(own > 0, (sample - shared) / np.where(own > 0, own, 1.0), 1.0), -1.0, 1.0)
    put_ones(rest)
    return np.asarray(shared + own * correlations_of(positive(rest), 0.0))
