"""The checker, held against proofs made by hand, by a script, and changed at random; and against hostile files."""

from __future__ import annotations

import copy
import gzip
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dynopt_milp import Problem, prove, solve
from proof_checker import FORMAT, Refused, check, checker, verify
from proof_checker.exact import root
from proof_checker.problem import Problem as Stated
from proof_checker.report import decimal, report, to_dict
from tests.proof_checker.enumerated import content_of, optimum, small_problem, split_to_points

ROOT = Path(__file__).resolve().parents[2]
EXPOSURE = {"rule": "exposure", "coefficients": {"A": 1.0, "C": -2.0}, "upper": 1.0, "lower": -4.0}
HOLDINGS = {"rule": "max_holdings", "most": 2}
RISK = {"rule": "risk", "limit": 0.15}
RULES: list[tuple[dict[str, Any], ...]] = [(), (EXPOSURE,), (HOLDINGS, RISK)]


def header_of(content: dict[str, Any], **changes: Any) -> str:
    made = {"format": FORMAT, "problem": Stated(content).hash, "gap": 1e-6, "digits": 0} | changes
    return json.dumps(made)


def one_future(**changes: Any) -> dict[str, Any]:
    """Volatility 20 %, a target of 0.3 contracts, nothing held, no limits: value(k) = 0.2·|0.3 − k|, plus cost."""
    content = {
        "format": "dynopt-milp problem 2", "instruments": ["A"], "covariance": [[0.04]], "weight_per_contract": [1.0],
        "optimal_positions": [0.3], "previous_positions": [0], "cost_in_weight_terms": [0.0], "cost_multiplier": 50.0,
    }  # fmt: skip
    return content | changes


BY_HAND = ["[0, 0]", '{"psi": [1]}', '{"psi": [-1]}']
"""Up to zero the error is 0.2·(0.3 − k) at least, above it 0.2·(k − 0.3)."""


def test_a_proof_made_by_hand() -> None:
    content = one_future()
    found = check(content, iter([header_of(content, positions=[0], factors=[[[0.2]]]), *BY_HAND]))
    assert found.positions == {"A": 0}
    assert found.lower == found.upper == Fraction(0.2) * Fraction(0.3)
    assert found.leaves == 2
    assert 0 < found.difference < Fraction(1, 2**48)  # 0.2² is not 0.04
    assert abs(found.stored - found.upper) < Fraction(1, 2**50)


def test_the_same_with_a_cost_that_holds_infinite_sides() -> None:
    """cᵢ ≤ γ upwards and cᵢ ≥ −γ downwards: with a penalty of 0.205 a contract one leaf is enough."""
    content = one_future(cost_in_weight_terms=[0.0041])
    header = header_of(content, positions=[0], factors=[[[0.2]]])
    found = check(content, iter([header, '{"psi": [1]}']))
    assert found.lower == found.upper == Fraction(0.2) * Fraction(0.3)
    content = one_future(cost_in_weight_terms=[0.003])  # of 0.15 it is not: upwards the bound falls without end
    with pytest.raises(Refused, match="leaf 1 has a bound of -inf"):
        check(content, iter([header_of(content, positions=[0], factors=[[[0.2]]]), '{"psi": [1]}']))


def test_a_rule_made_by_hand() -> None:
    """2k ≥ 1 leaves k ≥ 1: μ = ½ on the row −2k ≤ −1 says that no k ≤ 0 keeps it."""
    content = one_future(rules=[{"rule": "exposure", "coefficients": {"A": 2.0}, "lower": 1.0}])
    lines = ["[0, 0]", '{"mu": [0.5]}', '{"psi": [-1]}']
    found = check(content, iter([header_of(content, positions=[1], factors=[[[0.2]]]), *lines]))
    assert found.positions == {"A": 1}
    assert found.lower == found.upper == Fraction(0.2) * (1 - Fraction(0.3))
    with pytest.raises(Refused, match="breaks rule 1"):
        check(content, iter([header_of(content, positions=[0], factors=[[[0.2]]]), *lines]))
    lines[1] = '{"mu": [0.0]}'
    with pytest.raises(Refused, match="does not show"):
        check(content, iter([header_of(content, positions=[1], factors=[[[0.2]]]), *lines]))


