"""Which rules and limits contradict each other, and the smallest change of one of them that would do.

A set that leaves no portfolio is thinned: what can be left out, and still there is none, is left out, many at once
first. What stays is irreducible (a deletion filter; J. Chinneck, *Feasibility and Infeasibility in Optimization*, 2008,
chapter 6). Then, for each that stays, all others of the problem are kept, and its number is moved to where the next
portfolio is, by bisection. Every step is a search of its own, which ends with a portfolio or with a proof.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dynopt_milp.errors import LimitsError, UnboundedError, UnsupportedError
from dynopt_milp.problem.conflict import Conflict, Remedy
from dynopt_milp.problem.limits import Limits
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import StoppedBy
from dynopt_milp.rules.sizes import Lot
from dynopt_milp.solvers.branch_and_bound import solve_branch_and_bound
from dynopt_milp.solvers.conflict_members import Member, OfLimit, OfRule, drafted, members_of, typed
from dynopt_milp.solvers.task import Answer, Task
from formulations import FloatArray, NormCap, Penalty, TrackingProgram

ANY = 0.99
"""Gap: any portfolio will do."""
NEAR = 5e-7
"""Of a number: how close to the smallest change it is proved, and as much again is left for rounding it."""
SHARE = 0.25
"""Of the time that is left, for one search at most."""
REACHES = (20.0, 500.0)
"""Contracts beyond all that is named: where portfolios are looked for if nothing bounds positions."""
MOMENT = 0.3
"""Seconds, for that: it finds one at once, or proves nothing."""
MOST_STEPS = 60
"""Of a bisection."""
UNCHANGED = 2
"""Steps of a bisection without a better portfolio, after which the best is taken for the nearest."""

Starts = tuple[FloatArray, ...]


class UndecidedError(Exception):
    """A search ended without a portfolio and without a proof."""


@dataclass(slots=True)
class Searches:
    """Searches for any portfolio; those that were found are looked at first."""

    problem: Problem
    deadline: float
    known: list[FloatArray] = field(default_factory=list)

    def find(self, members: Sequence[Member]) -> FloatArray | None:
        """A portfolio that keeps the members, shape (n,); None if it is proved that there is none.

        Raises
        ------
        UndecidedError
            If neither is known when the search ends.
        KeyboardInterrupt
        """
        try:
            problem = drafted(self.problem, members)
        except LimitsError:
            raise UndecidedError from None
        program = problem.program()
        for portfolio in self.known:
            if program.contains(portfolio):
                return portfolio
        try:
            return self._search(problem)
        except UnboundedError:
            pass
        for reach in REACHES:
            found = self._search(_near(problem, reach), MOMENT)
            if found is not None:
                return found
        raise UndecidedError

    def least_norm(self, members: Sequence[Member], cap: NormCap, start: FloatArray) -> tuple[FloatArray, float]:
        """The portfolio whose norm is smallest, as far as it is found, and a norm that none is below.

        Parameters
        ----------
        members : sequence of Member
            That it keeps.
        cap : NormCap
            Of the norm.
        start : ndarray, shape (n,)
            A portfolio that keeps them.
        """
        problem = drafted(self.problem, members)
        program = problem.program()
        if ((cap.lengths == 0) & ~(np.isfinite(program.lower) & np.isfinite(program.upper))).any():
            return start, 0.0
        target = program.zero + cap.centre
        alone = replace(
            program,
            factor=cap.factor,
            target=target,
            residual=cap.residual,
            cost=np.zeros(target.size),
            holding=None,
            orders=None,
        )
        try:
            answer = self._answer(problem, alone, NEAR / 2, (start[problem.order()],))
        except (UnboundedError, UndecidedError):
            return start, 0.0
        found = self._kept(problem, answer)
        return start if found is None else found, max(answer.lower_bound, 0.0)

    def _search(self, problem: Problem, most: float = math.inf) -> FloatArray | None:
        answer = self._answer(problem, problem.program(), ANY, most=most)
        found = self._kept(problem, answer)
        if found is None and answer.stopped_by is not StoppedBy.INFEASIBILITY:
            raise UndecidedError
        return found

    def _answer(
        self, problem: Problem, program: TrackingProgram, gap: float, starts: Starts = (), most: float = math.inf
    ) -> Answer:
        """Of the branch and bound, to a program of the problem; a start has the order of names."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise UndecidedError
        seconds = min(SHARE * left, most)
        order = problem.order()
        names = tuple(problem.instruments[place] for place in order)
        task = Task(Penalty(program.permuted(order)), names, gap, time.monotonic() + seconds, starts)
        try:
            answer = solve_branch_and_bound(task)
        except UnsupportedError:
            raise UndecidedError from None
        if answer.stopped_by is StoppedBy.INTERRUPT:
            raise KeyboardInterrupt
        return answer

    def _kept(self, problem: Problem, answer: Answer) -> FloatArray | None:
        """The answer in the order of the problem, checked and kept for later."""
        if answer.positions is None:
            return None
        found = np.empty(answer.positions.size)
        found[problem.order()] = answer.positions
        if not problem.program().contains(found):
            raise UndecidedError
        self.known.append(found)
        return found


