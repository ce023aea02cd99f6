"""Imports point down: comparisons → dynopt_milp → formulations."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "formulations": {"dynopt_milp", "comparisons", "tests", "pyscipopt", "pandas", "clarabel"},
    "dynopt_milp": {"comparisons", "tests"},
    "comparisons": {"tests"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(str(node.module).split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_points_up(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & FORBIDDEN[package], path


def test_importing_the_package_and_running_greedy_loads_no_solver() -> None:
    code = (
        "import sys, dynopt_milp as d; from dynopt_milp.trades.examples import example_problem;"
        "d.solve(example_problem(), 'greedy');"
        "print(sorted({'pyscipopt', 'cvxpy', 'clarabel', 'gurobipy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_objective_is_computed_in_one_place_only() -> None:
    users = [path.name for path in (ROOT / "dynopt_milp").rglob("*.py") if "np.linalg.norm" in path.read_text()]
    assert users == ["relaxation.py"], "norms of residuals belong to TrackingProgram"
