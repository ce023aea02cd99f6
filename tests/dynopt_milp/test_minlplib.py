"""Integer portfolios of MINLPLib: constraints of the user's own, and an optimum that others found."""

from __future__ import annotations

import json
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from dynopt_milp import Limits, Problem, Status, solve
from tests.conftest import shared


@pytest.mark.parametrize("number", [0, 12, 29])
def test_exact_finds_the_optimum_of_the_library(number: int) -> None:
    """Least x'Qx over whole x ≥ 0 with linear constraints: a tracking problem whose target is nothing."""
    stored = json.loads((shared("instances") / "minlplib" / "smallinvDAX.json").read_text(encoding="utf-8"))
    instance = stored["instances"][number]
    rows = [(np.array(row["coefficients"]), row["sense"], row["bound"]) for row in instance["rows"]]
    (budget, most) = next((coefficients, bound) for coefficients, sense, bound in rows if sense == "<=")
    problem = Problem(
        covariance=np.array(stored["quadratic"]),
        optimal_positions=np.zeros(stored["n"]),
        weight_per_contract=np.ones(stored["n"]),
        limits=Limits(lower=0, upper=np.floor(most / budget)),
        instruments=tuple(f"x{place:02d}" for place in range(stored["n"])),
    )

    def constraints(positions: cp.Expression) -> list[Any]:
        return [a @ positions <= b if sense == "<=" else a @ positions >= b for a, sense, b in rows]

    found = solve(problem, constraints=constraints, time_limit=60)
    assert found.status is Status.OPTIMAL
    assert found.objective**2 == pytest.approx(instance["optimum"], rel=2e-6)  # the gap is that of the root
    assert found.lower_bound**2 <= instance["optimum"] * (1 + 1e-9)
