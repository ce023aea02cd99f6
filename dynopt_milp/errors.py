"""What can go wrong, as types. Every message says what was found, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


class Portable:
    """An exception that other processes can be handed, whatever its constructor takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)  # type: ignore[attr-defined]


def _restored(kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class DynoptError(Portable, Exception):
    """Base of everything this package raises on purpose."""


class InputError(DynoptError, ValueError):
    """The input does not make sense.

    Attributes
    ----------
    field : str
        The field at fault, by the name it has in :class:`~dynopt_milp.Problem` or the file.
    instrument : str or None
        The (first) instrument at fault, where one can be named.
    """

    def __init__(self, message: str, *, field: str, instrument: str | None = None) -> None:
        where = field if instrument is None else f"{field} of {instrument}"
        super().__init__(f"{where}: {message}")
        self.field = field
        self.instrument = instrument


class CovarianceError(InputError):
    """The covariance is not one: not square, not symmetric, not finite or not positive semi-definite."""


class DataWarning(UserWarning):
    """Data of a day were repaired or left out: an indefinite covariance, a price below zero."""


class LimitsError(InputError):
    """Limits that are not whole numbers, or contradict each other."""


class UnboundedError(InputError):
    """Nothing bounds some positions: no limit, no cost and no risk of their own."""


class FormatError(InputError):
    """A file that is not a problem in the documented format."""


class DataError(InputError):
    """Market data that do not make sense: a file, a frame, a day, a specification."""


class HistoryError(DataError):
    """Too little history: no overlap, too few days, too few instruments, no prices where some are needed."""


class LookAheadError(InputError):
    """A function of a strategy whose value of some day changes with what comes after it."""


class UnknownNameError(InputError):
    """A method, formulation, rule or solver that does not exist or is not installed."""


class UnsupportedError(InputError):
    """A method that cannot do what is asked of it (the greedy search with user constraints, say)."""


class SolverError(DynoptError):
    """A solver failed or said something that is not understood. Nothing is claimed."""


class CertificationError(DynoptError):
    """An answer failed the check that every answer goes through. It is a bug; nothing is claimed."""


class WorkerError(DynoptError):
    """A process that worked for a study has ended: killed, or out of memory."""


class BacktestInterrupted(Portable, KeyboardInterrupt):
    """Ctrl-C ended a backtest.

    Attributes
    ----------
    done, total : int
        Rebalances.
    folder : str, Path or None
        Where those done are kept; the same call goes on from there.
    """

    def __init__(self, done: int, total: int, folder: Any) -> None:
        kept = (
            f"they are kept in {folder}; run the same again to go on" if folder else "nothing was kept: give a folder"
        )
        super().__init__(f"interrupted after {done} of {total} rebalances; {kept}")
        self.done, self.total, self.folder = done, total, folder


class StudyInterrupted(Portable, KeyboardInterrupt):
    """Ctrl-C ended a study.

    Attributes
    ----------
    done, total : int
        Cells.
    folder : Path
        Where those done are kept; the same call goes on from there.
    """

    def __init__(self, done: int, total: int, folder: Any) -> None:
        super().__init__(
            f"interrupted after {done} of {total} cells; they are kept in {folder}; run the same again to go on"
        )
        self.done, self.total, self.folder = done, total, folder
