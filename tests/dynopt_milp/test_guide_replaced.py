"""What the guide tells its readers to do, replacing its functions, takes effect; what would not is refused."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import guide
from dynopt_milp.data import Market, guide_frames, simulated_market
from dynopt_milp.errors import InputError, UnsupportedError
from dynopt_milp.problem.limits import Limits
from dynopt_milp.strategy.costs import quoted_costs
from dynopt_milp.strategy.forecasts import long_only

NAMES = ["US10", "ES_micro", "GOLD_micro", "CORN"]
PLACES = ["dynopt_milp.guide", "dynopt_milp.guide.formulas"]
CAPITAL = 250_000
DATES = {"start_date": "2014-06-01", "end_date": "2014-12-31"}

Frames = tuple[dict[str, pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return guide_frames(simulated_market(instruments=NAMES, start="2013-01-01", end="2014-12-31"))


def dynamic(frames: Frames, **further: Any) -> dict[str, Any]:
    data, table = frames
    return guide.backtest_portfolio_with_dynamic_optimization(
        dict.fromkeys(NAMES, 0.25), data, table, CAPITAL, rebalance_frequency="weekly", **DATES | further
    )


def static(frames: Frames, **further: Any) -> dict[str, Any]:
    data, table = frames
    return guide.backtest_portfolio_with_individual_data(
        dict.fromkeys(NAMES, 0.25), data, table, CAPITAL, **DATES | further
    )


def day(**further: Any) -> dict[str, Any]:
    random = np.random.default_rng(5)
    returns = pd.DataFrame(
        random.normal(0, 0.01, (200, 3)), columns=list("ABC"), index=pd.bdate_range("2020-01-01", periods=200)
    )
    data = {
        name: {"price": 100.0 * place, "volatility": 0.1 * place, "specs": {"multiplier": 50, "sr_cost": 0.002}}
        for place, name in enumerate("ABC", 1)
    }
    given = {"current_positions": {"A": 4}, "portfolio_weights": dict.fromkeys("ABC", 1.0), "returns_matrix": returns}
    return guide.calculate_dynamic_portfolio_positions(data, 300_000, **given | further)


def rounding(optimal: Any, initial: Any, weights: Any, covariance: Any, costs: Any, multiplier: Any = 50) -> Any:
    """A search with the guide's six arguments and no more."""
    assert list(optimal) == list(initial) == list(weights) == list(costs) == list(covariance)
    assert all(isinstance(held, int) for held in initial.values())
    return {name: round(target) for name, target in optimal.items()}


def times(factor: float, plain: Callable[..., float]) -> Callable[..., float]:
    """The function, its value times a factor; it looks like the function itself."""
    return functools.wraps(plain)(lambda *terms: factor * plain(*terms))


