"""One rebalance, from its inputs to its trades: the problem, the buffer, the files read and written."""

from dynopt_milp.strategy.presets import BUFFER_RULES, BufferRule
from dynopt_milp.trades.decision_log import DecisionLog
from dynopt_milp.trades.examples import EXAMPLE_CAPITALS, EXAMPLE_CONTRACTS, example_problem
from dynopt_milp.trades.from_prices import problem_of_day
from dynopt_milp.trades.from_targets import problem_of_day_and_targets, problem_of_targets
from dynopt_milp.trades.input_files import read_covariance, read_held, read_targets
from dynopt_milp.trades.outcome import Rebalance
from dynopt_milp.trades.rebalancing import rebalance
from dynopt_milp.trades.stored_decision import StoredDecision, read_decision
from dynopt_milp.trades.trade_file import trade_record, trade_table, write_trades

__all__ = [
    "BUFFER_RULES",
    "EXAMPLE_CAPITALS",
    "EXAMPLE_CONTRACTS",
    "BufferRule",
    "DecisionLog",
    "Rebalance",
    "StoredDecision",
    "example_problem",
    "problem_of_day",
    "problem_of_day_and_targets",
    "problem_of_targets",
    "read_covariance",
    "read_decision",
    "read_held",
    "read_targets",
    "rebalance",
    "trade_record",
    "trade_table",
    "write_trades",
]
