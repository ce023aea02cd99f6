"""A portfolio that keeps rules, to begin with: the target or a known portfolio, scaled down until it does."""

from __future__ import annotations

import numpy as np

from formulations import FloatArray, Formulation

SHARES = np.linspace(0.0, 1.0, 21)


def scaled_down(formulation: Formulation, starts: FloatArray) -> FloatArray | None:
    """The best portfolio within box, sides and rules of: what is held, and shares of the target and of each start.

    Parameters
    ----------
    formulation : Formulation
    starts : ndarray, shape (any, n)

    Returns
    -------
    ndarray, shape (n,), or None
        None if none of them is within.
    """
    program = formulation.program
    bases = np.concatenate([program.target[None], starts]) - program.zero
    shares = (SHARES[:, None, None] * bases).reshape(-1, program.size)
    tried = np.concatenate([np.trunc(shares), np.rint(shares)]) + program.zero
    tried = np.concatenate([program.previous[None], starts, tried])
    tried = np.clip(tried, program.lower, program.upper)
    tried = tried[program.one_sided(tried) & program.keeps_rules(tried)]
    values = formulation.values(tried)
    return tried[np.argmin(values)] if values.min(initial=np.inf) < np.inf else None
