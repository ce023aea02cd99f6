"""The guide's functions keep their names, arguments and keys, and what they say is right."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Limits, guide
from dynopt_milp.data import guide_frames, simulated_market
from dynopt_milp.errors import DataError, HistoryError, InputError

SIGNATURES = {
    "run_portfolio_comparison": ["capital", "risk_target", "max_instruments"],
    "backtest_portfolio_with_dynamic_optimization": [
        "portfolio_weights", "data", "instruments_df", "capital", "risk_target", "start_date", "end_date",
        "cost_multiplier", "use_buffering", "buffer_fraction", "rebalance_frequency",
    ],
    "backtest_portfolio_with_individual_data": [
        "portfolio_weights", "data", "instruments_df", "capital", "risk_target", "start_date", "end_date",
    ],
    "compare_static_vs_dynamic_optimization": [
        "capital", "risk_target", "max_instruments", "cost_multiplier", "use_buffering",
    ],
    "calculate_dynamic_portfolio_positions": [
        "instruments_data", "capital", "current_positions", "portfolio_weights", "returns_matrix", "risk_target",
        "cost_multiplier", "use_buffering", "buffer_fraction",
    ],
    "run_greedy_algorithm": [
        "optimal_positions", "initial_positions", "weight_per_contract", "covariance_matrix", "cost_weight_terms",
        "cost_multiplier",
    ],
    "run_exact_algorithm": [
        "optimal_positions", "initial_positions", "weight_per_contract", "covariance_matrix", "cost_weight_terms",
        "cost_multiplier",
    ],
    "calculate_optimal_unrounded_position": [
        "capital", "combined_forecast", "idm", "weight", "sigma_pct", "multiplier", "price", "fx_rate", "risk_target",
    ],
    "calculate_weight_per_contract": ["multiplier", "price", "fx_rate", "capital"],
    "calculate_cost_in_weight_terms": [
        "spread_cost_currency", "commission_currency", "capital", "weight_per_contract",
    ],
    "calculate_tracking_error_std": ["tracking_error_weights", "covariance_matrix"],
    "calculate_tracking_error_buffer": ["average_risk_target", "buffer_fraction"],
    "calculate_adjustment_factor": ["current_tracking_error", "buffer", "risk_target"],
    "calculate_required_trades_with_buffering": ["current_positions", "optimal_positions", "adjustment_factor"],
}  # fmt: skip

PERFORMANCE = {
    "annualized_return", "annualized_volatility", "sharpe_ratio", "max_drawdown_pct", "avg_tracking_error",
    "avg_adjustment_factor", "total_turnover", "avg_daily_turnover", "annual_turnover", "rebalance_frequency",
    "cost_multiplier", "use_buffering", "num_instruments", "idm",
}  # fmt: skip

# The book's example of strategy twenty-five: two bonds and an index, $500,000.
NAMES = ["US_5Y", "US_10Y", "SP500"]
WANTED = dict(zip(NAMES, (0.4, 0.9, 3.1), strict=True))
PER_CONTRACT = dict(zip(NAMES, (0.22, 0.24, 0.04), strict=True))
COSTS = dict(zip(NAMES, (0.0005, 0.0010, 0.0044), strict=True))
SIGMA = np.array([0.052, 0.082, 0.171])
RHO = np.array([[1.0, 0.9, -0.1], [0.9, 1.0, -0.1], [-0.1, -0.1, 1.0]])
COVARIANCE = pd.DataFrame(RHO * np.outer(SIGMA, SIGMA), index=NAMES, columns=NAMES)
NOTHING = dict.fromkeys(NAMES, 0)

Setup = tuple[dict[str, dict[str, float]], dict[str, pd.DataFrame], pd.DataFrame, dict[str, list[str]]]


@pytest.fixture(scope="module")
def setup() -> Setup:
    return guide.run_portfolio_comparison()


@pytest.mark.parametrize("name", SIGNATURES)
def test_positional_arguments_are_the_guides(name: str) -> None:
    parameters = inspect.signature(getattr(guide, name)).parameters.values()
    assert [part.name for part in parameters if part.kind is part.POSITIONAL_OR_KEYWORD] == SIGNATURES[name]
    assert getattr(guide, name).__doc__


def test_the_portfolios_of_the_guide(setup: Setup) -> None:
    strategies, data, table, classes = setup
    assert set(strategies) >= {"Risk Parity", "All Weather", "Optimized Selection", "Single Best"}
    assert set(classes) == {"equity", "bonds", "commodities", "fx", "volatility"}
    for weights in strategies.values():
        assert sum(weights.values()) == pytest.approx(1.0)
        assert set(weights) <= set(data) <= set(table["Symbol"])
    for members in classes.values():
        assert sum(strategies["Risk Parity"][name] for name in members) == pytest.approx(0.2)
    quarter = {name: sum(strategies["All Weather"][one] for one in members) for name, members in classes.items()}
    assert quarter == pytest.approx(
        {"equity": 0.25, "bonds": 0.25, "commodities": 0.25, "fx": 0.125, "volatility": 0.125}
    )
    costs = table.set_index("Symbol")["SR_cost"]
    assert len(strategies["Optimized Selection"]) == 20
    dearest = max(costs[name] for name in strategies["Optimized Selection"])
    assert dearest <= min(costs[name] for name in data if name not in strategies["Optimized Selection"])
    assert list(strategies["Single Best"]) == [costs[list(data)].idxmin()]
    assert 50 <= len(strategies["Jumbo Portfolio"]) <= 100
    for frame in data.values():
        assert {"Last", "returns"} <= set(frame.columns)


SCENARIOS = {
    "medium, $250k and 15 instruments": (
        15, "2022-06-01", "2022-12-31",
        {"capital": 250_000, "rebalance_frequency": "weekly", "cost_multiplier": 50, "buffer_fraction": 0.05},
    ),
    "large, $1m and 50 instruments": (
        50, "2022-11-28", "2022-12-06",
        {"capital": 1_000_000, "rebalance_frequency": "daily", "cost_multiplier": 75, "buffer_fraction": 0.03},
    ),
    "conservative, $100k and 8 instruments": (
        8, "2019-01-01", "2022-12-31",
        {"capital": 100_000, "rebalance_frequency": "monthly", "cost_multiplier": 100, "buffer_fraction": 0.10},
    ),
}  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenarios_of_the_guide_run_and_every_rebalance_is_proven(scenario: str) -> None:
    count, start, end, arguments = SCENARIOS[scenario]
    strategies, data, table, _ = guide.run_portfolio_comparison(max_instruments=count)
    weights = strategies["Optimized Selection"]
    assert len(weights) == count
    result = guide.backtest_portfolio_with_dynamic_optimization(
        portfolio_weights=weights, data=data, instruments_df=table, use_buffering=True, start_date=start,
        end_date=end, **arguments,
    )  # fmt: skip
    figures = result["performance"]
    assert set(figures) >= PERFORMANCE
    assert figures["num_instruments"] == count
    assert figures["num_optimal"] == figures["num_rebalances"] >= 5
    assert figures["rebalance_frequency"] == arguments["rebalance_frequency"]
    assert figures["cost_multiplier"] == arguments["cost_multiplier"]
    assert set(result) >= {"data", "performance", "portfolio_weights", "final_positions"}
    assert all(isinstance(held, int) for held in result["final_positions"].values())
    daily = result["data"]
    assert daily[[f"position_{name}" for name in weights]].iloc[-1].tolist() == [
        result["final_positions"][name] for name in weights
    ]
    assert daily["daily_turnover"].sum() == figures["total_turnover"]
    assert result["backtest"].settings["buffer_fraction"] == arguments["buffer_fraction"]


def test_greedy_stands_behind_the_same_name(setup: Setup) -> None:
    strategies, data, table, _ = setup
    arguments: dict[str, Any] = {
        "portfolio_weights": strategies["Optimized Selection"], "data": data, "instruments_df": table,
        "capital": 250_000, "rebalance_frequency": "weekly", "start_date": "2020-01-01", "end_date": "2020-01-31",
    }  # fmt: skip
    greedy = guide.backtest_portfolio_with_dynamic_optimization(**arguments, optimizer="greedy")
    exact = guide.backtest_portfolio_with_dynamic_optimization(**arguments)
    assert set(greedy["backtest"].rebalances["optimizer"]) == {"greedy"}
    first = greedy["backtest"].rebalances["objective"].iloc[0], exact["backtest"].rebalances["objective"].iloc[0]
    assert first[1] <= first[0]  # from the same positions, none
    assert exact["backtest"].rebalances["objective"].mean() < greedy["backtest"].rebalances["objective"].mean()
    unbuffered = guide.backtest_portfolio_with_dynamic_optimization(
        **arguments, optimizer="greedy", use_buffering=False
    )
    assert unbuffered["performance"]["avg_adjustment_factor"] == 1.0 > greedy["performance"]["avg_adjustment_factor"]


def test_the_static_backtest_holds_fractions_of_the_risk_wanted(setup: Setup) -> None:
    strategies, data, table, _ = setup
    result = guide.backtest_portfolio_with_individual_data(
        strategies["All Weather"], data, table, 1_000_000, 0.2, "2015-01-01", "2016-12-31"
    )
    assert set(result) >= {"data", "performance", "portfolio_weights", "correlation_matrix", "idm"}
    assert 0.1 < result["performance"]["annualized_volatility"] < 0.3
    assert 1 < result["idm"] <= 2.5
    held = result["data"].filter(like="position_")
    assert (held.iloc[-1] != held.iloc[-1].round()).all()


def test_frames_with_contract_months_are_charged_rolls_and_the_drawdown_is_net_of_them(setup: Setup) -> None:
    strategies, data, table, _ = setup
    weights = strategies["Optimized Selection"]
    dates = {"start_date": "2019-01-01", "end_date": "2019-12-31"}
    arguments: dict[str, Any] = {"instruments_df": table, "capital": 250_000, "rebalance_frequency": "weekly", **dates}
    found = guide.backtest_portfolio_with_dynamic_optimization(weights, data, **arguments)
    run, daily = found["backtest"], found["data"]
    rolled = sum(
        (daily[f"position_{name}"].shift(fill_value=0).abs() * changes.reindex(daily.index, fill_value=False)).sum()
        for name in weights
        for changes in [data[name]["Contract_Month"].diff().fillna(0) != 0]
    )
    figures = found["performance"]
    assert rolled > 0
    assert figures["annual_contracts_rolled"] == pytest.approx(rolled / len(daily) * 256)
    paid = run.returns["trading_cost"] + run.returns["roll_cost"]
    assert daily["portfolio_returns"].to_numpy() == pytest.approx((run.returns["gross"] - paid).to_numpy())
    account = np.r_[1.0, 1 + daily["portfolio_returns"].cumsum()]
    fall = 1 - account / np.maximum.accumulate(account)
    assert figures["max_drawdown_pct"] == pytest.approx(100 * fall.max())

    without = {name: frame.drop(columns="Contract_Month") for name, frame in data.items()}
    other = guide.backtest_portfolio_with_dynamic_optimization(weights, without, **arguments)
    assert other["performance"]["annual_roll_cost"] is None
    assert figures["costs_counted"] == "trades and rolls"
    assert other["performance"]["costs_counted"] == "trades (rolls are not counted)"
    pd.testing.assert_frame_equal(other["backtest"].positions, run.positions)
    gain = (other["data"]["portfolio_returns"] - daily["portfolio_returns"]).to_numpy()
    assert gain == pytest.approx(run.returns["roll_cost"].to_numpy(), abs=1e-15)

    static = guide.backtest_portfolio_with_individual_data(weights, data, table, 250_000, 0.2, *dates.values())
    assert static["performance"]["annual_roll_cost"] > 0
    assert static["performance"]["max_drawdown_pct"] == static["performance"]["max_drawdown_of_peak_pct"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices of four futures in the guide's layout."""
    found = tmp_path_factory.mktemp("guide")
    market = simulated_market(instruments=["US10", "ES", "GOLD", "EUR_micro"], start="2015-01-01", end="2017-12-31")
    _, table = guide_frames(market)
    for name in market.instruments:
        prices = market.prices[name].dropna().rename("Last").rename_axis("Time")
        prices.to_csv(found / f"{name.lower()}_daily_data.csv")
    table.to_csv(found / "instruments.csv", index=False)
    return found


