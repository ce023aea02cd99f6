"""Years of rebalances: a run, its accounts, what it came to, and several runs compared."""

from dynopt_milp.backtests.accounting import (
    contracts_rolled,
    contracts_traded,
    profits,
    roll_costs,
    trading_costs,
)
from dynopt_milp.backtests.compare import comparison_table, run_comparison
from dynopt_milp.backtests.decision import RebalanceHistory
from dynopt_milp.backtests.diagnostics import Finding, findings
from dynopt_milp.backtests.execution import Execution
from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.backtests.metrics import account_of, max_drawdown, performance, realised_tracking_error, sharpe_ratio
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.backtests.run_day import problem_of_run

__all__ = [
    "Backtest",
    "Execution",
    "Finding",
    "RebalanceHistory",
    "account_of",
    "backtest",
    "comparison_table",
    "contracts_rolled",
    "contracts_traded",
    "findings",
    "max_drawdown",
    "performance",
    "problem_of_run",
    "profits",
    "realised_tracking_error",
    "rebalance_days",
    "roll_costs",
    "run_comparison",
    "sharpe_ratio",
    "trading_costs",
]
