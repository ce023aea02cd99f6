"""Run a study: cells side by side, each kept as it goes, and one Parquet file of them all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.atomic_file import write_atomically
from dynopt_milp.backtest import backtest
from dynopt_milp.data.market import Market
from dynopt_milp.describe import describe
from dynopt_milp.errors import FormatError, InputError, StudyInterrupted, WorkerError
from dynopt_milp.file_errors import reported
from dynopt_milp.gap.extras import require
from dynopt_milp.gap.grid import PATHS, Cell, GapGrid
from dynopt_milp.gap.rows import CELL_COLUMNS, ROW_COLUMNS, cell_rows, cell_values, further_columns
from dynopt_milp.gap.summary import FIGURES, further_figures, summarise
from dynopt_milp.inputs import Inputs
from dynopt_milp.journal import JOURNAL
from dynopt_milp.metrics import realised_tracking_error
from dynopt_milp.progress import Progress
from dynopt_milp.rebalance_days import rebalance_days
from dynopt_milp.run_folder import run_folder
from dynopt_milp.same_side import SAME_SIDE
from dynopt_milp.solve import DEFAULT_GAP, check_gap, check_time_limit
from dynopt_milp.solvers import find_method
from dynopt_milp.solvers.branch_and_bound.solver import warm_up
from dynopt_milp.solvers.own import Optimizer, method_name
from dynopt_milp.strategy import Strategy
from dynopt_milp.versions import versions

CELLS, REBALANCES, SUMMARY = "cells", "rebalances.parquet", "summary.csv"
CONSEQUENCES = (
    "annualized_return", "annualized_volatility", "sharpe_ratio", "annual_cost", "annual_turnover",
    "avg_tracking_error",
)  # fmt: skip
POLL_SECONDS = 0.5
CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Terms:
    """What all cells of a study have in common."""

    market: Market
    strategy: Strategy
    start: Any
    end: Any
    gap: float
    time_limit: float | None
    folder: Path
    also: tuple[str | Optimizer, ...] = ()


def run_gap_study(
    market: Market,
    grid: GapGrid,
    folder: str | Path,
    strategy: Strategy | None = None,
    *,
    workers: int = 1,
    cluster: str | None = None,
    also: Sequence[str | Optimizer] = (),
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Solve every rebalance of a grid greedy, exact and exact under greedy's sign rule, from the same held positions.

    Parameters
    ----------
    market : Market
    grid : GapGrid
    folder : path
        ``rebalances.parquet`` (see :data:`~dynopt_milp.gap.rows.ROW_COLUMNS`), ``summary.csv`` and, while the study
        runs, the record of each cell. The same call goes on where it was interrupted; a larger grid keeps what is
        there.
    strategy : Strategy, optional
        Default: trend following, risk parity.
    workers : int
        Processes. What comes out does not depend on it, but for the seconds.
    cluster : str, optional
        Address of a Dask scheduler whose workers see the folder under the same name; instead of ``workers``.
    also : sequence of str or callable
        Further optimizers to price from the same held positions, a method's name or a function of your own from a
        Problem to whole contracts; each has columns of its own, by its name.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`, for each solve but greedy's, which is run to its end.
    show_progress : bool
        A progress bar on stderr.

    Returns
    -------
    DataFrame
        A line for each cell: :func:`~dynopt_milp.gap.summary.summarise`, and what holding the path came to.

    Raises
    ------
    InputError, HistoryError
        If the grid does not fit the market; before any work.
    FormatError
        If the folder holds another study, or is in use.
    StudyInterrupted
        On Ctrl-C.
    WorkerError
        If a worker was killed.
    """
    require("joblib", "pyarrow", *(["distributed"] if cluster is not None else []))
    cells = grid.cells(market)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(f"wants a whole number of at least 1, found {workers!r}", field="workers")
    folder, strategy = Path(folder), Strategy() if strategy is None else strategy
    gap, time_limit = check_gap(gap), check_time_limit(time_limit)
    terms = Terms(market, strategy, grid.start, grid.end, gap, time_limit, folder / CELLS, _checked(also))
    settings = {
        "market": _described(market), "strategy": strategy.settings(), "start": _text(grid.start),
        "end": _text(grid.end), "subset_seed": grid.seed, "gap": gap, "time_limit": time_limit, "versions": versions(),
        "also": [describe(method) if callable(method) else method for method in also],
        "notes": [f"{note.instrument}: {note.reason} ({note.rows} rows)" for note in market.notes],
    }  # fmt: skip
    if cluster is not None:
        _check_cluster(cluster)
    with run_folder(folder, settings, CELLS):
        with reported(terms.folder):
            terms.folder.mkdir(exist_ok=True)
        missing = [cell for cell in cells if not _summary_path(terms, cell).exists()]
        for cell in cells:
            if cell not in missing:
                _check_done(terms, cell)
        days = grid.days(market)
        counts = {cell: len(rebalance_days(days, cell.frequency)) for cell in cells}
        finished = sum(counts[cell] for cell in cells if cell not in missing)
        try:
            with (
                Progress(sum(counts.values()), "rebalances", show=show_progress) as progress,
                _polled(progress, terms, missing, finished, counts) if show_progress else nullcontext(),
            ):
                for _ in _in_parallel(terms, missing, workers, cluster):
                    pass
        except KeyboardInterrupt:
            done = sum(_summary_path(terms, cell).exists() for cell in cells)
            raise StudyInterrupted(done, len(cells), folder) from None
        _collect(terms, cells, folder / REBALANCES)
        summary = pd.DataFrame([_line(_summary_path(terms, cell)) for cell in cells])
        write_atomically(folder / SUMMARY, summary.to_csv(index=False))
    return summary


