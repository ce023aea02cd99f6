"""Ctrl-C, and what numba makes of it."""

from __future__ import annotations


def is_interrupt(error: BaseException) -> bool:
    """Whether the error is Ctrl-C, or the SystemError that numba makes of one while it loads a kernel or a type."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is error or (isinstance(error, SystemError) and cause is not None)
