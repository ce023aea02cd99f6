"""The backtests of the study: a full cross at one place, and one factor at a time elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION
from dynopt_milp.strategy import (
    BlendedCorrelation,
    ExponentialCorrelation,
    FactorCorrelation,
    FittedCorrelation,
    NonlinearShrinkage,
)
from dynopt_milp.strategy.correlation import Correlation

START, BEFORE, SPLIT, END = "2005-01-01", "2012-12-31", "2013-01-01", "2019-12-31"
"""Settings are chosen before the split and reported from it on."""
CAPITAL, INSTRUMENTS = 250_000.0, 42
"""The place of the full cross."""
OPTIMISED = ("greedy", "exact", "same_side")
"""Holders that solve something; ``same_side`` is exact under greedy's sign rule."""
TARGETS_ROUNDED = ("rounded", "buffered")
"""Holders that round the targets: at once, and within the book's position buffer of 10 %."""
MULTIPLIERS = (5.0, 10.0, 20.0, 50.0, 100.0)
SMALLER = (0.0, 1.0, 2.5)
"""Further ones of greedy at three capitals: there the costs of exact are higher than those of greedy at 5."""
SHOWN = (100_000.0, CAPITAL, 1_000_000.0)
"""Capitals at which presets are compared and frontiers drawn."""


def _ledoit_wolf(weeks: int) -> Correlation:
    from sklearn.covariance import LedoitWolf

    return FittedCorrelation(LedoitWolf(), weeks)


def _oas(weeks: int) -> Correlation:
    from sklearn.covariance import OAS

    return FittedCorrelation(OAS(), weeks)


COVARIANCES: dict[str, Callable[[], Correlation]] = {
    "exponential 25 (book)": ExponentialCorrelation,
    "exponential 25, shrunk by 0.5 (pysystemtrade)": lambda: ExponentialCorrelation(25, 0.5),
    "exponential 100, shrunk by 0.3": lambda: ExponentialCorrelation(100, 0.3),
    "Ledoit-Wolf, 104 weeks": lambda: _ledoit_wolf(104),
    "nonlinear shrinkage, 208 weeks": lambda: FittedCorrelation(NonlinearShrinkage(), 208),
    "factors of asset classes, 104 weeks": FactorCorrelation,
    "blend of exponential 25 and 200": BlendedCorrelation,
    "OAS, 104 weeks": lambda: _oas(104),
    "exponential 100": lambda: ExponentialCorrelation(100),
    "exponential 200, shrunk by 0.3": lambda: ExponentialCorrelation(200, 0.3),
    "nonlinear shrinkage, 104 weeks": lambda: FittedCorrelation(NonlinearShrinkage(), 104),
}
"""Correlations of the optimisation by name; the first seven are crossed with everything."""
CROSSED = tuple(COVARIANCES)[:7]
BUFFERS: dict[str, tuple[str | None, float]] = {
    "none": (None, BOOK_BUFFER_FRACTION),
    "book": ("book", BOOK_BUFFER_FRACTION),
    "book, 0.0125 (pysystemtrade)": ("book", 0.0125 / 0.2),
    "edge": ("edge", BOOK_BUFFER_FRACTION),
    "deadband": ("deadband", BOOK_BUFFER_FRACTION),
}
"""Rules and fractions of the buffer by name; the first two are crossed with everything."""
CAPITALS = (50_000.0, 100_000.0, 1_000_000.0, 5_000_000.0)
SIZES = (10, 20)


class Setting(NamedTuple):
    """One backtest.

    Attributes
    ----------
    capital : float
        US dollars.
    instruments : int
    holder : str
        One of OPTIMISED or TARGETS_ROUNDED.
    covariance, buffer : str
        Names of COVARIANCES and BUFFERS; empty where nothing is optimised.
    cost_multiplier : float
        λ; 0 where nothing is optimised.
    holding_cost : bool
        Whether the cost of holding is in the objective.
    """

    capital: float
    instruments: int
    holder: str
    covariance: str = ""
    buffer: str = ""
    cost_multiplier: float = 0.0
    holding_cost: bool = False


class Choice(NamedTuple):
    """What a preset sets: covariance, λ, buffer, and whether holding costs are counted."""

    covariance: str
    buffer: str
    cost_multiplier: float
    holding_cost: bool

    def held(self, holder: str, capital: float = CAPITAL, instruments: int = INSTRUMENTS) -> Setting:
        """The backtest of a holder with it."""
        return Setting(capital, instruments, holder, *self)


BOOK = Choice("exponential 25 (book)", "book", 50.0, False)
PYSYSTEMTRADE = Choice(
    "exponential 25, shrunk by 0.5 (pysystemtrade)", "book, 0.0125 (pysystemtrade)", 50.0, False
)  # fmt: skip
RECOMMENDED = Choice("exponential 100, shrunk by 0.3", "book", 10.0, True)
"""What `choice` chooses; a test holds it to that, and to the preset of the package."""
CHOICES = {"book": BOOK, "pysystemtrade": PYSYSTEMTRADE, "recommended": RECOMMENDED}


def cross() -> list[Setting]:
    """Every holder with every covariance, multiplier, buffer and with and without the cost of holding, at one place."""
    settings = [Setting(CAPITAL, INSTRUMENTS, holder) for holder in TARGETS_ROUNDED]
    for covariance, holding, buffer, multiplier, holder in product(
        CROSSED, (False, True), tuple(BUFFERS)[:2], MULTIPLIERS, OPTIMISED
    ):
        settings.append(Setting(CAPITAL, INSTRUMENTS, holder, covariance, buffer, multiplier, holding))
    return settings


def around(choice: Choice = RECOMMENDED) -> list[Setting]:
    """One factor at a time from what was chosen: capital and instruments, along λ; buffers, estimators, presets."""
    settings = []
    places = [(capital, INSTRUMENTS) for capital in CAPITALS] + [(CAPITAL, size) for size in SIZES]
    for capital, size in places:
        settings += [Setting(capital, size, holder) for holder in TARGETS_ROUNDED]
        for multiplier, holder in product(MULTIPLIERS, ("greedy", "exact")):
            settings.append(choice._replace(cost_multiplier=multiplier).held(holder, capital, size))
        settings += [preset.held(holder, capital, size) for preset in (BOOK, PYSYSTEMTRADE)
                     for holder in ("greedy", "exact")]  # fmt: skip
    settings += [choice._replace(cost_multiplier=each).held("greedy", capital) for capital in SHOWN for each in SMALLER]
    settings += [choice._replace(buffer=buffer).held("exact") for buffer in tuple(BUFFERS)[2:]]
    settings += [choice._replace(covariance=covariance).held(holder) for covariance in tuple(COVARIANCES)[7:]
                 for holder in ("greedy", "exact")]  # fmt: skip
    settings += [PYSYSTEMTRADE.held(holder) for holder in OPTIMISED]
    return settings
