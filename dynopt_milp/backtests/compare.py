"""Several strategies, each held in several ways, over the same years."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dynopt_milp.backtests.diagnostics import UNOPTIMISED
from dynopt_milp.backtests.journal import JOURNAL
from dynopt_milp.backtests.result import KIND, Backtest
from dynopt_milp.backtests.run import backtest
from dynopt_milp.data.market import Market
from dynopt_milp.errors import FormatError
from dynopt_milp.io.atomic import reported
from dynopt_milp.io.run_folder import SETTINGS, format_of
from dynopt_milp.solvers.own_optimizer import Optimizer, distinct_names
from dynopt_milp.solvers.settings import check_optimizer
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.presets import DEFAULT, Preset, preset_of
from dynopt_milp.strategy.strategy import Strategy

COMPARED_FIGURES = (
    "annualized_return", "annualized_volatility", "sharpe_ratio", "gross_sharpe_ratio", "annual_cost",
    "annual_trading_cost", "annual_roll_cost", "max_drawdown_of_capital_pct", "max_drawdown_of_peak_pct",
    "annual_turnover", "annual_contracts_rolled", "avg_tracking_error", "realised_tracking_error", "num_rebalances",
    "num_optimal", "num_not_proved", "num_failed", "num_days_without_rolls", "costs_counted", "solver_seconds",
    "account_lost",
)  # fmt: skip

TABLE = "comparison.csv"
FILES = (TABLE, "comparison.png", "report.html")
"""What a folder of a comparison holds beside its runs."""

Runs = dict[tuple[str, str], Backtest]
"""Backtests by strategy and optimizer."""


def run_comparison(
    market: Market,
    strategies: Mapping[str, Strategy],
    optimizers: Sequence[str | Optimizer],
    *,
    capital: float,
    preset: str | Preset = DEFAULT,
    out: Path | None = None,
    show_progress: bool = False,
    **settings: Any,
) -> Runs:
    """Backtest every strategy with every optimizer; inputs are prepared once for each strategy.

    Parameters
    ----------
    market : Market
    strategies : mapping
        By name.
    optimizers : sequence of str or callable
        Names of optimizers or functions, as :func:`~dynopt_milp.backtest` takes them.
    capital : float
    preset : {"recommended", "book", "pysystemtrade"} or Preset
        As in :func:`~dynopt_milp.backtest`.
    out : Path, optional
        Each run is kept in ``out/STRATEGY/OPTIMIZER`` and goes on from there after an interruption.
    show_progress : bool
    **settings
        Further arguments of :func:`~dynopt_milp.backtest`. ``"unrounded"``, ``"rounded"`` and ``"buffered"`` are run
        without ``rules``, which they do not know: what the others are compared with.

    Returns
    -------
    dict
        Backtests by (strategy, optimizer).

    Raises
    ------
    UnknownNameError
        If there is no such optimizer; before any work.
    FormatError
        If the folder holds something else than comparisons; before any work.
    """
    names = distinct_names(optimizers, "optimizers")
    for optimizer in optimizers:
        check_optimizer(optimizer, "optimizers", UNOPTIMISED)
    if out is not None:
        _refuse_other_folder(out, strategies)
    preset = preset_of(preset)
    runs: Runs = {}
    for name, strategy in strategies.items():
        strategy = preset.of(strategy)
        inputs = Inputs(market, strategy, float(capital))
        for called, optimizer in zip(names, optimizers, strict=True):
            known = settings | {"rules": None} if optimizer in UNOPTIMISED else settings
            runs[name, called] = backtest(
                market,
                strategy,
                capital=capital,
                preset=preset,
                optimizer=optimizer,
                inputs=inputs,
                out=None if out is None else out / name / called,
                show_progress=show_progress,
                **known,
            )
    return runs


def _refuse_other_folder(out: Path, strategies: Iterable[str]) -> None:
    """Refuse a folder with something else in it than comparisons: prices, say, or a run."""
    for entry in sorted(out.iterdir()) if out.is_dir() else ():
        known = entry.name.startswith(".") or entry.name in (*strategies, *FILES)
        if not known and not (entry.is_dir() and any(entry.glob(f"*/{SETTINGS}"))):
            raise FormatError(
                f"holds something else than a comparison ({entry.name}); use an empty or a new folder", field=str(out)
            )


def read_comparison(folder: Path) -> Runs:
    """Read the backtests of a comparison; in the order of its table, if it has one.

    Parameters
    ----------
    folder : Path
        With a run in each ``STRATEGY/OPTIMIZER``, as :func:`run_comparison` keeps them.

    Returns
    -------
    dict
        Backtests by (strategy, optimizer): those of ``comparison.csv``, or all there are.

    Raises
    ------
    FileError
        If a file of a run is missing: it was not finished.
    FormatError
        If a file is damaged.
    """
    table = folder / TABLE
    if table.exists():
        try:
            with reported(table):
                found = pd.read_csv(table, usecols=["strategy", "optimizer"], dtype=str, keep_default_na=False)
        except ValueError as error:
            raise FormatError(f"is damaged: {error}", field=str(table)) from None
        names = list(found[["strategy", "optimizer"]].itertuples(index=False, name=None))
    else:
        names = runs_below(folder)
    return {(strategy, optimizer): Backtest.load(folder / strategy / optimizer) for strategy, optimizer in names}


def runs_below(folder: Path) -> list[tuple[str, str]]:
    """The names of the folders of runs in a folder, two levels down; settings of something else are passed over."""
    there = sorted(folder.glob(f"*/*/{SETTINGS}"))
    return [
        (path.parts[-3], path.parts[-2])
        for path in there
        if is_run(path.parent) and not format_of(path.parents[1])  # else it belongs to a study
    ]


def is_run(folder: Path) -> bool:
    """Whether a folder is one of a run, finished or not, damaged or not."""
    found = format_of(folder)
    return found.startswith(KIND) or (not found and (folder / JOURNAL).is_file() and (folder / SETTINGS).is_file())


def comparison_table(runs: Runs) -> pd.DataFrame:
    """One row for each run: strategy, optimizer and its figures (see :func:`~dynopt_milp.backtests.performance`)."""
    rows = [
        {"strategy": strategy, "optimizer": optimizer} | {name: run.performance[name] for name in COMPARED_FIGURES}
        for (strategy, optimizer), run in runs.items()
    ]
    return pd.DataFrame(rows)
