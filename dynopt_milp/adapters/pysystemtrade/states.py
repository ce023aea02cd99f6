"""The states in which pysystemtrade has an instrument on a day, as limits of its position."""

from __future__ import annotations

from collections.abc import Iterable

from dynopt_milp.problem.limits import Limits


def limits_of_states(
    *,
    no_opening: Iterable[str] = (),
    close_only: Iterable[str] = (),
    closed_today: Iterable[str] = (),
    rolling: Iterable[str] = (),
) -> Limits:
    """The limits of instruments that cannot be traded as others are.

    An instrument may be in several states. A closed market or a roll comes before all else, then ``close_only``.

    Parameters
    ----------
    no_opening : collection of str
        The position may become smaller, down to zero; it is not opened, enlarged or turned (override "reduce only").
    close_only : collection of str
        The position becomes zero now (override "close", roll state "close").
    closed_today : collection of str
        The market is shut or the instrument must not be traded: what is held stays (override "no trading").
    rolling : collection of str
        What is held is being rolled by force, by orders of its own: no other trade, and what is held stays.

    Returns
    -------
    Limits
        For ``ObjectiveFunction(limits=)``, or for any other place that takes limits.

    Raises
    ------
    LimitsError
        If a state is not a list of names.
    """
    shut = Limits(no_trade=closed_today) & Limits(no_trade=rolling)
    return Limits(reduce_only=no_opening, close=close_only) & shut
