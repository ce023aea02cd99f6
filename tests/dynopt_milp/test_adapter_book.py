"""The optimizers in the shape the book's code wants: one day in, weights out."""

from __future__ import annotations

import itertools
import pickle
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from comparisons.swap_in.search import greedy_weights
from dynopt_milp import InputError, Limits, Problem, solve
from dynopt_milp.adapters.book import algorithm as book
from dynopt_milp.adapters.book import ordinary_day
from dynopt_milp.errors import DataWarning, UnprovedWarning
from dynopt_milp.problem.eigenvalues import clip_eigenvalues
from dynopt_milp.solvers.branch_and_bound.root import prove_at_root
from dynopt_milp.solvers.optimizers import MethodOptimizer
from formulations import FloatArray
from tests.random_days import RandomDay, as_the_book_has_it, random_day

DAYS = 1_000
ORDINARY = [seed for seed in range(60) if random_day(seed).valid.all() and not random_day(seed).indefinite]


def contracts(weights: FloatArray, day: RandomDay) -> FloatArray:
    """Contracts of the valid instruments; they must be whole, and the others nothing."""
    assert weights.shape == day.unit.shape
    assert weights.dtype == np.float64
    assert (weights[~day.valid] == 0).all()
    found = weights[day.valid] / day.unit[day.valid]
    np.testing.assert_allclose(found, np.round(found), rtol=0, atol=1e-9)
    return np.round(found)


def objective(positions: FloatArray, day: RandomDay, multiplier: float) -> float:
    """Independent of the package but for the repair of an indefinite covariance."""
    at = day.valid
    sigma, _ = clip_eigenvalues(day.covariance[np.ix_(at, at)])
    error = (day.target[at] - positions) * day.unit[at]
    cost = day.cost[at] @ (np.abs(positions - day.held[at]) * day.unit[at])
    return float(np.sqrt(max(error @ sigma @ error, 0.0)) + multiplier * cost)


@pytest.mark.filterwarnings("ignore::dynopt_milp.errors.DataWarning")
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_days(part: int) -> None:
    better = 0
    for seed in range(part, DAYS, 4):
        day = random_day(seed)
        given = as_the_book_has_it(day)
        best = contracts(book.exact_with_costs(given), day)
        search = contracts(book.greedy_with_costs(given), day)
        value, other = objective(best, day, 50.0), objective(search, day, 50.0)
        assert value <= other * (1 + 1e-9), seed
        better += value < other * (1 - 1e-6)
        if seed % 3:  # the rule after the optimum is the same on every day
            continue
        np.testing.assert_array_equal(contracts(book.exact_with_costs_and_buffering(given), day), buffered(best, day))
        np.testing.assert_array_equal(
            contracts(book.greedy_with_costs_and_buffering(given), day), buffered(search, day)
        )
    assert better > 10


@pytest.mark.filterwarnings("ignore::dynopt_milp.errors.DataWarning")
def test_the_short_way_and_the_long_one_end_at_the_same_value(monkeypatch: pytest.MonkeyPatch) -> None:
    short, ordinary = [], ordinary_day.ordinary_day

    def counted(*arguments: Any, **more: Any) -> Any:
        short.append(ordinary(*arguments, **more))
        return short[-1]

    monkeypatch.setattr(ordinary_day, "ordinary_day", counted)
    days = [random_day(seed) for seed in range(1_000, 1_200)]
    rows = [(day, contracts(book.exact_with_costs(as_the_book_has_it(day)), day)) for day in days]
    clean = np.array([bool(day.valid.all()) and not day.indefinite for day in days])
    answered = np.array([found is not None for found in short])
    assert not answered[~clean].any()
    assert answered[clean].all()
    monkeypatch.setattr(ordinary_day, "ordinary_day", lambda *arguments, **more: None)
    for day, found in rows:
        other = contracts(book.exact_with_costs(as_the_book_has_it(day)), day)
        assert objective(found, day, 50.0) == pytest.approx(objective(other, day, 50.0), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("covariance_matrix", (0, 1), 1e-3), ("covariance_matrix", (0, 0), -0.01),
        ("covariance_matrix", (1, 0), np.inf), ("covariance_matrix", (0, 0), 0.0),
        ("unrounded_optimal_position_weights", 0, np.nan), ("unrounded_optimal_position_weights", 0, 1e19),
        ("previous_position_weights", 0, 0.0123),
        ("weight_per_contract", 0, -0.1), ("weight_per_contract", 0, 1e-70), ("cost_in_weight_terms_as_np", 0, -1e-9),
        ("cost_in_weight_terms_as_np", 0, np.nan), ("cost_in_weight_terms_as_np", 0, 1e80),
    ],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_goes_the_long_way(name: str, place: Any, value: float) -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    array = getattr(day, name).copy()
    array[place] = value
    setattr(day, name, array)
    assert ordinary_day.ordinary_day(
        day.covariance_matrix, day.unrounded_optimal_position_weights, day.previous_position_weights,
        day.weight_per_contract, day.cost_in_weight_terms_as_np, cost_multiplier=50.0, buffer=0.01, gap=1e-6,
        instruments=book._places(len(day.weight_per_contract)),
    ) is None  # fmt: skip


