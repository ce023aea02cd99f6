"""What a greedy-gap study covers: a grid of capitals, cost multipliers, buffer rules, sizes, frequencies and paths."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.frequency import FREQUENCIES, rebalance_days
from dynopt_milp.data.days import day_within
from dynopt_milp.data.market import Market
from dynopt_milp.errors import HistoryError, InputError
from dynopt_milp.io.labelled import not_negative, one_of, positive, whole_number
from dynopt_milp.problem.plausible import MOST_CAPITAL, MOST_MULTIPLIER
from dynopt_milp.strategy.presets import BOOK, Preset

PATHS = ("greedy", "exact")
"""Whose positions are carried from one rebalance to the next."""
BUFFERS = ("book", "none")
"""The buffer rules that greedy and exact both know."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run over the years.

    Attributes
    ----------
    capital, cost_multiplier : float
    buffer_rule, frequency, path : str
    instruments : tuple of str
        In the order of names.
    """

    capital: float
    cost_multiplier: float
    buffer_rule: str
    frequency: str
    path: str
    instruments: tuple[str, ...]

    @property
    def key(self) -> str:
        """A name for files; no two cells of a grid share it."""
        size = len(self.instruments)
        return f"{self.capital:.17g}_{self.cost_multiplier:.17g}_{self.buffer_rule}_{self.frequency}_{size}_{self.path}"


@dataclass(frozen=True, slots=True)
class GapGrid:
    """The grid of a study.

    Parameters
    ----------
    capitals : sequence of float
        Base currency.
    cost_multipliers : sequence of float, optional
        λ. Default: that of the preset.
    buffer_rules : sequence of {"book", "none"}, optional
        Default: that of the preset.
    frequencies : sequence of {"daily", "weekly", "monthly"}
    sizes : sequence of int
        How many instruments; none given: all of the market. The smaller sets are parts of the larger ones.
    paths : sequence of {"greedy", "exact"}
    start, end : date, optional
    seed : int
        Of the order in which instruments are taken: one of each asset class in turn, at random within each.
    """

    capitals: Sequence[float]
    cost_multipliers: Sequence[float] | None = None
    buffer_rules: Sequence[str] | None = None
    frequencies: Sequence[str] = ("weekly",)
    sizes: Sequence[int] = ()
    paths: Sequence[str] = PATHS
    start: Any = None
    end: Any = None
    seed: int = 1

    def of(self, preset: Preset) -> GapGrid:
        """The same, with λ and the buffer rule of a preset where none is given."""
        multipliers, rules = self.cost_multipliers, self.buffer_rules
        return replace(
            self,
            cost_multipliers=(preset.cost_multiplier,) if multipliers is None else multipliers,
            buffer_rules=(preset.buffer_rule or "none",) if rules is None else rules,
        )

    def cells(self, market: Market) -> list[Cell]:
        """All cells, in the order of the grid; of the preset ``book`` where λ or the buffer rule are not given.

        Raises
        ------
        InputError, UnknownNameError, HistoryError
            If the grid is empty somewhere or does not fit the market; before any work.
        """
        if self.cost_multipliers is None or self.buffer_rules is None:
            return self.of(BOOK).cells(market)
        capitals = [positive(value, "capital", most=MOST_CAPITAL) for value in _distinct(self.capitals, "capital")]
        multipliers = [
            not_negative(value, "cost_multiplier", most=MOST_MULTIPLIER)
            for value in _distinct(self.cost_multipliers, "cost_multiplier")
        ]
        _known(self.buffer_rules, BUFFERS, "buffer_rule")
        _known(self.frequencies, tuple(FREQUENCIES), "frequency")
        _known(self.paths, PATHS, "path")
        given = self.sizes if isinstance(self.sizes, Iterable) and not isinstance(self.sizes, str) else [self.sizes]
        sizes = list(given) or [len(market.instruments)]
        for size in _distinct(sizes, "sizes"):
            whole_number(size, "sizes", least=1, most=len(market.instruments))
        whole_number(self.seed, "subset_seed")
        days = self.days(market)
        for frequency in self.frequencies:
            if not len(days) or not (rebalance_days(days, frequency) < days[-1]).any():
                raise HistoryError(
                    f"there is no {frequency} rebalance with a day after it between them", field="start and end"
                )
        order = take_in_turn(market, self.seed)
        grid = itertools.product(capitals, multipliers, self.buffer_rules, self.frequencies, sizes, self.paths)
        return [
            Cell(capital, multiplier, rule, frequency, path, tuple(sorted(order[:size])))
            for capital, multiplier, rule, frequency, size, path in grid
        ]

    def days(self, market: Market) -> pd.DatetimeIndex:
        """The days of the market from the start to the end.

        Raises
        ------
        HistoryError
            If they are outside the data, or the start is not before the end.
        """
        start = market.days[0] if self.start is None else day_within(market.days, self.start, "start")
        end = market.days[-1] if self.end is None else day_within(market.days, self.end, "end")
        if not start < end:
            raise HistoryError(f"the start, {start.date()}, is not before the end, {end.date()}", field="start and end")
        return market.days[(market.days >= start) & (market.days <= end)]


def take_in_turn(market: Market, seed: int) -> list[str]:
    """The instruments in the order in which smaller sets take them: asset classes in turn, at random within each."""
    classes = market.specifications["asset_class"]
    generator = np.random.default_rng(seed)
    queues = []
    for name in sorted(classes.unique()):
        members = sorted(str(instrument) for instrument in classes.index[classes == name])
        queues.append([members[place] for place in generator.permutation(len(members))])
    turns = itertools.zip_longest(*queues)
    return [instrument for turn in turns for instrument in turn if instrument is not None]


def _distinct(values: Any, field: str) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"expected a list, found {values!r}", field=field)
    listed = list(values)
    if not listed or any(listed.count(value) > 1 for value in listed):
        raise InputError(f"expected one or more values, each once, found {listed}", field=field)
    return listed


def _known(names: Sequence[str], choices: tuple[str, ...], field: str) -> None:
    for name in _distinct(names, field):
        one_of(name, choices, field)
