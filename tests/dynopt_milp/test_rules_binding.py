"""Which house rules bind, what they cost in the objective, what is used of them, and margins."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dynopt_milp import (
    Backtest,
    Inputs,
    Limits,
    Market,
    OrderCosts,
    Problem,
    RulesError,
    Strategy,
    backtest,
    rebalance,
    rules,
    simulated_market,
    solve,
)
from dynopt_milp.backtests.binding import prices_of_rules, rules_in_figures
from dynopt_milp.errors import FormatError, InputError
from dynopt_milp.rules import Rule
from dynopt_milp.rules.used import rule_names
from dynopt_milp.show import show_backtests, write_report
from dynopt_milp.trades.input_notes import notes_of_problem
from tests.command_line import run

NAMES = ("US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "CRUDE_mini", "CORN")
YEAR = {"capital": 250_000.0, "start": "2018-01-01", "end": "2018-12-31"}
HOUSE = [rules.risk(0.1), rules.max_holdings(4), rules.margin(budget=0.06), rules.one_of(["ES_micro", "NQ_micro"])]


def drawn(seed: int, house: list[Rule]) -> Problem:
    random = np.random.default_rng(seed)
    size = 4
    factor = random.normal(size=(size, size)) * 0.2
    return Problem(
        factor @ factor.T + 0.01 * np.eye(size), random.normal(size=size) * 4, random.uniform(0.1, 0.4, size),
        random.integers(-1, 2, size), random.uniform(1e-4, 1e-3, size), 20.0, instruments=list("ABCD"),
        margin=random.uniform(0.01, 0.05, size), rules=house,
    )  # fmt: skip


def test_a_rule_binds_where_the_free_optimum_breaks_it_and_costs_what_the_optimum_without_it_gains() -> None:
    several, alone = 0, 0
    for seed in range(60):
        budget, most, gross = (0.12, 2, 1.5) if seed % 2 else (0.3, 4, 2.5)
        house = [rules.margin(budget=budget), rules.max_holdings(most), rules.gross(gross), rules.one_of(["A", "B"])]
        problem = drawn(seed, house)
        best, free = solve(problem), solve(problem.replace(rules=None))
        if best.contracts is None:
            continue
        measured = prices_of_rules(problem, best, 0.01, each=True, gap=1e-6, time_limit=None)
        assert measured is not None
        cost, prices, kept = measured
        held = free.positions.to_numpy()
        broken = {
            "margin": np.abs(held) @ np.asarray(problem.margin) > budget * (1 + 1e-9),
            "max_holdings": (held != 0).sum() > most,
            "gross": np.abs(held) @ problem.weight_per_contract > gross * (1 + 1e-9),
            "one_of A, B": bool(held[0] and held[1]),
        }
        assert list(prices) == [name for name, breaks in broken.items() if breaks]
        assert kept == [name for name, breaks in broken.items() if not breaks]
        assert cost == pytest.approx(best.objective - free.objective, rel=1e-12, abs=1e-12)
        for place, name in enumerate(broken):
            if broken[name]:
                without = solve(problem.replace(rules=[rule for at, rule in enumerate(house) if at != place]))
                assert prices[name] == pytest.approx(best.objective - without.objective, abs=3e-6 * best.objective)
        bound = sum(broken.values())
        several, alone = several + (bound > 1), alone + (bound == 1)
        cheap = prices_of_rules(problem, best, 0.01, each=False, gap=1e-6, time_limit=None)
        assert cheap is not None
        if bound == 1:
            assert cheap[1] == pytest.approx(prices, abs=3e-6 * best.objective)
        else:
            assert list(cheap[1].values()) == [None] * bound
    assert several > 5
    assert alone > 2


def test_without_a_proof_nothing_is_said() -> None:
    problem = drawn(0, [rules.max_holdings(1)])
    assert prices_of_rules(problem, solve(problem, "greedy"), 0.01, each=False, gap=1e-6, time_limit=None) is None


def test_names_are_the_same_from_day_to_day_and_tell_rules_apart() -> None:
    house = [
        rules.margin({"A": 1.0, "B": 2.0}, 5), rules.risk(0.1), rules.risk(0.05, ["A", "B"]), rules.risk(0.2),
        rules.group(["B", "A"], upper=1), rules.max_holdings(3),
    ]  # fmt: skip
    assert rule_names(house) == ["margin", "risk (1)", "risk A, B", "risk (2)", "group A, B", "max_holdings"]


def test_what_is_used_of_rules_is_said() -> None:
    house = [rules.margin(budget=0.2), rules.net(-1, 2), rules.risk(0.3), rules.max_orders(3), rules.lot(1)]
    for seed in range(10):
        problem = drawn(seed, house)
        done = rebalance(problem)
        held, unit = done.contracts, problem.weight_per_contract
        weights = held * unit
        found = [(use.rule, use.used, use.limit, use.at_least) for use in done.rules_used]
        expected = [
            ("margin", np.abs(held) @ np.asarray(problem.margin), 0.2, False),
            ("net", weights.sum(), 2.0, False),
            ("net", weights.sum(), -1.0, True),
            ("risk", np.sqrt(weights @ problem.covariance @ weights), 0.3, False),
            ("max_orders", np.count_nonzero(held != problem.previous_positions), 3.0, False),
        ]
        assert [each[0] for each in found] == [each[0] for each in expected]
        assert [each[3] for each in found] == [each[3] for each in expected]
        for (_, used, limit, _), (_, true, bound, _) in zip(found, expected, strict=True):
            assert used == pytest.approx(true, rel=1e-9, abs=1e-12)
            assert limit == bound
        assert done.margin == pytest.approx(found[0][1])
        assert done.to_dict()["rules_used"][2] == {
            "rule": "net", "used": found[2][1], "limit": -1.0, "at_least": True,
        }  # fmt: skip


def test_margins_of_a_problem() -> None:
    problem = drawn(1, []).replace(margin={"A": 0.1, "C": 0.2})
    assert np.isnan(problem.margin).tolist() == [False, True, False, True]  # type: ignore[arg-type]
    assert problem.margin_held([1, 0, -2, 0]) == pytest.approx(0.5)
    assert problem.margin_held([1, 1, 0, 0]) is None
    again = Problem.from_dict(problem.to_dict())
    assert again.to_dict() == problem.to_dict()
    assert problem.to_dict()["margin"] == [0.1, None, 0.2, None]
    with pytest.raises(RulesError, match="rules of B: margin: per_contract: has no margin"):
        problem.replace(rules=rules.margin(budget=1))
    some = problem.replace(rules=rules.group(["A", "C"], upper=0.3, of="margin"))
    assert solve(some).status.value == "optimal"
    assert problem.replace(margin=None).margin_held([0, 0, 0, 0]) is None
    money = Problem.from_market(
        capital=1e5, prices=[100, 50], multipliers=[10, 10], covariance=0.04 * np.eye(2) + 0.01,
        optimal_positions=[4.4, 3.3], instruments=["A", "B"], margin_per_contract={"A": 500.0, "B": 250.0},
        rules=rules.margin(budget=0.02),
    )  # fmt: skip
    found = solve(money)
    grid = np.array(list(itertools.product(range(7), repeat=2)))
    kept = grid[(grid @ [500, 250]) <= 2000]
    assert found.objective == pytest.approx(money.program().tracking_errors(kept).min(), rel=1e-6)


@pytest.fixture(scope="module")
def market() -> Market:
    made = simulated_market(instruments=list(NAMES))
    table = made.specifications.copy()
    table["margin"], table["minimum"] = 2_000.0, 5.0
    return replace(made, specifications=table)


@pytest.fixture(scope="module")
def ruled(market: Market) -> Backtest:
    return backtest(market, rules=HOUSE, **YEAR)


def test_a_run_says_which_rules_bind_and_what_margin_is_held(market: Market, ruled: Backtest) -> None:
    figures = ruled.performance
    days = len(ruled.rebalances)
    assert {name: of_one["rebalances"] for name, of_one in figures["rules"].items()} == dict.fromkeys(
        ["margin", "risk", "max_holdings", "one_of ES_micro, NQ_micro"], days
    )
    bind = ruled.rebalances["rules_bind"]
    assert figures["num_rules_bind"] == (bind > 0).sum() > 10
    assert sum(of_one["binding"] for of_one in figures["rules"].values()) == bind.sum()
    known = (bind == 1) | ((bind > 1) & (ruled.rebalances.index.map(pd.Timestamp.toordinal) % 4 == 0))
    assert sum(of_one["priced"] for of_one in figures["rules"].values()) == bind[known].sum() < bind.sum()
    free = backtest(market, **YEAR)
    assert free.rebalances["margin"].max() > 0.06
    assert ruled.rebalances["margin"].max() <= 0.06 * (1 + 1e-12)
    assert (ruled.rebalances["margin"] / 0.06).to_numpy() == pytest.approx(ruled.rebalances["margin_used"].to_numpy())
    assert figures["largest_margin_used"] == ruled.rebalances["margin_used"].max()
    assert "rules_cost" not in free.rebalances
    assert "rules" not in free.performance
    assert "price_rules" not in free.settings
    finding = next(one for one in ruled.findings if one.name == "rules bind")
    assert finding.figure == figures["num_rules_bind"]
    assert "margin at " in finding.remedy


@pytest.mark.parametrize("buffer_rule", ["edge", "deadband", None])
def test_prices_are_those_of_what_is_minimised(market: Market, buffer_rule: Any) -> None:
    inputs = Inputs(market, Strategy(), 250_000)
    short = YEAR | {"end": "2018-02-28"}
    done = backtest(market, rules=HOUSE, buffer_rule=buffer_rule, inputs=inputs, **short)
    formulation = "deadband" if buffer_rule == "deadband" else "penalty"
    costs = []
    for day, row in done.rebalances.iterrows():
        problem = inputs.problem(
            day, done.positions.loc[day], rules=HOUSE, limits=Limits(one_side=True), holding="weekly"
        )
        best, free = (solve(made, formulation=formulation) for made in (problem, problem.replace(rules=None)))
        costs.append(best.objective - free.objective)
        assert row["rules_cost"] == pytest.approx(costs[-1], abs=3e-6 * best.objective)
    assert max(costs) > 0


def test_all_prices_are_there_when_asked_for_and_a_run_goes_on_with_them(market: Market, tmp_path: Path) -> None:
    short = YEAR | {"end": "2018-03-31", "rules": HOUSE, "price_rules": True}
    run_whole = backtest(market, **short)
    for of_one in run_whole.performance["rules"].values():
        assert of_one["priced"] == of_one["binding"]
    folder = tmp_path / "run"
    assert backtest(market, out=folder, **short).performance["rules"] == run_whole.performance["rules"]
    assert (
        backtest(market, out=folder, **short).performance["rules"] == run_whole.performance["rules"]
    )  # from the journal
    assert Backtest.load(folder).performance["rules"] == run_whole.performance["rules"]
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert rules_in_figures(lines) == run_whole.performance["rules"]


def test_tables_and_the_page_show_rules_and_margin(ruled: Backtest, tmp_path: Path) -> None:
    console = Console(record=True, width=160)
    show_backtests({"exact": ruled}, console)
    text = console.export_text()
    binding = ruled.performance["rules"]["margin"]["binding"]
    assert f"{binding} of {len(ruled.rebalances)}" in text
    assert "margin, share of its budget" in text
    page = write_report(ruled, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "House rules" in page
    assert "one_of ES_micro, NQ_micro" in page
    assert "margin of what was decided, share of its budget" in page


def test_targets_bring_costs_of_orders_and_margins(tmp_path: Path) -> None:
    targets = tmp_path / "targets.csv"
    targets.write_text(
        "instrument,position,price,multiplier,cost_per_contract,per_order,minimum,commission,impact,margin\n"
        "A,1.6,100,50,3,1,5,1,0.5,600\nB,-2.4,50,100,2,,4,1,,400\n"
    )
    covariance = tmp_path / "covariance.csv"
    covariance.write_text(",A,B\nA,0.04,0.01\nB,0.01,0.09\n")
    given = ["rebalance", "--targets", str(targets), "--covariance", str(covariance), "--capital", "50000",
             "--buffer-rule", "none", "--json"]  # fmt: skip
    done = run(*given)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    made = Problem.from_market(
        capital=50_000, prices=[100, 50], multipliers=[50, 100], covariance=[[0.04, 0.01], [0.01, 0.09]],
        optimal_positions=[1.6, -2.4], cost_per_contract=[3, 2], instruments=["A", "B"],
        order_costs=OrderCosts([1, 0], [5, 4], [1, 1], [0.5, 0]), margin_per_contract=[600, 400],
    )  # fmt: skip
    expected = rebalance(made, buffer_rule=None)
    assert found["positions"] == expected.positions.to_dict()
    assert found["cost"] == pytest.approx(expected.cost, rel=1e-12)
    assert found["margin"] == pytest.approx(float(np.abs(expected.contracts) @ [600, 400]) / 50_000)
    ruled = json.loads(run(*given, "--margin", "0.02").stdout)
    assert ruled["margin"] <= 0.02
    assert ruled["rules_used"][0]["rule"] == "margin"
    assert Problem.from_dict(ruled["problem"]).rules[0] == rules.margin(budget=0.02)
    table = run(*given[:-1], "--margin", "0.02")
    assert "margin: " in table.stdout
    bad = run(*given, "--margin", "25")
    assert bad.returncode == 2
    assert "looks like per cent" in bad.stderr
    targets.write_text(targets.read_text().replace(",commission,", ",kommission,"))
    assert "kommission" in run(*given).stderr
    targets.write_text(
        "instrument,position,price,multiplier,cost_per_contract,minimum\nA,1,100,50,3,5\nB,1,50,100,2,5\n"
    )
    assert "commission: is no column of the targets" in run(*given).stderr


def test_compare_takes_rules_and_holds_the_targets_without_them(tmp_path: Path) -> None:
    house = tmp_path / "rules.toml"
    house.write_text('[[rules]]\nrule = "max_holdings"\nmost = 3\n')
    done = run(
        "compare", "--portfolios", "risk-parity", "--optimizers", "unrounded,rounded,exact", "--start", "2019-01-01",
        "--end", "2019-03-31", "--instruments", ",".join(NAMES), "--rules", str(house), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    assert "unrounded and rounded: held as the targets are, without the rules" in content["notes"]
    assert [row["optimizer"] for row in content["comparison"]] == ["unrounded", "rounded", "exact"]


def test_a_margin_that_is_not_known_is_said_where_a_rule_needs_it(market: Market) -> None:
    table = market.specifications.copy()
    table.loc["CORN", "margin"] = np.nan
    with pytest.raises(RulesError, match="CORN: margin: per_contract: has no margin"):
        backtest(replace(market, specifications=table), rules=rules.margin(budget=0.5), **YEAR)
    assert pd.isna(table.loc["CORN", "margin"])


def test_a_run_with_rules_is_none_without(market: Market, tmp_path: Path) -> None:
    short = YEAR | {"end": "2018-02-28"}
    backtest(market, rules=HOUSE, out=tmp_path / "run", **short)
    with pytest.raises(FormatError, match=r"rules is .* there and not set now"):
        backtest(market, out=tmp_path / "run", **short)
    assert backtest(market, rules=HOUSE, out=tmp_path / "run", **short).settings["rules"]


def test_static_runs_stand_beside_without_rules(market: Market) -> None:
    short = YEAR | {"end": "2018-02-28"}
    done = backtest(market, rules=HOUSE, beside=["rounded", "greedy"], price_rules=True, **short)
    assert "rules" not in done.beside["rounded"].settings
    assert done.beside["greedy"].settings["rules"] == done.settings["rules"]


def test_slips_are_refused_or_noted(market: Market) -> None:
    for wrong in (lambda: [rules.gross(5)], lambda day, capital: []):
        with pytest.raises(RulesError, match="expected a function of the day"):
            backtest(market, rules=wrong, **YEAR)
    with pytest.raises(InputError, match="price_rules: makes no sense without rules"):
        backtest(market, price_rules=True, **YEAR)
    nothing_known = Problem.from_market(
        capital=1e5, prices=[100], multipliers=[10], covariance=[[0.04]], optimal_positions=[4.4], instruments=["A"],
        margin_per_contract={},
    )  # fmt: skip
    assert nothing_known.margin is None
    money = nothing_known.replace(margin=2000.0, rules=rules.margin(0.02, 1e-3))
    notes = list(notes_of_problem(money))
    assert any("the margin of a contract is more than its notional" in note for note in notes)
    assert any("the budget is less than the margin of any contract" in note for note in notes)


@pytest.mark.parametrize(
    "house", [[rules.max_order(1), rules.lot({"A": 2})], [rules.min_position(2), rules.max_order(1)]]
)
def test_a_deadband_ends_where_what_is_held_is_not_allowed(house: list[Rule]) -> None:
    covariance = [[0.075, 0.018, -0.021], [0.018, 0.06, -0.010], [-0.021, -0.010, 0.009]]
    made = Problem(
        covariance, [2.2, -1.2, -0.5], [0.5, 0.6, 0.36], [1, 1, -2], 2e-4, instruments=list("ABC"), rules=house
    )
    found, other = (solve(made, method, formulation="deadband") for method in ("exact", "enumerate"))
    assert found.status.value == "optimal"
    assert found.nodes < 1000
    assert found.objective == pytest.approx(other.objective, rel=1e-6)
