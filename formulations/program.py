"""The data of an integer tracking program, and the only place where its objective is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations.arrays import FloatArray, IntegerArray, set_frozen_state
from formulations.residual import Residual

ProgramArrays = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntegerArray, float]
"""F, τ, p, γ, lower, upper, classes of twins and κ."""
ARRAYS = ("factor", "target", "previous", "cost", "lower", "upper")


class ProgramError(ValueError):
    """The arrays do not form a tracking program.

    Attributes
    ----------
    field : str
        The array at fault.
    index : int or None
        The first offending position in it, where one can be named.
    """

    def __init__(self, field: str, message: str, index: int | None = None) -> None:
        super().__init__(f"{field}{'' if index is None else f'[{index}]'}: {message}")
        self.field = field
        self.index = index


@dataclass(frozen=True, slots=True, eq=False)
class TrackingProgram:
    """Which whole contracts track a fractional target, net of the cost of getting there.

    ``tracking_error(k) = ‖F(k − τ)‖₂`` and ``trading_cost(k) = Σᵢ γᵢ|kᵢ − pᵢ|`` over the integer points k of a box.
    All arrays are copied, made float64 and read-only.

    Parameters
    ----------
    factor : array_like, shape (m, n)
        F, with F'F the covariance of the tracking error per contract; any number of rows.
    target : array_like, shape (n,)
        τ, the fractional contracts of the strategy.
    previous : array_like, shape (n,)
        p, the whole contracts held; they may lie outside the box.
    cost : array_like, shape (n,)
        γ ≥ 0, the penalty for trading one contract, in the unit of ``factor``.
    lower, upper : array_like, shape (n,)
        The box: whole numbers, or −inf and +inf where there is no limit.
    residual : Residual, optional
        The covariance that the factor was made of, and how far it is from F'F; None: F'F is the covariance.

    Raises
    ------
    ProgramError
        If a shape is wrong, a number is not finite, ``previous`` or a limit is not whole, a cost is negative or
        limits cross.
    """

    factor: FloatArray
    target: FloatArray
    previous: FloatArray
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    residual: Residual | None = None
    _lengths: FloatArray | None = field(default=None, init=False, repr=False)

    __setstate__ = set_frozen_state

    def __post_init__(self) -> None:
        for name in ARRAYS:
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check()

    def _check(self) -> None:
        if self.factor.ndim != 2:
            raise ProgramError("factor", f"expected two dimensions, found {self.factor.ndim}")
        if not np.isfinite(self.factor).all():
            raise ProgramError("factor", "has entries that are not finite")
        names = ("target", "cost", "previous", "lower", "upper")
        arrays: list[FloatArray] = [getattr(self, name) for name in names]
        for name, array in zip(names, arrays, strict=True):
            if array.shape != (self.size,):
                raise ProgramError(name, f"expected shape ({self.size},), found {array.shape}")
        table = np.array(arrays)
        table[3:][np.isinf(table[3:])] = 0.0  # no limit
        _refuse(names, ~np.isfinite(table), "is not finite")
        _refuse(names[2:], table[2:] != np.round(table[2:]), "is not a whole number")
        _refuse(("cost",), self.cost < 0, "is negative")
        _refuse(("lower",), self.lower > self.upper, "lies above the upper limit")
        _refuse(("lower",), self.lower == np.inf, "is +inf")
        _refuse(("upper",), self.upper == -np.inf, "is -inf")

    @classmethod
    def unchecked(cls, residual: Residual | None = None, **arrays: FloatArray) -> TrackingProgram:
        """Make a program of float64 arrays that are known to form one; they become read-only and are not copied."""
        program = object.__new__(cls)
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(program, name, array)
        object.__setattr__(program, "residual", residual)
        object.__setattr__(program, "_lengths", None)
        return program

    def arrays(self) -> ProgramArrays:
        """F, τ, p, γ, lower, upper, classes of twins and κ."""
        if self.residual is None:
            twin, size = np.arange(self.size), 0.0
            twin.setflags(write=False)
        else:
            twin, size = self.residual.twin, self.residual.size
        return self.factor, self.target, self.previous, self.cost, self.lower, self.upper, twin, size

    @property
    def lengths(self) -> FloatArray:
        """‖Fᵢ‖, to 1e-13 of it, shape (n,): the risk of one contract of each."""
        if self._lengths is None:
            known = self.residual
            lengths = known.lengths() if known else np.sqrt(np.einsum("ij,ij->j", self.factor, self.factor))
            object.__setattr__(self, "_lengths", lengths)
        assert self._lengths is not None
        return self._lengths

    def spread(self, lower: FloatArray, upper: FloatArray) -> float:
        """Σ ‖Fᵢ‖|kᵢ − τᵢ| at most, in the box lower ≤ k ≤ upper, shape (n,) each."""
        return float(self.lengths @ np.maximum(np.abs(lower - self.target), np.abs(upper - self.target)))

    @property
    def size(self) -> int:
        """n, the number of instruments."""
        return int(self.factor.shape[1])

    def tracking_errors(self, portfolios: ArrayLike) -> FloatArray:
        """‖F(k − τ)‖₂ for each row k of ``portfolios``, shape (N, n)."""
        residuals = (np.asarray(portfolios, dtype=np.float64) - self.target) @ self.factor.T
        return np.asarray(np.sqrt((residuals * residuals).sum(axis=1)))

    def trading_costs(self, portfolios: ArrayLike) -> FloatArray:
        """Σᵢ γᵢ|kᵢ − pᵢ| for each row k of ``portfolios``, shape (N, n)."""
        trades = np.abs(np.asarray(portfolios, dtype=np.float64) - self.previous)
        return np.asarray(trades @ self.cost)

    def tracking_error(self, positions: ArrayLike) -> float:
        """‖F(k − τ)‖₂ of one portfolio, shape (n,)."""
        return self.distance(positions, self.target)

    def trading_cost(self, positions: ArrayLike) -> float:
        """Σᵢ γᵢ|kᵢ − pᵢ| of one portfolio, shape (n,)."""
        return float(np.abs(np.asarray(positions, dtype=np.float64) - self.previous) @ self.cost)

    def distance(self, one: ArrayLike, other: ArrayLike) -> float:
        """‖F(k − k′)‖₂, the tracking error between two portfolios, shape (n,) each."""
        away = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
        residual = self.factor @ away
        return math.sqrt(residual @ residual)

    def objective(self, positions: ArrayLike) -> float:
        """Tracking error plus trading cost of one portfolio, shape (n,)."""
        return self.tracking_error(positions) + self.trading_cost(positions)

    def contains(self, positions: ArrayLike) -> bool:
        """Whether the portfolio is made of whole contracts inside the box."""
        point = np.asarray(positions, dtype=np.float64)
        return bool((point == np.minimum(np.maximum(np.rint(point), self.lower), self.upper)).all())

    def scaled(self, tracking: float, cost: float) -> TrackingProgram:
        """The program with tracking errors multiplied by ``tracking`` and costs by ``cost`` (both positive)."""
        residual = None if self.residual is None else self.residual.scaled(tracking)
        return replace(self, factor=self.factor * tracking, cost=self.cost * cost, residual=residual)

    def shifted(self, offset: ArrayLike) -> TrackingProgram:
        """The same program in k' = k − offset (whole contracts, shape (n,)): no value changes."""
        by = np.asarray(offset, dtype=np.float64)
        return replace(
            self,
            target=self.target - by,
            previous=self.previous - by,
            lower=self.lower - by,
            upper=self.upper - by,
        )

    def permuted(self, order: ArrayLike) -> TrackingProgram:
        """The same program with its variables in another order, shape (n,): place i holds what stood at order[i]."""
        places = np.asarray(order)
        if (places[1:] > places[:-1]).all():
            return self
        return TrackingProgram.unchecked(
            residual=None if self.residual is None else self.residual.permuted(places),
            **{name: np.ascontiguousarray(getattr(self, name)[..., places]) for name in ARRAYS},
        )

    def with_box(self, lower: ArrayLike, upper: ArrayLike) -> TrackingProgram:
        """The program over another box."""
        return replace(self, lower=np.asarray(lower, dtype=np.float64), upper=np.asarray(upper, dtype=np.float64))


def _refuse(fields: tuple[str, ...], bad: NDArray[np.bool_], message: str) -> None:
    """Raise an error about the first of ``bad``, whose rows belong to the fields."""
    if bad.any():
        row, place = divmod(int(np.argmax(bad)), bad.shape[-1])
        raise ProgramError(fields[row], message, place)
