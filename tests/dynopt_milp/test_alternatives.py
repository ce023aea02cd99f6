"""Every portfolio near the best, against all points of small boxes."""

from __future__ import annotations

import itertools
import json
import math
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

from dynopt_milp import InputError, Limits, OrderCosts, Problem, example_problem, rules
from dynopt_milp.errors import UnboundedError
from dynopt_milp.problem.solution import NoPortfolioError, SolveInterrupted
from dynopt_milp.why import near_optimal, near_optimal_tree
from dynopt_milp.why.near_optimal import Alternatives, alternatives

MOST_POINTS = 30_000
TIE = 1e-12
ASKED = ((0.05, 100_000, 1), (0.3, 20, 1), (math.inf, 15, 1), (0.0, 50, 1), (0.5, 50, 3), (math.inf, 6, 4))


def drawn(seed: int) -> Problem:
    """A small problem: correlated risks, two that are the same at times, costs and house rules at times."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 6))
    loadings = random.normal(size=(size, int(random.integers(1, 4))))
    covariance = loadings @ loadings.T + np.diag(random.uniform(0.1, 1, size))
    scale = random.uniform(0.05, 0.4, size) / np.sqrt(covariance.diagonal())
    covariance *= scale * scale[:, None]
    names = [f"I{place}" for place in random.permutation(size)]
    weight, target = random.uniform(0.01, 0.3, size), random.normal(scale=2, size=size)
    held = np.rint(target + random.normal(size=size))
    cost = random.uniform(0, 0.002, size) * (random.random() < 0.7)
    if random.random() < 0.35 and size > 2:  # two of the same, or two sizes of the same
        covariance[1], covariance[:, 1] = covariance[0], covariance[:, 0]
        covariance[1, 1] = covariance[0, 1] = covariance[1, 0] = covariance[0, 0]
        weight[1] = weight[0] / 10
        if random.random() < 0.5:
            weight[1], target[1], held[1], cost[1] = weight[0], target[0], held[0], cost[0]
    if random.random() < 0.15:
        target = held.copy()
    lower = np.minimum(np.rint(target) - random.integers(1, 4, size), held)
    upper = np.maximum(np.rint(target) + random.integers(1, 4, size), held)
    one_side = random.random() < 0.3 and size > 2
    if one_side:
        held[:2] = np.abs(held[:2])
        lower[:2], upper[:2] = np.minimum(lower[:2], held[:2]), np.maximum(upper[:2], held[:2])
    return Problem(
        covariance, target, weight, held, cost, 50.0,
        limits=Limits(lower=lower, upper=upper, one_side=one_side),
        instruments=names,
        underlying=["A", "A", *(f"B{place}" for place in range(size - 2))] if one_side else None,
        holding_cost=random.uniform(0, 0.002, size) if random.random() < 0.3 else 0.0,
        order_costs=OrderCosts(per_order=random.uniform(0, 0.0005, size)) if random.random() < 0.2 else None,
        rules=house_rules(random, names, weight * target, weight @ np.abs(target - held), covariance, held),
    )  # fmt: skip


def house_rules(random, names, exposure, turnover, covariance, held) -> list[rules.Rule]:
    size, risk = len(names), float(np.sqrt(exposure @ covariance @ exposure))
    made = (
        lambda: rules.max_holdings(int(random.integers(1, size + 1))),
        lambda: rules.max_orders(int(random.integers(0, size + 1))),
        lambda: rules.gross(float(np.abs(exposure).sum() * random.uniform(0.4, 1.1))),
        lambda: rules.min_order({names[0]: 2}),
        lambda: rules.risk(risk * random.uniform(0.4, 1.1)),
        lambda: rules.turnover(float(turnover * random.uniform(0.4, 1.3))),
        lambda: rules.lot({names[-1]: 2}),
        lambda: rules.tracking_error(risk * random.uniform(0.3, 1.1)),
    )
    count = int(random.choice([0, 0, 1, 2]))
    return [made[kind]() for kind in random.permutation(len(made))[:count] if kind != 6 or held[-1] % 2 == 0]


def everything(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """All portfolios, and what each is worth."""
    program = problem.program()
    ranges = [range(int(low), int(high) + 1) for low, high in zip(program.lower, program.upper, strict=True)]
    points = np.array(list(itertools.product(*ranges)), dtype=np.float64)
    values = program.tracking_errors(points) + program.separable_costs(points)
    kept = program.keeps_rules(points) & program.one_sided(points) & np.isfinite(values)
    return points[kept], values[kept]


def box_size(problem: Problem) -> float:
    """How many portfolios are within the limits."""
    return float(np.prod(problem.upper - problem.lower + 1))


def has_plain_fields(problem: Problem) -> bool:
    """Whether all of it can be put in another order in a line."""
    return problem.order_costs is None and not problem.limits.one_side and len(everything(problem)[0]) > 0


SMALL = [seed for seed in range(50) if box_size(drawn(seed)) < MOST_POINTS]
TINY = [seed for seed in SMALL if box_size(drawn(seed)) < 2500 and len(everything(drawn(seed))[0])]
PLAIN = [seed for seed in TINY if has_plain_fields(drawn(seed))]


def listed(problem: Problem, within: float, most: int, apart: int) -> tuple[np.ndarray, bool]:
    """What has to be in the list, and whether there are more."""
    points, values = everything(problem)
    limit = values.min() * (1 + within) if math.isfinite(within) else math.inf
    some = values <= limit * (1 + TIE)
    points, values = points[some], values[some]
    order = np.argsort(values, kind="stable")
    groups = np.empty(len(order), dtype=int)
    groups[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > TIE * values[order][1:])])
    points = points[np.lexsort((*points[:, problem.order()].T[::-1], groups))]
    far: list[np.ndarray] = []
    for point in points:
        if apart == 1 or all(np.abs(point - other).sum() >= apart for other in far):
            far.append(point)
    return np.array(far[:most]), len(far) > most


@pytest.mark.parametrize("seed", SMALL)
def test_lists_what_a_table_of_all_portfolios_has(seed):
    problem = drawn(seed)
    points, _ = everything(problem)
    if not len(points):
        with pytest.raises(NoPortfolioError):
            alternatives(problem)
        return
    for within, most, apart in ASKED:
        found = alternatives(problem, within, most, apart=apart)
        expected, more = listed(problem, within, most, apart)
        assert found.complete
        assert found.more == more
        np.testing.assert_array_equal(found.contracts, expected)
        check_prices(found)


def check_prices(found: Alternatives) -> None:
    program = found.problem.program()
    np.testing.assert_allclose(found.tracking_errors, program.tracking_errors(found.contracts), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.penalties, program.separable_costs(found.contracts), rtol=1e-12)
    np.testing.assert_allclose(found.objectives, found.tracking_errors + found.penalties, rtol=1e-12)
    assert (np.diff(found.objectives) >= -TIE * found.objectives[1:]).all()
    assert found.searched_to >= found.objectives[-1] * (1 - TIE)


@pytest.mark.parametrize("seed", TINY[:20])
def test_a_cut_from_portfolios_around_the_best(seed, monkeypatch):
    monkeypatch.setattr(near_optimal, "LONG_SEARCH", 1)
    monkeypatch.setattr(near_optimal, "AT_ONCE", 1)
    problem = drawn(seed)
    for within, most in ((2.0, 10), (math.inf, 8), (0.5, 3)):
        expected, more = listed(problem, within, most, 1)
        found = alternatives(problem, within, most)
        assert (found.complete, found.more) == (True, more)
        np.testing.assert_array_equal(found.contracts, expected)


@pytest.mark.parametrize("seed", range(10))
def test_more_instruments_with_three_positions_each(seed):
    random = np.random.default_rng(seed)
    size = 9
    loadings = random.normal(size=(size, 3))
    covariance = loadings @ loadings.T + np.diag(random.uniform(0.02, 0.5, size))
    target = random.normal(size=size)
    held = np.rint(target + 0.5 * random.normal(size=size))
    problem = Problem(
        covariance, target, random.uniform(0.05, 0.3, size), held, random.uniform(0, 0.004, size) * (seed % 3 > 0),
        limits=Limits(lower=held - 1, upper=held + 1), instruments=[f"I{place}" for place in range(size)],
        rules=[rules.max_orders(4)] if seed % 2 else None,
    )  # fmt: skip
    for within, most, apart in ((0.2, 100_000, 1), (math.inf, 300, 1), (0.3, 40, 2)):
        found = alternatives(problem, within, most, apart=apart)
        expected, more = listed(problem, within, most, apart)
        assert found.complete
        assert found.more == more
        np.testing.assert_array_equal(found.contracts, expected)


@pytest.mark.parametrize("seed", TINY[:12])
def test_everything_there_is(seed):
    problem = drawn(seed)
    points, _ = everything(problem)
    found = alternatives(problem, math.inf, 10_000)
    assert (found.complete, found.more, found.searched_to) == (True, False, math.inf)
    assert {tuple(row) for row in found.contracts.tolist()} == {tuple(row) for row in points.astype(int).tolist()}


@pytest.mark.parametrize("seed", PLAIN[:6])
def test_the_order_of_instruments_changes_nothing(seed):
    problem = drawn(seed)
    places = np.random.default_rng(seed).permutation(len(problem.instruments))
    names = tuple(problem.instruments[place] for place in places)
    arrays = ("optimal_positions", "weight_per_contract", "previous_positions", "cost_in_weight_terms", "holding_cost")
    other = Problem(
        problem.covariance[np.ix_(places, places)],
        **{name: getattr(problem, name)[places] for name in arrays},
        limits=Limits(lower=problem.lower[places], upper=problem.upper[places]),
        instruments=names, rules=problem.rules, cost_multiplier=problem.cost_multiplier,
    )  # fmt: skip
    for within, most in ((0.2, 1000), (math.inf, 7)):
        one, two = alternatives(problem, within, most), alternatives(other, within, most)
        assert one.positions.equals(two.positions[list(problem.instruments)])
        np.testing.assert_array_equal(one.objectives, two.objectives)


def identical(size: int = 3) -> Problem:
    """Instruments that are all the same, free to trade, of which half a contract is wanted."""
    covariance = np.full((size, size), 0.04)
    return Problem(
        covariance, np.full(size, 0.5), np.full(size, 0.1), limits=Limits(lower=0, upper=2),
        instruments=[f"T{place}" for place in range(size)],
    )  # fmt: skip


def test_ties_are_listed_and_cut_by_position():
    problem = identical()
    points, values = everything(problem)
    best = points[values <= values.min() * (1 + TIE)]
    found = alternatives(problem, 0.0)
    assert len(found) == len(best) == 9  # one contract, or two
    assert found.contracts[0].tolist() == [0, 0, 1]
    few = alternatives(problem, 0.0, 4)
    assert few.more
    assert few.contracts.tolist() == found.contracts[:4].tolist()


def test_a_best_of_nothing():
    problem = Problem(
        np.diag([0.04, 0.09]), [2.0, -1.0], [0.1, 0.1], [2, -1], limits=Limits(lower=-5, upper=5),
        instruments=["A", "B"],
    )  # fmt: skip
    found = alternatives(problem, 0.5)
    assert found.contracts.tolist() == [[2, -1]]
    assert found.complete
    assert not found.more
    assert len(alternatives(problem, math.inf, 5)) == 5


def test_shares_and_tables():
    problem = example_problem(50_000.0, seed=4)
    found = alternatives(problem, 0.02)
    assert found.complete
    assert found.positions.shape == (len(found), len(problem.instruments))
    assert set(found.agreed.index) | set(found.differing.index) == set(problem.instruments)
    for name, row in found.differing.iterrows():
        column = found.positions[name]
        assert (row["least"], row["most"], row["distinct"]) == (column.min(), column.max(), column.nunique())
    assert (found.positions[found.agreed.index] == found.agreed).all(axis=None)
    assert found.contracts[0].tolist() == found.optimum.contracts.tolist()
    assert not found.contracts.flags.writeable
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["format"] == "dynopt-milp alternatives 1"
    assert content["contracts"] == found.contracts.tolist()
    assert json.dumps(alternatives(identical(), math.inf, 500).to_dict(), allow_nan=False)
    assert "proved complete" in repr(found)


def test_apart_is_a_part_of_the_whole_list():
    problem = example_problem(50_000.0, seed=4)
    rows, kept = alternatives(problem, 0.05, 100_000).contracts, []
    for row in rows:
        if all(np.abs(row - other).sum() >= 3 for other in kept):
            kept.append(row)
    found = alternatives(problem, 0.05, 100_000, apart=3)
    assert found.complete
    np.testing.assert_array_equal(found.contracts, kept)


def test_a_time_limit_is_kept_and_said():
    problem = example_problem(1_000_000.0)
    alternatives(problem, 0.0)
    found = alternatives(problem, 0.02, 1_000_000, time_limit=0.5)
    assert found.seconds < 3
    assert not found.complete
    assert found.stopped_by == "time limit"
    assert found.optimum.lower_bound <= found.searched_to < found.optimum.objective * 1.02
    all_of_them = alternatives(problem, found.searched_to / found.optimum.objective - 1, 1_000_000)
    below = int((all_of_them.objectives < found.searched_to * (1 - TIE)).sum())
    np.testing.assert_array_equal(found.contracts[:below], all_of_them.contracts[:below])
    assert not alternatives(problem, time_limit=0).complete


def test_too_many_to_keep(monkeypatch):
    monkeypatch.setattr(near_optimal, "MOST_KEPT", 32 * 4000)
    found = alternatives(example_problem(1_000_000.0), 0.01, 1_000_000)
    assert not found.complete
    assert found.stopped_by == near_optimal.TOO_MANY
    assert found.searched_to < found.optimum.objective * 1.01


def test_ctrl_c_carries_the_solution(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(near_optimal_tree, "collect", interrupted)
    with pytest.raises(SolveInterrupted) as caught:
        alternatives(example_problem(250_000.0))
    assert caught.value.solution.contracts is not None


@pytest.mark.parametrize(
    "arguments",
    [
        {"within": -0.1}, {"within": math.nan}, {"most": 0}, {"most": 1.5}, {"apart": 0}, {"apart": True},
        {"gap": 2.0}, {"time_limit": -1.0},
    ],
)  # fmt: skip
def test_bad_arguments(arguments):
    with pytest.raises(InputError) as caught:
        alternatives(identical(), **arguments)
    assert caught.value.field == next(iter(arguments))


def test_what_nothing_bounds():
    covariance = [[0.04, 0.04], [0.04, 0.04]]
    with pytest.raises(UnboundedError):
        alternatives(Problem(covariance, [0.5, 0.5], [0.1, 0.1], instruments=["A", "B"]))
    with pytest.raises(InputError, match="expected a Problem"):
        alternatives(None)


def test_import_loads_no_compiler():
    code = "import sys, dynopt_milp.why.near_optimal; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_survives_pickling():
    found = alternatives(identical(), 0.0)
    again = pickle.loads(pickle.dumps(found))
    assert again.positions.equals(found.positions)
    assert repr(again) == repr(found)


def test_portfolios_apart_keep_the_time_limit_and_say_how_far_they_got() -> None:
    problem = example_problem(1_000_000.0)
    alternatives(problem, 0.001, 2)  # compiles
    began = time.monotonic()
    found = alternatives(problem, 0.02, 100_000, apart=3, time_limit=1.0)
    assert time.monotonic() - began < 10  # without the limit it takes minutes
    whole = alternatives(problem, 0.003, 100_000, apart=3)
    assert whole.complete
    if not found.complete:
        assert found.stopped_by == "time limit"
        assert found.searched_to < found.optimum.objective * 1.02
    known = {row.tobytes() for row in found.contracts}
    below = whole.objectives < found.searched_to * (1 - 1e-9)
    assert all(row.tobytes() in known for row in whole.contracts[below])
