"""Columns that are not known are refused: somebody counts on each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

from dynopt_milp.errors import InputError

NOTE = "note"
"""The column that any file or frame of ours may have, for whoever reads it."""
MEANT = {"max": "upper", "maximum": "upper", "min": "lower", "minimum": "lower"}
"""Other words for some of ours."""
ALIKE = 0.6
"""Similarity from which a name is taken for the one that is meant, where the columns are ours."""
MISSPELT = 0.8
"""The same where a file may have columns of others."""


def refuse_unknown(columns: Iterable[Any], known: Collection[str], field: str, kind: type[InputError]) -> None:
    """Refuse columns that are neither known nor :data:`NOTE`.

    Parameters
    ----------
    columns : iterable of str
    known : collection of str
    field : str
        The file or the frame, for the error.
    kind : type
        Of the error.

    Raises
    ------
    InputError
        Of that kind, with the nearest known name.
    """
    for column in columns:
        if column in known or column == NOTE:
            continue
        near = nearest(str(column), known)
        raise kind(
            f"the column {column!r} is not known{f'; is it {near!r}?' if near else ''} (known: {', '.join(known)}; "
            f"{NOTE!r} is free)",
            field=field,
        )


def refuse_misspelt(columns: Collection[str], optional: Collection[str], field: str, kind: type[InputError]) -> None:
    """Refuse a column that is all but named like an optional one that is not there.

    Raises
    ------
    InputError
        Of that kind.
    """
    absent = {name.lower(): name for name in optional if name not in columns}
    for column in (column for column in columns if column not in optional):
        close = get_close_matches(column.lower(), absent, n=1, cutoff=MISSPELT)
        if close:
            raise kind(f"the column {column!r} is not known; is it {absent[close[0]]!r}?", field=field)


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that was probably meant; empty if there is none."""
    lower = name.lower()
    meant = MEANT.get(lower)
    if meant in known:
        return str(meant)
    close = get_close_matches(lower, known, n=1, cutoff=ALIKE)
    begun = [other for other in known if lower.startswith(other.lower()) or other.lower().startswith(lower)]
    return (close or begun or [""])[0]
