"""How the guide's functions call each other: as their users see them.

The guide is code to change: who replaces a function in its module (a cost of their own, another search) expects the
others to use it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from dynopt_milp.errors import InputError

ORIGINALS: dict[str, Callable[..., Any]] = {}
"""The guide's functions as this package has them, by name."""
GUIDE = "dynopt_milp.guide"
Function = TypeVar("Function", bound=Callable[..., Any])


def replaceable(function: Function) -> Function:
    """The function itself, known as one of the guide's."""
    ORIGINALS[function.__name__] = function
    return function


def replacement(name: str) -> Callable[..., Any] | None:
    """What stands now for a function of the guide in ``dynopt_milp.guide`` or its own module; None if it does itself.

    Raises
    ------
    InputError
        If two different things do, or one that cannot be called.
    """
    original = ORIGINALS[name]
    there: dict[str, Callable[..., Any]] = {
        place: getattr(import_module(place), name) for place in (GUIDE, original.__module__)
    }
    found = [function for function in there.values() if function is not original]
    if not found:
        return None
    for function in found:
        if not callable(function):
            raise InputError(f"was replaced; expected a function, found {type(function).__name__}", field=name)
    if any(function != found[0] for function in found):  # a bound method is another object each time it is looked up
        raise InputError(f"was replaced by different functions in {' and '.join(there)}; use one of them", field=name)
    return found[0]


def current(name: str) -> Callable[..., Any]:
    """The function of the guide that stands for this name now, whether replaced or not."""
    own = replacement(name)
    return ORIGINALS[name] if own is None else own
