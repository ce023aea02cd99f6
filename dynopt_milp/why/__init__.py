"""Why this portfolio: what others would cost, which are as good, and what less cost would take."""

from dynopt_milp.why.binding import Binding
from dynopt_milp.why.explaining import explain
from dynopt_milp.why.explanation import Explanation
from dynopt_milp.why.frontier import Held, TradeOff, trade_off
from dynopt_milp.why.greedy_path import GreedyPath
from dynopt_milp.why.instruments import QUESTIONS, InstrumentLine
from dynopt_milp.why.near_optimal import Alternatives, alternatives
from dynopt_milp.why.portfolios import PortfolioLine
from dynopt_milp.why.price import Price

__all__ = [
    "QUESTIONS",
    "Alternatives",
    "Binding",
    "Explanation",
    "GreedyPath",
    "Held",
    "InstrumentLine",
    "PortfolioLine",
    "Price",
    "TradeOff",
    "alternatives",
    "explain",
    "trade_off",
]
