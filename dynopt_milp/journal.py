"""A record of finished rebalances that survives interruption: one JSON object per line, written as they end."""

from __future__ import annotations

import datetime
import json
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from dynopt_milp.atomic_file import write_atomically
from dynopt_milp.errors import FormatError
from dynopt_milp.metrics import TEXTS

JOURNAL, SETTINGS, LOCK = "journal.jsonl", "settings.json", ".lock"


class Journal:
    """What has been done in a folder, and the means to add to it.

    Use it as a context manager: it holds the folder, so that two runs do not write to it at once.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    settings : dict
        What the run depends on, as JSON has it. A folder with other settings is refused.

    Attributes
    ----------
    entries : dict
        Finished entries by their ``date``, in order.

    Raises
    ------
    FormatError
        If the folder cannot be used: it holds another run, is in use by one, is damaged or cannot be written to.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        self.entries: dict[str, dict[str, Any]] = {}
        self._file: Any = None
        self._held = ExitStack()

    def __enter__(self) -> Journal:
        with ExitStack() as held:
            held.enter_context(run_folder(self.folder, self.settings, JOURNAL))
            with _reported(self.folder / JOURNAL):
                self._read()
                self._file = (self.folder / JOURNAL).open("a", encoding="utf-8")
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with _reported(self.folder / JOURNAL):
                self._file.close()  # which tries again to write what a full disk refused
        except FormatError:
            if error is None:
                raise
        finally:
            self._held.close()

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry; it is on the disk when this returns."""
        with _reported(self.folder / JOURNAL):
            self._file.write(json.dumps(entry, allow_nan=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.entries[entry["date"]] = entry

    def _read(self) -> None:
        path = self.folder / JOURNAL
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # the last line was cut off in the middle
            with path.open("r+b") as file:
                file.truncate(len(whole))
        for number, line in enumerate(whole.decode("utf-8").splitlines(), 1):
            try:
                entry = json.loads(line)
                _check_entry(entry)
                self.entries[entry["date"]] = entry
            except (ValueError, KeyError, TypeError, AttributeError):
                raise FormatError(f"line {number} is damaged; use another folder", field=str(path)) from None


@contextmanager
def run_folder(folder: Path, settings: dict[str, Any], record: str) -> Iterator[None]:
    """Hold a folder for one run: nobody else writes to it, and what is there belongs to the same settings.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    settings : dict
        What the run depends on, as JSON has it; kept in ``settings.json``. Others are refused.
    record : str
        The file or folder in it that only a run makes.

    Raises
    ------
    FormatError
        If the folder cannot be used: it holds another run, is in use by one or cannot be written to.
    """
    with _reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    _hold(lock, folder)
    try:
        _check_settings(folder, settings, record)
        yield
    finally:
        lock.close()


def _check_settings(folder: Path, settings: dict[str, Any], record: str) -> None:
    path = folder / SETTINGS
    if not path.exists():
        # Names with a dot are the lock, and what a file being written leaves behind when the power goes.
        strangers = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
        if (folder / record).exists():
            raise FormatError(f"is missing beside {record}; use another folder", field=str(path))
        if strangers:
            raise FormatError(
                f"holds other files ({', '.join(sorted(strangers)[:3])}); use an empty or a new folder",
                field=str(folder),
            )
        write_atomically(path, json.dumps(settings, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        different = [key for key in settings if before.get(key) != settings[key]]
    except (OSError, ValueError, AttributeError) as error:
        raise FormatError(f"cannot be read: {error}", field=str(path)) from None
    if different:
        key = different[0]
        raise FormatError(
            f"holds a run with other settings: {key} is {before.get(key)!r} there and {settings[key]!r} now; "
            "use another folder, or delete this one",
            field=str(folder),
        )


def _check_entry(entry: dict[str, Any]) -> None:
    """Raise one of the errors of damaged lines unless it has a date, positions and figures."""
    datetime.date.fromisoformat(entry["date"])
    for number in entry["positions"].values():
        if isinstance(number, bool) or not math.isfinite(number):
            raise ValueError("positions are numbers")
    for portfolio in entry.get("portfolios", {}).values():
        if not isinstance(portfolio["status"], str):
            raise ValueError("a status is a text")
    for name, figure in entry.items():
        if name not in ("date", "positions", "portfolios", *TEXTS) and not (figure is None or math.isfinite(figure)):
            raise ValueError(f"{name} is a number")


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FormatError(f"cannot be read or written: {reason}", field=str(path)) from None


def _hold(lock: Any, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on this system: two runs in one folder are the user's risk
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise FormatError("is in use by another run; wait for it, or use another folder", field=str(folder)) from None
