"""How the numerical kernels are compiled: once a machine, without the GIL, with IEEE arithmetic in the order written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# No fast-math: sums are added in the order they are written, so results do not depend on the processor. Division by
# zero gives an infinity, as in numpy.
SETTINGS = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def compiled(function: Kernel) -> Kernel:
    """Compile with numba on first use; the result is kept in a cache on disk."""
    return numba.njit(**SETTINGS)(function)  # type: ignore[no-any-return]


def part(function: Kernel) -> Kernel:
    """The same for a function that only compiled ones call: half the time to compile, and Python cannot call it."""
    return numba.njit(**SETTINGS, no_cpython_wrapper=True)(function)  # type: ignore[no-any-return]
