"""Presets: what they set, where, and that it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import InputError, Strategy, backtest
from dynopt_milp.backtests import run_comparison
from dynopt_milp.data import Market, simulated_market
from dynopt_milp.errors import FormatError, UnknownNameError
from dynopt_milp.gap import GapGrid, run_gap_study
from dynopt_milp.strategy import (
    BOOK,
    PRESETS,
    PYSYSTEMTRADE,
    RECOMMENDED,
    ExponentialCorrelation,
    Inputs,
    Preset,
    WindowCorrelation,
)
from dynopt_milp.strategy.presets import preset_words
from tests.command_line import read_json, run

NAMES = ["ES", "ES_micro", "US10", "GOLD_micro", "CORN"]
DAYS = {"capital": 300_000.0, "start": "2012-01-01", "end": "2012-02-29"}
SIMULATED = ("--instruments", ",".join(NAMES), "--start", "2012-01-01", "--end", "2012-02-29")


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(instruments=NAMES, start="2009-01-01", end="2012-03-31")


def set_by(settings: dict[str, Any]) -> dict[str, Any]:
    """What of a run's settings a preset sets."""
    return {name: settings[name] for name in BOOK.settings() if name != "correlation"} | {
        "correlation": settings["strategy"]["correlation"]
    }


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_covariance_multiplier_holding_and_buffer(market: Market, name: str) -> None:
    found = backtest(market, preset=name, optimizer="greedy", **DAYS)
    assert set_by(found.settings) == PRESETS[name].settings()
    again = backtest(market, preset=PRESETS[name], optimizer="greedy", **DAYS)
    assert found.positions.equals(again.positions)


def test_the_default_is_the_recommended_one(market: Market) -> None:
    assert set_by(backtest(market, optimizer="greedy", **DAYS).settings) == RECOMMENDED.settings()
    compared = run_comparison(market, {"trend": Strategy()}, ["greedy"], **DAYS)
    assert set_by(compared["trend", "greedy"].settings) == RECOMMENDED.settings()
    assert Inputs(market, Strategy(), 1e5).strategy.correlation == RECOMMENDED.correlation


def test_what_is_given_counts_more(market: Market) -> None:
    own = Strategy(correlation=WindowCorrelation(30))
    found = backtest(
        market, own, preset="book", cost_multiplier=7.0, buffer_rule=None, buffer_fraction=0.1, holding_cost=True,
        optimizer="greedy", **DAYS,
    )  # fmt: skip
    assert set_by(found.settings) == {
        "cost_multiplier": 7.0, "correlation": found.settings["strategy"]["correlation"], "holding_cost": True,
        "buffer_rule": None, "buffer_fraction": 0.1,
    }  # fmt: skip
    assert "WindowCorrelation(weeks=30" in found.settings["strategy"]["correlation"]


def test_the_presets_differ_in_what_they_come_to(market: Market) -> None:
    held = [backtest(market, preset=name, optimizer="greedy", **DAYS).positions for name in ("book", "recommended")]
    assert not held[0].equals(held[1])


def test_inputs_that_were_prepared_for_another_preset_are_refused(market: Market) -> None:
    inputs = Inputs(market, BOOK.of(Strategy()), 300_000.0)
    with pytest.raises(InputError, match="prepared for another strategy"):
        backtest(market, Strategy(), inputs=inputs, **DAYS)
    assert (
        set_by(backtest(market, inputs=inputs, preset="book", optimizer="greedy", **DAYS).settings) == BOOK.settings()
    )


def test_a_gap_study_has_the_book_s_and_takes_others(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=[300_000.0], start="2012-01-01", end="2012-02-29", paths=("greedy",))
    book = run_gap_study(market, grid, tmp_path / "book")
    assert book.equals(run_gap_study(market, grid, tmp_path / "book", preset=BOOK))  # goes on in the same folder
    other = run_gap_study(market, grid, tmp_path / "other", preset=PYSYSTEMTRADE)
    rows = [pd.read_parquet(tmp_path / name / "rebalances.parquet") for name in ("book", "other")]
    assert not rows[0]["greedy_objective"].equals(rows[1]["greedy_objective"])
    assert len(book) == len(other) == 1


