"""Run a study: cells side by side, each kept as it goes, and one Parquet file of them all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.backtests.frequency import rebalance_days
from dynopt_milp.backtests.same_side import SAME_SIDE
from dynopt_milp.data.market import Market
from dynopt_milp.errors import InputError, StudyInterrupted
from dynopt_milp.gap.cells import CONSEQUENCES, StudySettings, cell_line, check_done, collect, summary_path
from dynopt_milp.gap.extras import require
from dynopt_milp.gap.grid import PATHS, GapGrid
from dynopt_milp.gap.rows import ROW_COLUMNS, further_columns
from dynopt_milp.gap.summary import CELL_FIGURES, further_figures
from dynopt_milp.gap.workers import check_cluster, in_parallel, polled
from dynopt_milp.io.atomic import reported, write_atomically
from dynopt_milp.io.describe import describe
from dynopt_milp.io.labelled import to_share, true_or_false, whole_number
from dynopt_milp.io.progress import Progress
from dynopt_milp.io.run_folder import run_folder
from dynopt_milp.io.versions import versions
from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION
from dynopt_milp.problem.limits import LimitsLike, described, limits_of
from dynopt_milp.solvers.own_optimizer import Optimizer, optimizer_name
from dynopt_milp.solvers.settings import DEFAULT_GAP, check_gap, check_optimizer, check_time_limit
from dynopt_milp.strategy.presets import BOOK, Preset, preset_of
from dynopt_milp.strategy.rules_of_day import DayRules, of_market, rules_described
from dynopt_milp.strategy.strategy import Strategy

CELLS, REBALANCES, SUMMARY = "cells", "rebalances.parquet", "summary.csv"
FORMAT = "dynopt-milp study 3"
"""Of the names of columns and settings, and what figures are net of. 2 had no costs of rolls, 1 seconds_NAME too."""
SIMULATED = "simulated "
"""What the description of a market says of its instruments where prices are simulated."""


def run_gap_study(
    market: Market,
    grid: GapGrid,
    out: str | Path,
    strategy: Strategy | None = None,
    *,
    preset: str | Preset = BOOK,
    workers: int = 1,
    cluster: str | None = None,
    also: Sequence[str | Optimizer] = (),
    limits: LimitsLike | None = None,
    holding_cost: bool | None = None,
    rules: DayRules | None = None,
    verify_share: float = 0.0,
    gap: float = DEFAULT_GAP,
    time_limit: float | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Solve every rebalance of a grid greedy, exact and exact under greedy's sign rule, from the same held positions.

    Parameters
    ----------
    market : Market
    grid : GapGrid
    out : path
        ``rebalances.parquet`` (see :data:`~dynopt_milp.gap.ROW_COLUMNS`), ``summary.csv`` and, while the study
        runs, the record of each cell. The same call goes on where it was interrupted; a larger grid keeps what is
        there.
    strategy : Strategy, optional
        Default: trend following, risk parity.
    preset : {"book", "recommended", "pysystemtrade"} or Preset
        As in :func:`~dynopt_milp.backtest`: what neither the arguments nor the grid say.
    workers : int
        Processes. What comes out does not depend on it, but for the seconds.
    cluster : str, optional
        Address of a Dask scheduler whose workers see the folder under the same name; instead of ``workers``.
    also : sequence of str or callable
        Further optimizers to price from the same held positions, an optimizer's name or a function of your own from a
        Problem to whole contracts; each has columns of its own, by its name.
    limits : Limits or callable, optional
        As in :func:`~dynopt_milp.backtest`, for every solve; names are of the whole market, and of a smaller size those
        count that are in it. There is no ``one_side`` but what they say.
    holding_cost : bool, optional
        As in :func:`~dynopt_milp.backtest`: greedy and exact both count the rolls until the next rebalance.
    rules : list of Rule, Rule or callable, optional
        As in :func:`~dynopt_milp.backtest`, for every solve; of a smaller size those names count that are in it. Where
        greedy ends at a portfolio that breaks a rule there is no gap: ``num_without_greedy`` of a cell's line counts
        those, and along greedy's own path the rebalance has failed.
    verify_share : float
        As in :func:`~dynopt_milp.backtest`, of the exact optima: ``proofs_asked`` and ``proofs_verified`` of a cell's
        line.
    gap, time_limit
        As in :func:`~dynopt_milp.solve`, for each solve but greedy's, which is run to its end.
    show_progress : bool
        A progress bar on stderr.

    Returns
    -------
    DataFrame
        A line for each cell: :func:`~dynopt_milp.gap.summarise`, and what holding the path came to.

    Raises
    ------
    InputError, HistoryError
        If the grid, the limits or the rules do not fit the market; before any work.
    FormatError
        If the folder holds another study.
    FileError
        If the folder is in use by another run, or cannot be written to.
    MissingPackage
        If the extra ``studies`` (for a cluster, ``cluster``) is not installed.
    StudyInterrupted
        On Ctrl-C.
    WorkerError
        If a worker was killed.
    """
    require("joblib", "pyarrow", *(["distributed"] if cluster is not None else []))
    preset = preset_of(preset)
    grid = grid.of(preset)
    cells = grid.cells(market)
    whole_number(workers, "workers", least=1)
    holding_cost = preset.holding_cost if holding_cost is None else true_or_false(holding_cost, "holding_cost")
    if not callable(limits):
        limits_of(limits, market.instruments, market.instruments)
    of_market(rules, market.instruments, market.instruments)
    out, strategy = Path(out), preset.of(Strategy() if strategy is None else strategy)
    gap, time_limit = check_gap(gap), check_time_limit(time_limit)
    verify_share = to_share(verify_share, "verify_share")
    study = StudySettings(
        market, strategy, grid.start, grid.end, gap, time_limit, out / CELLS, _checked(also), limits, holding_cost,
        rules, verify_share, preset.buffer_fraction,
    )  # fmt: skip
    settings = {
        "format": FORMAT, "market": _described(market), "strategy": strategy.settings(), "start": _text(grid.start),
        "end": _text(grid.end), "subset_seed": grid.seed, "gap": gap, "time_limit": time_limit, "versions": versions(),
        "also": [describe(optimizer) if callable(optimizer) else optimizer for optimizer in also],
        "limits": described(limits), "holding_cost": holding_cost,
        "notes": [f"{note.instrument}: {note.reason} ({note.rows} rows)" for note in market.notes],
    }  # fmt: skip
    settings["preset"] = preset.name
    if verify_share:
        settings["verify_share"] = verify_share
    if preset.buffer_fraction != BOOK_BUFFER_FRACTION:  # a study of the book's has the settings that it always had
        settings["buffer_fraction"] = preset.buffer_fraction
    if rules is not None:
        settings["rules"] = rules_described(rules, list(market.instruments))
    if cluster is not None:
        check_cluster(cluster)
    with run_folder(out, settings, CELLS, growing=("preset",)):
        with reported(study.folder):
            study.folder.mkdir(exist_ok=True)
        missing = [cell for cell in cells if not summary_path(study, cell).exists()]
        for cell in cells:
            if cell not in missing:
                check_done(study, cell)
        days = grid.days(market)
        counts = {cell: len(rebalance_days(days, cell.frequency)) for cell in cells}
        finished = sum(counts[cell] for cell in cells if cell not in missing)
        try:
            with (
                Progress(sum(counts.values()), "rebalances", show=show_progress) as progress,
                polled(progress, study, missing, finished, counts) if show_progress else nullcontext(),
            ):
                for _ in in_parallel(study, missing, workers, cluster):
                    pass
        except KeyboardInterrupt:
            done = sum(summary_path(study, cell).exists() for cell in cells)
            raise StudyInterrupted(done, len(cells), out) from None
        collect(study, cells, out / REBALANCES)
        summary = pd.DataFrame([cell_line(summary_path(study, cell)) for cell in cells])
        write_atomically(out / SUMMARY, summary.to_csv(index=False))
    return summary


def _checked(also: Sequence[str | Optimizer]) -> tuple[str | Optimizer, ...]:
    """The further optimizers, each with a name of its own."""
    if isinstance(also, str):
        raise InputError(f"expected a list of optimizers, found {also!r}", field="also")
    taken = {*PATHS, SAME_SIDE, *ROW_COLUMNS, *CELL_FIGURES, *CONSEQUENCES}
    for optimizer in also:
        check_optimizer(optimizer, "also")
        name = optimizer_name(optimizer)
        columns = {name, *further_columns(name), *further_figures(name)}
        if columns & taken:
            raise InputError(f"{name!r} or one of its columns is there already; give it another name", field="also")
        taken |= columns
    return tuple(also)


def _described(market: Market) -> str:
    """What tells a market from others, in words and a hash."""
    what = f"{SIMULATED if market.simulated else ''}instruments"
    return (
        f"{len(market.instruments)} {what}, {market.days[0]:%Y-%m-%d} to {market.days[-1]:%Y-%m-%d}, "
        f"{market.base_currency}, {market.fingerprint()[:16]}"
    )


def _text(day: Any) -> str | None:
    return None if day is None else str(day)
