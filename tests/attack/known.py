"""The best portfolio that is known of a problem, by exact value: all of a small box, or what lies near good ones.

Floats only choose what is looked at: values near a portfolio are estimated with a bound on the error, from its exact
square and gradient, and what may be the best of them is valued exactly. No claim rests on an estimate.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from formulations import FloatArray
from tests.attack.exact import ExactValues, Portfolio, Question

MOST_POINTS = 3_000  # of a box that is looked at whole
MOST_VALUED = 24  # portfolios around one that are valued exactly
MOST_STEPS = 12  # of the descent
MOST_REDUCED = 10  # instruments of a problem whose lattice is reduced
COEFFICIENTS = (0, 12, 8, 4, 2, 1, 1)  # of the vectors of a reduced basis, by their number
FURTHEST = 2**53  # contracts
PARTS = (0.9, 0.75, 0.5, 0.25)  # of a portfolio that may be too large for the rules
MOST_SIZES = 9  # moves of one instrument from size to size that rules allow


@dataclass
class Known:
    """The portfolios that were valued, and the best of them."""

    values: ExactValues
    question: Question
    lower: FloatArray
    upper: FloatArray
    seen: dict[Portfolio, tuple[int, int] | None] = field(default_factory=dict)
    best: Portfolio | None = None

    def holds(self, portfolio: Portfolio) -> bool:
        """Whether it lies within the limits."""
        return all(x <= k <= y for x, k, y in zip(self.lower, portfolio, self.upper, strict=True))

    def add(self, portfolio: Portfolio) -> None:
        """Value one that lies within the limits."""
        if portfolio in self.seen:
            return
        value = self.seen[portfolio] = self.values.value(portfolio, self.question)
        if value is not None and (self.best is None or value[1] < self.least):
            self.best = portfolio

    @property
    def least(self) -> int:
        """The value of the best, rounded up."""
        assert self.best is not None
        value = self.seen[self.best]
        assert value is not None
        return value[1]


def best_known(
    values: ExactValues, lower: FloatArray, upper: FloatArray, question: Question, portfolios: Iterable[Iterable[float]]
) -> Known:
    """Value the portfolios, what lies around them and, if the box is small, all of it."""
    known = Known(values, question, lower, upper)
    centres = [clipped(portfolio, lower, upper) for portfolio in portfolios]
    if values.rules:
        centres += [clipped(part * np.array(centre), lower, upper) for centre in centres[:1] for part in PARTS]
    for centre in centres:
        known.add(centre)
    widths = upper - lower + 1
    if np.prod(widths) <= MOST_POINTS:
        grid = _grid(tuple(int(width) for width in widths))
        middle = tuple(int(low) + int(width) // 2 for low, width in zip(lower, widths, strict=True))
        _add_best_around(known, middle, grid + (lower - np.array(middle, dtype=np.float64)))
        return known
    directions = np.eye(values.size)
    if values.size <= MOST_REDUCED:
        directions = np.vstack([directions, _reduced(values)])
    steps = np.vstack([_steps(values.size), directions, -directions, *_combinations(directions[values.size :])])
    for centre in dict.fromkeys(centres):
        _add_best_around(known, centre, steps)
    for _ in range(MOST_STEPS):
        centre = known.best or min(known.seen, key=values.square)
        before = len(known.seen)
        jumps = [_jumps(values, centre, directions), *_ruled_moves(values, centre)]
        _add_best_around(known, centre, np.vstack([steps, *jumps]))
        if (known.best or min(known.seen, key=values.square)) == centre or len(known.seen) == before:
            break
    return known


def clipped(portfolio: Iterable[float], lower: FloatArray, upper: FloatArray) -> Portfolio:
    """The whole contracts within the limits that are nearest."""
    wanted = np.array([min(max(number, -FURTHEST), FURTHEST) for number in portfolio], dtype=np.float64)
    return tuple(int(number) for number in np.minimum(np.maximum(np.rint(wanted), lower), upper))


def _add_best_around(known: Known, centre: Portfolio, moves: FloatArray) -> None:
    """Value the portfolios centre + moves that may be the best; with a buffer, those of least risk, too."""
    values, question = known.values, known.question
    middle = np.array(centre, dtype=np.float64)
    points = middle + moves
    inside = ((points >= known.lower) & (points <= known.upper) & (np.abs(points) < FURTHEST)).all(axis=1)
    if question.constrained:
        inside &= points @ np.array(question.weights, dtype=np.float64) <= question.most
    for members in values.sizes:
        held = points[:, list(members)]
        inside &= ~((held > 0).any(axis=1) & (held < 0).any(axis=1))
    if not inside.any():
        return
    points, moves = points[inside], moves[inside]
    surely, maybe = values.rules.decided(points)
    if not maybe.any():
        return
    points, moves, surely = points[maybe], moves[maybe], surely[maybe]
    low, high = _estimates(values, centre, moves)
    lost = 4e-16 * (values.size + 4)
    trades = np.abs(points - values.held) @ np.array(values.cost) + np.abs(points) @ np.array(values.holding)
    trades = trades + values.order_floats(points)
    if question.edge:
        edge = question.buffer
        value_low = np.where(low <= edge, trades * (1 - lost), np.inf)
        value_high = np.where(high <= edge, trades * (1 + lost), np.inf)
    else:
        buffer = question.buffer if question.formulation == "deadband" else 0.0
        value_low = np.maximum(low - buffer, 0.0) * (1 - lost) + trades * (1 - lost)
        value_high = np.maximum(high - buffer, 0.0) * (1 + lost) + trades * (1 + lost)
    value_high = np.where(surely, value_high, np.inf)
    chosen = np.flatnonzero(value_low <= value_high.min())
    if chosen.size > MOST_VALUED:
        chosen = chosen[np.argsort(value_low[chosen], kind="stable")[:MOST_VALUED]]
    if question.edge:
        chosen = np.union1d(chosen, np.argsort(high, kind="stable")[:4])
    for place in chosen:
        if np.isfinite(value_low[place]) or question.edge:
            known.add(tuple(int(number) for number in points[place]))


def _estimates(values: ExactValues, centre: Portfolio, moves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Tracking errors of centre + moves, from below and from above."""
    square = values.square(centre) / (1 << values.square_exponent)
    rows, exponent = values.gradient(centre)
    gradient = np.array([row / (1 << exponent) for row in rows])
    hessian = values.hessian_floats
    size, sizes = np.abs(moves), np.abs(hessian)
    total = square - 2 * (moves @ gradient) + ((moves @ hessian) * moves).sum(axis=1)
    error = abs(square) + 2 * (size @ np.abs(gradient)) + ((size @ sizes) * size).sum(axis=1)
    error *= 4e-16 * (values.size + 8)
    return np.sqrt(np.maximum(total - error, 0.0)), np.sqrt(np.maximum(total + error, 0.0))