def find_conflict(
    problem: Problem, *, time_limit: float, buffer: float | None = None, constraints: bool = False
) -> Conflict | None:
    """Why a problem has no portfolio, which is proved already.

    Parameters
    ----------
    problem : Problem
    time_limit : float
        Seconds; what is known by then is returned.
    buffer : float, optional
        Within which a portfolio has to be; it is one of the members.
    constraints : bool
        Whether there are constraints of the user's own. None of them is looked at.

    Returns
    -------
    Conflict or None
        None if there was no time to leave anything out.
    """
    searches = Searches(problem, time.monotonic() + time_limit)
    everything = members_of(problem, buffer)
    kept, proved = _thinned(searches, everything)
    if len(kept) == len(everything) and not proved:
        return None
    remedies: list[Remedy] = []
    settled = True
    for member in kept:
        try:
            remedy = _remedy(searches, member, [other for other in everything if other is not member])
        except UndecidedError:
            settled = False
        else:
            remedies += [] if remedy is None else [remedy]
    remedies.sort(key=lambda remedy: remedy.size)
    return Conflict(tuple(member.words for member in kept), tuple(remedies), proved, settled, constraints)


def _near(problem: Problem, reach: float) -> Problem:
    """The problem in a finite box around all positions that it names."""
    named = (problem.previous_positions, np.rint(problem.optimal_positions), np.zeros(len(problem.instruments)))
    least, most = np.min(named, axis=0), np.max(named, axis=0)
    lower = np.where(np.isinf(problem.lower), np.minimum(least, problem.upper) - reach, problem.lower)
    upper = np.where(np.isinf(problem.upper), np.maximum(most, problem.lower) + reach, problem.upper)
    return problem.replace(limits=Limits(lower, upper, one_side=problem.limits.one_side))


