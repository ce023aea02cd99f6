"""The exact frontier of tracking error against cost: what every λ would hold.

With T(k) the tracking error and C(k) the cost of trades, of holding and of orders without λ, the portfolio of λ
minimises T + λC. What that is worth, V(λ), is the least of straight lines, one a portfolio: concave, with a corner
wherever the portfolio changes. Two portfolios that are next to each other are worth the same at λ = ΔT/ΔC, and the
problem is solved there. What is worth less comes between them. A lower bound that reaches their value proves that
nothing does; each is then optimal between its two corners, since a concave function lies above its chords. At the ends
the solve at λ = 0 bounds T, and the cheapest portfolio of all bounds C. Portfolios that tie at an end need nothing of
their own: the one that is better in the other number is worth less at the next corner.

What no λ would hold, though nothing is both closer and cheaper, is found by limits: the cheapest portfolio that is
closer than the last one (`buffer_edge`), and so on.

Source: Y. Aneja and K. Nair, *Bicriteria transportation problem*, Management Science 25 (1979), for the corners;
Y. Haimes, L. Lasdon and D. Wismer, *On a bicriterion formulation of the problems of integrated system identification
and system optimization*, IEEE Transactions on Systems, Man, and Cybernetics 1 (1971), for the limits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dynopt_milp.errors import InputError, SolverError, UnboundedError, UnsupportedError
from dynopt_milp.io.labelled import true_or_false, whole_number
from dynopt_milp.io.progress import Progress
from dynopt_milp.problem.plausible import MOST_MULTIPLIER
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, Status, StoppedBy, relative_gap
from dynopt_milp.solvers.settings import DEFAULT_GAP, EXHAUSTIVE_GAP, check_gap, check_time_limit
from dynopt_milp.solvers.solving import solve
from formulations import IntegerArray, TrackingProgram, exact_price, price, set_frozen_state

FORMAT = "dynopt-milp trade-off 1"
"""What a trade-off as JSON says it is."""
MOST_POINTS = 1000
"""Of a complete frontier, unless more are asked for."""
ROUND_OFF = 1e-11
"""Relative: what differs by less is equal. Float64 prices portfolios to 1e-12; what it does not, whole numbers do."""
CLOSER = 1e-9
"""Relative: what is closer by less is not looked for. A thousand times what `buffer_edge` allows at its edge."""
FAR = 1e3
"""Times the largest known tracking error: how far the cheapest portfolio is looked for where nothing bounds it."""
OUTWARD = 1 + 1e-9
"""What rounding can take from a quotient, and more."""
NOTHING_KNOWN = 1.0
"""The relative gap to zero, below which no tracking error and no cost is."""


class Held(NamedTuple):
    """The portfolio that is held now.

    Attributes
    ----------
    tracking_error : float
        Annual standard deviation, share of capital.
    cost : float
        Of keeping it, without λ: what holding it costs, share of capital.
    """

    tracking_error: float
    cost: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TradeOff:
    """The frontier of tracking error against cost of one rebalance, from the cheapest portfolio to the closest.

    Attributes
    ----------
    problem : Problem
        What was asked about.
    points : DataFrame
        A row a portfolio:

        - ``tracking_error``: annual standard deviation, share of capital;
        - ``cost``: of trades, holding and orders, without λ, share of capital;
        - ``lambda_from``, ``lambda_to``: for which λ it is optimal, both ends included; +inf where it stays so, NaN for
          a portfolio that is optimal for none;
        - ``supported``: whether it is optimal for some λ;
        - ``gap``: by how much, relative, another one could be better at most: in tracking error + λ cost, for any λ of
          the interval; where there is none, in cost, among those that are as close; 1 where nothing is known;
        - ``proved``: whether the gap is at most the one asked for.
    contracts : ndarray of int, shape (k, n)
        Whole contracts of each, instruments in the order of the problem's, read-only. ``positions`` is the same by
        name.
    held : Held or None
        The portfolio that is held now; None if limits or rules do not allow it.
    today : int
        The row of ``points`` that is optimal for the problem's own λ; the cheaper of two.
    complete : bool
        Whether these are all portfolios that no other is as close and as cheap as, proved; of equal ones (to 1e-9)
        one. False unless asked for.
    gap : float
        What was asked for, relative.
    seconds : float
        Wall time.
    solves : int
        Problems solved.
    finished : bool
        Whether everything asked for was done before the time limit.
    """

    problem: Problem
    points: pd.DataFrame
    contracts: IntegerArray
    held: Held | None
    today: int
    complete: bool
    gap: float
    seconds: float
    solves: int
    finished: bool

    __setstate__ = set_frozen_state

    def __repr__(self) -> str:
        known = "" if self.finished else ", not finished"
        proved, supported = int(self.points["proved"].sum()), int(self.points["supported"].sum())
        return (
            f"<TradeOff of {len(self.points)} portfolios, {supported} optimal for some cost multiplier, "
            f"{proved} proved{known}: {self.solves} solves, {self.seconds:.2f} s>"
        )

    @property
    def positions(self) -> pd.DataFrame:
        """Whole contracts, int64: a row a point, a column an instrument."""
        names = pd.Index(self.problem.instruments, name="instrument")
        return pd.DataFrame(self.contracts.copy(), index=self.points.index, columns=names)

    def to_dict(self) -> dict[str, Any]:
        """What JSON has, format ``dynopt-milp trade-off 1``; what is infinite or does not exist is None."""
        rows = self.points.to_dict("records")
        return {
            "format": FORMAT,
            "instruments": list(self.problem.instruments),
            "cost_multiplier": self.problem.cost_multiplier,
            "points": [
                {str(name): _finite(value) for name, value in row.items()} | {"contracts": contracts}
                for row, contracts in zip(rows, self.contracts.tolist(), strict=True)
            ],
            "held": None if self.held is None else self.held._asdict(),
            "today": self.today,
            "complete": self.complete,
            "gap": self.gap,
            "seconds": self.seconds,
            "solves": self.solves,
            "finished": self.finished,
        }


def trade_off(
    problem: Problem,
    *,
    complete: bool = False,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    most: int = MOST_POINTS,
    show_progress: bool = False,
) -> TradeOff:
    """What closer tracking costs: every portfolio that is optimal for some λ, and for which.

    Parameters
    ----------
    problem : Problem
        The rebalance; its own λ only says which point is today's.
    complete : bool
        Whether to find those too that are optimal for no λ, though no portfolio is both closer and cheaper. There are
        many more of them, each takes a solve that can be long, and for an account of millions they do not end.
    gap : float
        Relative gap to prove, between 0 and 1: of the value at each corner, and at the ends. What float64 cannot prove
        to it, as near λ = 0 with several sizes of one contract, is marked, with the gap that is proved.
    time_limit : float, optional
        Seconds, for everything together; what was found by then is returned.
    most : int
        Points of a complete frontier at most, positive; those that are optimal for some λ are all found whatever it is.
    show_progress : bool
        Whether to show a bar on stderr: the share of the tracking errors between the ends that is done.

    Returns
    -------
    TradeOff
        It does not depend on the order of instruments. A portfolio that ties with two others at their corner stands in
        it only if it is complete. Corners beyond λ = 1e9, the largest multiplier of a problem, are those of the
        portfolios that are known, and not proved.

    Raises
    ------
    NoPortfolioError
        If limits and rules leave no portfolio, or none was found in time.
    InputError
        If an argument is of the wrong kind or out of range.
    UnboundedError
        If nothing bounds positions where costs do not count.
    SolverError, CertificationError, SolveInterrupted
        If :func:`~dynopt_milp.solve` raises it.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"expected a Problem, found {type(problem).__name__}", field="problem")
    whole = true_or_false(complete, "complete")
    wanted, limit = check_gap(gap), check_time_limit(time_limit)
    cap = whole_number(most, "most", least=1)
    shown = true_or_false(show_progress, "show_progress")
    search = _Search(problem, wanted, limit)
    done = False
    with Progress(100, "% of the frontier", show=shown) as bar:
        search.ends()
        search.corners(bar)
    if whole:
        with Progress(100, "% between its corners", show=shown) as bar:
            done = search.between(bar, cap)
            search.corners(bar)  # where what was found is better by next to nothing
    return search.result(done)


