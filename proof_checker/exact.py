"""Numbers without round-off."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

FINE = 1 << 128  # roots are taken to this part


class Refused(ValueError):  # noqa: N818
    """The proof proves nothing, or nothing of this problem."""


def exact(value: Any) -> Fraction:
    """The float64 that a number means."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e308:
        raise Refused(f"expected a number, found {str(value)[:40]!r}")
    return Fraction(float(value))


def whole(value: Any) -> int:
    """Contracts, a place in a list, or an entry of a vector."""
    if (type(value) is not int and exact(value).denominator != 1) or abs(value) > 2**53:
        raise Refused(f"expected a whole number, found {str(value)[:40]!r}")
    return int(value)


def root(square: Any, up: int = 0) -> Fraction:
    """The root, rounded down, or up."""
    number = Fraction(square).numerator * Fraction(square).denominator * FINE**2
    below = math.isqrt(number)
    return Fraction(below + (up and below**2 < number), Fraction(square).denominator * FINE)


def bits(numbers: Iterable[Any]) -> int:
    """The least B such that all numbers, whose denominators are powers of two, are whole multiples of 2⁻ᴮ."""
    return max((Fraction(number).denominator.bit_length() - 1 for number in numbers), default=0)
