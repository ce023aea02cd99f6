"""From prices to fractional positions: volatility, forecasts, correlation, costs, shares of risk, for every day."""

from dynopt_milp.strategy.correlation import (
    BlendedCorrelation,
    Correlation,
    ExponentialCorrelation,
    FittedCorrelation,
    WindowCorrelation,
    weekly_returns,
)
from dynopt_milp.strategy.costs import contract_values, quoted_costs, sr_costs
from dynopt_milp.strategy.factor_correlation import FactorCorrelation
from dynopt_milp.strategy.folds import walk_forward
from dynopt_milp.strategy.forecasts import TrendFollowing, capped, ewmac, long_only
from dynopt_milp.strategy.inputs import Inputs, TargetPositions
from dynopt_milp.strategy.look_ahead import check_no_look_ahead
from dynopt_milp.strategy.nonlinear_shrinkage import NonlinearShrinkage
from dynopt_milp.strategy.presets import BOOK, PRESETS, PYSYSTEMTRADE, RECOMMENDED, Preset
from dynopt_milp.strategy.risk import RiskDecomposition, risk_decomposition
from dynopt_milp.strategy.rules_of_day import RebalanceDay
from dynopt_milp.strategy.sizing import diversification_multiplier, optimal_positions
from dynopt_milp.strategy.static_portfolios import (
    STATIC_PORTFOLIOS,
    FixedShares,
    Universe,
    all_weather,
    cheapest,
    groups,
    jumbo,
    risk_parity,
    select_by_cost,
    single_best,
)
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.strategy.volatility import EwmaVolatility

__all__ = [
    "BOOK",
    "PRESETS",
    "PYSYSTEMTRADE",
    "RECOMMENDED",
    "STATIC_PORTFOLIOS",
    "BlendedCorrelation",
    "Correlation",
    "EwmaVolatility",
    "ExponentialCorrelation",
    "FactorCorrelation",
    "FittedCorrelation",
    "FixedShares",
    "Inputs",
    "NonlinearShrinkage",
    "Preset",
    "RebalanceDay",
    "RiskDecomposition",
    "Strategy",
    "TargetPositions",
    "TrendFollowing",
    "Universe",
    "WindowCorrelation",
    "all_weather",
    "capped",
    "cheapest",
    "check_no_look_ahead",
    "contract_values",
    "diversification_multiplier",
    "ewmac",
    "groups",
    "jumbo",
    "long_only",
    "optimal_positions",
    "quoted_costs",
    "risk_decomposition",
    "risk_parity",
    "select_by_cost",
    "single_best",
    "sr_costs",
    "walk_forward",
    "weekly_returns",
]
