"""The rows and caps of a program as a few arrays, for compiled code."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from formulations.arrays import FloatArray, IntegerArray
from formulations.norm_cap import NormCap
from formulations.program import TrackingProgram
from formulations.row import Row
from formulations.rules import Rules

NO_RULES = Rules()


class RowArrays(NamedTuple):
    """The rows of a program (`formulations.row`) as few arrays.

    Attributes
    ----------
    coefficients : ndarray, shape (m, 5, n)
    limit : ndarray, shape (m,)
        b.
    first : ndarray, shape (m, n)
        The smallest position of each table.
    start : ndarray of int, shape (m, n + 1)
        Where each begins in ``table``.
    table : ndarray
        T.
    """

    coefficients: FloatArray
    limit: FloatArray
    first: FloatArray
    start: IntegerArray
    table: FloatArray


class CapArrays(NamedTuple):
    """The norm caps of a program (`formulations.norm_cap`), with positions counted from zero.

    Attributes
    ----------
    factor : ndarray, shape (rows, n)
        All G, one below the other.
    begin : ndarray of int, shape (q + 1,)
        Where each begins.
    centre : ndarray, shape (q, n)
        o + t.
    limit : ndarray, shape (q,)
        ρ.
    residual : ndarray, shape (q,)
        κ.
    """

    factor: FloatArray
    begin: IntegerArray
    centre: FloatArray
    limit: FloatArray
    residual: FloatArray


def row_arrays(program: TrackingProgram) -> RowArrays:
    """The rows, read-only."""
    rows, size = (program.rules or NO_RULES).rows, program.size
    return _rows(rows, size) if rows else no_rows(size)


def cap_arrays(program: TrackingProgram) -> CapArrays:
    """The norm caps, read-only."""
    caps = (program.rules or NO_RULES).caps
    return _caps(caps, program.zero) if caps else no_caps(program.size)


@lru_cache(maxsize=64)
def no_rows(size: int) -> RowArrays:
    """No rows of n instruments."""
    return _rows((), size)


@lru_cache(maxsize=64)
def no_caps(size: int) -> CapArrays:
    """No caps of n instruments."""
    return _caps((), np.zeros(size))


def _rows(rows: tuple[Row, ...], size: int) -> RowArrays:
    coefficients, limit = np.zeros((len(rows), 5, size)), np.zeros(len(rows))
    first, start = np.zeros((len(rows), size)), np.zeros((len(rows), size + 1), dtype=np.int64)
    tables: list[FloatArray] = []
    entries = 0
    for r, row in enumerate(rows):
        coefficients[r], limit[r] = row.coefficients, row.limit
        if row.tables is not None:
            first[r], start[r] = row.tables.first, row.tables.start + entries
            tables.append(row.tables.table)
            entries += row.tables.table.size
    found = RowArrays(coefficients, limit, first, start, np.concatenate([np.empty(0), *tables]))
    for array in found:
        array.setflags(write=False)
    return found


def _caps(caps: tuple[NormCap, ...], zero: FloatArray) -> CapArrays:
    factor = np.ascontiguousarray(np.concatenate([np.empty((0, zero.size)), *(cap.factor for cap in caps)]))
    begin = np.concatenate([[0], np.cumsum([len(cap.factor) for cap in caps])]).astype(np.int64)
    centre = np.zeros((len(caps), zero.size))
    for s, cap in enumerate(caps):
        centre[s] = zero + cap.centre
    limit = np.array([cap.limit for cap in caps], dtype=np.float64)
    residual = np.array([0.0 if cap.residual is None else cap.residual.size for cap in caps], dtype=np.float64)
    found = CapArrays(factor, begin, centre, limit, residual)
    for array in found:
        array.setflags(write=False)
    return found
