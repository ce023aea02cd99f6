"""A number for each pair of instruments, at the door: labels aligned, entries made float64."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynopt_milp.errors import CovarianceError
from dynopt_milp.io.labelled import NUMBERS, check_distinct, refuse_masked_or_complex
from formulations import FloatArray


def to_matrix(covariance: Any, names: tuple[str, ...]) -> FloatArray:
    """A covariance as an array, shape (n, n), in the order of the names; whether it is one, `covariance_factor` checks.

    Parameters
    ----------
    covariance : DataFrame or array_like
        A frame is aligned by its labels, rows and columns each; all else has the order of the names.
    names : tuple of str
        The instruments, n of them.

    Raises
    ------
    CovarianceError
        If an instrument is missing, unknown or appears twice, an entry is no real number, or the shape is wrong.
    """
    if isinstance(covariance, pd.DataFrame):
        for axis, labels in (("rows", covariance.index), ("columns", covariance.columns)):
            check_distinct(labels, "covariance", kind=CovarianceError, where=f"in the {axis}")
            for name in names:
                if name not in labels:
                    raise CovarianceError(f"is missing from the {axis}", field="covariance", instrument=name)
            for label in labels:
                if label not in names:
                    raise CovarianceError(
                        f"appears in the {axis} and is not among the instruments of the problem",
                        field="covariance",
                        instrument=str(label),
                    )
        covariance = covariance.loc[list(names), list(names)].to_numpy()
    refuse_masked_or_complex(covariance, "covariance", names, kind=CovarianceError)
    try:
        given = np.array(covariance)
        if given.dtype.kind not in NUMBERS + "O":
            raise TypeError
        place = _no_number(given) if given.dtype.kind == "O" and given.ndim == 2 else None
        matrix: FloatArray = np.asarray(given, dtype=np.float64 if place is None else None)
    except (TypeError, ValueError, OverflowError):
        raise CovarianceError("expected real numbers in rows of equal length", field="covariance") from None
    if place is not None:
        raise CovarianceError(
            f"expected a real number, found {given[place]!r}",
            field="covariance",
            instrument=names[place[0]] if place[0] < len(names) else None,
        )
    if matrix.shape != (len(names), len(names)):
        raise CovarianceError(
            f"expected {len(names)} rows and columns, one per instrument, found shape {matrix.shape}",
            field="covariance",
        )
    return matrix


def _no_number(objects: NDArray[Any]) -> tuple[int, ...] | None:
    """The place of the first object that is no real number."""
    return next((place for place, entry in np.ndenumerate(objects) if not isinstance(entry, numbers.Real)), None)
