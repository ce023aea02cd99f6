"""A record of finished rebalances that survives interruption, one JSON object per line, and of the data behind them."""

from __future__ import annotations

import datetime
import json
import math
import os
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from dynopt_milp.backtests.binding import KEPT, PRICES
from dynopt_milp.backtests.data_digest import DataDigest
from dynopt_milp.backtests.metrics import TEXTS
from dynopt_milp.backtests.proved_days import PROOF
from dynopt_milp.errors import FileError, FormatError
from dynopt_milp.io.atomic import reported, write_atomically
from dynopt_milp.io.run_folder import run_folder

JOURNAL, DATA = "journal.jsonl", "data.npz"
RESULTS = "performance.json"
"""Is there as soon as a run has been finished once."""
GROWING = ("start", "end", "market", "preset")
"""Settings that follow from the data of a run and how far it goes; :meth:`Journal.extend` says which may change. And
the name of the preset: what it sets is there by itself."""


class Journal:
    """What has been done in a folder, and the means to add to it.

    Use it as a context manager: it holds the folder, so that two runs do not write to it at once.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    settings : dict
        What the run depends on, as JSON has it. A folder with other settings is refused, but for :data:`GROWING`.

    Attributes
    ----------
    entries : dict
        Finished entries by their ``date``, in order.

    Raises
    ------
    FormatError
        If the folder holds another run, or is damaged.
    FileError
        If another run holds it, or it cannot be written to.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        self.entries: dict[str, dict[str, Any]] = {}
        self._file: Any = None
        self._end: Any = None
        self._synced = -math.inf
        self._held = ExitStack()

    def __enter__(self) -> Journal:
        with ExitStack() as held:
            there = held.enter_context(run_folder(self.folder, self.settings, JOURNAL, growing=GROWING))
            self._end = there.get("end")
            with reported(self.folder / JOURNAL):
                self._read()
                self._file = (self.folder / JOURNAL).open("a", encoding="utf-8")
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with reported(self.folder / JOURNAL):
                if not self._file.closed:
                    self._file.flush()
                    os.fsync(self._file.fileno())
                self._file.close()  # which tries again to write what a full disk refused
        except FileError:
            if error is None:
                raise
        finally:
            self._held.close()

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry. It outlives this process at once, and a power cut a second later."""
        with reported(self.folder / JOURNAL):
            self._file.write(_line(entry))
            self._file.flush()
            if time.monotonic() - self._synced > 1:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        self.entries[entry["date"]] = entry

    def extend(self, data: DataDigest) -> pd.Timestamp | None:
        """Make the run one on these data, if what was decided would have been decided on them too.

        Parameters
        ----------
        data : DataDigest
            Up to the last day from now on; kept in ``data.npz``.

        Returns
        -------
        Timestamp or None
            The last day of the results in the folder, if the run ends on a later one now; also where an extension was
            interrupted before.

        Raises
        ------
        FormatError
            If the data have changed on which results or decisions of the folder stand, or the run would end before
            the results do or begin on another day; or a file is damaged.
        """
        path, content = self.folder / DATA, data.to_bytes()
        end = pd.to_datetime(self._end, errors="coerce")
        finished = (self.folder / RESULTS).exists() and pd.notna(end)
        if finished and data.end < end:
            raise FormatError(
                f"holds a run to {end:%Y-%m-%d}, and this one would end on {data.end:%Y-%m-%d}: a run can be "
                f"extended, not cut short; let it end on {end:%Y-%m-%d} or later (the data must reach that day), or "
                "use another folder",
                field=str(self.folder),
            )
        # What an interrupted run was to reach, and has not, binds nothing.
        kept = {date: entry for date, entry in self.entries.items() if pd.Timestamp(date) < data.end}
        stored = None
        if kept:  # else nothing was decided
            stored, before = self._stored_data(path)
            decided = pd.Timestamp(max(kept))
            if changes := before.until(max(end, decided) if finished else decided).changes(data):
                raise FormatError(
                    f"holds a run whose data have changed: {changes}; run it again in another folder, or on the data "
                    "as they were",
                    field=str(self.folder),
                )
            if data.start != before.start:
                raise FormatError(
                    f"holds a run with other settings: start is {before.start:%Y-%m-%d} there and "
                    f"{data.start:%Y-%m-%d} now; use another folder, or delete this one",
                    field=str(self.folder),
                )
        self._keep(kept)
        if content != stored:
            write_atomically(path, content)
        return end if kept and end < data.end else None

    def _keep(self, kept: dict[str, dict[str, Any]]) -> None:
        """Forget all other entries: what an interrupted run has decided beyond an end that is earlier now."""
        if len(kept) < len(self.entries):
            path = self.folder / JOURNAL
            with reported(path):
                self._file.close()
                write_atomically(path, "".join(map(_line, kept.values())))
                self._file = path.open("a", encoding="utf-8")
            self.entries = kept

    def _stored_data(self, path: Path) -> tuple[bytes, DataDigest]:
        if not path.exists():
            raise FormatError(f"is missing beside {JOURNAL}; use another folder", field=str(path))
        with reported(path):
            content = path.read_bytes()
        try:
            return content, DataDigest.from_bytes(content)
        except ValueError as error:
            raise FormatError(f"is damaged: {error}; use another folder", field=str(path)) from None

    def _read(self) -> None:
        path = self.folder / JOURNAL
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # the last line was cut off in the middle
            with path.open("r+b") as file:
                file.truncate(len(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line.decode("utf-8"))
                _check_entry(entry)
                self.entries[entry["date"]] = entry
            except (ValueError, KeyError, TypeError, AttributeError):
                raise FormatError(f"line {number} is damaged; use another folder", field=str(path)) from None


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"


def _check_entry(entry: dict[str, Any]) -> None:
    """Raise one of the errors of damaged lines unless it has a date, positions and figures."""
    datetime.date.fromisoformat(entry["date"])
    if not isinstance(entry["status"], str):
        raise ValueError("a status is a text")
    for number in entry["positions"].values():
        if isinstance(number, bool) or not math.isfinite(number):
            raise ValueError("positions are numbers")
    for portfolio in entry.get("portfolios", {}).values():
        if not isinstance(portfolio["status"], str):
            raise ValueError("a status is a text")
    for price in entry.get(PRICES, {}).values():
        if not (price is None or math.isfinite(price)):
            raise ValueError("prices of rules are numbers")
    proof = entry.get(PROOF, {"outcome": ""})
    if not isinstance(proof["outcome"], str) or not all(
        isinstance(proof[name], (int, float)) for name in proof if name != "outcome"
    ):
        raise ValueError("a proof is none")
    if not all(isinstance(name, str) for name in entry.get(KEPT, [])):
        raise ValueError("names of rules are texts")
    for name, figure in entry.items():
        if name not in ("date", "positions", "portfolios", PRICES, KEPT, PROOF, *TEXTS) and not (
            figure is None or math.isfinite(figure)
        ):
            raise ValueError(f"{name} is a number")