def _thinned(searches: Searches, everything: list[Member]) -> tuple[list[Member], bool]:
    """The members that are needed, and whether it is proved of each that it is."""
    kept = list(everything)
    needed: dict[int, bool] = {}

    def thin(some: list[Member]) -> None:
        without = [member for member in kept if member not in some]
        try:
            found = searches.find(without)
        except UndecidedError:
            needed[id(some[0])] = False
        else:
            if found is None:
                kept[:] = without
                return
            needed[id(some[0])] = True
        if len(some) > 1:
            thin(some[: len(some) // 2])
            thin(some[len(some) // 2 :])

    # Limits first: what people change are rules.
    for rules in (False, True):
        some = [member for member in everything if isinstance(member, OfRule) is rules]
        if some:
            thin(some)
    # What was not decided may be among fewer others. A position that is left one value is exempt from rules of sizes;
    # without its limit they hold, so that what was needed before may be needed no more.
    fixed = any(isinstance(member, OfLimit) and member.fixed for member in everything)
    before = len(everything)
    while before != len(kept):
        before = len(kept)
        for member in list(kept):
            if fixed or not needed.get(id(member), False):
                thin([member])
    return kept, all(needed.get(id(member), False) for member in kept)


def _remedy(searches: Searches, member: Member, others: list[Member]) -> Remedy | None:
    """The smallest change of a member that would do; None if it is proved that none would.

    Raises
    ------
    UndecidedError
        If neither is known.
    """
    problem = searches.problem
    found = searches.find(others)
    if found is None:
        return None
    if member.number is None:
        return Remedy(member.words, member.what, None, None)
    if isinstance(member, OfRule) and isinstance(member.rule, Lot):
        return _of_lot(searches, member, others, found)

    def with_number(number: float) -> FloatArray | None:
        return searches.find([*others, member.at(number)])

    number: float | None
    if member.whole(problem):
        number, smallest = _nearest_whole(member, problem, found, with_number)
    else:
        least, cap = -math.inf, member.norm(problem)
        if cap is not None:
            found, least = searches.least_norm(others, cap, found)
        number, smallest = _nearest(member, problem, found, least, with_number)
    if number is None or not typed(member.at(number)):
        return Remedy(member.words, member.what, None, None)
    return Remedy(member.words, member.what, member.number, number, smallest)


def _of_lot(searches: Searches, member: OfRule, others: list[Member], found: FloatArray) -> Remedy:
    """The largest part of the lot that would do."""
    before, fits = int(member.number or 0), int(member.needed(searches.problem, found))
    proved = True
    for part in range(before // 2, 0, -1):
        if before % part:
            continue
        if part <= fits:
            break
        try:
            other = searches.find([*others, member.at(part)])
        except UndecidedError:
            proved = False
            continue
        if other is not None:
            fits = part
            break
    return Remedy(member.words, member.what, before, fits, proved)


def _nearest_whole(
    member: Member, problem: Problem, found: FloatArray, with_number: Callable[[float], FloatArray | None]
) -> tuple[float | None, bool]:  # fmt: skip
    """The nearest whole number that would do, if there is one, and whether it is proved that none nearer does."""
    fixed = isinstance(member, OfLimit) and member.fixed
    before = member.number
    assert before is not None

    def distance(portfolio: FloatArray) -> float:
        needed = round(member.needed(problem, portfolio))
        return abs(needed - before) if fixed else member.way * needed

    # Numbers are counted so that larger ones allow more.
    low = 0.0 if fixed else float(math.floor(member.way * before))
    high, best = distance(found), found
    if high <= low:  # any change would do: a position is no longer the only one, so that others may move
        return None, True
    while high - low > 1:
        middle = float(math.floor((low + high) / 2))
        try:
            other = with_number(before + middle if fixed else member.way * middle)
        except UndecidedError:
            break
        if other is None:
            low = middle
        else:
            high, best = min(distance(other), middle), other
    return (member.needed(problem, best) if fixed else member.way * high) + 0.0, high - low <= 1


def _nearest(
    member: Member, problem: Problem, found: FloatArray, least: float,
    with_number: Callable[[float], FloatArray | None],
) -> tuple[float, bool]:  # fmt: skip
    """The nearest number that would do, rounded outward to a few digits, and whether none nearer does.

    ``found`` is a portfolio with another number; none has one that is below ``least``.
    """
    way, before = member.way, member.number
    assert before is not None
    low, high, best, same = max(way * before, least), way * member.needed(problem, found), found, 0
    proved = False
    for _ in range(MOST_STEPS):
        beside = high - NEAR * max(abs(high), abs(low), abs(before))
        proved = beside <= low
        if proved:
            break
        number = beside if same >= UNCHANGED else (low + high) / 2
        try:
            other = with_number(way * number)
        except UndecidedError:
            break
        if other is None:
            low, same = number, same + 1
        else:
            high, best, same = min(way * member.needed(problem, other), high), other, 0
    return _rounded(member, problem, best, way * high), proved


def _rounded(member: Member, problem: Problem, portfolio: FloatArray, number: float) -> float:
    """A number with few digits, no further than `NEAR` from this one, with which the portfolio keeps the member."""
    way, room = member.way, NEAR * max(abs(number), abs(member.number or 0.0))
    scale = max(abs(number), room)
    for digits in range(-math.floor(math.log10(scale)) if scale else 0, 400):
        step = 10.0**-digits
        candidate = float(f"{way * math.ceil(way * number / step - 1e-6) * step:.{max(digits, 0)}f}") + 0.0
        if abs(candidate - number) <= room and _keeps(member.at(candidate), problem, portfolio):
            return candidate
        if step < 1e-12 * scale:
            break
    return number


def _keeps(member: Member, problem: Problem, portfolio: FloatArray) -> bool:
    return bool(drafted(problem, [member]).program().keeps_rules(portfolio))
