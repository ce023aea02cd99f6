"""What a study ran on: versions and machine, for the file beside its results."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from dynopt_milp.io.atomic import write_atomically
from dynopt_milp.io.versions import versions


def write_environment(path: Path, how: str, *notes: str, more: Mapping[str, str] | None = None) -> None:
    """Write versions, machine and notes to a file, a line each.

    Parameters
    ----------
    path : Path
    how : str
        How the cores were used.
    *notes : str
        Further lines.
    more : mapping, optional
        Versions of what the package itself does not use.
    """
    lines = [f"{name}: {version}" for name, version in (versions() | dict(more or {})).items()]
    lines.append(f"machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {how}")
    write_atomically(path, "\n".join([*lines, *notes]) + "\n")
