"""A problem of a covariance that may be indefinite."""

from __future__ import annotations

from typing import Any

from dynopt_milp.errors import CovarianceError
from dynopt_milp.problem.eigenvalues import clip_eigenvalues
from dynopt_milp.problem.problem import Problem
from formulations import FloatArray


def repaired_problem(covariance: FloatArray, **fields: Any) -> tuple[Problem, str]:
    """The problem, and in words what was repaired of its covariance; empty if nothing was.

    Repair is tried where the problem refuses, so that ordinary days do not pay for it.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
    **fields
        The other fields of :class:`~dynopt_milp.Problem`.

    Raises
    ------
    InputError
        If :class:`~dynopt_milp.Problem` refuses a number, or a name is missing or unknown.
    """
    try:
        return Problem(covariance=covariance, **fields), ""
    except CovarianceError:
        repaired, note = clip_eigenvalues(covariance)
        if not note:
            raise
        return Problem(covariance=repaired, **fields), note
