"""Imports point down: comparisons → dynopt_milp → formulations, and inside dynopt_milp from wing to wing."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

from dynopt_milp import Limits, Problem, rebalance, solve
from dynopt_milp.solvers import METHODS
from formulations import TrackingProgram

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "formulations": {"dynopt_milp", "comparisons", "tests", "pyscipopt", "pandas", "clarabel"},
    "dynopt_milp": {"comparisons", "tests"},
    "comparisons": {"tests"},
    "proof_checker": {"formulations", "dynopt_milp", "comparisons", "tests"},
}
# From the top down; those of one line do not know each other. CONTRIBUTING.md says what each is.
WINGS = (
    {"commands"},
    {"adapters", "guide", "gap", "show"},
    {"backtests", "why"},
    {"trades"},
    {"strategy"},
    {"solvers", "data"},
    {"proof"},
    {"problem", "pages"},
    {"rules"},
    {"io"},
    {"errors", "compiled", "formulations", "proof_checker"},
)
FLOOR = {wing: floor for floor, wings in enumerate(WINGS) for wing in wings}
LIBRARIES = ("formulations", "proof_checker")
MOST_ENTRIES = 20
NOT_COUNTED = {"py.typed", "__pycache__"}
PUBLIC = {
    "dynopt_milp.adapters.book": "exact_with_costs_and_buffering",
    "dynopt_milp.adapters.pysystemtrade": "ObjectiveFunction",
    "dynopt_milp.backtests": "Backtest backtest performance rebalance_days",
    "dynopt_milp.data": "Market read_market simulated_market",
    "dynopt_milp.gap": "GapGrid run_gap_study write_report",
    "dynopt_milp.guide": "run_exact_algorithm run_portfolio_comparison calculate_dynamic_portfolio_positions",
    "dynopt_milp.rules": "margin group risk max_holdings min_order rule_from_dict",
    "dynopt_milp.proof": "Proof Refused Verified verify",
    "proof_checker": "FORMAT Refused Verified check verify",
    "dynopt_milp.problem": "Limits Problem Solution Status",
    "dynopt_milp.solvers": "METHODS find_method solve",
    "dynopt_milp.solvers.optimizers": "exact greedy branch_and_bound scip",
    "dynopt_milp.strategy": "Strategy TrendFollowing ewmac ExponentialCorrelation quoted_costs EwmaVolatility "
    "risk_parity walk_forward check_no_look_ahead",
    "dynopt_milp.trades": "problem_of_day problem_of_targets rebalance example_problem",
    "dynopt_milp.why": "explain alternatives trade_off Explanation Alternatives TradeOff",
    "dynopt_milp": "explain alternatives trade_off "
    "TrendFollowing risk_parity example_problem clip_eigenvalues holding_cost solve prove rebalance "
    "backtest",
}


def modules(*packages: str) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    assert found
    return found


def imported(path: Path) -> Iterator[str]:
    """What a file imports anywhere in it, lazily and for type checking too: a module, or a name in one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(*packages: str) -> dict[str, set[str]]:
    """The modules that each module imports."""
    known = modules(*packages)
    drawn: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for target in imported(path):
            while target and target not in known:
                target = target.rpartition(".")[0]
            if target:
                drawn[name].add(target)
    return drawn


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_points_up(package: str) -> None:
    for path in modules(package).values():
        assert not {name.split(".")[0] for name in imported(path)} & FORBIDDEN[package], path


def test_the_checker_of_proofs_needs_python_alone() -> None:
    found = {name.split(".")[0] for path in modules("proof_checker").values() for name in imported(path)}
    assert found - {"proof_checker"} <= set(sys.stdlib_module_names)


def wing_of(module: str) -> str:
    parts = module.split(".")
    return parts[0] if parts[0] in LIBRARIES or len(parts) == 1 else parts[1]


def test_imports_between_wings_go_down_the_list() -> None:
    checked = 0
    for module, targets in arrows("dynopt_milp", *LIBRARIES).items():
        wing = wing_of(module)
        if wing in ("dynopt_milp", "__main__"):  # the front door
            continue
        for target in targets:
            other = wing_of(target)
            assert other in FLOOR, f"{module} imports {target}"
            assert wing == other or FLOOR[wing] < FLOOR[other], f"{module} imports {target}"
            checked += wing != other
    assert checked > 100


