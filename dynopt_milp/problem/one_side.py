"""Sizes of one underlying on one side: which instruments, and what that leaves of their limits."""

from __future__ import annotations

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
        if (least[frozen] > 0).any() and (least[frozen] < 0).any():
            now = previous[members]
            lower[members] = np.where(frozen, least, np.maximum(least, np.minimum(now, 0.0)))
            upper[members] = np.where(frozen, most, np.minimum(most, np.maximum(now, 0.0)))
        else:
            numbers[members] = number
            lower[members], upper[members] = decided_side(least, most)
        _refuse_opposite(instruments, members, lower, upper)
    numbers.setflags(write=False)
    return (None if (numbers == NONE).all() else numbers), lower, upper


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
