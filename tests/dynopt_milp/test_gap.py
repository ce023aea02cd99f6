"""Greedy-gap studies: what the rows say, and that no interruption and no number of workers changes it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynopt_milp import Market, Strategy, rules, simulated_market, solve
from dynopt_milp.backtests import backtest
from dynopt_milp.backtests.same_side import reachable
from dynopt_milp.errors import (
    BacktestInterrupted,
    DynoptError,
    FileError,
    FormatError,
    HistoryError,
    InputError,
    MissingPackage,
    RulesError,
    StudyInterrupted,
    UnknownNameError,
    WorkerError,
)
from dynopt_milp.gap import GapGrid, run_gap_study, summarise, write_report
from dynopt_milp.gap.cells import CONSEQUENCES, StudySettings, run_cell
from dynopt_milp.gap.grid import take_in_turn
from dynopt_milp.gap.rows import ROW_COLUMNS
from dynopt_milp.gap.summary import gaps
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import BOOK
from tests.command_line import COMMAND, run

NAMES = ["US10", "BUND", "ES_micro", "NQ_micro", "EUR_micro", "GOLD_micro", "GOLD", "CORN", "CRUDE_mini"]
GRID = GapGrid(
    capitals=(100_000, 1_000_000), cost_multipliers=(10, 50), sizes=(4, 9), start="2017-01-01", end="2017-02-28"
)
SECONDS = ["greedy_seconds", "exact_seconds"]


@pytest.fixture(scope="module")
def market() -> Market:
    return simulated_market(3, instruments=NAMES)


@pytest.fixture(scope="module")
def study(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run_gap_study(market, GRID, folder)
    return folder


def rows_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "rebalances.parquet")


def assert_same_study(one: Path, other: Path) -> None:
    pd.testing.assert_frame_equal(
        rows_of(one).drop(columns=SECONDS), rows_of(other).drop(columns=SECONDS), check_exact=True
    )
    frames = [pd.read_csv(folder / "summary.csv") for folder in (one, other)]
    frames = [frame.loc[:, ~frame.columns.str.contains("seconds")] for frame in frames]
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)


def test_with_house_rules_greedy_keeps_them_or_has_no_gap(market: Market, tmp_path: Path) -> None:
    grid = replace(GRID, capitals=(1_000_000,), cost_multipliers=(10,), paths=("exact", "greedy"))
    house = [rules.max_holdings(4), rules.max_orders(1), rules.one_of(["GOLD", "GOLD_micro"])]
    summary = run_gap_study(market, grid, tmp_path, rules=house)
    rows = rows_of(tmp_path)
    along_exact = rows[rows["path"] == "exact"]
    assert (along_exact["status"] == "optimal").all()
    without = along_exact["greedy_objective"].isna()
    assert 0 < without.sum() < len(along_exact)
    assert along_exact.loc[without, "greedy_positions"].isna().all()
    assert summary.loc[summary["path"] == "exact", "num_without_greedy"].sum() == without.sum()
    for name in ("greedy_positions", "exact_positions"):
        for text, held in rows[[name, "held_positions"]].dropna().itertuples(index=False):
            positions, before = json.loads(text), json.loads(held)
            assert len(positions) <= 4
            assert not {"GOLD", "GOLD_micro"} <= set(positions)
            assert sum(positions.get(key, 0) != before.get(key, 0) for key in {*positions, *before}) <= 1
    both = rows.dropna(subset=["greedy_objective"])
    assert (both["greedy_objective"] >= both["exact_objective"] * (1 - 1e-9)).all()
    failed = rows[(rows["path"] == "greedy") & (rows["status"] == "failed")]
    assert failed["reason"].str.contains("greedy ended at one that breaks a rule").all()
    write_report(tmp_path)
    with pytest.raises(FormatError, match="rules"):
        run_gap_study(market, grid, tmp_path, rules=rules.max_holdings(4))
    with pytest.raises(RulesError, match="rules of SILVER: one_of"):
        run_gap_study(market, grid, tmp_path / "other", rules=rules.one_of(["SILVER", "GOLD"]))


def test_exact_is_below_same_side_is_below_greedy_and_the_parts_add_up(study: Path) -> None:
    rows = rows_of(study)
    assert list(rows.columns) == list(ROW_COLUMNS)
    assert len(rows) == 16 * 8
    assert (rows["status"] == "optimal").all()
    assert (rows["lower_bound"] <= rows["exact_objective"]).all()
    assert (rows["exact_objective"] <= rows["same_side_objective"] * (1 + 2e-6)).all()
    assert (rows["same_side_objective"] <= rows["greedy_objective"] * (1 + 2e-6)).all()
    found = gaps(rows)
    assert found["gap"].max() > 0.1
    assert (found["sign_gap"] > 1e-3).any()
    assert np.allclose(found["gap"], found["reachable_gap"] + found["sign_gap"], atol=1e-12)
    assert np.allclose(found["gap"], found["tracking_error_gap"] + found["cost_gap"], atol=1e-12)


def test_ten_rows_computed_from_scratch(study: Path, market: Market) -> None:
    rows = rows_of(study).sample(10, random_state=7)
    order = take_in_turn(market, GRID.seed)
    for row in rows.to_dict("records"):
        own = market.select(order[: row["size"]]).between(end=row["date"])  # nothing of the days after
        held = json.loads(row["held_positions"])
        problem = Inputs(own, BOOK.of(Strategy()), row["capital"]).problem(
            row["date"], held, cost_multiplier=row["cost_multiplier"]
        )
        found = {"greedy": solve(problem, "greedy"), "exact": solve(problem, "scip"),
                 "same_side": solve(reachable(problem), "scip")}  # fmt: skip
        for name, solution in found.items():
            assert solution.objective == pytest.approx(row[f"{name}_objective"], rel=3e-6)
        for name in ("greedy", "exact"):
            positions = problem.labelled(np.zeros(len(problem.instruments))) + 0.0
            for instrument, number in json.loads(row[f"{name}_positions"]).items():
                positions[instrument] = number
            program = problem.program()
            tracking, cost = program.tracking_error(positions.to_numpy()), program.trading_cost(positions.to_numpy())
            assert tracking == pytest.approx(row[f"{name}_tracking_error"], rel=1e-9)
            assert cost == pytest.approx(row[f"{name}_cost"], rel=1e-9, abs=1e-15)
            assert tracking + cost == pytest.approx(row[f"{name}_objective"], rel=1e-9)


def test_each_path_holds_its_own_positions(study: Path) -> None:
    rows = rows_of(study)
    for _, cell in rows.groupby(["capital", "cost_multiplier", "size"]):
        paths = {path: group.set_index("date")["held_positions"] for path, group in cell.groupby("path")}
        assert paths["greedy"].iloc[0] == paths["exact"].iloc[0] == "{}"
    changed = rows.pivot_table(
        index=["capital", "cost_multiplier", "size", "date"], columns="path", values="held_positions", aggfunc="first"
    )
    assert (changed["greedy"] != changed["exact"]).any()


def test_the_summary_is_that_of_the_rows(study: Path) -> None:
    rows, summary = rows_of(study), pd.read_csv(study / "summary.csv")
    assert len(summary) == 16
    for line in summary.to_dict("records"):
        cell = rows
        for name in ("capital", "cost_multiplier", "path", "size"):
            cell = cell[cell[name] == line[name]]
        for name, value in summarise(cell).items():
            assert line[name] == (pytest.approx(value, nan_ok=True) if not isinstance(value, str) else value)
        assert line["realised_tracking_error"] > 0
        assert line["annual_cost"] == pytest.approx(line["annual_trading_cost"] + line["annual_roll_cost"])
        assert (line["annual_roll_cost"] > 0) == (line["annual_contracts_rolled"] > 0)
    assert (summary["annual_roll_cost"] > 0).sum() > 8


def test_what_a_path_came_to_is_that_of_its_backtest(study: Path, market: Market) -> None:
    cell = next(cell for cell in GRID.cells(market) if cell.path == "exact")
    run = backtest(
        market.select(cell.instruments), preset=BOOK, capital=cell.capital, cost_multiplier=cell.cost_multiplier,
        start=GRID.start, end=GRID.end,
    )  # fmt: skip
    line = (
        pd.read_csv(study / "summary.csv")
        .set_index(["capital", "cost_multiplier", "path", "size"])
        .loc[(cell.capital, cell.cost_multiplier, cell.path, len(cell.instruments))]
    )
    assert {name: line[name] for name in CONSEQUENCES} == pytest.approx(
        {name: run.performance[name] for name in CONSEQUENCES}
    )


def test_without_contract_months_what_rolls_cost_is_empty(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(100_000,), sizes=(4,), paths=("greedy",), start="2017-01-01", end="2017-02-28")
    run_gap_study(replace(market, contract_months=None), grid, tmp_path)
    line = pd.read_csv(tmp_path / "summary.csv").iloc[0]
    assert np.isnan(line["annual_roll_cost"])
    assert np.isnan(line["annual_contracts_rolled"])
    assert line["annual_cost"] == line["annual_trading_cost"] > 0
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert f"<td>{line['annual_cost']:.2%}</td><td>{line['annual_trading_cost']:.2%}</td><td>–</td>" in page
    assert f"<td>{line['annual_turnover']:.0f}</td><td>–</td>" in page


def test_a_study_whose_costs_are_without_rolls_is_refused(market: Market, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "old")
    settings = json.loads((tmp_path / "old" / "settings.json").read_text())
    (tmp_path / "old" / "settings.json").write_text(json.dumps(settings | {"format": "dynopt-milp study 2"}))
    summary = pd.read_csv(study / "summary.csv").drop(columns=["annual_trading_cost", "annual_roll_cost"])
    summary.to_csv(tmp_path / "old" / "summary.csv", index=False)
    with pytest.raises(FormatError, match="format is 'dynopt-milp study 2' there and 'dynopt-milp study 3'"):
        run_gap_study(market, GRID, tmp_path / "old")
    with pytest.raises(FormatError, match="no column annual_trading_cost; run dynopt-milp gap again in a new folder"):
        write_report(tmp_path / "old")


def test_unproved_rebalances_are_counted_and_enter_no_mean(study: Path) -> None:
    rows = rows_of(study).iloc[:8].copy()
    before = summarise(rows)
    rows.loc[rows.index[0], ["status", "exact_objective", "lower_bound"]] = ["feasible", 0.01, 0.005]
    rows.loc[rows.index[1], "status"] = "failed"
    figures = summarise(rows)
    assert (figures["rebalances"], figures["num_not_proved"], figures["failed"]) == (8, 1, 1)
    assert figures["mean_gap"] == pytest.approx(gaps(rows.iloc[2:])["gap"].mean())
    assert figures["most_gap"] == pytest.approx(rows["greedy_objective"].iloc[0] / 0.005 - 1)
    assert np.isnan(before["most_gap"])


def test_two_workers_change_nothing(study: Path, market: Market, tmp_path: Path) -> None:
    run_gap_study(market, GRID, tmp_path / "two", workers=2)
    assert_same_study(study, tmp_path / "two")


SCRIPT = """
import sys
from pathlib import Path
from dynopt_milp import simulated_market
from dynopt_milp.gap import run_gap_study
from tests.dynopt_milp.test_gap import GRID, NAMES
run_gap_study(simulated_market(3, instruments=NAMES), GRID, Path(sys.argv[1]), workers=int(sys.argv[2]))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_study_goes_on_to_the_same_result(study: Path, market: Market, tmp_path: Path, workers: int) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", SCRIPT, str(folder), str(workers)]
    process = subprocess.Popen(command, start_new_session=True)
    journals = folder / "cells"
    while len(list(journals.glob("*.json"))) < 2 or not list(journals.glob("*/journal.jsonl")):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "summary.csv").exists()
    run_gap_study(market, GRID, folder)
    assert_same_study(study, folder)