def test_every_portfolio_static_against_dynamic(folder: Path) -> None:
    found = guide.compare_static_vs_dynamic_optimization(
        capital=250_000, risk_target=0.2, max_instruments=3, cost_multiplier=50, use_buffering=True,
        optimizer="greedy", start_date="2016-01-01", end_date="2016-12-31", data_directory=folder,
    )  # fmt: skip
    assert set(found) >= {"Risk Parity", "All Weather", "Optimized Selection", "Single Best"}
    for result in found.values():
        assert set(result) == {"static", "dynamic"}
        assert result["dynamic"]["performance"]["num_failed"] == 0
        assert set(result["static"]["portfolio_weights"]) == set(result["dynamic"]["final_positions"])
    assert len(found["Optimized Selection"]["static"]["portfolio_weights"]) == 3


def test_the_example_of_the_book() -> None:
    greedy = guide.run_greedy_algorithm(WANTED, NOTHING, PER_CONTRACT, COVARIANCE, COSTS, 0)
    exact = guide.run_exact_algorithm(WANTED, NOTHING, PER_CONTRACT, COVARIANCE, COSTS, 0)
    assert greedy == {"US_5Y": 0, "US_10Y": 1, "SP500": 3}
    weights = {name: WANTED[name] * PER_CONTRACT[name] for name in NAMES}

    def error(held: dict[str, int]) -> float:
        left = pd.Series({name: (WANTED[name] - held[name]) * PER_CONTRACT[name] for name in NAMES})
        return guide.calculate_tracking_error_std(left, COVARIANCE)

    assert error(exact) <= error(greedy)
    assert error(NOTHING) == pytest.approx(float(np.sqrt(pd.Series(weights) @ COVARIANCE @ pd.Series(weights))))


