"""A box that holds every portfolio of another box that keeps the rules.

Four arguments, each a proof:

1. domain: what lies beyond the last position that is allowed is cut off.
2. rows: aᵢ(kᵢ) ≤ b − Σⱼ≠ᵢ min aⱼ, each minimum over the box. Between o and p and beyond them aᵢ is a straight line, so
   that minima and the last position within a bound have closed forms, on infinite sides, too. Tables, whose boxes are
   finite, are looked at entry by entry.
3. caps: ‖G(k − o − t)‖ ≤ ρ bounds k as a tracking error does (`bounding_box`).
4. pairs of rows: l ≤ Σ αᵢ(kᵢ − oᵢ) ≤ b leaves nothing where l > b, whatever bounds k; nor where all αᵢ are multiples of
   one number, of which no multiple is between them.

A rule is kept with the round-off that it states, so all are widened by more than that: with η of every term and of b,
a portfolio that `Rules.kept` admits has Σ(aᵢ − η|aᵢ|) ≤ b + η|b| in exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from formulations.arrays import FloatArray, IntegerArray
from formulations.bounding_box import OUTWARD, bounding_box
from formulations.norm_cap import EDGE_ROUND_OFF, NormCap
from formulations.program import TrackingProgram
from formulations.row import GROSS, HOLDINGS, NET, ORDERS, ROW_ROUND_OFF, TURNOVER, Row

MOST_ROUNDS = 12  # of rows and domain: each may sharpen the others; what a later round finds is next to nothing
FEW = 20_000  # positions: as many are looked at one by one, which is faster than by closed forms
WIDER = 4  # η, in what a row may be exceeded by: one is the row's, the others what float64 loses here
UNIT = 2.0**-52
# A cap of nothing (ρ = 0) is looked at with this part of the longest column: less than any whole contract.
LEAST_RADIUS = 1e-9


def rule_box(program: TrackingProgram, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The box lower ≤ k ≤ upper without what the program's rules cut off its sides.

    Parameters
    ----------
    program : TrackingProgram
        For its rules, p and o; its own box is not looked at.
    lower, upper : ndarray, shape (n,)
        A box, whose ends may be infinite, inside that of the program.

    Returns
    -------
    lower, upper : ndarray, shape (n,)
        Every portfolio of the box that keeps the rules lies in it. Where there is none, they may cross.
    """
    rules = program.rules
    lower, upper = lower.copy(), upper.copy()
    if not rules:
        return lower, upper
    if _contradict(rules.rows):
        return np.zeros(lower.size), np.full(lower.size, -1.0)
    _allowed(program, lower, upper)
    for cap in rules.caps:
        _capped(program, cap, lower, upper)
    for _ in range(MOST_ROUNDS):
        if (lower > upper).any():
            break
        before = lower.copy(), upper.copy()
        for row in rules.rows:
            _bounded(program, row, lower, upper)
            if (lower > upper).any():
                return lower, upper
        _allowed(program, lower, upper)
        if not (np.isfinite(lower) & np.isfinite(upper)).all():  # those that a row has bounded may help
            for cap in rules.caps:
                _capped(program, cap, lower, upper)
        if (lower > upper).any() or (np.array_equal(before[0], lower) and np.array_equal(before[1], upper)):
            break
    return lower, upper


def _contradict(rows: Sequence[Row]) -> bool:
    """Argument 4."""
    most: dict[bytes, float] = {}
    for row in rows:
        net = row.coefficients[NET] + 0.0  # no negative zeros: equal rows are to have equal bytes
        if row.tables is not None or row.coefficients[NET + 1 :].any() or not net.any():
            continue
        unit, limit = _unit(net), row.limit + WIDER * ROW_ROUND_OFF * abs(row.limit)
        if unit > 0:
            times = limit / unit
            limit = unit * math.floor(times + ROW_ROUND_OFF * (1 + abs(times)))
        most[net.tobytes()] = min(most.get(net.tobytes(), math.inf), limit)
        opposite = most.get((0.0 - net).tobytes(), math.inf)
        if limit + opposite < -WIDER * ROW_ROUND_OFF * (abs(limit) + abs(opposite)):
            return True
    return False


def _unit(coefficients: FloatArray) -> float:
    """A number of which all are whole multiples; 0 if none is seen."""
    sizes = np.abs(coefficients[coefficients != 0])
    if (sizes == sizes[0]).all():
        return float(sizes[0])
    if (sizes == np.floor(sizes)).all() and sizes.max() < 1 / UNIT:
        return float(math.gcd(*sizes.astype(np.int64).tolist()))
    return 0.0


