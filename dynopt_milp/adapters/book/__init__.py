"""The optimum inside the book's code: functions with the arguments of its ``algo_to_use``."""

from dynopt_milp.adapters.book.algorithm import (
    BookAlgorithm,
    exact,
    exact_with_costs,
    exact_with_costs_and_buffering,
    greedy,
    greedy_with_costs,
    greedy_with_costs_and_buffering,
)

__all__ = [
    "BookAlgorithm",
    "exact",
    "exact_with_costs",
    "exact_with_costs_and_buffering",
    "greedy",
    "greedy_with_costs",
    "greedy_with_costs_and_buffering",
]