def test_trades_are_charged_from_the_positions_held() -> None:
    held = {"US_5Y": 0, "US_10Y": 1, "SP500": 2}
    assert guide.run_exact_algorithm(WANTED, held, PER_CONTRACT, COVARIANCE, COSTS, 1e4) == held
    assert guide.run_greedy_algorithm(WANTED, {}, PER_CONTRACT, COVARIANCE, COSTS, 1e4) == NOTHING


def test_the_formulas_of_the_guide() -> None:
    assert guide.calculate_optimal_unrounded_position(100_000, 10, 2.5, 0.1, 0.15, 5, 4000) == pytest.approx(
        10 * 100_000 * 2.5 * 0.1 * 0.2 / (10 * 5 * 4000 * 0.15)
    )
    assert guide.calculate_optimal_unrounded_position(1e5, -35, 1, 0.1, 0.2, 5, 4000, 1.1, 0.3) == pytest.approx(
        -20 * 1e5 * 0.1 * 0.3 / (10 * 5 * 4000 * 1.1 * 0.2)
    )
    assert guide.calculate_weight_per_contract(5, 4000, 1.1, 100_000) == pytest.approx(0.22)
    assert guide.calculate_cost_in_weight_terms(0.625, 0.6, 100_000, 0.2) == pytest.approx(1.225 / 100_000 / 0.2)
    assert guide.calculate_tracking_error_buffer(0.2) == pytest.approx(0.01)
    assert guide.calculate_adjustment_factor(0.04, 0.01, 0.2) == pytest.approx(0.75)
    assert guide.calculate_adjustment_factor(0.005, 0.01, 0.2) == guide.calculate_adjustment_factor(0.0, 0.01) == 0.0
    assert guide.calculate_required_trades_with_buffering({"A": 1, "B": 5}, {"A": 4, "B": -1, "C": 2}, 0.75) == {
        "A": 2, "B": -4, "C": 2,
    }  # fmt: skip


