"""What of a problem can be in a conflict, one piece each: rules, bounds of rules, limits, sides.

A member can be put into a draft of a problem, or left out of it. One that has a number has it with another number, too:
the one it would need for a given portfolio.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dynopt_milp.errors import InputError
from dynopt_milp.problem.limits import RULES, Limits
from dynopt_milp.problem.problem import Problem
from dynopt_milp.rules.arguments import shown
from dynopt_milp.rules.from_file import rule_from_dict
from dynopt_milp.rules.risks import TrackingError
from dynopt_milp.rules.rule import Rule
from dynopt_milp.rules.shares import Cost
from dynopt_milp.rules.sizes import Lot, MaxOrder, MinPosition, Size
from formulations import FloatArray, NormCap, Rules


@dataclass(slots=True)
class Draft:
    """The rules and limits of a problem, as they are put together."""

    lower: FloatArray
    upper: FloatArray
    rules: list[Rule] = field(default_factory=list)
    one_side: list[str] = field(default_factory=list)


def drafted(problem: Problem, members: Iterable[Member]) -> Problem:
    """The problem with these members for its rules and limits.

    Raises
    ------
    LimitsError
        If limits leave a position nothing, which those of the problem did not.
    """
    size = len(problem.instruments)
    draft = Draft(np.full(size, -np.inf), np.full(size, np.inf))
    for member in members:
        member.put(draft)
    return problem.replace(rules=draft.rules, limits=Limits(draft.lower, draft.upper, one_side=draft.one_side))


class Member(ABC):
    """A piece of a problem that can be left out.

    Attributes
    ----------
    words : str
        What it is, in a line.
    what : str
        What of it changes, in a few words.
    number : float or None
        Its number, if it has one.
    way : int
        1 if a larger number allows more portfolios, −1 if a smaller one does.
    """

    words: str
    what: str
    number: float | None
    way: int = 1

    @abstractmethod
    def put(self, draft: Draft) -> None:
        """Add it."""

    def at(self, number: float) -> Member:
        """The same with another number."""
        raise NotImplementedError

    def needed(self, problem: Problem, portfolio: FloatArray) -> float:
        """The number nearest to its own with which the portfolio, shape (n,), keeps it."""
        raise NotImplementedError

    def whole(self, problem: Problem) -> bool:
        """Whether only whole numbers count."""
        return True

    def norm(self, problem: Problem) -> NormCap | None:
        """The cap that it is, if its number is that of a norm."""
        return None


@dataclass(frozen=True, slots=True)
class OfRule(Member):
    """A rule, with one number at most.

    Parameters
    ----------
    rule : Rule
    field : str or None
        The field that is the number.
    buffer : bool
        Whether it stands for the buffer of ``buffer_edge``.
    which : str
        What tells it from another that reads the same.
    """

    rule: Rule
    field: str | None = None
    buffer: bool = False
    which: str = ""

    @property
    def words(self) -> str:  # type: ignore[override]
        """The rule in a line."""
        return f"buffer: {self.rule.formula}" if self.buffer else f"{self.rule}{self.which}"

    @property
    def what(self) -> str:  # type: ignore[override]
        """Its kind, with the field, or the instrument that it is for."""
        if self.buffer:
            return "buffer"
        if self.field is None:
            return f"{self.rule}{self.which}"
        value = getattr(self.rule, self.field)
        some = f" of {value[0][0]}" if isinstance(value, tuple) else f", {self.field}"
        return f"{self.rule.kind}{some}{self.which}"

    @property
    def number(self) -> float | None:  # type: ignore[override]
        """What the field holds."""
        if self.field is None:
            return None
        value = getattr(self.rule, self.field)
        return float(value[0][1] if isinstance(value, tuple) else value)

    @property
    def way(self) -> int:  # type: ignore[override]
        """Lots and least sizes are lowered, as are lower bounds."""
        return 1 if self.field in self.rule.raised else -1

    def put(self, draft: Draft) -> None:
        """Add the rule."""
        draft.rules.append(self.rule)

    def at(self, number: float) -> Member:
        """The rule with another number."""
        assert self.field is not None
        old = getattr(self.rule, self.field)
        new: Any = int(number) if isinstance(self.rule, Size) else number
        new = ((old[0][0], new),) if isinstance(old, tuple) else new
        return replace(self, rule=replace(self.rule, **{self.field: new}))  # type: ignore[type-var]

    def needed(self, problem: Problem, portfolio: FloatArray) -> float:
        """By its sum or norm, or the sizes of the positions and orders that it is for."""
        if isinstance(self.rule, Size):
            return self._size_needed(self.rule, problem, portfolio)
        if isinstance(self.rule, Cost):  # whose table ends where its budget does
            return float(problem.trading_costs(portfolio).sum())
        part, program = self._part(problem), problem.program()
        if part.caps:
            return float(part.caps[0].norms(portfolio[None] - program.zero)[0])
        return self.way * float(part.rows[0].terms(portfolio, program.previous, program.zero).sum())

    def whole(self, problem: Problem) -> bool:
        """Whether it counts something, or adds up whole numbers."""
        if isinstance(self.rule, Size):
            return True
        rows = self._part(problem).rows
        return bool(rows) and all(
            row.tables is None and (row.coefficients == np.rint(row.coefficients)).all() for row in rows
        )

    def norm(self, problem: Problem) -> NormCap | None:
        """Of a risk, or a tracking error."""
        caps = () if isinstance(self.rule, Size) else self._part(problem).caps
        return caps[0] if caps else None

    def _part(self, problem: Problem) -> Rules:
        return problem.replace(rules=[self.rule]).parts_of_rules()[0]

    def _size_needed(self, rule: Size, problem: Problem, portfolio: FloatArray) -> float:
        named = [rule.contracts[0][0]] if isinstance(rule.contracts, tuple) else list(problem.instruments)
        ruled = np.isin(problem.instruments, named) & (problem.lower != problem.upper)
        held, traded = np.abs(portfolio), np.abs(portfolio - problem.previous_positions)
        if isinstance(rule, Lot):
            return float(math.gcd(int(self.number or 0), *(int(size) for size in held[ruled])))
        if isinstance(rule, MinPosition):
            return float(held[ruled & (held > 0)].min(initial=self.number))
        if isinstance(rule, MaxOrder):
            return float(traded[ruled].max(initial=self.number))
        return float(traded[ruled & (held > 0) & (traded > 0)].min(initial=self.number))


@dataclass(frozen=True, slots=True)
class OfLimit(Member):
    """A limit of an instrument, or its only position.

    Parameters
    ----------
    instrument : str
    place : int
        Of the instrument.
    number : float
    side : str
        ``"lower"``, ``"upper"`` or ``"only"``.
    source : str
        The limit it comes from, if it is not given as a number.
    beyond : int
        How far it may be from an only position.
    """

    instrument: str
    place: int
    number: float
    side: str
    source: str = ""
    beyond: float = 0.0

    @property
    def words(self) -> str:  # type: ignore[override]
        """Limit, instrument and number."""
        by = f" ({self.source})" if self.source else ""
        return f"{self.what}: {shown(self.number)}{by}"

    @property
    def what(self) -> str:  # type: ignore[override]
        """The limit and the instrument."""
        return f"{self.side} position of {self.instrument}" if self.fixed else f"{self.side} limit of {self.instrument}"

    @property
    def fixed(self) -> bool:
        """Whether the position is the only one."""
        return self.side == "only"

    @property
    def way(self) -> int:  # type: ignore[override]
        """Lower limits are lowered."""
        return -1 if self.side == "lower" else 1

    def put(self, draft: Draft) -> None:
        """Put the limit where it is stricter."""
        if self.side != "upper":
            draft.lower[self.place] = max(draft.lower[self.place], self.number - self.beyond)
        if self.side != "lower":
            draft.upper[self.place] = min(draft.upper[self.place], self.number + self.beyond)

    def at(self, number: float) -> Member:
        """The limit elsewhere; an only position, with others up to this one on either side."""
        return replace(self, beyond=abs(number - self.number)) if self.fixed else replace(self, number=number)

    def needed(self, problem: Problem, portfolio: FloatArray) -> float:
        """The position."""
        return float(portfolio[self.place])


@dataclass(frozen=True, slots=True)
class OfSides(Member):
    """The sizes of one underlying on one side."""

    underlying: str
    names: tuple[str, ...]
    number: None = None

    @property
    def words(self) -> str:  # type: ignore[override]
        """The underlying and its sizes."""
        return f"one_side of {self.underlying}: {', '.join(self.names)}"

    @property
    def what(self) -> str:  # type: ignore[override]
        """The underlying."""
        return f"one_side of {self.underlying}"

    def put(self, draft: Draft) -> None:
        """Bind the sizes."""
        draft.one_side.extend(self.names)


def members_of(problem: Problem, buffer: float | None = None) -> list[Member]:
    """All that the problem has: rules in their order, the buffer, then sides and limits in the order of names."""
    pieces = [(place, piece) for place, rule in enumerate(problem.rules, 1) for piece in _pieces(rule)]
    places: dict[str, set[int]] = {}
    for place, piece in pieces:
        for text in (piece.words, piece.what):
            places.setdefault(text, set()).add(place)
    found: list[Member] = [
        replace(piece, which=f" (rule {place})") if len(places[piece.words] | places[piece.what]) > 1 else piece
        for place, piece in pieces
    ]
    if buffer is not None:
        found.append(OfRule(TrackingError(buffer), "limit", buffer=True))
    ruled = problem.limits.one_side_of(problem.instruments)
    sizes: dict[str, list[str]] = {}
    for place in problem.order():
        if ruled[place]:
            sizes.setdefault(problem.underlying[place], []).append(problem.instruments[place])
    found += [OfSides(name, tuple(names)) for name, names in sorted(sizes.items()) if len(names) > 1]
    return found + _limits(problem)


def typed(member: Member) -> bool:
    """Whether a user can give its number: it is not refused for looking like per cent, say."""
    if not isinstance(member, OfRule) or member.buffer:
        return True
    try:
        rule_from_dict(member.rule.to_dict())
    except InputError:
        return False
    return True


def _pieces(rule: Rule) -> list[OfRule]:
    """The rule, or its bounds, or the instruments it is for."""
    if isinstance(rule, Size) and isinstance(rule.contracts, tuple):
        return [OfRule(replace(rule, contracts=(entry,)), "contracts") for entry in rule.contracts]  # type: ignore[type-var]
    if isinstance(rule, Lot):
        return [OfRule(rule, "contracts")]
    bounds = [name for name in (*rule.lowered, *rule.raised) if getattr(rule, name) is not None]
    if len(bounds) < 2:
        return [OfRule(rule, bounds[0] if bounds else None)]
    alone = [{other: None for other in bounds if other != name} for name in bounds]
    return [OfRule(replace(rule, **others), name) for name, others in zip(bounds, alone, strict=True)]  # type: ignore[type-var]


def _limits(problem: Problem) -> list[Member]:
    given, names = problem.limits, problem.instruments
    around = (names, problem.optimal_positions, problem.previous_positions)
    lower, upper = given.box(*around)
    numbers = Limits(given.lower, given.upper).box(*around)
    rules = [name for name in RULES if name in given.given and name != "one_side"]
    # Each rule by itself; `no_trade` is looked at first, as it is there.
    rules.sort(key=lambda name: name != "no_trade")
    boxes = {name: Limits(**{name: getattr(given, name)}).box(*around) for name in rules}

    def source(place: int, side: int, number: float) -> str:
        if numbers[side][place] == number:
            return ""
        return next((name for name, box in boxes.items() if box[side][place] == number), "")

    found: list[Member] = []
    for place in problem.order().tolist():
        name = names[place]
        least, most = float(lower[place]), float(upper[place])
        if least == most:
            by = source(place, 0, least) or source(place, 1, most)
            found.append(OfLimit(name, place, least, "only", by))
            continue
        for side, number in enumerate((least, most)):
            if np.isfinite(number):
                found.append(OfLimit(name, place, number, ("lower", "upper")[side], source(place, side, number)))
    return found
