"""A file of house rules, TOML or JSON: what a desk keeps beside its account."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from dynopt_milp.errors import FormatError
from dynopt_milp.io.atomic import reported
from dynopt_milp.rules.from_file import rule_from_dict
from dynopt_milp.rules.rule import Rule

TABLE = "rules"


def read_rules(path: str | Path) -> list[Rule]:
    """The rules of a file: ``[[rules]]`` tables of TOML, or a list ``rules`` of JSON, each as problem files have it.

    Parameters
    ----------
    path : path
        ``.toml`` or ``.json``; each rule has ``rule``, the name of a function of :mod:`dynopt_milp.rules`, and its
        arguments.

    Raises
    ------
    FileError
        If it cannot be read.
    FormatError
        If it is neither, or has something else in it than rules.
    RulesError, CovarianceError
        If a rule is refused.
    """
    path = Path(path)
    with reported(path):
        content = path.read_bytes()
    if path.suffix not in (".toml", ".json"):
        raise FormatError("expected a name that ends with .toml or .json", field=str(path))
    try:
        text = content.decode("utf-8")
        found: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise FormatError(f"cannot be read: {error}", field=str(path)) from None
    if not isinstance(found, dict) or not isinstance(found.get(TABLE), list):
        expected = f"[[{TABLE}]] tables" if path.suffix == ".toml" else f'a list "{TABLE}"'
        raise FormatError(f"expected {expected}, each with rule = the name of one and its arguments", field=str(path))
    for name in found:
        if name != TABLE:
            raise FormatError(f"{name} is unknown; expected {TABLE} alone", field=str(path))
    return [rule_from_dict(rule, f"{path}: {TABLE}") for rule in found[TABLE]]