@pytest.mark.parametrize("kind", [np.asfortranarray, lambda array: np.broadcast_to(array, (2, *array.shape))[1]])
def test_arrays_of_any_layout_are_taken_and_compile_nothing(kind: Any) -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    expected = book.exact_with_costs_and_buffering(day)
    kernels = (ordinary_day.program_of_day, prove_at_root)
    before = [len(kernel.signatures) for kernel in kernels]
    laid_out = SimpleNamespace(**{name: kind(array) for name, array in vars(day).items()})
    np.testing.assert_array_equal(book.exact_with_costs_and_buffering(laid_out), expected)
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_what_is_held_without_valid_data_is_said() -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    day.previous_position_weights = day.weight_per_contract * 3
    day.unrounded_optimal_position_weights = day.unrounded_optimal_position_weights.copy()
    day.unrounded_optimal_position_weights[1] = np.nan
    with pytest.warns(
        DataWarning, match=r"^instrument 1 is held \(weight .*\) and without valid data: its weight is 0$"
    ):
        assert book.exact_with_costs(day)[1] == 0


@pytest.mark.parametrize("algorithm", [book.exact_with_costs, book.greedy_with_costs])
def test_a_covariance_in_per_cent_is_said(algorithm: book.BookAlgorithm) -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    day.covariance_matrix = day.covariance_matrix * 1e4
    with pytest.warns(DataWarning, match="the median volatility is .*% a year: .* not in per cent, and annual"):
        algorithm(day)


def test_the_array_that_is_too_short_is_named() -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    size = len(day.weight_per_contract)
    day.covariance_matrix = day.covariance_matrix[1:, 1:]
    with pytest.raises(InputError, match=rf"^covariance_matrix: expected shape \({size}, {size}\), found"):
        book.exact_with_costs(day)


def test_two_sizes_of_a_contract_are_ordinary() -> None:
    """Their covariance is singular; F is what it is without the second."""
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    twice = np.array([0, *range(len(day.weight_per_contract))])
    size = np.where(np.arange(len(twice)) == 0, 10.0, 1.0)
    both = SimpleNamespace(**{name: array[twice] for name, array in vars(day).items()})
    both.covariance_matrix = day.covariance_matrix[np.ix_(twice, twice)]
    both.weight_per_contract = both.weight_per_contract * size
    both.previous_position_weights = both.previous_position_weights * size
    both.unrounded_optimal_position_weights = both.unrounded_optimal_position_weights * size
    found = ordinary_day.ordinary_day(
        both.covariance_matrix, both.unrounded_optimal_position_weights, both.previous_position_weights,
        both.weight_per_contract, both.cost_in_weight_terms_as_np, cost_multiplier=50.0, buffer=0.0, gap=1e-6,
        instruments=(names := tuple(f"{place:02d}" for place in range(len(twice)))),
    )  # fmt: skip
    assert found is not None
    problem = Problem(
        both.covariance_matrix, both.unrounded_optimal_position_weights / both.weight_per_contract,
        both.weight_per_contract, np.round(both.previous_position_weights / both.weight_per_contract),
        both.cost_in_weight_terms_as_np, instruments=names,
    )  # fmt: skip
    best = solve(problem, "scip", gap=1e-9)
    assert problem.program().objective(found) == pytest.approx(best.objective, rel=1e-6)


def buffered(best: FloatArray, day: RandomDay) -> FloatArray:
    """The book's rule, B = 0.01."""
    at = day.valid
    sigma, _ = clip_eigenvalues(day.covariance[np.ix_(at, at)])
    away = (best - day.held[at]) * day.unit[at]
    distance = np.sqrt(max(away @ sigma @ away, 0.0))
    share = max((distance - 0.01) / distance, 0.0) if distance > 0 else 0.0
    return np.asarray(day.held[at] + np.round(share * (best - day.held[at])))


@pytest.mark.parametrize("seed", ORDINARY)
def test_greedy_goes_the_way_of_the_book(seed: int) -> None:
    """Against the search in weights, as the book describes it."""
    day = as_the_book_has_it(random_day(seed))
    np.testing.assert_allclose(
        book.greedy_with_costs_and_buffering(day), greedy_weights(day), rtol=1e-9, atol=1e-12
    )  # fmt: skip


