"""One rebalance as data: the problem, its limits and its solution."""

from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION, BOOK_COST_MULTIPLIER, BOOK_RISK_TARGET
from dynopt_milp.problem.conflict import Conflict, Remedy
from dynopt_milp.problem.eigenvalues import clip_eigenvalues
from dynopt_milp.problem.holding import holding_cost
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.order_costs import OrderCosts
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, SolveInterrupted, Status, StoppedBy
from dynopt_milp.problem.underlying import underlying_of

__all__ = [
    "BOOK_BUFFER_FRACTION",
    "BOOK_COST_MULTIPLIER",
    "BOOK_RISK_TARGET",
    "Conflict",
    "Limits",
    "NoPortfolioError",
    "OrderCosts",
    "Problem",
    "Remedy",
    "Solution",
    "SolveInterrupted",
    "Status",
    "StoppedBy",
    "clip_eigenvalues",
    "holding_cost",
    "underlying_of",
]