@pytest.mark.parametrize("place", PLACES)
def test_a_cost_of_ones_own_decides_the_positions_of_a_day(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    before, asked = day(use_buffering=False), {}

    def dear(spread: float, commission: float, capital: float, weight: float) -> float:
        asked[weight] = (spread, commission, capital)
        return 10.0

    monkeypatch.setattr(importlib.import_module(place), "calculate_cost_in_weight_terms", dear)
    after = day(use_buffering=False)
    assert before["positions"] != {"A": 4, "B": 0, "C": 0} == after["positions"]
    # sr_cost is a share of annual risk: 0.002 × σ × value of the contract.
    assert asked == {
        50 * 100.0 * place / 300_000: (pytest.approx(0.002 * 0.1 * place * 50 * 100 * place), 0.0, 300_000)
        for place in (1, 2, 3)
    }
    monkeypatch.setattr(importlib.import_module(place), "calculate_cost_in_weight_terms", lambda *_: None)
    with pytest.raises(InputError, match="cost_in_weight_terms of A: expected a number, found None"):
        day()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("optimizer", [None, "greedy"])
def test_a_search_of_ones_own_chooses_the_positions_of_a_day(
    monkeypatch: pytest.MonkeyPatch, place: str, optimizer: str | None
) -> None:
    monkeypatch.setattr(importlib.import_module(place), "run_greedy_algorithm", rounding)
    found = day(use_buffering=False, optimizer=optimizer)
    assert found["positions"] == {name: round(target) for name, target in found["optimal_unrounded"].items()}
    assert "rounding" in found["rebalance"].optimised.solver
    assert day(optimizer="exact")["rebalance"].optimised.status.value == "optimal"


def test_costs_of_ones_own_are_those_of_a_backtest_decisions_and_account(
    monkeypatch: pytest.MonkeyPatch, frames: Frames
) -> None:
    def double(market: Market) -> pd.DataFrame:
        return 2 * quoted_costs(market)

    plain, dear = (dynamic(frames, optimizer="greedy", **own) for own in ({}, {"costs": double}))
    assert not plain["backtest"].positions.equals(dear["backtest"].positions)
    twice = times(2, guide.calculate_cost_in_weight_terms)
    for place in PLACES:
        with monkeypatch.context() as patched:
            patched.setattr(importlib.import_module(place), "calculate_cost_in_weight_terms", twice)
            found, on_top = (dynamic(frames, optimizer="greedy", **own) for own in ({}, {"costs": double}))
        pd.testing.assert_frame_equal(found["backtest"].positions, dear["backtest"].positions)
        pd.testing.assert_frame_equal(found["backtest"].returns, dear["backtest"].returns, rtol=1e-9)
        assert not on_top["backtest"].positions.equals(found["backtest"].positions)  # four times the cost
    free = dynamic(frames, optimizer="greedy", costs=lambda market: 0 * quoted_costs(market))
    assert free["performance"]["annual_cost"] == 0 < plain["performance"]["annual_cost"]


def test_forecasts_of_ones_own_are_those_of_a_backtest(frames: Frames) -> None:
    def short(market: Market) -> pd.DataFrame:
        return -0.5 * long_only(market)

    plain, own = static(frames), static(frames, forecasts=short)
    columns = [f"position_{name}" for name in NAMES]
    np.testing.assert_allclose(own["data"][columns], -0.5 * plain["data"][columns])
    assert (plain["data"][columns].iloc[-1] > 0).all()
    held = dynamic(frames, optimizer="greedy", forecasts=short)["final_positions"].values()
    assert min(held) < 0 == max(0, *held)


@pytest.mark.parametrize("place", PLACES)
def test_a_search_of_ones_own_runs_a_backtest(monkeypatch: pytest.MonkeyPatch, place: str, frames: Frames) -> None:
    monkeypatch.setattr(importlib.import_module(place), "run_greedy_algorithm", rounding)
    run = dynamic(frames, use_buffering=False)["backtest"]
    assert set(run.rebalances["optimizer"]) == {"rounding"}
    assert set(run.rebalances["status"]) == {"feasible"}
    targets = dynamic(frames, use_buffering=False, optimizer="rounded")["backtest"]
    pd.testing.assert_frame_equal(run.positions, targets.positions)


def test_the_exact_search_in_place_of_the_greedy_one_is_the_exact_method(
    monkeypatch: pytest.MonkeyPatch, frames: Frames
) -> None:
    expected = dynamic(frames, optimizer="exact")["backtest"]
    monkeypatch.setattr(guide, "run_greedy_algorithm", guide.run_exact_algorithm)
    for optimizer in (None, "greedy"):
        run = dynamic(frames, optimizer=optimizer)["backtest"]
        assert run.performance["num_optimal"] == run.performance["num_rebalances"] > 20
        pd.testing.assert_frame_equal(run.positions, expected.positions)


def test_a_search_of_ones_own_trades_nothing_that_is_closed(monkeypatch: pytest.MonkeyPatch, frames: Frames) -> None:
    data, table = frames
    corn = data["CORN"]
    shut = corn[(corn.index < "2014-09-01") | (corn.index > "2014-10-15")]

    def one_more(*terms: Any) -> dict[str, int]:
        return {name: held + 1 for name, held in terms[1].items()}

    monkeypatch.setattr(guide, "run_greedy_algorithm", one_more)
    run = dynamic((data | {"CORN": shut}, table), use_buffering=False)["backtest"]
    assert run.failures.empty
    closed = run.positions.loc["2014-09-16":"2014-10-14"]
    assert closed["CORN"].nunique() == 1
    assert closed["ES_micro"].nunique() == closed["US10"].nunique() > 3
    assert run.positions["CORN"].iloc[-1] > closed["CORN"].iloc[0] > 0


def test_limits_go_to_a_search_of_ones_own_that_takes_them(monkeypatch: pytest.MonkeyPatch, frames: Frames) -> None:
    monkeypatch.setattr(guide, "run_greedy_algorithm", rounding)
    for refused in (lambda: day(limits=Limits(upper=2)), lambda: dynamic(frames, limits=Limits(upper=2))):
        with pytest.raises(InputError, match="limits: run_greedy_algorithm was replaced by rounding, which has no"):
            refused()

    def within(*terms: Any, limits: Limits) -> dict[str, int]:
        names = tuple(terms[0])
        _, upper = limits.box(names, np.array(list(terms[0].values())), np.array(list(terms[1].values())))
        return {name: min(round(terms[0][name]), int(most)) for name, most in zip(names, upper, strict=True)}

    monkeypatch.setattr(guide, "run_greedy_algorithm", within)
    found = day(limits=Limits(upper=2), use_buffering=False)
    assert max(found["optimal_unrounded"].values()) > 3
    assert max(found["positions"].values()) == 2
    assert dynamic(frames, limits=Limits(upper=2))["backtest"].positions.max(axis=None) == 2


def test_positions_and_weights_of_ones_own_are_those_of_a_backtest(
    monkeypatch: pytest.MonkeyPatch, frames: Frames
) -> None:
    plain, before = static(frames), dynamic(frames, optimizer="greedy")["backtest"].rebalances
    with monkeypatch.context() as patched:
        half = times(0.5, guide.calculate_optimal_unrounded_position)
        patched.setattr(guide, "calculate_optimal_unrounded_position", half)
        own = static(frames)
        targets = dynamic(frames, use_buffering=False, optimizer="unrounded")["backtest"].positions
    np.testing.assert_allclose(own["backtest"].positions, plain["backtest"].positions / 2, rtol=1e-12)
    weekly = dynamic(frames, use_buffering=False, optimizer="unrounded")["backtest"].positions
    np.testing.assert_allclose(targets, weekly / 2, rtol=1e-12)
    assert own["idm"] == plain["idm"]
    monkeypatch.setattr(guide, "calculate_weight_per_contract", times(3, guide.calculate_weight_per_contract))
    after = dynamic(frames, optimizer="greedy")["backtest"].rebalances
    first = before.index[0]  # nothing is held then, and three times the weight is three times the error
    assert after.at[first, "tracking_error_before"] == pytest.approx(3 * before.at[first, "tracking_error_before"])


IN_VAIN = [
    "calculate_tracking_error_std", "calculate_tracking_error_buffer", "calculate_adjustment_factor",
    "calculate_required_trades_with_buffering",
]  # fmt: skip


@pytest.mark.parametrize("name", [*IN_VAIN, "calculate_dynamic_portfolio_positions"])
def test_a_replacement_that_would_have_no_effect_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, frames: Frames
) -> None:
    positions = guide.calculate_dynamic_portfolio_positions
    monkeypatch.setattr(guide, name, lambda *_, **__: 0.0)
    with pytest.raises(UnsupportedError, match=f"{name}: was replaced and would have no effect here; put it back"):
        dynamic(frames)
    if name in IN_VAIN:
        with pytest.raises(UnsupportedError, match=name):
            day()
    if name in IN_VAIN[1:]:  # without a buffer none of them has anything to do
        assert day(use_buffering=False)["adjustment_factor"] == 1.0
    assert guide.calculate_dynamic_portfolio_positions is positions or name not in IN_VAIN


