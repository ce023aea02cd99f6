"""The rebalances that are raced: weekly ones from real prices, and those of made-up universes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from comparisons.strategy import RACED
from comparisons.universe import synthetic_problem
from dynopt_milp import Problem, solve
from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.data import Market
from dynopt_milp.strategy.inputs import Inputs

SMALLER = ("_mini", "_micro")
WALK_TIME_LIMIT = 120.0


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One rebalance.

    Attributes
    ----------
    name : str
        Family, capital, λ, and day or seed: ``real_250k_lam10_2018-06-15``, ``synthetic_n100_1000k_lam50_seed3``.
    capital : float
    problem : Problem
    """

    name: str
    capital: float
    problem: Problem

    @property
    def held(self) -> str:
        """A hash of what is held: the same name with something else held is another problem."""
        return f"{zlib.crc32(self.problem.previous_positions.astype('int64').tobytes()):08x}"


@dataclass(frozen=True, slots=True)
class Grid:
    """Which rebalances.

    Attributes
    ----------
    capitals, cost_multipliers : tuple of float
    starts : tuple of str
        First days of the weekly paths.
    weeks : int
        Rebalances of each path, after the first, which starts from nothing and is left out.
    sizes : tuple of int
        Instruments of the made-up universes.
    seeds : tuple of int
    """

    capitals: tuple[float, ...]
    cost_multipliers: tuple[float, ...]
    starts: tuple[str, ...]
    weeks: int
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def real(self) -> int:
        """How many from real prices."""
        return len(self.capitals) * len(self.cost_multipliers) * len(self.starts) * self.weeks

    @property
    def synthetic(self) -> int:
        """How many from made-up universes."""
        return len(self.sizes) * len(self.capitals) * len(self.cost_multipliers) * len(self.seeds)


def real_instances(market: Market, grid: Grid) -> Iterator[Instance]:
    """Weekly rebalances of trend following (:data:`RACED`); held is the exact answer of the week before.

    Without costs nothing keeps two sizes of one contract from being held against each other without limit, so the
    full size is then left out.
    """
    for capital in grid.capitals:
        prepared: dict[bool, Inputs] = {}
        for cost_multiplier in grid.cost_multipliers:
            free = cost_multiplier == 0
            if free not in prepared:
                chosen = market.select(one_size(market.instruments)) if free else market
                prepared[free] = Inputs(chosen, RACED, capital)
            for start in grid.starts:
                yield from _path(prepared[free], capital, cost_multiplier, start, grid.weeks)


def synthetic_instances(grid: Grid, problem: Callable[..., Problem] = synthetic_problem) -> Iterator[Instance]:
    """Rebalances of made-up universes."""
    for size in grid.sizes:
        for capital in grid.capitals:
            for cost_multiplier in grid.cost_multipliers:
                for seed in grid.seeds:
                    name = f"synthetic_n{size}_{capital / 1000:.0f}k_lam{cost_multiplier:g}_seed{seed}"
                    yield Instance(name, capital, problem(size, capital, cost_multiplier, seed))


def one_size(names: Iterable[str]) -> list[str]:
    """The names without those beside which there is a smaller contract."""
    listed = list(names)
    return [name for name in listed if not any(name + smaller in listed for smaller in SMALLER)]


def _path(inputs: Inputs, capital: float, cost_multiplier: float, start: str, weeks: int) -> Iterator[Instance]:
    days = rebalance_days(inputs.market.days, "weekly")
    days = days[days >= pd.Timestamp(start)][: weeks + 1]
    held: pd.Series | float = 0.0
    for place, day in enumerate(days):
        problem = inputs.problem(day, held, cost_multiplier=cost_multiplier)
        if place:
            yield Instance(f"real_{capital / 1000:.0f}k_lam{cost_multiplier:g}_{day.date()}", capital, problem)
        if place < weeks:
            held = solve(problem, "branch_and_bound", time_limit=WALK_TIME_LIMIT).positions