class _Point:
    """A portfolio, and what it is worth. Two with the same contracts are one object."""

    __slots__ = ("contracts", "cost", "rank", "tracking_error")

    def __init__(self, program: TrackingProgram, contracts: IntegerArray) -> None:
        """``contracts``, shape (n,), are in the order of the program."""
        positions = contracts.astype(np.float64)
        found = price(program, positions)
        if found.error > ROUND_OFF * found.tracking_error:
            found = exact_price(program, positions)
        self.contracts, self.tracking_error, self.cost = contracts, float(found.tracking_error), float(found.cost)
        self.rank = self.cost, self.tracking_error, contracts.tolist()

    def at(self, multiplier: float) -> float:
        """T + λC."""
        return self.tracking_error + multiplier * self.cost


class _Search:
    """What is known so far. Arrays have the order of names."""

    def __init__(self, problem: Problem, gap: float, time_limit: float | None) -> None:
        self.problem, self.gap = problem, gap
        self.began = time.monotonic()
        self.deadline = math.inf if time_limit is None else self.began + time_limit
        self.order = problem.order()
        self.priced = problem.replace(cost_multiplier=1.0)
        self.program = self.priced.program().permuted(self.order)
        self.known: dict[bytes, _Point] = {}
        self.solves, self.in_time = 0, True
        self.first: Solution | None = None
        self.least_cost = self.least_error = 0.0
        self.closed: dict[tuple[_Point, _Point], float] = {}
        self.limited: list[tuple[_Point, float]] = []

    def late(self) -> bool:
        """Whether the time is up, though something is to be done."""
        if time.monotonic() >= self.deadline:
            self.in_time = False
        return not self.in_time

    def add(self, contracts: IntegerArray) -> _Point:
        """Know a portfolio, shape (n,)."""
        key = contracts.tobytes()
        if key not in self.known:
            self.known[key] = _Point(self.program, contracts)
        return self.known[key]

    def solved(self, problem: Problem, start: _Point | None, **form: Any) -> tuple[Solution, _Point | None]:
        """A solve in what is left of the time, and its portfolio.

        Up to EXHAUSTIVE_GAP a search goes on until nothing is left; a smaller one would only ask other solvers for what
        float64 cannot tell. With rules, what a solver cannot do once the first is solved says
        nothing: SCIP, that may be, and the point there is not proved.
        """
        left = None if math.isinf(self.deadline) else max(self.deadline - time.monotonic(), 0.0)
        begin = None
        if start is not None:
            begin = np.empty(start.contracts.size)
            begin[self.order] = start.contracts
        try:
            solution = solve(problem, gap=max(self.gap, EXHAUSTIVE_GAP), time_limit=left, start=begin, **form)
        except (UnboundedError, UnsupportedError, SolverError):
            if self.first is None or not self.problem.rules:
                raise
            return replace(
                self.first, contracts=None, objective=math.inf, lower_bound=0.0, status=Status.NO_SOLUTION
            ), None  # fmt: skip
        self.solves += 1
        self.first = self.first or solution
        if solution.stopped_by is StoppedBy.TIME:
            self.in_time = False
        found = solution.contracts
        return solution, None if found is None else self.add(np.ascontiguousarray(found[self.order]))

    def ends(self) -> None:
        """Solve for the problem's own λ, then for the closest and for the cheapest portfolio."""
        solution, first = self.solved(self.problem, None)
        if first is None:
            raise NoPortfolioError(solution)
        if self.problem.cost_multiplier == 0:
            self.least_error = solution.lower_bound
        elif not self.late():
            free, _ = self.solved(self.problem.replace(cost_multiplier=0.0), first)
            self.least_error = free.lower_bound
        self._cheapest()

    def corners(self, bar: Progress) -> None:
        """Find what is optimal for some λ: the widest pair first, of tracking errors, until each is closed."""
        while True:
            points = self.hull()
            todo = [pair for pair in pairwise(points) if pair not in self.closed]
            if not todo:
                break
            if self.late():
                return
            left = sum(one.tracking_error - other.tracking_error for one, other in todo)
            bar.reach(round(100 - 100 * left / (points[0].tracking_error - points[-1].tracking_error)))
            self._close(*max(todo, key=lambda pair: pair[0].tracking_error - pair[1].tracking_error))
        bar.reach(100)

    def _close(self, one: _Point, other: _Point) -> None:
        """Solve where a cheap portfolio and the closer one next to it are worth the same."""
        multiplier = _corner(one, other)
        if not multiplier <= MOST_MULTIPLIER:
            self.closed[one, other] = NOTHING_KNOWN
            return
        solution, _ = self.solved(self.problem.replace(cost_multiplier=multiplier), other)
        self.closed[one, other] = _gap(one.at(multiplier), solution.lower_bound)

    def _cheapest(self) -> None:
        """Bound the cost, and know a portfolio that costs no more, if there is time."""
        program = self.program
        self.least_cost = program.least_cost()
        held, nothing = (np.clip(point, program.lower, program.upper) for point in (program.previous, program.zero))
        fewer = np.where(program.cost_by_instrument(held) <= program.cost_by_instrument(nothing), held, nothing)
        for simple in (held, nothing, fewer):
            if program.contains(simple) and math.isfinite(program.separable_cost(simple)):
                self.add(simple.astype(np.int64))
        best = min(self.known.values(), key=_dear)
        if _gap(best.cost, self.least_cost) <= max(self.gap, ROUND_OFF) or self.late():
            return
        radius, surely = self._reach(best.cost)
        solution, _ = self.solved(self.priced, best, formulation="buffer_edge", buffer=radius)
        if surely:
            self.least_cost = max(self.least_cost, solution.lower_bound)

    def _reach(self, budget: float) -> tuple[float, bool]:
        """A tracking error that portfolios of this cost do not exceed, and whether that is known."""
        program = self.program
        lower, upper = program.lower, program.upper
        holding = np.zeros(program.size) if program.holding is None else program.holding
        for rate, centre in ((program.cost, program.previous), (holding, program.zero)):
            with np.errstate(divide="ignore", over="ignore"):
                most = np.where(rate > 0, np.floor(budget * OUTWARD / np.where(rate > 0, rate, 1.0)), np.inf)
            lower, upper = np.maximum(lower, centre - most), np.minimum(upper, centre + most)
        farthest = program.spread(lower, upper) * OUTWARD
        if math.isfinite(farthest):
            return farthest or 1.0, True
        return FAR * max(point.tracking_error for point in self.known.values()) or 1.0, False

    def hull(self) -> list[_Point]:
        """Of what is known, what is best for some λ, from the cheapest to the closest."""
        kept: list[_Point] = []
        for point in _undominated(self.known.values()):
            while len(kept) > 1 and not _below(kept[-2], kept[-1], point):
                kept.pop()
            kept.append(point)
        return kept

    def between(self, bar: Progress, most: int) -> bool:
        """Find what is optimal for no λ, from the cheapest on; whether there was an end."""
        supported = self.hull()
        last, closest = supported[0], supported[-1]
        count = len(supported)
        while last.tracking_error > closest.tracking_error * (1 + ROUND_OFF):
            if count >= most or self.late():
                return False
            radius = last.tracking_error * (1 - CLOSER)
            if radius <= closest.tracking_error:
                break
            start = min((point for point in self.known.values() if point.tracking_error <= radius), key=_dear)
            solution, found = self.solved(self.priced, start, formulation="buffer_edge", buffer=radius)
            if found is None or found.tracking_error >= last.tracking_error:  # float64 cannot tell who is inside
                found = start
            self.limited.append((found, _gap(found.cost, solution.lower_bound)))
            last = found
            count += found not in supported
            share = supported[0].tracking_error - last.tracking_error
            bar.reach(round(100 * share / (supported[0].tracking_error - closest.tracking_error)))
        bar.reach(100)
        return self.in_time

    def result(self, ended: bool) -> TradeOff:
        """What it came to."""
        best = self.hull()
        intervals = self._intervals(best)
        further = self._further(best)
        points = sorted([*best, *further], key=_dear)
        rows = []
        for point in points:
            if point in intervals:
                low, high, gap = intervals[point]
                rows.append((point.tracking_error, point.cost, low, high, True, gap, gap <= self.gap))
            else:
                corner, gap = further[point]
                tied = not math.isnan(corner)
                rows.append((point.tracking_error, point.cost, corner, corner, tied, gap, gap <= self.gap))
        names = ["tracking_error", "cost", "lambda_from", "lambda_to", "supported", "gap", "proved"]
        frame = pd.DataFrame(rows, columns=names, index=pd.RangeIndex(len(rows), name="point"))
        contracts = np.empty((len(points), self.order.size), dtype=np.int64)
        contracts[:, self.order] = [point.contracts for point in points]
        contracts.setflags(write=False)
        today = next(point for point in best if intervals[point][0] <= self.problem.cost_multiplier)
        steps = all(gap <= self.gap for _, gap in self.limited)
        return TradeOff(
            problem=self.problem,
            points=frame,
            contracts=contracts,
            held=self._held(),
            today=points.index(today),
            complete=ended and steps and bool(frame["proved"].all()),
            gap=self.gap,
            seconds=time.monotonic() - self.began,
            solves=self.solves,
            finished=self.in_time,
        )

    def _intervals(self, best: Sequence[_Point]) -> dict[_Point, tuple[float, float, float]]:
        """For which λ each is optimal, from and to, and the gap of that."""
        corners = [_corner(one, other) for one, other in pairwise(best)]
        gaps = [self.closed.get(pair, NOTHING_KNOWN) for pair in pairwise(best)]
        ends = (_gap(best[0].cost, self.least_cost), _gap(best[-1].tracking_error, self.least_error))
        lows, highs = [*corners, 0.0], [math.inf, *corners]
        above, below = [ends[0], *gaps], [*gaps, ends[1]]
        worst = map(max, above, below)
        return dict(zip(best, zip(lows, highs, worst, strict=True), strict=True))

    def _further(self, best: Sequence[_Point]) -> dict[_Point, tuple[float, float]]:
        """Of what limits have found, what nothing beats: the corner at which it ties, NaN without one, and the gap."""
        gaps: dict[_Point, float] = {}
        for place, (point, gap) in enumerate(self.limited):
            after = self.limited[place + 1][1] if place + 1 < len(self.limited) else NOTHING_KNOWN
            gaps[point] = max(gap, after)
        new = [point for point in gaps if not any(_covers(other, point) for other in best)]
        found = {}
        for point in _undominated(new):
            corner = math.nan
            for one, other in pairwise(best):
                if one.cost < point.cost < other.cost and not _below(one, point, other, sign=-1):
                    corner = _corner(one, other)
            found[point] = corner, gaps[point]
        return found

    def _held(self) -> Held | None:
        held = self.program.previous
        if not self.program.contains(held):
            return None
        point = _Point(self.program, held.astype(np.int64))
        return Held(point.tracking_error, point.cost)


