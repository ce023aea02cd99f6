"""What is wanted: everything between prices and fractional positions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dynopt_milp.correlation import Correlation, ExponentialCorrelation
from dynopt_milp.costs import Costs, quoted_costs
from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError
from dynopt_milp.forecasts import Forecasts, TrendFollowing
from dynopt_milp.labelled import to_number
from dynopt_milp.rebalance import BOOK_RISK_TARGET
from dynopt_milp.sizing import BOOK_MULTIPLIER_CAP
from dynopt_milp.static_portfolios import Weights, fixed, risk_parity
from dynopt_milp.volatility import EwmaVolatility


@dataclass(frozen=True, slots=True)
class Strategy:
    """From prices to fractional positions, each step a function that can be replaced.

    Parameters
    ----------
    forecasts : callable
        Market → forecasts, days × instruments. Default: trend following (EWMAC 16, 32, 64).
    weights : callable, or mapping or Series by instrument
        Universe → shares of risk. Default: risk parity. They are set on the first rebalance, on the first of every
        year, and whenever an instrument comes or goes.
    volatility : callable
        Market → annual standard deviation, days × instruments. Default: EWMA of span 32.
    correlation : callable
        Weekly returns → correlations, weeks × n × n. Default: exponential of span 25.
    costs : callable
        Market → cost of one contract, base currency, days × instruments. Default: as quoted.
    risk_target : float
        τ, annual, share of capital, positive; 0.2 in the book.
    multiplier_cap : float
        Largest diversification multiplier, at least 1; 2.5 in the book.
    floor_correlations : bool
        Whether the diversification multiplier takes negative correlations for zero, as the book does.
    """

    forecasts: Forecasts = field(default_factory=TrendFollowing)
    weights: Weights | Mapping[str, float] | pd.Series = risk_parity
    volatility: Callable[[Market], pd.DataFrame] = field(default_factory=EwmaVolatility)
    correlation: Correlation = field(default_factory=ExponentialCorrelation)
    costs: Costs = quoted_costs
    risk_target: float = BOOK_RISK_TARGET
    multiplier_cap: float = BOOK_MULTIPLIER_CAP
    floor_correlations: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.weights, (Mapping, pd.Series)):
            object.__setattr__(self, "weights", fixed(self.weights))
        for name in ("forecasts", "weights", "volatility", "correlation", "costs"):
            if not callable(getattr(self, name)):
                raise InputError(f"wants a function, found {type(getattr(self, name)).__name__}", field=name)
        if not to_number(self.risk_target, "risk_target") > 0:
            raise InputError(f"wants a positive number, found {self.risk_target:g}", field="risk_target")
        if not to_number(self.multiplier_cap, "multiplier_cap") >= 1:
            raise InputError(f"wants a number of at least 1, found {self.multiplier_cap:g}", field="multiplier_cap")

    def settings(self) -> dict[str, Any]:
        """The strategy as JSON has it: numbers as they are, functions by what they print as."""
        described = {
            name: describe(getattr(self, name))
            for name in ("forecasts", "weights", "volatility", "correlation", "costs")
        }
        return described | {
            "risk_target": self.risk_target,
            "multiplier_cap": self.multiplier_cap,
            "floor_correlations": self.floor_correlations,
        }


def describe(function: Any) -> str:
    """A function by name, with its settings where it has some; never an address in memory."""
    inner = getattr(function, "func", None)
    if inner is not None:  # functools.partial
        given = [_short(entry) for entry in function.args]
        given += [f"{name}={_short(value)}" for name, value in function.keywords.items()]
        return f"{describe(inner)}({', '.join(given)})"
    name = getattr(function, "__qualname__", None)
    if name is not None:
        where = f"{function.__module__}.{name}"
        # Two lambdas, or two functions made in one place, have one name: their code tells them apart.
        return f"{where} {_code(function)}" if "<" in name and hasattr(function, "__code__") else where
    text = repr(function)
    return type(function).__qualname__ if " at 0x" in text else text


def _code(function: Any) -> str:
    code = function.__code__
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    cells = [repr(value) for value in held if isinstance(value, (int, float, str, tuple))]
    content = [code.co_code.hex(), *map(repr, (code.co_names, code.co_consts)), *cells]
    plain = [text if " at 0x" not in text else text.split(" at 0x")[0] for text in content]
    return hashlib.sha256("\0".join(plain).encode()).hexdigest()[:8]


def _short(value: Any) -> str:
    return str(value.to_dict()) if isinstance(value, pd.Series) else repr(value)
