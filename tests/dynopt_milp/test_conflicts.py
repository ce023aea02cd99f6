"""Where rules leave no portfolio: the conflict that is named, and the remedies, against all portfolios there are."""

from __future__ import annotations

import io
import itertools
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dynopt_milp import Limits, NoPortfolioError, Problem, SolveInterrupted, Status, rules, solve
from dynopt_milp.errors import SolverError
from dynopt_milp.problem.conflict import Conflict, Remedy
from dynopt_milp.rules import Rule
from dynopt_milp.show import show_solution
from dynopt_milp.solvers import conflict as searching
from dynopt_milp.solvers.conflict import find_conflict
from dynopt_milp.solvers.conflict_members import Member, OfLimit, OfRule, drafted, members_of
from formulations import FloatArray

NAMES = ("A", "B", "C", "D")
REACH = {1: 40, 2: 25, 3: 12, 4: 7}


def problem_of(random: np.random.Generator, size: int) -> Problem:
    """A problem of a few instruments, often with limits, some positions fixed, some of one underlying."""
    names = NAMES[:size]
    covariance = np.cov(random.normal(size=(size, 3 * size)) * 0.1).reshape(size, size)
    lower, upper = random.integers(-4, 1, size).astype(float), random.integers(0, 5, size).astype(float)
    lower[random.random(size) < 0.2], upper[random.random(size) < 0.2] = -np.inf, np.inf
    some = [name for name in names if random.random() < 0.25]
    limits = Limits(
        lower if random.random() < 0.7 else None,
        upper if random.random() < 0.7 else None,
        long_only=some if random.random() < 0.3 else False,
        no_trade=some if random.random() < 0.2 else False,
        one_side=random.random() < 0.5,
    )
    previous = np.clip(random.integers(-3, 4, size), lower, upper)
    return Problem(
        covariance, random.normal(size=size) * 2, random.uniform(0.2, 1.5, size), previous,
        random.uniform(0, 0.01, size), limits=limits, instruments=names,
        underlying=["S" if random.random() < 0.6 else name for name in names],
    )  # fmt: skip


def rule_of(random: np.random.Generator, kind: str, names: tuple[str, ...], previous: FloatArray) -> Rule:
    """A rule of a kind, that is hard to keep beside others."""
    u = random.uniform
    whole = {name: int(random.integers(-2, 3)) for name in names}
    some = list(names[: int(random.integers(1, len(names) + 1))])
    size = int(random.integers(2, 7))
    low = float(random.choice([-1, 1]) * u(0.3, 6))
    made: dict[str, Any] = {
        "margin": lambda: rules.margin({name: u(0.5, 2) for name in names}, u(0, 6)),
        "exposure": lambda: rules.exposure(whole if u() < 0.5 else u(0.5, 2), low, low + u(0, 2)),
        "gross": lambda: rules.gross(u(0, 3)),
        "net": lambda: rules.net(low, low + u(0, 0.3)) if u() < 0.5 else rules.net(upper=-u(0.5, 3)),
        "turnover": lambda: rules.turnover(u(0, 1)),
        "cost": lambda: rules.cost(u(0, 0.005)),
        "group": lambda: rules.group(some, *[(1, None), (None, -1), (2.5, 2.9)][random.integers(3)], of="contracts"),
        "group of gross": lambda: rules.group(some, u(0.5, 4), of="gross"),
        "group of margin": lambda: rules.group(some, u(1, 6), of="margin", per_contract=2.5),
        "risk": lambda: rules.risk(u(0, 0.1), names=some if u() < 0.5 else None),
        "tracking_error": lambda: rules.tracking_error(u(0, 0.1)),
        "max_holdings": lambda: rules.max_holdings(int(random.integers(0, 2))),
        "max_orders": lambda: rules.max_orders(int(random.integers(0, 2))),
        "one_of": lambda: rules.one_of(names[:2]),
        "lot": lambda: rules.lot(size if u() < 0.5 else dict.fromkeys(some, size)),
        "min_position": lambda: rules.min_position(size if u() < 0.5 else dict.fromkeys(some, size)),
        "min_order": lambda: rules.min_order(size if u() < 0.5 else dict.fromkeys(some, size)),
        "max_order": lambda: rules.max_order(int(random.integers(0, 2))),
    }  # fmt: skip
    made |= {"least": lambda: rules.exposure(1.0, lower=float(size))}
    found: Rule = made[kind]()
    return found


KINDS = (
    "margin", "exposure", "gross", "net", "turnover", "cost", "group", "group of gross", "group of margin", "risk",
    "tracking_error", "max_holdings", "max_orders", "one_of", "lot", "min_position", "min_order", "max_order", "least",
)  # fmt: skip


