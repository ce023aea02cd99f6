"""An optional progress bar on stderr."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Counts what is done; use it as a context manager.

    Parameters
    ----------
    total : int
        How many there are.
    what : str
        Of what, in the plural.
    show : bool
        Whether to show it.
    """

    def __init__(self, total: int, what: str, *, show: bool) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True), disable=not show, transient=True,
        )  # fmt: skip
        self._what = what
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Progress:
        if not self._bar.disable:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._bar.disable:  # an older rich ends the line of a bar that never was
            self._bar.stop()

    def advance(self, at: str) -> None:
        """Count one more as done, and show where."""
        self._bar.update(self._task, advance=1, description=f"{self._what}, {at}")

    def reach(self, done: int) -> None:
        """Set how many are done."""
        self._bar.update(self._task, completed=done)
