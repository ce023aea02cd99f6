"""Which costs an account counts, in words: rolls need contract months."""

from __future__ import annotations

from collections.abc import Iterable


def costs_counted(held: Iterable[str], without_rolls: Iterable[str], *, rolls_known: bool) -> str:
    """What profits are net of, for titles, tables and files.

    Parameters
    ----------
    held : iterable of str
        Instruments that were held.
    without_rolls : iterable of str
        Those of them that were held on days on which their contract month is not known.
    rolls_known : bool
        Whether it is known of anything held on any day.

    Returns
    -------
    str
        ``"trades and rolls"``, ``"trades; rolls where contract months are known (always for 38 of 42 held
        instruments)"`` or ``"trades (rolls are not counted)"``.
    """
    every, without = set(held), set(without_rolls)
    if not rolls_known:
        return "trades (rolls are not counted)"
    if not without:
        return "trades and rolls"
    known = f"always for {len(every - without)} of {len(every)} held instruments"
    return f"trades; rolls where contract months are known ({known})"
