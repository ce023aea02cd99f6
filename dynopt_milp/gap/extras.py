"""Packages that only studies need, and what to do where they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from dynopt_milp.errors import MissingPackage

EXTRAS = {"joblib": "studies", "pyarrow": "studies", "distributed": "cluster"}


def require(*packages: str) -> None:
    """Raise unless the packages are installed.

    Raises
    ------
    MissingPackage
        Naming the first that is not, and the extra that brings it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackage(package, EXTRAS[package])
