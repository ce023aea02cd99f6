"""The optimum inside pysystemtrade: its objective function, by name and arguments."""

from dynopt_milp.adapters.pysystemtrade.objective import NO_LIMIT, ObjectiveFunction
from dynopt_milp.adapters.pysystemtrade.states import limits_of_states

__all__ = ["NO_LIMIT", "ObjectiveFunction", "limits_of_states"]
