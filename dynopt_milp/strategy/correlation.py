"""Correlations of weekly returns, week by week, always positive semi-definite.

An estimator is a function from weekly returns (weeks × instruments, NaN where an instrument has none) to an array
weeks × n × n whose entry at a week uses the weeks up to it. A week without a return counts as a return of zero, so that
every estimate is the correlation of actual numbers, hence positive semi-definite, and an instrument with little history
is close to uncorrelated. One that needs more than returns (asset classes, underlyings) has a method ``of_market``, from
a market to the estimator for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError
from dynopt_milp.io.labelled import at_least, whole_number
from dynopt_milp.problem.book import BOOK_CORRELATION_SPAN
from dynopt_milp.problem.shrinkage import shrunk
from formulations import FloatArray

Correlation = Callable[[pd.DataFrame], FloatArray]
"""From weekly returns, weeks × n, to correlations, weeks × n × n."""


def weekly_returns(market: Market) -> pd.DataFrame:
    """Sums of daily percentage returns, weeks × instruments, labelled by the week's Friday; NaN without any."""
    return market.returns().resample("W-FRI").sum(min_count=1)


@dataclass(frozen=True, slots=True)
class ExponentialCorrelation:
    """Exponentially weighted correlation.

    Parameters
    ----------
    span : float
        Weeks; 25 in the book.
    shrinkage : float
        Share of the way towards zero correlation, between 0 and 1.
    """

    span: float = BOOK_CORRELATION_SPAN
    shrinkage: float = 0.0

    def __call__(self, weekly: pd.DataFrame) -> FloatArray:
        """Correlations, weeks × n × n."""
        keep = 1 - 2 / (at_least(1, self.span, "span", infinite=True) + 1)
        values = weekly.fillna(0.0).to_numpy()
        weeks, size = values.shape
        squares, sums, weight = np.zeros((size, size)), np.zeros(size), 0.0
        result = np.empty((weeks, size, size))
        for week, row in enumerate(values):
            squares = keep * squares + np.outer(row, row)
            sums, weight = keep * sums + row, keep * weight + 1.0
            result[week] = squares / weight - np.outer(sums / weight, sums / weight)
        return correlations_of(result, self.shrinkage)


@dataclass(frozen=True, slots=True)
class WindowCorrelation:
    """Correlation over the last weeks, all with equal weight.

    Parameters
    ----------
    weeks : int
        At least 2.
    shrinkage : float
        Share of the way towards zero correlation, between 0 and 1.
    """

    weeks: int = 52
    shrinkage: float = 0.0

    def __call__(self, weekly: pd.DataFrame) -> FloatArray:
        """Correlations, weeks × n × n."""
        window = whole_number(self.weeks, "weeks", least=2)
        values = weekly.fillna(0.0).to_numpy()
        result = np.empty((values.shape[0], values.shape[1], values.shape[1]))
        for week in range(len(values)):
            rows = values[max(week + 1 - window, 0) : week + 1]
            centred = rows - rows.mean(axis=0)
            result[week] = np.einsum("ti,tj->ij", centred, centred) / len(rows)  # the same on any number of threads
        return correlations_of(result, self.shrinkage)


