"""Which whole contracts to hold: dynamic portfolio optimisation solved to proven optimality.

>>> from dynopt_milp import Problem, solve
>>> solution = solve(Problem.from_json("problem.json"))  # doctest: +SKIP
>>> solution.positions, solution.status, solution.gap  # doctest: +SKIP
"""

from dynopt_milp.backtest import backtest
from dynopt_milp.backtest_result import Backtest
from dynopt_milp.data import (
    Market,
    market_from_frames,
    read_guide_folder,
    read_market,
    read_pysystemtrade,
    simulated_market,
)
from dynopt_milp.decision import Past
from dynopt_milp.errors import (
    BacktestInterrupted,
    CertificationError,
    CovarianceError,
    DataError,
    DataWarning,
    DynoptError,
    FormatError,
    HistoryError,
    InputError,
    LimitsError,
    LookAheadError,
    NoPortfolioError,
    SolveInterrupted,
    SolverError,
    UnboundedError,
    UnknownNameError,
    UnsupportedError,
)
from dynopt_milp.inputs import Inputs
from dynopt_milp.limits import Limits
from dynopt_milp.look_ahead import check_no_look_ahead
from dynopt_milp.problem import Problem
from dynopt_milp.problem_of_day import problem_of_day
from dynopt_milp.rebalance import Rebalance, rebalance
from dynopt_milp.solution import Solution, Status, StoppedBy
from dynopt_milp.solve import solve
from dynopt_milp.strategy import Strategy
from dynopt_milp.walk_forward import walk_forward

__version__ = "0.1.0"

__all__ = [
    "Backtest",
    "BacktestInterrupted",
    "CertificationError",
    "CovarianceError",
    "DataError",
    "DataWarning",
    "DynoptError",
    "FormatError",
    "HistoryError",
    "InputError",
    "Inputs",
    "Limits",
    "LimitsError",
    "LookAheadError",
    "Market",
    "NoPortfolioError",
    "Past",
    "Problem",
    "Rebalance",
    "Solution",
    "SolveInterrupted",
    "SolverError",
    "Status",
    "StoppedBy",
    "Strategy",
    "UnboundedError",
    "UnknownNameError",
    "UnsupportedError",
    "backtest",
    "check_no_look_ahead",
    "market_from_frames",
    "problem_of_day",
    "read_guide_folder",
    "read_market",
    "read_pysystemtrade",
    "rebalance",
    "simulated_market",
    "solve",
    "walk_forward",
]
