"""Portfolios that are nearly as good as the best: all of them, proved to be all."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.errors import InputError, UnboundedError, UnsupportedError
from dynopt_milp.io.labelled import not_negative, whole_number
from dynopt_milp.io.progress import Progress
from dynopt_milp.problem.problem import Problem
from dynopt_milp.problem.solution import NoPortfolioError, Solution, SolveInterrupted, StoppedBy
from dynopt_milp.solvers.finite_box import finite_box
from dynopt_milp.solvers.interrupts import MAYBE, is_interrupt
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_gap, check_time_limit
from dynopt_milp.solvers.solving import solve
from dynopt_milp.solvers.task import Task
from formulations import FloatArray, IntegerArray, Penalty, set_frozen_state

if TYPE_CHECKING:
    from dynopt_milp.why.near_optimal_tree import Form, Room, Space

FORMAT = "dynopt-milp alternatives 1"
COMPLETE, OUT_OF_TIME, TOO_MANY = "end of the search", StoppedBy.TIME.value, "too many portfolios to keep"
TOO_FAR = "nothing bounds positions within a larger threshold"
MOST_ENTRIES = 5_000_000  # positions of all instruments
MOST_KEPT = 20_000_000  # positions of all portfolios that are kept at a time
MOST_WANTED = 10_000_000  # portfolios
FEW_BOXES, FEW_PORTFOLIOS = 256, 2048  # that there is room for, at first
BLOCK = 50_000  # portfolios that are priced at a time
AT_ONCE, MOST_AT_ONCE = 20, 20_000  # nodes between two looks at the clock, at first and at most
PRICING = 4e-7  # seconds for a position of a portfolio that was found, in the time limit: twice what it takes here
SHORT, LONG = 0.05, 0.2  # seconds between them: four times as many nodes below, a quarter above
DEEPER = 4.0  # from one search to the next, by how much the threshold is farther from the optimum
FIRST_STEP = 1 / 64  # of what is asked for, or of the optimum: where the first of them ends
LONG_SEARCH = 2000  # nodes, after which it pays to look for portfolios around the best, which lower the cut
MOST_NEARBY, NEARBY_STEPS = 20_000, 400  # portfolios that are looked for there, and whose neighbours are
LARGEST_KEY = 2**40
TIE = 1e-12  # relative: objectives as close are the same, and positions decide
FINE = 1e-9  # a value that is known to this part of itself is taken as float64 has it (`formulations.pricing`)
MARGIN = 1e-12  # relative: what is added to a cut, so that none is lost to the rounding of the cut itself
DIAGONALS = 3  # one after the other, each for what the one before has left free
DIAGONAL_STEPS = 40
HEDGED = 1e-3  # added to correlations: two sizes of a contract, which hedge each other, still count something


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Alternatives:
    """Portfolios that are nearly as good as the best one, and what is proved about the others.

    Attributes
    ----------
    problem : Problem
    optimum : Solution
        What :func:`~dynopt_milp.solve` found.
    contracts : ndarray of int, shape (k, n)
        Whole contracts, a portfolio a row, the best first; in the order of the problem's instruments, read-only.
    objectives, tracking_errors, penalties : ndarray, shape (k,)
        Of each; shares of capital. Penalties are λ × the costs of trades and of holding.
    within : float
        What was asked for: how much worse than the best, as a share of its objective.
    most : int
        How many at most.
    apart : int
        How many contracts each is away from every better one, at least.
    complete : bool
        Whether it is proved that none is missing: of those within the threshold, or of the ``most`` best of them.
    more : bool
        Whether there are more than ``most``.
    searched_to : float
        Every portfolio with an objective below it is in the list (with ``apart``: is in it or nearer to a better one of
        it); the threshold where all are listed, +∞ if there are no others.
    nodes : int
        Of the search.
    seconds : float
        Wall time, of the solve too.
    stopped_by : str
        Why it ended.
    """

    problem: Problem
    optimum: Solution
    contracts: IntegerArray
    objectives: FloatArray
    tracking_errors: FloatArray
    penalties: FloatArray
    within: float
    most: int
    apart: int
    complete: bool
    more: bool
    searched_to: float
    nodes: int
    seconds: float
    stopped_by: str

    __setstate__ = set_frozen_state

    def __len__(self) -> int:
        return len(self.contracts)

    def __repr__(self) -> str:
        count = f"the {len(self)} best of more" if self.more and self.complete else f"{len(self)}"
        proved = "proved complete" if self.complete else f"searched to {self.searched_to:.6g}"
        return (
            f"<Alternatives: {count} within {self.within:g} of the objective {self.optimum.objective:.6g}, {proved}, "
            f"{self.seconds:.2f} s>"
        )

    @property
    def positions(self) -> pd.DataFrame:
        """Whole contracts, int64, a portfolio a row, the best first; a column for each instrument."""
        return pd.DataFrame(self.contracts.copy(), columns=pd.Index(self.problem.instruments))

    @property
    def agreed(self) -> pd.Series:
        """Positions that are the same in all portfolios, int64, by instrument."""
        first: pd.Series = self.problem.labelled(self._first())[self._same()]
        return first

    @property
    def differing(self) -> pd.DataFrame:
        """By instrument, of those whose positions differ: ``least``, ``most`` and ``distinct``, how many there are."""
        others = np.flatnonzero(~self._same())
        columns = self.contracts[:, others]
        return pd.DataFrame(
            {
                "least": columns.min(axis=0, initial=np.iinfo(np.int64).max),
                "most": columns.max(axis=0, initial=np.iinfo(np.int64).min),
                "distinct": np.array([np.unique(column).size for column in columns.T], dtype=np.int64),
            },
            index=pd.Index([self.problem.instruments[place] for place in others], dtype=object),
        )

    def _first(self) -> IntegerArray:
        return np.zeros(len(self.problem.instruments), dtype=np.int64) if not len(self) else self.contracts[0].copy()

    def _same(self) -> Any:
        """Of each instrument whether all portfolios hold as much, shape (n,)."""
        return (self.contracts == self._first()).all(axis=0) if len(self) else np.zeros(self.contracts.shape[1], bool)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it, format ``dynopt-milp alternatives 1``; what is infinite is None."""
        return {
            "format": FORMAT,
            "instruments": list(self.problem.instruments),
            "optimum": self.optimum.to_dict(),
            "contracts": self.contracts.tolist(),
            "objectives": self.objectives.tolist(),
            "tracking_errors": self.tracking_errors.tolist(),
            "penalties": self.penalties.tolist(),
            "within": self.within if math.isfinite(self.within) else None,
            "most": self.most,
            "apart": self.apart,
            "complete": self.complete,
            "more": self.more,
            "searched_to": self.searched_to if math.isfinite(self.searched_to) else None,
            "nodes": self.nodes,
            "seconds": self.seconds,
            "stopped_by": self.stopped_by,
        }