def _capped(program: TrackingProgram, cap: NormCap, lower: FloatArray, upper: FloatArray) -> None:
    """Argument 3, over the instruments that count in the cap."""
    lengths = cap.lengths
    some = np.flatnonzero(lengths > 0)
    if not some.size or (lower > upper).any():
        return
    inner = TrackingProgram(
        factor=cap.factor[:, some],
        target=(program.zero + cap.centre)[some],
        previous=np.zeros(some.size),
        cost=np.zeros(some.size),
        lower=lower[some],
        upper=upper[some],
        residual=None if cap.residual is None else cap.residual.permuted(some),
    )
    radius = max(cap.limit * (1 + WIDER * EDGE_ROUND_OFF), LEAST_RADIUS * float(lengths.max()))
    least, most = bounding_box(inner, radius, np.inf)
    lower[some], upper[some] = np.maximum(lower[some], least), np.minimum(upper[some], most)


def _allowed(program: TrackingProgram, lower: FloatArray, upper: FloatArray) -> None:
    """Argument 1."""
    domain = program.domain
    if domain is None or not domain.some.any():
        return
    upper[:] = domain.last_allowed(program.previous, program.zero, upper)
    lower[:] = -domain.last_allowed(-program.previous, -program.zero, -lower)


class _Piece(NamedTuple):
    """A part of each instrument's box on which aᵢ is a straight line.

    Attributes
    ----------
    first, last : ndarray, shape (n,)
        Its ends; first > last where it is empty.
    at_first, at_last : ndarray, shape (n,)
        aᵢ − η|aᵢ| there, or less.
    slope : ndarray, shape (n,)
    """

    first: FloatArray
    last: FloatArray
    at_first: FloatArray
    at_last: FloatArray
    slope: FloatArray


