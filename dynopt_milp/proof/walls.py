"""Walls: half-spaces that a single leaf shows to hold nothing, until what is left is a finite box.

Beyond a wall, kᵢ ≥ z or kᵢ ≤ z, the bound of some ψ reaches the cut, or some rule cannot be kept, whatever the
other positions are. These are tried, in this order:

1. ψ = 0: the cost of going there is enough.
2. A row alone: what it adds up there is too much.
3. ψ along the iᵗʰ column of F⁻', scaled to length 1: then F'ψ is zero but for i, and the risk is enough. F is
   triangular in the order of its pivots, so that from the last pivot to the first F'ψ is *exactly* zero on all that
   have no wall yet.
4. A cap alone, in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynopt_milp.proof.norm import Norm
from dynopt_milp.proof.plain_tree import LOST, REFUTES
from formulations import FloatArray, IntegerArray
from proof_checker.problem import Problem, multiples

FAR = 2**53
OUT = 10**6  # contracts: where a linear program looks instead of without end
WIDE = 16  # contracts: a range that is not wider is left as it is by the third kind


class Wall(NamedTuple):
    """What a leaf shows.

    Attributes
    ----------
    place : int
        i.
    at : int
        z: nothing is beyond it, from z + 1 on (``above``) or up to z.
    above : bool
    vector : ndarray of int, shape (r,), or None
        ψ, or χ of a cap, in units of 2⁻ᴰ; None for a row.
    row, cap : int
        Which one is broken; −1 where it is none.
    """

    place: int
    at: int
    above: bool
    vector: IntegerArray | None
    row: int = -1
    cap: int = -1


class Walls:
    """The box that is left of a problem, and the walls around it.

    Parameters
    ----------
    stated : Problem
        Of proof_checker.
    norms : sequence of Norm
        The tracking error, and the caps.
    cut : float or None
        What a bound has to reach; None: only rules count.
    digits : int
        D.

    Attributes
    ----------
    lower, upper : list
        The box; infinite where nothing was found.
    found : list of Wall
        From the outermost to the innermost.
    needless : bool
        Whether no portfolio costs less than the cut: ψ = 0 is a proof.
    """

    def __init__(self, stated: Problem, norms: Sequence[Norm], cut: float | None, digits: int) -> None:
        self.stated, self.cut, self.unit = stated, cut, 2.0**digits
        self.lower, self.upper = list(stated.lower), list(stated.upper)
        self.norms = norms
        self.pieces = [
            [(piece.first, piece.last, piece.lot, [(float(line[0]), float(line[1])) for line in piece.lines])
             for piece in pieces] for pieces in stated.pieces
        ]  # fmt: skip
        self.found: list[Wall] = []
        nothing = np.zeros(len(norms[0].factor), dtype=np.int64)
        self.needless = cut is not None and self._cost() >= cut
        if self.needless:
            return
        if cut is not None:
            for i in range(len(self.lower)):
                self._raise(i, nothing)
        for row in range(len(stated.rows)):
            for i in range(len(self.lower)):
                self._raise(i, None, row=row)
        if cut is not None:
            self._by_norm(WIDE)
        for cap in range(len(norms) - 1):
            self._by_norm(FAR, cap)

    def _by_norm(self, wide: float, cap: int = -1) -> None:
        """Walls of the tracking error, or of a cap, for ranges that are wider."""
        for i, direction in _directions(self.norms[cap + 1].factor):
            if not self.upper[i] - self.lower[i] <= wide:
                vector = np.trunc(direction * self.unit).astype(np.int64)
                self._raise(i, vector, cap=cap)
                self._raise(i, -vector, cap=cap)

    def corners(self) -> FloatArray:
        """What positions add to each row at the ends of their pieces, shape (rows, corners, n); far out where one is
        infinite.
        """
        found = []
        for pieces, low, high in zip(self.pieces, self.lower, self.upper, strict=True):
            ends = []
            for first, last, lot, lines in pieces:
                begin, end = multiples(max(first, low), min(last, high), lot)
                if begin <= end:
                    at = [min(max(z, -OUT), OUT) for z in (begin, end)]
                    ends += [[constant + by * z for constant, by in lines[1:]] for z in at]
            found.append(ends or [[0.0] * len(self.stated.rows)])
        most = max(map(len, found))
        padded = [ends + [ends[-1]] * (most - len(ends)) for ends in found]
        return np.array(padded, dtype=np.float64).transpose(2, 1, 0)

    @property
    def endless(self) -> int | None:
        """The place of an instrument whose range is not finite, None if there is none."""
        ranges = enumerate(zip(self.lower, self.upper, strict=True))
        return next((i for i, ends in ranges if not max(map(abs, ends)) < FAR), None)

    def _cost(self) -> float:
        """What every portfolio costs at least."""
        ranges = zip(self.lower, self.upper, strict=True)
        return sum(self._least(i, low, high, 0.0, 0, LOST) for i, (low, high) in enumerate(ranges))

    def _raise(self, i: int, vector: IntegerArray | None, row: int = -1, cap: int = -1) -> None:
        """Find the innermost walls of an instrument with this vector, or this row."""
        line, margin = row + 1 if vector is None else 0 if cap < 0 else -1, LOST if vector is not None else REFUTES
        slopes, rest = np.zeros(len(self.lower)), 0.0
        if vector is None:
            rest -= float(self.stated.rows[row].limit)
        else:
            norm = self.norms[cap + 1]
            slopes = norm.factor.T @ (vector / self.unit) * (-1 if cap < 0 else 1)
            rest -= float(slopes @ norm.centre) + norm.limit
        size = abs(rest)
        for j in range(len(self.lower)):
            if j != i:
                least = self._least(j, self.lower[j], self.upper[j], slopes[j], line, margin)
                rest += least
                size += abs(least)
        if not np.isfinite(rest):
            return
        need = (self.cut if line == 0 else math.ulp(0.0)) - rest + margin * size  # type: ignore[operator]
        low, high = max(self.lower[i], -FAR), min(self.upper[i], FAR)
        if self._least(i, high, self.upper[i], slopes[i], line, margin) >= need and high > low:
            first, last = low, high  # the first position from which on it is enough lies between them
            while last - first > 1:
                middle = (first + last) // 2
                enough = self._least(i, middle, self.upper[i], slopes[i], line, margin) >= need
                first, last = (first, middle) if enough else (middle, last)
            if last <= self.upper[i]:
                self.found.append(Wall(i, int(last) - 1, True, vector, row, cap))
                self.upper[i] = int(last) - 1
        if self._least(i, self.lower[i], low, slopes[i], line, margin) >= need and high > low:
            first, last = low, min(high, self.upper[i])
            while last - first > 1:
                middle = (first + last) // 2
                enough = self._least(i, self.lower[i], middle, slopes[i], line, margin) >= need
                first, last = (middle, last) if enough else (first, middle)
            if first >= self.lower[i]:
                self.found.append(Wall(i, int(first), False, vector, row, cap))
                self.lower[i] = int(first) + 1

    def _least(self, i: int, low: Any, high: Any, slope: float, line: int, margin: float) -> float:
        """The minimum of a position's term over a range, less round-off; −∞ if there is none, +∞ if no position is.

        ``line`` is 0 for what it costs, the number of a row from 1 on, −1 for neither.
        """
        least = np.inf
        for first, last, lot, lines in self.pieces[i]:
            begin, end = multiples(max(first, low), min(last, high), lot)
            if begin <= end:
                constant, by = lines[line] if line >= 0 else (0.0, 0.0)
                by += slope
                if (by > 0 and begin == -np.inf) or (by < 0 and end == np.inf):
                    return -np.inf
                for at in (begin, end):
                    if abs(at) < np.inf:
                        least = min(least, constant + by * at - margin * (abs(constant) + abs(by * at)))
        return float(least)


def _directions(factor: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """For each pivot of F, from the last to the first, a ψ of length just below 1 along a column of F⁻'."""
    some, columns = factor != 0, []
    for r in range(len(factor)):  # the pivot of a row is the largest of those that are zero in later rows
        own = np.flatnonzero(some[r] & ~some[r + 1 :].any(axis=0))
        if not own.size:
            return
        columns.append(int(own[np.argmax(np.abs(factor[r, own]))]))
    triangle = factor[:, columns]
    for r in reversed(range(len(columns))):
        psi = np.zeros(len(columns))
        psi[r] = 1.0 / triangle[r, r]
        for later in range(r + 1, len(columns)):
            psi[later] = -(triangle[r:later, later] @ psi[r:later]) / triangle[later, later]
        length = float(np.linalg.norm(psi))
        if np.isfinite(length) and length > 0:
            yield columns[r], psi / length * (1 - 1e-14)
