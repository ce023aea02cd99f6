"""Rows, caps and domains against plain formulas; the box that rules prove; the model in cvxpy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations import (
    CostTables,
    Domain,
    FloatArray,
    NormCap,
    Penalty,
    ProgramError,
    Row,
    Rules,
    TrackingProgram,
    restrict,
    rule_box,
)
from tests.random_rules import points, ruled_program

INF = np.inf
SEEDS = st.integers(0, 2**32 - 1)


def plain_sum(row: Row, positions: FloatArray, previous: FloatArray, origin: FloatArray) -> tuple[float, float]:
    """Σ aᵢ(kᵢ) and Σ|aᵢ(kᵢ)|, by the formula."""
    terms = []
    for place, position in enumerate(positions):
        alpha, beta, gamma, delta, epsilon = row.coefficients[:, place]
        away, traded = position - origin[place], position - previous[place]
        term = alpha * away + beta * abs(away) + gamma * abs(traded)
        term += (delta if away else 0.0) + (epsilon if traded else 0.0)
        if row.tables is not None and row.tables.width[place]:
            first, table = row.tables.of_place(place)
            term += table[int(position - first)]
        terms.append(term)
    return math.fsum(terms), math.fsum(map(abs, terms))


def plainly_allowed(domain: Domain, place: int, position: float, held: float, zero: float) -> bool:
    if (position - zero) % domain.lot[place] != 0 or abs(position - held) > domain.most_order[place]:
        return False
    if position == zero:
        return True
    return abs(position - zero) >= domain.least[place] and (
        position == held or abs(position - held) >= domain.least_order[place]
    )


@settings(max_examples=300)
@given(seed=SEEDS)
def test_a_portfolio_keeps_rules_if_formulas_say_so(seed: int) -> None:
    random = np.random.default_rng(seed)
    program = ruled_program(random)
    rules, held, zero = program.rules, program.previous, program.zero
    assert rules is not None
    some = points(program)
    some = some[random.permutation(len(some))[:40]]
    for point, kept in zip(some, program.keeps_rules(some), strict=True):
        sure, expected = True, True
        if rules.domain is not None:
            expected = all(
                plainly_allowed(rules.domain, i, point[i], held[i], zero[i]) for i in range(program.size)
            )  # fmt: skip
        for row in rules.rows:
            total, size = plain_sum(row, point, held, zero)
            sure &= abs(total - row.limit) > 1e-11 * size or total <= row.limit
            expected &= total <= row.limit + 1e-12 * (size + abs(row.limit))
        for cap in rules.caps:
            norm = math.dist(cap.factor @ (point - zero), cap.factor @ cap.centre)
            sure &= abs(norm - cap.limit) > 1e-11 or norm <= cap.limit
            expected &= norm <= cap.limit + 1e-12
        if sure:
            assert kept == expected == program.keeps_rules(point)
            assert program.contains(point) == kept
        excess = rules.violations(point[None], held, zero)
        assert excess.shape == (1, len(rules.rows) + len(rules.caps))
        assert (excess >= 0).all()
        assert ((excess == 0).all() and bool(program.allows(point).all())) == program.keeps_rules(point)


@settings(max_examples=200)
@given(seed=SEEDS)
def test_shifted_and_permuted_programs_have_the_same_portfolios(seed: int) -> None:
    random = np.random.default_rng(seed)
    program = ruled_program(random)
    some = points(program)
    offset = random.integers(-1000, 1000, program.size).astype(float)
    assert (program.shifted(offset).keeps_rules(some - offset) == program.keeps_rules(some)).all()
    order = random.permutation(program.size)
    assert (program.permuted(order).keeps_rules(some[:, order]) == program.keeps_rules(some)).all()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_on_the_edge_is_inside_and_a_digit_that_counts_beyond_it_is_not(scale: float) -> None:
    held = zero = np.zeros(3)
    point = np.array([1.0, 2.0, 3.0])
    margin = np.array([0.1, 0.2, 0.3]) * scale  # 0.1 + 0.4 + 0.9 is not 1.4 in float64
    for limit, kept in ((1.4, True), (1.4 * (1 - 1e-13), True), (1.4 * (1 - 1e-10), False)):
        row = Row.of(3, limit * scale, gross=margin)
        assert Rules(rows=(row,)).kept(point[None], held, zero)[0] == kept
    factor = np.diag(margin)
    norm = scale * math.sqrt(0.01 + 0.16 + 0.81)
    for limit, kept in ((norm, True), (norm * (1 - 1e-10), False)):
        assert Rules(caps=(NormCap(factor, zero, limit),)).kept(point[None], held, zero)[0] == kept


def test_a_close_is_always_allowed_unless_it_is_too_large_an_order() -> None:
    domain = Domain.of(1, least=3, least_order=5, most_order=6)
    held, zero = np.array([2.0]), np.zeros(1)
    allowed = [k for k in range(-12, 13) if domain.allows(np.array([float(k)]), held, zero)[0]]
    assert allowed == [-4, -3, 0, 7, 8]  # what is held is less than the least position: it cannot stay
    far = np.array([8.0])
    assert not domain.allows(zero, far, zero)[0]


@settings(max_examples=3000, deadline=None)
@given(seed=SEEDS, far=st.sampled_from([None, INF, 1e6]))
def test_the_box_of_the_rules_holds_every_portfolio_that_keeps_them(seed: int, far: float | None) -> None:
    random = np.random.default_rng(seed)
    program = ruled_program(random, unlimited=far is not None)
    if far is not None:
        program = program.with_box(np.maximum(program.lower, -far), np.minimum(program.upper, far))
    kept = points(program)
    kept = kept[program.keeps_rules(kept)]
    lower, upper = rule_box(program, program.lower, program.upper)
    assert ((kept >= lower) & (kept <= upper)).all()
    assert (lower >= program.lower).all()
    assert (upper <= program.upper).all()


@settings(max_examples=300, deadline=None)
@given(seed=SEEDS)
def test_the_box_holds_portfolios_on_the_edge_at_any_scale(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 6))
    scale, far = 10.0 ** random.integers(-6, 7), 10.0 ** random.integers(0, 7)
    held, point = np.round(random.normal(size=(2, size)) * far)
    by = random.normal(size=(5, size)) * scale * (random.random((5, 1)) < 0.6)
    nothing = np.zeros(size)
    row = Row(by, 0.0)
    terms = row.terms(point, held, nothing)
    row = replace(row, limit=float(terms.sum()))
    factor = random.normal(size=(size, size)) * scale
    cap = NormCap(factor, nothing, float(np.linalg.norm(factor @ point)))
    program = TrackingProgram(
        np.eye(size), nothing, held, nothing, nothing - INF, nothing + INF, rules=Rules((row,), (cap,))
    )
    assert program.keeps_rules(point)
    lower, upper = rule_box(program, program.lower, program.upper)
    assert ((lower <= point) & (point <= upper)).all()


def test_budgets_and_caps_make_boxes_finite() -> None:
    def box(**parts: object) -> tuple[list[float], list[float]]:
        program = TrackingProgram(
            np.eye(2), np.zeros(2), np.array([1, 0]), np.zeros(2), np.full(2, -INF), np.full(2, INF),
            rules=Rules(**parts),  # type: ignore[arg-type]
        )  # fmt: skip
        lower, upper = rule_box(program, program.lower, program.upper)
        return lower.tolist(), upper.tolist()

    assert box(rows=(Row.of(2, 10.0, gross=[3.0, 5.0]),)) == ([-3, -2], [3, 2])
    assert box(rows=(Row.of(2, 4.0, turnover=1.0),)) == ([-3, -4], [5, 4])
    assert box(rows=(Row.of(2, 4.0, net=0.5, gross=0.5),)) == ([-INF, -INF], [4, 4])  # Σ max(k, 0)
    assert box(rows=(Row.of(2, 4.0, net=1.0),)) == ([-INF, -INF], [INF, INF])
    assert box(rows=(Row.of(2, -1.0, net=[0.0, 1.0]),)) == ([-INF, -INF], [INF, -1])
    assert box(caps=(NormCap(np.diag([1.0, 2.0]), np.array([0.5, 0.0]), 2.0),)) == ([-1, -1], [2, 1])
    assert box(caps=(NormCap(np.eye(2), np.zeros(2), 0.0),)) == ([0, 0], [0, 0])
    assert box(domain=Domain.of(2, lot=[2, 1], most_order=3)) == ([-2, -3], [4, 3])
    lower, upper = box(rows=(Row.of(2, -1.0, gross=1.0),))
    assert lower > upper


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS)
def test_a_restricted_program_keeps_the_rules_of_the_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    program = ruled_program(random)
    some = points(program)
    lower, upper = program.lower.copy(), program.upper.copy()
    fixed = random.random(program.size) < 0.5
    lower[fixed] = upper[fixed] = some[random.integers(len(some))][fixed]
    inside = some[((some >= lower) & (some <= upper)).all(axis=1)]
    small = restrict(Penalty(program), lower, upper)
    kept = small.formulation.program.keeps_rules(np.column_stack([inside[:, small.free], np.zeros(len(inside))]))
    assert (kept == program.keeps_rules(inside)).all()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_relaxed_model_is_never_above_a_portfolio_that_keeps_the_rules(seed: int) -> None:
    program = ruled_program(np.random.default_rng(seed))
    kept = points(program)
    kept = kept[program.keeps_rules(kept)]
    if len(kept):
        relaxed = Penalty(program).model(integer=False).problem()
        relaxed.solve(solver="CLARABEL")
        assert relaxed.status in ("optimal", "optimal_inaccurate")
        assert relaxed.value <= Penalty(program).values(kept).min() + 1e-5


@pytest.mark.parametrize(
    "rules",
    [Rules(rows=(Row.of(1, 3.0, holdings=1.0),)), Rules(rows=(Row.of(1, 3.0, gross=-1.0),)),
     Rules(domain=Domain.of(1, least=2))],
)  # fmt: skip
def test_a_model_says_when_a_rule_needs_limits(rules: Rules) -> None:
    nothing = np.zeros(1)
    program = TrackingProgram(np.eye(1), nothing, nothing, nothing, nothing - INF, nothing + INF, rules=rules)
    with pytest.raises(ProgramError, match=r"rules\[0\]: needs limits"):
        Penalty(program).model()


def test_tables_of_any_sign_are_rows() -> None:
    tables = CostTables.of(2, {1: (-1.0, [5.0, -2.0, 7.0])})
    row = Row.of(2, 0.0, net=[1.0, 0.0], tables=tables)
    assert row.terms(np.array([2.0, 0.0]), np.zeros(2), np.zeros(2)).tolist() == [2.0, -2.0]
    assert row.shifted(np.array([3.0, 1.0])).terms(np.array([2.0, -1.0]), np.zeros(2), np.zeros(2)).tolist() == [2, -2]