def run_cell(terms: Terms, cell: Cell) -> None:
    """Run one cell, or go on with it, and keep its rows and its line of the summary."""
    record = terms.folder / cell.key
    if not _summary_path(terms, cell).exists():  # a cluster asks again when a worker dies while it clears up
        _finish(terms, cell, record)
    if record.exists():
        shutil.rmtree(record)


def _finish(terms: Terms, cell: Cell, record: Path) -> None:
    warm_up()  # so that no rebalance has to wait for it, and none counts it
    market = terms.market.select(cell.instruments)
    inputs = Inputs(market, terms.strategy, cell.capital)
    buffer_rule = None if cell.buffer_rule == "none" else cell.buffer_rule
    common: dict[str, Any] = {
        "capital": cell.capital, "frequency": cell.frequency, "start": terms.start, "end": terms.end, "inputs": inputs,
        "cost_multiplier": cell.cost_multiplier, "buffer_rule": buffer_rule,
    }  # fmt: skip
    run = backtest(
        market, terms.strategy, optimizer=cell.path, folder=record, portfolios=True, gap=terms.gap,
        also=(*(path for path in PATHS if path != cell.path), SAME_SIDE, *terms.also), time_limit=terms.time_limit,
        **common,
    )  # fmt: skip
    ideal = backtest(market, terms.strategy, optimizer="unrounded", **common)
    rows = cell_rows(cell, run, [method_name(method) for method in terms.also])
    line = summarise(rows) | {name: run.performance[name] for name in CONSEQUENCES}
    line["realised_tracking_error"] = realised_tracking_error(run.returns["gross"], ideal.returns["gross"])
    line["instruments"] = " ".join(cell.instruments)
    buffer = BytesIO()
    rows.to_parquet(buffer, index=False)
    write_atomically(_rows_path(terms, cell), buffer.getvalue())
    content = {name: _plain(value) for name, value in line.items()}
    write_atomically(_summary_path(terms, cell), json.dumps(content, allow_nan=False) + "\n")