class _Terms:
    """aᵢ − η|aᵢ| of one row without its table, or less: of every instrument, shape (n,)."""

    def __init__(self, coefficients: FloatArray, held: FloatArray, zero: FloatArray, eta: float) -> None:
        self.coefficients, self.held, self.zero, self.eta = coefficients, held, zero, eta

    def mirrored(self) -> _Terms:
        """The same of −k."""
        flipped = self.coefficients.copy()
        flipped[NET] *= -1.0
        return _Terms(flipped, -self.held, -self.zero, self.eta)

    def at(self, positions: FloatArray, places: slice | int | IntegerArray = slice(None)) -> FloatArray:
        """At finite positions of these instruments."""
        by = self.coefficients[:, places]
        away, traded = positions - self.zero[places], positions - self.held[places]
        gross, turnover = np.abs(away), np.abs(traded)
        terms = by[NET] * away + by[GROSS] * gross + by[TURNOVER] * turnover
        terms = terms + by[HOLDINGS] * (away != 0) + by[ORDERS] * (traded != 0)
        # Where α and β cancel they do so to the last bit.
        size = np.where(by[NET] * np.sign(away) + by[GROSS] == 0, 0.0, np.abs(by[NET]) + np.abs(by[GROSS])) * gross
        size = size + np.abs(by[TURNOVER]) * turnover + np.abs(by[HOLDINGS]) + np.abs(by[ORDERS])
        return np.asarray(terms - self.eta * size)

    def pieces(self, lower: FloatArray, upper: FloatArray) -> list[_Piece]:
        """The straight lines of the box, from above."""
        near, far = np.minimum(self.zero, self.held), np.maximum(self.zero, self.held)
        above = np.where(self.zero < self.held, 1.0, -1.0)  # the side of o that what lies between o and p is on
        one = np.ones(len(near))
        parts = [
            (np.maximum(far + 1, lower), upper, one, one),
            (np.maximum(far, lower), np.minimum(far, upper), one, one),
            (np.maximum(near + 1, lower), np.minimum(far - 1, upper), above, -above),
            (np.maximum(near, lower), np.minimum(near, upper), one, one),
            (lower, np.minimum(near - 1, upper), -one, -one),
        ]
        return [self._piece(*part) for part in parts if (part[0] <= part[1]).any()]

    def _piece(self, first: FloatArray, last: FloatArray, of_zero: FloatArray, of_held: FloatArray) -> _Piece:
        by = self.coefficients
        rise = by[NET] + of_zero * by[GROSS]
        slope = rise - self.eta * of_zero * np.where(rise == 0, 0.0, np.abs(by[NET]) + np.abs(by[GROSS]))
        slope = slope + of_held * (by[TURNOVER] - self.eta * np.abs(by[TURNOVER]))
        values = []
        for end, other, downwards in ((first, last, slope), (last, first, -slope)):
            finite = np.isfinite(end)
            there = self.at(np.where(finite, end, np.where(np.isfinite(other), other, 0.0)))
            values.append(np.where(finite | (downwards == 0), there, np.where(downwards > 0, -np.inf, np.inf)))
        return _Piece(first, last, values[0], values[1], slope)

    def corners(self, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """At both ends of a finite box and beside its kinks, shape (8, n): the minimum over the box is among them."""
        kinks = [kink + by for kink in (self.zero, self.held) for by in (-1.0, 0.0, 1.0)]
        return self.at(np.stack([lower, upper, *(np.clip(kink, lower, upper) for kink in kinks)]))

    def ends(self, lower: FloatArray, upper: FloatArray, most: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The first and the last position of a small box at which it is at most ``most``; +∞ and −∞ if none is."""
        widths = (upper - lower).astype(np.int64) + 1
        begins = np.cumsum(widths) - widths
        places = np.repeat(np.arange(len(lower)), widths)
        points = lower[places] + (np.arange(places.size) - begins[places])
        inside = self.at(points, places) <= most[places]
        first = np.minimum.reduceat(np.where(inside, points, np.inf), begins)
        return first, np.maximum.reduceat(np.where(inside, points, -np.inf), begins)

    def least(self, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """The minimum over the box, −∞ where there is none."""
        least = np.full(len(lower), np.inf)
        for piece in self.pieces(lower, upper):
            some = piece.first <= piece.last
            least = np.where(some, np.minimum(least, np.minimum(piece.at_first, piece.at_last)), least)
        return least

    def last(self, lower: FloatArray, upper: FloatArray, most: FloatArray) -> FloatArray:
        """The last position of the box at which it is at most ``most``, or one above; −∞ where there is none."""
        last = np.full(len(lower), -np.inf)
        for piece in self.pieces(lower, upper)[::-1]:
            some = piece.first <= piece.last
            ends, begins = piece.at_last <= most, piece.at_first <= most
            anchored = np.isfinite(piece.first)
            anchor = np.where(anchored, piece.first, piece.last)
            with np.errstate(all="ignore"):
                steps = (most - np.where(anchored, piece.at_first, piece.at_last)) / piece.slope
                inner = anchor + np.floor(steps + OUTWARD * (1 + np.abs(steps)))
            inner = np.where(np.isfinite(inner), np.minimum(inner, piece.last), piece.last)
            # The line rises: if it is above `most` just beyond, it is from there on.
            beyond = np.where(np.isfinite(inner), inner + 1, 0.0)
            proved = np.isfinite(inner) & (piece.slope > 0) & (self.at(beyond) > most)
            last = np.where(some & begins & ~ends, np.where(proved, inner, piece.last), last)
            last = np.where(some & ends, piece.last, last)
        return last


def corners_of(program: TrackingProgram, row: Row, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """What each position counts in a row without its table, or less, at the corners of a finite box, shape (8, n).

    With the round-off that rows allow taken off. Between corners it is a straight line, so that the minimum over the
    box is at one of them; so it is of any sum of rows.
    """
    eta = WIDER * ROW_ROUND_OFF + program.size * UNIT
    return _Terms(row.coefficients, program.previous, program.zero, eta).corners(lower, upper)


def _bounded(program: TrackingProgram, row: Row, lower: FloatArray, upper: FloatArray) -> None:
    """Argument 2."""
    size = program.size
    eta = WIDER * ROW_ROUND_OFF + size * UNIT
    terms = _Terms(row.coefficients, program.previous, program.zero, eta)
    finite = bool(np.isfinite(lower).all()) and bool(np.isfinite(upper).all())
    corners = terms.corners(lower, upper) if finite else None
    least = terms.least(lower, upper) if corners is None else corners.min(axis=0)
    tabled = [] if row.tables is None else [int(place) for place in np.flatnonzero(row.tables.width)]
    entries: dict[int, tuple[FloatArray, FloatArray]] = {}
    for place in tabled:
        assert row.tables is not None
        begin, table = row.tables.of_place(place)
        points = np.arange(max(lower[place], begin), min(upper[place], begin + table.size - 1) + 1)
        extra = table[(points - begin).astype(np.int64)]
        entries[place] = points, terms.at(points, place) + (extra - eta * np.abs(extra))
        least[place] = entries[place][1].min(initial=np.inf)
    if np.isposinf(least).any():  # the table has no position of the box
        lower[:], upper[:] = np.where(np.isposinf(least), np.inf, lower), np.where(np.isposinf(least), -np.inf, upper)
        return
    bottomless = np.isneginf(least)
    if bottomless.sum() > 1:
        return
    known = np.where(bottomless, 0.0, least)
    others = float(known.sum()) - known
    limit = row.limit + eta * abs(row.limit) + size * UNIT * float(np.abs(known).sum())
    most = np.where((bottomless.sum() > 0) & ~bottomless, np.inf, limit - others)
    first, last = lower.copy(), upper.copy()
    if corners is None or float((upper - lower).sum()) > FEW:
        last = np.where(np.isposinf(most), upper, terms.last(lower, upper, most))
        first = np.where(np.isposinf(most), lower, -terms.mirrored().last(-upper, -lower, most))
    elif (corners[:2] > most).any():
        first, last = terms.ends(lower, upper, most)
    for place, (points, found) in entries.items():
        inside = points[found <= most[place]]
        first[place], last[place] = (inside[0], inside[-1]) if inside.size else (np.inf, -np.inf)
    lower[:], upper[:] = np.maximum(lower, first), np.minimum(upper, last)