@dataclass(frozen=True, slots=True)
class FittedCorrelation:
    """The correlation of any scikit-learn covariance estimator, fitted on the last weeks.

    Parameters
    ----------
    estimator : object
        With ``fit(X)`` and then ``covariance_``: ``LedoitWolf()``, ``OAS()``, ``GraphicalLassoCV()``...
    weeks : int
        How many weeks it sees, at least 2; before there are two, nothing is correlated.
    shrinkage : float
        Share of the way towards zero correlation, between 0 and 1.

    Notes
    -----
    Returns are divided by their standard deviation over the window first, so that what the estimator shrinks or
    penalises is correlation and not the difference between bonds and gas.
    """

    estimator: Any
    weeks: int = 104
    shrinkage: float = 0.0

    def __call__(self, weekly: pd.DataFrame) -> FloatArray:
        """Correlations, weeks × n × n."""
        if not callable(getattr(self.estimator, "fit", None)):
            raise InputError(
                f"expected a scikit-learn covariance estimator, found {type(self.estimator).__name__}",
                field="estimator",
            )
        window = whole_number(self.weeks, "weeks", least=2)
        values = weekly.fillna(0.0).to_numpy()
        size = values.shape[1]
        result = np.tile(np.eye(size), (len(values), 1, 1))
        for week in range(1, len(values)):
            rows = values[max(week + 1 - window, 0) : week + 1]
            scale = rows.std(axis=0)
            moves = scale > 0
            if not moves.any():
                continue
            fitted = self.estimator.fit(rows[:, moves] / scale[moves])
            result[week][np.ix_(moves, moves)] = positive(np.asarray(fitted.covariance_, dtype=np.float64))
        return correlations_of(result, self.shrinkage)


@dataclass(frozen=True, slots=True)
class BlendedCorrelation:
    """The average of several estimates: a fast one that follows, and a slow one that knows.

    Parameters
    ----------
    parts : tuple of callable
        One or more estimators.
    shares : tuple of float, optional
        What each counts, not negative, in any unit. Default: all the same.
    """

    parts: tuple[Correlation, ...] = (ExponentialCorrelation(), ExponentialCorrelation(200))
    shares: tuple[float, ...] | None = None

    def of_market(self, market: Market) -> BlendedCorrelation:
        """The same with each part for a market."""
        return replace(self, parts=tuple(of_market(part, market) for part in self.parts))

    def __call__(self, weekly: pd.DataFrame) -> FloatArray:
        """Correlations, weeks × n × n.

        Raises
        ------
        InputError
            If there is no part, or the shares are not as many numbers that can be shares.
        """
        shares = np.ones(len(self.parts)) if self.shares is None else np.array(self.shares, dtype=np.float64)
        if shares.shape != (len(self.parts),) or not (shares >= 0).all() or not 0 < shares.sum() < np.inf:
            raise InputError(
                f"expected a number for each of {len(self.parts)} parts, not negative and not all zero, found "
                f"{self.shares}", field="shares",
            )  # fmt: skip
        result = np.zeros((len(weekly), weekly.shape[1], weekly.shape[1]))
        for part, share in zip(self.parts, shares / shares.sum(), strict=True):
            result += share * np.asarray(part(weekly), dtype=np.float64)
        put_ones(result)
        return result


def of_market(correlation: Correlation, market: Market) -> Correlation:
    """The estimator for a market: of one that looks at returns alone, itself."""
    made = getattr(correlation, "of_market", None)
    return correlation if made is None else made(market)


def positive(matrices: FloatArray) -> FloatArray:
    """Symmetric matrices, shape (..., n, n), with their negative eigenvalues set to zero.

    Matrix by matrix: where later weeks or instruments decided with, the last bits of earlier weeks would change.
    """
    values, vectors = np.linalg.eigh((matrices + np.swapaxes(matrices, -1, -2)) / 2)
    repaired = (vectors * np.maximum(values, 0.0)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return np.where(values[..., :1, None] >= 0, matrices, repaired)  # the first is the least


def put_ones(matrices: FloatArray) -> None:
    """Put ones on the diagonals, in place, of matrices of shape (m, n, n)."""
    everyone = np.arange(matrices.shape[1])
    matrices[:, everyone, everyone] = 1.0


def correlations_of(covariances: FloatArray, shrinkage: float) -> FloatArray:
    """Correlations of covariances; an instrument that does not move is uncorrelated."""
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    # The difference of two sums of squares is zero up to round-off where nothing moved.
    moves = variances > 1e-20
    scale = np.sqrt(np.where(moves, variances, 1.0))
    result = covariances / (scale[:, :, None] * scale[:, None, :])
    result = shrunk(np.clip(np.where(moves[:, :, None] & moves[:, None, :], result, 0.0), -1.0, 1.0), shrinkage)
    put_ones(result)
    return result
