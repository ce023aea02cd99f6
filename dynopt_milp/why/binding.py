"""What limits and rules cost: the optimum without each of them, and with one unit more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynopt_milp.errors import DynoptError, InputError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.problem import Problem
from dynopt_milp.rules.counts import MaxHoldings, MaxOrders
from dynopt_milp.rules.sizes import Lot, Size
from dynopt_milp.solvers.conflict_members import Member, OfLimit, OfRule, drafted
from dynopt_milp.why.price import FREE, Price, price_of
from dynopt_milp.why.questions import Found, Questions
from formulations import FloatArray

UNBOUNDED = "without it nothing bounds the positions"
PER_CENT = 0.01
"""Of a limit that counts neither contracts nor instruments: one unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A limit or a rule without which the optimum would be better.

    Attributes
    ----------
    words : str
        What it is, in a line.
    price : Price
        What it costs in the objective: the optimum less that without it.
    unit : str
        What one unit more of it is; empty for lots, pairs and sides.
    one_more : Price or None
        What one unit more is worth: the optimum less that with it.
    changes : dict
        Contracts by instrument: the optimum without it less the optimum.
    """

    words: str
    price: Price
    unit: str
    one_more: Price | None
    changes: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "words": self.words, "price": self.price.to_dict(), "unit": self.unit,
            "one_more": None if self.one_more is None else self.one_more.to_dict(), "changes": self.changes,
        }  # fmt: skip


def bindings(ask: Questions, best: Found) -> tuple[tuple[Binding, ...], Price]:
    """The limits and rules of a problem that bind, and what all of them cost together.

    Two that say the same bind neither of them: each may go, as long as the other stays.

    Parameters
    ----------
    ask : Questions
    best : Found
        The optimum.

    Returns
    -------
    binding : tuple of Binding
        Those that cost most first.
    together : Price
        The optimum less that without any of them that could bind.
    """
    problem = ask.problem
    members = ask.members
    candidates = [member for member in members if not _idle(member, problem, ask, best)]
    if not candidates:
        return (), FREE
    free = _without(ask, [member for member in members if member not in candidates])
    if free is not None and free.proved and not _better(free, best):
        return (), price_of(best, free)
    together = Price(None, 0.0, None, UNBOUNDED) if free is None else price_of(best, free)
    found = [one for member in candidates if (one := _binding(ask, best, members, member)) is not None]
    return tuple(sorted(found, key=lambda one: -np.inf if one.price.value is None else -one.price.value)), together


def forbids(ask: Questions, point: FloatArray, place: int) -> str:
    """Which limit, or rule of single positions, forbids a position of a portfolio, shape (n,); empty if none does."""
    problem, program = ask.problem, ask.problem.program()
    if problem.lower[place] <= point[place] <= problem.upper[place] and program.allows(point)[place]:
        return ""
    for member in ask.members:
        if isinstance(member, OfLimit) and member.place == place:
            outside = {
                "lower": point[place] < member.number, "upper": point[place] > member.number,
                "only": point[place] != member.number,
            }[member.side]  # fmt: skip
            if outside:
                return member.words
        if (
            isinstance(member, OfRule)
            and isinstance(member.rule, Size)
            and not problem.replace(rules=[member.rule]).program().allows(point)[place]
        ):
            return member.words
    return ""


def broken_together(problem: Problem, point: FloatArray) -> list[str]:
    """Which rules, and whether sides, a portfolio, shape (n,), breaks, in words."""
    found = [str(problem.rules[place]) for place in problem.broken_rules(point)]
    return found if problem.program().one_sided(point) else [*found, "one_side"]


def _binding(ask: Questions, best: Found, members: list[Member], member: Member) -> Binding | None:
    """The line of one of them, None if it does not bind."""
    problem = ask.problem
    found = _without(ask, [other for other in members if other is not member])
    if found is None:
        return Binding(member.words, Price(None, 0.0, None, UNBOUNDED), "", None, {})
    if found.proved and not _better(found, best):
        return None
    if found.contracts is None or best.contracts is None or not _better(found, best):
        ask.undecided += 1  # whether it binds was not found in time
        return None
    moved = found.contracts - best.contracts
    changes = {name: int(by) for name, by in zip(problem.instruments, moved, strict=True) if by}
    unit, other = _one_more(member)
    one_more = None
    if other is not None:
        more = _without(ask, [other if one is member else one for one in members])
        one_more = Price(None, 0.0, None, UNBOUNDED) if more is None else price_of(best, more)
    return Binding(member.words, price_of(best, found), unit, one_more, changes)


def _better(found: Found, best: Found) -> bool:
    """Whether one optimum is better than the other by more than gaps can be."""
    return found.objective < best.lower_bound


def _without(ask: Questions, members: list[Member]) -> Found | None:
    try:
        problem = drafted(ask.problem, members)
    except DynoptError:
        return None
    return ask.of(problem)


def _one_more(member: Member) -> tuple[str, Member | None]:
    """What one unit more of it is, and the same with that; nothing where it has no number, and for lots."""
    number = member.number
    if number is None or (isinstance(member, OfRule) and isinstance(member.rule, Lot)):
        return "", None
    if isinstance(member, OfLimit) or (isinstance(member, OfRule) and isinstance(member.rule, Size)):
        unit, step = "a contract", 1.0
    elif isinstance(member, OfRule) and isinstance(member.rule, (MaxHoldings, MaxOrders)):
        counted = "an instrument" if isinstance(member.rule, MaxHoldings) else "an order"
        unit, step = counted, 1.0
    else:
        unit, step = "1 % of the limit", PER_CENT * abs(number)
    try:
        return unit, member.at(number + member.way * step)
    except InputError:  # a least size of none
        return "", None


def _idle(member: Member, problem: Problem, ask: Questions, best: Found) -> bool:
    """Whether every portfolio as good as the optimum keeps it, by the box that holds them all."""
    box = ask.box()
    if box is None:
        return False
    lower, upper = box
    if isinstance(member, OfLimit):
        low, high = lower[member.place], upper[member.place]
        return bool({
            "lower": low >= member.number, "upper": high <= member.number, "only": low == high == member.number,
        }[member.side])  # fmt: skip
    if isinstance(member, OfRule) and isinstance(member.rule, Size) and isinstance(member.rule.contracts, tuple):
        place = problem.instruments.index(member.rule.contracts[0][0])
        low, high = lower[place], upper[place]
        if high - low > 100:
            return False
        points = np.tile(np.asarray(best.contracts, dtype=np.float64), (int(high - low) + 1, 1))
        points[:, place] = np.arange(low, high + 1)
        return bool(problem.replace(rules=[member.rule], limits=Limits()).program().allows(points)[:, place].all())
    return False
