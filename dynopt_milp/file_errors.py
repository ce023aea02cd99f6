"""What goes wrong with a file, as an error that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynopt_milp.errors import FormatError


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Make what reading or writing raises a FormatError that names the file."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FormatError(f"cannot be read or written: {reason}", field=str(path)) from None
