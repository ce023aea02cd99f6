"""What a study ran on: versions and machine, for the file beside its results."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from dynopt_milp.io.versions import versions


def environment(how: str, *notes: str, more: Mapping[str, str] | None = None) -> str:
    """Versions, machine and notes, a line each.

    Parameters
    ----------
    how : str
        How the cores were used.
    *notes : str
        Further lines.
    more : mapping, optional
        Versions of what the package itself does not use.
    """
    lines = [f"{name}: {version}" for name, version in (versions() | dict(more or {})).items()]
    lines.append(f"machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {how}")
    return "\n".join([*lines, *notes]) + "\n"