def test_words_say_which_preset_it_is_or_is_next_to() -> None:
    assert preset_words(BOOK.settings()).startswith("preset book: λ = 50, correlations ExponentialCorrelation(span=25")
    near = replace(RECOMMENDED, cost_multiplier=20.0, buffer_rule=None)
    assert preset_words(near.settings()).startswith(
        "preset recommended, but for λ and the buffer rule: λ = 20, correlations"
    )
    assert "no buffer" in preset_words(near.settings())
    assert preset_words(replace(near, buffer_fraction=0.3).settings()) == preset_words(near.settings())
    mine = Preset("mine", ExponentialCorrelation(100, 0.3), 10.0, holding_cost=True)
    assert preset_words(mine.settings()) == preset_words(RECOMMENDED.settings())
    assert preset_words({"preset": "mine"} | mine.settings()).startswith("preset mine: λ = 10,")
    asked = {"preset": "book"} | RECOMMENDED.settings()
    assert preset_words(asked).startswith("preset book, but for λ and correlations and the cost of holding: λ = 10,")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "name: expected a name"),
        ({"correlation": None}, "correlation: expected a function, found NoneType"),
        ({"cost_multiplier": "x"}, "cost_multiplier: "),
        ({"cost_multiplier": -1.0}, "cost_multiplier: "),
        ({"buffer_rule": "none"}, "buffer_rule: "),
        ({"buffer_fraction": -3.0}, "buffer_fraction: "),
        ({"buffer_fraction": None}, "buffer_fraction: "),
        ({"holding_cost": None}, "holding_cost: expected True or False"),
    ],
)
def test_a_preset_that_makes_no_sense_is_refused_where_it_is_made(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(RECOMMENDED, **change)


def test_the_name_of_a_preset_does_not_make_another_run(market: Market, tmp_path: Path) -> None:
    """A folder that was begun with one preset goes on with another that sets the same."""
    first = backtest(market, preset="book", optimizer="greedy", out=tmp_path / "R", **DAYS)
    same = replace(BOOK, name="mine")
    assert backtest(market, preset=same, optimizer="greedy", out=tmp_path / "R", **DAYS).positions.equals(
        first.positions
    )
    with pytest.raises(FormatError, match="cost_multiplier"):
        backtest(market, preset="recommended", optimizer="greedy", out=tmp_path / "R", **DAYS)


def test_a_grid_takes_what_it_does_not_say_from_the_preset(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=[300_000.0], start="2012-01-01", end="2012-02-29", paths=("greedy",))
    assert [cell.cost_multiplier for cell in grid.cells(market)] == [50.0]
    own = Preset("own", ExponentialCorrelation(60), 7.0, buffer_rule=None)
    found = run_gap_study(market, grid, tmp_path, preset=own)
    assert found[["cost_multiplier", "buffer_rule"]].to_numpy().tolist() == [[7.0, "none"]]
    several = replace(grid, cost_multipliers=np.array([3.0, 10.0]))  # type: ignore[arg-type]
    assert [cell.cost_multiplier for cell in several.of(own).cells(market)] == [3.0, 10.0]
    with pytest.raises(InputError, match="buffer_rule: expected a list, found ''"):
        replace(grid, buffer_rules="").of(own).cells(market)
    said = replace(grid, cost_multipliers=(3.0,)).of(own)
    assert (said.cost_multipliers, said.buffer_rules) == ((3.0,), ("none",))


@pytest.mark.parametrize(
    ("preset", "error", "said"),
    [("books", UnknownNameError, "book"), (3, InputError, "expected a name or a Preset, found int")],
)
def test_other_presets_are_refused(market: Market, preset: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        backtest(market, preset=preset, **DAYS)


def test_the_commands_take_and_print_it(tmp_path: Path) -> None:
    done = run("backtest", *SIMULATED, "--optimizer", "greedy", "--preset", "pysystemtrade", "--cost-multiplier", "30")
    assert done.returncode == 0, done.stderr
    assert "preset pysystemtrade, but for λ: λ = 30," in done.stdout
    done = run("compare", *SIMULATED, "--optimizers", "greedy", "--portfolios", "risk-parity", "--json")
    assert read_json(done.stdout)["preset"].startswith("preset recommended: λ = 10,")
    grid = ("--path", "greedy", "--out", tmp_path / "G", "--json")
    content = read_json(run("gap", *SIMULATED, "--preset", "recommended", *grid).stdout)
    assert content["cells"][0]["cost_multiplier"] == 10.0
    assert content["preset"].startswith("preset recommended:")
    for wrong in ("books", ""):
        refused = run("backtest", *SIMULATED, "--preset", wrong)
        assert (refused.returncode, "preset: " in refused.stderr, "recommended" in refused.stderr) == (2, True, True)


def test_a_span_or_a_shrinkage_alone_keeps_the_other_of_the_preset() -> None:
    done = run("backtest", *SIMULATED, "--optimizer", "greedy", "--shrinkage", "0.4", "--json")
    content = read_json(done.stdout)
    assert content["preset"].startswith("preset recommended, but for correlations: λ = 10,")
    assert "span=100, shrinkage=0.4" in content["settings"]["strategy"]["correlation"]
