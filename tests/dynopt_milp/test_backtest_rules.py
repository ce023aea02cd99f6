"""House rules in backtests: every decision keeps them by the data of its day, whoever decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Backtest, Inputs, Market, Problem, Solution, Strategy, backtest, rules, simulated_market, solve
from dynopt_milp.errors import FormatError, RulesError, SolverError, UnsupportedError
from dynopt_milp.rules import Rule
from dynopt_milp.rules.among import rules_among
from dynopt_milp.strategy import RebalanceDay

NAMES = ("US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "CRUDE_mini", "CORN")
CAPITAL = 250_000.0
YEAR = {"capital": CAPITAL, "start": "2018-01-01", "end": "2018-12-31"}
CAP = 0.10
ROUND_OFF = 1e-9


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=list(NAMES))


@pytest.fixture(scope="module")
def inputs(market: Market) -> Inputs:
    return Inputs(market, Strategy(), CAPITAL)


def decided(run: Backtest, folder: Path) -> pd.DataFrame:
    """What was decided on each day, contracts, out of the journal."""
    lines = pd.read_json(folder / "journal.jsonl", lines=True)
    frame = pd.DataFrame(lines["positions"].tolist(), pd.to_datetime(lines["date"])).fillna(0.0)
    return frame.reindex(columns=list(run.positions.columns), fill_value=0.0)


def risk_of(positions: pd.Series, inputs: Inputs, day: Any) -> float:
    weights = (positions * inputs.values.loc[day] / CAPITAL).fillna(0.0).to_numpy()
    return float(np.sqrt(weights @ inputs.covariance(day).to_numpy() @ weights))


def only_the_problem(problem: Problem) -> pd.Series:
    """An optimizer that knows nothing of rules."""
    factor = problem.program().factor
    return solve(problem.replace(rules=None), constraints=lambda k: [cp.norm(factor @ k) <= CAP * 0.999]).positions


def with_its_proof(problem: Problem) -> Solution:
    return solve(problem)


@pytest.mark.parametrize(
    ("optimizer", "buffer_rule"),
    [
        ("exact", "book"), ("exact", "edge"), ("exact", None), ("greedy", "book"), ("greedy", None),
        (only_the_problem, "book"), (with_its_proof, "book"), (with_its_proof, None),
    ],
)  # fmt: skip
def test_every_decision_keeps_the_rules_by_the_data_of_its_day(
    market: Market, inputs: Inputs, tmp_path: Path, optimizer: Any, buffer_rule: str | None
) -> None:
    folder = tmp_path / "run"
    house = [rules.risk(CAP), rules.max_holdings(4), rules.one_of(["ES_micro", "NQ_micro"]), rules.gross(3.0)]
    days = dict(YEAR)
    if optimizer is only_the_problem:  # SCIP takes its time
        house, days["end"] = house[:1], "2018-04-30"
    run = backtest(market, optimizer=optimizer, buffer_rule=buffer_rule, rules=house, inputs=inputs, out=folder, **days)
    assert not run.performance["num_failed"]
    assert len(run.rebalances) >= 17
    for day, positions in decided(run, folder).iterrows():
        assert risk_of(positions, inputs, day) <= CAP * (1 + ROUND_OFF)
        if len(house) > 1:
            assert (positions != 0).sum() <= 4
            assert not (positions["ES_micro"] and positions["NQ_micro"])
            assert (positions.abs() * inputs.values.loc[day]).sum() <= 3.0 * CAPITAL * (1 + ROUND_OFF)
    proved = run.rebalances["status"] == "optimal"
    assert proved.all() == (optimizer in ("exact", with_its_proof))
    broken = run.rebalances["rules_broken"]
    assert run.performance["num_rules_broken"] == (broken > 0).sum() > 0  # risk moves in a week
    assert any(finding.name == "rules broken between rebalances" for finding in run.findings)


def test_an_optimizer_that_breaks_a_rule_fails_on_that_day_and_positions_are_kept(
    market: Market, inputs: Inputs
) -> None:
    def rounded(problem: Problem) -> np.ndarray:
        return np.round(problem.optimal_positions)

    run = backtest(market, optimizer=rounded, buffer_rule=None, rules=rules.max_holdings(3), inputs=inputs, **YEAR)
    failed = run.failures
    assert len(failed) > 20
    assert failed["reason"].str.contains("rounded returned a portfolio that breaks a rule: sum 1").all()


def test_a_function_is_told_of_the_day_and_compounding_accounts_of_their_capital(market: Market) -> None:
    seen: list[RebalanceDay] = []

    def house(day: RebalanceDay) -> list[Rule]:
        seen.append(day)
        return [rules.margin(0.06 * day.values, budget=0.2 * day.capital)]

    run = backtest(market, rules=house, compound=True, **YEAR)
    assert [day.date for day in seen] == list(run.rebalances.index)
    assert [day.capital for day in seen] == pytest.approx(run.rebalances["capital"].tolist())
    assert len({day.capital for day in seen}) > 40
    for day in seen[1:]:
        assert day.instruments == list(day.values.index) == list(day.costs.index) == list(day.volatility.index)
        assert (day.held == run.positions.loc[day.date, day.instruments]).all()
    assert not run.performance["num_failed"]
    after = run.positions.loc[run.rebalances.index[1]]
    assert (after.abs() * 0.06 * seen[0].values).sum() <= 0.21 * CAPITAL
    assert ".house " in run.settings["rules"]


def test_rules_bind_and_are_part_of_what_a_folder_holds(market: Market, inputs: Inputs, tmp_path: Path) -> None:
    free = backtest(market, inputs=inputs, **YEAR)
    capped = backtest(market, inputs=inputs, rules=rules.max_holdings(2), out=tmp_path, **YEAR)
    assert "rules" not in free.settings
    assert "rules_broken" not in free.rebalances
    assert "num_rules_broken" not in free.performance
    assert capped.settings["rules"] == [{"rule": "max_holdings", "most": 2}]
    assert (free.positions != 0).sum(axis=1).max() > 2
    assert (capped.positions != 0).sum(axis=1).max() <= 3  # a fill that waits for its market's close
    again = backtest(market, inputs=inputs, rules=[rules.max_holdings(2)], out=tmp_path, **YEAR)
    pd.testing.assert_frame_equal(again.positions, capped.positions)
    pd.testing.assert_frame_equal(Backtest.load(tmp_path).rebalances, capped.rebalances)
    with pytest.raises(FormatError, match="rules"):
        backtest(market, inputs=inputs, rules=[rules.max_holdings(3)], out=tmp_path, **YEAR)


def test_what_was_interrupted_goes_on_to_the_same(market: Market, inputs: Inputs, tmp_path: Path) -> None:
    house = [rules.risk(CAP), rules.lot({"CORN": 2})]
    whole = backtest(market, inputs=inputs, rules=house, **YEAR)
    backtest(market, inputs=inputs, rules=house, out=tmp_path, **YEAR | {"end": "2018-06-29"})
    longer = backtest(market, inputs=inputs, rules=house, out=tmp_path, **YEAR)
    pd.testing.assert_frame_equal(longer.positions, whole.positions)


def test_names_that_are_not_there_on_a_day_are_left_out() -> None:
    known = ("A", "B", "C")
    house = [
        rules.gross(2), rules.one_of(["A", "C"]), rules.lot({"C": 2}), rules.margin({"A": 1, "B": 2, "C": 3}, 5),
        rules.group(["B", "C"], upper=1), rules.risk(0.1, covariance=np.diag([1.0, 2.0, 3.0])),
    ]  # fmt: skip
    left = rules_among(house, ("B", "A"), known)
    assert [rule.kind for rule in left] == ["gross", "one_of", "margin", "group", "risk"]
    assert left[1] == rules_among(rules.one_of(["A", "C"]), ("A",), known)[0]
    assert left[2] == rules.margin({"A": 1, "B": 2}, 5)
    assert left[3] == rules.group(["B"], upper=1)
    assert left[4] == rules.risk(0.1, covariance=pd.DataFrame(np.diag([1.0, 2.0]), ["A", "B"], ["A", "B"]))
    assert rules_among(house, known, known)[:5] == tuple(house[:5])
    assert rules_among(None, known, known) == ()


def test_what_makes_no_sense_is_refused_before_the_first_day(market: Market, inputs: Inputs) -> None:
    with pytest.raises(RulesError, match="rules of GOLD: one_of: is not among the instruments"):
        backtest(market, inputs=inputs, rules=rules.one_of(["GOLD", "CORN"]), **YEAR)
    with pytest.raises(RulesError, match="expected a list of rules"):
        backtest(market, inputs=inputs, rules="gross", **YEAR)
    with pytest.raises(UnsupportedError, match="rules: 'rounded' holds the target positions and knows no rules"):
        backtest(market, inputs=inputs, optimizer="rounded", rules=rules.gross(2), **YEAR)
    with pytest.raises(RulesError, match="margin: per_contract: is missing"):
        backtest(market, inputs=inputs, rules=rules.margin({"CORN": 1000}, 5000), **YEAR)

    def wrong(day: RebalanceDay) -> list[Rule]:
        return [rules.gross(-1)]

    with pytest.raises(RulesError, match="gross: limit: expected a number that is not negative"):
        backtest(market, inputs=inputs, rules=wrong, **YEAR)


def test_an_own_solution_of_another_problem_proves_nothing(market: Market, inputs: Inputs) -> None:
    def free(problem: Problem) -> Solution:
        return solve(problem.replace(rules=None))

    found = solve(problem := inputs.problem(inputs.market.days[-1], rules=rules.gross(9)), free)
    assert found.status.value == "feasible"
    assert solve(problem, with_its_proof).status.value == "optimal"
    assert "within constraints of its own" in solve(problem, with_its_proof).notes[-1]
    with pytest.raises(SolverError, match="breaks a rule"):
        solve(problem.replace(rules=rules.max_holdings(1)), free)