@lru_cache(maxsize=256)
def _grid(widths: tuple[int, ...]) -> FloatArray:
    """Every point of a box that begins at zero."""
    return np.indices(widths).reshape(len(widths), -1).T.astype(np.float64)


@lru_cache(maxsize=64)
def _steps(size: int) -> FloatArray:
    """One contract more or less of one instrument, then of two."""
    unit = np.eye(size)
    pairs = [
        one * unit[i] + other * unit[j]
        for i, j in itertools.combinations(range(size), 2) for one in (1, -1) for other in (1, -1)
    ]  # fmt: skip
    return np.array([*unit, *-unit, *pairs])


def _combinations(basis: FloatArray) -> list[FloatArray]:
    """All sums of few times the vectors of a basis."""
    if not 0 < len(basis) < len(COEFFICIENTS):
        return []
    most = COEFFICIENTS[len(basis)]
    sums = (_grid((2 * most + 1,) * len(basis)) - most) @ basis
    return [sums[(np.abs(sums) < FURTHEST).all(axis=1)]]


def _reduced(values: ExactValues) -> FloatArray:
    """Short vectors of the lattice of tracking errors, its basis reduced pair by pair."""
    size = values.size
    gram = [list(row) for row in values.hessian]
    basis = [[int(i == j) for j in range(size)] for i in range(size)]
    for _ in range(8 * size):
        changed = False
        for i, j in itertools.permutations(range(size), 2):
            if gram[j][j] <= 0:
                continue
            times = (2 * gram[i][j] + gram[j][j]) // (2 * gram[j][j])
            if times and gram[i][i] - 2 * times * gram[i][j] + times * times * gram[j][j] < gram[i][i]:
                basis[i] = [x - times * y for x, y in zip(basis[i], basis[j], strict=True)]
                for k in range(size):
                    gram[i][k] -= times * gram[j][k]
                for k in range(size):
                    gram[k][i] -= times * gram[k][j]
                changed = True
        if not changed:
            break
    short = [row for row in basis if max(map(abs, row)) < FURTHEST]
    return np.array(short, dtype=np.float64).reshape(-1, size)


def _jumps(values: ExactValues, centre: Portfolio, directions: FloatArray) -> FloatArray:
    """Along each direction to the whole numbers of steps next to its least tracking error, and each to what is held."""
    rows, exponent = values.gradient(centre)
    gradient = np.array([row / (1 << exponent) for row in rows])
    curve = ((directions @ values.hessian_floats) * directions).sum(axis=1)
    with np.errstate(all="ignore"):
        length = (directions @ gradient) / curve
    length = np.where(np.isfinite(length) & (np.abs(length) < FURTHEST), length, 0.0)
    back = np.diag(np.array(values.held, dtype=np.float64) - np.array(centre, dtype=np.float64))
    return np.vstack([np.floor(length)[:, None] * directions, np.ceil(length)[:, None] * directions, back])


def _ruled_moves(values: ExactValues, centre: Portfolio) -> list[FloatArray]:
    """Where there are rules: of one instrument, then of two, to the sizes that they may allow."""
    if not values.rules:
        return []
    unit, moves = np.eye(values.size), []
    for place, (number, held) in enumerate(zip(centre, values.held, strict=True)):
        sizes = sorted(values.rules.sizes(place))
        found = {-number, held - number, 1, -1}
        for size in sizes:
            found |= {size, -size, size - number, -size - number, held + size - number, held - size - number}
            found |= {-(number % size), size - number % size}
        near = sorted(found - {0}, key=abs)[:MOST_SIZES]
        moves.append([by * unit[place] for by in near])
    pairs = [
        x + y for one, other in itertools.combinations(moves, 2) for x, y in itertools.product(one, other)
    ] if values.size <= MOST_REDUCED else []  # fmt: skip
    return [np.array([*itertools.chain.from_iterable(moves), *pairs]).reshape(-1, values.size)]