def test_exact_is_the_best_of_all_portfolios() -> None:
    """Every portfolio of small days, priced here."""
    days = [day for day in map(random_day, range(150)) if len(day.unit) <= 3 and day.valid.all() and not day.indefinite]
    assert len(days) > 20
    for day in days:
        given = as_the_book_has_it(day)
        for algorithm, multiplier in ((book.exact, 0.0), (book.exact_with_costs, 50.0)):
            found = objective(contracts(algorithm(given), day), day, multiplier)
            around = np.round(day.target)[:, None] + np.arange(-6, 7)
            best = min(objective(np.array(point), day, multiplier) for point in itertools.product(*around))
            assert found <= best * (1 + 1e-9)


def test_greedy_starts_where_the_day_says_and_goes_the_way_it_says() -> None:
    day = as_the_book_has_it(random_day(0))
    day.starting_weights = 3 * day.weight_per_contract
    day.direction_as_np = np.zeros(len(day.weight_per_contract))
    np.testing.assert_array_equal(book.greedy_with_costs(day), 3 * day.weight_per_contract)


def test_without_costs_what_is_held_does_not_matter() -> None:
    day = random_day(3)
    given = as_the_book_has_it(day)
    before = [algorithm(given) for algorithm in (book.greedy, book.exact)]
    given.previous_position_weights = np.full(len(day.unit), 0.123)
    for algorithm, weights in zip((book.greedy, book.exact), before, strict=True):
        np.testing.assert_array_equal(algorithm(given), weights)
    assert objective(contracts(before[1], day), day, 0.0) <= objective(contracts(before[0], day), day, 0.0)


def test_an_indefinite_covariance_is_repaired_and_reported() -> None:
    seed = next(seed for seed in range(100) if random_day(seed).indefinite)
    day = random_day(seed)
    with pytest.warns(DataWarning, match="least eigenvalue of its correlations -"):
        book.exact_with_costs(as_the_book_has_it(day))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        definite = next(seed for seed in range(100) if not random_day(seed).indefinite)
        book.exact_with_costs(as_the_book_has_it(random_day(definite)))


def test_what_is_not_proved_comes_with_a_warning() -> None:
    given = as_the_book_has_it(random_day(ORDINARY[0]))
    for optimizer in ("exact", "scip"):
        with pytest.warns(UnprovedWarning, match=r"not proved optimal \(time limit\): objective .*, lower bound 0"):
            hurried = book.BookAlgorithm(optimizer, time_limit=0.0)(given)
        assert np.isfinite(hurried).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        book.BookAlgorithm("greedy")(given)  # claims nothing


def test_other_multipliers_buffers_limits_and_optimizers() -> None:
    day = random_day(next(seed for seed in ORDINARY if (random_day(seed).held < -1).any()))
    given = as_the_book_has_it(day)
    free = book.BookAlgorithm(cost_multiplier=0.0)(given)
    np.testing.assert_array_equal(free, book.exact(given))
    still = book.BookAlgorithm(cost_multiplier=1e6)(given)
    np.testing.assert_allclose(still, day.weights(day.held), rtol=1e-12)
    wide = book.BookAlgorithm(buffer=100.0)(given)
    np.testing.assert_allclose(wide, day.weights(day.held), rtol=1e-12)
    # Some of what is held is outside these limits.
    for optimizer in ("greedy", "exact", MethodOptimizer("scip")):
        for buffer in (None, 0.01):
            long = book.BookAlgorithm(optimizer, buffer=buffer, limits=Limits(long_only=True))(given)
            assert (long >= 0).all(), (optimizer, buffer)
            few = book.BookAlgorithm(optimizer, buffer=buffer, limits=Limits(lower=-1, upper=1))(given)
            assert (np.abs(few) <= day.unit * (1 + 1e-12)).all()

    def nothing(problem: Problem) -> FloatArray:
        return np.zeros(len(problem.instruments))

    assert (book.BookAlgorithm(nothing)(given) == 0).all()


def day_of_sizes(problem: Problem) -> SimpleNamespace:
    unit = problem.weight_per_contract
    return SimpleNamespace(
        covariance_matrix=problem.covariance,
        unrounded_optimal_position_weights=problem.optimal_positions * unit,
        previous_position_weights=problem.previous_positions * unit,
        weight_per_contract=unit,
        starting_weights=np.zeros(len(unit)),
        direction_as_np=np.sign(problem.optimal_positions),
        cost_in_weight_terms_as_np=problem.cost_in_weight_terms,
    )


