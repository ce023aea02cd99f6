"""Cholesky factors: factoring, solving, inverting."""

from __future__ import annotations

import math

import numpy as np

from dynopt_milp.solvers.branch_and_bound.compiled import part


@part
def cholesky(size: int, matrix: np.ndarray, upper: np.ndarray) -> bool:
    """U with U'U the leading block, row by row, as rows lie in memory; False if a pivot is not positive.

    Indices are unsigned here and below: for signed ones numba asks each time whether they count from the end, which
    takes as long as the arithmetic and keeps the loops from being vectorised.
    """
    n, one = np.uintp(size), np.uintp(1)
    for j in range(n):
        for i in range(j, n):
            upper[j, i] = matrix[j, i]
    for j in range(n):
        pivot = upper[j, j]
        if not pivot > 0:
            return False
        root = math.sqrt(pivot)
        for i in range(j, n):
            upper[j, i] /= root
        for k in range(j + one, n):
            by = upper[j, k]
            for i in range(k, n):
                upper[k, i] -= upper[j, i] * by
    return True


@part
def solve_factored(size: int, upper: np.ndarray, right: np.ndarray) -> None:
    """Solve U'Ux = right in place."""
    n, one = np.uintp(size), np.uintp(1)
    for i in range(n):
        right[i] /= upper[i, i]
        by = right[i]
        for k in range(i + one, n):
            right[k] -= upper[i, k] * by
    for done in range(n):
        j = n - one - done
        right[j] /= upper[j, j]
        by = right[j]
        for k in range(j):
            right[k] -= upper[k, j] * by


@part
def invert_triangular(size: int, upper: np.ndarray) -> np.ndarray:
    """(U')⁻¹, each column by substitution."""
    n, one = np.uintp(size), np.uintp(1)
    half = np.zeros((size, size))
    for i in range(n):
        half[i, i] = 1.0
        for k in range(i):
            by = upper[k, i]
            for j in range(k + one):
                half[i, j] -= by * half[k, j]
        for j in range(i + one):
            half[i, j] /= upper[i, i]
    return half


@part
def invert_factored(size: int, upper: np.ndarray, inverse: np.ndarray) -> None:
    """Fill ``inverse`` with (U'U)⁻¹, both triangles."""
    n, one = np.uintp(size), np.uintp(1)
    half = invert_triangular(size, upper)
    for i in range(n):
        for j in range(n):
            inverse[i, j] = 0.0
    for k in range(n):
        for i in range(k + one):
            by = half[k, i]
            for j in range(k + one):
                inverse[i, j] += by * half[k, j]
