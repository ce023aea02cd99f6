"""The rebalances of one cell: what greedy held, what it could have reached, and the best."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from dynopt_milp.backtests.metrics import FAILED
from dynopt_milp.backtests.result import Backtest
from dynopt_milp.backtests.same_side import SAME_SIDE
from dynopt_milp.gap.grid import Cell

PRICED = ("greedy", SAME_SIDE, "exact")
"""The optimizers whose portfolios a row compares."""
CELL_HEADS = {
    "capital": "capital", "cost_multiplier": "λ", "buffer_rule": "buffer", "frequency": "frequency", "size": "n",
    "path": "path",
}  # fmt: skip
"""The columns that tell a cell from the others, and what tables call them."""
CELL_TEXTS = ("buffer_rule", "frequency", "path")
"""Those of them that are text."""
CELL_COLUMNS = ("capital", "cost_multiplier", "buffer_rule", "frequency", "path", "size")
ROW_COLUMNS = (
    *CELL_COLUMNS, "date", "instruments",
    "greedy_objective", "same_side_objective", "exact_objective", "lower_bound", "status", "same_side_status",
    "greedy_tracking_error", "same_side_tracking_error", "exact_tracking_error",
    "greedy_cost", "same_side_cost", "exact_cost",
    "greedy_positions", "exact_positions", "held_positions", "greedy_seconds", "exact_seconds", "reason",
)  # fmt: skip
"""The columns of ``rebalances.parquet``; see docs/gap.md."""


def cell_values(cell: Cell) -> dict[str, Any]:
    """What tells a cell from the others, by column."""
    return {
        "capital": cell.capital, "cost_multiplier": cell.cost_multiplier, "buffer_rule": cell.buffer_rule,
        "frequency": cell.frequency, "path": cell.path, "size": len(cell.instruments),
    }  # fmt: skip


def further_columns(name: str) -> list[str]:
    """The columns of a further optimizer."""
    return [f"{name}_objective", f"{name}_tracking_error", f"{name}_cost", f"{name}_positions", f"{name}_seconds"]


def further(columns: Iterable[str]) -> list[str]:
    """The names of the further optimizers that a table has columns of."""
    ending = "_objective"
    return [name.removesuffix(ending) for name in columns if name.endswith(ending) and name not in ROW_COLUMNS]


def cell_rows(cell: Cell, run: Backtest, also: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each rebalance of a run along the cell's path, with the columns of :data:`ROW_COLUMNS`.

    Where there is no exact portfolio the status is ``"failed"`` and ``reason`` says why; where greedy has none its
    columns are empty. Each optimizer in ``also`` has
    columns of its own, :func:`further_columns`.
    """
    columns = [*ROW_COLUMNS, *(column for name in also for column in further_columns(name))]
    portfolios = {(row["date"], row["optimizer"]): row for row in run.portfolios.to_dict("records")}
    rows = []
    days = run.rebalances.index
    held_by_day = run.positions.loc[days].to_dict("records")
    for day, rebalance, held in zip(days, run.rebalances.to_dict("records"), held_by_day, strict=True):
        row = cell_values(cell) | {"date": day, "instruments": int(_or(rebalance["instruments"], 0))}
        row |= {"status": rebalance["status"], "reason": rebalance["reason"], "held_positions": _positions(held)}
        for name in (*PRICED, *also):
            found = portfolios.get((day, name))
            if found is None:
                continue
            if found["status"] == FAILED:
                row |= {"status": FAILED, "reason": found["reason"]} if name == "exact" else {}
                continue
            if not isinstance(found["positions"], dict):  # none was found, or there is none
                row |= {"status": FAILED, "reason": f"exact: {found['status']}"} if name == "exact" else {}
                continue
            row |= {
                f"{name}_objective": found["objective"],
                f"{name}_tracking_error": found["tracking_error"],
                f"{name}_cost": found["cost_penalty"],
            }
            if name == "exact":
                row |= {"status": found["status"], "lower_bound": found["lower_bound"]}
            if name == SAME_SIDE:
                row["same_side_status"] = found["status"]
            else:
                row |= {f"{name}_positions": json.dumps(found["positions"]), f"{name}_seconds": found["seconds"]}
        rows.append(row)
    frame = pd.DataFrame(rows, columns=columns)
    texts = [*CELL_TEXTS, "status", "same_side_status", "reason"]
    texts += [name for name in columns if name.endswith("_positions")]
    numbers = [name for name in columns if name not in (*texts, "date", "size", "instruments")]
    return frame.astype(dict.fromkeys(texts, "str") | dict.fromkeys(numbers, "float64"))


def _or(value: float, otherwise: float) -> float:
    return otherwise if pd.isna(value) else value


def _positions(held: dict[Any, float]) -> str:
    return json.dumps({str(name): int(number) for name, number in held.items() if number != 0})
