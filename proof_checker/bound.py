"""The lower bound of a leaf, and the value of a portfolio.

A portfolio k of whole contracts is worth ‖F(τ − k)‖ + Σ cᵢ(kᵢ). For all vectors ψ, χ of length at most 1 and numbers
μ, ν ≥ 0, every portfolio that keeps the rules Σ aᵢ(kᵢ) ≤ b and ‖G(k − t)‖ ≤ ρ is worth at least

    ψ'F(τ − k) + Σ cᵢ(kᵢ) + μ (Σ aᵢ(kᵢ) − b) + ν (χ'G(k − t) − ρ)

by Cauchy–Schwarz, and because what is added is not positive. That is a sum of functions of one position each, so that
its minimum over a box is a sum of minima over whole numbers. Without ψ and c it is at most 0; where it is above in all
of a box, no portfolio of the box keeps the rules.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, product
from operator import mul
from typing import Any

from proof_checker.exact import Refused, bits, exact, root, whole
from proof_checker.problem import INF, Cap, Problem, multiples, one_sided

NEAR = Fraction(1, 2**48)  # of sqrt(ΣᵢᵢΣⱼⱼ): how far R'R may be from Σ


class Bounds:
    """A problem with the matrices R of a proof, by rows; vectors of leaves are in units of 2^-digits."""

    def __init__(self, problem: Problem, factors: Any, digits: Any) -> None:
        self.problem, self.digits, self.difference = problem, whole(digits), Fraction(0)
        if not 0 <= self.digits <= 64 or max(map(len, factors)) > len(problem.names):
            raise Refused("it has too many digits, or a matrix with more rows than there are instruments")
        made = [self.columns(*pair) for pair in zip(problem.covariances, factors, strict=True)]
        lines = [line for pieces in problem.pieces for piece in pieces for line in piece.lines]
        error = Cap(0, [-1] * len(problem.names), problem.target, Fraction(0))  # F(τ − k) is −F(k − τ)
        caps = (error, *problem.caps)
        self.places = bits(chain(*lines, *chain(*made), *(cap.centre for cap in caps)))
        unit = 2**self.places  # columns, centres and lines are whole numbers of 1/unit from here on
        self.parts = [
            [(piece, [[int(number * unit) for number in part] for part in zip(*piece.lines, strict=True)])
             for piece in pieces] for pieces in problem.pieces
        ]  # fmt: skip
        self.norms = [
            ([[int(number * sign * unit) for number in column]
              for column, sign in zip(made[cap.place], cap.signs, strict=True)],
             [int(number * unit) for number in cap.centre], cap.limit) for cap in caps
        ]  # fmt: skip

    def columns(self, covariance: list[list[Fraction]], factor: Any) -> list[list[Fraction]]:
        """The columns of RU, after a look at whether R'R is the covariance."""
        rows, names = [self.problem.each(list(row)) for row in factor], self.problem.names
        fine = 2 ** bits(chain(*rows))
        columns = [[int(row[i] * fine) for row in rows] for i in range(len(names))]
        for i, j in product(range(len(names)), repeat=2):
            off = Fraction(sum(map(mul, columns[i], columns[j])), fine**2) - covariance[i][j]
            scale = covariance[i][i] * covariance[j][j]
            if off**2 > NEAR**2 * scale:
                raise Refused(f"its matrix is not the covariance, of {names[i]} and {names[j]}")
            if off:
                self.difference = max(self.difference, root(off**2 / scale, 1))
        return [[row[i] * u for row in rows] for i, u in enumerate(self.problem.weight)]

    def of(self, leaf: dict[str, Any], lower: list[Any], upper: list[Any]) -> Any:
        """The bound of a box, INF where it has no portfolio; of a leaf without ψ, that without ψ and c."""
        problem = self.problem
        caps = leaf.get("caps") or [(0, [])] * len(problem.caps)
        mu = [exact(number) for number in leaf.get("mu") or [0] * len(problem.rows)]
        weights = [exact(int("psi" in leaf)), *(exact(nu) for nu, _ in caps)]
        if any(number < 0 for number in (*weights, *mu)):
            raise Refused("a multiplier is negative")
        finer = self.digits + bits([*weights, *mu])
        unit = Fraction(2 ** (self.places + finer))  # from here on all is in units of 1/unit
        slopes, total = [0] * len(lower), -unit * sum(m * row.limit for m, row in zip(mu, problem.rows, strict=True))
        vectors = (leaf.get("psi", []), *(chi for _, chi in caps))
        for weight, vector, (columns, centre, limit) in zip(weights, vectors, self.norms, strict=True):
            v = [whole(number) for number in vector] or [0] * len(columns[0])
            if len(v) != len(columns[0]) or sum(map(mul, v, v)) > 4**self.digits:
                raise Refused("a vector is longer than 1, or has another size than its matrix")
            times = int(weight * 2 ** (finer - self.digits))
            along = [times * sum(map(mul, v, column)) for column in columns]
            slopes = [one + other for one, other in zip(slopes, along, strict=True)]
            total -= weight * limit * unit + Fraction(sum(map(mul, along, centre)), 2**self.places)
        multipliers, added, falls = [int(number * 2**finer) for number in (weights[0], *mu)], 0, False
        for i, (low, high) in enumerate(zip(*one_sided(problem.groups, lower, upper), strict=True)):
            minima = []
            for piece, parts in self.parts[i]:
                first, last = multiples(max(piece.first, low), min(piece.last, high), piece.lot)
                if first <= last:
                    a, b, v, w = [sum(map(mul, multipliers, part)) for part in parts]
                    impacts = [(weight, c) for weight, c in ((v, problem.held[i]), (w, 0)) if weight]
                    minima.append(least(a, b + slopes[i], impacts, first, last, piece.lot))
            if not minima:
                return INF
            falls = falls or min(minima) == -INF
            added += 0 if falls else min(minima)
        return -INF if falls else (total + added) / unit

    def worth(self, positions: list[int]) -> tuple[Fraction, Fraction, Fraction]:
        """The value of a portfolio, rounded down and up, and up with Σ as it stands; Refused if it breaks a rule."""
        problem, lines = self.problem, []
        for i, k in enumerate(positions):
            pieces = [piece for piece in problem.pieces[i] if piece.first <= k <= piece.last and k % piece.lot == 0]
            if not problem.lower[i] <= k <= problem.upper[i] or not pieces:
                raise Refused(f"its portfolio has {k} contracts of {problem.names[i]}, which is not allowed")
            lines.append(pieces[0].lines)
        for group in problem.groups:
            if min(positions[i] for i in group) < 0 < max(positions[i] for i in group):
                raise Refused(f"its portfolio has {problem.names[group[0]]} and another size on opposite sides")

        def total(j: int, up: int) -> Fraction:
            """The cost, or what the row before j adds up, rounded down or up."""
            added = Fraction(0)
            for k, p, each in zip(positions, problem.held, lines, strict=True):
                a, b, v, w = each[j]
                added += a + b * k + v * root(abs(k - p) ** 3, up) + w * root(abs(k) ** 3, up)
            return added

        for j, row in enumerate(problem.rows, 1):
            if total(j, 1) > row.limit:
                raise Refused(f"its portfolio breaks rule {j} of those that add up ({row.form})")
        squares = []
        for columns, centre, _ in self.norms:
            away = [k * 2**self.places - t for k, t in zip(positions, centre, strict=True)]
            rows = (sum(map(mul, away, row)) for row in zip(*columns, strict=True))
            squares.append(Fraction(sum(along**2 for along in rows), 16**self.places))
        if any(root(square, 1) > cap.limit for square, cap in zip(squares[1:], problem.caps, strict=True)):
            raise Refused("its portfolio has more risk, or tracking error, than a rule allows")
        exposure = [u * (k - t) for u, k, t in zip(problem.weight, positions, problem.target, strict=True)]
        stated = sum(e * sum(map(mul, row, exposure)) for e, row in zip(exposure, problem.covariances[0], strict=True))
        low, high = (root(squares[0], up) + total(0, up) for up in (0, 1))
        return low, high, root(max(stated, 0), 1) + total(0, 1)


