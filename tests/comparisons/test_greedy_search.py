"""The study of the greedy search: its page is made of its results, and a small run is made in the same way."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from comparisons.greedy_search import __main__ as command
from comparisons.greedy_search.study import KINDS, PAGE, PICKS, PICKS_GRID, SPEED, SPEED_GRID, picks, speeds, tables
from tests.conftest import real_futures


def test_the_page_has_the_tables_of_the_committed_results() -> None:
    speed, picked = pd.read_csv(SPEED), pd.read_csv(PICKS)
    assert tables(speed, picked) in PAGE.read_text(encoding="utf-8")
    assert speed["same"].all()
    assert picked["same"].all()
    assert len(picked) >= 2_000
    assert set(picked["kind"]) == {"free", *KINDS}
    assert (speed["full_seconds"] > 5 * speed["seconds"]).all()
    whole = (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"the same picks on **{len(picked):,}** real rebalances" in whole


def test_a_small_study_is_made_in_the_same_way() -> None:
    speed = speeds(replace(SPEED_GRID, capitals=(250_000.0,), cost_multipliers=(50.0,), sizes=(10,), seeds=(0,)))
    grid = replace(PICKS_GRID, capitals=(250_000.0,), cost_multipliers=(50.0,), starts=("2018-06-01",), weeks=2)
    picked = picks(real_futures(), grid)
    assert len(speed) == 1
    assert picked["kind"].tolist() == ["free", KINDS[0], "free", KINDS[1]]
    assert speed["same"].all()
    assert picked["same"].all()
    assert "| 10 |" in tables(speed, picked)


def test_the_command_refuses_a_folder_that_is_not_there() -> None:
    assert command.main(["nowhere"]) == 2
