"""What can go wrong, as types. Every message says what was found, where, and what to do."""

from __future__ import annotations

from typing import Any


class Portable:
    """An exception that other processes can be handed, whatever its constructor takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)  # type: ignore[attr-defined]


def _restored(kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind)
    error.args = args
    for name, value in attributes.items():
        setattr(error, name, value)
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
        where = field if instrument is None else f"{field} of {' '.join(str(instrument).split())}"  # one line
        super().__init__(f"{where}: {message}")
        self.field = field
        self.instrument = instrument


class CovarianceError(InputError):
    """The covariance is not one: not square, not symmetric, not finite or not positive semi-definite."""


class DataWarning(UserWarning):
    """Data of a day were repaired or left out: an indefinite covariance, a price below zero."""


class UnprovedWarning(UserWarning):
    """Positions were returned that are not proved optimal: a time limit, or floating point, came before."""


class LimitsError(InputError):
    """Limits that are not whole numbers, or contradict each other."""


class RulesError(InputError):
    """House rules that make no sense, or that name what the problem does not have."""


class UnboundedError(InputError):
    """Nothing bounds some positions: no limit, no cost and no risk of their own."""


class FormatError(InputError):
    """A file or folder whose content is not what it should be: another format, damaged, of another run."""


class DataError(InputError):
    """Market data that do not make sense: a file, a frame, a day, a specification."""


class HistoryError(DataError):
    """Too little history: no overlap, too few days, too few instruments, no prices where some are needed."""


class LookAheadError(InputError):
    """A function of a strategy whose value of some day changes with what comes after it."""


class UnknownNameError(InputError):
    """An optimizer, formulation, rule or solver that does not exist or is not installed."""


class UnsupportedError(InputError):
    """An optimizer that cannot do what is asked of it (the greedy search with user constraints, say)."""


class FileError(DynoptError, OSError):
    """A file that cannot be read or written: it does not exist, another run holds it, the disk is full.

    Attributes
    ----------
    filename : str
        The file or folder.
    errno : int or None
        What the system calls it, where the system refused.
    """

    def __init__(self, message: str, filename: Any, *, errno: int | None = None) -> None:
        super().__init__(f"{filename}: {message}")
        self.filename, self.errno = str(filename), errno

    def __str__(self) -> str:
        return str(self.args[0])  # OSError would make up a text of its own

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, {"filename": self.filename, "errno": self.errno})


class MissingPackage(DynoptError, ImportError):  # noqa: N818
    """A package that only some functions need is not installed; the message names the extra that brings it.

    Attributes
    ----------
    name : str
        The package.
    """

    def __init__(self, name: str, extra: str) -> None:
        super().__init__(f"{name} is not installed; pip install 'dynopt-milp[{extra}]'")
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, {"name": self.name})


class ProofError(DynoptError):
    """There is no proof: the portfolio is not optimal to the gap, or a proof takes too long.

    Attributes
    ----------
    solution : Solution or None
        What ``solve(..., proof=FILE)`` found; None from elsewhere.
    """

    def __init__(self, message: str, solution: Any = None) -> None:
        super().__init__(message)
        self.solution = solution


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
