"""Problem files: JSON, format ``dynopt-milp problem 2``, every array in the order of ``instruments``.

Limits stand there as they were asked for: the rules by name, and the numbers. House rules name their
instruments. Format 1, which is read as well, has numbers alone, no costs of holding and of orders, no underlyings, no
margins, no capital and no house rules.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynopt_milp.errors import FormatError
from dynopt_milp.io.files_read import read_bytes
from dynopt_milp.io.labelled import positive
from dynopt_milp.problem.limits import RULES, SIDES, Limits
from dynopt_milp.problem.order_costs import order_costs_from_dict
from dynopt_milp.rules.from_file import rule_from_dict
from dynopt_milp.rules.rule import Rule

FORMAT, FIRST_FORMAT = "dynopt-milp problem 2", "dynopt-milp problem 1"
VECTORS = ("weight_per_contract", "optimal_positions", "previous_positions", "cost_in_weight_terms")
REQUIRED = ("format", "instruments", "covariance", *VECTORS, "cost_multiplier")
LISTS = ("holding_cost", "underlying", "margin", *SIDES)
"""Further fields with an entry for each instrument."""
OPTIONAL = {FIRST_FORMAT: SIDES, FORMAT: ("capital", "order_costs", "rules", *LISTS, *RULES)}
MISSING = {"lower": -np.inf, "upper": np.inf}
"""What null is, as a limit."""


def read_content(path: Path) -> Any:
    """What a JSON file says.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    FormatError
        If it is not JSON, or a name appears twice in it.
    """
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("is not a text file", field=str(path)) from None
    try:
        return json.loads(text, object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        raise FormatError(f"is not JSON: line {error.lineno}: {error.msg}", field=str(path)) from None
    except ValueError as error:  # integers of thousands of digits
        raise FormatError(f"is not JSON: {error}", field=str(path)) from None
    except RecursionError:
        raise FormatError("is not a problem: nested too deeply", field=str(path)) from None


def fields_of(content: Any, source: str) -> dict[str, Any]:
    """The content of a problem file as the arguments of :class:`~dynopt_milp.Problem`, which checks their values.

    Parameters
    ----------
    content : Any
    source : str
        What holds it, for errors.

    Raises
    ------
    FormatError
        If it has another format, or a field is missing, unknown or has the wrong length.
    """
    if not isinstance(content, dict):
        raise FormatError(f"expected an object with the fields {', '.join(REQUIRED)}", field=source)
    made = content.get("format")
    if made not in (FORMAT, FIRST_FORMAT):
        found = repr(made) if "format" in content else "none"
        inside = "; its field problem is one: put that into a file of its own" if "problem" in content else ""
        raise FormatError(
            f"expected the format {FORMAT!r}, or {FIRST_FORMAT!r}, found {found}{inside}", field=f"{source}: format"
        )
    for name in REQUIRED:
        if name not in content:
            raise FormatError("is missing", field=f"{source}: {name}")
    for name in content:
        if name not in REQUIRED + OPTIONAL[made]:
            raise FormatError(f"is not a field of {made!r}", field=f"{source}: {name}")

    instruments = content["instruments"]
    if not isinstance(instruments, list):
        raise FormatError("expected a list of names", field=f"{source}: instruments")
    size = len(instruments)
    for name in (*VECTORS, *LISTS):
        if name in content:
            _check_list(content[name], size, f"{source}: {name}")
    _check_list(content["covariance"], size, f"{source}: covariance")
    for place, row in enumerate(content["covariance"]):
        field = f"{source}: covariance row {place + 1} ({instruments[place]})"
        _check_list(row, size, field)
        for entry in row:
            if isinstance(entry, bool) or not isinstance(entry, (int, float)):
                raise FormatError(
                    f"expected numbers, found {entry!r}",
                    field=f"{source}: covariance row {place + 1} ({instruments[place]})",
                )
    limits = {side: _numbers(content[side], MISSING[side]) for side in SIDES if side in content}
    for rule in RULES:
        if rule in content:
            limits[rule] = _rule(content[rule], f"{source}: {rule}")
    house: list[Rule] = []
    if "rules" in content:
        if not isinstance(content["rules"], list):
            raise FormatError(f"expected a list, found {type(content['rules']).__name__}", field=f"{source}: rules")
        house = [rule_from_dict(rule, f"{source}: rules") for rule in content["rules"]]
    if "capital" in content:
        positive(content["capital"], "capital")  # null would be none
    orders = None
    if "order_costs" in content:
        orders = order_costs_from_dict(
            content["order_costs"], f"{source}: order_costs", lambda part, field: _check_list(part, size, field)
        )
    return {
        "order_costs": orders,
        "limits": Limits(**limits),
        "instruments": tuple(instruments),
        "rules": house,
        **{
            name: content[name]
            for name in ("covariance", "cost_multiplier", *VECTORS, "capital", "holding_cost", "underlying")
            if name in content
        },
        **({"margin": _numbers(content["margin"], math.nan)} if "margin" in content else {}),
    }


def content_of(fields: dict[str, Any]) -> dict[str, Any]:
    """The content of a problem file.

    Parameters
    ----------
    fields : dict
        The arguments of a problem, as it holds them.
    """
    names, limits = fields["instruments"], fields["limits"].among(fields["instruments"], fields["instruments"])
    content: dict[str, Any] = {"format": FORMAT}
    if fields["capital"] is not None:
        content["capital"] = fields["capital"]
    content |= {
        "instruments": list(names),
        "covariance": fields["covariance"].tolist(),
        "cost_multiplier": fields["cost_multiplier"],
        **{name: fields[name].tolist() for name in VECTORS},
    }
    content["previous_positions"] = [int(position) for position in fields["previous_positions"]]
    if fields["holding_cost"].any():
        content["holding_cost"] = fields["holding_cost"].tolist()
    if fields["order_costs"] is not None:
        content["order_costs"] = fields["order_costs"].to_dict()
    if fields["margin"] is not None:
        content["margin"] = [None if math.isnan(number) else number for number in fields["margin"].tolist()]
    if fields["underlying"] != names:
        content["underlying"] = list(fields["underlying"])
    for name in limits.given:
        asked = getattr(limits, name)
        if name in SIDES:
            content[name] = [int(number) if np.isfinite(number) else None for number in asked]
        else:
            content[name] = asked if asked is True else list(asked)
    if fields["rules"]:
        content["rules"] = [rule.to_dict() for rule in fields["rules"]]
    return content


def in_order(content: dict[str, Any], order: NDArray[np.intp]) -> dict[str, Any]:
    """The content of a problem file with its instruments in another order; names that rules list are sorted.

    Parameters
    ----------
    content : dict
        What :func:`content_of` made.
    order : ndarray of int
        The places of the instruments.
    """
    moved = dict(content)
    for name in ("instruments", *VECTORS, *LISTS):
        if name in content:
            moved[name] = [content[name][place] for place in order]
    if "order_costs" in content:
        parts = content["order_costs"]
        moved["order_costs"] = {name: [part[place] for place in order] for name, part in parts.items()}
    moved["covariance"] = [[content["covariance"][row][column] for column in order] for row in order]
    for rule in RULES:
        if isinstance(content.get(rule), list):
            moved[rule] = sorted(set(content[rule]))
    return moved


def _numbers(given: list[Any], missing: float) -> list[Any]:
    return [missing if number is None else number for number in given]


def _rule(value: Any, field: str) -> Any:
    if not isinstance(value, (bool, list)):
        raise FormatError(f"expected true, false or a list of names, found {value!r}", field=field)
    return value


def _check_list(value: Any, size: int, field: str) -> None:
    if not isinstance(value, list):
        raise FormatError(f"expected a list, found {type(value).__name__}", field=field)
    if len(value) != size:
        raise FormatError(f"expected {size} entries, one per instrument, found {len(value)}", field=field)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise FormatError("appears more than once", field=repeated)
    return content
