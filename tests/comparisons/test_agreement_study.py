"""The agreement study: what it calls what, and that it goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from comparisons.agreement import study
from comparisons.agreement.study import Row, verdict
from comparisons.solver_race.instances import Grid
from dynopt_milp import simulated_market

BOTH = Row("real_50k_lam10_2018-06-08", 8, 1.0, 1 - 1e-10, "optimal", 0.01, 5, 1.0, 1 - 1e-8, "optimal", 1.0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "agree"),
        ({"scip_objective": 1 - 1e-6, "scip_lower_bound": 0.9}, "bound above a known portfolio"),
        ({"scip_objective": 1 - 1e-6, "scip_lower_bound": 0.9, "lower_bound": 0.9}, "SCIP found better"),
        ({"scip_lower_bound": 1 + 1e-6}, "bound above a known portfolio"),
        ({"scip_objective": 1 + 1e-6}, "objectives differ"),
        ({"scip_objective": 1.1, "scip_status": "feasible", "scip_lower_bound": 0.5}, "scip unfinished"),
        ({"status": "feasible", "lower_bound": 0.5}, "unproved"),
    ],
)
def test_disagreement_is_called_so(change: dict[str, object], expected: str) -> None:
    assert verdict(replace(BOTH, **change)) == expected  # type: ignore[arg-type]


def test_a_small_run_agrees_and_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market = simulated_market(seed=3)
    market = market.select(list(market.instruments)[:8])
    grid = Grid((250_000.0,), (0.0, 50.0), ("2015-03-02",), 2, (), ())
    first = study.run(market, grid, tmp_path / "results.csv", scip_limit=20.0)
    assert len(first) == 4
    assert [verdict(row) for row in first.itertuples(index=False)] == ["agree"] * 4
    monkeypatch.setattr(study, "compare", lambda *_: pytest.fail("solved again"))
    again = study.run(market, grid, tmp_path / "results.csv")
    assert again["instance"].tolist() == first["instance"].tolist()
    figures = study.table(again)
    assert figures["rebalances"].tolist() == [2, 2]
    assert figures["agree"].tolist() == [2, 2]
    assert figures["largest difference"].max() < 1e-9
