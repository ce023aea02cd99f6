"""The optimum inside pysystemtrade: its objective function, by name and arguments."""

from dynopt_milp.adapters.pysystemtrade.objective import NO_LIMIT, ObjectiveFunction

__all__ = ["NO_LIMIT", "ObjectiveFunction"]