def day_inputs() -> dict[str, Any]:
    random = np.random.default_rng(3)
    returns = pd.DataFrame(
        random.multivariate_normal(np.zeros(3), COVARIANCE.to_numpy() / 256, 200),
        columns=NAMES, index=pd.bdate_range("2020-01-01", periods=200),
    )  # fmt: skip
    specs = {"multiplier": 1000, "sr_cost": 0.001}
    return {
        "instruments_data": {
            name: {"price": 110.0 * place, "volatility": sigma, "specs": specs}
            for place, (name, sigma) in enumerate(zip(NAMES, SIGMA, strict=True), 1)
        },
        "capital": 1_000_000, "current_positions": {"US_10Y": 1}, "portfolio_weights": dict.fromkeys(NAMES, 1.0),
        "returns_matrix": returns,
    }  # fmt: skip


def test_the_positions_of_one_day() -> None:
    given = day_inputs()
    found = guide.calculate_dynamic_portfolio_positions(**given)
    assert set(found) >= {
        "positions", "optimal_unrounded", "idm", "tracking_error", "adjustment_factor", "buffer", "covariance_matrix",
        "weight_per_contract",
    }  # fmt: skip
    assert found["buffer"] == pytest.approx(0.01)
    assert found["optimal_unrounded"]["SP500"] == pytest.approx(
        1_000_000 * found["idm"] / 3 * 0.2 / (1000 * 330 * 0.171)
    )
    best = found["rebalance"].optimised.positions
    trades = guide.calculate_required_trades_with_buffering(
        given["current_positions"], best.to_dict(), found["adjustment_factor"]
    )
    assert found["positions"] == {name: given["current_positions"].get(name, 0) + trades[name] for name in NAMES}
    exact = guide.calculate_dynamic_portfolio_positions(**given, use_buffering=False)
    assert exact["adjustment_factor"] == 1.0
    assert exact["positions"] == best.to_dict()


