"""What every rule is: a value that can be compared, written down, and made part of a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.rules.arguments import LARGEST
from dynopt_milp.rules.setting import Setting
from formulations import Row, Rules


class Rule(ABC):
    """A house rule. Two are equal if they are of a kind and have the same arguments.

    Subclasses are frozen dataclasses whose fields are the arguments of the function that makes them: numbers, names
    (sorted), numbers by instrument (sorted by name). ``str`` is the rule in a line.

    Attributes
    ----------
    kind : str
        The name of that function.
    raised, lowered : tuple of str
        The fields that are numbers, None or numbers by instrument, and allow more portfolios when they are raised, or
        lowered: what a conflict of rules may ask for.
    """

    __slots__ = ()
    kind: ClassVar[str]
    raised: ClassVar[tuple[str, ...]] = ()
    lowered: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def formula(self) -> str:
        """What is kept, in symbols and in one line."""

    @abstractmethod
    def parts(self, setting: Setting) -> Rules:
        """The rows and caps, or the domain, that it is in a program.

        Raises
        ------
        InputError
            If it names an instrument that the problem does not have, or lacks a number; the field is the argument.
        """

    def labelled(self, instruments: tuple[str, ...]) -> Rule:
        """The same with names where there were none; ``instruments`` are those of the problem, in its order."""
        return self

    def with_target(self, target: Mapping[str, float]) -> Rule:
        """The same in a problem of another target: what it says of the target, it says of this one."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """What a problem file holds: the kind as ``rule``, and the arguments that are given."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {"rule": self.kind} | {name: _plain(value) for name, value in given.items() if value is not None}

    def __str__(self) -> str:
        return f"{self.kind}: {self.formula}"

    def __repr__(self) -> str:
        return f"<{self}>"


def rows_between(setting: Setting, lower: float | None, upper: float | None, form: str, coefficients: Any) -> Rules:
    """Rows of one form (an argument of ``Row.of``): at most the upper bound, at least the lower one."""
    large = ~(np.abs(coefficients) + np.zeros(setting.size) <= LARGEST)
    if large.any():
        name = setting.instruments[int(np.argmax(large))]
        said = "a contract counts more than float64 can add up; use other units"
        raise InputError(said, field="sum", instrument=name)
    rows = []
    if upper is not None:
        rows.append(Row.of(setting.size, upper, **{form: coefficients}))
    if lower is not None:
        rows.append(Row.of(setting.size, -lower, **{form: -coefficients}))
    return Rules(rows=tuple(rows))


def _plain(value: Any) -> Any:
    """An argument as JSON has it."""
    if isinstance(value, tuple):
        return dict(value) if isinstance(value[0], tuple) else list(value)
    return value.to_dict() if hasattr(value, "to_dict") else value
