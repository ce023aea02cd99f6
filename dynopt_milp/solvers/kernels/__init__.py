"""Compiled steps that the greedy search and the branch and bound share."""

from pathlib import Path

import dynopt_milp.compiled
import formulations
from dynopt_milp.compiled import forget_stale

HERE = Path(__file__).parent
NAMES = ("bounding_box", "exact_norm", "norm_cap", "row", "rule_arrays", "separable_cost")
SOURCES = (
    Path(dynopt_milp.compiled.__file__),
    *HERE.glob("*.py"),
    *(Path(formulations.__file__).parent / f"{name}.py" for name in NAMES),
)
"""Files whose numbers are compiled into the kernels here."""
forget_stale(HERE, SOURCES)
