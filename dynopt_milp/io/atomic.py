"""Files that are either the old one or the new one, never half of it, and what the system refuses as an error."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ELOOP, ENOENT
from pathlib import Path

from dynopt_milp.errors import FileError


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written, before the work whose result it is for.

    Raises
    ------
    FileError
    """
    if path.exists() and not path.is_file():
        raise FileError("cannot be written: it is no regular file", path)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror or error}", path, errno=error.errno) from None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes to a file by way of a temporary file beside it.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written to.
    """
    if path.exists() and not path.is_file():
        raise FileError("cannot be written: it is no regular file", path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror or error}", path, errno=error.errno) from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def refuse_unreadable(error: Exception, path: Path) -> None:
    """Raise a FileError if the system refuses a file that is there; else the file itself is at fault.

    pyarrow's error of a damaged file is an OSError, too, without a number.

    Raises
    ------
    FileError
    """
    if isinstance(error, OSError) and error.errno not in (None, ENOENT):
        raise FileError(f"cannot be read: {error.strerror or error}", path, errno=error.errno) from None


def resolved(path: Path) -> Path:
    """Of a link the file it stands for, whether that is there or not.

    Raises
    ------
    FileError
        If links stand for each other.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno == ELOOP:
            raise FileError("is a link that leads back to itself; give another", path, errno=ELOOP) from None
    return Path(os.path.realpath(path))


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Make an OSError of reading or writing a FileError that names the file."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        if error.errno == ENOENT:
            there = path.parent.is_dir()
            reason = "there is no such file" if there else f"there is no folder {path.parent}"
        else:
            reason = f"cannot be read or written: {error.strerror or error}"
        raise FileError(reason, path, errno=error.errno) from None
