"""How the guide's functions call each other: as their users see them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast


def current(name: str) -> Callable[..., Any]:
    """The function of that name in ``dynopt_milp.guide`` at this moment.

    The guide is code to change: who replaces a function there (a formula of their own, say) expects the others to use
    it, as they do in the guide's own modules.
    """
    return cast("Callable[..., Any]", getattr(import_module("dynopt_milp.guide"), name))