class Rounds:
    """Its methods are other objects each time they are looked up."""

    def search(self, *terms: Any) -> Any:
        return rounding(*terms)


def test_the_same_method_in_both_places_is_one_replacement(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Rounds()
    for place in (guide, importlib.import_module(PLACES[1])):
        monkeypatch.setattr(place, "run_greedy_algorithm", own.search)
    assert "search" in day()["rebalance"].optimised.solver
    monkeypatch.setattr(guide, "run_greedy_algorithm", Rounds().search)
    with pytest.raises(InputError, match="was replaced by different functions"):
        day()


def test_what_is_replaced_twice_or_by_no_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    formulas = importlib.import_module(PLACES[1])
    monkeypatch.setattr(guide, "run_greedy_algorithm", rounding)
    monkeypatch.setattr(formulas, "run_greedy_algorithm", rounding)
    assert "rounding" in day()["rebalance"].optimised.solver
    monkeypatch.setattr(formulas, "run_exact_algorithm", lambda *terms: rounding(*terms))
    with pytest.raises(InputError, match="optimizer: run_greedy_algorithm and run_exact_algorithm were replaced; say"):
        day()
    assert "lambda" in day(optimizer="exact")["rebalance"].optimised.solver
    monkeypatch.setattr(formulas, "run_greedy_algorithm", print)
    with pytest.raises(InputError, match=r"run_greedy_algorithm: was replaced by different functions in dynopt"):
        day()
    monkeypatch.setattr(guide, "calculate_cost_in_weight_terms", 0.001)
    with pytest.raises(InputError, match="calculate_cost_in_weight_terms: was replaced; expected a function, found fl"):
        day(optimizer="exact")


def test_the_comparison_of_the_guide_uses_what_was_replaced(monkeypatch: pytest.MonkeyPatch, frames: Frames) -> None:
    data, table = frames
    weights = dict.fromkeys(NAMES, 0.25)
    monkeypatch.setattr(guide, "run_portfolio_comparison", lambda *_, **__: ({"Mine": weights}, data, table, {}))
    monkeypatch.setattr(guide, "run_greedy_algorithm", rounding)
    found = guide.compare_static_vs_dynamic_optimization(
        CAPITAL, costs=lambda market: 0 * quoted_costs(market), forecasts=lambda market: -long_only(market), **DATES
    )
    assert list(found) == ["Mine"]
    assert set(found["Mine"]["dynamic"]["backtest"].rebalances["optimizer"]) == {"rounding"}
    for result in found["Mine"].values():
        assert result["performance"]["annual_cost"] == 0
        assert result["data"].filter(like="position_").iloc[-1].max() <= 0


def test_the_findings_of_a_run_are_in_what_is_returned(frames: Frames) -> None:
    data, table = frames
    without = {name: frame.drop(columns="Contract_Month") for name, frame in data.items()}
    for found in (dynamic((without, table), optimizer="greedy"), static((without, table))):
        assert found["findings"] == [finding.to_dict() for finding in found["backtest"].findings]
        assert "costs without rolls" in [finding["name"] for finding in found["findings"]]
