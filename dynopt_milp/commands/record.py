"""What a rebalance leaves whatever becomes of it: its file of trades, and a line of its log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynopt_milp.errors import FileError, InputError
from dynopt_milp.trades.decision_log import DecisionLog
from dynopt_milp.trades.trade_file import only_writer


@dataclass(frozen=True, slots=True)
class Record:
    """Where a rebalance is recorded, and what it reads, which must not be written over.

    Attributes
    ----------
    out, log : Path or None
        The file of trades, the log.
    read : sequence of Path or None
        The files that are read.
    folder : Path or None
        The price folder.
    date : str or None
        The one that was asked for.
    """

    out: Path | None
    log: Path | None
    read: Sequence[Path | None]
    folder: Path | None
    date: str | None = None

    @contextmanager
    def kept(self) -> Iterator[dict[str, Any]]:
        """A dict that becomes a line of the log when the block ends; if it raises, file and log say why.

        Raises
        ------
        InputError, FileError
            If one of the two cannot be written, or is read; the other one says so.
        """
        with ExitStack() as stack:
            try:
                if self.out is not None:
                    self._refuse_read(self.out, "--out")
                    stack.enter_context(only_writer(self.out, {} if self.date is None else {"date": self.date}))
            except (InputError, FileError, KeyboardInterrupt) as error:
                with suppress(InputError, FileError):  # the first error says more
                    log = self._opened_log()
                    if log is not None:
                        with log.failures():
                            raise error
                raise
            log = self._opened_log()
            yield {} if log is None else stack.enter_context(log.entry())

    def _opened_log(self) -> DecisionLog | None:
        if self.log is None:
            return None
        self._refuse_read(self.log, "--log")
        if self.out is not None and _real(self.log) == _real(self.out):
            raise InputError("is the file of the trades too; give another", field="--log")
        return DecisionLog(self.log)

    def _refuse_read(self, path: Path, option: str) -> None:
        inside = self.folder is not None and _real(path).is_relative_to(_real(self.folder))
        if inside or _real(path) in [_real(file) for file in self.read if file is not None]:
            raise InputError("is read; give another file", field=option)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve refuses links that stand for each other