def alternatives(
    problem: Problem,
    within: float = 0.01,
    most: int = 1000,
    *,
    apart: int = 1,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    show_progress: bool = False,
) -> Alternatives:
    """Every portfolio that is nearly as good as the best.

    Those are all of whole contracts within limits, sides and house rules whose objective (tracking error + λ × costs)
    is at most (1 + ``within``) × that of the best, the best and ties included. Where there are more than ``most`` of
    them, the ``most`` best.

    Parameters
    ----------
    problem : Problem
        The rebalance.
    within : float
        How much worse than the best they may be, as a share of its objective; 0.01 is one percent. Infinite: the
        ``most`` best. If the best objective is 0, only what ties with it is within any share.
    most : int
        How many at most, at least one.
    apart : int
        How many contracts (the sum of the differences) each has to be away from every better one of the list, which is
        filled from the best on; at least one, which all are. ``complete`` then says that each portfolio within the
        threshold is listed, or fewer than ``apart`` contracts away from one that is listed and no worse.
    gap : float
        Relative gap of the solve that the threshold is measured from, between 0 and 1. A search that ends proves the
        best to be the best whatever the gap; should it find a better one, the threshold is measured from that.
    time_limit : float, optional
        Seconds, of the solve too; what is known by then is returned, and ``searched_to`` says how far it is complete.
    show_progress : bool
        Whether to show on stderr how many portfolios are known.

    Returns
    -------
    Alternatives
        The best first; of ties (objectives within 1e-12) the one that holds less of the first instrument, by name, in
        which they differ. The order of instruments in the problem changes nothing.

    Raises
    ------
    InputError
        If an argument is of the wrong kind or out of range.
    UnboundedError
        If nothing bounds some of the positions.
    UnsupportedError
        If positions have millions of possible values.
    NoPortfolioError
        If limits and rules leave no portfolio, or none was found in time.
    SolveInterrupted
        On Ctrl-C; it carries the best solution so far.

    Notes
    -----
    A portfolio whose objective float64 cannot tell from the threshold is in the list.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"expected a Problem, found {type(problem).__name__}", field="problem")
    within = not_negative(within, "within", infinite=True)
    most = whole_number(most, "most", least=1, most=MOST_WANTED)
    apart = whole_number(apart, "apart", least=1)
    began = time.monotonic()
    seconds = check_time_limit(time_limit)
    deadline = math.inf if seconds is None else began + seconds
    optimum = solve(problem, gap=check_gap(gap), time_limit=time_limit)
    if optimum.contracts is None:
        raise NoPortfolioError(optimum)
    try:
        with Progress(most, "portfolios", show=show_progress) as progress:
            search = _Searching(problem, optimum, within, most, apart, deadline, progress)
            search.run()
    except MAYBE as error:
        if not is_interrupt(error):
            raise
        raise SolveInterrupted(optimum) from None
    contracts = np.empty(search.rows.shape, dtype=np.int64)
    contracts[:, problem.order()] = search.rows
    costs = search.program.separable_costs(search.rows)
    errors = search.program.tracking_errors(search.rows)
    rest = np.maximum(search.objectives - costs, 0.0)  # where float64 was not enough for the objective
    errors = np.where(np.abs(errors - rest) > FINE * search.objectives, rest, errors)
    prices = search.objectives, errors, costs
    for array in (contracts, *prices):
        array.setflags(write=False)
    return Alternatives(
        problem, optimum, contracts, *prices, within=within, most=most, apart=apart, complete=search.complete,
        more=search.more, searched_to=search.searched_to, nodes=search.nodes, seconds=time.monotonic() - began,
        stopped_by=search.stopped_by,
    )  # fmt: skip


class _Outcome(NamedTuple):
    """What one search came to.

    Attributes
    ----------
    portfolios : ndarray, shape (N, n)
    reached : float
        Every portfolio that keeps the rules and is worth no more is among them.
    ended : str
    """

    portfolios: FloatArray
    reached: float
    ended: str


class _Searching:
    """Searches under way; instruments stand in the order of their names here."""

    def __init__(
        self, problem: Problem, optimum: Solution, within: float, most: int, apart: int, deadline: float,
        progress: Progress,
    ) -> None:  # fmt: skip
        assert optimum.contracts is not None
        order = problem.order()
        self.within, self.most, self.apart, self.deadline, self.progress = within, most, apart, deadline, progress
        self.program = problem.program().permuted(order)
        self.formulation = Penalty(self.program)
        self.task = Task(self.formulation, tuple(map(problem.instruments.__getitem__, order.tolist())), 0.0)
        self.best = optimum.contracts[order].astype(np.float64)
        self.base = np.rint(self.program.target)
        self.high = self.formulation.priced(self.best).high
        self.searched_to = optimum.lower_bound
        self.nodes, self.stopped_by, self.complete, self.more = 0, COMPLETE, False, False
        self.left_out = math.inf  # the value of the best that there was no time to look at
        self._known = np.empty((0, self.best.size))
        self._take(self.best[None])

    def run(self) -> None:
        """Search, and search deeper where the threshold is reached in steps, until what is found is enough."""
        value, threshold = self.high, self._threshold()
        stepwise = math.isinf(threshold) or self.apart > 1 or not math.isinf(self.deadline)
        step = FIRST_STEP * (threshold - value if math.isfinite(threshold) else value or self._least_step())
        cut = value + step if stepwise else threshold
        dearest = self._dearest() if math.isinf(threshold) else math.inf
        searched = False
        while True:
            threshold = self._threshold()
            deepest = min(threshold, dearest)
            try:
                one = self._search(min(cut, deepest))
            except (UnboundedError, UnsupportedError):
                if not searched:
                    raise
                self.stopped_by = TOO_FAR
                break
            searched = True
            self._take(one.portfolios)
            if one.ended != COMPLETE:
                self.stopped_by = one.ended
            if math.isfinite(self.left_out):
                self.stopped_by = OUT_OF_TIME
                self.searched_to = min(max(self.searched_to, one.reached), threshold, self.left_out)
                break
            self.searched_to = max(self.searched_to, min(one.reached, threshold))
            if self.more and (one.ended == COMPLETE or self._last() <= self.searched_to):
                self.complete, self.stopped_by = True, COMPLETE
            elif one.ended == COMPLETE and one.reached >= min(deepest, self._threshold()):
                self.complete, self.searched_to = True, self._threshold()
            if self.complete or one.ended != COMPLETE:
                break
            cut = value + DEEPER * (cut - value)
        if self.more:
            self.searched_to = min(self.searched_to, float(self.objectives[-1]))

    def _threshold(self) -> float:
        """Up to what exact value portfolios are wanted."""
        return math.inf if math.isinf(self.within) else self.high * (1 + self.within)

    def _last(self) -> float:
        """What the last of the list is worth at most."""
        return float(self.objectives[-1]) * (1 + TIE)

    def _least_step(self) -> float:
        """The least risk of a contract, or cost of a trade; one without either."""
        lengths, costs = self.program.lengths, self.program.cost
        return float(min([*lengths[lengths > 0], *costs[costs > 0]], default=1.0))

    def _dearest(self) -> float:
        """No portfolio is worth more; +∞ where that is not known."""
        try:
            lower, upper = finite_box(self.task, math.inf)
        except UnboundedError:
            return math.inf
        if float((upper - lower).max(initial=0.0) + 1) * lower.size > MOST_ENTRIES:
            return math.inf
        inside, points = _points(lower, upper)
        costs = np.where(inside.T, self.program.cost_by_instrument(points), 0.0)
        costs[~np.isfinite(costs)] = 0.0
        return (self.program.spread(lower, upper) + float(costs.max(axis=0).sum())) * (1 + MARGIN)

    def _box(self, cut: float) -> tuple[FloatArray, FloatArray]:
        """A finite box of every portfolio of at most this value."""
        least = self._least_step()
        try:
            return finite_box(self.task, cut or least)
        except UnboundedError:  # where the best is worth next to nothing round-off bounds nothing
            if cut >= least:
                raise
            return finite_box(self.task, least)

    def _search(self, cut: float) -> _Outcome:
        """Everything up to one cut, or as far as it goes."""
        from dynopt_milp.compiled import announced

        lower, upper = self._box(cut)
        if (lower > upper).any():
            return _Outcome(np.empty((0, lower.size)), cut, COMPLETE)
        if float((upper - lower).max() + 1) * lower.size > MOST_ENTRIES:
            raise UnsupportedError("positions have millions of possible values; give lower and upper", field="limits")
        with announced("the search for alternatives", "half a minute"):
            return self._grown(self._space(lower, upper), cut)

    def _grown(self, space: Space, cut: float) -> _Outcome:
        """The search of one space."""
        from dynopt_milp.why import near_optimal_tree as tree

        n, goal, cut = self.best.size, cut, cut * (1 + MARGIN)
        form, room = tree.new_form(space), tree.new_room(space)
        stack, pool = tree.new_stack(FEW_BOXES, n), tree.new_pool(FEW_PORTFOLIOS, n, self.most + 1, cut)
        if self.apart > 1:  # which of them are kept is not a matter of values alone
            pool = pool._replace(heap=np.empty(0))
        first = (0.0, cut, 0.0, 0.0, np.inf, 0.0, 0.0)
        low, high, x, known = stack.low[0], stack.high[0], stack.x[0], stack.known[0]
        low[:], high[:], x[:], known[:] = 0, np.diff(space.start) - 1, self.best - self.base, first
        pool.counts[tree.OPEN] = int(self._shrunk(space, form, low, high, x, known, cut, room))
        levels = tree.new_levels(form.diagonal, int((low < high).sum()))
        box, heap_size, nearby = (low.copy(), high.copy()), pool.heap.size, pool.heap.size > MOST_NEARBY
        at_once, state, ended, before = AT_ONCE, tree.PAUSED, COMPLETE, self.nodes
        while pool.counts[tree.OPEN] > 0:
            began = time.monotonic()
            if began > self.deadline - PRICING * n * float(pool.counts[tree.FOUND]):  # they have to be priced, too
                ended = OUT_OF_TIME
                break
            state = tree.collect(space, form, stack, levels, pool, room, at_once)
            took = time.monotonic() - began
            if state == tree.PAUSED and took < SHORT:
                at_once = min(4 * at_once, MOST_AT_ONCE)
            elif took > LONG:
                at_once = max(at_once // 4, 1)
            nodes = int(pool.counts[tree.NODES])
            if (
                not nearby
                and nodes >= LONG_SEARCH
                and pool.counts[tree.OPEN] > 0
                and heap_size > pool.counts[tree.SURE]
            ):
                nearby = True
                pool.cut[0] = min(float(pool.cut[0]), self._enough_below(space, box, heap_size))
            self.nodes = before + nodes
            self.progress.reach(min(int(pool.counts[tree.FOUND]), self.most))
            if state == tree.FULL:
                stack = tree.larger_stack(stack)
            elif state == tree.CROWDED:
                tree.forget(pool)
                if 2 * pool.counts[tree.FOUND] > len(pool.values):
                    if 2 * len(pool.values) * n > MOST_KEPT:
                        ended = TOO_MANY
                        break
                    pool = tree.larger_pool(pool)
        found, opened = int(pool.counts[tree.FOUND]), int(pool.counts[tree.OPEN])
        reached = min(goal, float(pool.cut[0]), float(stack.known[:opened, 2].min(initial=np.inf)))
        portfolios = pool.positions[:found].astype(np.float64) + (space.first + self.base)
        return _Outcome(portfolios, reached, ended)

    def _shrunk(
        self, space: Space, form: Form, low: IntegerArray, high: IntegerArray, x: FloatArray, known: FloatArray,
        cut: float, room: Room,
    ) -> bool:  # fmt: skip
        """Whether something is left of the first box, which is made smaller; ``form`` gets its diagonal."""
        from dynopt_milp.solvers.branch_and_bound.extraction import largest_diagonal
        from dynopt_milp.why.near_optimal_tree import FLOOR, shrink

        free, point = np.arange(x.size), space.target
        for _ in range(DIAGONALS):
            fraction = point[free] - np.floor(point[free])
            gram = np.ascontiguousarray(space.gram[np.ix_(free, free)])
            form.diagonal[:] = 0.0
            form.diagonal[free] = largest_diagonal(gram, fraction * (1 - fraction) + FLOOR, DIAGONAL_STEPS)
            if not shrink(space, form, low, high, x, known, cut, room):
                return False
            free, point = np.flatnonzero(low < high), x
            if not free.size:
                break
        return True

    def _enough_below(self, space: Space, box: tuple[IntegerArray, IntegerArray], count: int) -> float:
        """A value that so many portfolios around the best are not above; +∞ if none is found."""
        from dynopt_milp.why.near_optimal_tree import TIES, enough_below

        best = (self.best - self.base).astype(np.int64) - space.first
        low, high = np.minimum(box[0], best), np.maximum(box[1], best)
        keys = np.random.default_rng(0).integers(1, LARGEST_KEY, best.size)
        points = np.empty((4 * count + 1000, best.size), dtype=np.int64)
        return enough_below(space, low, high, best, keys, np.empty(count), points, NEARBY_STEPS) * (1 + TIES)

    def _space(self, lower: FloatArray, upper: FloatArray) -> Space:
        """What is searched, with tables over a finite box."""
        from dynopt_milp.proof.plain_tree import HUGE
        from dynopt_milp.why.near_optimal_tree import Space

        program = self.program
        inside, points = _points(lower, upper)
        with np.errstate(invalid="ignore", over="ignore"):
            cost = program.cost_by_instrument(points).T[inside]
            rules = program.rules
            rows, caps = ((), ()) if rules is None else (rules.rows, rules.caps)
            terms = [row.terms(points, program.previous, program.zero).T[inside] for row in rows]
        size, most = program.size, max((len(cap.factor) for cap in caps), default=1)
        factors = np.zeros((len(caps), most, size))
        for number, cap in enumerate(caps):
            factors[number, : len(cap.factor)] = cap.factor
        factor = np.ascontiguousarray(program.factor, dtype=np.float64)
        gram = factor.T @ factor
        losses = [0.0 if part is None else part.size for part in (program.residual, *(cap.residual for cap in caps))]
        return Space(
            factor=_writable(factor),
            gram=gram,
            target=program.target - self.base,
            length=_writable(program.lengths),
            alone=_alone(gram, bool(program.cost.any())),
            first=(lower - self.base).astype(np.int64),
            zero=(program.zero - lower).astype(np.int64),
            start=np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int64),
            cost=np.where(np.isfinite(cost), cost, 2 * HUGE),
            rows=np.array(terms, dtype=np.float64).reshape(len(rows), cost.size),
            limits=np.array([row.limit for row in rows], dtype=np.float64),
            caps=factors,
            cap_grams=np.einsum("csi,csj->cij", factors, factors),
            cap_lengths=np.sqrt(np.einsum("csi,csi->ci", factors, factors)),
            centres=np.array([program.zero + cap.centre - self.base for cap in caps]).reshape(len(caps), size),
            radii=np.array([cap.limit for cap in caps], dtype=np.float64),
            side=np.full(size, -1) if program.underlying is None else _writable(program.underlying),
            losses=np.array(losses, dtype=np.float64),
        )

    def _take(self, portfolios: FloatArray) -> None:
        """Make the list anew, of these portfolios and of what is on it."""
        if len(self._known):
            portfolios = np.unique(np.concatenate([self._known, portfolios]), axis=0)
        kept: list[FloatArray] = []
        values: list[FloatArray] = []
        lows: list[FloatArray] = []
        for start in range(0, len(portfolios), BLOCK):
            block = portfolios[start : start + BLOCK]
            block = block[self.program.one_sided(block) & self.program.keeps_rules(block)]
            value, low, high = self.formulation.bounds(block)
            for row in np.flatnonzero((high - low > FINE * low) & (low <= self._threshold())):
                value[row], low[row], high[row] = self.formulation.priced(block[row])
            self.high = min(self.high, float(high.min(initial=np.inf)))
            for parts, part in ((kept, block), (values, value), (lows, low)):
                parts.append(part)
        rows, worth, least = np.concatenate(kept), np.concatenate(values), np.concatenate(lows)
        some = least <= self._threshold()
        rows, worth = rows[some], worth[some]
        order = _best_first(rows, worth)
        rows, worth = rows[order], worth[order]
        if self.apart > 1:
            far, looked_at = _far_apart(rows, self.apart, self.most + 1, self.deadline)
            self.left_out = min(self.left_out, float(worth[looked_at]) if looked_at < len(worth) else math.inf)
            rows, worth = rows[far], worth[far]
        self.more = len(rows) > self.most
        self._known = rows[: self.most + 1]
        self.rows, self.objectives = rows[: self.most], worth[: self.most]


def _points(lower: FloatArray, upper: FloatArray) -> tuple[NDArray[np.bool_], FloatArray]:
    """The positions of each instrument in a box, in columns of equal length, and which of them (transposed) count."""
    widths = (upper - lower).astype(np.int64) + 1
    steps = np.arange(widths.max())[:, None]
    return (steps < widths).T, lower + np.minimum(steps, widths - 1)


def _writable(array: Any) -> Any:
    """A copy: kernels are compiled once more for arrays that are read-only."""
    return np.array(array)


def _alone(gram: FloatArray, costs: bool) -> FloatArray:
    """How much a fraction of a contract counts where a box is split, shape (n,).

    Without costs all others can follow: what counts is 1 ÷ sqrt((H⁻¹)ᵢᵢ), the risk that the best of them leave. With
    costs they follow less: the geometric mean of that and the contract's own risk.
    """
    scale = np.sqrt(np.maximum(gram.diagonal(), np.finfo(float).tiny))
    correlation = gram / scale / scale[:, None]
    left = 1 / np.sqrt(np.linalg.inv(correlation + HEDGED * np.eye(len(scale))).diagonal())
    return np.asarray(scale * (np.sqrt(left) if costs else left))


def _best_first(portfolios: FloatArray, values: FloatArray) -> NDArray[np.intp]:
    """The order of portfolios: by value, of values that are the same but for round-off by positions."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    groups = np.empty(len(order), dtype=np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(np.diff(ranked) > TIE * ranked[1:])])[: len(order)]
    return np.lexsort((*portfolios.T[::-1], groups))


def _far_apart(portfolios: FloatArray, apart: int, most: int, deadline: float) -> tuple[list[int], int]:
    """The places of those that are as far from every one before them that is among them, up to ``most``; and the place
    of the first that there was no time for, the number of portfolios if there was for all.
    """
    far: list[int] = []
    left = np.arange(len(portfolios))
    while left.size and len(far) < most:
        if far and time.monotonic() > deadline:
            return far, int(left[0])
        far.append(int(left[0]))
        left = left[np.abs(portfolios[left] - portfolios[left[0]]).sum(axis=1) >= apart]
    return far, len(portfolios)
