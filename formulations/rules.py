"""What a portfolio has to keep as a whole, beside the box: sums over positions, caps on norms, and a domain.

Σᵢ aᵣᵢ(kᵢ) ≤ bᵣ            r = 1..m     (`row`)
‖G_s(k − o − t_s)‖₂ ≤ ρ_s   s = 1..q     (`norm_cap`)
kᵢ ∈ Dᵢ                                 (`domain`)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state
from formulations.domain import Domain
from formulations.norm_cap import NormCap
from formulations.row import Row


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The rules of a program; positions are counted from o in all of them, tables apart.

    Parameters
    ----------
    rows : tuple of Row
    caps : tuple of NormCap
    domain : Domain or None
        None: every whole number.
    """

    rows: tuple[Row, ...] = ()
    caps: tuple[NormCap, ...] = ()
    domain: Domain | None = None

    __setstate__ = set_frozen_state

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.rows or self.caps) or (self.domain is not None and bool(self.domain.some.any()))

    @property
    def coupled(self) -> bool:
        """Whether a rule is about more than one position at a time."""
        return bool(self.rows or self.caps)

    def kept(self, portfolios: FloatArray, previous: FloatArray, origin: FloatArray) -> np.ndarray:
        """Whether each row of ``portfolios``, shape (N, n), keeps every rule, to the round-off that each states."""
        kept = np.ones(len(portfolios), dtype=bool)
        if self.domain is not None:
            kept &= self.domain.allows(portfolios, previous, origin).all(axis=1)
        for row in self.rows:
            kept &= row.violations(portfolios, previous, origin) == 0
        for cap in self.caps:
            some = np.flatnonzero(kept)
            kept[some] = cap.kept(portfolios[some] - origin)
        return np.asarray(kept)

    def violations(self, portfolios: FloatArray, previous: FloatArray, origin: FloatArray) -> FloatArray:
        """By how much each of ``portfolios``, shape (N, n), breaks each row and cap, shape (N, m + q); 0 if kept."""
        rows = [row.violations(portfolios, previous, origin) for row in self.rows]
        caps = [cap.violations(portfolios - origin) for cap in self.caps]
        return np.stack([*rows, *caps], axis=1) if rows or caps else np.zeros((len(portfolios), 0))

    def permuted(self, places: IntegerArray) -> Rules:
        """The same with instruments in another order, or some of them: place i holds what stood at places[i]."""
        return Rules(
            tuple(row.permuted(places) for row in self.rows),
            tuple(cap.permuted(places) for cap in self.caps),
            None if self.domain is None else self.domain.permuted(places),
        )

    def shifted(self, offset: FloatArray) -> Rules:
        """The same in k' = k − offset; o and p, which all is counted from, are the program's."""
        return replace(self, rows=tuple(row.shifted(offset) for row in self.rows))
