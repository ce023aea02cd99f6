"""Which share of risk each instrument gets: the static portfolios of strategy four.

A rule is any function from a :class:`Universe` (what is known on one day) to shares of risk by instrument; they are
divided by their sum. All of them hold only what is in the universe, and count an underlying once: its sizes (full,
mini, micro) share equally what one contract would get.

Source: *Advanced Futures Trading Strategies*, strategy four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.strategy.shares import to_shares

SR_COST_LIMIT = 0.01  # Sharpe ratio points a trade; strategy three: dearer instruments are not worth trading
SELECTION = 10  # instruments in the optimized selection, as the guide has it
JUMBO = (50, 100)  # instruments in the jumbo portfolio, fewest and most
ALL_WEATHER = {"equity": 0.25, "bonds": 0.25, "commodities": 0.25, "fx": 0.125, "volatility": 0.125}

GROUPS = {
    "equity": ("equity", "sector"),
    "bonds": ("bond", "bonds", "stir"),
    "commodities": ("commodities", "commodity", "metal", "metals", "ags", "agriculture", "oilgas", "energy"),
    "fx": ("fx",),
    "volatility": ("vol", "volatility"),
}
"""The five groups of the static portfolios, and the names asset classes go by."""


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
    """What can be held, and what is known of it on one day.

    Parameters
    ----------
    asset_classes : Series of str, by instrument
    sr_costs : Series of float, by instrument
        Cost of a trade in Sharpe ratio points.
    underlyings : Series of str, by instrument, optional
        The same for all sizes of one contract. Default: every instrument is its own.
    """

    asset_classes: pd.Series
    sr_costs: pd.Series
    underlyings: pd.Series = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.underlyings is None:
            object.__setattr__(self, "underlyings", self.asset_classes.index.to_series())

    @property
    def instruments(self) -> list[str]:
        """The names, sorted."""
        return [str(name) for name in self.asset_classes.index]


Weights = Callable[[Universe], pd.Series]
"""From a universe to shares of risk, by instrument; missing means none."""


def group(asset_class: str) -> str:
    """The group an asset class belongs to; an unknown one is a group of its own."""
    name = asset_class.strip().lower()
    return next((known for known, names in GROUPS.items() if name in names), name)


def groups(asset_classes: pd.Series) -> dict[str, list[str]]:
    """Instruments by group, groups in the order of the guide, empty ones left out."""
    members: dict[str, list[str]] = {known: [] for known in GROUPS}
    for name, asset_class in asset_classes.items():
        members.setdefault(group(str(asset_class)), []).append(str(name))
    return {known: names for known, names in members.items() if names}


def risk_parity(universe: Universe) -> pd.Series:
    """Equal risk in every group, equal for the underlyings of each."""
    members = groups(universe.asset_classes)
    shares: pd.Series = pd.concat([equal(universe, names, 1 / len(members)) for names in members.values()])
    return shares


def all_weather(universe: Universe) -> pd.Series:
    """A quarter each in equities, bonds and commodities, an eighth each in fx and volatility.

    Equal for the underlyings of each; renormalised over the groups that are there. Instruments of other groups get
    nothing.

    Raises
    ------
    InputError
        If none of the five groups is there.
    """
    members = {known: names for known, names in groups(universe.asset_classes).items() if known in ALL_WEATHER}
    if not members:
        raise InputError(f"All Weather needs some of the groups {', '.join(ALL_WEATHER)}", field="weights")
    return normalised(pd.concat([equal(universe, names, ALL_WEATHER[known]) for known, names in members.items()]))


def cheapest(universe: Universe, *, count: int = SELECTION, limit: float = SR_COST_LIMIT) -> pd.Series:
    """Optimized Selection: the ``count`` instruments that cost least for their risk, equal for their underlyings.

    Instruments dearer than ``limit`` are left out; if all are, the cheapest one is held.
    """
    chosen = select_by_cost(universe.sr_costs, limit=limit)[:count]
    return equal(universe, chosen or select_by_cost(universe.sr_costs, limit=np.inf)[:1])


def single_best(universe: Universe) -> pd.Series:
    """The one instrument that costs least for its risk."""
    return cheapest(universe, count=1, limit=np.inf)


def jumbo(universe: Universe, *, fewest: int = JUMBO[0], most: int = JUMBO[1]) -> pd.Series:
    """As many instruments as possible, the cheapest first, equal for their underlyings.

    Raises
    ------
    InputError
        If fewer than ``fewest`` are cheap enough.
    """
    chosen = select_by_cost(universe.sr_costs)[:most]
    if len(chosen) < fewest:
        raise InputError(
            f"the jumbo portfolio needs at least {fewest} instruments that cost at most {SR_COST_LIMIT:g} Sharpe ratio "
            f"points a trade, found {len(chosen)}; choose another portfolio or give fewest={len(chosen)}",
            field="weights",
        )
    return equal(universe, chosen)


STATIC_PORTFOLIOS: dict[str, Weights] = {
    "Risk Parity": risk_parity,
    "All Weather": all_weather,
    "Optimized Selection": cheapest,
    "Single Best": single_best,
    "Jumbo": jumbo,
}
"""The static portfolios by the names the guide has for them."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FixedShares:
    """Given shares of risk, as a rule; renormalised over what is in the universe.

    Parameters
    ----------
    shares : Series, by instrument, or mapping

    Raises
    ------
    InputError
        If a share is negative or not finite, or no share is positive.
    """

    shares: pd.Series

    def __post_init__(self) -> None:
        series = to_shares(self.shares).sort_index()
        if not series.sum() > 0:
            raise InputError("expected at least one instrument with a positive share", field="weights")
        object.__setattr__(self, "shares", series)

    def __repr__(self) -> str:
        return f"FixedShares({self.shares.to_dict()})"

    def __call__(self, universe: Universe) -> pd.Series:
        """The shares of what is there."""
        there = self.shares[[name for name in self.shares.index if name in universe.asset_classes.index]]
        return normalised(there) if there.sum() > 0 else there

    def check(self, instruments: Iterable[str]) -> None:
        """Refuse shares of instruments that are not among these.

        Raises
        ------
        InputError
            With the first instrument that is not.
        """
        known = set(instruments)
        for name in self.shares.index:
            if name not in known:
                raise InputError(
                    f"is not in the market; there are {', '.join(sorted(known)[:8])}...", field="weights",
                    instrument=str(name),
                )  # fmt: skip


def equal(universe: Universe, instruments: list[str], share: float = 1.0) -> pd.Series:
    """A share, the same part for each underlying of these instruments, and of that the same for each of its sizes."""
    underlyings = universe.underlyings[instruments]
    return share / underlyings.nunique() / underlyings.map(underlyings.value_counts())


def normalised(weights: pd.Series) -> pd.Series:
    """Shares divided by their sum."""
    return weights / weights.sum()


def select_by_cost(sr_costs: pd.Series, *, limit: float = SR_COST_LIMIT) -> list[str]:
    """Instruments whose cost of a trade is known and within the limit, the cheapest first, ties by name."""
    affordable = sr_costs[(sr_costs <= limit) & sr_costs.notna()].sort_index()
    return [str(name) for name in affordable.sort_values(kind="stable").index]
