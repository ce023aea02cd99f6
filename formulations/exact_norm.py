"""A norm in whole numbers: what float64 cannot tell, they can."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from formulations.arrays import FloatArray
from formulations.residual import Residual

UNIT_ROUND_OFF = 2.0**-53
# Norms below this have squares that float64 cannot hold; `Problem` refuses risks of a contract below 1e-130.
UNDERFLOW = 1e-150
ROOT_BITS = 64  # of a root that is taken in whole numbers


def exact_norm(factor: FloatArray, residual: Residual | None, positions: FloatArray, target: FloatArray) -> Fraction:
    """sqrt(max(d'Hd, 0)), d = k − τ, to 128 binary digits: a millisecond for 42 instruments.

    Parameters
    ----------
    factor : ndarray, shape (m, n)
        F; H is F'F where there is no residual.
    residual : Residual or None
        Its covariance is H.
    positions, target : ndarray, shape (n,)
        k and τ.
    """
    away, shift = whole_numbers(np.concatenate([positions, target]))
    apart = away[: positions.size] - away[positions.size :]
    if residual is None:
        rows, scale = whole_numbers(factor)
        along = rows @ apart
        square, exponent = int(along @ along) if along.size else 0, 2 * (scale + shift)
    else:
        weight, of_weight = whole_numbers(residual.weight)
        matrix, of_matrix = whole_numbers(residual.covariance)
        exposure = weight * apart
        square, exponent = int(exposure @ (matrix @ exposure)), of_matrix + 2 * (shift + of_weight)
    return _root(max(square, 0), exponent)


def whole_numbers(array: FloatArray) -> tuple[Any, int]:
    """Python's whole numbers, and the power of two that they have to be multiplied by."""
    mantissa, exponent = np.frexp(array)
    whole = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
    some = exponent[mantissa != 0]
    least = int(some.min()) if some.size else 0
    return whole * np.array([1 << max(int(by) - least, 0) for by in exponent.ravel()], dtype=object).reshape(
        exponent.shape
    ), least - 53


def _root(square: int, exponent: int) -> Fraction:
    """The root of square·2^exponent, to 128 binary digits."""
    if square == 0:
        return Fraction()
    finer = max(4 * ROOT_BITS - square.bit_length(), 0)
    finer += (exponent - finer) % 2
    root, half = math.isqrt(square << finer), (exponent - finer) // 2
    return Fraction(root) * Fraction(2) ** half
