"""What a function is called in the record of a run, so that two runs with different functions are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd


def describe(function: Any, *, with_code: bool = True) -> str:
    """A function by its name and by what it was made with; never an address in memory.

    Functions of one name are told apart by their code, defaults, and the numbers, texts, arrays and frames they carry;
    not by global variables they read. Without ``with_code`` they are not told apart, which reads better in a message.
    """
    if isinstance(function, partial):
        given = [*map(_value, function.args), *(f"{name}={_value(value)}" for name, value in function.keywords.items())]
        return f"{describe(function.func)}({', '.join(given)})"
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, type):
        return f"{_value(owner)}.{function.__name__}"
    name = getattr(function, "__qualname__", None)
    if name is None:
        return _value(function)
    where = f"{function.__module__}.{name}"
    marked = with_code and hasattr(function, "__code__") and _may_differ(function)
    return f"{where} {_code(function)}" if marked else where


def _may_differ(function: Any) -> bool:
    """Whether two functions of this name can do different things: lambdas, local functions, functions of a script."""
    return "<" in function.__qualname__ or function.__module__ == "__main__"


def _code(function: Any) -> str:
    code = function.__code__
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    carried = [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    constants = [_code_constant(constant) for constant in code.co_consts]
    content = [code.co_code.hex(), repr(code.co_names), *constants, *map(_value, carried)]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:8]


def _code_constant(constant: Any) -> str:
    return str(constant.co_code.hex()) if hasattr(constant, "co_code") else repr(constant)


def _value(value: Any) -> str:
    """A value as text that is the same whenever the value is.

    Of a list or set of anything but texts and numbers the kind only: it is most likely what a function collects.
    """
    if isinstance(value, (pd.Series, pd.DataFrame)):
        return hashlib.sha256(pd.util.hash_pandas_object(value).to_numpy().tobytes()).hexdigest()[:8]
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:8]
    if callable(value) and hasattr(value, "__qualname__"):
        return describe(value)
    if is_dataclass(value) and not isinstance(value, type):
        carried = ((field.name, getattr(value, field.name)) for field in fields(value) if field.repr)
        return _called(value, carried)
    if isinstance(value, (list, set, frozenset)):
        if not value or not all(isinstance(entry, (str, int, float)) for entry in value):
            return type(value).__qualname__
        entries = sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else map(repr, value)
        return f"{type(value).__qualname__}({', '.join(entries)})"
    text = repr(value)
    if " at 0x" not in text:
        return type(value).__qualname__ if isinstance(value, bytearray) else text
    return _called(value, sorted(getattr(value, "__dict__", {}).items()))


def _called(value: Any, carried: Iterable[tuple[str, Any]]) -> str:
    """An object by its class and what it carries."""
    return f"{type(value).__qualname__}({', '.join(f'{name}={_value(part)}' for name, part in carried)})"