def test_a_larger_grid_keeps_what_is_there_and_another_study_is_refused(market: Market, tmp_path: Path) -> None:
    small = GapGrid(capitals=(100_000,), sizes=(4,), start="2017-01-01", end="2017-02-28", paths=("greedy",))
    run_gap_study(market, small, tmp_path / "s")
    kept = next((tmp_path / "s" / "cells").glob("*.parquet"))
    before = kept.stat().st_mtime_ns
    larger = GapGrid(capitals=(100_000, 200_000), sizes=(4,), start="2017-01-01", end="2017-02-28", paths=("greedy",))
    assert len(run_gap_study(market, larger, tmp_path / "s")) == 2
    assert kept.stat().st_mtime_ns == before
    assert rows_of(tmp_path / "s")["capital"].unique().tolist() == [100_000.0, 200_000.0]
    with pytest.raises(FormatError, match="other settings: gap is 1e-06 there"):
        run_gap_study(market, larger, tmp_path / "s", gap=1e-3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"capitals": ()}, InputError, "capital: expected one or more values"),
        ({"capitals": (-1.0,)}, InputError, "capital: expected a positive number"),
        ({"cost_multipliers": (-1.0,)}, InputError, "multiplier: expected"),
        ({"cost_multipliers": (5.0, 5.0)}, InputError, "each once"),
        ({"buffer_rules": ("edge",)}, UnknownNameError, "there is no 'edge'; there are book, none"),
        ({"frequencies": ("hourly",)}, UnknownNameError, "frequency: there is no 'hourly'"),
        ({"paths": ("both",)}, UnknownNameError, "path: there is no 'both'"),
        ({"sizes": (0,)}, InputError, "sizes: expected a whole number from 1 to 9"),
        ({"sizes": (10,)}, InputError, "sizes: expected a whole number from 1 to 9"),
        ({"sizes": (2.5,)}, InputError, "sizes: expected a whole number"),
        ({"start": "1990-01-01"}, HistoryError, "start: 1990-01-01 is outside the data"),
        ({"end": "2040-01-01"}, HistoryError, "end: 2040-01-01 is outside the data"),
        ({"start": "2017-03-01", "end": "2017-02-01"}, HistoryError, "2017-03-01, is not before the end, 2017-02-01"),
        ({"start": "2017-03-01", "end": "2017-03-02"}, HistoryError, "there is no weekly rebalance"),
        ({"capitals": 100_000}, InputError, "capital: expected a list, found 100000"),
        ({"paths": "greedy"}, InputError, "path: expected a list, found 'greedy'"),
        ({"start": "soon"}, InputError, "start"),
    ],
)
def test_bad_grids_fail_before_any_work(
    market: Market, tmp_path: Path, change: dict[str, object], error: type[DynoptError], message: str
) -> None:
    grid = GapGrid(**({"capitals": (100_000,)} | change))  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        run_gap_study(market, grid, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_smaller_sets_are_part_of_larger_ones_and_take_asset_classes_in_turn(market: Market) -> None:
    order = take_in_turn(market, 1)
    assert sorted(order) == sorted(NAMES)
    classes = market.specifications["asset_class"]
    assert classes[order[: classes.nunique()]].is_unique
    cells = GapGrid(capitals=(1e5,), sizes=(2, 5)).cells(market)
    assert set(cells[0].instruments) < set(cells[-1].instruments)


def test_a_damaged_cell_is_named(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(100_000,), sizes=(2,), start="2017-01-01", end="2017-01-31", paths=("greedy",))
    run_gap_study(market, grid, tmp_path / "s")
    kept = next((tmp_path / "s" / "cells").glob("*.parquet"))
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(FormatError, match=rf"{kept.name}: is damaged"):
        run_gap_study(market, grid, tmp_path / "s")


def test_without_a_scheduler_nothing_begins(market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("dynopt_milp.gap.workers.CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match="cluster: no Dask scheduler answers at tcp"):
        run_gap_study(market, GRID, tmp_path / "s", cluster="tcp://127.0.0.1:1")
    assert not (tmp_path / "s").exists()


def test_what_is_not_installed_is_named_with_its_extra(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynopt_milp.gap.extras.find_spec", lambda name: None if name == "pyarrow" else name)
    with pytest.raises(MissingPackage, match=r"pyarrow is not installed; pip install 'dynopt-milp\[studies\]'"):
        run_gap_study(market, GRID, tmp_path / "s")
    assert not (tmp_path / "s").exists()


GAP = ["gap", "--start", "2018-01-01", "--end", "2018-02-28", "--capital", "100000", "--sizes", "4,6"]


def test_the_command_prints_a_table_keeps_the_files_and_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    arguments = [*GAP, "--out", str(tmp_path / "g")]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "g" / "cells").glob("*/journal.jsonl")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert process.returncode == 130
    assert "interrupted after" in complaint
    assert "run the same again to go on" in complaint
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "Greedy's objective over the optimum" in done.stdout
    assert len(pd.read_csv(tmp_path / "g" / "summary.csv")) == 4
    refused = run(*arguments, "--subset-seed", "2")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "subset_seed is 1 there and 2 now" in refused.stderr


def test_greedy_is_run_to_its_end_whatever_the_time_limit(market: Market, tmp_path: Path) -> None:
    grid = GapGrid(capitals=(5_000_000,), sizes=(4,), paths=("greedy",), start="2017-01-01", end="2017-01-31")
    run_gap_study(market, grid, tmp_path / "free")
    run_gap_study(market, grid, tmp_path / "cut", time_limit=0.0)
    free, cut = rows_of(tmp_path / "free"), rows_of(tmp_path / "cut")
    assert free["greedy_positions"].tolist() == cut["greedy_positions"].tolist()
    assert free["greedy_objective"].tolist() == cut["greedy_objective"].tolist()


@pytest.mark.parametrize(
    "error",
    [
        FormatError("broken", field="file"), FileError("full", "file", errno=28), MissingPackage("joblib", "studies"),
        InputError("no", field="x", instrument="ES"), StudyInterrupted(1, 2, "F"),
        BacktestInterrupted(1, 2, "F"), WorkerError("gone"),
    ],
)  # fmt: skip
def test_errors_travel_between_processes(error: BaseException) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
    for name in ("filename", "errno", "name"):  # which OSError and ImportError keep elsewhere
        assert getattr(again, name, None) == getattr(error, name, None)


SIDE_BY_SIDE = """
import sys
from dynopt_milp import simulated_market
from dynopt_milp.errors import WorkerError
from dynopt_milp.strategy.presets import BOOK
from dynopt_milp.gap import GapGrid, run_gap_study
market = simulated_market(3, instruments={names!r})
grid = GapGrid(capitals=(100_000, 1_000_000), start="2005-01-01", end="2020-12-31", paths=("greedy",))
try:
    run_gap_study(market, grid, sys.argv[1], workers=2)
except WorkerError as error:
    sys.exit(str(error))
"""


def workers_of(process: subprocess.Popen[str], folder: Path) -> list[int]:
    """The processes that run cells, once both have begun."""
    until = time.monotonic() + 120
    while len(list(folder.glob("cells/*/journal.jsonl"))) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in children if "LokyProcess" in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_workers_end_with_their_parent_and_a_killed_one_is_one_line(tmp_path: Path) -> None:
    script = SIDE_BY_SIDE.format(names=NAMES)
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a")], stderr=subprocess.DEVNULL, text=True)
    workers = workers_of(parent, tmp_path / "a")
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    until = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.1)
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "b")], stderr=subprocess.PIPE, text=True)
    os.kill(workers_of(other, tmp_path / "b")[0], signal.SIGKILL)
    _, errors = other.communicate(timeout=120)
    assert other.returncode == 1
    assert errors.strip().splitlines()[-1].startswith("a worker has ended, killed or out of memory; what is done is")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": (float("nan"),)}, "sizes"), ({"sizes": (float("inf"),)}, "sizes"), ({"sizes": (None,)}, "sizes"),
        ({"buffer_rules": [["book"]]}, "buffer_rule"), ({"seed": -1}, "subset_seed"),
    ],
)  # fmt: skip
def test_odd_grids_are_refused(market: Market, change: dict[str, object], message: str) -> None:
    grid = GapGrid(**{"capitals": (1e5,), "start": "2017-01-01", "end": "2017-03-31"} | change)  # type: ignore[arg-type]
    with pytest.raises(DynoptError, match=message):
        grid.cells(market)


