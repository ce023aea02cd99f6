"""What pysystemtrade hands over, made into numbers by instrument, and numbers made into what the caller has."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import as_number, check_distinct, not_negative, refuse_masked_or_complex
from formulations import FloatArray


def supplied(value: Any) -> Any:
    """The value, or None for what pysystemtrade marks as not supplied."""
    return None if type(value).__name__ == "named_object" and "not supplied" in repr(value) else value


def numbers_of(values: Any, field: str) -> dict[str, float]:
    """Numbers by instrument, of a dict-like or a Series; NaN stays, and None is NaN.

    Raises
    ------
    InputError
        If ``values`` are not such numbers, or an instrument appears twice.
    """
    given = _by_instrument(values, field, "numbers")
    return {name: value if type(value) is float else _number(value, field, str(name)) for name, value in given.items()}


def _by_instrument(values: Any, field: str, what: str) -> Mapping[Any, Any]:
    """A dict-like or a Series as a mapping; raises InputError if it is neither, or an instrument appears twice."""
    if isinstance(values, pd.Series):
        check_distinct(values.index, field)
        values = values.to_dict()
    if not isinstance(values, Mapping):
        raise InputError(
            f"expected {what} by instrument, a dict or a Series, found {type(values).__name__}", field=field
        )
    return values


def _number(value: Any, field: str, name: str) -> float:
    return float("nan") if value is None else as_number(value, field, name)


def texts_of(values: Any, field: str) -> dict[str, str]:
    """Texts by instrument, of a dict-like or a Series; an empty one where there is none (None, NaN).

    Raises
    ------
    InputError
        If ``values`` are not such texts, or an instrument appears twice.
    """
    given = _by_instrument(values, field, "texts")
    found = {name: "" if value is None or value != value else value for name, value in given.items()}
    for name, value in found.items():
        if not isinstance(value, str):
            raise InputError(f"expected a text, found {value!r}", field=field, instrument=str(name))
    return found


def names_and_matrix(given: Any) -> tuple[list[str], FloatArray]:
    """Names and matrix, shape (n, n), of an estimate, a DataFrame or a dict of dicts.

    Raises
    ------
    InputError
        If ``given`` is none of them, an instrument appears twice or an entry is not a number.
    """
    if isinstance(given, Mapping):
        given = pd.DataFrame(given)
    if isinstance(given, pd.DataFrame):
        names = list(given.columns)
        for axis, labels in (("rows", given.index), ("columns", given.columns)):
            check_distinct(labels, "covariance_matrix", where=f"in the {axis}")
        ordered = given if given.index.equals(given.columns) else given.reindex(index=names)
        return names, _matrix(ordered.to_numpy(), names)
    if not hasattr(given, "values") or not hasattr(given, "columns"):
        raise InputError(
            f"expected a covariance estimate, a DataFrame or a dict of dicts, found {type(given).__name__}",
            field="covariance_matrix",
        )
    names = list(given.columns)
    matrix = _matrix(given.values, names)
    check_distinct(names, "covariance_matrix")
    if matrix.shape != (len(names), len(names)):
        raise InputError(f"has {len(names)} columns and shape {matrix.shape}", field="covariance_matrix")
    return names, matrix


def _matrix(values: Any, names: list[str]) -> FloatArray:
    refuse_masked_or_complex(values, "covariance_matrix", [str(name) for name in names])
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("expected numbers", field="covariance_matrix") from None


def same_kind(kind: Any, content: dict[str, Any]) -> Any:
    """The content in an object of the type of ``kind``, which itself stays as it is."""
    if isinstance(kind, pd.Series):
        index = pd.Index(list(content), name=kind.index.name)
        return type(kind)(list(content.values()), index=index, name=kind.name)
    if isinstance(kind, MutableMapping):  # however it is made, a copy of it is one
        made = copy.copy(kind)
        made.clear()
        made.update(content)
        return made
    return type(kind)(content)


def keys_by_rule(constraints: Any) -> dict[str, list[str]]:
    """The instruments of each rule, of an object with ``reduce_only_keys``, ``no_trade_keys``, ``long_only_keys``.

    Raises
    ------
    InputError
        If one of the first two attributes is missing, or one is not a list.
    """
    rules: dict[str, list[str]] = {"reduce_only": [], "no_trade": [], "long_only": []}
    if constraints is None:
        return rules
    for rule in rules:
        name = f"{rule}_keys"
        if not hasattr(constraints, name):
            if rule == "long_only":  # older versions have none
                continue
            raise InputError(
                f"expected the attribute {name}, a list or not supplied; found {type(constraints).__name__}",
                field="constraints",
            )
        keys = supplied(getattr(constraints, name))
        if isinstance(keys, str) or not (keys is None or isinstance(keys, Iterable)):
            raise InputError(f"expected a list of instruments, found {keys!r}", field=name)
        rules[rule] = list(keys or [])
    return rules


def speed_control_value(control: Any, name: str) -> float:
    """A number of the speed control, finite and not negative; its defaults are tuples of one number.

    Raises
    ------
    InputError
        If ``control`` has no such attribute, or its value is not such a number.
    """
    if not hasattr(control, name):
        raise InputError(
            f"is no attribute of the {type(control).__name__} that came as speed_control; give an object with "
            "trade_shadow_cost and tracking_error_buffer", field=name,
        )  # fmt: skip
    value: Any = getattr(control, name)
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return not_negative(value, name)
