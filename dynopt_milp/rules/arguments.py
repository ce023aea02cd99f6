"""What a rule is given, checked: a number, numbers by instrument, bounds, names."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import CovarianceError, InputError, RulesError
from dynopt_milp.io.first_few import first_few
from dynopt_milp.io.labelled import MOST_CONTRACTS, check_distinct, check_instruments, to_number, to_vector
from formulations import FloatArray

Amounts = float | tuple[tuple[str, float], ...]
"""A number for all, or one for each instrument that is named, in the order of the names."""
MOST_RISK = 5.0
"""Of capital, a year: 500 %. What is more looks like per cent."""
MOST_SHARES = 100.0
"""Gross, net or traded notional, of capital: 10,000 %. Portfolios of bonds and short rates come to a few thousand."""
LARGEST = 1e100
"""Of any number; sums of its products with 2⁵² contracts do not overflow."""


@contextmanager
def of_rule(kind: str) -> Iterator[None]:
    """Whatever is refused inside is refused as an argument of this rule.

    Raises
    ------
    RulesError, CovarianceError
        Field ``rules``; the message names the rule and its argument.
    """
    try:
        yield
    except InputError as error:
        where = error.field if error.instrument is None else f"{error.field} of {' '.join(error.instrument.split())}"
        said = str(error).removeprefix(f"{where}: ").replace("\n", " ")
        refused = CovarianceError if isinstance(error, CovarianceError) else RulesError
        raise refused(f"{kind}: {error.field}: {said}", field="rules", instrument=error.instrument) from None


def number(value: Any, argument: str, *, least: float = -math.inf, whole: bool = False) -> float:
    """One finite number, whole if asked for, and not below ``least``."""
    return _checked(value, argument, None, least, whole)


def share(value: Any, argument: str, most: float, *, least: float = 0.0) -> float:
    """A share of capital; one that looks like per cent is refused."""
    found = number(value, argument, least=least)
    if abs(found) > most:
        if abs(found) > 100 * most:
            raise InputError(f"expected a share of capital (money ÷ capital), found {found:g}", field=argument)
        raise InputError(f"{found:g} looks like per cent; give {found / 100:g}", field=argument)
    return found


def bounds(
    lower: Any, upper: Any, *, least: float = -math.inf, most: float = math.inf
) -> tuple[float | None, float | None]:
    """A lower and an upper bound, one of which may be None; neither is below ``least``, or looks like per cent."""
    if lower is None and upper is None:
        raise InputError("no bound is given; give one or both", field="lower, upper")
    low = None if lower is None else share(lower, "lower", most, least=least)
    high = None if upper is None else share(upper, "upper", most, least=least)
    if low is not None and high is not None and low > high:
        raise InputError(f"the lower bound, {low:g}, is above the upper one, {high:g}", field="lower, upper")
    return low, high


def amounts(value: Any, argument: str, *, least: float = -math.inf, whole: bool = False) -> Amounts:
    """A number for all, or a Series or dict by instrument, each a :func:`number`."""
    if isinstance(value, pd.Series):
        check_distinct(value.index, argument)
        value = value.to_dict()
    if isinstance(value, Mapping):
        if not value:
            raise InputError("names no instrument", field=argument)
        names = sorted(check_instruments(tuple(value), argument))
        return tuple((name, _checked(value[name], argument, name, least, whole)) for name in names)
    if is_many(value):
        raise InputError(
            f"expected a number for all, or a Series or dict by instrument, found {_kind(value)}", field=argument
        )
    return _checked(value, argument, None, least, whole)


def by_instrument(
    given: Amounts, instruments: tuple[str, ...], argument: str, *, missing: float | None = None
) -> FloatArray:
    """The amounts as an array, shape (n,); ``missing`` is that of instruments that are not named, None an error."""
    value = dict(given) if isinstance(given, tuple) else given
    return to_vector(value, instruments, argument, missing=missing, infinite=missing == math.inf)


def names_of(value: Any, *, least: int = 1) -> tuple[str, ...]:
    """Distinct names, at least so many, sorted."""
    single = isinstance(value, np.ndarray) and not value.ndim
    if single or isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        found = repr(value) if isinstance(value, str) else _kind(value)
        raise InputError(f"expected a list of names, found {found}", field="names")
    names = tuple(value)
    if len(names) < least:
        raise InputError(f"expected at least {least}, found {len(names)}", field="names")
    return tuple(sorted(check_instruments(names, "names")))


def members(names: Sequence[str], instruments: tuple[str, ...]) -> np.ndarray:
    """Which instruments are named, shape (n,)."""
    for name in names:
        if name not in instruments:
            raise InputError("is not among the instruments of the problem", field="names", instrument=name)
    return np.array([name in names for name in instruments], dtype=bool)


def is_many(value: Any) -> bool:
    """Whether it is a container of numbers rather than one."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, (pd.Series, pd.DataFrame, pd.Index, Collection)) and not isinstance(value, (str, bytes))


def shown(amount: float) -> str:
    """A number in the line that says what a rule is."""
    return f"{amount:,.10g}".replace("-", "−")


def shown_amounts(given: Amounts, symbol: str) -> str:
    """The number for all, or the symbol and the first few numbers by instrument."""
    if isinstance(given, tuple):
        return f"{symbol} ({first_few([f'{name} {shown(amount)}' for name, amount in given])})"
    return shown(given)


def shown_between(middle: str, lower: float | None, upper: float | None) -> str:
    """What lies between bounds, of which one may be None."""
    least = "" if lower is None else f"{shown(lower)} ≤ "
    return least + middle + ("" if upper is None else f" ≤ {shown(upper)}")


def _checked(entry: Any, argument: str, instrument: str | None, least: float, whole: bool) -> float:
    if is_many(entry):
        raise InputError(f"expected one number, found {_kind(entry)}", field=argument, instrument=instrument)
    try:
        found = to_number(entry, argument) + 0.0
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{argument}: "), field=argument, instrument=instrument) from None
    if whole and (found != math.floor(found) or found > MOST_CONTRACTS):
        expected = f"a whole number from {least:g} to 2⁵²"
    elif found < least:
        expected = "a number that is not negative" if least == 0 else f"a number of at least {least:g}"
    elif abs(found) > LARGEST:
        expected = f"a number of at most {LARGEST:g}"
    else:
        return int(found) if whole else found
    raise InputError(f"expected {expected}, found {found:.15g}", field=argument, instrument=instrument)


def _kind(value: Any) -> str:
    kind = type(value).__name__
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"
