"""Why no portfolio exists: what contradicts each other, and what would have to give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dynopt_milp.io.first_few import first_few
from dynopt_milp.rules.arguments import shown

MOST_NAMED = 5
"""Of a conflict, in a line; ``members`` has all."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """The smallest change of one member of a conflict that would do, all other rules and limits kept.

    Attributes
    ----------
    member : str
        The rule or limit.
    what : str
        What of it changes, in a few words.
    before, after : float or None
        From what to what; None where it has no number, or none that may be given would do: without it there is one.
    smallest : bool
        Whether a change that is smaller by a millionth, or by one where numbers are whole, is proved not to do.
    """

    member: str
    what: str
    before: float | None
    after: float | None
    smallest: bool = True

    @property
    def size(self) -> float:
        """Of the change, relative to the larger of the two numbers; +inf without numbers."""
        if self.before is None or self.after is None:
            return float("inf")
        return abs(self.after - self.before) / max(abs(self.after), abs(self.before))

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"without {self.what} there is one"
        perhaps = "" if self.smallest else ", and perhaps less"
        return f"{self.what}: {shown(self.before)} → {shown(self.after)} would do{perhaps}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "member": self.member, "what": self.what, "before": self.before, "after": self.after,
            "smallest": self.smallest,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rules and limits that leave no portfolio together; proved.

    ``str`` is all of it in a line.

    Attributes
    ----------
    members : tuple of str
        Each a rule, one bound of a rule that has two, or a limit of an instrument.
    remedies : tuple of Remedy
        Of each member whose change alone would do, the smallest first.
    irreducible : bool
        Whether it is proved that without any one of the members the others leave a portfolio.
    settled : bool
        Whether it is known of each member if a change of it alone would do.
    constraints : bool
        Whether there were constraints of the user's own. They are in no conflict, and remedies do not look at them.
    """

    members: tuple[str, ...]
    remedies: tuple[Remedy, ...]
    irreducible: bool = True
    settled: bool = True
    constraints: bool = False

    @property
    def remedy(self) -> str:
        """The smallest change that would do, in words."""
        if self.remedies:
            said = str(self.remedies[0])
        elif self.settled:
            said = "no change of one of them alone would do, as there is another conflict besides"
        else:
            said = "relax one of them"
        return said + ("; constraints of your own were not looked at" if self.constraints else "")

    def __str__(self) -> str:
        if len(self.members) <= MOST_NAMED:
            named = " and ".join(filter(None, (", ".join(self.members[:-1]), self.members[-1])))
        else:
            named = first_few(self.members, MOST_NAMED)
        fewer = "" if self.irreducible else " (perhaps fewer of them already)"
        return f"{named} {'leaves' if len(self.members) == 1 else 'leave'} none{fewer}; {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "members": list(self.members),
            "irreducible": self.irreducible,
            "remedy": self.remedy,
            "remedies": [remedy.to_dict() for remedy in self.remedies],
            "settled": self.settled,
        }
