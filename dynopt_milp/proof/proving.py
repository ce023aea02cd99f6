"""From a problem and its optimum, whoever found it, to a proof: walls first, then a plain tree."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from dynopt_milp.compiled import announced
from dynopt_milp.errors import InputError, ProofError
from dynopt_milp.problem.covariance_factor import closest_factor
from dynopt_milp.problem.problem import Problem
from dynopt_milp.proof import plain_tree
from dynopt_milp.proof.norm import Norm
from dynopt_milp.proof.plain_tree import DONE, FULL, Search, Tree, Work, grow
from dynopt_milp.proof.proof import Proof, content_of
from dynopt_milp.proof.walls import Walls
from formulations import FloatArray, IntegerArray, TrackingProgram
from formulations.rule_refutation import best_multipliers
from proof_checker import FORMAT, Refused
from proof_checker.bound import Bounds
from proof_checker.checker import MOST_NODES
from proof_checker.problem import EDGE
from proof_checker.problem import Problem as Stated

LEAST_GAP = 1e-12
KEPT = (0.01, 0.5, 0.9)  # of the gap, for what float64 and rounding lose; more where the checker refuses less
DIGITS = 4  # more than the gap has, in binary
LEAST_DIGITS, MOST_DIGITS = 20, 46
MOST_ENTRIES = 5_000_000  # positions of all instruments
HEDGED = 1e-3
"""Added to correlations: two sizes of one contract, which hedge each other entirely, still count something."""
AT_ONCE, MOST_AT_ONCE = 20, 2000  # nodes between two looks at the clock, at first and at most
SHORT, LONG = 0.05, 0.2  # seconds between them: four times as many nodes below, a quarter above
NOTHING = 1e-7  # how much rules have to be broken at least, as a share of their limits


def proofs_of(
    problem: Problem, contracts: IntegerArray | None, gap: float, seconds: float = math.inf,
    watch: Callable[[int], None] | None = None,
) -> Iterator[Proof]:  # fmt: skip
    """Proofs that a portfolio is optimal, the smallest first: the first one that a checker accepts is the one to keep.

    The next ones leave more for what float64 loses. None of them is checked here.

    Parameters
    ----------
    problem : Problem
    contracts : ndarray of int, shape (n,), or None
        The portfolio; None: that there is none.
    gap : float
        Relative gap to prove.
    seconds : float
        That it may take.
    watch : callable, optional
        Is told how many nodes there are, now and then.

    Raises
    ------
    InputError
        If the gap is too small.
    ProofError
        If the portfolio is not optimal to the gap, time or nodes do not suffice, or nothing bounds positions in exact
        arithmetic.
    """
    if gap < LEAST_GAP:
        raise InputError(f"a proof needs at least {LEAST_GAP:g}, found {gap:g}", field="gap")
    deadline = time.monotonic() + seconds
    with announced("what grows proofs", "half a minute"):
        proof = _Proving(problem, contracts, gap, deadline, watch).run()
    yield proof
    for kept in KEPT[1:]:
        try:
            proof = _Proving(problem, contracts, gap, deadline, watch, kept).run()
        except ProofError:  # the portfolio is optimal to the gap and no further; why the first was refused counts
            return
        yield proof


class _Proving:
    """One proof under way."""

    def __init__(
        self, problem: Problem, contracts: IntegerArray | None, gap: float, deadline: float,
        watch: Callable[[int], None] | None, kept: float = KEPT[0],
    ) -> None:  # fmt: skip
        self.problem, self.program, self.gap = problem, problem.program(), gap
        self.deadline, self.watch = deadline, watch
        self.stated = Stated(content_of(problem))
        self.digits = min(max(math.ceil(-math.log2(gap)) + DIGITS, LEAST_DIGITS), MOST_DIGITS)
        self.positions = None if contracts is None else [int(k) for k in contracts]
        covariances = [np.array([[float(number) for number in row] for row in one]) for one in self.stated.covariances]
        self.factors = [closest_factor(covariances[0], problem._factor.factor), *map(closest_factor, covariances[1:])]
        self.cut: float | None = None
        self.need: Fraction | None = None
        self.careful = kept != KEPT[0]
        try:
            self.bounds = bounds = Bounds(self.stated, [factor.tolist() for factor in self.factors], self.digits)
        except Refused as error:
            raise ProofError(
                f"a covariance is not positive semi-definite as it was given ({error}); problem.replace() has the "
                "repaired one"
            ) from None
        self.norms = [Norm.of(norm, bounds.places, 1 if j else -1) for j, norm in enumerate(bounds.norms)]
        try:
            high = None if self.positions is None else bounds.worth(self.positions)[1]
        except Refused as error:
            raise ProofError(f"in exact arithmetic {error}") from None
        if high is not None:
            self.cut, self.need = float(high) * (1 - (1 - kept) * gap), (1 - Fraction(gap)) * high

    def run(self) -> Proof:
        """Walls first, then the tree."""
        walls = Walls(self.stated, self.norms, self.cut, self.digits)
        if walls.needless:
            return Proof(self.problem, (self._header(), _line({"psi": []})), 1)
        if any(low > high for low, high in zip(walls.lower, walls.upper, strict=True)):
            return self._written(walls, [{}])
        if self.cut is None and (leaf := self._sum_of_rows(walls)) is not None:
            return self._written(walls, [leaf])
        if (place := walls.endless) is not None:
            raise ProofError(f"nothing bounds {self.problem.instruments[place]} in exact arithmetic; give limits")
        lower, upper = np.array(walls.lower, dtype=np.float64), np.array(walls.upper, dtype=np.float64)
        base = np.rint(self.program.target)
        tree = self._grown(_search(self.program, self.norms, lower, upper, base), base)
        nodes: list[Any] = []
        for kind, one, two in tree.nodes[: tree.counts[plain_tree.NODES]].tolist():
            if kind == plain_tree.INNER:
                nodes.append([one, walls.lower[one] + two])
            elif kind == plain_tree.EMPTY:
                nodes.append({})
            else:
                psi = tree.psi[one] if kind == plain_tree.LEAF else None
                chi = [vector[: len(cap.factor)] for vector, cap in zip(tree.chi[one], self.norms[1:], strict=True)]
                nodes.append(_leaf(psi, tree.leaf_mu[one], tree.leaf_nu[one], chi))
        return self._written(walls, self._mended(walls, nodes) if self.careful else nodes)

    def _mended(self, walls: Walls, nodes: list[Any]) -> list[Any]:
        """The nodes; where the bound of a leaf is not enough in exact arithmetic, one of a row alone that cannot be
        kept stands for it, if there is any.

        A rule that is broken by next to nothing takes a multiplier so large that float64 cannot tell the bound.
        """
        rules, boxes, mended = len(self.stated.rows), [(walls.lower, walls.upper)], []
        alone = [{"mu": [float(row == r) for row in range(rules)]} for r in range(rules)]
        for node in nodes:
            lower, upper = boxes.pop()
            if isinstance(node, list):
                i, z = node
                boxes.append(([*lower[:i], max(lower[i], z + 1), *lower[i + 1 :]], upper))
                boxes.append((lower, [*upper[:i], min(upper[i], z), *upper[i + 1 :]]))
            elif not self._is_enough(node, lower, upper):
                node = next((other for other in alone if self._is_enough(other, lower, upper)), node)
            mended.append(node)
        return mended

    def _is_enough(self, leaf: dict[str, Any], lower: list[Any], upper: list[Any]) -> bool:
        """Whether the checker takes a leaf."""
        bound = self.bounds.of(leaf, lower, upper)
        return bool(bound > 0 if self.need is None or "psi" not in leaf else bound >= self.need)

    def _sum_of_rows(self, walls: Walls) -> dict[str, Any] | None:
        """A leaf that shows that no portfolio inside the walls keeps the rows, by the best multipliers of a linear
        program; None if there is none.
        """
        corners = walls.corners()
        if not len(corners):
            return None
        limits = np.array([float(row.limit) for row in self.stated.rows])
        scale = np.maximum(np.abs(corners).sum(axis=2).max(axis=1), np.abs(limits))
        scale[scale == 0] = 1.0
        found = best_multipliers(corners / scale[:, None, None], limits / scale)
        if found is None:
            return None
        leaf = {"mu": (np.maximum(found, 0.0) / scale).tolist()}
        return leaf if self.bounds.of(leaf, walls.lower, walls.upper) > 0 else None

    def _written(self, walls: Walls, nodes: list[Any]) -> Proof:
        """The proof of walls and what is inside of them."""
        rules, caps = len(self.stated.rows), len(self.stated.caps)
        before, after = [], []
        for wall in walls.found:
            chosen = np.arange(caps) == wall.cap
            chi = [wall.vector if here else None for here in chosen]
            psi = wall.vector if wall.row < 0 and wall.cap < 0 else None
            leaf = _leaf(psi, np.where(np.arange(rules) == wall.row, 1.0, 0.0), np.where(chosen, 1.0, 0.0), chi)
            if wall.above:
                before.append(_line([wall.place, wall.at]))
                after.append(_line(leaf))
            else:
                before.extend([_line([wall.place, wall.at]), _line(leaf)])
        leaves = len(walls.found) + sum(isinstance(node, dict) for node in nodes)
        return Proof(self.problem, (self._header(), *before, *map(_line, nodes), *reversed(after)), leaves)

    def _header(self) -> str:
        return _line({
            "format": FORMAT, "problem": self.stated.hash, "gap": self.gap, "digits": self.digits,
            "positions": self.positions, "factors": [factor.tolist() for factor in self.factors],
        })  # fmt: skip

    def _grown(self, search: Search, base: FloatArray) -> Tree:
        """The tree of the box that the walls leave, of positions that are counted from ``base``."""
        n, m, q = search.target.size, search.limits.size, search.radii.size
        entries, rows = int(search.start[-1]), max(search.caps.shape[1], 1)
        work = Work(
            np.empty(entries), np.empty(entries), np.empty(n, dtype=np.int64), np.empty(n),
            np.empty(q + 1), np.empty((q + 1, n)), np.zeros(len(search.factor)), np.zeros((q, rows)),
        )  # fmt: skip
        tree = _room(256, 256, n, m, q, len(search.factor), rows)
        start = self.program.target if self.positions is None else np.array(self.positions, dtype=np.float64)
        tree.low[0], tree.high[0], tree.x[0] = 0, np.diff(search.start) - 1, start - base
        tree.mu[0], tree.nu[0] = 0.0, 0.0
        tree.counts[:] = 1, 0, 0
        unit, weight = 2.0**self.digits, 1.0 if self.cut is not None else 0.0
        cut = NOTHING if self.cut is None else self.cut
        at_once = AT_ONCE
        while True:
            began = time.monotonic()
            state = grow(search, tree, work, cut, unit, weight, at_once)
            took = time.monotonic() - began
            if took < SHORT:
                at_once = min(4 * at_once, MOST_AT_ONCE)
            elif took > LONG:
                at_once = max(at_once // 4, 1)
            if state == DONE:
                return tree
            if state < 0:
                raise ProofError(
                    f"the portfolio is not optimal to the gap {self.gap:g}, or float64 cannot tell it from the "
                    "optimum; prove what exact finds"
                )
            if tree.counts[plain_tree.NODES] > MOST_NODES - 4 * n:
                raise ProofError("a million nodes do not suffice")
            if time.monotonic() > self.deadline:
                raise ProofError("the time limit came first")
            if self.watch is not None:
                self.watch(int(tree.counts[plain_tree.NODES]))
            if state == FULL:
                tree = _larger(tree)


def _search(
    program: TrackingProgram, norms: Sequence[Norm], lower: FloatArray, upper: FloatArray, base: FloatArray
) -> Search:  # fmt: skip
    """What is searched, with tables over a finite box; an instrument that has no position left keeps an empty one."""
    upper, forgiven = np.maximum(lower, upper), float(EDGE)
    widths = (upper - lower).astype(np.int64) + 1
    if int(widths.max()) * widths.size > MOST_ENTRIES:
        raise ProofError("positions have millions of possible values; give limits")
    steps = np.minimum(np.arange(widths.max())[:, None], widths - 1)
    points = lower + steps
    inside = (np.arange(widths.max())[:, None] < widths).T
    with np.errstate(invalid="ignore", over="ignore"):
        cost = program.cost_by_instrument(points).T[inside]
        rules = program.rules
        rows = () if rules is None else rules.rows
        terms = [row.terms(points, program.previous, program.zero).T[inside] for row in rows]
        terms = [term - forgiven * np.abs(term) for term in terms]
    tracking, *caps = norms
    size, most = program.size, max((len(cap.factor) for cap in caps), default=1)
    factors = np.zeros((len(caps), most, size))
    for j, cap in enumerate(caps):
        factors[j, : len(cap.factor)] = cap.factor
    return Search(
        factor=tracking.factor,
        gram=tracking.factor.T @ tracking.factor,
        target=tracking.centre - base,
        first=(lower - base).astype(np.int64),
        zero=-lower.astype(np.int64),
        start=np.concatenate([[0], np.cumsum(widths)]),
        cost=np.where(np.isfinite(cost), cost, 2 * plain_tree.HUGE),
        rows=np.array(terms).reshape(len(rows), int(widths.sum())),
        limits=np.array([row.limit + forgiven * abs(row.limit) for row in rows], dtype=np.float64),
        caps=factors,
        cap_grams=np.array([factor.T @ factor for factor in factors]).reshape(len(caps), size, size),
        centres=np.array([cap.centre - base for cap in caps]).reshape(len(caps), size),
        radii=np.array([cap.limit for cap in caps], dtype=np.float64),
        side=np.full(size, -1) if program.underlying is None else np.array(program.underlying),
        alone=_alone(tracking.factor, bool(program.cost.any())),
    )


def _alone(factor: FloatArray, costs: bool) -> FloatArray:
    """How much a fraction of a contract counts where a box is split, shape (n,).

    Without costs all others can follow: what counts is 1 ÷ sqrt((H⁻¹)ᵢᵢ), the risk that the best of them leave. With
    costs they follow less: the geometric mean of that and the contract's own risk.
    """
    gram = factor.T @ factor
    scale = np.sqrt(np.maximum(gram.diagonal(), np.finfo(float).tiny))
    correlation = gram / scale / scale[:, None]
    left = 1 / np.sqrt(np.linalg.inv(correlation + HEDGED * np.eye(len(scale))).diagonal())
    return np.asarray(scale * (np.sqrt(left) if costs else left))


def _room(boxes: int, nodes: int, n: int, m: int, q: int, r: int, s: int) -> Tree:
    """A tree with room for so many open boxes, and nodes."""
    return Tree(
        np.empty((boxes, n), dtype=np.int64), np.empty((boxes, n), dtype=np.int64), np.empty((boxes, n)),
        np.empty((boxes, m)), np.empty((boxes, q)), np.empty((nodes, 3), dtype=np.int64),
        np.empty((nodes, r), dtype=np.int64), np.empty((nodes, m)), np.empty((nodes, q)),
        np.empty((nodes, q, s), dtype=np.int64), np.zeros(3, dtype=np.int64),
    )  # fmt: skip


def _larger(tree: Tree) -> Tree:
    """The same with twice the room where there is none left."""
    n, m, q, r, s = tree.low.shape[1], tree.mu.shape[1], tree.nu.shape[1], tree.psi.shape[1], tree.chi.shape[2]
    boxes = len(tree.low) * (2 if tree.counts[plain_tree.OPEN] + 2 > len(tree.low) else 1)
    nodes = len(tree.nodes) * (2 if tree.counts[plain_tree.NODES] + 1 > len(tree.nodes) else 1)
    larger = _room(boxes, nodes, n, m, q, r, s)
    for old, new in zip(tree, larger, strict=True):
        new[: len(old)] = old
    return larger


def _leaf(psi: IntegerArray | None, mu: FloatArray, nu: FloatArray, chi: Any) -> dict[str, Any]:
    """A leaf; what is zero throughout is left out."""
    leaf: dict[str, Any] = {}
    if psi is not None:
        leaf["psi"] = psi.tolist() if psi.any() else []
    if mu.any():
        leaf["mu"] = mu.tolist()
    if nu.any():
        leaf["caps"] = [
            [number, vector.tolist() if number > 0 else []] for number, vector in zip(nu.tolist(), chi, strict=True)
        ]
    return leaf


def _line(node: Any) -> str:
    return json.dumps(node, separators=(",", ":"))