def sizes(target: tuple[float, ...], held: tuple[int, ...], cost: float = 1e-3) -> Problem:
    """A full-size index future, its micro, and a bond future that moves the other way."""
    volatility = np.array([0.2, 0.2, 0.06])
    correlation = np.array([[1.0, 1.0, -0.4], [1.0, 1.0, -0.4], [-0.4, -0.4, 1.0]])
    return Problem(
        np.outer(volatility, volatility) * correlation, np.array(target), np.array([0.2, 0.02, 0.4]), np.array(held),
        cost, instruments=["FULL", "MICRO", "BOND"], underlying=["INDEX", "INDEX", ""],
    )  # fmt: skip


@pytest.mark.parametrize("underlying", [{0: "INDEX", 1: "INDEX"}, ["INDEX", "INDEX", ""]], ids=["places", "sequence"])
@pytest.mark.parametrize("buffer", [None, 0.002, 0.01])
@pytest.mark.parametrize("optimizer", ["exact", "greedy"])
def test_sizes_of_one_underlying_are_held_on_one_side_if_one_says_so(
    optimizer: str, buffer: float | None, underlying: Any
) -> None:
    opposite = 0
    asked = {"optimizer": optimizer, "buffer": buffer}
    for held, target in itertools.product(
        itertools.product((-2, 0, 2), (-13, 4), (0, 1)), ((0.4, 1.1, 1.7), (-1.2, 4.2, -1.3))
    ):
        problem = sizes(target, held)
        day, unit = day_of_sizes(problem), problem.weight_per_contract
        free = book.BookAlgorithm(**asked)(day) / unit
        kept = book.BookAlgorithm(**asked, limits=Limits(one_side=True), underlying=underlying)(day) / unit
        opposite += free[0] * free[1] < 0
        assert kept[0] * kept[1] >= 0, (held, target)
        if buffer is None:
            expected = solve(problem.replace(limits=Limits(one_side=True)), optimizer)
            assert problem.program().objective(np.round(kept)) == pytest.approx(expected.objective, rel=1e-6)
    assert opposite > 0


def test_a_cost_of_holding_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordinary_day, "ordinary_day", lambda *_, **__: pytest.fail("an ordinary day has none"))
    problem = sizes((0.4, 1.1, 1.7), (1, 3, 1)).replace(holding_cost=[2e-4, 0.0, 1e-4])
    day, unit = day_of_sizes(problem), problem.weight_per_contract
    for optimizer in ("exact", "greedy"):
        for given in ([2e-4, 0.0, 1e-4], problem.holding_cost):
            found = np.round(book.BookAlgorithm(optimizer, holding_cost=given)(day) / unit)
            expected = solve(problem, optimizer)
            assert problem.program().objective(found) == pytest.approx(expected.objective, rel=1e-6)
        dear = book.BookAlgorithm(optimizer, holding_cost=1.0)(day)
        assert not dear.any()
    day.unrounded_optimal_position_weights[0] = np.nan
    with pytest.warns(DataWarning, match="instrument 0 is held"):
        assert book.BookAlgorithm(holding_cost=[9.0, 0.0, 1.0])(day).tolist()[::2] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"underlying": {3: "INDEX"}}, "underlying: expected places from 0 to 2, found 3"),
        ({"underlying": ["INDEX"]}, "underlying: expected a text for each of 3"),
        ({"underlying": [1, "", ""]}, "underlying of instrument 0: expected a text"),
        ({"holding_cost": [1e-4, 1e-4]}, "holding_cost: expected 3 numbers"),
        ({"holding_cost": [1e-4, -1.0, 1e-4]}, "holding_cost of instrument 1: expected a cost that is not negative"),
    ],
)
def test_underlyings_and_costs_that_do_not_fit_the_day_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        book.BookAlgorithm(**wrong)(day_of_sizes(sizes((0.4, 1.1, 1.7), (1, 3, 1))))


@pytest.mark.filterwarnings("ignore::dynopt_milp.errors.DataWarning")
def test_limits_stay_with_their_instruments_where_others_have_no_data() -> None:
    seed = next(seed for seed in range(100) if not random_day(seed).valid.all())
    day = random_day(seed)
    most = np.arange(len(day.unit), dtype=float)
    limits = Limits(lower=-most, upper=most)
    weights = book.BookAlgorithm(limits=limits)(as_the_book_has_it(day))
    assert (np.abs(contracts(weights, day)) <= most[day.valid]).all()


