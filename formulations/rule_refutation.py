"""Multipliers that prove that no portfolio of a box keeps the rows of its rules.

For any μ ≥ 0 a portfolio that keeps all rows has Σᵢ Σᵣ μᵣ aᵣᵢ(kᵢ) ≤ Σᵣ μᵣ bᵣ. Where the least value of the left side
over the box, a sum of minima over one position each, is above the right side, there is none. The best μ is that of a
linear program; what it finds is checked here, with the round-off that rows allow (`rule_box`), so that nothing depends
on how well it was solved.

Between o and p and beyond them all aᵣᵢ are straight lines, so that the minima are at the ends of the box or beside o
and p. Rows with tables are left out, and so are caps and domains: without them there are only more portfolios.

Source: Farkas' lemma for the convexified problem; A. Geoffrion, *Lagrangean relaxation for integer programming* (1974).
"""

from __future__ import annotations

import numpy as np

from formulations.arrays import FloatArray
from formulations.program import TrackingProgram
from formulations.row import ROW_ROUND_OFF
from formulations.rule_box import UNIT, WIDER, corners_of

LEAST = 1e-9  # of Σ μᵣ = 1, rows scaled to 1: what is worth checking


def refuted(program: TrackingProgram, lower: FloatArray, upper: FloatArray) -> bool:
    """Whether it is proved that no portfolio of a box keeps the rows of a program.

    Parameters
    ----------
    program : TrackingProgram
        For its rules, p and o; its own box is not looked at.
    lower, upper : ndarray, shape (n,)
        A box; where an end is infinite nothing is proved.
    """
    rows = [row for row in program.rules.rows if row.tables is None] if program.rules is not None else []
    if not rows or not (np.isfinite(lower) & np.isfinite(upper)).all():
        return False
    size = program.size
    eta = WIDER * ROW_ROUND_OFF + size * UNIT
    terms = np.array([corners_of(program, row, lower, upper) for row in rows])  # rows × corners × n
    limits = np.array([row.limit + eta * abs(row.limit) for row in rows])
    scale = np.maximum(np.abs(terms).sum(axis=2).max(axis=1), np.abs(limits))
    scale[scale == 0] = 1.0
    multipliers = best_multipliers(terms / scale[:, None, None], limits / scale)
    if multipliers is None:
        return False
    multipliers = np.maximum(multipliers, 0.0) / scale
    each = np.einsum("r,rcn->cn", multipliers, terms).min(axis=0)
    doubt = (
        (size + len(rows) + 8)
        * UNIT
        * float(np.einsum("r,rcn->cn", multipliers, np.abs(terms)).max(axis=0).sum() + multipliers @ np.abs(limits))
    )
    return bool(each.sum() - multipliers @ limits > doubt)


def best_multipliers(terms: FloatArray, limits: FloatArray) -> FloatArray | None:
    """The multipliers, adding up to 1, of the largest difference; None if it is not positive.

    Parameters
    ----------
    terms : ndarray, shape (m, corners, n)
        What each position counts in each row at places between which it is a straight line.
    limits : ndarray, shape (m,)
        b.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack

    count, corners, size = terms.shape
    # Largest Σ tᵢ − Σ μᵣbᵣ with tᵢ ≤ Σᵣ μᵣ aᵣᵢ at each corner: variables μ, then t.
    places = np.arange(corners * size)
    minima = csr_array((np.ones(places.size), (places, places % size)), shape=(places.size, size))
    at_most = hstack([csr_array(-terms.reshape(count, -1).T), minima], format="csr")
    found = linprog(
        np.concatenate([limits, -np.ones(size)]), A_ub=at_most, b_ub=np.zeros(places.size),
        A_eq=np.concatenate([np.ones(count), np.zeros(size)])[None], b_eq=[1.0],
        bounds=[(0.0, None)] * count + [(None, None)] * size, method="highs",
    )  # fmt: skip
    if found.status != 0 or not -float(found.fun) > LEAST:  # type: ignore[arg-type]
        return None
    return np.asarray(found.x, dtype=np.float64)[:count]