def test_too_little_history_is_an_error_that_says_what_to_do(setup: Setup) -> None:
    strategies, data, table, _ = setup
    given = day_inputs()
    with pytest.raises(HistoryError, match="30 days of returns and 50 are needed; give longer data"):
        guide.calculate_dynamic_portfolio_positions(**given | {"returns_matrix": given["returns_matrix"][:30]})
    apart = given["returns_matrix"].copy()
    apart.loc[apart.index[:100], "US_5Y"] = np.nan
    apart.loc[apart.index[100:], ["US_10Y", "SP500"]] = np.nan
    apart.loc[apart.index[:100], "SP500"] = np.nan
    with pytest.raises(HistoryError, match="no two instruments have returns on one day"):
        guide.calculate_dynamic_portfolio_positions(**given | {"returns_matrix": apart})
    with pytest.raises(HistoryError, match="no instrument of it has data"):
        guide.backtest_portfolio_with_dynamic_optimization({"COCOA": 1.0}, data, table)
    short = {name: frame.iloc[:40] for name, frame in data.items() if name in ("US10", "ES")}
    with pytest.raises(HistoryError, match="days of returns and 50 are needed"):
        guide.backtest_portfolio_with_dynamic_optimization({"US10": 0.5, "ES": 0.5}, short, table)
    with pytest.raises(HistoryError, match="fewer than two days"):
        guide.backtest_portfolio_with_dynamic_optimization(
            strategies["Single Best"], data, table, start_date="2030-01-01", end_date="2031-01-01"
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: guide.calculate_optimal_unrounded_position(1e5, 10, 1, 0.1, 0.0, 5, 4000),
            "sigma_pct: expected a pos",
        ),
        (lambda: guide.calculate_weight_per_contract(5, -4000, 1, 1e5), "price: expected a positive number"),
        (lambda: guide.calculate_cost_in_weight_terms(1, 1, 1e5, 0.0), "weight_per_contract: expected a positive"),
        (lambda: guide.calculate_cost_in_weight_terms(-3, 1, 1e5, 0.1), "spread_cost_currency: expected costs"),
        (lambda: guide.calculate_tracking_error_std({"COCOA": 1.0}, COVARIANCE), "of COCOA: is not in the covariance"),
        (lambda: guide.run_portfolio_comparison(max_instruments=0), "max_instruments: expected a whole number"),
        (lambda: guide.run_greedy_algorithm(WANTED, {"SP500": 0.5}, PER_CONTRACT, COVARIANCE, COSTS), "expected whole"),
        (
            lambda: guide.backtest_portfolio_with_dynamic_optimization({}, {}, pd.DataFrame()),
            "portfolio_weights: is empty",
        ),
        (
            lambda: guide.backtest_portfolio_with_dynamic_optimization({"A": -1.0}, {}, pd.DataFrame()),
            "portfolio_weights of A: expected a share",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_the_guides_folder_is_read_too(folder: Path, tmp_path: Path) -> None:
    strategies, data, _, classes = guide.run_portfolio_comparison(data_directory=folder)
    assert set(data) == {"US10", "ES", "GOLD", "EUR_micro"}
    assert classes["bonds"] == ["US10"]
    assert set(strategies["All Weather"]) == set(data)
    with pytest.raises(DataError):
        guide.run_portfolio_comparison(data_directory=tmp_path / "nowhere")


def test_what_is_held_and_has_no_data_stays() -> None:
    given = day_inputs()
    found = guide.calculate_dynamic_portfolio_positions(
        **given | {"current_positions": {"US_10Y": 1, "COCOA": 7}}, optimizer="greedy"
    )
    assert found["positions"]["COCOA"] == 7
    assert set(found["positions"]) == {*NAMES, "COCOA"}


@pytest.mark.parametrize("missing", ["price", "specs"])
def test_data_of_an_instrument_that_lack_something_are_refused(missing: str) -> None:
    given = day_inputs()
    given["instruments_data"]["SP500"] = {
        key: value for key, value in given["instruments_data"]["SP500"].items() if key != missing
    }
    with pytest.raises(InputError, match=f"instruments_data of SP500: has no '{missing}'"):
        guide.calculate_dynamic_portfolio_positions(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"portfolio_weights": 3}, "portfolio_weights: expected shares of risk"),
        ({"returns_matrix": pd.DataFrame({"SP500": [0.1]})}, "returns_matrix: expected a DataFrame with days"),
    ],
)
def test_inputs_of_a_day_of_the_wrong_kind_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        guide.calculate_dynamic_portfolio_positions(**day_inputs() | change)


