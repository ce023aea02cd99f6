"""Sizes of one underlying on one side: which instruments, and what that leaves of their limits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import LimitsError
from dynopt_milp.problem.limits import Limits
from formulations import NONE, FloatArray, IntegerArray, decided_side


def on_one_side(
    limits: Limits, instruments: tuple[str, ...], underlying: tuple[str, ...], previous: FloatArray, lower: FloatArray,
    upper: FloatArray,
) -> tuple[IntegerArray | None, FloatArray, FloatArray]:  # fmt: skip
    """Which instruments may not be held with opposite signs, and what that leaves of their limits.

    A size that cannot trade binds the others to its side. Where sizes that cannot trade stand on both sides already,
    the rule cannot be kept, and the others stay between zero and what is held.

    Returns
    -------
    numbers : ndarray of int, shape (n,), or None
        That of the underlying, −1 where the side is free; None if it is everywhere.
    lower, upper : ndarray, shape (n,)

    Raises
    ------
    LimitsError
        If a limit demands a position opposite to that of another size.
    """
    ruled = limits.one_side_of(instruments)
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(underlying):
        if ruled[place]:
            groups.setdefault(name, []).append(place)
    numbers = np.full(len(instruments), NONE)
    lower, upper = lower.copy(), upper.copy()
    for number, places in enumerate(groups.values()):
        if len(places) < 2:
            continue
        members = np.array(places)
        least, most = lower[members], upper[members]
        frozen = least == most
        if _on_both_sides(least[frozen]):
            others = members[~frozen]
            lower[others], upper[others] = _not_further(lower[others], upper[others], previous[others])
        else:
            numbers[members] = number
            lower[members], upper[members] = decided_side(least, most)
        _refuse_opposite(instruments, members, lower, upper)
    numbers.setflags(write=False)
    return (None if (numbers == NONE).all() else numbers), lower, upper


def beside_kept(
    limits: Limits, instruments: tuple[str, ...], underlying: tuple[str, ...], target: FloatArray, previous: FloatArray,
    kept: Iterable[tuple[str, float]],
) -> Limits:  # fmt: skip
    """The limits of a problem beside positions that are not in it and stay as they are.

    They bind the other sizes of their underlying as sizes do that cannot trade.

    Parameters
    ----------
    limits : Limits
    instruments, underlying : tuple of str
        Of the problem, n of each.
    target, previous : ndarray, shape (n,)
        Target and held contracts.
    kept : iterable of (str, float)
        Underlying and contracts of each position that stays.

    Returns
    -------
    Limits
        The same where no rule holds between the two.
    """
    fixed: dict[str, list[float]] = {}
    for name, number in kept:
        fixed.setdefault(name, []).append(number)
    bound = limits.one_side_of(instruments) & np.array([name in fixed for name in underlying], dtype=bool)
    if not bound.any():
        return limits
    lower, upper = limits.box(instruments, target, previous)
    for name, positions in fixed.items():
        sizes = bound & np.array([one == name for one in underlying], dtype=bool)
        others = np.flatnonzero(sizes & (lower < upper))
        all_fixed = np.array([*positions, *lower[sizes & (lower == upper)]])
        if _on_both_sides(all_fixed):
            lower[others], upper[others] = _not_further(lower[others], upper[others], previous[others])
        elif (all_fixed > 0).any():
            lower[others] = np.maximum(lower[others], 0.0)
        else:
            upper[others] = np.minimum(upper[others], 0.0)
    return Limits(lower=lower, upper=upper, one_side=limits.one_side)


def _on_both_sides(positions: FloatArray) -> bool:
    return bool((positions > 0).any() and (positions < 0).any())


def _not_further(lower: FloatArray, upper: FloatArray, previous: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Between zero and what is held."""
    return np.maximum(lower, np.minimum(previous, 0.0)), np.minimum(upper, np.maximum(previous, 0.0))


def _refuse_opposite(
    instruments: tuple[str, ...], members: NDArray[np.intp], lower: FloatArray, upper: FloatArray
) -> None:  # fmt: skip
    crossed = members[lower[members] > upper[members]]
    if crossed.size:
        sizes = ", ".join(instruments[place] for place in members)
        raise LimitsError(
            f"one_side and the other limits leave no position: {sizes} are sizes of one underlying, and limits demand "
            "some of them long and others short",
            field="limits", instrument=instruments[crossed[0]],
        )  # fmt: skip
