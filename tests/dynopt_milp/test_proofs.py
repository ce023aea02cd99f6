"""Proofs: of the stored problems, of problems with rules, by the command line, and where there is none."""

from __future__ import annotations

import gzip
import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynopt_milp import (
    FileError,
    InputError,
    Limits,
    OrderCosts,
    Problem,
    ProofError,
    Status,
    example_problem,
    prove,
    rules,
    solve,
)
from dynopt_milp.proof import Refused, verify
from dynopt_milp.proof.walls import Walls
from tests.command_line import read_json, run
from tests.proof_checker.enumerated import small_problem

SMALL = 42  # instruments
LARGEST = ("all_2019-08-13_1000k_lam10", "all_2019-08-13_250k_lam10")  # of 3,000 leaves


def stored(folder: Path) -> list[Path]:
    names = [path for path in sorted(folder.glob("*_lam*.json")) if "optimum" not in path.name]
    return [path for path in names if not path.name.startswith("synthetic")]


def test_stored_problems_with_up_to_42_instruments_have_proofs(instances: Path, tmp_path: Path) -> None:
    """Of the numbers in their files, at a gap of 1e-6, around the optimum that others found.

    The two largest are proved in the study alone (comparisons/proofs).
    """
    files = [path for path in stored(instances) if path.stem not in LARGEST]
    assert len(files) == 14
    for path in files:
        problem, out = Problem.from_json(path), tmp_path / f"{path.stem}.proof.json.gz"
        assert len(problem.instruments) <= SMALL
        prove(problem).to_file(out)
        found = verify(path, out)
        known = json.loads(path.with_name(f"{path.stem}.optimum.json").read_text(encoding="utf-8"))["objective"]
        assert found.lower is not None
        assert found.upper is not None
        assert float(found.lower) <= known * (1 + 1e-9)
        assert known * (1 - 2e-6) <= float(found.upper)
        assert float(1 - found.lower / found.upper) <= 1e-6
        assert float(found.stored) == pytest.approx(float(found.upper), rel=1e-9)  # type: ignore[arg-type]