def least(constant: Any, slope: Any, impacts: list[tuple[Any, int]], first: Any, last: Any, lot: int) -> Any:
    """The minimum of constant + slope·z + Σ w|z − c|^{3/2} over the multiples of a lot from first to last, or less.

    All w are positive and all z − c have one sign, so that this is convex. Up to ``low`` it falls, or low is first;
    from ``high`` on it rises, or high is last.
    """
    if not impacts:
        falls = (slope > 0 and first == -INF) or (slope < 0 and last == INF)
        return -INF if falls else constant + slope * (first if slope > 0 or last == INF else last)
    signs = [1 if (last if first == -INF else first) >= c else -1 for _, c in impacts]

    def rises(z: int, up: int) -> Any:
        """The slope at z, rounded down or up."""
        steep: dict[int, Any] = {}
        for s, (w, c) in zip(signs, impacts, strict=True):
            steep[s * (z - c)] = steep.get(s * (z - c), 0) + s * w
        return slope + Fraction(3, 2) * sum(by * root(q, up ^ (by < 0)) for q, by in steep.items())

    low, high, far = (last if first == -INF else first), (first if last == INF else last), lot
    while first == -INF and rises(low, 1) > 0:
        low, far = low - far, 2 * far
    while last == INF and rises(high, 0) < 0:
        high, far = high + far, 2 * far
    while high - low > lot:
        middle = low + (high - low) // lot // 2 * lot
        falls = rises(middle, 1) <= 0
        if not falls and rises(middle, 0) < 0:
            raise Refused("its roots would have to be finer")
        low, high = (middle, high) if falls else (low, middle)
    return min(constant + slope * z + sum(w * root(abs(z - c) ** 3) for w, c in impacts) for z in (low, high))