def test_the_algorithms_travel_to_other_processes() -> None:
    day = as_the_book_has_it(random_day(2))
    again = pickle.loads(pickle.dumps(book.exact_with_costs_and_buffering))
    np.testing.assert_array_equal(again(day), book.exact_with_costs_and_buffering(day))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"previous_position_weights": [0.1, 0.2]},
            "previous_position_weights of instrument 1: expected whole contracts",
        ),
        (
            {"cost_in_weight_terms_as_np": [0.1, np.nan]},
            "cost_in_weight_terms of instrument 1: expected a finite number",
        ),
        ({"direction_as_np": [1.0]}, r"direction_as_np: expected shape \(2,\), found \(1,\)"),
        ({"covariance_matrix": [[1.0, 0.0]]}, "covariance_matrix: expected shape"),
        ({"starting_weights": ["a", "b"]}, "starting_weights: expected an array of numbers"),
    ],
)
def test_bad_days_are_named(change: dict[str, list[object]], message: str) -> None:
    good = {
        "covariance_matrix": np.diag([0.04, 0.01]), "unrounded_optimal_position_weights": np.array([0.15, -0.4]),
        "previous_position_weights": np.array([0.1, -0.3]), "weight_per_contract": np.array([0.1, 0.3]),
        "starting_weights": np.zeros(2), "direction_as_np": np.array([1.0, -1.0]),
        "cost_in_weight_terms_as_np": np.array([1e-4, 1e-4]),
    }  # fmt: skip
    assert book.exact_with_costs(SimpleNamespace(**good)).shape == (2,)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        book.exact_with_costs(SimpleNamespace(**good | change))  # type: ignore[arg-type]


def test_a_price_below_zero_is_left_out_and_said() -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    day.weight_per_contract[1] = -0.2
    with pytest.warns(DataWarning, match="weight_per_contract of instrument 1 is -0.2: left out"):
        weights = book.exact_with_costs(day)
    assert weights[1] == 0
    assert weights.any()


@pytest.mark.parametrize(
    "wrong", [{"optimizer": "gready"}, {"gap": 7}, {"time_limit": -3}, {"buffer": -1}, {"cost_multiplier": -1}]
)
def test_settings_are_checked_when_they_are_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        book.BookAlgorithm(**wrong)


def test_a_large_fraction_of_a_contract_is_no_whole_contract() -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    day.previous_position_weights = day.previous_position_weights + 600_000.5 * day.weight_per_contract
    with pytest.raises(InputError, match="expected whole contracts"):
        book.exact_with_costs(day)


def test_a_day_without_an_attribute_and_a_day_without_data() -> None:
    day = as_the_book_has_it(random_day(0))
    day.covariance_matrix = np.full_like(day.covariance_matrix, np.nan)
    with pytest.warns(DataWarning, match="is held .* and without valid data"):
        assert (book.exact_with_costs(day) == 0).all()
    del day.starting_weights
    with pytest.raises(InputError, match="starting_weights: is no attribute of the SimpleNamespace"):
        book.exact_with_costs(day)


@pytest.mark.parametrize("name", ["covariance_matrix", *book.ARRAYS])
def test_masked_and_complex_arrays_are_refused(name: str) -> None:
    day = as_the_book_has_it(random_day(ORDINARY[0]))
    plain = getattr(day, name)
    mask = np.zeros(plain.shape, dtype=bool)
    setattr(day, name, np.ma.array(plain, mask=mask))  # nothing is masked
    expected = book.exact_with_costs(day)
    mask[2] = True
    for given, found in ((np.ma.array(plain, mask=mask), "a masked entry in row 2"), (plain + 0j, ".*j.* in row 0")):
        setattr(day, name, given)
        with pytest.raises(InputError, match=f"{name}: expected a real number, found {found}"):
            book.exact_with_costs(day)
    setattr(day, name, plain)
    np.testing.assert_array_equal(book.exact_with_costs(day), expected)


def test_a_start_on_both_sides_is_left_for_a_search_that_keeps_to_one() -> None:
    """No step leads from one side to the other, and every value on both is infinite."""
    problem = sizes((0.4, 3.1, 1.7), (0, 0, 0))
    day = day_of_sizes(problem)
    day.starting_weights = np.array([1.0, -3.0, 0.0]) * problem.weight_per_contract
    kept = book.BookAlgorithm("greedy", limits=Limits(one_side=True), underlying={0: "INDEX", 1: "INDEX"})(day)
    assert (kept / problem.weight_per_contract).round(9)[:2].prod() >= 0


def test_one_side_needs_to_know_the_sizes() -> None:
    with pytest.raises(InputError, match="underlying: is needed for one_side"):
        book.BookAlgorithm(limits=Limits(one_side=True))
