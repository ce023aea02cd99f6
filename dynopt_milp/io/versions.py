"""The versions a result was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("dynopt-milp", "clarabel", "cvxpy", "numba", "numpy", "pandas", "pyscipopt", "scikit-learn", "scipy")


def versions() -> dict[str, str]:
    """Versions by name of Python and the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
