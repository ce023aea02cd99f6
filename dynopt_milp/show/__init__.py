"""Results for people: tables on a terminal, pictures, and pages of HTML."""

from dynopt_milp.show.backtest_page import write_report
from dynopt_milp.show.backtests import show_backtests
from dynopt_milp.show.comparison_page import write_comparison_report
from dynopt_milp.show.comparisons import show_comparison
from dynopt_milp.show.explanation_page import write_explanation
from dynopt_milp.show.explanations import show_alternatives, show_explanation, show_trade_off
from dynopt_milp.show.pictures import draw_backtests, draw_comparison, save_comparison
from dynopt_milp.show.solutions import show_rebalance, show_solution

__all__ = [
    "draw_backtests",
    "draw_comparison",
    "save_comparison",
    "show_alternatives",
    "show_backtests",
    "show_comparison",
    "show_explanation",
    "show_rebalance",
    "show_solution",
    "show_trade_off",
    "write_comparison_report",
    "write_explanation",
    "write_report",
]
