"""How the kernels are compiled: once a machine, without the GIL, with IEEE arithmetic in the order written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar

import numba
from numba.core import event

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Seconds of compiling after which the notice is shown; loading compiled kernels shows none.
PATIENCE = 1.0
NOTICE = "dynopt-milp: compiling {}, once on this machine ({}) ..."
# No fast-math: sums are added in the order they are written, so results do not depend on the processor. Division by
# zero gives an infinity, as in numpy.
SETTINGS = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def compiled(function: Kernel) -> Kernel:
    """Compile with numba on first use; the result is kept in a cache on disk."""
    return numba.njit(**SETTINGS)(function)  # type: ignore[no-any-return]


def part(function: Kernel) -> Kernel:
    """Compile a function that only compiled ones call: Python cannot call it, and it compiles in half the time."""
    return numba.njit(**SETTINGS, no_cpython_wrapper=True)(function)  # type: ignore[no-any-return]


def forget_stale(folder: Path, sources: Iterable[Path]) -> None:
    """Delete the cached kernels of a folder that are older than a source of what they call or of their constants.

    numba looks at the file of the outermost function alone.
    """
    changed = max(source.stat().st_mtime for source in sources)
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process did it, or the folder is not ours to change
            if index.stat().st_mtime < changed:
                index.unlink()


class _Notice(event.Listener):  # type: ignore[misc]  # numba has no types
    """Starts a timer when numba compiles something; what it finds in its cache it does not compile."""

    def __init__(self, what: str, how_long: str) -> None:
        self.notice = NOTICE.format(what, how_long)
        self.timer: Timer | None = None

    def on_start(self, event: Any) -> None:
        if self.timer is None:
            self.timer = Timer(PATIENCE, lambda: print(self.notice, file=sys.stderr, flush=True))  # noqa: T201
            self.timer.daemon = True
            self.timer.start()

    def on_end(self, event: Any) -> None:
        """Do nothing: more compilations may follow."""


@contextmanager
def announced(what: str = "the branch and bound", how_long: str = "a minute or two") -> Iterator[None]:
    """Show a notice on stderr if kernels are compiled here for longer than ``PATIENCE``."""
    notice = _Notice(what, how_long)
    try:
        with event.install_listener("numba:compile", notice):
            yield
    finally:
        if notice.timer is not None:
            notice.timer.cancel()
