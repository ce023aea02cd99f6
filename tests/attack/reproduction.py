"""A problem and a call as a program that stands by itself."""

from __future__ import annotations

from textwrap import indent
from typing import Any

HEAD = """from math import inf
from types import SimpleNamespace
import numpy as np
from dynopt_milp import Limits, OrderCosts, Problem, prove, rebalance, rules, solve
from dynopt_milp.adapters.book import BookAlgorithm
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
"""


def reproduction(arguments: dict[str, Any], call: str) -> str:
    """The program: floats read as the same ones, and the call is made twice, as solvers load within the first."""
    apart = ("limits", "rules", "order_costs")
    fields = "".join(f"    {name}={value!r},\n" for name, value in arguments.items() if name not in apart)
    if "order_costs" in arguments:
        fields += f"    order_costs=OrderCosts(**{arguments['order_costs']!r}),\n"
    limits = ", ".join(f"{name}={value!r}" for name, value in arguments["limits"].items())
    house = ", ".join(map(_written, arguments.get("rules", [])))
    kept = f"    rules=[{house}],\n" if house else ""
    calls = f"for _ in range(2):\n{indent(call, '    ')}"
    return f"{HEAD}problem = Problem(\n{fields}    limits=Limits({limits}),\n{kept})\n{calls}\n"


def _written(rule: dict[str, Any]) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in rule.items() if name != "rule")
    return f"rules.{rule['rule']}({given})"
