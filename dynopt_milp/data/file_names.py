"""The names of the files of a price folder."""

from __future__ import annotations

from pathlib import Path

from dynopt_milp.errors import DataError


def stems(folder: Path, ending: str) -> list[str]:
    """The names, sorted and without the ending, of the files of a folder that have it.

    Raises
    ------
    DataError
        If there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no such folder; it should hold files named *{ending}", field=str(folder))
    found = sorted(path.name[: -len(ending)] for path in folder.iterdir() if path.name.endswith(ending))
    if not found:
        raise DataError(f"the folder holds no file named *{ending}", field=str(folder))
    return found
