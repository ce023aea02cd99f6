"""The functions of the dynamic-optimisation guide, by the names and arguments its users know.

Each is a thin wrapper: dictionaries come in and go out, the work is done elsewhere in the package. Added are the
arguments ``optimizer``, ``limits`` and ``rules``, and ``forecasts`` and ``costs`` of backtests. What is different, and
why:

- What the guide's functions print and replace by zeros or simple rounding raises a typed error here.
- ``initial_positions`` of the optimizers are the contracts held, from which trades are charged.
- α = max((T − B) ÷ T, 0) with T the tracking error, as the guide's text has it.
- Positions are sized with a forecast of 10 on average, as in the book; the portfolios of the guide hold it always.
- Trades decided after one close are done at the next of their market, and their costs are taken off the returns, those
  of rolls too where frames have ``Contract_Month``; the guide's backtest charges none.
- As in the guide, ``run_portfolio_comparison`` chooses instruments by their cost at the end of the data, which a
  backtest from the beginning could not have known.
- Capital is fixed and profits are not reinvested; ``annualized_return`` is 256 times the mean daily return.
- Volatility is the book's blend (0.7 × current + 0.3 × ten-year average), correlation is exponentially weighted, and
  the diversification multiplier is capped at 2.5, with negative correlations taken for zero.

As in the guide, a function can be replaced in its module, ``dynopt_milp.guide`` or the one that defines it, and the
others use it, positions of a day and backtests alike:

- ``calculate_cost_in_weight_terms`` is given the cost of a contract as ``spread_cost_currency``, and a commission of
  zero: ``SR_cost`` has no parts. What it says decides what is traded and is charged to the account of a backtest.
- ``run_greedy_algorithm`` chooses the contracts, where no ``optimizer`` is given or it is ``"greedy"``;
  ``run_exact_algorithm`` likewise, or ``"exact"``. It is given the guide's first six arguments, and ``limits`` if it
  has an argument of that name. Its contracts are checked and priced again, and nothing is proved of them; where it
  takes no limits, what cannot be traded on a day keeps its position.
- ``calculate_optimal_unrounded_position``, ``calculate_weight_per_contract``, and what
  ``compare_static_vs_dynamic_optimization`` calls.

A replacement that would have no effect, of the tracking error or the buffer, is refused.
"""

from dynopt_milp.guide.backtests import (
    backtest_portfolio_with_dynamic_optimization,
    backtest_portfolio_with_individual_data,
    compare_static_vs_dynamic_optimization,
)
from dynopt_milp.guide.formulas import (
    calculate_adjustment_factor,
    calculate_cost_in_weight_terms,
    calculate_optimal_unrounded_position,
    calculate_required_trades_with_buffering,
    calculate_tracking_error_buffer,
    calculate_tracking_error_std,
    calculate_weight_per_contract,
    run_exact_algorithm,
    run_greedy_algorithm,
)
from dynopt_milp.guide.portfolios import run_portfolio_comparison
from dynopt_milp.guide.positions import calculate_dynamic_portfolio_positions

__all__ = [
    "backtest_portfolio_with_dynamic_optimization",
    "backtest_portfolio_with_individual_data",
    "calculate_adjustment_factor",
    "calculate_cost_in_weight_terms",
    "calculate_dynamic_portfolio_positions",
    "calculate_optimal_unrounded_position",
    "calculate_required_trades_with_buffering",
    "calculate_tracking_error_buffer",
    "calculate_tracking_error_std",
    "calculate_weight_per_contract",
    "compare_static_vs_dynamic_optimization",
    "run_exact_algorithm",
    "run_greedy_algorithm",
    "run_portfolio_comparison",
]
