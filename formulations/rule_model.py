"""Rules in cvxpy, exactly.

What is convex is written as it is: α(k − o), and β|k − o| and γ|k − p| with β, γ ≥ 0. On a box that lies on one side of
o, or p, its absolute value is a straight line. Indicators with δ, ε ≥ 0 have a binary z each,

    (lower − o)z ≤ k − o ≤ (upper − o)z,

and a lot has a whole number of lots. Everything else (a negative β, γ, δ or ε, a table, least positions and orders)
makes the position a choice among those that its box and its domain allow (`choices`). There is one binary, or choice,
of an instrument for all rows. Norm caps are norms of the instruments that the box leaves free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import FloatArray, IntegerArray
from formulations.choices import Choice, Choices
from formulations.norm_cap import EDGE_ROUND_OFF, NormCap
from formulations.program import ProgramError, TrackingProgram
from formulations.row import GROSS, HOLDINGS, NET, ORDERS, ROW_ROUND_OFF, TURNOVER, Row

if TYPE_CHECKING:
    import cvxpy as cp


class RuleModel:
    """The rules of a program as cvxpy constraints on its positions.

    Parameters
    ----------
    program : TrackingProgram
        With rules.
    positions : cvxpy.Variable, shape (n,)
        Inside the program's box.
    choices : Choices
        Of these positions; what it ties them with is its own.
    """

    def __init__(self, program: TrackingProgram, positions: cp.Variable, choices: Choices) -> None:
        assert program.rules is not None
        self._program, self._rules, self._positions, self._choices = program, program.rules, positions, choices
        self._free = program.lower < program.upper
        self._chosen = self._free & self._any_function()
        self._indicators: dict[tuple[int, int], Any] = {}
        self._constraints: list[Any] = []

    def constraints(self) -> list[Any]:
        """All of them.

        Raises
        ------
        ProgramError
            If a position needs limits for an indicator or a choice and has none.
        """
        self._add_domain()
        for row in self._rules.rows:
            self._add_row(row)
        for cap in self._rules.caps:
            self._add_cap(cap)
        return self._constraints

    def _sides(self, at: FloatArray) -> FloatArray:
        """1 where the box lies above a position, −1 where it lies below it, 0 where that is inside of it."""
        program = self._program
        return np.where(program.lower >= at, 1.0, np.where(program.upper <= at, -1.0, 0.0))

    def _inside(self, at: FloatArray) -> Any:
        program = self._program
        return (program.lower <= at) & (at <= program.upper)

    def _any_function(self) -> Any:
        """Which instruments have a rule that asks for a choice."""
        program = self._program
        chosen = np.zeros(program.size, dtype=bool)
        for row in self._rules.rows:
            by = row.coefficients
            chosen |= (by[GROSS] < 0) & (self._sides(program.zero) == 0)
            chosen |= (by[TURNOVER] < 0) & (self._sides(program.previous) == 0)
            chosen |= (by[HOLDINGS] < 0) & self._inside(program.zero)
            chosen |= (by[ORDERS] < 0) & self._inside(program.previous)
            if row.tables is not None:
                chosen |= row.tables.width > 0
        if program.domain is not None:
            chosen |= (program.domain.least > 1) | (program.domain.least_order > 1)
        return chosen

    def _never(self) -> Any:
        """A constraint that no point meets."""
        import cvxpy as cp

        return cp.sum(0.0 * self._positions) <= -1.0

    def _add_domain(self) -> None:
        import cvxpy as cp

        program, domain = self._program, self._program.domain
        if domain is None:
            return
        allowed = program.allows(np.where(self._free, 0.0, program.lower))
        if not allowed[~self._free].all():
            self._constraints.append(self._never())
        for place in np.flatnonzero(self._free & (domain.least > 1) | self._free & (domain.least_order > 1)):
            self._choice(int(place))  # it is among what the domain allows
        plain = self._free & ~self._chosen
        lots = np.flatnonzero(plain & (domain.lot > 1))
        if lots.size:
            number = cp.Variable(lots.size, integer=self._choices.integer)
            self._constraints.append(
                self._positions[lots] == program.zero[lots] + cp.multiply(domain.lot[lots], number)
            )
        short = np.flatnonzero(plain & np.isfinite(domain.most_order))
        if short.size:
            held, most = program.previous[short], domain.most_order[short]
            self._constraints += [self._positions[short] <= held + most, self._positions[short] >= held - most]

    def _add_row(self, row: Row) -> None:
        import cvxpy as cp

        program, by = self._program, row.coefficients
        zero, held = program.zero, program.previous
        fixed = row.terms(np.where(self._free, zero, program.lower), held, zero)[~self._free]
        constant, terms = float(fixed.sum()), []
        size = abs(row.limit) + float(np.abs(fixed).sum())
        plain = self._free & ~self._chosen
        slope = by[NET].copy()
        # Straight lines first; those of |k − p| are counted from o, too.
        for place, at in ((GROSS, zero), (TURNOVER, held)):
            side = self._sides(at)
            straight = plain & (side != 0) & (by[place] != 0)
            slope = slope + np.where(straight, by[place] * side, 0.0)
            constant += float((by[place] * side * (zero - at))[straight].sum())
            bent = np.flatnonzero(plain & (side == 0) & (by[place] != 0))
            if bent.size:
                terms.append(by[place][bent] @ cp.abs(self._positions[bent] - at[bent]))
        for place, at in ((HOLDINGS, zero), (ORDERS, held)):
            surely = plain & ~self._inside(at)
            constant += float(by[place][surely].sum())
            for instrument in np.flatnonzero(plain & ~surely & (by[place] != 0)):
                terms.append(by[place][instrument] * self._indicator(int(instrument), place, at))
        sloped = np.flatnonzero(plain & (slope != 0))
        if sloped.size:
            terms.append(slope[sloped] @ (self._positions[sloped] - zero[sloped]))
        for instrument in np.flatnonzero(self._chosen):
            entries = self._entries(row, int(instrument))
            if entries.any():
                terms.append(entries @ self._choice(int(instrument)).chosen)
        if terms:
            self._constraints.append(cp.sum(cp.hstack(terms)) + constant <= row.limit + ROW_ROUND_OFF * size)
        elif constant > row.limit + ROW_ROUND_OFF * size:
            self._constraints.append(self._never())

    def _entries(self, row: Row, place: int) -> FloatArray:
        """aᵢ at the points of a choice."""
        alone, one = row.permuted(np.full(1, place)), np.full(1, place)
        points = self._choice(place).points[:, None]
        return np.asarray(alone.terms(points, self._program.previous[one], self._program.zero[one])[:, 0])

    def _choice(self, place: int) -> Choice:
        return self._choices.of(place, "rules")

    def _indicator(self, place: int, kind: int, at: FloatArray) -> Any:
        """1[k ≠ o], or 1[k ≠ p], of one instrument."""
        import cvxpy as cp

        program = self._program
        if (place, kind) not in self._indicators:
            lower, upper = program.lower[place] - at[place], program.upper[place] - at[place]
            if not np.isfinite(upper - lower):
                raise ProgramError("rules", "needs limits, for a rule that counts", place)
            moved = cp.Variable(boolean=self._choices.integer, nonneg=not self._choices.integer)
            away = self._positions[place] - at[place]
            self._constraints += [away <= upper * moved, away >= lower * moved]
            if not self._choices.integer:
                self._constraints.append(moved <= 1)
            self._indicators[place, kind] = moved
        return self._indicators[place, kind]

    def _add_cap(self, cap: NormCap) -> None:
        import cvxpy as cp

        program = self._program
        counted: IntegerArray = np.flatnonzero(self._free & (cap.lengths > 0))
        away = np.where(self._free, 0.0, program.lower - program.zero) - cap.centre
        constant = cap.factor @ away
        most = cap.limit * (1 + EDGE_ROUND_OFF)
        if not counted.size:
            doubt = float(cap.doubts(away[None] + cap.centre, np.array([np.linalg.norm(constant)]))[0])
            if np.linalg.norm(constant) - doubt > most:
                self._constraints.append(self._never())
            return
        columns: FloatArray = np.column_stack([cap.factor[:, counted], constant])
        if len(columns) > columns.shape[1]:  # a rotation changes no norm
            columns = np.asarray(np.linalg.qr(columns, mode="r"))
        moved = self._positions[counted] - program.zero[counted]
        self._constraints.append(cp.norm(columns[:, :-1] @ moved + columns[:, -1], 2) <= most)


def rule_constraints(program: TrackingProgram, positions: cp.Variable, choices: Choices) -> list[Any]:
    """The rules of a program as constraints on positions inside its box; none where it has no rules.

    Raises
    ------
    ProgramError
        If a position needs limits for an indicator or a choice and has none.
    """
    return RuleModel(program, positions, choices).constraints() if program.rules else []
