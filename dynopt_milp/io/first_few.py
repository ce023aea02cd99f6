"""Names in a sentence that must not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(names: Sequence[str], most: int = 6) -> str:
    """The first names with commas between, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
