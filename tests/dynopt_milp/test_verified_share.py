"""Backtests and gap studies that prove and verify a share of their rebalances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dynopt_milp import Backtest, InputError, Market, backtest, rules, simulated_market
from dynopt_milp.backtests import decision, proved_days
from dynopt_milp.backtests.proved_days import is_chosen, proofs_in_figures
from dynopt_milp.gap import GapGrid, run_gap_study
from dynopt_milp.proof import Proof, Refused
from tests.command_line import read_json, run

HALF: dict[str, Any] = {"capital": 250_000.0, "start": "2018-01-01", "end": "2018-06-30"}


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=["US10", "BUND", "ES_micro", "NQ_micro", "GOLD_micro", "CORN"])


def test_days_are_chosen_by_their_dates_alone() -> None:
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2000-01-01", "2019-12-31")]
    few = [day for day in days if is_chosen(day, 0.01)]
    assert 50 < len(few) < 100
    assert set(few) < {day for day in days if is_chosen(day, 0.1)}
    assert [day for day in days if is_chosen(day, 1.0)] == days
    assert not any(is_chosen(day, 0.0) for day in days)


def test_a_share_of_a_run_is_verified_and_said(market: Market, tmp_path: Path) -> None:
    plain = backtest(market, **HALF)
    done = backtest(market, verify_share=0.3, out=tmp_path / "R", **HALF)
    assert (done.positions == plain.positions).all(axis=None)
    proofs = done.performance["proofs"]
    chosen = [day for day in done.rebalances.index if is_chosen(f"{day:%Y-%m-%d}", 0.3)]
    assert proofs["asked"] == proofs["verified"] == len(chosen) > 3
    assert proofs["leaves"] > len(chosen)
    assert not proofs["others"]
    found = {finding.name: finding for finding in done.findings}["proofs verified"]
    assert found.level == "note"
    assert "exact arithmetic" in found.remedy
    assert "proofs" not in plain.performance
    assert "verify_share" not in plain.settings
    kept = Backtest.load(tmp_path / "R")
    assert kept.performance["proofs"] == proofs
    again = backtest(market, verify_share=0.3, out=tmp_path / "R", **HALF)
    assert again.performance["proofs"] == proofs  # read back, not proved again


def test_rules_and_the_exact_optimum_beside_greedy(market: Market) -> None:
    done = backtest(market, verify_share=0.2, rules=[rules.max_holdings(3)], **HALF)
    assert done.performance["proofs"]["verified"] == done.performance["proofs"]["asked"] > 0
    beside = backtest(market, optimizer="greedy", also=["exact"], verify_share=0.2, **HALF)
    assert beside.performance["proofs"]["verified"] == beside.performance["proofs"]["asked"] > 0
    alone = backtest(market, optimizer="greedy", verify_share=0.2, **HALF)
    assert alone.performance["proofs"]["others"] == {proved_days.NOTHING: alone.performance["proofs"]["asked"]}


def test_a_proof_that_is_refused_is_a_warning(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Refused("it proves nothing")

    monkeypatch.setattr(Proof, "verify", refuse)
    done = backtest(market, verify_share=0.3, **HALF)
    found = {finding.name: finding for finding in done.findings}["proofs verified"]
    assert found.level == "warning"
    assert "refused: it proves nothing" in found.remedy
    assert decision.PROOF == "proof"
    assert proofs_in_figures([{}]) == {}


@pytest.mark.parametrize("share", [-0.1, 1.1, "x", None, float("nan")])
def test_a_share_is_a_number_from_0_to_1(share: Any, market: Market) -> None:
    with pytest.raises(InputError, match="verify_share"):
        backtest(market, verify_share=share, **HALF)


def test_what_has_another_objective_is_refused(market: Market) -> None:
    with pytest.raises(InputError, match="verify_share: is for the book's objective"):
        backtest(market, verify_share=0.1, buffer_rule="deadband", **HALF)
    with pytest.raises(InputError, match="verify_share: is for the book's objective"):
        backtest(market, optimizer="rounded", verify_share=0.1, **HALF)


def test_gap_studies_and_the_command_line(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(100_000.0,), paths=("greedy",), start="2018-01-01", end="2018-03-31")
    summary = run_gap_study(market, grid, tmp_path / "G", verify_share=0.5)
    assert summary["proofs_asked"].sum() == summary["proofs_verified"].sum() > 2
    said = run(
        "backtest", "--instruments", "US10,BUND,CORN", "--start", "2018-01-01", "--end", "2018-03-31",
        "--verify-share", "0.5", "--json",
    )  # fmt: skip
    proofs = read_json(said.stdout)["performance"]["proofs"]
    assert proofs["asked"] == proofs["verified"] > 2
    said = run("gap", "--instruments", "US10,BUND,CORN", "--start", "2018-01-01", "--end", "2018-03-31",
               "--verify-share", "0.5", "--out", tmp_path / "C")  # fmt: skip
    assert "optima verified in exact arithmetic" in said.stdout