HOUSE = {
    "margin": rules.margin(dict.fromkeys("ABCDE", 1.0), 8.0),
    "gross": rules.gross(2.0),
    "net": rules.net(-0.2, 0.3),
    "turnover": rules.turnover(1.0),
    "cost": rules.cost(0.01),
    "group": rules.group(["A", "B"], 1.0, 4.0, of="contracts"),
    "exposure": rules.exposure({"A": 1.0, "C": -2.0}, upper=1.0),
    "risk": rules.risk(0.1),
    "risk of some": rules.risk(0.05, ["A", "B"]),
    "risk by another covariance": rules.risk(0.3, covariance=np.eye(5) * 0.09),
    "tracking error": rules.tracking_error(0.08, dict.fromkeys("ABCDE", 0.0)),
    "max_holdings": rules.max_holdings(2),
    "max_orders": rules.max_orders(2),
    "one_of": rules.one_of(["A", "B", "C"]),
    "lot": rules.lot({"A": 2, "D": 3}),
    "min_position": rules.min_position(2),
    "min_order": rules.min_order(2),
    "max_order": rules.max_order(2),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", HOUSE)
def test_problems_with_rules_have_proofs(name: str, seed: int) -> None:
    problem = small_problem(seed, size=5).replace(rules=[HOUSE[name]], limits=None, cost_multiplier=3.0)
    problem = problem.replace(cost_in_weight_terms=problem.cost_in_weight_terms + 0.002)
    solution = solve(problem)
    found = prove(problem, solution).verify()
    if solution.status is Status.INFEASIBLE:
        assert found.positions is None
    else:
        assert found.positions == {name: int(number) for name, number in solution.positions.items()}
        assert float(1 - found.lower / found.upper) <= 1e-6  # type: ignore[operator]
        assert float(found.upper) == pytest.approx(solution.objective, rel=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(6))
def test_costs_of_orders_holding_and_sides_have_proofs(seed: int) -> None:
    orders = OrderCosts(per_order=1e-3, minimum=[5e-3, 0, 2e-3, 0, 0], commission=[1e-4] * 5, impact=5e-4, rolls=0.1)
    problem = small_problem(seed, size=5).replace(
        limits=Limits(one_side=True), underlying=list("XXYYZ"), cost_multiplier=3.0, cost_in_weight_terms=0.01,
        holding_cost=0.002, order_costs=orders,
    )  # fmt: skip
    solution = solve(problem)
    found = prove(problem, solution).verify()
    assert found.positions == {name: int(number) for name, number in solution.positions.items()}
    assert float(1 - found.lower / found.upper) <= 1e-6  # type: ignore[operator]


def test_scip_s_portfolio_is_as_good() -> None:
    problem = example_problem(50_000)
    mine, other = prove(problem), prove(problem, solve(problem, "scip"))
    assert mine.verify().positions == other.verify().positions


def test_the_same_proof_is_the_same_bytes(tmp_path: Path) -> None:
    problem = example_problem(50_000)
    for name in ("one", "two"):
        solve(problem, proof=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_portfolio_that_is_not_optimal_has_none() -> None:
    problem = example_problem(150_000)
    greedy = solve(problem, "greedy")
    with pytest.raises(ProofError, match="not optimal to the gap 1e-06"):
        prove(problem, greedy)
    far = 1.1 * (greedy.objective / solve(problem).objective - 1)
    assert prove(problem, greedy, gap=far).verify().positions == dict(greedy.positions)


@pytest.mark.parametrize("gap", [1e-3, 1e-9])
def test_the_gap_is_that_of_the_proof(gap: float) -> None:
    found = prove(example_problem(50_000), gap=gap).verify()
    assert 0 <= float(1 - found.lower / found.upper) <= gap  # type: ignore[operator]


def test_a_target_that_is_held_is_proved() -> None:
    problem = Problem(np.eye(2) * 0.04, [3.0, -1.0], [1.0, 1.0], [3, -1], instruments=["A", "B"])
    proof = prove(problem)
    assert (proof.leaves, proof.verify().upper) == (1, 0)


def test_what_nothing_bounds_has_no_proof() -> None:
    """Two sizes of one contract without costs: the solver looks a million contracts far, and says so."""
    problem = Problem([[0.04, 0.04], [0.04, 0.04]], [0.3, 1.6], [1.0, 0.1], instruments=["A", "B"])
    with pytest.raises(ProofError, match="nothing bounds"):
        prove(problem)


def test_limits_of_time_are_kept() -> None:
    with pytest.raises(ProofError, match="time limit"):
        prove(example_problem(1_000_000, cost_multiplier=1.0), time_limit=0.0)


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    problem = example_problem(50_000)
    with pytest.raises(InputError, match="gap"):
        prove(problem, gap=2.0)
    with pytest.raises(InputError, match="one of another problem"):
        prove(example_problem(60_000), solve(problem))
    with pytest.raises(InputError, match="expected a Problem, found Solution"):
        prove(solve(problem), problem)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected a Solution, found Series"):
        prove(problem, solve(problem).positions)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="proof: expected a path, found bool"):
        solve(problem, proof=True)  # type: ignore[arg-type]
    with pytest.raises(FileError, match="cannot be written"):
        solve(problem, proof=tmp_path / "no" / "x")
    with pytest.raises(InputError, match="other instruments"):
        prove(small_problem(1), solve(problem))
    with pytest.raises(InputError, match="proof: is for penalty"):
        solve(problem, formulation="deadband", proof=tmp_path / "x")
    with pytest.raises(InputError, match="proof: is not for constraints"):
        solve(problem, constraints=lambda k: [k[0] >= 0], proof=tmp_path / "x")
    with pytest.raises(ProofError) as error:
        solve(example_problem(150_000), "greedy", proof=tmp_path / "x")
    assert error.value.solution.optimizer == "greedy"
    assert not (tmp_path / "x").exists()


def test_a_covariance_is_that_of_the_file_or_there_is_no_proof(tmp_path: Path) -> None:
    given = np.array([[0.04, 0.04 * (1 + 1e-11)], [0.04 * (1 + 1e-11), 0.04]])  # two variances that cannot be
    problem = Problem(given, [0.3, 1.6], [1.0, 0.1], [0, 1], 0.01, instruments=["A", "B"])
    with pytest.raises(ProofError, match="not positive semi-definite as it was given"):
        prove(problem)
    repaired = problem.replace()
    repaired.to_json(tmp_path / "P.json")
    prove(repaired).to_file(tmp_path / "proof")
    assert verify(tmp_path / "P.json", tmp_path / "proof").difference < Fraction(1, 2**48)


def test_a_problem_file_has_the_covariance_as_it_was_given(tmp_path: Path) -> None:
    """Two sizes whose covariances differ by 1e-14: they get those of the first, and the file says what was given."""
    factor = np.random.default_rng(1).normal(size=(3, 3))
    factor[:, 2] = factor[:, 1]
    given = factor.T @ factor
    given[0, 2] = given[2, 0] = given[0, 1] * (1 + 1e-14)
    problem = Problem(given, [0.3, 1.6, 2.2], [1.0, 0.1, 0.2], [0, 1, 0], 0.01, instruments=["A", "B", "C"])
    assert problem.covariance[0, 2] == problem.covariance[0, 1] != given[0, 2]
    problem.to_json(tmp_path / "P.json")
    again = Problem.from_json(tmp_path / "P.json")
    assert again.to_dict() == problem.to_dict()
    assert again.to_dict()["covariance"] == given.tolist()
    assert (again.covariance == problem.covariance).all()
    prove(problem).to_file(tmp_path / "proof")
    assert verify(tmp_path / "P.json", tmp_path / "proof").positions is not None
    assert problem.replace().to_dict()["covariance"] == problem.covariance.tolist()


def test_a_wall_is_where_a_leaf_proves_it() -> None:
    """What is left is finite, and no wall cuts off a portfolio that is better."""
    problem = small_problem(2, size=4).replace(limits=None, cost_multiplier=0.0)
    from dynopt_milp.proof.proving import _Proving

    proving = _Proving(problem, solve(problem).contracts, 1e-6, np.inf, None)
    walls = Walls(proving.stated, proving.norms, proving.cut, proving.digits)
    assert walls.endless is None
    assert len(walls.found) == 8
    assert all(low <= k <= high for low, k, high in zip(walls.lower, proving.positions or [], walls.upper, strict=True))


def test_the_commands(tmp_path: Path) -> None:
    example_problem(50_000).to_json(tmp_path / "P.json")
    done = run("prove", "P.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "verified: the optimum lies between" in done.stdout
    proof = tmp_path / "P.proof.json.gz"
    checked = run("verify", tmp_path / "P.json", proof)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.strip() in done.stdout
    as_json = read_json(run("verify", tmp_path / "P.json", proof, "--json").stdout)
    assert as_json["verified"]
    assert as_json["positions"] == dict(solve(example_problem(50_000)).positions)
    proved = read_json(run("prove", tmp_path / "P.json", "--out", tmp_path / "x", "--json").stdout)
    assert proved["lower"] == as_json["lower"]
    assert proved["bytes"] == (tmp_path / "x").stat().st_size


def refused(*arguments: Any) -> tuple[int, str]:
    done = run(*arguments)
    assert done.stdout == "" or "--json" in arguments
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.returncode, done.stderr


def test_what_the_commands_refuse(tmp_path: Path) -> None:
    problem, other, proof = tmp_path / "P.json", tmp_path / "Q.json", tmp_path / "P.proof.json.gz"
    example_problem(50_000).to_json(problem)
    example_problem(60_000).to_json(other)
    solve(example_problem(50_000), proof=proof)
    assert refused("verify", other, proof) == (3, f"error: {proof}: refused: it is a proof of another problem\n")
    assert refused("verify", tmp_path / "no", proof)[0] == 2
    assert refused("verify", problem, tmp_path / "no")[0] == 2
    assert refused("verify", problem, problem)[0] == 3
    assert refused("verify", problem, tmp_path)[0] == 2
    lines = gzip.decompress(proof.read_bytes()).splitlines(keepends=True)
    proof.write_bytes(gzip.compress(b"".join(lines[:-1])))
    code, said = refused("verify", problem, proof, "--json")
    assert (code, "ends before its last leaf" in said) == (3, True)
    assert refused("prove", problem, "--out", tmp_path / "no" / "x")[0] == 2
    example_problem(150_000).to_json(other)
    assert refused("prove", other, "--optimizer", "greedy")[0] == 3
    done = run("prove", other, "--optimizer", "greedy", "--json")
    assert (done.returncode, read_json(done.stdout)["verified"]) == (3, False)
    assert refused("prove", other, "--time-limit", "0.0")[0] == 3
    assert refused("verify", proof, problem)[1].startswith(f"error: {proof}: is not a text file")
    assert refused("prove", problem, "--gap", "7")[0] == 2
    assert refused("prove", problem, "--gap", "0")[0] == 2
    before = problem.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(problem)
    assert "is the problem file" in refused("prove", problem, "--out", link)[1]
    assert problem.read_bytes() == before
    assert refused("prove", problem, "--out", "/dev/null")[0] == 2
    assert not Path("/dev/null").is_file()
    assert not list(tmp_path.glob("*Q*gz"))


@pytest.mark.parametrize(
    ("house", "limits"),
    [
        ([rules.gross(1), rules.net(1.2)], None),
        ([rules.one_of(["US2", "US5"])], Limits(lower={"US2": 1, "US5": 1})),
        ([rules.risk(0.02), rules.exposure({"ES_micro": 1}, lower=20)], None),
        ([rules.group(["US2", "US5"], 40, of="contracts"), rules.max_order(3)], None),
    ],
)
def test_rules_that_contradict_each_other_have_short_proofs(house: list[rules.Rule], limits: Limits | None) -> None:
    problem = example_problem(100_000).replace(rules=house, limits=limits)
    assert solve(problem).status is Status.INFEASIBLE
    proof = prove(problem)
    assert proof.verify().positions is None
    assert proof.leaves < 100


def test_of_no_portfolio_the_command_says_so(tmp_path: Path) -> None:
    problem = small_problem(1).replace(rules=[rules.group(["A", "B", "C"], 40, of="contracts")])
    problem.to_json(tmp_path / "P.json")
    done = run("prove", tmp_path / "P.json")
    assert done.returncode == 0, done.stderr
    assert "verified: no portfolio keeps limits and rules" in done.stdout
    small_problem(1).to_json(tmp_path / "P.json")
    with pytest.raises(Refused):
        verify(tmp_path / "P.json", tmp_path / "P.proof.json.gz")


def test_targets_that_are_whole_but_for_round_off_have_proofs() -> None:
    """The optimum is next to nothing, among contracts whose risk has other digits."""
    random = np.random.default_rng(3)
    factor = random.normal(size=(8, 8))
    whole = random.integers(-60, 60, size=8).astype(np.float64)
    off = random.uniform(-1, 1, size=8)
    for by in (1e-16, 1e-14, 1e-10):
        target = whole + np.abs(whole) * by * off
        problem = Problem(
            factor.T @ factor, target, np.full(8, 0.1), limits=Limits(lower=whole - 2, upper=whole + 2),
            instruments=list("ABCDEFGH"),
        )  # fmt: skip
        found = prove(problem).verify()
        assert list((found.positions or {}).values()) == whole.tolist()
        assert 0 < found.lower <= found.upper < 1e-6  # type: ignore[operator]


@pytest.mark.parametrize("budget", [rules.turnover(0.0), rules.cost(0.0)])
def test_a_budget_of_zero_is_proved_from_what_is_held(budget: rules.Rule) -> None:
    """What is allowed, holding on, adds up to nothing: round-off of a line through it must not forbid it."""
    problem = Problem(
        np.eye(2), [2.5, 0.5], [0.342108892793976, 0.438061878809811], [-3, 3], [2.42248997539786, 2.86946833217320],
        1.0, instruments=["A", "B"], limits=Limits(reduce_only=["A", "B"]), rules=[budget],
    )  # fmt: skip
    assert prove(problem).verify().positions == {"A": -3, "B": 3}


def test_caps_of_covariances_of_several_ranks_have_proofs() -> None:
    """Each cap has a vector of as many entries as its own matrix has rows."""
    random, size = np.random.default_rng(4), 5
    flat = random.normal(size=(2, size)) * 0.3
    problem = small_problem(4, size=size, cost_multiplier=3.0).replace(
        rules=[rules.risk(0.2), rules.risk(0.1, covariance=flat.T @ flat)]
    )
    solution = solve(problem)
    held = None if solution.status is Status.INFEASIBLE else dict(solution.positions)
    assert prove(problem, solution).verify().positions == held


def test_what_the_checker_refuses_is_not_handed_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A leaf is spoiled where float64 made it."""
    from dynopt_milp.proof import proving

    line = proving._line
    monkeypatch.setattr(proving, "_line", lambda node: line({"psi": []} if "psi" in node else node))
    problem = example_problem(50_000)
    with pytest.raises(ProofError, match=r"float64 lost too much: leaf \d+ has a bound of"):
        prove(problem)
    with pytest.raises(ProofError, match="too low"):
        solve(problem, proof=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_check_is_within_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from dynopt_milp.proof.proof import Proof

    problem, verify_ = example_problem(50_000), Proof.verify

    def slowly(self: Proof, through: Any = iter) -> Any:
        def waiting(lines: Any) -> Any:
            time.sleep(3.0)
            yield from lines

        return verify_(self, lambda lines: through(waiting(lines)))

    prove(problem)  # compiles
    monkeypatch.setattr(Proof, "verify", slowly)
    with pytest.raises(ProofError, match="the time limit came first, while it was checked"):
        prove(problem, solve(problem), time_limit=2.5)


def test_a_refused_proof_is_grown_again_with_more_room_for_round_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where float64 takes a bound for more than it is, the next proof aims higher."""
    from dynopt_milp.proof import proving

    init = proving._Proving.__init__
    cuts: list[float] = []

    def optimistic(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        cuts.append(self.cut)
        if len(cuts) == 1:
            self.cut *= 1 - 1e-3  # what float64 has lost

    monkeypatch.setattr(proving._Proving, "__init__", optimistic)
    proof = prove(example_problem(150_000))
    assert len(cuts) == 2
    assert cuts[0] < cuts[1]
    assert proof.verify().positions is not None


def test_the_clock_is_looked_at_often_where_nodes_are_large() -> None:
    """Tables of a hundred thousand positions, and a rule: thousands of nodes would take most of a minute."""
    random, size, most = np.random.default_rng(0), 8, 50_000
    factor = random.normal(size=(size, 2))
    problem = Problem(
        factor @ factor.T * 0.04 + np.eye(size) * 0.01, random.normal(size=size) * most / 3,
        10.0 ** random.uniform(-6, -5, size=size), np.zeros(size), np.full(size, 1e-4), 50.0,
        instruments=list("ABCDEFGH"), limits=Limits(lower=np.full(size, -most), upper=np.full(size, most)),
        rules=[rules.net(lower=0.0, upper=0.0)],
    )  # fmt: skip
    solution = solve(problem, time_limit=0.5)
    began = time.monotonic()
    with pytest.raises(ProofError, match="the time limit came first"):
        prove(problem, solution, time_limit=1.0)
    assert time.monotonic() - began < 30  # 48 before, on a machine on which this takes 3


def test_a_rule_that_is_broken_by_next_to_nothing_is_refuted_by_itself() -> None:
    """The target is worth nothing and breaks a limit in the tenth digit: no multiplier of float64 is large enough."""
    weight = np.array([0.591643238600348, 0.09371233582268508, 0.5314011734297701, 0.13538119918723224])
    problem = Problem(
        np.eye(4), [0.0, 1.0, 0.0, 1.0], weight, instruments=list("ABCD"), rules=[rules.gross(0.22909353478082378)]
    )  # fmt: skip
    found = prove(problem).verify()
    assert found.positions is not None
    assert sum(map(abs, found.positions.values())) == 1


def test_a_cap_of_no_risk_at_all_is_kept_by_nothing_held() -> None:
    """Round-off around zero does not count as a cap that is broken."""
    problem = Problem(
        [[0.5, 0.1], [0.1, 0.3]], [3.00001185579, -2.99998814420], [0.0536355890029, 0.0035621143036],
        [-2, 1], cost_multiplier=50.0, instruments=["A", "B"], limits=Limits(lower=[0, -3], upper=[1, 0]),
        rules=[rules.risk(0.0), rules.risk(0.0)],
    )  # fmt: skip
    assert prove(problem).verify().positions == {"A": 0, "B": 0}