def _in_parallel(terms: Terms, cells: list[Cell], workers: int, cluster: str | None) -> Iterator[None]:
    """The cells as they end, in any order."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool  # TerminatedWorkerError is one

    if cluster is None:
        if workers == 1 or len(cells) <= 1:
            for cell in cells:
                run_cell(terms, cell)
                yield
            return
        try:
            yield from Parallel(n_jobs=workers, return_as="generator_unordered")(
                delayed(_run_cell_for)(os.getpid(), terms, cell) for cell in cells
            )
        except BrokenProcessPool:
            raise WorkerError(
                f"a worker has ended, killed or out of memory; what is done is kept in {terms.folder.parent}: run the "
                "same again to go on, with fewer workers if memory is short"
            ) from None
        return
    from distributed import Client

    with Client(cluster), parallel_config(backend="dask"):
        yield from Parallel()(delayed(run_cell)(terms, cell) for cell in cells)


def _run_cell_for(parent: int, terms: Terms, cell: Cell) -> None:
    """Run a cell, but do not outlive the process that asked for it: the next one would find the record in use."""
    _end_with(parent)
    run_cell(terms, cell)


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent is gone; one watcher, however many cells it runs."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _checked(also: Sequence[str | Optimizer]) -> tuple[str | Optimizer, ...]:
    """The further optimizers, each with a name of its own."""
    if isinstance(also, str):
        raise InputError(f"wants a list of optimizers, found {also!r}", field="also")
    taken = {*PATHS, SAME_SIDE, *ROW_COLUMNS, *FIGURES}
    for method in also:
        if not callable(method):
            find_method(method)
        name = method_name(method)
        columns = {name, *further_columns(name), *further_figures(name)}
        if columns & taken:
            raise InputError(f"{name!r} or one of its columns is there already; give it another name", field="also")
        taken |= columns
    return tuple(also)


def _check_cluster(address: str) -> None:
    from distributed import Client

    logging.getLogger("distributed.comm").setLevel(logging.CRITICAL)
    try:
        with Client(address, timeout=CONNECT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}", field="cluster") from None


@contextmanager
def _polled(
    progress: Progress, terms: Terms, missing: list[Cell], finished: int, counts: dict[Cell, int]
) -> Iterator[None]:
    """Show how many rebalances the records hold, wherever they are written."""
    ended = Event()

    def look() -> None:
        while not ended.wait(POLL_SECONDS):
            done = finished
            for cell in missing:
                record = terms.folder / cell.key / JOURNAL
                if _summary_path(terms, cell).exists():
                    done += counts[cell]
                elif record.exists():
                    with record.open("rb") as file:
                        done += sum(1 for _ in file)
            progress.reach(done)

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _collect(terms: Terms, cells: list[Cell], path: Path) -> None:
    """One file of all rows, a cell at a time."""
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}")
    with _readable(_rows_path(terms, cells[0])):
        schema = pq.read_schema(_rows_path(terms, cells[0]))
    with pq.ParquetWriter(temporary, schema) as writer:
        for cell in cells:
            with _readable(_rows_path(terms, cell)):
                writer.write_table(pq.read_table(_rows_path(terms, cell)).cast(schema))
    with reported(path):
        temporary.replace(path)


def _check_done(terms: Terms, cell: Cell) -> None:
    """Refuse a finished cell whose rows and line do not belong together."""
    line = _line(_summary_path(terms, cell))
    with _readable(_rows_path(terms, cell)):
        rows = pd.read_parquet(_rows_path(terms, cell), columns=list(CELL_COLUMNS))
        if len(rows) != line["rebalances"] or rows.drop_duplicates().to_dict("records") != [cell_values(cell)]:
            raise ValueError("its rows are not those of its line")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"is damaged: {error}; delete it and its twin (.json, .parquet), and run the same again", field=str(path)
        ) from None


def _line(path: Path) -> dict[str, Any]:
    with _readable(path):
        line: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        if "rebalances" not in line:
            raise ValueError("it has no rebalances")
    return line


def _described(market: Market) -> str:
    """What tells a market from others, in words and a hash."""
    return (
        f"{len(market.instruments)} instruments, {market.days[0]:%Y-%m-%d} to {market.days[-1]:%Y-%m-%d}, "
        f"{market.base_currency}, {market.fingerprint()[:16]}"
    )


def _rows_path(terms: Terms, cell: Cell) -> Path:
    return terms.folder / f"{cell.key}.parquet"


def _summary_path(terms: Terms, cell: Cell) -> Path:
    return terms.folder / f"{cell.key}.json"


def _text(day: Any) -> str | None:
    return None if day is None else str(day)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
