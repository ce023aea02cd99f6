"""SCIP given nothing: it says so, and refuses what nothing bounds."""

from __future__ import annotations

import numpy as np
import pytest

from dynopt_milp import Limits, Problem, Status, UnboundedError, solve


def test_it_says_which_model_it_solved() -> None:
    problem = Problem(np.eye(2) * 0.04, [0.4, -1.3], [0.5, 0.5], instruments=("A", "B"))
    plain, given = solve(problem, "scip_plain"), solve(problem, "scip")
    assert plain.solver == f"{given.solver}, plain model"
    assert plain.positions.to_dict() == given.positions.to_dict()


def test_scip_plain_refuses_what_nothing_bounds() -> None:
    twins = Problem(np.full((2, 2), 0.04), [0.4, -1.3], [0.5, 0.5], instruments=("A", "B"))
    with pytest.raises(UnboundedError):
        solve(twins, "scip_plain")
    assert solve(twins.replace(limits=Limits(lower=-3, upper=3)), "scip_plain").status is Status.OPTIMAL
