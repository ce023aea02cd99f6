"""Ctrl-C, and what numba makes of it."""

from __future__ import annotations

MAYBE = (KeyboardInterrupt, SystemError, RuntimeError)
"""What :func:`is_interrupt` has to be asked about."""
UNFINISHED = "no compiled object yet"
"""What numba says of a kernel whose compilation was cut off by Ctrl-C, which LLVM's own call has swallowed."""


def is_interrupt(error: BaseException) -> bool:
    """Whether the error is Ctrl-C, or what numba makes of one while it loads or compiles a kernel or a type."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, RuntimeError) and UNFINISHED in str(error):
        return True
    return cause is error or (isinstance(error, SystemError) and cause is not None)
