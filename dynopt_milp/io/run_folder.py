"""The folder of a run: held by one process at a time, and bound to the settings that the run depends on."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dynopt_milp.errors import FileError, FormatError
from dynopt_milp.io.atomic import reported, write_atomically
from dynopt_milp.io.lock import held_by_one

SETTINGS, LOCK = "settings.json", ".lock"
SHOWN = 3
"""How many settings a message names."""


@contextmanager
def run_folder(
    folder: Path, settings: dict[str, Any], record: str, *, growing: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Hold a folder for one run: nobody else writes to it, and what is there belongs to the same settings.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    settings : dict
        What the run depends on, as JSON has it; kept in ``settings.json``. Others are refused.
    record : str
        The file or folder in it that only a run makes.
    growing : collection of str
        Settings that say how far the run goes: others are not refused here, and those in the file stay.

    Yields
    ------
    dict
        The settings in the file.

    Raises
    ------
    FormatError
        If the folder holds another run, or other files.
    FileError
        If another run holds it, or it cannot be written to.
    """
    if folder.is_file():
        raise FileError("is a file; expected a folder", folder)
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with held_by_one(folder / LOCK, folder):
        yield _settings_there(folder, settings, record, growing)


def format_of(folder: Path) -> str:
    """The format that the settings in a folder name; empty if there are none, or they are of something else."""
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(settings.get("format", "")) if isinstance(settings, dict) else ""


def _settings_there(
    folder: Path, settings: dict[str, Any], record: str, growing: Collection[str]
) -> dict[str, Any]:  # fmt: skip
    """The settings in the file, which is made where there is none; raises where they are others."""
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
        return settings
    try:
        with reported(path):
            before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        different = [
            words
            for key in dict.fromkeys((*settings, *before))  # what is not asked for any more is another setting, too
            if key not in growing
            for words in _differences(key, before.get(key), settings.get(key))
        ]
    except (ValueError, AttributeError) as error:
        raise FormatError(f"cannot be read: {error}", field=str(path)) from None
    if different:
        more = f"; and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        raise FormatError(
            f"holds a run with other settings: {'; '.join(different[:SHOWN])}{more}; use another folder, or delete "
            "this one",
            field=str(folder),
        )
    return before


def _differences(name: str, there: Any, now: Any) -> list[str]:
    """What is different of a setting, in words; of settings by name each by itself."""
    if there == now:
        return []
    if isinstance(there, dict) and isinstance(now, dict):
        keys = dict.fromkeys((*there, *now))
        return [words for key in keys for words in _differences(f"{name}.{key}", there.get(key), now.get(key))]
    return [f"{name} is {_said(there)} there and {_said(now)} now"]


def _said(value: Any) -> str:
    """A setting in words; one that a folder does not know of is not set either."""
    return "not set" if value is None else repr(value)