def exists(problem: Problem) -> bool:
    """Whether there is a portfolio, by looking at all that are near."""
    reach, program = REACH[len(problem.instruments)], problem.program()
    lower, upper = np.maximum(program.lower, -reach), np.minimum(program.upper, reach)
    ranges = [np.arange(low, high + 1) for low, high in zip(lower, upper, strict=True)]
    points = np.array(list(itertools.product(*ranges)), dtype=float).reshape(-1, program.size)
    return bool((program.keeps_rules(points) & program.one_sided(points)).any())


def assert_exists(problem: Problem) -> None:
    if not exists(problem):  # further away
        near = Limits(np.maximum(problem.lower, -60), np.minimum(problem.upper, 60), one_side=problem.limits.one_side)
        assert solve(problem.replace(limits=near), gap=0.9).contracts is not None


def assert_true(problem: Problem, conflict: Conflict) -> list[Member]:
    """All that is said of a conflict; returns its members."""
    everything = members_of(problem)
    members = [next(one for one in everything if one.words == words) for words in conflict.members]
    assert not exists(drafted(problem, members))
    if conflict.irreducible:
        for member in members:
            assert_exists(drafted(problem, [other for other in members if other is not member]))
    said = {remedy.member: remedy for remedy in conflict.remedies}
    assert [remedy.size for remedy in conflict.remedies] == sorted(remedy.size for remedy in conflict.remedies)
    for member in members:
        others = [other for other in everything if other is not member]
        remedy = said.get(member.words)
        if remedy is not None:
            assert_remedy(problem, member, others, remedy)
        elif conflict.settled:
            assert not exists(drafted(problem, others))
    return members


def assert_remedy(problem: Problem, member: Member, others: list[Member], remedy: Remedy) -> None:
    if remedy.after is None:
        assert_exists(drafted(problem, others))
        return
    assert remedy.before == member.number
    assert_exists(drafted(problem, [*others, member.at(remedy.after)]))
    if not remedy.smallest:
        return
    if isinstance(member, OfRule) and member.rule.kind == "lot":
        assert remedy.before % remedy.after == 0
        less = [part for part in range(int(remedy.after) + 1, int(remedy.before)) if remedy.before % part == 0]
    elif isinstance(member, OfLimit) and member.fixed:
        less = [remedy.after - np.sign(remedy.after - remedy.before)]
    elif member.whole(problem):
        less = [np.ceil(remedy.after - 1)] if member.way > 0 else [np.floor(remedy.after + 1)]
    else:
        less = [remedy.after - member.way * 1.01e-6 * max(abs(remedy.after), abs(remedy.before))]
    for number in less:
        if member.way * (number - remedy.before) > 0 or (isinstance(member, OfRule) and member.rule.kind == "lot"):
            assert not exists(drafted(problem, [*others, member.at(number)]))


def test_conflicts_and_remedies_against_enumeration() -> None:
    seen, limits = set(), set()
    found = proved = hopeless = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        problem = problem_of(random, int(random.integers(1, 5)))
        kinds = [KINDS[seed % len(KINDS)], *random.choice(KINDS, int(random.integers(1, 4)))]
        kinds = [kind for kind in kinds if kind != "one_of" or len(problem.instruments) > 1]
        drawn = [rule_of(random, kind, problem.instruments, problem.previous_positions) for kind in kinds]
        problem = problem.replace(rules=drawn)
        if exists(problem):
            continue
        conflict = find_conflict(problem, time_limit=20.0)
        found += 1
        if conflict is None:  # nothing could be left out, nor be proved to be needed
            continue
        proved += conflict.irreducible and conflict.settled
        assert "\n" not in str(conflict)
        members = assert_true(problem, conflict)
        seen |= {member.rule.kind for member in members if isinstance(member, OfRule)}
        limits |= {member.what.split()[0] for member in members if not isinstance(member, OfRule)}
        hopeless += not conflict.remedies
    assert seen == {kind.split()[0] for kind in KINDS if kind != "least"}
    assert limits == {"lower", "upper", "only", "one_side"}
    assert found > 100
    assert proved > 0.85 * found  # the others have no portfolio without limits either, which is not proved
    assert hopeless


def three(**changes: Any) -> Problem:
    made = Problem(
        np.eye(3) * 0.04 + 0.01, [2.4, -1.3, 0.6], [0.5, 0.4, 1.0], [1, 0, 2], 0.001,
        instruments=("GOLD", "OIL", "BOND"), limits=Limits(-9, 9),
    )  # fmt: skip
    return made.replace(**changes)


