"""One cell of a study: its backtest, its rows and its line of the summary."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynopt_milp.backtests.run import backtest
from dynopt_milp.backtests.same_side import SAME_SIDE
from dynopt_milp.data.market import Market
from dynopt_milp.errors import FormatError
from dynopt_milp.gap.grid import PATHS, Cell
from dynopt_milp.gap.rows import CELL_COLUMNS, cell_rows, cell_values
from dynopt_milp.gap.summary import summarise
from dynopt_milp.io.atomic import refuse_unreadable, reported, write_atomically
from dynopt_milp.problem.book import BOOK_BUFFER_FRACTION
from dynopt_milp.problem.limits import Limits, LimitsLike
from dynopt_milp.solvers.branch_and_bound.solver import warm_up
from dynopt_milp.solvers.own_optimizer import Optimizer, optimizer_name
from dynopt_milp.strategy.inputs import Inputs
from dynopt_milp.strategy.rules_of_day import DayRules, of_market
from dynopt_milp.strategy.strategy import Strategy

CONSEQUENCES = (
    "annualized_return", "annualized_volatility", "sharpe_ratio", "annual_cost", "annual_trading_cost",
    "annual_roll_cost", "annual_turnover", "annual_contracts_rolled", "avg_tracking_error", "realised_tracking_error",
)  # fmt: skip
"""What a cell's line says of holding its path."""
ASKED, PROVED = "proofs_asked", "proofs_verified"
"""Likewise, where some of the rebalances are proved."""


@dataclass(frozen=True, slots=True)
class StudySettings:
    """What all cells of a study have in common."""

    market: Market
    strategy: Strategy
    start: Any
    end: Any
    gap: float
    time_limit: float | None
    folder: Path
    also: tuple[str | Optimizer, ...] = ()
    limits: LimitsLike | None = None
    holding_cost: bool = False
    rules: DayRules | None = None
    verify_share: float = 0.0
    buffer_fraction: float = BOOK_BUFFER_FRACTION
    _prepared: dict[tuple[str, ...], Inputs] = field(default_factory=dict)

    def inputs(self, cell: Cell) -> Inputs:
        """Those of a cell; of its instruments they are prepared once, as long as one cell follows on the other."""
        found = self._prepared.get(cell.instruments)
        if found is None:
            found = Inputs(self.market.select(cell.instruments), self.strategy, cell.capital)
            self._prepared.clear()
            self._prepared[cell.instruments] = found
        return found.sized_by(cell.capital)


def run_cell(study: StudySettings, cell: Cell) -> None:
    """Run one cell, or go on with it, and keep its rows and its line of the summary."""
    record = study.folder / cell.key
    if not summary_path(study, cell).exists():  # a cluster asks again when a worker dies while it clears up
        _finish(study, cell, record)
    if record.exists():
        shutil.rmtree(record)


def _finish(study: StudySettings, cell: Cell, record: Path) -> None:
    warm_up()  # so that no rebalance has to wait for it, and none counts it
    inputs = study.inputs(cell)
    market = inputs.market
    buffer_rule = None if cell.buffer_rule == "none" else cell.buffer_rule
    limits = study.limits
    if isinstance(limits, Limits):
        limits = limits.among(market.instruments, study.market.instruments)
    common: dict[str, Any] = {
        "capital": cell.capital, "frequency": cell.frequency, "start": study.start, "end": study.end, "inputs": inputs,
        "cost_multiplier": cell.cost_multiplier, "buffer_rule": buffer_rule,
        "buffer_fraction": study.buffer_fraction, "limits": limits,
        "one_side": False, "holding_cost": study.holding_cost,  # sides are what the limits say
        "rules": of_market(study.rules, market.instruments, study.market.instruments),
        "verify_share": study.verify_share,
    }  # fmt: skip
    run = backtest(
        market, study.strategy, optimizer=cell.path, out=record, portfolios=True, gap=study.gap,
        also=(*(path for path in PATHS if path != cell.path), SAME_SIDE, *study.also), time_limit=study.time_limit,
        **common,
    )  # fmt: skip
    rows = cell_rows(cell, run, [optimizer_name(optimizer) for optimizer in study.also])
    line = summarise(rows) | {name: run.performance[name] for name in CONSEQUENCES}
    if study.verify_share:
        proofs = run.performance.get("proofs", {})
        line |= {ASKED: proofs.get("asked", 0), PROVED: proofs.get("verified", 0)}
    line["instruments"] = " ".join(cell.instruments)
    buffer = BytesIO()
    rows.to_parquet(buffer, index=False)
    write_atomically(_rows_path(study, cell), buffer.getvalue())
    content = {name: _plain(value) for name, value in line.items()}
    write_atomically(summary_path(study, cell), json.dumps(content, allow_nan=False) + "\n")


def collect(study: StudySettings, cells: list[Cell], path: Path) -> None:
    """One file of all rows, a cell at a time."""
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}")
    with _readable(_rows_path(study, cells[0])):
        schema = pq.read_schema(_rows_path(study, cells[0]))
    with reported(path):
        with pq.ParquetWriter(temporary, schema) as writer:
            for cell in cells:
                with _readable(_rows_path(study, cell)):
                    rows = pq.read_table(_rows_path(study, cell)).cast(schema)
                writer.write_table(rows)
        temporary.replace(path)


def check_done(study: StudySettings, cell: Cell) -> None:
    """Refuse a finished cell whose rows and line do not belong together."""
    line = cell_line(summary_path(study, cell))
    with _readable(_rows_path(study, cell)):
        rows = pd.read_parquet(_rows_path(study, cell), columns=list(CELL_COLUMNS))
        if len(rows) != line["rebalances"] or rows.drop_duplicates().to_dict("records") != [cell_values(cell)]:
            raise ValueError("its rows are not those of its line")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse_unreadable(error, path)
        raise FormatError(
            f"is damaged: {error}; delete it and its twin (.json, .parquet), and run the same again", field=str(path)
        ) from None


def cell_line(path: Path) -> dict[str, Any]:
    """The line of the summary that a finished cell has written.

    Raises
    ------
    FormatError
        If the file is damaged.
    """
    with _readable(path):
        line: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        if "rebalances" not in line:
            raise ValueError("it has no rebalances")
    return line


def _rows_path(study: StudySettings, cell: Cell) -> Path:
    return study.folder / f"{cell.key}.parquet"


def summary_path(study: StudySettings, cell: Cell) -> Path:
    """Where a cell writes its line of the summary; that it is there says that the cell is done."""
    return study.folder / f"{cell.key}.json"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
