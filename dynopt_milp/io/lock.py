"""One writer at a time: a lock that ends with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynopt_milp.errors import FileError
from dynopt_milp.io.atomic import reported


@contextmanager
def held_by_one(lock: Path, what: Path) -> Iterator[None]:
    """Hold a lock file as long as the block runs.

    Parameters
    ----------
    lock : Path
        Made if it does not exist, and left: another process may be about to ask for it.
    what : Path
        The file or folder that it protects, for the error.

    Raises
    ------
    FileError
        If another process holds it, or it cannot be written.
    """
    with reported(what):
        file = lock.open("w")
    with file:
        try:
            import fcntl
        except ImportError:  # no such locks on this system: two runs at once are the user's risk
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError("is in use by another run; wait for it, or use another", what) from None
        except OSError as error:
            raise FileError(f"cannot be locked: {error.strerror}", what, errno=error.errno) from None
        yield
