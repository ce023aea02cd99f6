"""What a check came to, as text and as JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from proof_checker.checker import Verified

DIGITS = 15


def report(found: Verified) -> str:
    """What is proved, a line each."""
    matrix = (
        f"(covariance R'R, whose entries differ from the problem's by at most {decimal(found.difference, 2)} of the "
    )
    matrix += f"product of standard deviations; {found.leaves:,} leaves, exact arithmetic)"
    if found.positions is None:
        return f"verified: no portfolio keeps limits and rules\n{matrix}"
    content = to_dict(found)
    shown = {name if name.isprintable() else repr(name): number for name, number in found.positions.items() if number}
    held = ", ".join(f"{name} {number}" for name, number in shown.items())
    return (
        f"verified: the optimum lies between {content['lower']} and {content['upper']}, a gap of {content['gap']:.2g}\n"
        f"portfolio: {held or 'nothing is held'}\nits value with the covariance of the problem file as it stands: "
        f"{content['stored']}\n{matrix}"
    )


def to_dict(found: Verified) -> dict[str, Any]:
    """The same as JSON has it; bounds are decimals, as texts, rounded outward."""
    content: dict[str, Any] = {"verified": True, "infeasible": found.positions is None, "positions": found.positions}
    names = ("lower", "upper", "stored")
    for name, number in zip(names, (found.lower, found.upper, found.stored), strict=True):
        content[name] = None if number is None else decimal(number, DIGITS, up=name != "lower")
    gap = None
    if found.upper is not None and found.lower is not None:
        gap = float(1 - found.lower / found.upper) if found.upper else 0.0
    return content | {"gap": gap, "difference": float(found.difference), "leaves": found.leaves}


def decimal(number: Fraction, digits: int, up: bool = True) -> str:
    """A number with so many digits, rounded up or down."""
    if number == 0:
        return "0"
    exponent = len(str(abs(number.numerator))) - len(str(number.denominator))
    exponent -= abs(number) < Fraction(10) ** exponent
    scaled = number / Fraction(10) ** (exponent - digits + 1)
    whole = -(-scaled.numerator // scaled.denominator) if up else scaled.numerator // scaled.denominator
    text, sign = str(abs(whole)), "-" if whole < 0 else ""
    exponent += len(text) - digits
    return f"{sign}{text[0]}.{text[1:digits].rstrip('0') or '0'}" + (f"e{exponent:+03d}" if exponent else "")