@pytest.mark.parametrize("damage", ["{}", "5", "null", "{"])
def test_a_damaged_cell_is_found_before_any_work(
    market: Market, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(study, folder)
    cells = sorted(folder.glob("cells/*.json"))
    cells[0].write_text(damage)
    monkeypatch.setattr("dynopt_milp.gap.cells.run_cell", lambda *_: pytest.fail("work was done"))
    more = replace(GRID, capitals=(*GRID.capitals, 2_000_000))
    with pytest.raises(FormatError, match="is damaged"):
        run_gap_study(market, more, folder)
    shutil.copy(study / "cells" / cells[0].name, cells[0])
    rows = sorted(folder.glob("cells/*.parquet"))
    shutil.copy(rows[1], rows[0])  # those of another cell
    with pytest.raises(FormatError, match="its rows are not those of its line"):
        run_gap_study(market, more, folder)


def test_a_study_in_which_everything_fails_says_so(market: Market, tmp_path: Path) -> None:
    def dear(market: Market) -> pd.DataFrame:
        return 0.0 * market.prices.ffill() + 1e140

    grid = GapGrid(capitals=(1e5,), sizes=(4,), paths=("greedy",), start="2017-01-01", end="2017-01-31")
    line = run_gap_study(market, grid, tmp_path, Strategy(costs=dear)).iloc[0]
    assert line["failed"] == line["rebalances"] > 0


def test_a_cell_that_is_done_and_half_cleared_up_is_not_done_again(market: Market, study: Path, tmp_path: Path) -> None:
    """A worker can be killed while it clears up; a cluster then gives its cell to another."""
    shutil.copytree(study / "cells", tmp_path / "cells")
    cell = GRID.cells(market)[0]
    study = StudySettings(market, Strategy(), GRID.start, GRID.end, 1e-6, None, tmp_path / "cells")
    (study.folder / cell.key).mkdir()
    (study.folder / cell.key / "journal.jsonl").write_text("{}\n")
    before = {path.name: path.stat().st_mtime_ns for path in study.folder.glob("*.*")}
    run_cell(study, cell)
    assert not (study.folder / cell.key).exists()
    assert {path.name: path.stat().st_mtime_ns for path in study.folder.glob("*.*")} == before
