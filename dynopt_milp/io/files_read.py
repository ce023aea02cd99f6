"""Files as they are read, and the sha256 of each, so that a result can say what it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from dynopt_milp.io.atomic import reported

_digests: ContextVar[dict[str, str] | None] = ContextVar("digests", default=None)


@contextmanager
def files_read() -> Iterator[dict[str, str]]:
    """Collect the sha256 of every file that :func:`read_bytes` reads in the block, by path."""
    found: dict[str, str] = {}
    token = _digests.set(found)
    try:
        yield found
    finally:
        _digests.reset(token)


def read_bytes(path: Path) -> bytes:
    """The content of a file. Its digest is of these bytes, not of what the file holds at another moment.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    """
    with reported(path):
        content = path.read_bytes()
    digests = _digests.get()
    if digests is not None:
        digests[str(path)] = hashlib.sha256(content).hexdigest()
    return content
