"""Rules as problem files have them: the name of the function, and its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dynopt_milp.errors import CovarianceError, FormatError, RulesError
from dynopt_milp.rules.counts import max_holdings, max_orders, one_of
from dynopt_milp.rules.groups import group
from dynopt_milp.rules.risks import risk, tracking_error
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.shares import cost, gross, net, turnover
from dynopt_milp.rules.sizes import lot, max_order, min_order, min_position
from dynopt_milp.rules.sums import exposure, margin

KINDS: dict[str, Callable[..., Rule]] = {
    function.__name__: function
    for function in (
        margin, exposure, gross, net, turnover, cost, group, risk, tracking_error, max_holdings, max_orders, one_of,
        lot, min_position, min_order, max_order,
    )
}  # fmt: skip
"""The functions that make rules, by name."""


def rule_from_dict(content: Any, source: str = "rules") -> Rule:
    """The rule of what its ``to_dict`` returned, the same to the last bit.

    Parameters
    ----------
    content : dict
        ``rule``, the name of a function, and its arguments.
    source : str
        What errors call it.

    Raises
    ------
    FormatError
        If there is no such function, or an argument is missing or unknown.
    RulesError, CovarianceError
        If the function refuses a value; the field is the source.
    """
    if not isinstance(content, dict) or "rule" not in content:
        raise FormatError("expected objects with the field rule", field=source)
    given = dict(content)
    kind = given.pop("rule")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FormatError(f"there is no rule {kind!r}; there are {', '.join(KINDS)}", field=source)
    arguments = inspect.signature(KINDS[kind]).parameters
    for name in given:
        if name not in arguments:
            raise FormatError(f"{kind}: {name} is no argument; there are {', '.join(arguments)}", field=source)
    for name, argument in arguments.items():
        if argument.default is inspect.Parameter.empty and name not in given:
            raise FormatError(f"{kind}: {name} is missing", field=source)
    try:
        return KINDS[kind](**given)
    except (RulesError, CovarianceError) as error:
        said = str(error).partition(f"{kind}: ")[2]
        raise type(error)(f"{kind}: {said}", field=source, instrument=error.instrument) from None
