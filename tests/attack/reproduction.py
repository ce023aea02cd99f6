"""A problem and a call as a program that stands by itself."""

from __future__ import annotations

from typing import Any

HEAD = """from math import inf
from types import SimpleNamespace
import numpy as np
from dynopt_milp import Limits, Problem, rebalance, solve
from dynopt_milp.adapters.book import BookAlgorithm
from dynopt_milp.adapters.pysystemtrade import ObjectiveFunction
"""


def reproduction(arguments: dict[str, Any], call: str) -> str:
    """The program: every float is written so that it reads as the same one."""
    fields = "".join(f"    {name}={value!r},\n" for name, value in arguments.items() if name != "limits")
    limits = ", ".join(f"{name}={value!r}" for name, value in arguments["limits"].items())
    return f"{HEAD}problem = Problem(\n{fields}    limits=Limits({limits}),\n)\n{call}\n"
