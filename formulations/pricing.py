"""What a portfolio is worth, and how far from the truth that can be.

The *exact value* of a portfolio k is that of real arithmetic, with every float64 number of the data taken as it is. Its
tracking error is sqrt(max(e'Σe, 0)), e = u(τ − k), where the program knows the covariance that its factor was made of
(`residual`), else ‖F(k − τ)‖.

Float64 finds t = ‖F(k − τ)‖. With u₀ = 2⁻⁵³, m rows, n columns and S = Σ‖Fᵢ‖|kᵢ − τᵢ|, rounding in k − τ, in F = RU and
in the sums is worth at most (n + m + 8)u₀S; the covariance that R leaves out is worth D²/t or D, whichever is less,
D² = κ(Σ |Σ over a class of ‖Fᵢ‖(kᵢ − τᵢ)|)². In a portfolio S is ten or a hundred times t, and all that is 1e-13 of it.
Where risks of a million contracts cancel it is everything, and :func:`exact_price` does it again with whole numbers.

Source: N. Higham, *Accuracy and Stability of Numerical Algorithms* (2002), section 3.1: sums of products in any order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from formulations.arrays import FloatArray
from formulations.exact_norm import ROOT_BITS, UNDERFLOW, UNIT_ROUND_OFF, exact_norm
from formulations.program import TrackingProgram

# A value that is known to this part of itself is taken as float64 has it; else it is computed in whole numbers.
FINE = 1e-9


@dataclass(frozen=True, slots=True)
class Price:
    """Tracking error and cost of one portfolio, or arrays of those of many, each within an error bound.

    Attributes
    ----------
    tracking_error, cost : float or ndarray
    error, cost_error : float or ndarray
        How far the exact ones can be from these, either way.
    """

    tracking_error: Any
    cost: Any
    error: Any
    cost_error: Any


def price(program: TrackingProgram, positions: FloatArray) -> Price:
    """Float64's price of a portfolio, shape (n,), or of each row of portfolios, shape (N, n), and its error bound."""
    rows, size = program.factor.shape
    away = positions - program.target
    spread: Any = np.abs(away) @ program.lengths
    error: Any
    cost: Any
    if positions.ndim == 1:
        error, cost, spread = program.tracking_error(positions), program.separable_cost(positions), float(spread)
    else:
        error, cost = program.tracking_errors(positions), program.separable_costs(positions)
    doubt: Any = (size + rows + 8) * UNIT_ROUND_OFF * spread + UNDERFLOW * (spread > 0)
    residual = program.residual
    if residual is not None:
        most = math.sqrt(residual.size) * (residual.class_spread(away * program.lengths) if residual.twins else spread)
        surely = error - doubt
        if positions.ndim == 1:
            doubt += most * (most / max(surely, most, UNDERFLOW))
        else:
            doubt += most * (most / np.maximum(np.maximum(surely, most), UNDERFLOW))
    return Price(error, cost, doubt, _cost_error(program, cost))


def exact_price(program: TrackingProgram, positions: FloatArray, buffer: float = 0.0) -> Price:
    """The price of one portfolio, shape (n,), in whole numbers, rounded once: a millisecond for 42 instruments.

    With a buffer the tracking error is what lies beyond it, max(t − B, 0), before anything is rounded.
    """
    root = exact_norm(program.factor, program.residual, positions, program.target)
    error = float(max(root - Fraction(buffer), Fraction()))
    cost = program.separable_cost(positions)
    doubt = 2 * UNIT_ROUND_OFF * error + 2.0**-ROOT_BITS * UNIT_ROUND_OFF * float(root)
    return Price(error, cost, doubt, _cost_error(program, cost))


def _cost_error(program: TrackingProgram, cost: Any) -> Any:
    """How far sums of costs, which are not negative, can be from the exact ones; an infinite one is infinite."""
    error = (program.size + (6 if program.orders is None else 16)) * UNIT_ROUND_OFF * cost
    finite = program.tables is None and program.domain is None
    return error if finite else np.where(np.isfinite(cost), error, 0.0)


def accurate_price(program: TrackingProgram, positions: FloatArray) -> Price:
    """The price of one portfolio, shape (n,): float64's where that has nine digits, else the exact one."""
    found = price(program, positions)
    fine = found.error <= FINE * (found.tracking_error + found.cost)
    return found if fine else exact_price(program, positions)
