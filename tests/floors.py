"""The oldest versions that pyproject.toml allows; ``python -m tests.floors`` prints them for pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
# Commercial solvers are not tested with; tools reach nobody who installs the package, and are as new as today's.
WITHOUT = {"referees", "docs", "test", "dev"}


def floors() -> dict[str, str]:
    """Version by package, of what builds the package, what it needs and what its extras bring."""
    settings = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    needed = settings["build-system"]["requires"] + settings["project"]["dependencies"]
    for extra, requirements in settings["project"]["optional-dependencies"].items():
        needed += [] if extra in WITHOUT else requirements
    return dict(sorted(re.split(">=|,", requirement)[:2] for requirement in needed))


if __name__ == "__main__":
    for name, version in floors().items():
        print(f"{name}=={version}")