def _dear(point: _Point) -> tuple[float, float, list[int]]:
    """What portfolios are sorted by: cost, tracking error, contracts."""
    return point.rank


def _covers(one: _Point, other: _Point) -> bool:
    """Whether one is as close and as cheap as the other, to round-off."""
    close = one.tracking_error <= other.tracking_error * (1 + ROUND_OFF)
    return close and one.cost <= other.cost * (1 + ROUND_OFF)


def _undominated(points: Any) -> list[_Point]:
    """Those that none is as close and as cheap as, of equal ones one, from the cheapest to the closest."""
    kept: list[_Point] = []
    for point in sorted(points, key=_dear):
        if kept and _covers(kept[-1], point):
            continue
        while kept and _covers(point, kept[-1]):
            kept.pop()
        kept.append(point)
    return kept


def _below(one: _Point, middle: _Point, other: _Point, sign: int = 1) -> bool:
    """Whether the middle one is worth less than the others where they are worth the same; more, with another sign."""
    dearer, closer = other.cost - one.cost, one.tracking_error - other.tracking_error
    line = one.tracking_error * dearer + closer * one.cost
    value = middle.tracking_error * dearer + closer * middle.cost
    return sign * (line - value) > ROUND_OFF * line


def _corner(one: _Point, other: _Point) -> float:
    """λ at which a cheap portfolio and a closer one are worth the same."""
    with np.errstate(over="ignore"):
        return float(np.float64(one.tracking_error - other.tracking_error) / (other.cost - one.cost))


def _gap(value: float, bound: float) -> float:
    """By how much something can be below a value, relative, from 0 to 1; round-off is nothing."""
    found = relative_gap(value, max(bound, 0.0))
    return min(max(found, 0.0), NOTHING_KNOWN)


def _finite(value: Any) -> Any:
    """A cell of the table as JSON has it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
