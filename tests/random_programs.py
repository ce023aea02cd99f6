"""Random programs: small ones to enumerate (ties, singular covariances, zero costs, limits), and a hard one."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from dynopt_milp import Limits, Problem


@st.composite
def problems(draw: st.DrawFn, most_instruments: int = 4, scale: float = 1.0) -> Problem:
    """A problem of at most four instruments inside a small box."""
    size = draw(st.integers(1, most_instruments))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["full", "singular", "twins", "round numbers"]))
    if kind == "round numbers":  # ties are frequent
        returns = random.integers(-2, 3, (size, size)).astype(float)
        weight, target = np.ones(size), random.integers(-4, 5, size) / 2
    else:
        rows = size if kind == "full" else max(1, size - 1)
        returns = random.normal(size=(rows, size))
        weight, target = random.uniform(0.2, 2.0, size), random.normal(scale=1.5, size=size)
    if kind == "twins" and size > 1:
        returns[:, 1] = returns[:, 0]
        weight[1] = weight[0] * random.integers(1, 4)
    free = draw(st.sampled_from(["all cost", "some free", "all free"]))
    cost = random.uniform(0, 0.02, size)
    if free != "all cost":
        cost[random.random(size) < (0.5 if free == "some free" else 1.1)] = 0.0
    lower = -random.integers(0, 4, size)
    upper = random.integers(0, 4, size)
    if draw(st.booleans()):  # a box that need not hold zero
        shift = random.integers(-2, 3, size)
        lower, upper = lower + shift, upper + shift
    return Problem(
        covariance=returns.T @ returns * 0.01 * scale**2,
        optimal_positions=target,
        weight_per_contract=weight,
        previous_positions=random.integers(-2, 3, size),
        cost_in_weight_terms=cost * scale,
        cost_multiplier=draw(st.sampled_from([0.0, 1.0, 10.0])),
        limits=Limits(lower=lower, upper=upper),
        instruments=tuple("ABCDEFGH"[:size]),
    )


def shuffle(problem: Problem, seed: int) -> Problem:
    """The same problem with its instruments in another order."""
    order = np.random.default_rng(seed).permutation(len(problem.instruments))
    return Problem(
        covariance=problem.covariance[np.ix_(order, order)],
        optimal_positions=problem.optimal_positions[order],
        weight_per_contract=problem.weight_per_contract[order],
        previous_positions=problem.previous_positions[order],
        cost_in_weight_terms=problem.cost_in_weight_terms[order],
        cost_multiplier=problem.cost_multiplier,
        limits=Limits(lower=problem.lower[order], upper=problem.upper[order]),
        instruments=tuple(problem.instruments[place] for place in order),
    )


def hard_problem(size: int = 60, own_risk: float = 1.0) -> Problem:
    """No costs, many contracts of like size: minutes of search for SCIP, and with little risk of their own for all."""
    random = np.random.default_rng(5)
    loadings = random.normal(size=(size, 6))
    covariance = (loadings @ loadings.T + own_risk * np.diag(random.uniform(1, 3, size))) * 0.01
    return Problem(
        covariance=covariance,
        optimal_positions=random.normal(scale=2.0, size=size),
        weight_per_contract=random.uniform(0.05, 0.3, size),
        instruments=tuple(f"F{place:03d}" for place in range(size)),
    )
