"""From a covariance to a factor of it, with round-off repaired and everything worse refused."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf

from dynopt_milp.errors import CovarianceError
from formulations import FloatArray, IntegerArray
from formulations.exact_norm import UNIT_ROUND_OFF

# What counts as round-off, on the scale of correlations. Matrices that went through a text file carry about ten
# digits, a product of three float64 matrices fourteen.
ASYMMETRY = 1e-9
NEGATIVE_EIGENVALUE = 1e-9
# Negative eigenvalues below this, times n, are what eigenvalue routines return for zero; not worth a note.
ROUTINE = 1e-13
# A pivot below this, times n, is what a Cholesky factorisation leaves of zero (LAPACK's own choice).
PIVOT = 2.2e-16
# A factor that leaves no more than this, times n, is taken; else eigenvalues say what is wrong.
LEFT = 1e-14
DIVISION = 4e-16  # what dividing by standard deviations leaves of a correlation of one
# Two sizes of one contract, estimated from the same prices: their covariances with everything differ by round-off, at
# most 7e-15 in fifteen years of 42 real futures. Differences of 1e-13 are data.
TWINS = 2e-14
# Of the entries of Σ and R'R, what scaling to correlations and back rounds: six roundings of u₀ = 2⁻⁵³, relative.
SCALING = 7e-16
LEAST_VARIANCE = 1e-300
# Of sqrt(ΣᵢᵢΣⱼⱼ): repairs that change more are remembered, as proofs are of the numbers that were given (to 2⁻⁴⁸).
REMEMBERED = 2.0**-51
MOST_REPAIRS = 8  # what had negative eigenvalues can have new twins then; the next pass or two find nothing to repair
FIXED_POINT = 2.0**23


class Factor(NamedTuple):
    """A covariance as a problem holds it, with its factor.

    Attributes
    ----------
    covariance : ndarray, shape (n, n)
        Σ, symmetric, round-off repaired.
    factor : ndarray, shape (m, n)
        R with Σ = R'R, m ≤ n; the order of its columns apart, upper triangular. Twins have the same columns.
    residual : float
        κ: entries of Σ − R'R are at most κ·sqrt(ΣᵢᵢΣⱼⱼ).
    twin : ndarray of int, shape (n,)
        For each instrument the first that has the same row of Σ.
    twins : bool
        Whether two have the same.
    notes : tuple of str
        What was repaired, and that the rank is less than the number of instruments, in words.
    """

    covariance: FloatArray
    factor: FloatArray
    residual: float
    twin: IntegerArray
    twins: bool
    notes: tuple[str, ...]


@np.errstate(over="ignore", invalid="ignore")
def covariance_factor(covariance: FloatArray, instruments: tuple[str, ...]) -> Factor:
    """A factor of the covariance, and the covariance with its round-off repaired.

    What is repaired: it is made symmetric; an instrument without variance loses its covariances; instruments whose
    covariances agree to 2e-14 (as correlations: two sizes of one contract) get those of the first; and where the
    matrix is indefinite beyond what factoring it leaves (1e-14·n), negative eigenvalues of its correlations are set to
    zero.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Σ; a singular one is ordinary (two sizes of one contract).
    instruments : tuple of str
        Names, for errors.

    Raises
    ------
    CovarianceError
        If an entry is not finite, or the matrix is asymmetric or indefinite beyond round-off.
    """
    if not math.isfinite(covariance.sum()) and not np.isfinite(covariance).all():
        row, column = np.argwhere(~np.isfinite(covariance))[0]
        raise CovarianceError(
            f"expected finite numbers, found {covariance[row, column]} with {instruments[column]}",
            field="covariance",
            instrument=instruments[row],
        )
    variance = covariance.diagonal()
    least = float(variance.min())
    if least < 0:
        place = int(np.argmax(variance < 0))
        raise CovarianceError(
            f"variance is negative: {variance[place]:g}", field="covariance", instrument=instruments[place]
        )
    smallest = least if least > 0 else float(variance[variance > 0].min(initial=np.inf))
    if smallest < LEAST_VARIANCE:
        raise CovarianceError(
            f"expected variances of at least {LEAST_VARIANCE:g}, which float64 can divide by, found {smallest:g}; use "
            "other units",
            field="covariance",
            instrument=instruments[int(np.argmax(variance == smallest))],
        )
    scale = np.sqrt(variance if least > 0 else np.where(variance > 0, variance, variance.max() or 1.0))
    gap = np.abs(covariance - covariance.T)
    asymmetry = gap / scale / scale[:, None] if gap.any() else gap
    correlation = covariance / scale / scale[:, None]
    if not (math.isfinite(correlation.sum()) or np.isfinite(correlation).all()):
        row, column = np.argwhere(~np.isfinite(correlation))[0]
        raise CovarianceError(
            f"is {covariance[row, column]:g} with {instruments[column]}, which their variances do not allow",
            field="covariance",
            instrument=instruments[row],
        )
    if asymmetry.max() > ASYMMETRY:
        row, column = np.unravel_index(int(np.argmax(asymmetry)), gap.shape)
        raise CovarianceError(
            f"is not symmetric: {covariance[row, column]:g} with {instruments[column]}, "
            f"{covariance[column, row]:g} the other way round",
            field="covariance",
            instrument=instruments[row],
        )
    covariance = covariance / 2 + covariance.T / 2
    if least == 0:
        risky = variance > 0
        for row, column in np.argwhere(~risky[:, None] & (np.abs(correlation) > NEGATIVE_EIGENVALUE)):
            raise CovarianceError(
                f"has no variance but a covariance with {instruments[column]}",
                field="covariance",
                instrument=instruments[row],
            )
        covariance = covariance * risky * risky[:, None]
    made, least_eigenvalue = _factored(covariance, instruments)
    for _ in range(MOST_REPAIRS):
        if least_eigenvalue is None:
            break
        notes = made.notes
        made, least_eigenvalue = _factored(made.covariance, instruments)
        made = made._replace(notes=notes or made.notes)
    return made


def factor_by_name(covariance: FloatArray, instruments: tuple[str, ...], order: NDArray[np.intp]) -> Factor:
    """:func:`covariance_factor` in the order of the names, so that no bit depends on the order they come in.

    Parameters
    ----------
    covariance, instruments
        As there.
    order : ndarray of int, shape (n,)
        The places of the instruments in the order of their names.

    Raises
    ------
    CovarianceError
        As there.
    """
    if (order[1:] > order[:-1]).all():
        return covariance_factor(covariance, instruments)
    made = covariance_factor(covariance[order[:, None], order], tuple(instruments[place] for place in order))
    factor, held, twin = np.empty_like(made.factor), np.empty_like(covariance), np.empty_like(made.twin)
    factor[:, order], held[order[:, None], order], twin[order] = made.factor, made.covariance, order[made.twin]
    return Factor(held, factor, made.residual, twin, made.twins, made.notes)


def given_apart(given: FloatArray, repaired: FloatArray) -> FloatArray | None:
    """The covariance as it was given, read-only, where repairs changed more than round-off does; None where not."""
    moved, variance = np.abs(given - repaired), given.diagonal()
    if moved.max() <= REMEMBERED * variance.min():
        return None
    scale = np.sqrt(variance)
    if (moved <= REMEMBERED * scale * scale[:, None]).all():
        return None
    kept = given.copy()
    kept.setflags(write=False)
    return kept


@np.errstate(over="ignore", invalid="ignore")
def closest_factor(covariance: FloatArray, *known: FloatArray) -> FloatArray:
    """A factor R, of any number of rows, with R'R as near to a covariance as can be, entry by entry.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
        Σ; round-off is not repaired.
    *known : ndarray
        Factors that may be as near already.
    """
    deviation = np.sqrt(covariance.diagonal())
    scale = np.where(deviation > 0, deviation, 1.0)
    correlation = covariance / scale / scale[:, None]
    correlation = (correlation + correlation.T) / 2
    values, vectors = np.linalg.eigh(correlation)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    made = [factor / scale for factor in known]
    made += [_pivoted_cholesky(correlation), np.asarray(np.linalg.qr(root, mode="r"))]
    closest: FloatArray = min(made, key=lambda factor: _left(correlation, factor))
    return closest * deviation


def _factored(covariance: FloatArray, instruments: tuple[str, ...]) -> tuple[Factor, float | None]:
    """A factor of a symmetric covariance, and the least eigenvalue of its correlations if that had to be repaired."""
    deviation = np.sqrt(covariance.diagonal())
    scale = deviation if deviation.all() else np.where(deviation > 0, deviation, 1.0)
    correlation = covariance / scale / scale[:, None]
    correlation = (correlation + correlation.T) / 2
    # Of each class of twins the first stands for all.
    single = member = np.arange(len(deviation))
    while (twin := _twins(correlation, deviation[single])) is not None:
        kept = np.flatnonzero(twin == np.arange(twin.size))
        single, member = single[kept], np.searchsorted(kept, twin)[member]
        correlation = correlation[kept[:, None], kept]  # in which others can be the same that were not
    first, twins = single[member], len(single) < len(member)
    if twins:
        covariance, deviation = covariance[first[:, None], first], deviation[first]
    # Without a square root of anything that is mostly round-off: what is left over says that it was.
    factor = _pivoted_cholesky(correlation)
    whole = len(factor) == len(correlation)  # then Higham, theorem 10.3, says what is left at most
    left = (len(factor) + 8) * UNIT_ROUND_OFF if whole else _left(correlation, factor)
    if not whole:  # a correlation of one that is not quite one, perhaps
        one = np.abs(np.abs(correlation) - 1) <= DIVISION
        changed = _pivoted_cholesky(np.where(one, np.sign(correlation), correlation))
        factor, left = min((factor, left), (changed, _left(correlation, changed)), key=lambda pair: pair[1])
    notes: tuple[str, ...] = ()
    least: float | None = None
    if left > LEFT * len(correlation):
        factor, least = _without_negative(correlation, tuple(instruments[place] for place in single))
        repaired = factor.T @ factor
        left = _left(repaired, factor)
        covariance = repaired[member[:, None], member] * deviation * deviation[:, None]
        covariance = covariance / 2 + covariance.T / 2
        if least < -ROUTINE * len(correlation):
            notes = (f"covariance: a negative eigenvalue of {least:.1e} (round-off, in correlations) was set to zero",)
    notes += _rank_note(correlation, factor, int(np.count_nonzero(deviation[single])))
    if twins:
        factor = np.ascontiguousarray(factor[:, member])
    return Factor(covariance, factor * deviation, left + SCALING, first, twins, notes), least


def _rank_note(correlation: FloatArray, factor: FloatArray, risky: int) -> tuple[str, ...]:
    """What to say of correlations whose rank is less than the number of instruments with a variance, sizes of one
    contract (correlations of one, as text files have them) once.
    """
    # The first entry of a row is the largest where the factor comes from pivoting: squared, a pivot.
    if len(factor) == risky and (not risky or np.abs(factor[-1]).max() ** 2 > NEGATIVE_EIGENVALUE):
        return ()
    values = np.linalg.eigvalsh(correlation)
    rank = int(np.count_nonzero(values > NEGATIVE_EIGENVALUE * max(float(values[-1]), 1.0)))
    same = np.tril(correlation > 1 - NEGATIVE_EIGENVALUE, -1).any(axis=1)
    apart = risky - int(np.count_nonzero(same))
    if rank >= apart:
        return ()
    return (
        f"covariance: rank {rank} with {apart} instruments, as of too few observations: some portfolios have no risk "
        "by it, and only costs and limits keep their instruments from being held against each other; estimate it from "
        "more of them, or shrink it",
    )


def _twins(correlation: FloatArray, deviation: FloatArray) -> IntegerArray | None:
    """For each instrument the first whose covariances are the same but for round-off; None if all have their own."""
    close = correlation > 1 - TWINS
    if np.count_nonzero(close) <= np.count_nonzero(deviation):
        return None
    first, second = np.nonzero(close)
    later = (first < second) & (deviation[first] > 0)
    first, second = first[later], second[later]
    same = np.abs(deviation[second] / deviation[first] - 1) <= TWINS
    same &= np.abs(correlation[first] - correlation[second]).max(axis=1, initial=0.0) <= TWINS
    twin = np.arange(len(deviation))
    for one, other in zip(first[same], second[same], strict=True):
        if twin[other] == other and twin[one] == one:
            twin[other] = one
    return twin if same.any() else None


def _left(correlation: FloatArray, factor: FloatArray) -> float:
    """The largest entry of C − R'R, to 1e-20.

    In float64 the product alone would be wrong by n·1e-16. So R is split into its first 23 binary digits and the rest:
    products and sums of the first are exact, those with the rest are 2⁻²⁴ of them.
    """
    high = np.rint(factor * FIXED_POINT) / FIXED_POINT
    low = factor - high
    cross = high.T @ low
    rest = (correlation - high.T @ high) - (cross + cross.T + low.T @ low)
    return float(np.abs(rest).max(initial=0.0))


def _without_negative(correlation: FloatArray, instruments: tuple[str, ...]) -> tuple[FloatArray, float]:
    """A factor of the correlations with negative eigenvalues set to zero, and the least eigenvalue."""
    values, vectors = np.linalg.eigh(correlation)
    least = float(values[0])
    if least < -NEGATIVE_EIGENVALUE * max(float(values[-1]), 1.0):
        worst = int(np.argmax(np.abs(vectors[:, 0])))
        raise CovarianceError(
            f"is not positive semi-definite: its correlations have the eigenvalue {least:.3g}, mostly along this "
            "instrument; estimate all correlations from the same dates, or see dynopt_milp.problem.eigenvalues",
            field="covariance",
            instrument=instruments[worst],
        )
    kept = values > PIVOT * len(values)
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    triangle = np.asarray(np.linalg.qr(root, mode="r")) if kept.any() else np.zeros((0, len(values)))
    return triangle, least


def _pivoted_cholesky(correlation: FloatArray) -> FloatArray:
    size = len(correlation)
    packed, pivot, rank, _ = dpstrf(correlation, tol=PIVOT * size)
    factor = np.empty((rank, size))
    factor[:, pivot - 1] = packed[:rank] * _upper(size)[:rank]
    return factor


@cache
def _upper(size: int) -> FloatArray:
    return np.triu(np.ones((size, size)))
