"""Limits on positions: numbers, and rules that become numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import InputError, LimitsError
from dynopt_milp.io.describe import describe
from dynopt_milp.io.labelled import to_whole
from formulations import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What a position may be, in contracts.

    Each rule is ``True`` for all instruments or a collection of names. A rule says where positions may go, and
    an instrument in ``no_trade`` goes nowhere: there the other rules are not looked at. ``limits & others`` is both
    at once.

    Parameters
    ----------
    lower, upper : Series, dict, sequence or number, optional
        Whole contracts; instruments without a label, and ±inf, have no limit.
    long_only : bool or collection of str
        Not below zero.
    no_trade : bool or collection of str
        Stay at the previous position.
    reduce_only : bool or collection of str
        Between zero and the previous position.
    same_side : bool or collection of str
        Never opposite to the target, and zero where the target is zero (the book's greedy search keeps to this).
    close : bool or collection of str
        Zero: what is held is closed now. A target of zero does not do that. It is what the optimum aims at, and a
        position that offsets others, or whose trade does not pay, stays and may even grow.
    one_side : bool or collection of str
        No two of these that are sizes of one underlying (``Problem.underlying``) have opposite signs. A wrong side that
        is held is undone at once; a size that cannot trade binds the others to its side. Where sizes that cannot trade
        stand on both sides, the others stay between zero and what is held.
    """

    lower: Any = None
    upper: Any = None
    long_only: bool | Iterable[str] = False
    no_trade: bool | Iterable[str] = False
    reduce_only: bool | Iterable[str] = False
    same_side: bool | Iterable[str] = False
    close: bool | Iterable[str] = False
    one_side: bool | Iterable[str] = False

    def __post_init__(self) -> None:
        for name in RULES:
            rule = getattr(self, name)
            if isinstance(rule, np.bool_):
                object.__setattr__(self, name, bool(rule))
            elif not isinstance(rule, bool):
                if isinstance(rule, (str, Mapping)) or not isinstance(rule, Iterable):
                    raise LimitsError(f"expected true, false or a list of names, found {rule!r}", field=name)
                names = sorted(rule, key=str) if isinstance(rule, (set, frozenset)) else rule
                object.__setattr__(self, name, tuple(names))  # an iterator could be read only once
        for name in SIDES:
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))

    def __and__(self, other: Limits) -> Limits:
        """Both at once: the rules of both, and the numbers of the one that has some.

        Raises
        ------
        LimitsError
            If both have numbers for one side.
        """
        if not isinstance(other, Limits):
            return NotImplemented
        changes: dict[str, Any] = {}
        for rule in RULES:
            one, two = getattr(self, rule), getattr(other, rule)
            everywhere = one is True or two is True
            changes[rule] = everywhere or tuple(dict.fromkeys((*(one or ()), *(two or ())))) or False
        for side in SIDES:
            numbers = [getattr(limits, side) for limits in (self, other) if getattr(limits, side) is not None]
            if len(numbers) > 1:
                raise LimitsError("has numbers twice; give all of them in one place", field=side)
            changes[side] = numbers[0] if numbers else None
        return Limits(**changes)

    @property
    def given(self) -> tuple[str, ...]:
        """Which of the limits are given, by their names; a rule for no instruments is given, too."""
        sides = [side for side in SIDES if getattr(self, side) is not None]
        return (*sides, *(rule for rule in RULES if getattr(self, rule) is not False))

    def box(
        self, instruments: tuple[str, ...], target: FloatArray, previous: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The limits as numbers, all but ``one_side``, which is none of one position.

        Parameters
        ----------
        instruments : tuple of str
            The names, n of them.
        target, previous : ndarray, shape (n,)
            Target and held contracts.

        Returns
        -------
        lower, upper : ndarray, shape (n,)
            Whole contracts, ±inf where there is no limit.

        Raises
        ------
        InputError
            If a limit is not a whole number or names an unknown instrument.
        LimitsError
            If limits cross.
        """
        if not self.given:
            return np.full(len(instruments), -np.inf), np.full(len(instruments), np.inf)
        lower = self._side("lower", -np.inf, instruments)
        upper = self._side("upper", np.inf, instruments)
        _refuse_crossed(instruments, lower, upper, "lower and upper limit")

        stay = _members(self.no_trade, instruments, "no_trade")
        rules: dict[str, tuple[FloatArray | float, FloatArray | float]] = {
            "long_only": (0.0, np.inf),
            "reduce_only": (np.minimum(previous, 0.0), np.maximum(previous, 0.0)),
            "same_side": (np.where(target < 0, -np.inf, 0.0), np.where(target > 0, np.inf, 0.0)),
            "close": (0.0, 0.0),
            "no_trade": (previous, previous),
        }
        for rule, (least, most) in rules.items():
            members = stay if rule == "no_trade" else _members(getattr(self, rule), instruments, rule) & ~stay
            lower = np.where(members, np.maximum(lower, least), lower)
            upper = np.where(members, np.minimum(upper, most), upper)
            _refuse_crossed(instruments, lower, upper, f"{rule} and the other limits")
        return lower, upper

    def one_side_of(self, instruments: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which of the instruments ``one_side`` holds for, shape (n,).

        Raises
        ------
        LimitsError
            If it names an unknown instrument.
        """
        return _members(self.one_side, instruments, "one_side")

    def among(self, instruments: Sequence[str], known: Sequence[str]) -> Limits:
        """The limits of some of the instruments that these limits are of.

        Parameters
        ----------
        instruments : sequence of str
            Names, all of them in ``known``.
        known : sequence of str
            The names that the limits may use, and the order of unlabelled ones.

        Raises
        ------
        LimitsError
            If a name is not known, a limit is not a whole number, or a lower one is above its upper one.
        """
        names, everything = tuple(instruments), tuple(known)
        for name in names:
            if name not in everything:
                raise LimitsError("is not among the instruments of the limits", field="limits", instrument=name)
        if not self.given:
            return self
        places = [everything.index(name) for name in names]
        changes: dict[str, Any] = {}
        for rule in RULES:
            if not isinstance(getattr(self, rule), bool):
                members = _members(getattr(self, rule), everything, rule)[places]
                changes[rule] = [name for name, member in zip(names, members, strict=True) if member]
        lower, upper = self._side("lower", -np.inf, everything), self._side("upper", np.inf, everything)
        _refuse_crossed(everything, lower, upper, "lower and upper limit")
        for side, numbers in (("lower", lower), ("upper", upper)):
            if getattr(self, side) is not None:
                changes[side] = numbers[places]
        return replace(self, **changes)

    def _side(self, name: str, missing: float, instruments: tuple[str, ...]) -> FloatArray:
        value = getattr(self, name)
        if value is None:
            return np.full(len(instruments), missing)
        try:
            return to_whole(value, instruments, name, missing=missing, infinite=True)
        except InputError as error:
            raise LimitsError(str(error).split(": ", 1)[1], field=name, instrument=error.instrument) from None


SIDES = ("lower", "upper")
"""The limits that are numbers."""
RULES = tuple(field.name for field in fields(Limits) if field.name not in SIDES)
"""The others, each true, false or a list of names."""

LimitsLike = Limits | Callable[[list[str]], Limits]
"""Limits, or a function from a list of instruments to theirs."""


def limits_of(limits: LimitsLike | None, instruments: Sequence[str], known: Sequence[str] | None = None) -> Limits:
    """The limits of some instruments.

    Parameters
    ----------
    limits : Limits, callable or None
        A function is given the instruments; None is no limits.
    instruments : sequence of str
    known : sequence of str, optional
        The names that ``Limits`` may use; a name that is known and not among the instruments is left out. Default: the
        instruments.

    Raises
    ------
    LimitsError
        If ``limits`` is something else, the function does not return Limits, or a name is unknown.
    """
    if limits is None:
        return Limits()
    if isinstance(limits, Limits):
        return limits if known is None else limits.among(instruments, known)
    if not callable(limits):
        raise LimitsError(
            f"expected Limits, or a function from a list of instruments to Limits, found {type(limits).__name__}",
            field="limits",
        )
    found = limits(list(instruments))
    if not isinstance(found, Limits):
        raise LimitsError(f"expected the function to return Limits, it returned {type(found).__name__}", field="limits")
    return found


@dataclass(frozen=True, slots=True)
class OneSided:
    """A function to limits, with ``one_side`` besides."""

    limits: Callable[[list[str]], Limits]

    def __call__(self, instruments: list[str]) -> Limits:
        """The limits of these instruments."""
        found: Limits = with_one_side(limits_of(self.limits, instruments))
        return found


def with_one_side(limits: LimitsLike | None) -> Any:
    """Limits with ``one_side`` for all, unless they name the instruments it is for."""
    if limits is None:
        return Limits(one_side=True)
    if not isinstance(limits, Limits):
        return OneSided(limits)
    return limits if limits.one_side is not False else replace(limits, one_side=True)


def described(limits: LimitsLike | None) -> dict[str, str] | str | None:
    """What the record of a run says of its limits: those that are given, by name, or which function it is."""
    if isinstance(limits, Limits):
        return {name: describe(getattr(limits, name)) for name in limits.given}
    return None if limits is None else describe(limits)


def _members(rule: bool | Iterable[str], instruments: tuple[str, ...], field: str) -> NDArray[np.bool_]:
    if isinstance(rule, bool):
        return np.full(len(instruments), rule)
    names = list(rule)
    for name in names:
        if name not in instruments:
            raise LimitsError("is not among the instruments of the problem", field=field, instrument=str(name))
    return np.array([name in names for name in instruments], dtype=bool)


def _refuse_crossed(instruments: tuple[str, ...], lower: FloatArray, upper: FloatArray, what: str) -> None:
    crossed = (lower > upper) | (lower == np.inf) | (upper == -np.inf)
    if crossed.any():
        place = int(np.argmax(crossed))
        raise LimitsError(
            f"{what} leave no position: at least {lower[place]:g} and at most {upper[place]:g} contracts",
            field="limits",
            instrument=instruments[place],
        )
