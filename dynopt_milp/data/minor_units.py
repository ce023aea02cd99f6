"""Currencies quoted in hundredths: pence, cents, agorot."""

from __future__ import annotations

from collections.abc import Iterable

# As data vendors, exchanges and brokers write them; upper and lower case count: GBp is a penny, GBP a pound.
MINOR_UNITS = {
    "GBX": "GBP", "GBx": "GBP", "GBp": "GBP",
    "USX": "USD", "USx": "USD", "USc": "USD", "USd": "USD",
    "EUX": "EUR", "EUx": "EUR", "EUc": "EUR",
    "ZAC": "ZAR", "ZAc": "ZAR", "ZAX": "ZAR", "ZAr": "ZAR",
    "ILA": "ILS", "ILa": "ILS", "ILX": "ILS", "ILs": "ILS",
}  # fmt: skip
"""A hundredth of a currency, and the currency."""
HUNDREDTH = 0.01


def major_unit(currency: str) -> tuple[str, float]:
    """The currency that a code is of, and how much of it one unit is: GBX is 0.01 of GBP, GBP is 1 of itself."""
    return (MINOR_UNITS[currency], HUNDREDTH) if currency in MINOR_UNITS else (currency, 1.0)


def all_units(currencies: Iterable[str]) -> set[str]:
    """The currencies with every unit in which one of them can be quoted."""
    majors = {major_unit(currency)[0] for currency in currencies}
    return {*currencies, *majors, *(minor for minor, major in MINOR_UNITS.items() if major in majors)}
