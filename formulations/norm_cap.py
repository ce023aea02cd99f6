"""A rule for the whole portfolio that is a norm: a cap on its risk, on that of a group, or on the tracking error.

    ‖G(k − o − t)‖₂ ≤ ρ

with o the position that counts as none. G is the factor of a covariance in contract units, and t = 0 for a risk;
columns of instruments that do not count are zero. A norm ‖Gk − h‖ with an h that is no Gt has a column for an
instrument more, −h, that is fixed at one contract.

A portfolio on the edge to round-off is inside. Where float64 cannot tell, whole numbers do (see `exact_norm`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state
from formulations.exact_norm import UNDERFLOW, UNIT_ROUND_OFF, exact_norm
from formulations.residual import Residual

EDGE_ROUND_OFF = 1e-12
"""Of ρ: float64 carries 1e-16, a norm of some hundred terms loses two digits, the root of a cancelled sum more."""


@dataclass(frozen=True, slots=True, eq=False)
class NormCap:
    """‖G(k − o − t)‖₂ ≤ ρ.

    Parameters
    ----------
    factor : ndarray, shape (m, n)
        G.
    centre : ndarray, shape (n,)
        t, contracts.
    limit : float
        ρ ≥ 0, in the unit of ``factor``.
    residual : Residual, optional
        The covariance that the factor was made of, and how far it is from G'G; None: G'G is the covariance.
    """

    factor: FloatArray
    centre: FloatArray
    limit: float
    residual: Residual | None = None

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for array in (self.factor, self.centre):
            array.setflags(write=False)

    @property
    def lengths(self) -> FloatArray:
        """‖Gᵢ‖, shape (n,)."""
        return np.asarray(np.sqrt(np.einsum("ij,ij->j", self.factor, self.factor)))

    def norms(self, away: FloatArray) -> FloatArray:
        """‖G(k − o − t)‖ of each row k − o of ``away``, shape (N, n)."""
        rows = (away - self.centre) @ self.factor.T
        return np.asarray(np.sqrt((rows * rows).sum(axis=1)))

    def doubts(self, away: FloatArray, norms: FloatArray) -> FloatArray:
        """How far those can be from the norms of the covariance in exact arithmetic, either way (see `pricing`)."""
        distance = np.abs(away - self.centre) @ self.lengths
        doubt = (sum(self.factor.shape) + 8) * UNIT_ROUND_OFF * distance + UNDERFLOW * (distance > 0)
        if self.residual is None:
            return np.asarray(doubt)
        most = math.sqrt(self.residual.size) * distance
        return np.asarray(doubt + most * (most / np.maximum(np.maximum(norms - doubt, most), UNDERFLOW)))

    def kept(self, away: FloatArray) -> np.ndarray:
        """Whether each row k − o of ``away``, shape (N, n), is inside."""
        most = self.limit * (1 + EDGE_ROUND_OFF)
        norms = self.norms(away)
        doubts = self.doubts(away, norms)
        kept = norms <= most
        for row in np.flatnonzero((norms - doubts <= most) & (norms + doubts > most) & (doubts > 0)):
            kept[row] = float(exact_norm(self.factor, self.residual, away[row], self.centre)) <= most
        return np.asarray(kept)

    def violations(self, away: FloatArray) -> FloatArray:
        """By how much each row k − o of ``away``, shape (N, n), is outside: 0 where it is inside, to round-off."""
        return np.where(self.kept(away), 0.0, np.maximum(self.norms(away) - self.limit, UNDERFLOW))

    def permuted(self, places: IntegerArray) -> NormCap:
        """The same with instruments in another order, or some of them: place i holds what stood at places[i]."""
        residual = None if self.residual is None else self.residual.permuted(places)
        return replace(
            self, factor=np.ascontiguousarray(self.factor[:, places]), centre=self.centre[places], residual=residual
        )