def test_a_cap_made_by_hand() -> None:
    """0.2·k ≤ 0.1 with a target of 3: k = 0; ν = 1 for χ = 1 says that no k ≥ 1 keeps it."""
    content = one_future(optimal_positions=[3.0], rules=[{"rule": "risk", "limit": 0.1}])
    lines = ["[0, 0]", '{"psi": [1]}', '{"caps": [[1.0, [1]]]}']
    found = check(content, iter([header_of(content, positions=[0], factors=[[[0.2]]]), *lines]))
    assert found.positions == {"A": 0}
    with pytest.raises(Refused, match="more risk"):
        check(content, iter([header_of(content, positions=[1], factors=[[[0.2]]]), *lines]))


def test_no_portfolio_made_by_hand() -> None:
    content = one_future(rules=[{"rule": "lot", "contracts": 5}], lower=[1], upper=[4])
    found = check(content, iter([header_of(content, positions=None, factors=[[[0.2]]]), "{}"]))
    assert found.positions is None
    assert "no portfolio keeps" in report(found)
    content["upper"] = [5]
    with pytest.raises(Refused, match="does not show"):
        check(content, iter([header_of(content, positions=None, factors=[[[0.2]]]), "{}"]))
    with pytest.raises(Refused, match="too low"):
        check(content, iter([header_of(content, positions=None, factors=[[[0.2]]]), '{"psi": [1]}']))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (BY_HAND[:2], "ends before its last leaf"),
        ([*BY_HAND, '{"psi": [1]}'], "goes on behind"),
        (["[0, 0]", '{"psi": [-1]}', '{"psi": [1]}'], "too low"),
        (["[0, 0]", '{"psi": [2]}', '{"psi": [-1]}'], "longer than 1"),
        (["[0, 0]", '{"psi": [1, 0]}', '{"psi": [-1]}'], "longer than 1|another length"),
        (["[0, 1]", '{"psi": [1]}', '{"psi": [-1]}'], "too low"),
        (["[1, 0]", '{"psi": [1]}', '{"psi": [-1]}'], "IndexError"),
        (["[-1, 0]", '{"psi": [1]}', '{"psi": [-1]}'], "negative place"),
        (["[0, 0.5]", '{"psi": [1]}', '{"psi": [-1]}'], "whole number"),
        (["[0, 0]", '{"psi": [true]}', '{"psi": [-1]}'], "expected a number"),
        (["[0, 0]", "{}", '{"psi": [-1]}'], "does not show"),
    ],
)
def test_a_wrong_tree_is_refused_with_its_reason(lines: list[str], reason: str, tmp_path: Path) -> None:
    content = one_future()
    header = header_of(content, positions=[0], factors=[[[0.2]]])
    with pytest.raises(Refused, match=reason):
        verify(*written(tmp_path, content, [header, *lines]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"positions": [1]}, "too low"),
        ({"positions": [0, 0]}, "zip"),
        ({"positions": [0.5]}, "whole number"),
        ({"factors": [[[0.3]]]}, "not the covariance"),
        ({"factors": []}, "empty sequence"),
        ({"factors": [[[0.2], [1e-7]]]}, "more rows than there are instruments"),
        ({"digits": 65}, "too many digits"),
        ({"problem": "0" * 64}, "another problem"),
        ({"format": "dynopt-milp proof 2"}, "another format"),
        ({"gap": -0.1}, "too low"),
    ],
)
def test_a_wrong_header_is_refused_with_its_reason(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    content = one_future()
    header = header_of(content, **{"positions": [0], "factors": [[[0.2]]]} | changes)
    with pytest.raises(Refused, match=reason):
        verify(*written(tmp_path, content, [header, *BY_HAND]))


def test_the_hash_is_of_what_the_problem_says_not_of_how() -> None:
    content = one_future()
    other = one_future(covariance=[[0.05]], cost_multiplier=50, format="dynopt-milp problem 1")
    assert Stated(content).hash == Stated(dict(reversed(list(other.items())))).hash
    for name, changed in (
        ("optimal_positions", [0.4]), ("cost_multiplier", 49.0), ("upper", [3]), ("instruments", ["B"]),
        ("previous_positions", [1]), ("long_only", True),
    ):  # fmt: skip
        assert Stated(one_future(**{name: changed, "cost_in_weight_terms": [0.001]})).hash != Stated(content).hash


def written(folder: Path, content: Any, lines: list[str]) -> tuple[Path, Path]:
    problem, proof = folder / "problem.json", folder / "proof.json.gz"
    problem.write_text(json.dumps(content), encoding="utf-8")
    proof.write_bytes(gzip.compress("\n".join(lines).encode()))
    return problem, proof


@pytest.mark.parametrize("seed", range(8))
def test_proofs_that_a_script_makes_portfolio_by_portfolio(seed: int) -> None:
    problem = small_problem(seed)
    lines = split_to_points(problem)
    found = check(content_of(problem), iter(lines))
    true = optimum(problem, json.loads(lines[0])["factors"][0])
    assert true is not None
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= true[1] <= found.upper * (1 + Fraction(1, 10**50))
    assert found.lower >= found.upper * (1 - Fraction(1, 10**6))
    assert list(found.positions.values()) == solve(problem).contracts.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_proved_is_true(seed: int) -> None:
    problem = small_problem(seed, *RULES[seed % 3])
    proof = prove(problem)
    found, true = proof.verify(), optimum(problem, json.loads(proof.lines[0])["factors"][0])
    if true is None:
        assert found.positions is None
        return
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= true[1]
    assert true[0] <= found.upper
    assert 1 - found.lower / found.upper <= 1e-6


PARTS, CHANGES = 5, 2000
"""Ten thousand changes."""


@pytest.mark.parametrize("part", range(PARTS))
def test_a_changed_proof_is_refused_or_true(part: int) -> None:
    draw, counted = random.Random(part), Counter[str]()
    known = [small_problem(100 * part + number, *RULES[number % 3], size=2 + (number < 3)) for number in range(12)]
    proofs = [(problem, content_of(problem), list(prove(problem).lines)) for problem in known]
    optima: dict[str, tuple[Fraction, Fraction] | None] = {}
    for _ in range(CHANGES):
        problem, content, lines = draw.choice(proofs)
        changed = change(list(lines), draw, [other for _, _, other in proofs])
        try:
            found = check(copy.deepcopy(content), iter(changed))
        except Refused as error:
            counted[str(error)[:20]] += 1
            continue
        except FORMAT_ERRORS:
            counted["format"] += 1  # which `verify` makes a refusal of
            continue
        counted["true"] += 1
        factor = json.loads(changed[0])["factors"][0]
        key = json.dumps([content, factor])
        if key not in optima:
            optima[key] = optimum(problem, factor)
        true = optima[key]
        if found.positions is None:
            assert true is None
            continue
        assert true is not None
        assert found.lower is not None
        assert found.upper is not None
        assert found.lower <= true[1]
        assert true[0] <= found.upper
    assert counted.total() == CHANGES
    assert len(counted) > 8, counted
    assert 0.01 * CHANGES < counted["true"] < 0.5 * CHANGES, counted


FORMAT_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, StopIteration)
NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 0.5, -0.0, 1e308, -1e308, 5e-324, 2**53 + 1, 10**300, float("nan"), float("inf"), True, None, "1", [],
    {}, [[1]],
)  # fmt: skip


