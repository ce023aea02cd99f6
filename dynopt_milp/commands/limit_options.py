"""The options that limit positions: each names instruments, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from dynopt_milp.commands.app import comma_separated
from dynopt_milp.commands.panels import of_limits
from dynopt_milp.errors import InputError
from dynopt_milp.problem.limits import Limits

ALL = "all"

Names = list[str] | None


def _option(rule: str) -> Any:
    return of_limits(metavar="A,...", help=f"{rule}: {ALL}, or names with commas between.")


LongOnly = Annotated[Names, _option("Not below zero")]
NoTrade = Annotated[Names, _option("Stay as held")]
ReduceOnly = Annotated[Names, _option("Between zero and held")]
SameSide = Annotated[Names, _option("Never opposite to the target")]
Close = Annotated[Names, _option("Zero, now")]
OneSide = Annotated[
    bool | None,
    of_limits("--one-side/--no-one-side", help="No two sizes of one underlying on opposite sides.", show_default=False),
]


def chosen_limits(*, one_side: bool = False, **rules: Sequence[str] | None) -> Limits | None:
    """The limits of the options; None if none was given.

    Parameters
    ----------
    one_side : bool
    **rules : sequence of str or None
        By the names of :class:`~dynopt_milp.Limits`: what stood behind the option, each time it was given.
    """
    asked = {rule: comma_separated(",".join(texts)) for rule, texts in rules.items() if texts}
    for rule in (rule for rule, names in asked.items() if not names):
        raise InputError(f"expected names with commas between, or {ALL}, found nothing", field=rule)
    if not asked and not one_side:
        return None
    return Limits(one_side=one_side, **{rule: names == [ALL] or names for rule, names in asked.items()})