def conflict_of(problem: Problem, **options: Any) -> Conflict:
    solution = solve(problem, **options)
    assert solution.status is Status.INFEASIBLE
    assert solution.conflict is not None
    assert solution.conflict.irreducible
    return solution.conflict


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a budget and a lower bound": (
        {"rules": [rules.gross(20), rules.margin(22_500, 100_000), rules.exposure({"GOLD": 1}, lower=5)]},
        "margin: Σ mᵢ|kᵢ| ≤ 100,000 and exposure: 5 ≤ Σ aᵢkᵢ leave none; margin, budget: 100,000 → 112,500 would do",
    ),
    "a limit": (
        {
            "rules": [rules.group(["GOLD", "OIL"], lower=5, of="contracts")],
            "limits": Limits(upper={"GOLD": 1, "OIL": 1}),
        },
        "group: 5 ≤ Σ kᵢ of GOLD, OIL, upper limit of GOLD: 1 and upper limit of OIL: 1 leave none; "
        "group, lower: 5 → 2 would do",
    ),
    "a rule of limits": (
        {"rules": [rules.exposure({"GOLD": 1}, upper=-1)], "limits": Limits(-9, 9, long_only=["GOLD"])},
        "exposure: Σ aᵢkᵢ ≤ −1 and lower limit of GOLD: 0 (long_only) leave none; exposure, upper: −1 → 0 would do",
    ),
    "a position that stays": (
        {
            "rules": [rules.max_holdings(1), rules.exposure({"GOLD": 1}, lower=1)],
            "limits": Limits(-9, 9, no_trade=["BOND"]),
        },
        "max_holdings: Σ 1[kᵢ ≠ 0] ≤ 1, exposure: 1 ≤ Σ aᵢkᵢ and only position of BOND: 2 (no_trade) leave none; "
        "max_holdings, most: 1 → 2 would do",
    ),
    "a lot": (
        {"rules": [rules.lot(12), rules.exposure({"GOLD": 1}, lower=4)]},
        "lot: kᵢ a multiple of 12, exposure: 4 ≤ Σ aᵢkᵢ and upper limit of GOLD: 9 leave none; "
        "upper limit of GOLD: 9 → 12 would do",
    ),
    "a size of one instrument": (
        {"rules": [rules.min_position({"GOLD": 4, "OIL": 7}), rules.exposure({"GOLD": 1}, lower=2, upper=3)]},
        "min_position: kᵢ = 0 or |kᵢ| ≥ mᵢ (GOLD 4), exposure: 2 ≤ Σ aᵢkᵢ and exposure: Σ aᵢkᵢ ≤ 3 leave none; "
        "min_position of GOLD: 4 → 3 would do",
    ),
    "no number": (
        {"rules": [rules.one_of(["GOLD", "OIL"]), rules.max_orders(0)], "previous_positions": [1, 1, 0]},
        "one_of: Σ 1[kᵢ ≠ 0] of GOLD, OIL ≤ 1 and max_orders: Σ 1[kᵢ ≠ pᵢ] ≤ 0 leave none; "
        "max_orders, most: 0 → 1 would do",
    ),
    "a risk": (
        {"rules": [rules.risk(0.1), rules.exposure({"GOLD": 1}, lower=4)]},
        "risk: sqrt(w'Σw) ≤ 0.1 and exposure: 4 ≤ Σ aᵢkᵢ leave none; ",
    ),
    "one alone": ({"rules": [rules.tracking_error(0.01)]}, "tracking_error: sqrt(e'Σe) ≤ 0.01 leaves none; "),
    "two conflicts": (
        {"rules": [rules.exposure({"GOLD": 1}, lower=10), rules.exposure({"OIL": 1}, lower=10)]},
        "exposure: 10 ≤ Σ aᵢkᵢ (rule 2) and upper limit of OIL: 9 leave none; no change of one of them alone would do, "
        "as there is another conflict besides",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_said(case: str) -> None:
    changes, said = CASES[case]
    problem = three(**changes)
    conflict = conflict_of(problem)
    assert_true(problem, conflict)
    assert str(conflict).startswith(said)
    assert conflict.settled


def test_a_number_that_looks_like_per_cent_is_not_proposed() -> None:
    conflict = conflict_of(three(rules=[rules.gross(99), rules.exposure({"GOLD": 1}, lower=500)], limits=None))
    assert {remedy.what: remedy.after for remedy in conflict.remedies} == {"gross, limit": None, "exposure, lower": 198}


def test_one_side_is_a_member() -> None:
    problem = three(
        underlying={"GOLD": "X", "OIL": "X"}, limits=Limits(-9, 9, one_side=True),
        rules=[rules.exposure({"GOLD": 1}, lower=1), rules.exposure({"OIL": 1}, upper=-1)],
    )  # fmt: skip
    conflict = conflict_of(problem)
    assert "one_side of X: GOLD, OIL" in conflict.members
    assert str(conflict.remedies[-1]) == "without one_side of X there is one"
    assert_true(problem, conflict)


def test_the_buffer_is_a_member() -> None:
    conflict = conflict_of(three(rules=[rules.lot(4)]), formulation="buffer_edge", buffer=0.05)
    assert conflict.members[-1] == "buffer: sqrt(e'Σe) ≤ 0.05"
    remedy = next(remedy for remedy in conflict.remedies if remedy.what == "buffer")
    assert remedy.after is not None
    wider = solve(three(rules=[rules.lot(4)]), formulation="buffer_edge", buffer=remedy.after)
    narrower = solve(three(rules=[rules.lot(4)]), formulation="buffer_edge", buffer=remedy.after * (1 - 1.1e-6))
    assert wider.status is Status.OPTIMAL
    assert narrower.status is Status.INFEASIBLE


def test_the_order_of_instruments_does_not_matter() -> None:
    for changes, _ in CASES.values():
        problem = three(**changes)
        names = list(reversed(problem.instruments))
        turned = Problem(
            pd.DataFrame(problem.covariance, problem.instruments, problem.instruments).loc[names, names],
            problem.labelled(problem.optimal_positions), problem.labelled(problem.weight_per_contract),
            problem.labelled(problem.previous_positions), problem.labelled(problem.cost_in_weight_terms),
            limits=problem.limits, rules=problem.rules, instruments=names,
        )  # fmt: skip
        assert conflict_of(turned) == conflict_of(problem)


def test_where_it_is_shown() -> None:
    solution = solve(three(**CASES["a budget and a lower bound"][0]))
    conflict = solution.conflict
    assert conflict is not None
    with pytest.raises(NoPortfolioError) as caught:
        _ = solution.positions
    assert str(caught.value) == f"no portfolio, the outcome is infeasible: {conflict}"
    written = json.loads(json.dumps(solution.to_dict(), allow_nan=False))["conflict"]
    assert written["members"] == list(conflict.members)
    assert written["remedy"] == conflict.remedy == "margin, budget: 100,000 → 112,500 would do"
    assert written["remedies"][0]["after"] == 112_500
    assert pickle.loads(pickle.dumps(solution)).conflict == conflict
    console = Console(width=200, file=io.StringIO())
    show_solution(solution, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(text in shown for text in (*conflict.members, *map(str, conflict.remedies)))
    assert solve(three(rules=[rules.gross(5)])).conflict is None
    assert solve(three()).to_dict()["conflict"] is None


def test_constraints_of_ones_own_are_not_looked_at() -> None:
    problem = three(**CASES["a budget and a lower bound"][0])
    conflict = conflict_of(problem, constraints=lambda k: [k[0] <= 4])
    assert conflict.remedy.endswith("; constraints of your own were not looked at")
    beside = solve(three(rules=[rules.exposure({"GOLD": 1}, lower=5)]), constraints=lambda k: [k[0] <= 4])
    assert beside.status is Status.INFEASIBLE
    assert beside.conflict is None


def test_no_time_and_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = three(**CASES["a budget and a lower bound"][0])
    assert solve(problem, time_limit=0.0).conflict is None
    assert find_conflict(problem, time_limit=0.0) is None

    def interrupt(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching.Searches, "find", interrupt)
    with pytest.raises(SolveInterrupted) as caught:
        solve(problem)
    assert caught.value.solution.status is Status.INFEASIBLE
    assert caught.value.solution.conflict is None


def test_an_error_on_the_way_leaves_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise SolverError("no")

    monkeypatch.setattr(searching.Searches, "find", fail)
    solution = solve(three(**CASES["a budget and a lower bound"][0]))
    assert solution.status is Status.INFEASIBLE
    assert solution.conflict is None


def test_rules_that_count_are_refuted_without_limits() -> None:
    """What is held is nine markets: two orders leave seven of them, however large positions may be."""
    problem = Problem(
        np.eye(9) * 0.04, np.full(9, 2.6), np.full(9, 0.1), np.full(9, 3), 0.001, instruments=tuple("ABCDEFGHI"),
        rules=[rules.max_orders(2), rules.max_holdings(5)],
    )  # fmt: skip
    found = solve(problem)
    assert found.status is Status.INFEASIBLE
    assert found.conflict is not None
    assert found.conflict.irreducible
    assert {(remedy.before, remedy.after) for remedy in found.conflict.remedies} == {(2.0, 4.0), (5.0, 7.0)}