def test_weights_may_be_a_series_and_nothing_may_be_held() -> None:
    given = day_inputs()
    one = guide.calculate_dynamic_portfolio_positions(**given | {"current_positions": {}}, optimizer="greedy")
    other = guide.calculate_dynamic_portfolio_positions(
        **given | {"current_positions": None, "portfolio_weights": pd.Series(given["portfolio_weights"])},
        optimizer="greedy",
    )
    assert one["positions"] == other["positions"]
    with pytest.raises(InputError, match="initial_positions of COCOA: is held"):
        guide.run_greedy_algorithm(WANTED, {"COCOA": 5}, PER_CONTRACT, COVARIANCE, COSTS)


def test_replacing_a_function_takes_effect_where_others_call_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = day_inputs()
    before = guide.calculate_dynamic_portfolio_positions(**given)
    plain = guide.calculate_weight_per_contract
    monkeypatch.setattr("dynopt_milp.guide.calculate_weight_per_contract", lambda *terms: 2 * plain(*terms))
    after = guide.calculate_dynamic_portfolio_positions(**given)
    assert after["weight_per_contract"] == {name: 2 * unit for name, unit in before["weight_per_contract"].items()}


def test_sizes_of_one_contract_are_held_on_one_side_if_one_says_so() -> None:
    names = ["FULL", "MICRO", "BOND"]
    returns = np.random.default_rng(4).normal(0, 0.01, (300, 2))
    frame = pd.DataFrame(returns[:, [0, 0, 1]], index=pd.bdate_range("2022-01-03", periods=300), columns=names)
    underlying = {"FULL": "INDEX", "MICRO": "INDEX"}
    data = {
        name: {"price": 100.0, "volatility": 0.16, "specs": {"multiplier": size, "sr_cost": 0.05} | extra}
        for name, size, extra in (
            ("FULL", 1000.0, {"underlying": "INDEX"}), ("MICRO", 100.0, {"underlying": "INDEX"}), ("BOND", 500.0, {}),
        )
    }  # fmt: skip
    held, weights = {"FULL": -3, "MICRO": 37, "BOND": 1}, dict.fromkeys(names, 1 / 3)
    found = [
        guide.calculate_dynamic_portfolio_positions(data, 500_000, held, weights, frame, limits=limits)
        for limits in (None, Limits(one_side=True))
    ]
    assert [day["positions"]["FULL"] * day["positions"]["MICRO"] < 0 for day in found] == [True, False]
    free = found[0]["rebalance"].problem
    parts = [free.labelled(values).to_dict() for values in (free.weight_per_contract, free.cost_in_weight_terms)]
    for search in (guide.run_exact_algorithm, guide.run_greedy_algorithm):
        kept = search(
            found[0]["optimal_unrounded"], held, parts[0], found[0]["covariance_matrix"], parts[1],
            limits=Limits(one_side=True), underlying=underlying,
        )  # fmt: skip
        assert kept["FULL"] * kept["MICRO"] >= 0