def change(lines: list[str], draw: random.Random, others: list[list[str]]) -> list[str]:
    """The lines of a proof after one change."""
    at = draw.randrange(len(lines))
    kind = draw.randrange(10)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[draw.randrange(len(lines))])
    elif kind == 2:
        other = draw.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines = draw.choice(others)
    elif kind == 4:
        lines[0] = draw.choice(others)[0]
    elif kind == 5:
        lines[at] = lines[at][: draw.randrange(len(lines[at]) + 1)]
    elif kind == 6:
        place = draw.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + draw.choice('0123456789-.,[]{}"e') + lines[at][place + 1 :]
    else:
        node = json.loads(lines[at])
        change_within(node, draw)
        lines[at] = json.dumps(node)
    return lines


def change_within(node: Any, draw: random.Random) -> None:
    """Change a number, or leave something out, somewhere inside."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = draw.choice(keys)
        if isinstance(node[key], (dict, list)) and node[key] and draw.random() < 0.9:
            node = node[key]
            continue
        if draw.random() < 0.15:
            del node[key]
        elif isinstance(node[key], (int, float)) and not isinstance(node[key], bool) and draw.random() < 0.7:
            node[key] = draw.choice([node[key] + 1, node[key] - 1, -node[key], 2 * node[key], node[key] * (1 + 2**-52),
                                     node[key] * draw.uniform(0, 2)])  # fmt: skip
        else:
            node[key] = draw.choice(NUMBERS)
        return


def test_of_a_changed_problem_a_proof_is_refused(tmp_path: Path) -> None:
    problem = small_problem(4, EXPOSURE)
    lines = list(prove(problem).lines)
    draw = random.Random(1)
    for _ in range(300):
        content = content_of(problem)
        change_within(content, draw)
        if content == content_of(problem):
            continue
        try:
            found = verify(*written(tmp_path, content, lines))
        except Refused:
            continue
        changed = Problem.from_dict(content)  # only what does not matter to the checker, or 2⁻⁵² of a covariance
        assert (np.abs(changed.covariance / problem.covariance - 1) < 1e-14).all()
        assert list(found.positions.values()) == solve(changed).contracts.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(lambda: b"", "not of the format", id="empty"),
        pytest.param(lambda: b"no gzip", "BadGzipFile|EOFError", id="no gzip"),
        pytest.param(lambda: gzip.compress(b"[" * 1_000_000), "RecursionError", id="deep list"),
        pytest.param(lambda: gzip.compress(b'{"format": ' * 100_000), "RecursionError", id="deep object"),
        pytest.param(lambda: gzip.compress(b'{"format": ' + b"9" * 1_000_000), "not of the format", id="long number"),
        pytest.param(lambda: gzip.compress(b" " * (80 << 20)), "more than 64 MB", id="one long line"),
        pytest.param(lambda: gzip.compress(b"\n" * (80 << 20)), "not of the format|64 MB", id="empty lines"),
        pytest.param(lambda: gzip.compress(b"null\n" * 100), "not of the format", id="nulls"),
        pytest.param(lambda: gzip.compress(b"\xff\xfe\x00"), "not of the format", id="no text"),
        pytest.param(
            lambda: gzip.compress(b'{"format": "dynopt-milp proof 1"}')[:-9], "BadGzipFile|EOFError", id="cut off"
        ),
    ],
)
def test_a_hostile_file_is_refused(made: Callable[[], bytes], reason: str, tmp_path: Path) -> None:
    problem, proof = written(tmp_path, one_future(), [])
    data = made()
    proof.write_bytes(data)
    with pytest.raises(Refused, match=reason):
        verify(problem, proof)
    if len(data) < 10_000:
        problem.write_bytes(data)
        with pytest.raises(Refused):
            verify(problem, proof)


def test_a_tree_of_too_many_nodes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "MOST_NODES", 9_000)
    monkeypatch.setattr(checker, "MOST_OPEN", 8_000)
    content = one_future()
    header = header_of(content, positions=[0], factors=[[[0.2]]])
    for nodes in (["[0, 0]"] * 8_002, ["[0, 0]", '{"psi": [1]}'] * 4_501):
        problem, proof = written(tmp_path, content, [header, *nodes])
        with pytest.raises(Refused, match="more than a million nodes, ten thousand boxes"):
            verify(problem, proof)


def test_files_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = one_future()
    problem, proof = written(tmp_path, content, [header_of(content, positions=[0], factors=[[[0.2]]]), *BY_HAND])
    verify(problem, proof)
    with monkeypatch.context() as patch:
        patch.setattr(checker, "MOST_HEAD", 100)
        with pytest.raises(Refused, match="more than 24 MB"):
            verify(problem, proof)
    with monkeypatch.context() as patch:
        patch.setattr(checker, "MOST_LINE", 10)
        with pytest.raises(Refused, match="a node of more than 1 MB"):
            verify(problem, proof)
    whole = proof.read_bytes()
    proof.write_bytes(whole + bytes(100))  # gzip pads with zeros
    verify(problem, proof)
    with monkeypatch.context() as patch:
        patch.setattr(checker, "MOST_BYTES", len(whole) + 50)
        with pytest.raises(Refused, match="more than 64 MB"):
            verify(problem, proof)


def test_a_field_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    content = one_future()
    problem, proof = written(tmp_path, content, [header_of(content, positions=[0], factors=[[[0.2]]]), *BY_HAND])
    problem.write_text(problem.read_text().replace('"cost_multiplier"', '"rules": [], "rules": [], "cost_multiplier"'))
    with pytest.raises(Refused, match="there twice"):
        verify(problem, proof)


def test_an_impact_whose_slope_is_zero_by_symmetry() -> None:
    """Held 10, to 0 and back: at 5 the impact of the trade and that of the roll have slopes that cancel."""
    content = one_future(
        optimal_positions=[5.0], previous_positions=[10], lower=[0], upper=[10], cost_multiplier=1.0,
        order_costs={"impact": [0.001], "rolls": [1.0]},
    )  # fmt: skip
    found = check(content, iter([header_of(content, positions=[5], factors=[[[0.2]]]), '{"psi": []}']))
    assert float(found.upper) == pytest.approx(2 * 0.001 * 5**1.5)
    assert found.lower <= found.upper <= found.lower * (1 + Fraction(1, 2**100))


def test_huge_numbers_are_refused_or_computed_with(tmp_path: Path) -> None:
    content = one_future()
    header = header_of(content, positions=[0], factors=[[[0.2]]])
    for node in ("[0, 1" + "0" * 4000 + "]", '{"psi": [1' + "0" * 4000 + "]}", '{"psi": [1e300]}', "[0, 1e999]"):
        with pytest.raises(Refused):
            verify(*written(tmp_path, content, [header, node, *BY_HAND[1:]]))


def test_roots_are_next_to_the_root() -> None:
    for number in (Fraction(2), Fraction(1, 3), Fraction(10**40 + 1, 7), Fraction(0), Fraction(9, 4)):
        low, high = root(number), root(number, 1)
        assert low * low <= number <= high * high
        assert high - low <= Fraction(1, 2**127)
    assert root(Fraction(9, 4), 1) == Fraction(3, 2)


@pytest.mark.parametrize(
    ("number", "down", "up"),
    [(Fraction(1, 3), "3.33e-01", "3.34e-01"), (Fraction(0), "0", "0"), (Fraction(999999), "9.99e+05", "1.0e+06"),
     (Fraction(-1, 3), "-3.34e-01", "-3.33e-01"), (Fraction(25, 10), "2.5", "2.5")],
)  # fmt: skip
def test_decimals_are_rounded_outward(number: Fraction, down: str, up: str) -> None:
    assert (decimal(number, 3, up=False), decimal(number, 3)) == (down, up)


def test_python_alone_is_enough(tmp_path: Path) -> None:
    """No site packages, no other folder: as somebody has it who copied the checker."""
    problem = small_problem(5, HOLDINGS)
    files = written(tmp_path, content_of(problem), list(prove(problem).lines))
    command = [sys.executable, "-I", "-S", "-c", f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); "
               "runpy.run_module('proof_checker', run_name='__main__')"]  # fmt: skip
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == report(verify(*files)) + "\n"
    files[1].write_bytes(b"")
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("refused: ")


def test_the_checker_is_short() -> None:
    lines = sum(len((ROOT / "proof_checker" / name).read_text(encoding="utf-8").splitlines())
                for name in ("exact.py", "bound.py", "checker.py"))  # fmt: skip
    assert lines <= 300


def test_json_is_what_is_printed() -> None:
    content = one_future()
    found = check(content, iter([header_of(content, positions=[0], factors=[[[0.2]]]), *BY_HAND]))
    said = to_dict(found)
    assert json.loads(json.dumps(said)) == said
    assert (said["lower"], said["upper"]) == ("6.0e-02", "6.00000000000001e-02")
    assert said["lower"] in report(found)
    assert said["gap"] == 0
    assert isinstance(found.upper, Fraction)
