"""‖G(k − t)‖ ≤ ρ in float64, as a proof has it; the first of a problem is the tracking error, without a limit."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from formulations import FloatArray

ExactNorm = tuple[list[list[int]], list[int], Fraction]
"""Columns of G and the centre, in units of 2^-places, and the limit: as `proof_checker` has them."""


class Norm(NamedTuple):
    """One of the norms of a proof.

    Attributes
    ----------
    factor : ndarray, shape (r, n)
        G, contiguous.
    centre : ndarray, shape (n,)
        t.
    limit : float
        ρ, with what is forgiven as round-off.
    """

    factor: FloatArray
    centre: FloatArray
    limit: float

    @classmethod
    def of(cls, norm: ExactNorm, places: int, sign: int = 1) -> Norm:
        """That of the checker, in units of 2^-places, to the nearest floats; or its negative."""
        unit = sign * 2**places
        columns = np.array([[number / unit for number in column] for column in norm[0]])
        centre = np.array([number / 2**places for number in norm[1]])
        return cls(np.ascontiguousarray(columns.T), centre, float(norm[2]))
