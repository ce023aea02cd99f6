"""Which whole contracts to hold: dynamic portfolio optimisation solved to proven optimality.

Examples
--------
>>> from dynopt_milp import Problem, solve
>>> solution = solve(Problem.from_json("problem.json"))  # doctest: +SKIP
>>> solution.positions, solution.status, solution.gap  # doctest: +SKIP
"""

import dynopt_milp.io.start  # noqa: F401  # first: the others take a second

# isort: split
from dynopt_milp.backtests.decision import RebalanceHistory
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.data import (
    Market,
    market_from_frames,
    read_guide_folder,
    read_market,
    read_pysystemtrade,
    simulated_market,
)
from dynopt_milp.errors import (
    BacktestInterrupted,
    CertificationError,
    CovarianceError,
    DataError,
    DataWarning,
    DynoptError,
    FileError,
    FormatError,
    InputError,
    LimitsError,
    MissingPackage,
    ProofError,
    RulesError,
    SolverError,
    UnboundedError,
    UnprovedWarning,
)
from dynopt_milp.problem.eigenvalues import clip_eigenvalues
from dynopt_milp.problem.holding import holding_cost
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.order_costs import OrderCosts
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, SolveInterrupted, Status, StoppedBy
from dynopt_milp.solvers.proved import prove
from dynopt_milp.solvers.solving import solve
from dynopt_milp.strategy.folds import walk_forward
from dynopt_milp.strategy.forecasts import TrendFollowing
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.look_ahead import check_no_look_ahead
from dynopt_milp.strategy.static_portfolios import risk_parity
from dynopt_milp.strategy.strategy import Strategy
from dynopt_milp.trades.examples import example_problem
from dynopt_milp.trades.from_prices import problem_of_day
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance
from dynopt_milp.why import alternatives, explain, trade_off

__version__ = "0.1.0"

__all__ = [
    "Backtest",
    "BacktestInterrupted",
    "CertificationError",
    "CovarianceError",
    "DataError",
    "DataWarning",
    "DynoptError",
    "FileError",
    "FormatError",
    "InputError",
    "Inputs",
    "Limits",
    "LimitsError",
    "Market",
    "MissingPackage",
    "NoPortfolioError",
    "OrderCosts",
    "Problem",
    "ProofError",
    "Rebalance",
    "RebalanceHistory",
    "RulesError",
    "Solution",
    "SolveInterrupted",
    "SolverError",
    "Status",
    "StoppedBy",
    "Strategy",
    "TrendFollowing",
    "UnboundedError",
    "UnprovedWarning",
    "alternatives",
    "backtest",
    "check_no_look_ahead",
    "clip_eigenvalues",
    "example_problem",
    "explain",
    "holding_cost",
    "market_from_frames",
    "problem_of_day",
    "prove",
    "read_guide_folder",
    "read_market",
    "read_pysystemtrade",
    "rebalance",
    "risk_parity",
    "simulated_market",
    "solve",
    "trade_off",
    "walk_forward",
]
