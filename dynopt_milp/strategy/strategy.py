"""A strategy: everything between prices and fractional positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError
from dynopt_milp.io.describe import describe
from dynopt_milp.io.labelled import at_least, positive
from dynopt_milp.problem.book import BOOK_MULTIPLIER_CAP, BOOK_RISK_TARGET
from dynopt_milp.problem.plausible import MOST_MULTIPLIER, MOST_RISK
from dynopt_milp.strategy.correlation import Correlation, ExponentialCorrelation
from dynopt_milp.strategy.costs import Costs, quoted_costs
from dynopt_milp.strategy.forecasts import Forecasts, TrendFollowing
from dynopt_milp.strategy.static_portfolios import FixedShares, Weights, risk_parity
from dynopt_milp.strategy.volatility import EwmaVolatility

FUNCTIONS = ("forecasts", "weights", "volatility", "correlation", "multiplier_correlation", "costs")


@dataclass(frozen=True, slots=True)
class Strategy:
    """From prices to fractional positions, each step a function that can be replaced.

    Parameters
    ----------
    forecasts : callable
        Market → forecasts, days × instruments. Default: trend following (EWMAC 16, 32, 64).
    weights : callable, or mapping or Series by instrument
        Universe → shares of risk. Default: risk parity. They are set on the first day of every year, and on the first
        day of the year on which an instrument has come or gone.
    volatility : callable
        Market → annual standard deviation, days × instruments. Default: EWMA of span 32.
    correlation : callable, optional
        Of the optimisation: what it takes for the risk of what is held. Weekly returns → correlations, weeks × n × n.
        Default: that of the preset which a run is made with (:class:`Preset`).
    costs : callable
        Market → cost of one contract, base currency, days × instruments. Default: as quoted.
    risk_target : float
        Annual, share of capital, positive; 0.2 in the book.
    multiplier_cap : float
        Largest diversification multiplier, at least 1; 2.5 in the book.
    floor_correlations : bool
        Whether the diversification multiplier takes negative correlations for zero, as the book does.
    multiplier_correlation : callable
        Of the diversification multiplier, hence of the fractional positions, which do not depend on ``correlation``.
        The same kind of function. Default: exponential of span 25, not shrunk.
    """

    forecasts: Forecasts = field(default_factory=TrendFollowing)
    weights: Weights | Mapping[str, float] | pd.Series = risk_parity
    volatility: Callable[[Market], pd.DataFrame] = field(default_factory=EwmaVolatility)
    correlation: Correlation | None = None
    costs: Costs = quoted_costs
    risk_target: float = BOOK_RISK_TARGET
    multiplier_cap: float = BOOK_MULTIPLIER_CAP
    floor_correlations: bool = True
    multiplier_correlation: Correlation = field(default_factory=ExponentialCorrelation)

    def __post_init__(self) -> None:
        if isinstance(self.weights, (Mapping, pd.Series)):
            object.__setattr__(self, "weights", FixedShares(pd.Series(self.weights)))
        for name in FUNCTIONS:
            if not callable(getattr(self, name)) and not (name == "correlation" and self.correlation is None):
                raise InputError(f"expected a function, found {type(getattr(self, name)).__name__}", field=name)
        positive(self.risk_target, "risk_target", most=MOST_RISK)
        at_least(1.0, self.multiplier_cap, "multiplier_cap", most=MOST_MULTIPLIER)

    def settings(self) -> dict[str, Any]:
        """The strategy as JSON has it: numbers as they are, functions by what they print as."""
        described = {name: describe(getattr(self, name)) for name in FUNCTIONS}
        return described | {
            "risk_target": self.risk_target,
            "multiplier_cap": self.multiplier_cap,
            "floor_correlations": self.floor_correlations,
        }