def test_no_modules_import_each_other_in_a_circle() -> None:
    drawn = arrows("dynopt_milp", *LIBRARIES, "comparisons")
    assert sum(map(len, drawn.values())) > 500
    try:
        TopologicalSorter(drawn).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_a_circle_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ring"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("def f():\n    from ring.two import g\n", encoding="utf-8")
    (package / "two.py").write_text("if TYPE_CHECKING:\n    from ring.one import f\n", encoding="utf-8")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    with pytest.raises(CycleError):
        TopologicalSorter(arrows("ring")).prepare()


def test_the_package_has_few_rooms() -> None:
    entries = {entry.name for entry in (ROOT / "dynopt_milp").iterdir()} - NOT_COUNTED
    assert len(entries) <= MOST_ENTRIES
    files = {"errors", "compiled"}
    assert entries - {"__init__.py", "__main__.py"} == {f"{name}.py" for name in files} | (set(FLOOR) - files) - {
        *LIBRARIES
    }


@pytest.mark.parametrize("name", [name for name, path in modules("dynopt_milp").items() if path.stem == "__init__"])
def test_no_name_of_a_package_hides_a_module_of_it(name: str) -> None:
    package = importlib.import_module(name)
    below = {module.removeprefix(f"{name}.") for module in modules("dynopt_milp") if module.startswith(f"{name}.")}
    for public in getattr(package, "__all__", []):
        assert public not in below, f"{name}.{public} is a module and something else"


@pytest.mark.parametrize("module", PUBLIC)
def test_public_paths_work(module: str) -> None:
    names = PUBLIC[module].split()
    found = importlib.import_module(module)
    assert set(names) <= set(getattr(found, "__all__", dir(found)))


def test_importing_the_package_loads_no_solver_and_greedy_compiles_its_own_steps_alone() -> None:
    code = (
        "import sys, dynopt_milp as d\n"
        "def loaded():\n"
        "    heavy = {'pyscipopt', 'cvxpy', 'clarabel', 'gurobipy', 'numba', 'matplotlib'}\n"
        "    own = [name for name in sys.modules if 'branch_and_bound' in name or 'kernels.' in name]\n"
        "    return sorted(heavy & set(sys.modules)) + sorted(name.rpartition('.')[2] for name in own)\n"
        "print(loaded()); d.solve(d.example_problem(), 'greedy'); print(loaded())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['numba', 'costs', 'greedy_steps', 'rows']"]


def test_every_figure_that_is_reported_is_computed_by_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the program's figures three times what they are, all that is reported is, whoever priced the portfolio."""
    random = np.random.default_rng(3)
    returns = random.normal(size=(6, 4)) * 0.1
    problem = Problem(
        returns.T @ returns, [1.4, -0.7, 0.3, 2.2], [0.3, 0.2, 0.4, 0.1], [0, -2, 1, 0], 0.01,
        cost_multiplier=2.0, limits=Limits(lower=-4, upper=4), instruments=tuple("ABCD"),
    )  # fmt: skip

    def figures() -> dict[str, float]:
        found = {}
        for formulation in ("penalty", "deadband"):
            for optimizer in METHODS:
                if optimizer != "greedy" or formulation == "penalty":
                    solution = solve(problem, optimizer, formulation=formulation, buffer=0.0)
                    for name in ("objective", "tracking_error", "cost_penalty"):
                        found[f"{optimizer} {formulation} {name}"] = getattr(solution, name)
                        assert solution.to_dict()[name] == getattr(solution, name)
        result = rebalance(problem, buffer_fraction=0.0)
        found |= {"distance": result.distance, "held": result.tracking_error, "optimised": result.optimised.objective}
        return found

    true = figures()
    distance, cost = TrackingProgram.distance, TrackingProgram.trading_cost
    monkeypatch.setattr(TrackingProgram, "distance", lambda program, *two: 3 * distance(program, *two))
    monkeypatch.setattr(TrackingProgram, "trading_cost", lambda program, positions: 3 * cost(program, positions))
    assert figures() == pytest.approx({name: 3 * value for name, value in true.items()}, rel=1e-12)
    assert min(true.values()) > 0
