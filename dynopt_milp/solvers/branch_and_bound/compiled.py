"""Kernels in the cache that are older than what they were made of are forgotten, before any is loaded."""

from __future__ import annotations

from pathlib import Path

import formulations
from dynopt_milp.compiled import announced, compiled, forget_stale, part
from dynopt_milp.solvers import kernels

__all__ = ["announced", "compiled", "forget_stale", "part"]

HERE = Path(__file__).parent
# Files whose numbers are compiled into the kernels here.
NAMES = ("diagonal", "integer_hull")
NUMBERS = (
    *kernels.SOURCES,
    HERE.parent / "exchange.py",
    *(Path(formulations.__file__).parent / f"{name}.py" for name in NAMES),
)
NO_KERNELS = (
    "addresses.py", "held_against.py", "phases.py", "prepare.py", "ruled_phases.py", "sides.py", "solver.py",
    "told_apart.py", "tuning.py",
)  # fmt: skip
forget_stale(HERE, (source for source in HERE.glob("*.py") if source.name not in NO_KERNELS))
forget_stale(HERE, NUMBERS)
