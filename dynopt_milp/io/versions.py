"""The versions a result was made with."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("dynopt-milp", "clarabel", "cvxpy", "numba", "numpy", "pandas", "pyscipopt", "scikit-learn", "scipy")


def versions() -> dict[str, str]:
    """Versions by name of Python and the packages that results depend on."""
    return {"python": platform.python_version()} | versions_of(PACKAGES)


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions by name of some packages, installed or not."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
